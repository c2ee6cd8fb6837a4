"""A field's columns as text that a person can correct, and back; and the printed line with a corrected value in it."""

import math
import re

LISTS = {"analyte": "analytes", "drug": "drugs", "tick": "options"}  # a field's kind → its list among a page's fields
NAMED_BY = {"analyte": "name", "drug": "drug", "tick": "label"}  # a kind of field → the column with its name
PLACES = ("line", "printed")  # where a value stood, not what it is
NUMBERS = ("low", "high", "subtotal", "tax", "tax_rate", "total", "discount", "tip", "earlier")
EITHER = ("value", "dose", "previous")  # a number, or a word as printed
MARKS = ("ticked",)
YES, NO = "yes", "no"
NUMBER = re.compile(r"(?<![\w.,])[-+−]?\d+(?:[.,]\d+)*(?![\w]*\d)")
GROUPED = re.compile(r"(?:[<>≤≥]=?\s*)?[-+−]?([1-9]\d{0,2}(?:[.,]\d{3})+)")  # 11,800 may be 11.8


def check(columns: dict) -> None:
    """Raise ValueError, naming the column, where a value is not of the kind that the column holds."""
    for name, value in columns.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        known = (name in NUMBERS + EITHER and number) or (name in MARKS and isinstance(value, bool)) or name in PLACES
        if value is not None and not known and (name in NUMBERS + MARKS or not isinstance(value, str)):
            raise ValueError(f"{name} is {str(value)[:40]!r}, which the column cannot hold")


def shown(columns: dict) -> dict[str, str]:
    """The columns as text, an absent value as an empty one."""
    return {name: _text(value) for name, value in columns.items() if name not in PLACES}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None else str(value)


def parsed(texts: dict[str, str], before: dict) -> dict:
    """The columns that a person's texts say; of a text left as it was shown the value that `before` has.

    Raises ValueError, naming the column, for a text that is not what the column holds, or a column that is none.
    """
    unchanged = shown(before)
    if unknown := texts.keys() - unchanged.keys():
        raise ValueError(f"{', '.join(sorted(unknown))}: there are the columns {', '.join(unchanged)}")
    changed = {name: text.strip() for name, text in texts.items() if text != unchanged[name]}
    return before | {name: _value(name, text, unchanged[name]) for name, text in changed.items()}


def _value(name: str, text: str, before: str) -> object:
    if name in MARKS:
        if text.lower() not in (YES, NO):
            raise ValueError(f"{name} is {text!r}: write {YES} or {NO}")
        return text.lower() == YES
    if not text and name in NAMED_BY.values():
        raise ValueError(f"{name} is empty: of what the page does not say choose `Not on the page`")
    if not text or name not in NUMBERS + EITHER:
        return text or None
    _check_grouped(name, text, before)
    number = _number(text)
    if name in NUMBERS and number is None:
        raise ValueError(f"{name} is {text!r}: write a number, or leave it empty where none is printed")
    return text if number is None else number


def _check_grouped(name: str, text: str, before: str) -> None:
    """Raise ValueError for a number that may be another, 1,000 times as large, unless what it replaces settles it."""
    grouped = GROUPED.fullmatch(text)
    if not grouped or ("," not in text and GROUPED.fullmatch(before) and "," not in before):
        return  # what was shown has a decimal point wherever it has a point
    sign, decimal = text[: grouped.start(1)], _number(grouped[1])
    also = f" or {sign}{decimal:g}" if decimal is not None else ""
    raise ValueError(f"{name} is {text}: write {sign}{re.sub('[.,]', '', grouped[1])}{also}")


def _number(text: str) -> float | None:
    """The number that a text is: `4.10`, `4,1`, `−2`; None for bounds, words and anything not plain."""
    plain = text.replace("−", "-")
    if plain.count(",") == 1 and "." not in plain:
        plain = plain.replace(",", ".")
    return float(plain) if re.fullmatch(r"[-+]?\d+(?:\.\d+)?", plain) else None


def _readings(printed: str) -> set[float | None]:
    """The numbers that a printed one may be."""
    grouped = GROUPED.fullmatch(printed)
    return {_number(printed), *([float(re.sub("[.,]", "", printed).replace("−", "-"))] if grouped else [])}


def corrected_line(line: str, before: dict[str, str], after: dict[str, str]) -> str | None:
    """The printed line with every changed column put in place of what stood there.

    None where a value is new, gone, or printed in no place or several: then a person has to write the line.
    """
    for name, text in after.items():
        old = before.get(name, "")
        if text == old:
            continue
        places = _places(line, old)
        if not text.strip() or len(places) != 1:
            return None
        start, end = places[0]
        line = line[:start] + text.strip() + line[end:]
    return line


def stands_in(line: str, text: str) -> bool:
    """Whether a value is printed in a line, in small or large letters."""
    return bool(_places(line.casefold(), text.casefold()))


def _places(line: str, text: str) -> list[tuple[int, int]]:
    """Where a value stands in a line: a number however it is written, a text as it is."""
    number = _number(text) if text else None
    if number is not None:
        return [match.span() for match in NUMBER.finditer(line) if number in _readings(match[0])]
    return [match.span() for match in re.finditer(rf"(?<!\w){re.escape(text)}(?!\w)", line)] if text else []
