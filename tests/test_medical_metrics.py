"""Scores of fields and terms: right where the page is repeated, and moved by just what was changed."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medocr import metrics
from medocr.demo import synthetic
from medocr.metrics.medical import score_fields, score_terms

REPORT = "Kane Labs\nMRN 5599667\nGlucose 104 mg/dL 70-99 H\nSodium 140 mmol/L 136-145"
ROWS = {"test_value_f1", "test_row_f1", "range_f1"}


def scores(prediction: str, reference: str = REPORT) -> dict[str, float]:
    return metrics.score_page(reference, prediction)


def test_a_perfect_prediction_is_perfect_in_all_that_the_page_gives_ground_for():
    found = scores(REPORT)
    assert found.keys() >= ROWS
    assert {name: found[name] for name in metrics.MEDICAL if name in found and found[name] != 1} == {}
    assert "drug_f1" not in found
    assert "option_f1" not in found


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [
        ("104", "10.4", {"test_value_f1", "test_row_f1"}),
        ("104", "164", {"test_value_f1", "test_row_f1"}),
        ("mg/dL", "g/dL", {"test_row_f1"}),
        ("70-99", "70-96", {"test_row_f1", "range_f1"}),
        (" H\n", "\n", {"test_row_f1"}),
        ("136-145", "136 - 145.0", set()),
        ("Glucose", "GLUCOSE", set()),
    ],
)
def test_a_change_moves_what_it_should_and_nothing_else(old, new, moved):
    found = scores(REPORT.replace(old, new))
    assert {name for name in ROWS if found[name] != 1} == moved
    assert (found["field_recall"] < 1) == bool(moved)
    assert found["header_recall"] == 1


def test_a_lost_row_costs_recall_and_an_invented_one_precision():
    lost, invented = scores(REPORT.rpartition("\n")[0]), scores(f"{REPORT}\nPotassium 4.1 mmol/L 3.5-5.1")
    assert lost["test_value_f1"] == pytest.approx(2 / 3)
    assert invented["test_value_f1"] == pytest.approx(4 / 5)
    assert invented["field_recall"] == 1


def test_values_that_change_places_are_wrong_on_both_rows():
    swapped = REPORT.replace("104", "#").replace("140", "104").replace("#", "140")
    assert scores(swapped)["test_value_f1"] == 0


def test_drugs_terms_and_header():
    order = "Pt: Ann Lee 40/F\nWarfarin 5 mg tab\nPO daily"
    found = scores(order.replace("5 mg", "0.5 mg"), order)
    assert found["drug_f1"] == 0
    assert found["term_recall"] == found["header_recall"] == 1
    assert scores(order.replace("Warfarin", "Wafrarin"), order)["term_recall"] < 1
    assert scores(order.replace("Ann Lee", "Ann Loe"), order)["header_recall"] == pytest.approx(2 / 3)


def test_the_sources_fields_are_what_counts():
    pages = synthetic.pages({"lab_report": 12, "prescription": 12, "receipt": 6}, unlabelled=(), workers=1)
    for page in pages:
        found = metrics.score_page(page.text, page.text.replace("\n", " "), page.fields)
        assert all(found.get(name, 1) == 1 for name in (*ROWS, "drug_f1")), page.text
        assert found["field_recall"] > 0.9


def test_identifiers_keep_their_zeros_and_every_digit():
    wanted = {"header": {"mrn": "00412345", "accession": "12345678901234567"}}
    assert score_fields(wanted, "MRN: 412345\nAccession No: 12345678901234568")["header_recall"] == 0
    assert score_fields(wanted, "MRN: 00412345\nAccession No: 12345678901234567")["header_recall"] == 1


def test_an_order_invented_on_a_lab_report_is_counted():
    assert scores(f"{REPORT}\n1. Warfarin 5 mg tab PO")["invented_value"] == 1


def test_a_page_without_fields_or_terms_has_no_such_scores():
    assert score_fields({}, "anything") == {}
    assert score_terms("", "") == {}
    assert not set(metrics.MEDICAL) & scores("Hello there", "Hello there").keys()


@settings(max_examples=60)
@given(st.text(max_size=300), st.text(max_size=300))
def test_scores_stay_in_their_range(reference, prediction):
    for name, value in metrics.score_page(reference, prediction).items():
        assert math.isfinite(value)
        assert value >= 0
        assert name not in metrics.HIGHER_IS_BETTER or value <= 1


def test_a_perfect_copy_is_never_blamed_for_what_the_parser_cannot_read():
    text = "Glucose 104 mg/dL 70-99 H\nFooxyl quiverant 5 zorks"
    known = {
        "analytes": [
            {"name": "Glucose", "value": 104.0, "unit": "mg/dL", "low": 70.0, "high": 99.0, "flag": "H"},
            {"name": "Fooxyl quiverant", "value": 5.0},
        ],
        "drugs": [{"drug": "Fooxyl", "dose": 5.0, "unit": "mg"}],
        "header": {"patient": "Ann Nobody"},
    }
    assert score_fields(known, text)["test_row_f1"] < 1
    found = score_fields(metrics.legible(known, text), text)
    assert {name: found[name] for name in metrics.MEDICAL if found.get(name, 1) != 1} == {}
    assert sum(found[kind] for kind in metrics.KINDS) == 0


def test_a_row_that_the_parser_misreads_on_the_page_is_left_out_on_both_sides():
    text = "Glucose 104 mg/dL 70-99 H\nSodium 140 mmol/L 136-145"
    known = {
        "analytes": [
            {"name": "Glucose", "value": 104.0, "unit": "mg/dL", "low": 70.0, "high": 99.0, "flag": "H"},
            {"name": "Sodium", "value": 141.0, "unit": "mmol/L", "low": 136.0, "high": 145.0},
        ]
    }
    legible = metrics.legible(known, text)
    assert [row["name"] for row in legible["analytes"]] == ["Glucose"]
    for prediction in (text, text.replace("140", "14.0")):
        found = score_fields(legible, prediction)
        assert found["test_row_f1"] == 1
        assert sum(found[kind] for kind in metrics.KINDS) == 0
    assert score_fields(legible, text.replace("104", "164"))["changed_digit"] == 1


def test_what_the_parser_reads_stays_whole():
    known = {"analytes": [{"name": "Sodium", "value": 140.0, "unit": "mmol/L", "low": 136.0, "high": 145.0}]}
    assert metrics.legible(known, "Sodium 140 mmol/L 136-145") == {**known, "misread": {}}


@pytest.mark.parametrize(
    ("page", "copy"),
    [
        ("WBC 5.1 10*3/uL", "WBC 5.1 10*9/L"),
        ("TSH 2.1 uIU/mL", "TSH 2.1 mIU/L"),
        ("Ferritin 30 ng/mL", "Ferritin 30 ug/L"),
        ("Sodium 140 mEq/L", "Sodium 140 mmol/L"),
        ("Paracetamol 0.5 g PO TID", "Paracetamol 500 mg PO TID"),
    ],
)
def test_equal_quantities_are_equal(page, copy):
    found = scores(copy, page)
    assert {kind for kind in metrics.KINDS if found[kind]} == set()
    assert found.get("test_row_f1", 1) == found.get("order_f1", 1) == found["field_recall"] == 1


@pytest.mark.parametrize(
    ("page", "copy", "kind"),
    [
        ("Glucose 105 mg/dL", "Glucose 105 mmol/L", "changed_unit"),
        ("Calcium 5 mEq/L", "Calcium 5 mmol/L", "changed_unit"),  # two charges
        ("Digoxin 125 mcg PO daily", "Digoxin 125 mg PO daily", "changed_unit"),
        ("Paracetamol 0.5 g PO TID", "Paracetamol 50 mg PO TID", "shifted_point"),
        ("Hb 12.0 g/dL", "Hb 12.0 g/L", "changed_unit"),
    ],
)
def test_unequal_quantities_are_not(page, copy, kind):
    found = scores(copy, page)
    assert found[kind] == 1
    assert found.get("test_row_f1", 0) == found.get("order_f1", 0) == 0
