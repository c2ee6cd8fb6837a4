"""Properties of any report: a perfect page is perfect, and one error moves the metrics that are about it alone."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medocr import fields, metrics

# Name, unit, a unit of another quantity; no two share letters enough to be taken for each other.
ANALYTES = {
    "Glucose": ("mg/dL", "g/L"),
    "Sodium": ("mmol/L", "mg/dL"),
    "Ferritin": ("ng/mL", "pg/mL"),
    "Hematocrit": ("%", "fL"),
    "Lipase": ("U/L", "IU/L"),
    "TSH": ("mIU/L", "ng/mL"),
}
DRUGS = ("Metformin", "Warfarin", "Lisinopril", "Atorvastatin", "Furosemide")
TESTS = {"test_value_f1", "test_row_f1", "range_f1"}
COUNTS = {*metrics.KINDS, "rows_read"}
settled = settings(max_examples=25)


@st.composite
def reports(draw):
    """Rows (name, value, unit, range, flag) of distinct analytes, no value twice; and orders (drug, dose, the rest)."""
    names = draw(st.lists(st.sampled_from(sorted(ANALYTES)), min_size=2, max_size=6, unique=True))
    values = draw(st.lists(st.integers(11, 99), min_size=len(names), max_size=len(names), unique=True))
    rows = []
    for name, value in zip(names, values, strict=True):
        low = draw(st.integers(10, 40))
        high = low + draw(st.integers(5, 50))
        flag = "H" if value > high else "L" if value < low else ""
        rows.append([name, f"{value}.5", ANALYTES[name][0], f"{low}-{high}", flag])
    drugs = draw(st.lists(st.sampled_from(DRUGS), min_size=1, max_size=3, unique=True))
    orders = [[drug, f"{draw(st.integers(2, 9))}0", "mg tab PO daily"] for drug in drugs]
    return rows, orders


def page(rows, orders) -> str:
    lines = ["City Hospital", "Patient: Ann Lee  MRN: 5599667", *(" ".join(filter(None, row)) for row in rows)]
    return "\n".join([*lines, *(f"{number}. {' '.join(order)}" for number, order in enumerate(orders, 1))])


def moved(report, changed) -> dict[str, float]:
    """The medical scores that differ from a perfect page's, by what they are now."""
    wanted = metrics.score_page(page(*report), page(*report))
    found = metrics.score_page(page(*report), page(*changed))
    names = {*metrics.MEDICAL, *COUNTS} & wanted.keys()
    return {name: found[name] for name in names if found[name] != wanted[name]}


def with_row(report, place, value):
    rows, orders = [list(row) for row in report[0]], report[1]
    rows[0][place] = value
    return rows, orders


@settled
@given(reports())
def test_a_perfect_prediction_is_perfect_in_every_metric(report):
    text = page(*report)
    for prediction in (text, text.replace("\n", " ")):
        found = metrics.score_page(text, prediction, fields.read_fields(text))
        assert all(found[name] == 1 for name in metrics.HIGHER_IS_BETTER & found.keys()), found
        below = {"cer", "wer", "edits", "reading_order", "invented_numbers", "loop", "empty", *metrics.KINDS}
        assert all(found[name] == 0 for name in below & found.keys()), found
        assert all(check.passed for check in metrics.check_page(text, prediction))


@settled
@given(reports())
def test_a_deleted_row_costs_recall_and_is_no_dangerous_error(report):
    found = moved(report, (report[0][1:], report[1]))
    assert found.keys() == {*TESTS, "field_recall", "term_recall", "rows_read"}
    rows = len(report[0])
    assert all(found[name] == pytest.approx(2 * (rows - 1) / (2 * rows - 1)) for name in TESTS)


@settled
@given(reports())
def test_a_shifted_decimal_is_a_wrong_value_and_a_shifted_point(report):
    value = report[0][0][1]
    found = moved(report, with_row(report, 1, value.replace(".", "")))
    assert found.keys() == {"test_value_f1", "test_row_f1", "field_recall", "shifted_point"}
    assert found["shifted_point"] == 1


@settled
@given(reports())
def test_swapped_values_are_wrong_on_both_rows_and_named_so(report):
    rows, orders = [list(row) for row in report[0]], report[1]
    rows[0][1], rows[1][1] = rows[1][1], rows[0][1]
    found = moved(report, (rows, orders))
    assert found.keys() == {"test_value_f1", "test_row_f1", "field_recall", "swapped_rows"}
    assert found["swapped_rows"] == 2


@settled
@given(reports())
def test_a_changed_unit_is_a_wrong_row_with_the_right_value(report):
    found = moved(report, with_row(report, 2, ANALYTES[report[0][0][0]][1]))
    assert found.keys() == {"test_row_f1", "field_recall", "changed_unit"}
    assert found["changed_unit"] == 1


@settled
@given(reports(), st.data())
def test_a_changed_letter_of_a_drug_is_a_lost_order_and_no_other_drug(report, data):
    rows, orders = report[0], [list(order) for order in report[1]]
    name = orders[0][0]
    at = data.draw(st.integers(1, len(name) - 2))
    orders[0][0] = name[:at] + ("x" if name[at] != "x" else "y") + name[at + 1 :]
    assert moved(report, (rows, orders)).keys() == {"drug_f1", "order_f1", "field_recall", "term_recall"}


@settled
@given(reports())
def test_another_drug_is_named_as_one(report):
    other = next(drug for drug in DRUGS if drug not in {order[0] for order in report[1]})
    changed = report[0], [[other, *report[1][0][1:]], *report[1][1:]]
    found = moved(report, changed)
    assert found.keys() == {"drug_f1", "order_f1", "field_recall", "term_recall", "term_precision", "changed_drug"}


HOSTILE = "aA1 .,:-/|<>()[]*%\n\t\u0301\u0300\u200b\u202e\u2067\U0001f600\U0010ffff中é☑½²İß١µ\x00$&\\"
hostile = st.one_of(st.text(st.sampled_from(HOSTILE), max_size=200), st.text(max_size=200))


@settings(max_examples=60)
@given(reports(), hostile)
def test_scores_lie_in_their_range_whatever_was_read(report, text):
    wanted = page(*report)
    for prediction in (text, f"{wanted}\n{text}", text.join(wanted.split("\n"))):
        found = metrics.score_page(wanted, prediction)
        assert all(0 <= value < float("inf") for value in found.values())
        assert all(found[name] <= 1 for name in metrics.HIGHER_IS_BETTER & found.keys())
        assert all(found[kind] <= max(found["rows_read"] * 3, 1) for kind in metrics.KINDS)
        assert 0 <= metrics.teds("<table><tr><td>1</td></tr></table>", prediction) <= 1


@pytest.mark.parametrize(
    "piece", ["9", "a:", "|", "[", "1 - ", "prev 1 ", "(a ", "Tab. A ", "Total 1.00 ", "\u0301", "<td>"]
)
def test_time_grows_with_the_length_alone(piece):
    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        began = time.process_time()
        metrics.score_page(text, text[::-1])
        metrics.check_page(text, text[::-1])
        return time.process_time() - began

    short = min(seconds(5_000), seconds(5_001))
    assert seconds(20_000) < 10 * short + 1
