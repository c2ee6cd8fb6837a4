"""What makes two fields the same: their columns as they are compared, whoever read them."""

from collections import Counter
from collections.abc import Iterator, Mapping

from ..metrics.ceiling import COLUMNS
from ..metrics.values import comparable, header, letters, plain, rows
from ..review.columns import LISTS

KINDS = (*LISTS, "header", "total")


def take(left: dict[str, Counter], kind: str, name: str, columns: Mapping) -> bool:
    """Whether a field is among those of `keys` that no other field has taken; it is taken from there."""
    own = key(kind, name, columns)
    there = left[kind][own] > 0
    left[kind][own] -= there
    return there


def key(kind: str, name: str, columns: Mapping) -> tuple:
    """A field's columns, numbers as numbers, units by their code, directions by what they mean."""
    if kind in LISTS:
        return tuple(comparable(columns, column) for column in COLUMNS[LISTS[kind]])
    value = columns.get("value")
    return name, letters(value) if kind == "header" else plain(value)


def keys(read: Mapping) -> dict[str, Counter]:
    """The keys of all fields in what `fields.read_fields` gives, or a source knows, by kind."""
    return {kind: Counter(_keys(kind, read)) for kind in KINDS}


def _keys(kind: str, read: Mapping) -> Iterator[tuple]:
    if kind in LISTS:
        yield from (key(kind, "", row) for row in rows(read, LISTS[kind]))
    elif kind == "header":
        yield from (key(kind, name, {"value": value}) for name, value in header(read))
    else:
        sums = read.get("receipt") or read
        yield from (key(kind, name, {"value": sums[name]}) for name in ("subtotal", "tax", "total") if sums.get(name))
