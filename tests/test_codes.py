"""Codes of analytes, ingredients and units; those of a site come first."""

from types import SimpleNamespace

import pytest

from medocr.digitize import fhir, resources
from medocr.fields import codes, lexicon, unit_code


@pytest.mark.parametrize(
    ("name", "unit", "code"),
    [
        ("Na", None, "2951-2"),
        ("Leukozyten", None, "6690-2"),
        ("AST (SGOT)", "U/L", "1920-8"),
        ("Glucose", "mg/dL", "2345-7"),
        ("Glucose", "mmol/L", "14749-6"),
        ("Glucose", None, ""),  # two codes, and nobody says which
        ("Neutrophils", "%", "770-8"),
        ("Neutrophils", "10*9/L", "751-8"),
        ("Flux capacity", None, ""),
    ],
)
def test_an_analyte_has_the_code_of_its_name_and_unit(name: str, unit: str | None, code: str) -> None:
    assert codes.loinc(name, unit) == code


def test_an_ingredient_has_its_number_with_and_without_a_salt() -> None:
    assert [codes.rxnorm(name) for name in ("Metformin HCl", "paracetamol", "Lisinopril", "Xyzal")] == [
        "6809",
        "161",
        "29046",
        "",
    ]


def test_a_unit_that_is_none_has_no_code() -> None:
    assert [unit_code(unit) for unit in ("K/uL", "mmol/L")] == ["10*3/uL", "mmol/L"]
    assert [unit_code(unit) for unit in ("mmoI/L", "m9/dl", "G/", "Gpt/")] == [None] * 4


def test_every_loinc_code_has_its_check_digit_and_every_name_is_in_the_lexicon() -> None:
    for system, code, _, names in codes._rows(lexicon.DATA / "codes.tsv"):
        if system == "loinc":
            body, check = code.split("-")
            doubled = [int(digit) * (2 - at % 2) for at, digit in enumerate(reversed(body))]
            assert (10 - sum(sum(divmod(digit, 10)) for digit in doubled) % 10) % 10 == int(check), code
            assert codes._names(names), names
            assert set(codes._names(names)) <= lexicon.analytes().keys(), names


def test_a_sites_own_codes_come_first(tmp_path, monkeypatch) -> None:
    site = tmp_path / "site.tsv"
    site.write_text("loinc\t42757-5\t-\ttnih|troponin i\n", encoding="utf-8")
    monkeypatch.setenv(codes.SITE, str(site))
    assert (codes.loinc("TnIH"), codes.loinc("Troponin I"), codes.loinc("Na")) == ("42757-5", "42757-5", "2951-2")


@pytest.mark.parametrize(("text", "part"), [(None, "is no file"), ("snomed\t1\t-\ta\n", "must hold loinc or rxnorm")])
def test_a_sites_file_that_is_wrong_is_said_to_be(text, part, tmp_path, monkeypatch) -> None:
    site = tmp_path / "site.tsv"
    if text:
        site.write_text(text, encoding="utf-8")
    monkeypatch.setenv(codes.SITE, str(site))
    with pytest.raises(ValueError, match=part):
        codes.loinc("Na")


def test_a_document_is_searched_once_for_other_fluids_however_many_results_it_has(monkeypatch) -> None:
    searched = []
    pattern = fhir.NOT_BLOOD
    monkeypatch.setattr(
        fhir, "NOT_BLOOD", SimpleNamespace(search=lambda text: searched.append(text) or pattern.search(text))
    )
    columns = {"value": 4.1, "unit": "mmol/L"}
    field = {"name": "Potassium", "columns": columns, "text": "Potassium 4.1 mmol/L", "status": "passed"}
    for text, coded in (("Serum: Potassium 4.1 mmol/L", True), ("Urine: Potassium 4.1 mmol/L", False)):
        about = fhir.context({"id": "0" * 16, "pages": [{"text": text}]}, [])
        rows = [resources.observation(field, about) for _ in range(5)]
        assert [bool(row["code"].get("coding")) for row in rows] == [coded] * 5
    assert len(searched) == 2
