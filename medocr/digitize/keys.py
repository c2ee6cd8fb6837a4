"""What makes two fields the same: their columns as they are compared, whoever read them."""

from collections import Counter
from collections.abc import Iterator, Mapping

from ..metrics.values import comparable, header, letters, plain, rows

ROWS = {
    "analyte": ("analytes", ("name", "value", "unit", "low", "high", "flag")),
    "drug": ("drugs", ("drug", "dose", "unit", "route", "frequency", "duration", "amount", "status")),
    "tick": ("options", ("label", "ticked")),
}
KINDS = (*ROWS, "header", "total")


def key(kind: str, name: str, columns: Mapping) -> tuple:
    """A field's columns, numbers as numbers, units by their code, directions by what they mean."""
    if kind in ROWS:
        return tuple(comparable(columns, column) for column in ROWS[kind][1])
    value = columns.get("value")
    return name, letters(value) if kind == "header" else plain(value)


def keys(read: Mapping) -> dict[str, Counter]:
    """The keys of all fields in what `fields.read_fields` gives, or a source knows, by kind."""
    return {kind: Counter(_keys(kind, read)) for kind in KINDS}


def _keys(kind: str, read: Mapping) -> Iterator[tuple]:
    if kind in ROWS:
        yield from (key(kind, "", row) for row in rows(read, ROWS[kind][0]))
    elif kind == "header":
        yield from (key(kind, name, {"value": value}) for name, value in header(read))
    else:
        sums = read.get("receipt") or read
        yield from (key(kind, name, {"value": sums[name]}) for name in ("subtotal", "tax", "total") if sums.get(name))
