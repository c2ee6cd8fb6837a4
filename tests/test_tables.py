"""TEDS: by hand on small tables, and the published values."""

import json
from pathlib import Path

import pytest

from medocr.metrics import teds

PUBLISHED = Path(__file__).parents[2] / "shared/data/metrics/pubtabnet_teds"
TABLE = "<table><tr><td>Glucose</td><td>104</td></tr><tr><td>Sodium</td><td>140</td></tr></table>"  # 6 nodes


@pytest.mark.parametrize(
    ("predicted", "expected", "structure"),
    [
        (TABLE, 1, 1),
        (f"text before {TABLE}", 1, 1),
        (f'<?xml version="1.0" encoding="UTF-8"?>{TABLE}', 1, 1),
        (TABLE.replace("104", "10.4"), 1 - 1 / 4 / 6, 1),  # one character of four
        (TABLE.replace("<td>140</td>", ""), 1 - 1 / 6, 1 - 1 / 6),  # a lost cell
        (TABLE.replace("<td>140", "<td colspan='2'>140"), 1 - 1 / 6, 1 - 1 / 6),
        (TABLE.replace("<td>140", "<th>140"), 1 - 1 / 6, 1 - 1 / 6),
        (TABLE.replace("140", "<b>140</b>"), 1 - 2 / 5 / 7, 1),
        ("Glucose 104", 0, 0),
        ("", 0, 0),
        ("<table></table>", 0, 0),
    ],
)
def test_by_hand(predicted, expected, structure):
    assert teds(TABLE, predicted) == pytest.approx(expected)
    assert teds(TABLE, predicted, structure_only=True) == pytest.approx(structure)


def test_a_reference_without_a_table_is_refused():
    with pytest.raises(ValueError, match="no <table>"):
        teds("Glucose 104", TABLE)


@pytest.mark.parametrize("text", ["<", "<table", "\x00<table><td>\ud800", "<table>" * 300, "<td></tr></b>" * 50])
def test_hostile_text_is_no_error(text):
    assert 0 <= teds(TABLE, text) <= 1


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published cases are not here")
def test_the_published_values():
    wanted, reference, predicted = (
        json.loads((PUBLISHED / f"{name}.json").read_text()) for name in ("expected_teds", "sample_gt", "sample_pred")
    )
    found = []
    for name, row in wanted["per_table"].items():
        found.append(teds(reference[name]["html"], predicted[name]))
        assert found[-1] == pytest.approx(row["TEDS_published"], abs=1e-6)
        alike = teds(reference[name]["html"], predicted[name], structure_only=True)
        assert alike == pytest.approx(row["TEDS_structure_only_computed_with_IBM_code"], abs=1e-6)
    assert sum(found) / len(found) == pytest.approx(0.899678, abs=1e-6)
