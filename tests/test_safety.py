"""Clinical safety: each kind of error is named as what it is, and corruption of known kinds is counted back."""

import pandas as pd
import pytest

from medocr import fields, metrics
from medocr.demo import seeded_errors
from medocr.metrics import safety

REPORT = (
    "Glucose 104 mg/dL 70-99 H\nSodium 140 mmol/L 136-145\nPotassium 4.1 mmol/L 3.5-5.1\nHIV Negative\n"
    "1. Warfarin 5 mg tab PO daily\n2. Metformin 500 mg tab PO BID"
)


def kinds(prediction: str, reference: str = REPORT) -> list[str]:
    wanted, found = (fields.read_fields(text) for text in (reference, prediction))
    return safety.errors(wanted, found)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("104", "164", ["changed_digit"]),
        ("140", "1400", ["shifted_point"]),
        ("104", "1044", ["changed_digit"]),
        ("4.1", "41", ["shifted_point"]),
        ("4.1", "0.41", ["shifted_point"]),
        ("4.1", "4.10", []),
        ("Negative", "Reactive", ["changed_result"]),
        ("mg/dL", "g/dL", ["changed_unit"]),
        ("mmol/L 136", "meq/L 136", []),
        (" mmol/L 136", " 136", ["lost_unit"]),
        (" mmol/L 136", " mmo1/L 136", ["changed_unit"]),
        (" H\n", "\n", ["lost_flag"]),
        (" H\n", " L\n", ["lost_flag", "invented_flag"]),
        ("136-145", "136-145 L", ["invented_flag"]),
        ("Glucose", "GLUCOSE", []),
        ("5 mg", "0.5 mg", ["shifted_point"]),
        ("5 mg", "6 mg", ["changed_digit"]),
        ("5 mg", "5 mcg", ["changed_unit"]),
        ("Metformin", "Metoprolol", ["changed_drug"]),
        ("Metformin", "Metfornin", []),
        ("HIV", "Chloride 101 mmol/L 98-107\nHIV", ["invented_value"]),
    ],
)
def test_an_error_is_named_as_what_it_is(old, new, found):
    assert kinds(REPORT.replace(old, new, 1)) == found


@pytest.mark.parametrize(
    ("page", "read", "found"),
    [
        ("Troponin I <1.5 ng/L", "Troponin I <15 ng/L", ["shifted_point"]),
        ("Troponin I <5 ng/L", "Troponin I 5 ng/L", ["changed_result"]),
        ("Augmentin 875/125 mg tab", "Augmentin 87.5/125 mg tab", ["shifted_point"]),
        ("ANA 1:160", "ANA 1:1600", ["changed_digit"]),
        ("LDL 130 mg/dL <100 H", "HDL 130 mg/dL <100 H", ["changed_analyte"]),
        ("AST 45 U/L 10-40 H", "ALT 45 U/L 10-40 H", ["changed_analyte"]),
        ("Sodium 140 mmol/L 136-145", "Na 140 mmol/L 136-145", []),
        ("Metformin 500 mg tab BD", "Metformin 500 tab BD", ["lost_unit"]),
        ("Metformin HCl 500 mg tab", "Metoprolol HCl 500 mg tab", ["changed_drug"]),
        ("Metoprolol Tartrate 50 mg tab", "Metoprolol Succinate 50 mg tab", ["changed_drug"]),
        ("Metformin HCl 500 mg tab", "Metformin 500 mg tab", []),
        ("Amoxicilin 500 mg cap", "Amoxicillin 500 mg cap", []),
        ("Glucose 404 mg/dL 70-99 HH", "Glucose 404 mg/dL 70-99 H", ["lost_flag"]),
        ("HIV Negative\nHCV NEGATIVE", "HIV NEGATIVE\nHCV Negative", []),
        ("INR 2.5 0.9-1.1", "INR 2.5 mg/dL 0.9-1.1", ["changed_unit"]),
        ("Warfarin 5 mg tablet PO daily", "Warfarin tablet PO daily", ["lost_value"]),
        ("Warfarin tablet PO daily", "Warfarin 5 mg tablet PO daily", ["invented_value"]),
        ("Salbutamol 100 mcg inhaler 2 puffs QID", "Salbutamol inhaler 2 puffs QID", ["lost_value"]),
        ("Thyroxine 50 mcg tablet PO daily", "Thyroxine 50 mcg injection PO daily", ["changed_route"]),
        ("Thyroxine 50 mcg tablet PO daily", "Thyroxine 50 mcg injection IV daily", ["changed_route"]),
        ("Thyroxine 50 mcg tab PO daily", "Thyroxine 50 mcg capsule PO daily", []),
        (
            "1. Warfarin 5 mg tab PO\n2. Metformin 500 mg tab PO",
            "1. Warfarin 500 mg tab PO\n2. Metformin 5 mg tab PO",
            ["swapped_rows", "swapped_rows"],
        ),
        (
            "Glucose 104 mg/dL 70-99\nGlucose 180 mg/dL 70-140",
            "Glucose 180 mg/dL 70-99\nGlucose 104 mg/dL 70-140",
            ["swapped_rows", "swapped_rows"],
        ),
    ],
)
def test_pages_that_a_reviewer_thought_of(page, read, found):
    assert kinds(read, page) == found


