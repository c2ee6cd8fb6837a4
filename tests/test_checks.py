"""Per-page checks: each passes on the page itself and fails, with its reason, on what it is about."""

import pytest

from medocr import metrics
from medocr.demo import synthetic
from medocr.metrics import Check, check_page

REPORT = (
    "MRN 5599667\nGlucose 104 mg/dL 70-99 H\nSodium 140 mmol/L 136-145\n"
    "1. Warfarin 5 mg tab PO daily\nCollected 02-Jun-2025"
)


def failed(prediction: str) -> list[tuple[str, str]]:
    return [(check.family, check.why) for check in check_page(REPORT, prediction) if not check.passed]


def test_the_page_itself_passes_in_every_family():
    checks = check_page(REPORT, REPORT.replace("\n", " "))
    assert all(check.passed and not check.why for check in checks)
    assert {check.family for check in checks} == set(metrics.FAMILIES)
    assert Check("row", "Glucose 104.0 mg/dL", True) in checks


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("104", "164", [("row", "value is 164.0, not 104.0")]),
        ("104", "10.4", [("row", "value is 10.4, not 104.0"), ("absent", "10.4 was read")]),
        ("mg/dL", "g/dL", [("row", "unit is g/dL, not mg/dL")]),
        ("136-145", "136-148", [("row", "high is 148.0, not 145.0")]),
        ("Sodium", "Chloride", [("row", "none of that name was read")]),
        ("Warfarin", "Heparin", [("drug", "none of that name was read")]),
        ("5 mg", "50 mg", [("drug", "dose is 50.0, not 5.0"), ("absent", "50 was read")]),
        ("5599667", "5599661", [("header", "read '5599661'")]),
        ("MRN 5599667", "", [("header", "not read")]),
    ],
)
def test_a_broken_fact_fails_with_its_reason(old, new, found):
    assert failed(REPORT.replace(old, new, 1)) == found


def test_the_sources_fields_pass_on_their_own_pages():
    pages = synthetic.pages({"lab_report": 20, "prescription": 20}, unlabelled=(), workers=1)
    checks = [check for page in pages for check in check_page(page.text, page.text, page.fields)]
    assert len(checks) > 200
    assert sum(check.passed for check in checks) >= 0.99 * len(checks)


def test_a_page_without_fields_gives_no_check():
    assert check_page("Hello there", "anything 5") == []
