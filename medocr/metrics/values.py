"""Field values as they are compared: numbers as numbers, units by UCUM code, words without case and punctuation."""

import contextlib
import functools
import re
from collections.abc import Callable, Mapping

from medocr.fields import directions, quantities, unit_code
from medocr.fields.text import number

# Letters and digits; bounds and pluses; the signs inside numbers, fractions, titres and spans; and the minus of `O-`.
TOLD = re.compile(r"[^\W_]|[<>≤≥+]|(?<=\d)[/:.-](?=\d)|[.-](?=\d)|-(?=\s*$)")
DASHES = str.maketrans("–−", "--")
NUMBER = re.compile(r"\d[\d,]*\.?\d*|\.\d+", re.ASCII)

HEADER = {
    *("facility", "patient", "age", "sex", "date_of_birth", "mrn", "accession", "report", "npi", "doctor"),
    *("collected", "received", "reported", "date"),
}
AS_THEY_ARE = float, bool
REMEMBERED = 20_000  # names and values whose comparable form is kept: a few reports' worth of words, not pages


def rows(fields: Mapping, kind: str) -> list[Mapping]:
    """The rows of one kind (analytes, drugs, options) as mappings, from records or JSON; anything else is left out."""
    listed = fields.get(kind)
    if not listed or not isinstance(listed, list | tuple):
        return []
    if set(map(type, listed)) == {dict}:  # as read from JSON
        return listed
    mappings = [row if isinstance(row, dict) else getattr(row, "__dict__", row) for row in listed]
    return [row for row in mappings if isinstance(row, Mapping)]


def header(fields: Mapping) -> list[tuple[str, object]]:
    """The header's fields that hold a value, of those that `fields.read_header` looks for: a source may know more."""
    listed = fields.get("header")
    known = listed.items() if isinstance(listed, Mapping) else ()
    return [(name, value) for name, value in known if name in HEADER and value]


def comparable(row: Mapping, name: str) -> object:
    """A row's value as it is compared; names by their letters and digits alone, units as `quantities.of` has them."""
    if name == "unit" and isinstance(row.get("unit"), str) and "eq" in row["unit"].lower():
        code = unit_code(row["unit"])
        return unit(row["unit"]) if code is None else "{} {}".format(*quantities.of(code, str(row.get("name", ""))))
    return COMPARED.get(name, plain)(row.get(name))


def quantity(row: Mapping, name: str) -> object:
    """A row's unit or dose as rows are compared, so that 0.5 g and 500 mg of a drug are one: masses in milligrams."""
    code = unit_code(row["unit"]) if isinstance(row.get("unit"), str) else None
    power, dimension = quantities.scale(code) if code and "dose" in row else (0, "")
    if dimension != "g":
        return comparable(row, name)
    dose = plain(row["dose"])
    return "mg" if name == "unit" else round(dose * 10.0 ** (power + 3), 9) if isinstance(dose, float) else dose


def plain(value: object) -> object:
    """A value as it is compared: `1,200` is 1200.0, `13,2` is 13.2, `NEGATIVE` is `negative`; signs stay in `<1.5`,
    `1:160`, `875/125` and `O-`."""
    if value is None or isinstance(value, AS_THEY_ARE):
        return value
    if isinstance(value, str):
        return _text(value)
    return float(value) if isinstance(value, int) else str(value)


@functools.lru_cache(REMEMBERED)
def _text(value: str) -> float | str:
    if NUMBER.fullmatch(value):
        with contextlib.suppress(ValueError):  # `1,2,3`
            return number(value)
    return "".join(TOLD.findall(value.casefold().translate(DASHES))) or value


def unit(value: object) -> object:
    """A unit as it is compared: by its UCUM code where it has one."""
    return _unit(value) if isinstance(value, str) else plain(value)


@functools.lru_cache(REMEMBERED)
def _unit(value: str) -> float | str:
    code = unit_code(value)
    return _text(value) if code is None else "{} {}".format(*quantities.scale(code))


def letters(value) -> str:
    """A name or an identifier as it is compared: its letters and digits, without case. `0012` is not `12`."""
    return _letters(value if isinstance(value, str) else str(value))


@functools.lru_cache(REMEMBERED)
def _letters(value: str) -> str:
    return "".join(filter(str.isalnum, value.casefold()))


def _meaning(of: Callable[[str], object]) -> Callable[[object], object]:
    """Compare directions by what they mean, where that is understood, else by their words."""

    def compare(value: object) -> object:
        meant = of(value) if isinstance(value, str) else None
        return plain(value) if meant is None else meant

    return compare


class Timed(float):
    """So many times a day, at stated times of the day: not equal to other times, but to so many at no stated time."""

    of_day: frozenset[str] = frozenset()

    def __eq__(self, other: object) -> bool:
        return float.__eq__(self, other) is True and getattr(other, "of_day", self.of_day) == self.of_day

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = float.__hash__


def frequency(value: object) -> object:
    """A frequency as it is compared: how often a day, at which times of it, and whether as needed only."""
    return _frequency(value) if isinstance(value, str) else plain(value)


@functools.lru_cache(REMEMBERED)
def _frequency(value: str) -> object:
    times, of_day = directions.times_a_day(value), directions.times_of_day(value)
    if times is not None and of_day:
        times = Timed(times)
        times.of_day = of_day
    if directions.is_as_needed(value):
        return "as needed", times
    return _text(value) if times is None else times


duration = _meaning(directions.days)
route = _meaning(directions.route_of)
amount = _meaning(directions.amount_of)

COMPARED = {"name": letters, "drug": letters, "label": letters, "unit": unit}  # other columns are `plain`
COMPARED |= {"frequency": frequency, "duration": duration, "route": route, "amount": amount}
COMPARED["status"] = lambda status: None if status == "active" else plain(status)  # which a source need not say
