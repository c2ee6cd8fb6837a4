"""Where in a text a field is printed: from its name, or its value, to the last of its columns."""

import re
from collections.abc import Iterator, Mapping

from ..review.columns import NAMED_BY
from . import printed

REACH = 160  # characters after a name within which its columns stand
COLUMNS = ("value", "low", "high", "dose", "unit", "form", "route", "frequency", "duration", "amount")
NUMBERS = re.compile(r"\d[\d.,]*\d|\d")


def spans(entries: list[tuple[str, Mapping]], text: str) -> list[tuple[int, int] | None]:
    """For each (kind, columns), in order of print, the span of characters; None where it cannot be found again."""
    lowered, found, after = text.lower(), [], {"analyte": 0, "drug": 0, "tick": 0}
    place: tuple | None = None  # kind, name and line: results under several dates have one name
    for kind, columns in entries:
        name = str(columns.get(NAMED_BY.get(kind, "value"), ""))
        again = place == (kind, name, columns.get("line")) and "line" in columns
        place = kind, name, columns.get("line")
        start = lowered.find(name.lower(), after.get(kind, 0) - again * len(name)) if name else -1
        if kind == "total":
            start, name = _last_number(columns["value"], text)
        if start < 0:
            found.append(None)
            continue
        end = max([start + len(name), *_ends(columns, text, start + len(name))])
        if kind in after:
            after[kind] = start + len(name)
        found.append((start, end))
    return found


def _ends(columns: Mapping, text: str, start: int) -> Iterator[int]:
    """Where the columns end that are printed after a name."""
    near = text[start : start + REACH]
    for name in COLUMNS:
        value = columns.get(name)
        if isinstance(value, float):
            numbers = (match for match in NUMBERS.finditer(near) if printed.stands_in(value, match.group()))
            if match := next(numbers, None):
                yield start + match.end()
        elif value and (at := near.lower().find(str(value).lower())) >= 0:
            yield start + at + len(str(value))


def _last_number(value: float, text: str) -> tuple[int, str]:
    matches = [match for match in NUMBERS.finditer(text) if printed.stands_in(value, match.group())]
    return (matches[-1].start(), matches[-1].group()) if matches else (-1, "")
