"""What a page says against itself is named, and what agrees is left alone."""

import pytest

from medocr import fields
from medocr.demo import synthetic
from medocr.metrics import contradictions


def told(text: str, doc_type: str = "lab_report") -> list[str]:
    return contradictions(fields.read_fields(text, doc_type))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Glucose 104 mg/dL 70-99 H\nSodium 140 mmol/L 136-145", []),
        ("Glucose 94 mg/dL 70-99 H", ["Glucose 94 is flagged H but not above 70–99"]),
        ("Sodium 140 mmol/L 136-145 L", ["Sodium 140 is flagged L but not below 136–145"]),
        ("Glucose 104 mg/dL 70-99 H\nSodium 150 mmol/L 136-145", ["Sodium 150 is outside 136–145 but not flagged"]),
        ("Glucose 104 mg/dL 70-99\nSodium 150 mmol/L 136-145", []),  # this page flags nothing
        ("HDL 30 mg/dL > 40 H", ["HDL 30 is flagged H but not above > 40"]),
        ("HIV Negative", []),
        ("", []),
    ],
)
def test_flags_are_held_against_value_and_range(text, said):
    assert told(text) == said


def test_a_range_whose_limits_are_swapped_is_told():
    row = {"name": "MCV", "value": 91.0, "unit": "fL", "low": 96.0, "high": 80.0}
    assert contradictions({"analytes": [row]}) == ["MCV has a range whose limits are swapped: low 96, high 80"]


def test_sums_are_held_against_each_other():
    receipt = "Toys by Cabrera\nStapler 32.20\nPencils 2.90\nSubtotal 35.10\nTax 20% 7.02\nTotal 42.12"
    assert told(receipt, "receipt") == []
    assert told(receipt.replace("42.12", "43.12"), "receipt") == [
        "subtotal and tax add up to 42.12, the total is 43.12"
    ]
    assert told(receipt.replace("32.20", "82.20"), "receipt") == ["items add up to 85.10, the subtotal is 35.10"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("Subtotal 40.00\nDiscount -5.00\nTax 3.50\nTotal 38.50", []),
        ("Subtotal 40.00\nDiscount 5.00\nTax 3.50\nTotal 38.50", []),
        ("Subtotal 35.00\nDiscount 5.00\nTax 3.50\nTotal 38.50", []),  # off already
        ("Subtotal 40.00\nTax 3.50\nTip 8.00\nTotal 51.50", []),
        ("Subtotal 40.00\nTax 3.50\nShipping 4.95\nTotal 48.45", []),
        ("Subtotal 40.00\nTax 3.50\nPrevious balance 12.00\nAmount due 55.50", []),
        ("Subtotal 40.00\nDiscount -5.00\nTax 3.50\nTotal 39.50", ["add up to 43.50, the total is 39.50"]),
        ("Subtotal 40.00\nTax 3.50\nTip 8.00\nTotal 52.50", ["add up to 43.50, the total is 52.50"]),
    ],
)
def test_discounts_tips_and_earlier_balances_are_reckoned_with(lines, said):
    found = told(f"Toys by Cabrera\nKite 15.00\nDrum 25.00\n{lines}", "receipt")
    assert [one.removeprefix("subtotal and tax ") for one in found] == said


def test_synthetic_pages_agree_with_themselves():
    pages = synthetic.pages({"lab_report": 60, "receipt": 30, "invoice": 30}, unlabelled=(), workers=1)
    assert [said for page in pages for said in told(page.text, page.doc_type)] == []
