"""Scores of one page against published values, and intervals and tests against what they must be."""

import json
import time
import unicodedata
from pathlib import Path

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medocr import metrics

CASES = Path(__file__).parents[2] / "shared/data/metrics/ocr_metric_cases"
published = pytest.mark.skipif(not CASES.exists(), reason="the published cases are not on this machine")

HOSTILE = "aA1 .-\n\t|<>\u0301\u200b\u202e\ud800\U0001f600中é☑\x00$"
texts = st.text(st.one_of(st.sampled_from(HOSTILE), st.characters(codec=None)), max_size=120)
lines = st.lists(st.text("ab1., ", min_size=1, max_size=12), max_size=8).map("\n".join)

SHARES = ("exact", "line_exact", "reading_order", "coverage_recall", "coverage_precision", "loop", "empty")
PERFECT = {
    **{"cer": 0, "wer": 0, "exact": 1, "line_exact": 1, "reading_order": 0, "coverage_recall": 1},
    **{"coverage_precision": 1, "invented_numbers": 0, "loop": 0, "empty": 0},
}


@published
@pytest.mark.parametrize(("kind", "name"), [("cer", "cer"), ("wer_mer_wil", "wer")])
def test_jiwers_own_cases(kind, name):
    for case in json.loads((CASES / "jiwer_expected.json").read_text())[kind]:
        assert getattr(metrics, name)(case["ref"], case["hyp"]) == pytest.approx(case[name]), case


@published
@pytest.mark.parametrize(
    ("name", "cer", "wer"), [("lorem-bad", 8 / 591, 7 / 100), ("lorem", 0, 0), ("fake", 2 / 827, 2 / 136)]
)
def test_dinglehoppers_pages(name, cer, wer):
    """Its word rate for `fake` is 2/130: it does not count dashes as words, this does (as jiwer)."""
    reference, prediction = ((CASES / f"dinglehopper/{name}.{kind}.txt").read_text() for kind in ("gt", "ocr"))
    assert metrics.cer(reference, prediction) == pytest.approx(cer)
    assert metrics.wer(reference, prediction) == pytest.approx(wer)


@published
def test_dinglehoppers_unit_values():
    """It counts grapheme clusters and an empty reference as infinite: those cases differ by convention."""
    values = json.loads((CASES / "dinglehopper/expected.json").read_text())["upstream_unit_values"]
    same = [case for case in values["cer"] if case[2] != "inf" and not {"Schlym̃", "Schlyñ"} & set(case[:2])]
    assert len(same) == 10
    for reference, prediction, expected in same:
        assert metrics.cer(reference, prediction) == pytest.approx(expected), reference


@published
@pytest.mark.parametrize("name", ["act-CALAMARI", "act-TESS", "broch"])
def test_long_pages_against_jiwer(name):
    reference, prediction = ((CASES / f"dinglehopper/{name}.{kind}.txt").read_text() for kind in ("gt", "ocr"))
    flat = metrics.normalise(reference), metrics.normalise(prediction)
    assert metrics.cer(reference, prediction) == pytest.approx(jiwer.cer(*flat))
    assert metrics.wer(reference, prediction) == pytest.approx(jiwer.wer(*flat))


def test_the_empty_reference():
    assert metrics.cer("", "") == metrics.wer(" \n", "") == 0
    assert metrics.cer("", "anything at all") == metrics.wer("", "anything at all") == 1
    assert metrics.score_page("", "x")["empty"] == 0
    assert metrics.score_page("x", " ")["empty"] == 1


def test_normalise_composes_and_collapses_but_keeps_case():
    assert metrics.normalise(" Cafe\u0301\n\t 5\u00a0mg ") == "Café 5 mg"
    assert metrics.cer("a", "A") == 1


def test_coverage_counts_tokens_as_often_as_they_stand():
    found = metrics.score_text("Hb 12.5 g/dL, Na 140", "Hb 12.5 g/dL Na 140 140 K 41")
    assert (found["coverage_recall"], found["coverage_precision"], found["invented_numbers"]) == (1.0, 5 / 8, 2.0)
    assert metrics.score_text("a a b", "a c")["coverage_recall"] == pytest.approx(1 / 3)
    assert metrics.score_text("", "")["coverage_precision"] == 1


PAGE = "City Lab\nGlucose 95 mg/dL 70-99\nSodium 140 mmol/L\nNegative"


def line_exact(reference, prediction):
    return metrics.score_text(reference, prediction)["line_exact"]


def reading_order(reference, prediction):
    return metrics.score_text(reference, prediction)["reading_order"]