@pytest.mark.parametrize(
    ("label", "read", "found"),
    [
        ("O-", "O", ["changed_result"]),
        ("AB −", "AB", ["changed_result"]),
        ("A-", "A+", ["changed_result"]),
        ("B-", "b −", []),
        ("2-5", "2–5", []),
        ("13,2", 13.2, []),
        ("0,05", 0.05, []),
        ("0,125", 0.125, []),
        ("1,200", 1200.0, []),
        ("1,50,000", 150000.0, []),
        ("13,2", 132.0, ["shifted_point"]),
        ("1,2,3", 123.0, ["shifted_point"]),
    ],
)
def test_values_in_words_keep_their_minus_and_their_decimals(label, read, found):
    wanted, given = ({"analytes": [{"name": "Blood group", "value": value}]} for value in (label, read))
    assert safety.errors(wanted, given) == found


def test_a_row_repeated_without_end_is_invented_once_and_odd_fields_are_no_error():
    assert metrics.score_page(REPORT, REPORT + "\nChloride 101 mmol/L 98-107" * 50)["invented_value"] == 1
    for fields_given in (
        {"drugs": [{"drug": "Metformin"}]},
        {"analytes": [{"name": "Glucose"}]},
        {"drugs": ["Metformin"], "header": {"patient": ["A", "B"]}},
        {"receipt": "R-100", "header": "x"},
    ):
        metrics.score_page(REPORT, REPORT, fields_given)
        metrics.check_page(REPORT, REPORT, fields_given)


@pytest.mark.parametrize("page", ["Glucose 104 mg/dL 70-99 H", "Metformin 500 mg tab PO BID", "[x] Fever [ ] Cough"])
def test_who_the_patient_is_and_when_blood_was_drawn_are_compared_where_they_are_read(page):
    header = "Patient: Maria Keller\nDOB: 04/12/1961\nMRN: 448120\nCollected: 03/14/2024\n"
    misread = header.replace("Keller", "Kellner").replace("1961", "1981").replace("8120", "8720").replace("/14", "/11")
    counts = [metrics.score_page(header + page, text + page) for text in (header, misread, "", header.upper())]
    assert [score["changed_identity"] for score in counts] == [0, 4, 0, 0]
    assert sum(counts[1].get(kind, 0) for kind in safety.KINDS) == 4


