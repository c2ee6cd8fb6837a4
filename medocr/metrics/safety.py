"""Clinical safety: which of a page's values, units, flags and drugs a prediction got wrong in a way that could hurt.

A row of the reference is matched to at most one of the prediction; what is wrong on it is named. Nothing is corrected.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from rapidfuzz import fuzz
from scipy.optimize import linear_sum_assignment

from medocr import fields as medical

KINDS = {  # what is counted on a page
    "changed_digit": "numbers with another digit, more or fewer",
    "shifted_point": "numbers whose decimal point moved",
    "changed_result": "results in words that say something else",
    "changed_unit": "values with another unit",
    "swapped_rows": "values that stand on another's row",
    "lost_flag": "abnormal flags lost",
    "invented_flag": "abnormal flags invented",
    "changed_drug": "drugs read as another drug",
    "invented_value": "rows or orders that the page does not have",
}
SAME_ROW = 0.6  # names at least so alike may be one row's
BESIDE = 0.15  # what agreement of values adds, to tell rows of like names apart
MOST_PAIRS = 10_000  # that are compared letter by letter: no page has so many rows, a loop may


def errors(wanted: Mapping, found: Mapping) -> list[tuple[str, str, str]]:
    """(kind, what the page says, what was read) for each dangerous error; both mappings as `fields.read_fields` gives.

    Kinds are those of KINDS. Values are compared as numbers and units by their UCUM code; a unit or a row that is not
    read at all is lost, not wrong, and is the business of the recall metrics.
    """
    kinds = {"analytes": _analyte_errors, "drugs": _drug_errors}
    return [error for kind, compare in kinds.items() for error in compare(rows(wanted, kind), rows(found, kind))]


def count(wanted: Mapping, found: Mapping) -> dict[str, float]:
    """How many errors of each kind; empty for a page that has no analytes and no drugs."""
    if not wanted.get("analytes") and not wanted.get("drugs"):
        return {}
    counts = Counter(kind for kind, _, _ in errors(wanted, found))
    return {kind: float(counts[kind]) for kind in KINDS}


def rows(fields: Mapping, kind: str) -> list[Mapping]:
    """The rows of one kind (analytes, drugs, options) as mappings, whether they are records or JSON."""
    return [row if isinstance(row, Mapping) else vars(row) for row in fields.get(kind) or ()]


def _analyte_errors(wanted: list[Mapping], found: list[Mapping]):
    pairs, invented = _match(wanted, found, lambda row: row["name"], lambda row: row["value"])
    values = {(i, j): (str(wanted[i]["value"]), str(found[j]["value"])) for i, j in pairs}
    wrong = {value for value in values.values() if value[0] != value[1]}
    for i, j in pairs:
        row, read = wanted[i], found[j]
        if values[i, j] in wrong and values[i, j][::-1] in wrong:
            yield "swapped_rows", _shown(row), _shown(read)
        elif kind := _number_error(row["value"], read["value"]):
            yield kind, _shown(row), _shown(read)
        if _other_unit(row, read):
            yield "changed_unit", _shown(row), _shown(read)
        flag, read_flag = (one.get("flag") if one.get("flag") != "N" else None for one in (row, read))
        if flag and flag != read_flag:
            yield "lost_flag", _shown(row), _shown(read)
        if read_flag and flag != read_flag:
            yield "invented_flag", _shown(row), _shown(read)
    for j in invented:
        yield "invented_value", "", _shown(found[j])


def _drug_errors(wanted: list[Mapping], found: list[Mapping]):
    pairs, invented = _match(wanted, found, lambda row: row["drug"], lambda row: (row["dose"], row["unit"]))
    for i, j in pairs:
        row, read = wanted[i], found[j]
        if _another_drug(row["drug"], read["drug"]):
            yield "changed_drug", _shown(row), _shown(read)
        if row["dose"] is not None and read["dose"] is not None and (kind := _number_error(row["dose"], read["dose"])):
            yield kind, _shown(row), _shown(read)
        if _other_unit(row, read):
            yield "changed_unit", _shown(row), _shown(read)
    for j in invented:
        yield "invented_value", "", _shown(found[j])


def _match(wanted: Sequence, found: Sequence, name: Callable, value: Callable) -> tuple[list[tuple[int, int]], list]:
    """Pairs of rows of one analyte or drug, each row once; and the found ones left over.

    Rows of the same name first: those of the same value, then the others in their order. What is left is assigned by
    the likeness of names; a drug read as quite another is still known by its dose, unless rows were left out.
    """
    pairs = []
    left, read = list(range(len(wanted))), list(range(len(found)))
    for key in (lambda row: (_letters(name(row)), str(value(row))), lambda row: _letters(name(row))):
        waiting = defaultdict(deque)
        for j in read:
            waiting[key(found[j])].append(j)
        new = [(i, waiting[key(wanted[i])].popleft()) for i in left if waiting[key(wanted[i])]]
        pairs += new
        left, read = _without(left, new, 0), _without(read, new, 1)
    if left and read and len(left) * len(read) <= MOST_PAIRS:
        alike = np.array([[_likeness(name(wanted[i]), name(found[j])) for j in read] for i in left])
        same = np.array([[float(_same(value(wanted[i]), value(found[j]))) for j in read] for i in left])
        order = np.abs(np.array(left)[:, None] / len(wanted) - np.array(read) / len(found))
        rows, columns = linear_sum_assignment(alike + BESIDE * same - 0.01 * order, maximize=True)
        near = (alike >= SAME_ROW) | ((same > 0) & (len(wanted) == len(found)))
        new = [(left[i], read[j]) for i, j in zip(rows, columns, strict=True) if near[i, j]]
        pairs += new
        read = _without(read, new, 1)
    return sorted(pairs), read


def _without(rows: list[int], pairs: list[tuple[int, int]], side: int) -> list[int]:
    taken = {pair[side] for pair in pairs}
    return [row for row in rows if row not in taken]


def _likeness(one: str, other: str) -> float:
    return fuzz.ratio(_letters(one), _letters(other)) / 100


def _letters(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def _same(one, other) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return _letters(one) == _letters(other) and _bound(one) == _bound(other)
    return one == other


def _bound(value: str) -> str:
    return "".join(c for c in value if c in "<>≤≥")


def _number_error(wanted, read) -> str | None:
    """The kind of error that made `read` of `wanted`, or None where they are the same."""
    if _same(wanted, read):
        return None
    digits, read_digits = _digits(wanted), _digits(read)
    if not digits or not read_digits:
        return "changed_result"
    return "shifted_point" if digits == read_digits else "changed_digit"


def _digits(value) -> str:
    """A number's digits without point and the zeros around it: what is left when only its size is lost."""
    text = f"{value:.10f}" if isinstance(value, float | int) else str(value)
    return "".join(c for c in text if c.isdigit()).strip("0") or ("0" if any(c.isdigit() for c in text) else "")


def _other_unit(row: Mapping, read: Mapping) -> bool:
    units = [row.get("unit"), read.get("unit")]
    if None in units:
        return False
    one, other = (medical.unit_code(unit) or unit for unit in units)
    return one != other


def _another_drug(wanted: str, read: str) -> bool:
    """Whether what was read is the name of another drug; a misspelling shows itself, and is none."""
    if _letters(wanted) == _letters(read):
        return False
    known = medical.recognise_drug(read)
    return bool(known and known[1]) and _letters(known[0]) != _letters(wanted)


def _shown(row: Mapping) -> str:
    columns = ("name", "value", "drug", "dose", "unit", "flag")
    return " ".join(str(row[name]) for name in columns if row.get(name) is not None)