def test_lines_are_scored_alike_in_both_formats():
    continuous = PAGE.replace("\n", " ")
    assert line_exact(PAGE, continuous) == line_exact(PAGE, PAGE) == 1
    wrong = continuous.replace("140", "149")
    assert line_exact(PAGE, wrong) == line_exact(PAGE, PAGE.replace("140", "149")) == 0.75
    assert line_exact(PAGE, continuous.replace("Glucose 95", "Glucose H 95")) == 0.75
    assert line_exact(PAGE, "") == 0


def test_reading_order_sees_moved_lines_and_lost_ones():
    first, second, third, fourth = PAGE.split("\n")
    assert reading_order(PAGE, f"{first} {second} {third} {fourth}") == 0
    assert reading_order(PAGE, f"{second} {third} {fourth} {first}") == 0.5
    assert reading_order(PAGE, f"{first} {third} {fourth}") == 0.25
    assert reading_order(PAGE, "nothing of it") == 1
    assert reading_order(PAGE, PAGE.replace("140", "149")) == 0


@pytest.mark.parametrize(
    "text",
    [
        "Glucose 95 " * 30,
        "a" * 200,
        "Start of a page " + "the same line again and again " * 9 + "the same li",
        "0.5 mg daily " * 20 + "Signature",
        "中文" * 60,
    ],
)
def test_endless_repetition_is_seen(text):
    assert metrics.loops(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-" * 500,
        "Name " + "_" * 300,
        "Total " + ". " * 200 + "12.50",
        "| " * 300,
        "|---|---|---|\n" * 20,
        "<tr><td></td><td></td><td></td></tr>" * 20,
        "\n".join(f"Analyte {i} {i * 7 % 13}.{i} mg/dL 4.0-11.0 H" for i in range(40)),
        "Yes No " * 4 + "Do you smoke? Yes No Do you drink? Yes No",
        "\n".join(f"{d:02}/01/2024 Lisinopril 10 mg tablet once daily" for d in range(1, 30)),
    ],
)
def test_tables_rules_and_leaders_are_no_repetition(text):
    assert not metrics.loops(text)


def test_a_page_that_repeats_itself_is_no_loop_when_read_rightly():
    page = "Date Time Sign\n" * 20
    assert metrics.loops(page)
    assert metrics.score_page(page, page)["loop"] == 0
    assert metrics.score_page("short", page)["loop"] == 1


@given(st.one_of(texts, st.text(alphabet="aé\u0301 \n\t\xa0\x1f\u2028\u200bb", max_size=12)))
def test_normalised_text_is_nfc_with_single_spaces(text):
    assert metrics.normalise(text) == " ".join(unicodedata.normalize("NFC", text).split())


@given(texts)
def test_the_reference_itself_is_perfect(text):
    scores = metrics.score_page(text, text)
    assert {name: scores[name] for name in PERFECT} == PERFECT


@given(texts, texts)
def test_scores_lie_in_their_range(reference, prediction):
    scores = metrics.score_page(reference, prediction)
    assert all(np.isfinite(value) and value >= 0 for value in scores.values())
    assert all(scores[name] <= 1 for name in SHARES)
    assert scores["cer"] == metrics.cer(reference, prediction)
    assert scores["wer"] == metrics.wer(reference, prediction)


@given(lines, lines)
def test_rates_are_jiwers_where_the_reference_is_not_empty(reference, prediction):
    flat = metrics.normalise(reference), metrics.normalise(prediction)
    if flat[0]:
        assert metrics.cer(reference, prediction) == pytest.approx(jiwer.cer(*flat))
        assert metrics.wer(reference, prediction) == pytest.approx(jiwer.wer(*flat))


@settings(max_examples=50)
@given(lines, lines)
def test_line_breaks_in_the_prediction_change_nothing(reference, prediction):
    joined = " ".join(prediction.splitlines())
    assert metrics.score_text(reference, prediction) == metrics.score_text(reference, joined)


