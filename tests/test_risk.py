"""Which fields need no person: the threshold keeps its promise, and says where it can give none."""

import json

import numpy as np
import pandas as pd
import pytest

from medocr.digitize import Output, confidence, scores
from tests.test_digitize import LAB, made


def drawn(rng: np.random.Generator, pages: int, spread: float, each: int = 10) -> tuple[pd.DataFrame, np.ndarray]:
    """Fields of pages that are wrong together, and each field's own probability of being wrong."""
    page, sureness = np.repeat(np.arange(pages), each), rng.normal(0, 1, pages * each)
    odds = -4.2 - 1.3 * sureness + np.repeat(rng.normal(0, spread, pages), each)
    wrong = 1 / (1 + np.exp(-odds))
    shown = np.round(1 / (1 + np.exp(-sureness - 2)), 4)
    rows = {"kind": "analyte", "page": page, "confidence": shown, "right": rng.random(len(page)) > wrong}
    return pd.DataFrame({**rows, "reasons": False}), wrong


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_the_threshold_is_missed_no_more_often_than_it_says(spread):
    rng = np.random.default_rng(3407)
    everybody, wrong = drawn(rng, 10_000, spread)
    missed = found = 0
    for _ in range(40):
        sample, _ = drawn(rng, 150, spread)
        kind = confidence.fit(sample, {}).kinds["analyte"]
        if kind["threshold"] is not None:
            found += 1
            missed += wrong[everybody["confidence"] >= kind["threshold"]].mean() > confidence.RISK
    assert missed <= 0.10 * 40
    assert found >= 15  # a rule that passes nothing misses nothing


def test_a_threshold_is_not_chosen_by_luck():
    """Where confidence says nothing and more are wrong than the risk, any threshold breaks the promise."""
    rng = np.random.default_rng(3407)
    rows = {"kind": "analyte", "page": np.repeat(np.arange(150), 3), "reasons": False}
    given = 0
    for _ in range(100):
        sample = pd.DataFrame({**rows, "confidence": rng.random(450), "right": rng.random(450) > 0.021})
        given += confidence.fit(sample, {}).kinds["analyte"]["threshold"] is not None
    assert 0 < given <= 10  # δ of 100; the laxest threshold that fits is given in some 20


def test_errors_of_one_page_make_the_bound_wider():
    pages = np.repeat(np.arange(100), 10)
    together = np.isin(pages, [1, 2, 3])
    apart = np.zeros(1000, bool)
    apart[::34] = True
    assert confidence.correlation(together, pages) == pytest.approx(1.0)
    assert confidence.correlation(apart, pages) < 0.02
    assert confidence.upper(3, 300, 1.0) == pytest.approx(0.0221, abs=0.0002)  # Clopper–Pearson, one-sided 90 %
    assert confidence.upper(3, 300, 5.0) > 0.03


def test_how_errors_go_together_is_taken_from_all_that_are_wrong():
    """One wrong field, alone on its page, says nothing of that; those that the page contradicts do."""
    page = np.append(np.repeat(np.arange(70), 3), 70)
    contradicted = page[:210] % 6 == np.arange(210) % 3
    rows = {"kind": "analyte", "page": page, "right": np.append(~contradicted, False)}
    checked = pd.DataFrame({**rows, "confidence": 0.9, "reasons": np.append(contradicted, False)})
    checked.loc[210, "confidence"] = 0.5
    kind = confidence.fit(checked, {}).kinds["analyte"]
    assert (kind["threshold"], kind["design_effect"], kind["wrong"]) == (0.9, 1.0, 0)


def test_few_pages_send_everything_to_a_person_and_say_so():
    sample, _ = drawn(np.random.default_rng(1), 12, 0.0)
    rule = confidence.fit(sample, {"name": "stub", "hash": "0" * 64})
    about, _ = made(LAB)
    rule.settle(about)
    assert {field["status"] for field in about["fields"]} == {"review"}
    assert any("12 checked pages" in warning for warning in about["warnings"])


