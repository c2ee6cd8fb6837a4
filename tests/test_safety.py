"""Clinical safety: each kind of error is named as what it is, and corruption of known kinds is counted back."""

import random

import pytest

from medocr import fields, metrics, synthetic
from medocr.metrics import safety

REPORT = (
    "Glucose 104 mg/dL 70-99 H\nSodium 140 mmol/L 136-145\nPotassium 4.1 mmol/L 3.5-5.1\nHIV Negative\n"
    "1. Warfarin 5 mg tab PO daily\n2. Metformin 500 mg tab PO BID"
)


def kinds(prediction: str, reference: str = REPORT) -> list[str]:
    wanted, found = (fields.read_fields(text) for text in (reference, prediction))
    return [kind for kind, _, _ in safety.errors(wanted, found)]


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
        ("mmol/L 136", "meq/L 136", ["changed_unit"]),
        (" mmol/L 136", " 136", []),  # lost, not wrong
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


def test_values_that_change_places_are_swapped_rows():
    swapped = REPORT.replace("104", "#").replace("140", "104").replace("#", "140")
    assert kinds(swapped) == ["swapped_rows", "swapped_rows"]


def test_the_page_itself_has_no_error_and_one_without_rows_no_count():
    assert kinds(REPORT) == []
    assert safety.count(fields.read_fields("Hello"), fields.read_fields(REPORT)) == {}
    assert set(safety.KINDS) <= metrics.score_page(REPORT, "").keys()
    assert not any(metrics.score_page(REPORT, "")[kind] for kind in safety.KINDS)


def corrupt(page, rng: random.Random, rates: dict[str, float], made: dict[str, int]) -> str:
    """The page's text with errors of known kinds in some of its rows; adds to `made` how many."""
    text = page.text
    for row in page.fields["analytes"]:
        printed, value = row["printed"], row["printed"]["value"]
        line = next(line for line in text.split("\n") if line.startswith(printed["name"]) and value in line)
        kind = next((kind for kind, rate in rates.items() if rng.random() < rate), None)
        if kind == "shifted_point" and isinstance(row["value"], float) and row["value"]:
            new = line.replace(value, f"{row['value'] * 10:.10g}", 1)
        elif kind == "changed_digit" and isinstance(row["value"], float):
            digit = next(c for c in reversed(value) if c.isdigit())
            new = line.replace(value, value[::-1].replace(digit, str((int(digit) + 3) % 9 + 1), 1)[::-1], 1)
        elif kind == "lost_flag" and row["flag"] not in (None, "N") and printed["flag"]:
            new = " ".join(line.replace(printed["flag"], "", 1).split())
        else:
            continue
        if new != line:
            text, made[kind] = text.replace(line, new, 1), made.get(kind, 0) + 1
    return text


def test_corruption_of_known_kinds_is_counted_back():
    rng, made, counted = random.Random(4), {}, {}
    rates = {"shifted_point": 0.08, "changed_digit": 0.08, "lost_flag": 0.5}
    for page in synthetic.pages({"lab_report": 500}, seed=8, unlabelled=()):
        scores = metrics.score_page(page.text, corrupt(page, rng, rates, made), page.fields)
        for kind in safety.KINDS:
            counted[kind] = counted.get(kind, 0) + scores[kind]
    assert min(made.values()) > 50
    for kind, number in made.items():
        assert counted[kind] == pytest.approx(number, rel=0.1), (made, counted)
    assert sum(counted[kind] for kind in safety.KINDS if kind not in made) < 0.1 * sum(made.values())
