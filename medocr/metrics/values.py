"""Field values as they are compared: numbers as numbers, units by UCUM code, words without case and punctuation."""

import dataclasses
import re
from collections.abc import Mapping

from medocr.fields import unit_code

# Letters and digits; bounds and pluses; and the signs inside numbers, fractions, titres and spans.
TOLD = re.compile(r"[^\W_]|[<>≤≥+]|(?<=\d)[/:.–-](?=\d)|[.−-](?=\d)")

HEADER = {
    *("facility", "patient", "age", "sex", "date_of_birth", "mrn", "accession", "report", "npi", "doctor"),
    *("collected", "received", "reported", "date"),
}
NAMES = ("name", "drug", "label")


def rows(fields: Mapping, kind: str) -> list[Mapping]:
    """The rows of one kind (analytes, drugs, options) as mappings, from records or JSON; anything else is left out."""
    found = fields.get(kind)
    listed = found if isinstance(found, list | tuple) else ()
    mappings = (vars(row) if dataclasses.is_dataclass(row) else row for row in listed)
    return [row for row in mappings if isinstance(row, Mapping)]


def header(fields: Mapping) -> list[tuple[str, object]]:
    """The header's fields that hold a value, of those that `fields.read_header` looks for: a source may know more."""
    found = fields.get("header")
    known = found.items() if isinstance(found, Mapping) else ()
    return [(name, value) for name, value in known if name in HEADER and value]


def comparable(row: Mapping, name: str):
    """A row's value as it is compared; names by their letters and digits alone."""
    value = row.get(name)
    if name in NAMES:
        return letters(value)
    return plain(unit_code(value) or value if name == "unit" and isinstance(value, str) else value)


def plain(value):
    """A value as it is compared: `1,200` is 1200.0, `NEGATIVE` is `negative`; `<1.5`, `1:160`, `875/125` keep signs."""
    if isinstance(value, str):
        with_point = value.replace(",", "")
        if with_point.replace(".", "", 1).isdecimal() and with_point.isascii():
            return float(with_point)
        return "".join(TOLD.findall(value.casefold())) or value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return value if isinstance(value, bool | None) else str(value)


def letters(value) -> str:
    """A name or an identifier as it is compared: its letters and digits, without case. `0012` is not `12`."""
    return "".join(character for character in str(value).casefold() if character.isalnum())
