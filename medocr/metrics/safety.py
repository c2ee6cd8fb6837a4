"""Clinical safety: which of a page's values, units, flags and drugs a prediction got wrong in a way that could hurt.

A row of the reference is matched to at most one of the prediction; what is wrong on it is named. Nothing is corrected.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from rapidfuzz import fuzz
from scipy.optimize import linear_sum_assignment

from medocr import fields as medical
from medocr.fields import directions, lexicon, quantities, unit_code
from medocr.fields.sig import COUNT_UNITS, SALTS
from medocr.metrics.text import shared
from medocr.metrics.values import comparable, header, letters, plain, rows

KINDS = {  # what is counted on a page
    "changed_digit": "numbers with a wrong, missing or extra digit",
    "shifted_point": "numbers with a misplaced decimal point",
    "changed_result": "results with another word, sign or bound",
    "lost_value": "results or doses lost",
    "changed_unit": "wrong or invented units",
    "lost_unit": "values with a missing unit",
    "swapped_rows": "values assigned to the wrong row",
    "lost_flag": "abnormal flags missed or downgraded",
    "invented_flag": "abnormal flags invented or upgraded",
    "changed_analyte": "tests read as a different test",
    "changed_drug": "drugs read as a different drug",
    "moved_limit": "reference ranges misread or lost",
    "changed_amount": "amounts per dose misread or lost",
    "changed_frequency": "frequency, time of day or 'as needed' misread or lost",
    "changed_route": "routes misread or lost, or another kind of form",
    "changed_duration": "durations misread or lost",
    "changed_status": "stopped drugs read as active, or active as stopped",
    "changed_identity": "patient names, numbers, birth or collection dates misread",
    "invented_value": "rows, orders or doses that are not on the page",
}
DIRECTIONS = ("amount", "frequency", "route", "duration")
COUNTS = frozenset(COUNT_UNITS.values())  # puffs and drops, which have no strength
IDENTITY = ("patient", "mrn", "date_of_birth", "collected")
SAME = ("name", "value", "drug", "dose", "unit", "flag")  # columns in which a row that is read again is the same
SAME_ROW = 0.6  # names at least so alike may be one row's
BESIDE = 0.15  # what agreement of values adds, to tell rows of like names apart
MOST_PAIRS = 10_000  # that are compared letter by letter: no page has so many rows, a loop may


def errors(reference: Mapping, prediction: Mapping) -> list[str]:
    """The kind, of KINDS, of each dangerous error; both mappings as `fields.read_fields` gives.

    Values are compared as numbers, units by their UCUM code and directions by what they mean;
    a row or a header field that is not read at all is lost, not wrong, and is the business of the recall metrics.
    """
    return [
        *_analyte_errors(rows(reference, "analytes"), rows(prediction, "analytes")),
        *_drug_errors(rows(reference, "drugs"), rows(prediction, "drugs")),
        *_identity_errors(reference, prediction),
    ]


def count(reference: Mapping, prediction: Mapping) -> dict[str, float]:
    """How many errors of each kind, and `rows_read`; for a page that has no analytes and no drugs `changed_identity`
    alone, and nothing where its header does not say who the patient is.

    `rows_read` is the number of rows and orders that were read, those of one name at most as often as the page has it:
    who reads few rows makes few errors, so errors are to be seen beside it.
    """
    if not rows(reference, "analytes") and not rows(reference, "drugs"):
        named = any(name in IDENTITY for name, _ in header(reference))
        return {"changed_identity": float(len(_identity_errors(reference, prediction)))} if named else {}
    counts = Counter(errors(reference, prediction))
    read = sum(_rows_read(reference, prediction, *names) for names in (("analytes", "name"), ("drugs", "drug")))
    return {kind: float(counts[kind]) for kind in KINDS} | {"rows_read": float(read)}


def _rows_read(reference: Mapping, prediction: Mapping, kind: str, name: str) -> int:
    known, read = ([letters(row.get(name)) for row in rows(side, kind)] for side in (reference, prediction))
    return shared(known, read) + len(set(read).difference(known))


def _identity_errors(reference: Mapping, prediction: Mapping) -> list[str]:
    read = dict(header(prediction))
    known = [(value, read[name]) for name, value in header(reference) if name in IDENTITY and name in read]
    return ["changed_identity" for value, other in known if letters(value) != letters(other)]


def _analyte_errors(reference: list[Mapping], prediction: list[Mapping]) -> Iterator[str]:
    pairs, invented = _match(reference, prediction, "name", "value")
    yield from _number_errors(pairs, "value")
    for row, read in pairs:
        yield from _unit_errors(row, read, "value")
        if _another_analyte(row.get("name"), read.get("name")):
            yield "changed_analyte"
        if _another_range(row, read):
            yield "moved_limit"
        if row.get("flag") != read.get("flag"):
            yield from _flag_errors(_abnormal(row), _abnormal(read))
    yield from ["invented_value"] * invented


def _drug_errors(reference: list[Mapping], prediction: list[Mapping]) -> Iterator[str]:
    pairs, invented = _match(reference, prediction, "drug", "dose")
    pairs = [(row, _without_strength(read) if _counted(read) and not _counted(row) else read) for row, read in pairs]
    yield from _number_errors(pairs, "dose")
    for row, read in pairs:
        if "dose" in row and row["dose"] is None and read.get("dose") is not None:
            yield "invented_value"
        yield from _unit_errors(row, read, "dose")
        if _another_drug(str(row.get("drug")), str(read.get("drug"))):
            yield "changed_drug"
        yield from (f"changed_{column}" for column in DIRECTIONS if _misdirected(row, read, column))
        if (comparable(row, "status") is None) != (comparable(read, "status") is None):
            yield "changed_status"
    yield from ["invented_value"] * invented


def _counted(order: Mapping) -> bool:
    return order.get("unit") in COUNTS


def _without_strength(order: Mapping) -> Mapping:
    """An order whose strength was lost, so that the `2 puffs` to be taken were read in its place."""
    return {**order, "dose": None, "unit": None}


def _another_range(row: Mapping, read: Mapping) -> bool:
    """Whether a limit was misread, lost or put on the other side, of those that the reference knows of its range."""
    limits = [limit for limit in ("low", "high") if limit in row]
    printed = any(row[limit] is not None for limit in limits)
    return printed and any(plain(row[limit]) != plain(read.get(limit)) for limit in limits)


def _misdirected(row: Mapping, read: Mapping, column: str) -> bool:
    """Whether a direction was misread or lost, `as needed` invented, or the form is one that is given another way."""
    known, other = row.get(column), read.get(column)
    if known is None:
        wrong = column == "frequency" and column in row and isinstance(other, str) and directions.is_as_needed(other)
    else:
        wrong = known != other and comparable(row, column) != comparable(read, column)
    return wrong or (column == "route" and _another_way(row.get("form"), read.get("form")))


def _another_way(form: object, read: object) -> bool:
    if form == read:
        return False
    ways = [directions.way_of(name) if isinstance(name, str) else None for name in (form, read)]
    return None not in ways and ways[0] != ways[1]


def _number_errors(pairs: list[tuple[Mapping, Mapping]], column: str) -> Iterator[str]:
    """The kinds of error in one column of pairs of rows; values that changed places are `swapped_rows`."""
    values = [_values(row, read, column) for row, read in pairs]
    wrong = {value for value in values if value[0] != value[1]}
    for value in values:
        kind = "swapped_rows" if value in wrong and value[::-1] in wrong else _number_error(*value)
        if kind:
            yield kind


def _values(row: Mapping, read: Mapping, column: str) -> tuple:
    """The two values as they are compared: twice the same where they are one quantity in two units."""
    values = plain(row.get(column)), plain(read.get(column))
    units = [unit_code(side["unit"]) if isinstance(side.get("unit"), str) else None for side in (row, read)]
    if None in units or units[0] == units[1] or not all(isinstance(value, float) for value in values):
        return values
    equal = quantities.equal(*zip(values, units, strict=True), str(row.get("name", "")))
    return (values[0], values[0]) if equal else values


def _abnormal(row: Mapping) -> str:
    flag = row.get("flag")
    return flag if isinstance(flag, str) and flag != "N" else ""


def _flag_errors(reference: str, read: str) -> list[str]:
    """Lost, invented, or both for a flag of the other side; `HH` read as `H` is lost, `H` read as `HH` invented."""
    if reference == read:
        return []
    if reference and read and reference[0] == read[0]:
        return ["lost_flag" if len(reference) > len(read) else "invented_flag"]
    return ["lost_flag"] * bool(reference) + ["invented_flag"] * bool(read)


def _match(reference: list[Mapping], prediction: list[Mapping], name: str, value: str):
    """Pairs (row of the page, row read) of one analyte or drug, each row once; and how many rows read are left over.

    Rows of the same name first: in their order where there are equally many, else those of the same value before the
    others. What is left is assigned by the likeness of names; a name read as quite another is still known by its value,
    unless rows were left out. A row left over counts once, however often it is repeated.
    """
    pairs: list[tuple[int, int]] = []
    left, read = list(range(len(reference))), list(range(len(prediction)))
    names = [[letters(row.get(name)) for row in side] for side in (reference, prediction)]
    counts = [Counter(side) for side in names]
    by_value = [  # at first rows of one name are told apart by value where one side has more of them
        [
            (key, plain(row.get(value)) if counts[0][key] != counts[1][key] else None)
            for row, key in zip(*side, strict=True)
        ]
        for side in zip((reference, prediction), names, strict=True)
    ]
    for known, printed in (by_value, names):
        waiting = defaultdict(list)
        for j in reversed(read):
            waiting[printed[j]].append(j)
        new = [(i, waiting[known[i]].pop()) for i in left if waiting.get(known[i])]
        pairs += new
        left, read = _without(left, new, 0), _without(read, new, 1)
    if left and read and len(left) * len(read) <= MOST_PAIRS:
        new = _assign(reference, prediction, left, read, names, value)
        pairs += new
        read = _without(read, new, 1)
    invented = {tuple(str(prediction[j].get(column)) for column in SAME) for j in read}
    return [(reference[i], prediction[j]) for i, j in sorted(pairs)], len(invented)


def _assign(reference, prediction, left: list[int], read: list[int], names, value: str) -> list[tuple[int, int]]:
    values, read_values = (
        [plain(side[i].get(value)) for i in indices] for side, indices in ((reference, left), (prediction, read))
    )
    alike = [[fuzz.ratio(names[0][i], names[1][j]) / 100 for j in read] for i in left]
    same = [[known == other for other in read_values] for known in values]
    weights = [  # few rows are left, so that plain numbers are faster than arrays
        [
            near + BESIDE * agree - 0.01 * abs(i / len(reference) - j / len(prediction))
            for near, agree, j in zip(*row, read, strict=True)
        ]
        for i, *row in zip(left, alike, same, strict=True)
    ]
    whole = len(reference) == len(prediction)
    chosen = zip(*linear_sum_assignment(weights, maximize=True), strict=True)
    return [(left[i], read[j]) for i, j in chosen if alike[i][j] >= SAME_ROW or (same[i][j] and whole)]


def _without(rows: list[int], pairs: list[tuple[int, int]], side: int) -> list[int]:
    taken = {pair[side] for pair in pairs}
    return [row for row in rows if row not in taken]


def _number_error(reference, read) -> str | None:
    """The kind of error that made `read` of `reference` (both plain), or None where they are the same."""
    if reference is None or reference == read:
        return None
    if read is None:
        return "lost_value"
    (digits, signs), (read_digits, read_signs) = _digits(reference), _digits(read)
    if not digits or not read_digits or signs != read_signs:
        return "changed_result"
    return "shifted_point" if digits == read_digits else "changed_digit"


def _digits(value) -> tuple[str, str]:
    """A number's digits without the zeros around them, which are what is left when its point moves; and its signs."""
    text = f"{value:.10f}" if isinstance(value, float) else str(value)
    digits = "".join(filter(str.isdigit, text))
    signs = "".join(itertools.filterfalse(str.isdigit, text)).replace(".", "")
    several = "." not in text and any(c in signs for c in "/:")  # a titre or a fraction has no point to move
    return digits if several else digits.strip("0") or digits[:1], signs


