"""Texts in the shapes that other people's reports, prescriptions, headers, receipts and forms have."""

import pytest

from medocr.digitize import dates
from medocr.fields import directions
from tests.bench import fields_cases

CASES = [
    case
    for name in ("fields_by_others", *(f"held_out_fields_{number}" for number in range(3, 9)))
    for case in fields_cases.load(f"{name}.jsonl")
    if not case.get("unread")
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}: {case['text'][:40]}")
def test_a_text_of_others_is_read_whole(case):
    assert fields_cases.score_case(case)["wrong"] == []


def test_texts_that_nobody_tuned_to():
    """The floor under what was measured; their first reading is the estimate for texts not seen before."""
    score = fields_cases.score(fields_cases.load("held_out_fields.jsonl"))
    assert score["columns"] / score["columns_of"] >= 0.95
    assert score["rows"] / score["rows_of"] >= 0.9


@pytest.mark.parametrize(
    ("frequency", "times"),
    [
        ("de 8 em 8 horas", 3),
        ("8/8 horas", 3),
        ("al mattino", 1),
        ("3 fois par jour", 3),
        ("cada 8 horas", 3),
        ("1x täglich", 1),
        ("2 maal daags", 2),
        ("matin et soir", 2),
        ("1 mane 1 nocte", 2),
        ("2 PO mane 1 PO nocte", None),  # compared by its words: the amounts differ
        ("with meals", 3),
        ("2dd1", 2),
        ("3x1", 3),
    ],
)
def test_directions_in_other_words_mean_the_same(frequency, times):
    assert directions.times_a_day(frequency) == times


@pytest.mark.parametrize(
    ("printed", "day"),
    [
        ("15. Mai 1943", "1943-05-15"),
        ("12 de março de 2020", "2020-03-12"),
        ("4 maja 2021", "2021-05-04"),
        ("3 foo 1960", None),
    ],
)
def test_dates_with_the_months_of_other_languages(printed, day):
    assert dates.iso(printed) == day


@pytest.mark.parametrize(
    ("amount", "meant"),
    [
        ("one", (1, "")),
        ("2", (2, "")),
        ("ONE-HALF TABLET", (0.5, "tablet")),
        ("500 mg", (500, "mg")),
        ("1 tab", (1, "tablet")),
    ],
)
def test_amounts_in_other_words_mean_the_same(amount, meant):
    assert directions.amount_of(amount) == meant
