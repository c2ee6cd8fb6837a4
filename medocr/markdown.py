"""Tables as Markdown, for cards, README and the index of results."""

from collections.abc import Iterable, Sequence


def table(titles: Iterable, rows: Iterable[Sequence]) -> str:
    """A Markdown table. A vertical bar or a line break in a cell does not break it."""
    titles = list(titles)
    return "\n".join(f"| {' | '.join(map(_cell, cells))} |" for cells in (titles, ["---"] * len(titles), *rows))


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split("\n"))