def test_kinds_of_which_few_were_checked_share_a_threshold():
    rng = np.random.default_rng(2)
    page = np.repeat(np.arange(60), 3)
    rows = {"page": page, "confidence": rng.uniform(0.9, 1, 180), "right": True, "reasons": False}
    sample = pd.DataFrame({**rows, "kind": np.tile(["drug", "tick", "header"], 60)})
    often_wrong = sample.assign(kind="analyte", right=np.arange(180) % 4 > 0)
    kinds = confidence.fit(pd.concat([sample, often_wrong]), {}).kinds
    assert kinds["drug"]["threshold"] == kinds["header"]["threshold"] == pytest.approx(0.9, abs=0.01)
    assert kinds["tick"]["shared"] == ["drug", "header", "tick"]
    assert (kinds["analyte"]["threshold"], kinds["analyte"]["few"]) == (None, False)


def test_a_rule_passes_sure_fields_of_its_own_reader_alone(tmp_path):
    own = confidence.Rule({"name": "stub", "hash": "0" * 64}, 0.02, 0.1, {"analyte": {"threshold": 0.9}})
    own.write(tmp_path / "rule.json")
    about, _ = made(LAB)
    confidence.read_rule(tmp_path / "rule.json").settle(about)
    passed = {field["name"] for field in about["fields"] if field["status"] == "passed"}
    assert passed == {"Glucose", "Potassium", "CRP", "HIV Antibody", "WBC"}  # not Zorblin, whose unit is none
    other, _ = made(LAB)
    confidence.Rule({"name": "other", "hash": "1" * 64}, 0.02, 0.1, own.kinds).settle(other)
    assert {field["status"] for field in other["fields"]} == {"review"}
    assert "thresholds given are of other" in other["warnings"][-1]


def test_what_persons_decided_is_what_a_rule_is_made_from(tmp_path):
    output = Output(tmp_path)
    about, _ = made(LAB)
    output.write_record(about)
    lines = [
        {
            "field": about["fields"][0]["id"],
            "decision": "correct",
            "columns": {"value": "x"},
            "by": "B",
            "at": "2026-01-01T00:00:00Z",
        },
        {"field": about["fields"][0]["id"], "decision": "accept", "by": "B", "at": "2026-01-01T00:00:01Z"},
        {"field": about["fields"][1]["id"], "decision": "absent", "by": "B", "at": "2026-01-01T00:00:02Z"},
    ]
    (tmp_path / f"reviews/{about['id']}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    rows, reader = confidence.checked(tmp_path)
    assert list(rows["right"]) == [True, False]
    assert reader == about["reader"]


def test_no_threshold_can_leave_out_more_than_the_bound():
    assert confidence.least_reviewed(0.116, 0.02) == pytest.approx(0.098, abs=0.0005)
    assert confidence.least_reviewed(0.01, 0.02) == 0.0


def test_resources_are_scored_against_what_is_known():
    known = {
        "analytes": [
            {"name": "Potassium", "value": 4.1, "unit": "mmol/L", "low": 3.5, "high": 5.1, "flag": None},
            {"name": "Glucose", "value": 106.0, "unit": "mg/dL", "low": 70.0, "high": 99.0, "flag": "H"},
            {"name": "Sodium", "value": 140.0, "unit": "mmol/L"},
        ],
        "drugs": [{"drug": "Metformin", "dose": 500.0, "unit": "mg", "route": "by mouth", "frequency": "twice daily"}],
    }
    about, bundle = made("Potassium 4.10 mmol/L 3.5-5.1\nGlucose 105 H mg/dL 70-99\nMetformin 500 mg PO BID")
    table = scores.resources([(bundle, known)]).set_index("resource")
    results = table.loc["Observation"]
    assert (results["precision"], results["recall"]) == (0.5, pytest.approx(1 / 3))
    assert (results["value right"], results["unit right"]) == (0.5, 1.0)
    assert table.loc["MedicationRequest", "recall"] == 1.0
    judged = scores.right(about, known).set_index("field")["right"]
    assert list(judged) == [True, False, True]  # directions by what they mean


def test_reasons_are_counted_without_what_the_page_says(tmp_path):
    output = Output(tmp_path)
    about, _ = made("Northside Clinic\nGlucose 126 mg/dL 70-99 4512\nRBC [0-2] /HPF\nKetones 2+ NEGATIVE")
    output.write_record(about)
    reasons = [reason for reason in scores.why(output)["reason"] if "…" in reason]
    assert len(reasons) == 3
    assert not [reason for reason in reasons if any(map(str.isdigit, reason)) or "NEGATIVE" in reason]