def test_a_source_that_does_not_know_a_column_blames_nobody_for_it():
    for source in (
        {"analytes": [{"name": "Glucose"}]},
        {"analytes": [{"name": "Glucose", "value": 104.0, "low": 70.0, "flag": "H"}]},
        {"drugs": [{"drug": "Morphine"}]},
    ):
        reading = fields.read_fields("Glucose 104 mg/dL 70-99 H\nMorphine 10 mg PO q4h PRN")
        errors = safety.errors(source, {kind: reading[kind] for kind in source})
        assert set(errors) <= {"invented_flag"}


def test_values_that_change_places_are_swapped_rows():
    swapped = REPORT.replace("104", "#").replace("140", "104").replace("#", "140")
    assert kinds(swapped) == ["swapped_rows", "swapped_rows"]


def test_the_page_itself_has_no_error_and_one_without_rows_no_count():
    assert kinds(REPORT) == []
    assert safety.count(fields.read_fields("Hello"), fields.read_fields(REPORT)) == {}
    assert set(safety.KINDS) <= metrics.score_page(REPORT, "").keys()
    assert not any(metrics.score_page(REPORT, "")[kind] for kind in safety.KINDS)


def test_corruption_of_known_kinds_is_counted_back():
    found = seeded_errors.count_back(240).set_index("kind")
    assert set(found[found["made"] > 0].index) == set(safety.KINDS)
    assert (found["made"] - found["counted"] <= 0.05 * found["made"] + 1).all(), found
    assert found["not made"].sum() < 0.03 * found["made"].sum(), found


def test_the_counting_back_ends_in_an_answer():
    counts = pd.DataFrame(
        {
            **{"kind": ["changed_digit", "lost_unit", "changed_drug"], "made": [6, 4, 0], "counted": [5, 4, 0]},
            "not made": [0, 0, 2],
        }
    )
    told = seeded_errors.answer(counts)
    assert told.startswith(
        f"Of 10 errors of 2 of {len(safety.KINDS)} kinds, 9 were counted as what they are, "
        "of each kind at least 83%; 2 were counted that nobody made."
    )
    assert ", 999 were" in seeded_errors.answer(counts.assign(made=[500, 500, 0], counted=[500, 499, 0]))
    assert "1 was counted that" in seeded_errors.answer(counts.assign(**{"not made": [0, 0, 1]}))
    assert "drugs read as a different drug" in told.partition("Not tried")[2]


