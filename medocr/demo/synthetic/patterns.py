"""The templates' small language: `"{item}|{amount}"` is a line of two cells, filled in with known values."""

import string

from .draw import Line

LEFT = {"name", "item", "unit", "range", "drug", "frequency", "duration", "form", "flag"}  # the rest are figures


def names(patterns) -> list[str]:
    """The placeholders of some patterns, in order."""
    return [name for text in patterns for _, name, _, _ in string.Formatter().parse(text) if name]


def line(text: str, known: dict, **looks) -> Line:
    """A line of its own: one cell to the left, or two at either side."""
    cells = tuple(cell.strip() for cell in text.format_map(known).split("|"))
    return Line(cells, "lr" if len(cells) == 2 else "l", **looks)


def row(text: str, known: dict, **looks) -> Line:
    """A row of a table: words to the left, figures to the right."""
    patterns = text.split("|")
    columns = "".join("l" if not i or LEFT & {*names([cell])} else "r" for i, cell in enumerate(patterns))
    return Line(tuple(cell.format_map(known).strip() for cell in patterns), columns, table=True, **looks)


def shown(patterns, known: dict) -> dict:
    """The known values that these patterns print."""
    return {name: known[name] for name in names(patterns) if known[name]}
