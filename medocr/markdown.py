"""Tables as Markdown, for cards, README and the index of results."""

from collections.abc import Iterable, Sequence


def table(titles: Iterable, rows: Iterable[Sequence], align: str = "") -> str:
    """A Markdown table; `align` has a letter for each column, l or r, and columns beyond it are left-aligned.

    A vertical bar or a line break in a cell does not break the table.
    """
    titles = list(titles)
    rule = ["---:" if side == "r" else "---" for side in align.ljust(len(titles), "l")]
    return "\n".join(f"| {' | '.join(map(_cell, cells))} |" for cells in (titles, rule, *rows))


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split("\n"))