@pytest.mark.parametrize(
    ("reference", "prediction", "kind"),
    [
        ("Methotrexate 15 mg PO weekly", "Methotrexate 15 mg PO daily", "changed_frequency"),
        ("Metformin 500 mg PO BID", "Metformin 500 mg PO TID", "changed_frequency"),
        ("Tab Metformin 500mg 1-0-1", "Tab Metformin 500mg 1-1-1", "changed_frequency"),
        ("Morphine 10 mg PO q4h", "Morphine 10 mg PO q1h", "changed_frequency"),
        ("Alendronate 70 mg PO once a week", "Alendronate 70 mg PO once a day", "changed_frequency"),
        ("Paracetamol 500 mg take 2 tablets PO q6h", "Paracetamol 500 mg take 4 tablets PO q6h", "changed_amount"),
        (
            "Lantus 100 units/mL inject 20 units sc daily",
            "Lantus 100 units/mL inject 200 units sc daily",
            "changed_amount",
        ),
        ("Salbutamol 100 mcg 2 puffs QID", "Salbutamol 100 mcg 7 puffs QID", "changed_amount"),
        ("Vancomycin 1 g IV BID", "Vancomycin 1 g PO BID", "changed_route"),
        ("Ketorolac 30 mg IM q6h", "Ketorolac 30 mg IV q6h", "changed_route"),
        ("Amoxicillin 500 mg PO TID x 7 days", "Amoxicillin 500 mg PO TID x 70 days", "changed_duration"),
        ("Prednisone 40 mg PO daily for 5 days", "Prednisone 40 mg PO daily for 5 weeks", "changed_duration"),
        ("Discontinue Warfarin 5 mg PO daily", "Continue Warfarin 5 mg PO daily", "changed_status"),
        ("Stopped: Ibuprofen 400 mg PO TID", "Started: Ibuprofen 400 mg PO TID", "changed_status"),
        ("Patient denies taking warfarin 5 mg PO daily", "Patient is taking warfarin 5 mg PO daily", "changed_status"),
        ("Warfarin 5 mg PO daily", "Stopped: Warfarin 5 mg PO daily", "changed_status"),
        ("Methotrexate 15 mg PO weekly", "Methotrexate 15 mg PO", "changed_frequency"),
        ("Morphine 10 mg PO q4h PRN", "Morphine 10 mg PO q4h", "changed_frequency"),
        ("Morphine 10 mg PO q4h", "Morphine 10 mg PO q4h PRN", "changed_frequency"),
        ("Morphine 10 mg PO", "Morphine 10 mg PO PRN", "changed_frequency"),
        ("Zolpidem 10 mg PO at bedtime", "Zolpidem 10 mg PO in the morning", "changed_frequency"),
        ("Zolpidem 10 mg PO 0-0-1", "Zolpidem 10 mg PO mane", "changed_frequency"),
        ("Metformin 500 mg PO 1-0-1", "Metformin 500 mg PO 1-1-0", "changed_frequency"),
        ("Metoprolol 50 mg 1 Tablette abends", "Metoprolol 50 mg 1 Tablette morgens", "changed_frequency"),
        ("Vancomycin 1 g IV BID", "Vancomycin 1 g BID", "changed_route"),
        ("Amoxicillin 500 mg PO TID x 7 days", "Amoxicillin 500 mg PO TID", "changed_duration"),
        ("Paracetamol 500 mg take 2 tablets PO q6h", "Paracetamol 500 mg PO q6h", "changed_amount"),
        ("Potassium 4.1 mmol/L 3.5-5.1", "Potassium 4.1 mmol/L 3.5-6.1", "moved_limit"),
        ("Potassium 4.1 mmol/L 3.5-5.1", "Potassium 4.1 mmol/L 2.5-6.1", "moved_limit"),
        ("Potassium 4.1 mmol/L 3.5-5.1", "Potassium 4.1 mmol/L", "moved_limit"),
        ("Potassium 4.1 mmol/L 3.5-5.1", "Potassium 4.1 mmol/L <5.1", "moved_limit"),
        ("CRP 12 mg/L <5.0", "CRP 12 mg/L >5.0", "moved_limit"),
    ],
)
def test_a_misread_direction_is_counted_and_spoils_the_order(reference, prediction, kind):
    scores = metrics.score_page(reference, prediction)
    assert scores[kind] == 1
    assert sum(scores[other] for other in safety.KINDS) == 1
    assert scores.get("order_f1", 0.0) == 0.0
    assert scores.get("drug_f1", 1.0) == 1.0


@pytest.mark.parametrize(
    "same",
    [
        ("BID", "twice daily", "1-0-1", "q12h", "every 12 hours", "b.i.d.", "2 times a day"),
        ("TID", "1-1-1", "three times a day", "q8h", "thrice daily", "8 hourly"),
        ("daily", "OD", "once a day", "q24h", "every day", "every morning", "1-0-0", "mane", "at bedtime"),
        ("nocte", "HS", "h.s.", "0-0-1", "at bedtime", "every night", "daily"),
        ("PRN", "as needed", "SOS", "when required"),
        ("weekly", "once a week", "once weekly", "every week"),
    ],
)
def test_equal_directions_in_other_words_are_no_error(same):
    for one in same[1:]:
        scores = metrics.score_page(f"Metformin 500 mg PO {same[0]}", f"Metformin 500 mg PO {one}")
        assert not any(scores[kind] for kind in safety.KINDS), one
        assert scores["order_f1"] == 1.0, one
    scores = metrics.score_page("Amoxicillin 500 mg by mouth TID for 1 week", "Amoxicillin 500 mg PO TID x 7 days")
    assert not any(scores[kind] for kind in safety.KINDS)
