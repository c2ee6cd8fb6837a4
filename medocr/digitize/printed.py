"""Numbers, units and fields as they are printed: 4.10 stays 4.10, `10^3/uL` stands beside its code."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from ..fields import unit_code
from ..fields.text import plain
from ..review.columns import NAMED_BY

NUMBER = re.compile(r"\d(?:[\d.,' ]*\d)?")
PIECE = re.compile(r"\d+(?:[.,]\d+)?")
REACH = 160  # characters after a name within which its columns stand
COLUMNS = ("value", "low", "high", "dose", "unit", "form", "route", "frequency", "duration", "amount")
UNSPACED = re.compile(r"\d[\d.,]*\d|\d")  # a number without the spaces that NUMBER lets in
LONGEST_UNIT = 4  # words
GLUED = re.compile(r"(?<![\w^*/])(\d+(?:[.,]\d+)?)(?=[^\W\d_]|%)(?!x10|[eE]\d)()")  # `105mg/dL`
NUMBER_FIRST = re.compile(r"[\d.,<>=-]+(?![\d^*x ]{0,4}[\^*])")  # a value, not the power of `10^3/uL`


def number(value: float, text: str) -> Decimal:
    """The value with the decimals that it is printed with in `text`; with its own where it is not printed there."""
    return next(_readings(value, text), _shortest(value))


def stands_in(value: float, text: str) -> bool:
    """Whether a number is printed in a text."""
    return any(True for _ in _readings(value, text))


def _readings(value: float, text: str) -> Iterator[Decimal]:
    """The numbers printed in a text that are this value, with their decimals."""
    flat = plain(text)
    pieces = (match.group() for pattern in (PIECE, NUMBER) for match in pattern.finditer(flat))
    return (exact for piece in pieces if (exact := _scaled(value, piece)) is not None)


def _scaled(value: float, piece: str) -> Decimal | None:
    """The digits of a piece with a decimal point where they make the value, if they can."""
    digits = re.sub(r"\D", "", piece)
    after = len(re.split(r"[.,]", piece)[-1]) if re.search(r"[.,]", piece) else 0
    magnitude = abs(_shortest(value))
    for places in (after, 0):
        exact = Decimal(int(digits)).scaleb(-places)
        if exact == magnitude:
            return -exact if value < 0 else exact
    return None


def _shortest(value: float) -> Decimal:
    exact = Decimal(repr(float(value)))
    return exact.to_integral_value() if exact == exact.to_integral_value() else exact


def unit(code: str, text: str) -> str:
    """How a unit with this UCUM code is printed in a text: `10^3/uL` for `10*3/uL`; the code where it is not there."""
    words = [word for piece in text.split() for word in GLUED.sub(r"\1 \2", piece).split()]
    for length in range(LONGEST_UNIT, 0, -1):
        for start in range(len(words) - length + 1):
            piece = " ".join(words[start : start + length]).strip("()[],;:|")
            if not NUMBER_FIRST.match(piece) and unit_code(piece) == code:
                return piece
    return code


def spans(entries: list[tuple[str, Mapping]], text: str) -> list[tuple[int, int] | None]:
    """For each (kind, columns), in order of print, the span of characters; None where it cannot be found again."""
    lowered, places, after = text.lower(), [], {"analyte": 0, "drug": 0, "tick": 0}
    place: tuple | None = None  # kind, name and line: results under several dates have one name
    for kind, columns in entries:
        name = str(columns.get(NAMED_BY.get(kind, "value"), ""))
        again = place == (kind, name, columns.get("line")) and "line" in columns
        place = kind, name, columns.get("line")
        start = lowered.find(name.lower(), after.get(kind, 0) - again * len(name)) if name else -1
        if kind == "total":
            numbers = [match for match in UNSPACED.finditer(text) if stands_in(columns["value"], match.group())]
            start, name = (numbers[-1].start(), numbers[-1].group()) if numbers else (-1, "")
        if start < 0:
            places.append(None)
            continue
        end = max([start + len(name), *_ends(columns, text, start + len(name))])
        if kind in after:
            after[kind] = start + len(name)
        places.append((start, end))
    return places


def _ends(columns: Mapping, text: str, start: int) -> Iterator[int]:
    """Where the columns end that are printed after a name."""
    near = text[start : start + REACH]
    for name in COLUMNS:
        value = columns.get(name)
        if isinstance(value, float):
            numbers = (match for match in UNSPACED.finditer(near) if stands_in(value, match.group()))
            if match := next(numbers, None):
                yield start + match.end()
        elif value and (at := near.lower().find(str(value).lower())) >= 0:
            yield start + at + len(str(value))
