"""What the parser makes of a page's exact text: its own errors must not be a reader's."""

from collections import Counter
from collections.abc import Mapping

from medocr.metrics.values import comparable, header, letters, plain, rows

SUMS = ("issuer", "number", "date", "subtotal", "tax", "tax_rate", "total")
COLUMNS = {  # of each kind of rows, those that the parser must read as the source has them
    "analytes": ("name", "value", "unit", "low", "high", "flag"),
    "drugs": ("drug", "dose", "unit", "route", "frequency", "duration", "amount", "status"),
    "options": ("label", "ticked"),
}


def legible(known: Mapping, read: Mapping) -> dict:
    """A page's fields without those that the parser does not read from the exact text as the source has them.

    `read` is what it reads there, of the same kinds. Under `misread` are the rows that it makes of the others: they are
    left out of what it reads from a prediction too, so that a perfect copy has no fault.
    """
    kept: dict = {**known, "misread": {}}
    for kind, columns in COLUMNS.items():
        left = Counter(_key(row, columns) for row in rows(read, kind))
        both = []
        for row in rows(known, kind):
            if left[_key(row, columns)]:
                left[_key(row, columns)] -= 1
                both.append(row)
        if known.get(kind):
            kept[kind] = both
        misread = [row for row in rows(read, kind) if left[key := _key(row, columns)] and not left.subtract([key])]
        if misread:
            kept["misread"][kind] = misread
    if known.get("header"):
        on_top = {(name, letters(value)) for name, value in header(read)}
        kept["header"] = {name: value for name, value in header(known) if (name, letters(value)) in on_top}
    _drop_sums(kept, known, read)
    return kept


def _drop_sums(kept: dict, known: Mapping, read: Mapping) -> None:
    """Sums and names on a receipt, which a source has under `receipt` or on top."""
    inside = isinstance(known.get("receipt"), Mapping)
    sums, read_sums = (known["receipt"], read.get("receipt") or {}) if inside else (known, read)
    wrong = [name for name in SUMS if sums.get(name) is not None and plain(sums[name]) != plain(read_sums.get(name))]
    if inside:
        kept["receipt"] = {name: value for name, value in sums.items() if name not in wrong}
    else:
        for name in wrong:
            del kept[name]


def without(listed: list[Mapping], misread: list[Mapping], kind: str) -> list[Mapping]:
    """Rows read from a prediction, less one for each that the parser misreads on the page: the same or a namesake."""
    columns, left = COLUMNS[kind], list(listed)
    for row in misread:
        same = next((other for other in left if _key(other, columns) == _key(row, columns)), None)
        name = columns[0]
        other = same or next((other for other in left if comparable(other, name) == comparable(row, name)), None)
        if other is not None:
            left = [kept for kept in left if kept is not other]
    return left


def _key(row: Mapping, columns: tuple[str, ...]) -> tuple:
    return tuple(comparable(row, name) if row.get(name) is not None else None for name in columns)