@pytest.mark.parametrize("unit", ["a", "ab 1\n", "<", "1.", "x\u0301", "Glucose 95 mg/dL\n"])
def test_a_hundred_thousand_characters_take_no_long_time(unit):
    long = (unit * 100_000)[:100_000]
    began = time.process_time()
    metrics.score_page(long, long[: len(long) // 2] + "Z" + long[: len(long) // 2])
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("prediction", "rows", "headings"),
    [
        ("LAB REPORT Glucose 104 mg/dL Sodium 140 mmol/L", 1, 1),
        (
            "LAB REPORT Glucose Sodium 104 140 mg/dL mmol/L",
            2 / 3,
            1,
        ),  # read by columns: one row's words lie too far apart
        ("LAB REPORT Glucose a b c d 104 mg/dL Sodium 140 mmol/L", 2 / 3, 1),  # all there, and something between them
        ("Glucose 104 mg/dL Sodium 140 mmol/L", 2 / 3, 0),
        ("", 0, 0),
    ],
)
def test_rows_stay_together_and_headings_are_found(prediction, rows, headings):
    scores = metrics.score_text("LAB REPORT\nGlucose 104 mg/dL\nSodium 140 mmol/L", prediction)
    assert scores["row_integrity"] == pytest.approx(rows)
    assert scores["heading_recall"] == headings
    assert "heading_recall" not in metrics.score_text("Glucose 104", prediction)


def test_holms_correction():
    assert metrics.holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    assert metrics.holm([0.5, 0.9]) == [1.0, 1.0]
    assert metrics.holm([]) == []


def test_a_comparison_is_paired_and_certain_of_a_clear_change():
    rng = np.random.default_rng(0)
    base = rng.random(200)
    found = metrics.compare(base, base - 0.1 - 0.01 * rng.random(200))
    assert found.difference == pytest.approx(-0.105, abs=0.002)
    assert found.low < found.difference < found.high < -0.1
    assert found.p < 0.001
    assert (found.n, found.resampled_by, found.units) == (200, "page", 200)


def test_a_comparison_repeats_itself():
    rng = np.random.default_rng(1)
    base, tuned = rng.random((2, 40))
    assert metrics.compare(base, tuned) == metrics.compare(base, tuned)


def test_no_change_is_no_finding():
    found = metrics.compare([0.5] * 30, [0.5] * 30)
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_groups_are_resampled_from_ten_on():
    rng = np.random.default_rng(2)
    shift = rng.normal(0, 1, 12).repeat(20)  # pages of one group change alike
    base = rng.random(240)
    by_page = metrics.compare(base, base + shift)
    by_group = metrics.compare(base, base + shift, [f"g{i // 20}" for i in range(240)])
    assert (by_group.resampled_by, by_group.units) == ("group", 12)
    assert by_group.high - by_group.low > 2 * (by_page.high - by_page.low)
    assert by_group.p > by_page.p
    few = metrics.compare(base, base + shift, [f"g{i // 60}" for i in range(240)])
    assert few.resampled_by == "page"


def test_pages_without_a_group_are_groups_of_their_own():
    units, by = metrics.resampling_units([None, "a", "a", float("nan"), *"bcdefghijk"], 14)
    assert by == "group"
    assert len(set(units)) == 13
    assert units[1] == units[2]


def test_comparisons_of_few_pages():
    found = metrics.compare([0.5, 0.4, 0.3], [0.1, 0.2, 0.3])
    assert found.p == 0.5  # 4 of the 8 ways to flip three signs, one of them of nothing
    one = metrics.compare([0.5], [0.1])
    assert (one.low, one.high, one.n) == (None, None, 1)
    none = metrics.compare([], [])
    assert (none.p, none.n) == (None, 0)
    assert np.isnan(none.difference)


def test_pages_without_a_score_are_left_out():
    found = metrics.compare([0.5, np.nan, 0.3, 0.2], [0.1, 0.2, np.nan, 0.2])
    assert found.n == 2
    assert (found.base, found.tuned) == pytest.approx((0.35, 0.15))


def test_columns_are_compared_as_each_alone():
    rng = np.random.default_rng(3)
    base, tuned = rng.random((2, 60, 3))
    together = metrics.compare_columns(base, tuned)
    assert [c.difference for c in together] == pytest.approx(
        [c.difference for c in (metrics.compare(base[:, i], tuned[:, i]) for i in range(3))]
    )
    assert together[1].p == metrics.compare(base[:, 1], tuned[:, 1]).p


@pytest.mark.parametrize(("base", "tuned", "groups"), [([1, 2], [1], None), ([1, 2], [1, 2], ["a"])])
def test_unequal_lengths_are_refused(base, tuned, groups):
    with pytest.raises(ValueError, match="pages"):
        metrics.compare(base, tuned, groups)


def test_intervals_cover_means_medians_and_micro_averages():
    rng = np.random.default_rng(4)
    hits = np.zeros(3)
    for seed in range(60):
        weights = rng.integers(1, 20, 80).astype(float)
        values = np.c_[rng.normal(3, 1, 80), rng.normal(3, 1, 80), rng.binomial(weights.astype(int), 0.3)]
        ones = np.ones(80)
        low, high = metrics.intervals(
            values, np.arange(80), medians=[1], weights=np.c_[ones, ones, weights], seed=seed, resamples=400
        )
        hits += (low <= [3, 3, 0.3]) & (high >= [3, 3, 0.3])
    assert (hits >= 50).all()  # 95 % of 60 are 57


def test_hundreds_of_comparisons_take_seconds():
    rng = np.random.default_rng(5)
    base, tuned = rng.random((2, 1000, 50))
    began = time.process_time()
    metrics.compare_columns(base, tuned)
    assert time.process_time() - began < 10