def _unit_errors(row: Mapping, read: Mapping, column: str) -> Iterator[str]:
    """A unit that is another, was invented, or lost; nothing where the value in that column is lost or invented."""
    if row.get(column) is None or read.get(column) is None:
        return
    invented = "unit" in row and not row["unit"] and read.get("unit")
    if invented or _other_unit(row, read, column):
        yield "changed_unit"
    if row.get("unit") and not read.get("unit"):
        yield "lost_unit"


def _other_unit(row: Mapping, read: Mapping, column: str) -> bool:
    if row.get("unit") == read.get("unit"):
        return False
    units = comparable(row, "unit"), comparable(read, "unit")
    if None in units or units[0] == units[1]:
        return False
    values = _values(row, read, column)
    return row.get(column) == read.get(column) or values[0] != values[1]


def _another_analyte(reference, read) -> bool:
    """Whether what was read is another analyte of the lexicon; not a misspelling, nor another name of it."""
    if reference == read or letters(reference) == letters(read):
        return False
    known = [lexicon.analytes().get(lexicon.squeeze(str(name))) for name in (reference, read)]
    return known[1] is not None and known[0] != known[1]


def _another_drug(reference: str, read: str) -> bool:
    """Whether what was read is another drug, or the same with another salt; a misspelling shows itself, and is not."""
    (name, salts), (read_name, read_salts) = _drug(reference), _drug(read)
    if letters(name) == letters(read_name):
        return bool(salts and read_salts and salts != read_salts)
    known, read_known = medical.recognise_drug(name), medical.recognise_drug(read_name)
    return bool(read_known and read_known[1]) and (known or (letters(name),))[0] != read_known[0]


def _drug(name: str) -> tuple[str, frozenset[str]]:
    """A drug's name without its salts, and the salts."""
    words = name.split()
    salts = frozenset(word.casefold() for word in words[1:] if word.casefold() in SALTS)
    return " ".join(word for word in words if word.casefold() not in salts), salts
