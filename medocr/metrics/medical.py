"""How well a prediction repeats what a page says: its fields, test values, reference ranges and medical terms.

The reference's fields are those that the source knows; the prediction's are read from its text by `medocr.fields`.
"""

from collections.abc import Mapping

from medocr import fields as medical
from medocr.metrics import ceiling, safety
from medocr.metrics.ceiling import SUMS
from medocr.metrics.text import score_text, shared
from medocr.metrics.values import comparable, header, letters, plain, quantity, rows

COLUMNS = ceiling.COLUMNS | {"drugs": (*ceiling.COLUMNS["drugs"], "form")}
TUPLES = {  # metric: the rows it is about, and the columns that must agree
    "test_value_f1": ("analytes", ("name", "value")),
    "test_row_f1": ("analytes", COLUMNS["analytes"]),
    "range_f1": ("analytes", ("name", "low", "high")),
    "drug_f1": ("drugs", ("drug", "dose", "unit")),
    "order_f1": ("drugs", ceiling.COLUMNS["drugs"]),
    "option_f1": ("options", COLUMNS["options"]),
}


def score_page(reference: str, prediction: str, fields: Mapping | None = None) -> dict[str, float]:
    """Every score of one page: `score_text`, `score_fields` and `score_terms`.

    `fields` are the page's as its source knows them; without them they are read from the reference, by the same parser
    that reads the prediction, which hides the parser's own errors. Scores that the page gives no ground for are absent.
    """
    known = medical.read_fields(reference) if fields is None else fields
    return score_text(reference, prediction) | score_fields(known, prediction) | score_terms(reference, prediction)


def score_fields(reference: Mapping, prediction: str) -> dict[str, float]:
    """Scores of a prediction against a page's fields (in the form of `fields.read_fields`, or of a source's own).

    Shares from 0 to 1, higher is better, and counts of dangerous errors by kind (`safety.KINDS`), lower is better; what
    the page gives no ground for is absent:
    `field_recall` over all fields (header, every column of analyte rows and drug orders, ticks, sums) found with the
    right value; `header_recall` over the header's; `test_value_f1` over (analyte, value), `test_row_f1` over (analyte,
    value, unit, low, high, flag) and `range_f1` over (analyte, low, high) where a range is printed; `drug_f1` over
    (drug, dose, unit), `order_f1` over these, route, frequency, duration, amount at a time and status; `option_f1` over
    (label, ticked). Names are compared without case, spaces and punctuation, numbers as numbers, units by their UCUM
    code, directions by what they mean: how often, at which times of the day where both say, and whether as needed only.
    """
    reading = _read(reference, prediction)
    return _shares(reference, reading) | safety.count(reference, reading)


def legible(fields: Mapping, text: str) -> dict:
    """A page's fields as far as the parser reads them from the exact text: what `score_page` is to be asked about.

    Without this a reader is blamed for the parser: a perfect copy of a list that is not understood would score 0.
    """
    return ceiling.legible(fields, _read(fields, text))


def _shares(reference: Mapping, reading: Mapping) -> dict[str, float]:
    known, read = _compared(reference), _compared(reading)
    pairs = {name: (known_rows, _tuples(name, read)) for name in TUPLES if (known_rows := _tuples(name, known))}
    scores = {name: _f1(*pair) for name, pair in pairs.items()}
    on_top, kept_on_top = ([(name, letters(value)) for name, value in header(side)] for side in (reference, reading))
    named, kept = _named(reference, known), _named(reading, read)
    header_found = shared(on_top, kept_on_top)
    if on_top or named:
        scores["field_recall"] = (header_found + shared(named, kept)) / (len(on_top) + len(named))
    if on_top:
        scores["header_recall"] = header_found / len(on_top)
    return scores


def score_terms(reference: str, prediction: str) -> dict[str, float]:
    """`term_recall` and `term_precision` of the lexicon's drugs, analytes and abbreviations; absent without any."""
    terms, predicted = medical.read_terms(reference), medical.read_terms(prediction)
    both = shared(terms, predicted)
    scores = {"term_recall": both / len(terms)} if terms else {}
    return scores | ({"term_precision": both / len(predicted) if predicted else 1.0} if terms or predicted else {})


def _read(reference: Mapping, prediction: str) -> dict:
    """The same kinds of fields, read from the prediction."""
    readers = {"analytes": medical.read_analytes, "drugs": medical.read_drugs, "options": medical.read_options}
    asked = {kind for kind in readers if reference.get(kind)}
    if rows(reference, "analytes") or rows(reference, "drugs"):
        asked |= {"analytes", "drugs"}  # either may be invented where the other stands
    reading = {kind: list(map(vars, read(prediction))) for kind, read in readers.items() if kind in asked}
    if reference.get("header"):
        reading["header"] = medical.read_header(prediction)
    if any(name in reference for name in SUMS):
        reading |= vars(medical.read_receipt(prediction))
    elif reference.get("receipt"):
        reading["receipt"] = vars(medical.read_receipt(prediction))
    for kind, misread in reference.get("misread", {}).items():
        if kind in reading:
            reading[kind] = ceiling.without(reading[kind], misread, kind)
    return reading


def _compared(fields: Mapping) -> dict[str, dict[str, list]]:
    """The columns of each kind of rows, with values as they are compared; None where a row does not tell."""
    return {
        kind: {name: [_value(row, name) for row in rows(fields, kind)] for name in columns}
        for kind, columns in COLUMNS.items()
    }


def _value(row: Mapping, name: str) -> object:
    if row.get(name) is None:
        return None
    return quantity(row, name) if name in ("unit", "dose") else comparable(row, name)


def _tuples(metric: str, compared: Mapping[str, Mapping[str, list]]) -> list[tuple]:
    """The rows that a metric is about, each as what must agree; for ranges, those that have one."""
    kind, columns = TUPLES[metric]
    values = zip(*[compared[kind][name] for name in columns], strict=True)
    return [row for row in values if row[1:] != (None, None)] if metric == "range_f1" else list(values)


def _named(fields: Mapping, compared: Mapping[str, Mapping[str, list]]) -> list[tuple]:
    """Each field of rows and sums with what it belongs to, so that a right value on a wrong row is not found."""
    named: list[tuple] = []
    for kind in ("analytes", "drugs"):
        columns = compared[kind]
        owners = columns[COLUMNS[kind][0]]
        for name, values in columns.items():
            owned = zip(owners, values, strict=True)
            named += [(kind, name, owner, value) for owner, value in owned if value is not None]
    named += zip(*compared["options"].values(), strict=True)
    sums = fields["receipt"] if isinstance(fields.get("receipt"), Mapping) else fields
    return named + [("sums", name, plain(sums[name])) for name in SUMS if sums.get(name) is not None]


def _f1(reference: list[tuple], prediction: list[tuple]) -> float:
    return 2 * shared(reference, prediction) / (len(reference) + len(prediction))
