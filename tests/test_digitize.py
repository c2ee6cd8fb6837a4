"""From pages to records and FHIR Bundles: what is printed is there, what is not is absent, faults are named."""

import contextlib
import copy
import dataclasses
import datetime
import hashlib
import io
import json
import os
import re
import stat
from decimal import Decimal
from types import SimpleNamespace

import pytest
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from medocr import digitize, review, transcribe
from medocr.__main__ import main
from medocr.digitize import check, dates, decimals, fhir, hl7, printed, readers, reasons, record, resources, sources
from medocr.ocr import Line
from medocr.ocr.overprint import STRUCK
from medocr.read import PageRecord
from medocr.review import Decision
from medocr.schema import Page, Rejection
from medocr.storage import ROOT
from medocr.transcribe import tesseract
from tests.loopback_pages import Loopback, Server

TOMORROW = datetime.date.today() + datetime.timedelta(days=1)
LAB = """Northside Clinic
Patient: Maria Lopez   DOB: 12/31/1961   Sex: F
MRN: 0012345
Collected: 03/14/2024
Glucose 105 H mg/dL 70-99
Potassium 4.10 mmol/L 3.5-5.1
CRP <5 mg/L 0-10
HIV Antibody Negative
WBC 6.2 10^3/uL 4.0 - 11.0
Zorblin 3.2 m9/dl 1-5
Metformin 500 mg PO BID x 30 days
Lisinopril 10 mg PO q6h PRN"""


def encoded(text: str) -> bytes:
    """A small picture that is another for every text."""
    digest = hashlib.sha256(text.encode()).digest()
    buffer = io.BytesIO()
    Image.frombytes("L", (32, 1), digest).resize((64, 48)).save(buffer, format="PNG")
    return buffer.getvalue()


def reading(text: str, sure: float = 0.99, struck: str = "") -> PageRecord:
    """As RapidOCR reads a page; the line that begins with `struck` is struck out."""
    lines = [
        dataclasses.asdict(
            Line(line, (10, 20 * n, 200, 20 * n + 15), sure, STRUCK if line.split()[0] == struck else "")
        )
        for n, line in enumerate(text.split("\n"))
    ]
    return PageRecord(text, lines, 0, sure, sure, "stop", 0.0)


class Stub:
    """Reads pages whose texts it was told, and counts them."""

    def __init__(self, *texts: str) -> None:
        self.texts = {Page(encoded(text), "", "folder").id: text for text in texts}
        self.asked = []
        self.reader = digitize.Reader("stub", "0" * 64, self.read)

    def read(self, items):
        for item in items:
            if isinstance(item, Rejection):
                yield item, None
            else:
                self.asked.append(item.origin)
                text = self.texts.get(item.id)
                yield item, reading(text) if text else "unreadable: no image"


@pytest.fixture
def scans(tmp_path):
    """A folder into which pages of given texts are laid."""

    def lay(**texts: str):
        folder = tmp_path / "scans"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name}.png").write_bytes(encoded(text))
        return folder

    return lay


def made(*texts: str, errors: tuple[int, ...] = (), decisions: tuple[Decision, ...] = (), **options):
    """The record of a document of these pages, and its Bundle."""
    pages = [Page(encoded(text), f"scan.pdf#{n}", "folder", page=n) for n, text in enumerate(texts, 1)]
    results = ["reader_failed: it broke" if n in errors else reading(text) for n, text in enumerate(texts, 1)]
    read = list(zip(pages, results, strict=True))
    reader = {"name": "stub", "hash": "0" * 64}
    about = record.document("scan.pdf", read, reader, synthetic=False, phi=True)
    return about, fhir.bundle(about, decisions, **options)


def of_kind(bundle: dict, kind: str) -> list[dict]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def test_a_folder_becomes_records_bundles_and_a_queue(scans, tmp_path):
    stub, out = Stub(LAB), tmp_path / "out"
    folder = scans(lab=LAB)
    (folder / "broken.pdf").write_bytes(b"no")
    assert digitize.run(stub.reader, [folder], out) == 3
    broken, lab = sorted(
        map(json.loads, (p.read_text() for p in (out / "documents").iterdir())), key=lambda r: r["title"]
    )
    assert broken["pages"][0]["error"].startswith("not_a_pdf")
    assert not (out / f"bundles/{broken['id']}.json").exists()
    assert lab["patient"] == {"name": "Maria Lopez", "birth_date": "1961-12-31", "sex": "female", "ids": ["0012345"]}
    potassium = next(field for field in lab["fields"] if field["name"] == "Potassium")
    assert potassium["text"] == lab["pages"][0]["lines"][potassium["line"]]["text"]
    assert potassium["box"] == [10, 100, 200, 115]
    assert {field["status"] for field in lab["fields"]} == {"review"}
    queue = [json.loads(line) for line in (out / "queue.jsonl").read_text().splitlines()]
    assert {row["field"] for row in queue} == {field["id"] for field in lab["fields"]}
    bundle = decimals.loads((out / f"bundles/{lab['id']}.json").read_text())
    assert check.problems(bundle) == []
    assert [path for path in (out, *out.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    audit = [json.loads(line) for line in (out / "audit.jsonl").read_text().splitlines()]
    assert all(row["contains_phi"] and row["sent_to"] is None for row in audit)


def test_a_second_call_reads_nothing_again_and_gives_the_same(scans, tmp_path):
    stub, folder = Stub(LAB), scans(lab=LAB)
    for out in ("a", "a", "b"):
        assert digitize.run(stub.reader, [folder], tmp_path / out) == 0
    assert len(stub.asked) == 2
    (first,), (second,) = (list((tmp_path / out / "bundles").iterdir()) for out in "ab")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_numbers_keep_their_digits_and_printed_units_stand_beside_codes():
    _, bundle = made(LAB)
    by_name = {resource["code"]["text"]: resource for resource in of_kind(bundle, "Observation")}
    assert str(by_name["Potassium"]["valueQuantity"]["value"]) == "4.10"
    assert '"value": 4.10,' in decimals.dumps(bundle)
    count = by_name["WBC"]["valueQuantity"]
    assert (count["unit"], count["code"]) == ("10^3/uL", "10*3/uL")
    assert by_name["CRP"]["valueQuantity"]["comparator"] == "<"
    assert by_name["HIV Antibody"]["valueString"] == "Negative"
    assert by_name["Glucose"]["interpretation"][0]["coding"][0]["code"] == "H"
    assert by_name["Zorblin"]["valueQuantity"] == {"value": Decimal("3.2"), "unit": "m9/dl"}
    assert "coding" not in by_name["Zorblin"]["code"]
    assert {resource["effectiveDateTime"] for resource in by_name.values()} == {"2024-03-14"}


@pytest.mark.parametrize(
    ("value", "text", "exact"),
    [
        (1500.0, "WBC 1,500 /uL", "1500"),
        (0.0, "x 0.00", "0.00"),
        (13.2, "Hb 13,2", "13.2"),
        (231000.0, "231 000", "231000"),
    ],
)
def test_a_number_is_found_as_printed(value, text, exact):
    assert str(printed.number(value, text)) == exact


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("14/03/2024", None, "2024-03-14"),
        ("03/04/2024", None, None),
        ("03/04/2024", "m", "2024-03-04"),
        ("3 Jan 2024", None, "2024-01-03"),
        ("January 3, 2024", None, "2024-01-03"),
        ("31.04.2024", None, None),
        ("12/31/61", None, None),
        ("1361/05/12", None, None),
        ("14/03/2567", None, None),
        ("14 Mar 0224", None, None),
        (f"{TOMORROW + datetime.timedelta(days=1)}", None, None),
        (f"{TOMORROW}", None, f"{TOMORROW}"),
    ],
)
def test_a_date_that_may_be_two_days_or_has_not_been_is_none(text, order, day):
    assert dates.iso(text, order) == day


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("SSN: 123-45-6789\nDOB: 03/04/1980", None),
        ("SSN 12-31-1980-5, 5-12-31-1980", None),
        ("Tel 0221-44-1234 or 31-12-3456", None),
        ("Version 1.2.2500", None),
        ("Seen 13/04/2024, SSN: 123-12-1990", "d"),
        ("Seen 04/13/2024.", "m"),
        ("Seen 04/13/2024 and 13/04/2024", None),
        (f"Next visit 31/12/{TOMORROW.year + 1}", "d"),
    ],
)
def test_only_days_tell_the_order_of_days_and_months(text, order):
    assert dates.order([text]) == order


def test_a_date_of_another_calendar_is_asked_about_and_spoils_no_bundle():
    about, bundle = made("Patient: Reza Ahmadi\nDOB: 1361/05/12\nCollected: 1403/03/14\nPotassium 4.1 mmol/L 3.5-5.1")
    assert "birthDate" not in of_kind(bundle, "Patient")[0]
    assert "effectiveDateTime" not in of_kind(bundle, "Observation")[0]
    asked = [field["name"] for field in about["fields"] if any("not one day" in why for why in field["reasons"])]
    assert asked == ["date_of_birth", "collected"]
    assert check.problems(bundle) == []
    of_kind(bundle, "Patient")[0]["birthDate"] = "1361-05-12"
    assert "no date that has been" in check.problems(bundle)[0]


def test_a_record_with_an_earlier_result_is_sound():
    about, _ = made("Glucose 105 mg/dL (prev 98) 70-99")
    assert about["fields"][0]["columns"]["previous"] == 98
    review.check_document(about)


def test_results_under_several_dates_are_an_observation_each():
    text = "MRN: 12345\nCollected: 06/21/2024\nTest 01/12/2024 03/15/2024 06/20/2024 Units\nGlucose 105 98 112 mg/dL"
    about, bundle = made(text + "\nSodium 139 141 mmol/L")
    unclear = [field for field in about["fields"] if field["name"] == "Sodium"]
    assert all("is not one day for certain" in field["reasons"][0] for field in unclear)
    observations = [o for o in of_kind(bundle, "Observation") if "effectiveDateTime" in o]
    days = {o["effectiveDateTime"]: o["valueQuantity"]["value"] for o in observations}
    assert days == {"2024-01-12": 105, "2024-03-15": 98, "2024-06-20": 112}
    assert check.problems(bundle) == []
    assert "|20240315" in hl7.message(about, at="20240101000000+0000")


def test_orders_are_proposals_and_stopped_drugs_are_none():
    _, bundle = made(LAB + "\nDiscontinue Warfarin 5 mg PO daily")
    metformin, lisinopril = of_kind(bundle, "MedicationRequest")
    assert (metformin["status"], metformin["intent"]) == ("draft", "proposal")
    (dosage,) = metformin["dosageInstruction"]
    assert dosage["timing"]["repeat"]["frequency"] == 2
    assert dosage["timing"]["repeat"]["boundsDuration"]["value"] == 30
    assert dosage["doseAndRate"][0]["doseQuantity"]["code"] == "mg"
    assert dosage["text"] == "Metformin 500 mg PO BID x 30 days"
    assert lisinopril["dosageInstruction"][0]["asNeededBoolean"] is True
    assert lisinopril["dosageInstruction"][0]["timing"]["repeat"]["periodUnit"] == "h"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Glucose 105 H mg/dL 70-99", ["no patient is named in this document"]),
        ("Patient: Ann Smith\nGlucose 105 H mg/dL 70-99", []),
        ("MRN: 0012345\nGlucose 105 H mg/dL 70-99", []),
        ("MRN: 0012345\nOn the ward her glucose was 105 mg/dL before lunch.", ["it stands in a sentence"]),
        ("MRN: 0012345\nKaliumwert bei Aufnahme war am Morgen Kalium 4,1 mmol/l.", ["it stands in a sentence"]),
    ],
)
def test_a_result_of_nobody_or_in_a_sentence_is_asked_about(text, asked):
    about, _ = made(text)
    assert [field["reasons"] for field in about["fields"] if field["kind"] == "analyte"] == [asked]


@pytest.mark.parametrize("frequency", ["q0h", "every 0 days", "every 4-0 hours"])
def test_an_order_every_no_hours_has_its_words_alone(frequency):
    _, bundle = made(f"MRN: 0012345\nMetformin 500 mg PO {frequency}")
    (order,) = of_kind(bundle, "MedicationRequest")
    assert order["dosageInstruction"][0]["timing"].keys() <= {"code"}
    assert check.problems(bundle) == []


def test_a_struck_out_order_says_so():
    text = "MRN: 0012345\nMetformin 500 mg PO BID\nWarfarin 5 mg PO daily"
    read = [(Page(encoded(text), "scan.png", "folder"), reading(text, struck="Warfarin"))]
    about = record.document("scan.png", read, {"name": "s", "hash": "0" * 64}, synthetic=False, phi=True)
    review.check_document(about)
    reasons = {field["name"]: field["reasons"] for field in about["fields"] if field["kind"] == "drug"}
    assert reasons == {"Metformin": [], "Warfarin": ["its line is struck out"]}


def test_a_pages_sums_are_added_up_once_for_all_its_totals(monkeypatch):
    pages, add_up = [], reasons.consistency.contradictions
    monkeypatch.setattr(reasons.consistency, "contradictions", lambda page: pages.append(page) or add_up(page))
    about, _ = made("Receipt\nSubtotal 10.00\nTax 1.00\nTotal 12.00")
    asked = {field["name"]: field["reasons"] for field in about["fields"] if field["kind"] == "total"}
    wrong = ["subtotal and tax add up to 11.00, the total is 12.00"]
    assert asked == {"subtotal": wrong, "tax": wrong, "total": wrong}
    assert len(pages) == 1


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("T4, Total 5.0 12.0 mcg/dL 5.6", "numbers on its line are in no column: 12.0, 5.6"),
        ("AST 35 IU/L 1040 N", "numbers on its line are in no column: 1040"),
        ("WBC [0-5] /HPF", "it is not certain whether 0-5 is the value or the range"),
        ("Glucose 126 mg/dL 70-99", "Glucose 126 is outside 70–99 but not flagged"),
        ("Glucose 105 H mg/dL 70-99 家", "a sign on its line was not recognised"),
        ("Ketones 2+ NEGATIVE", "Ketones 2+ is outside NEGATIVE but not flagged"),
        ("☐ A ☐ B ☑ 0", "its label may be the letter O"),
        ("Referred: ☐ GP ☐ Self ☐ ☑ R", "a box on its line has no label"),
        ("☐ Cancer ☐ Anemia\nBlood type ☐ B ☑ AB ☐", "a box on its line has no label"),
        ("Smoker: ☐ YesNo", "a box on its line was not read"),
        ("Cancer ☐ Anemia ☑", None),
        ("1.20 mg Duloxetine daily", "it is not certain whether 1.20 is a dose or a place in a list and a dose"),
        ("Clopidogrel 75 mg tabdaily x 30 days", "no frequency is printed"),
        ("2. Amlodipine 5 mg tab #90 Sig: 1 tab PO daily", None),
        ("Glucose 85 mg/dL 70-99 Sodium 140 mmol/L 135-145", None),
        ("Platelets 231 000 /uL", None),
        ("Ketones Negative Negative", None),
    ],
)
def test_a_row_whose_line_says_more_than_its_columns_is_asked_about(line, asked):
    about, _ = made(f"Northside Clinic\nPatient: Ann Smith\n{line}")
    assert {reason for field in about["fields"] for reason in field["reasons"]} == ({asked} if asked else set())


def test_a_result_among_boxes_to_tick_is_asked_about():
    about, _ = made("Northside Clinic\nGlucose 5.4 mmol/L ☑ fasting ☐ random")
    row = next(field for field in about["fields"] if field["kind"] == "analyte")
    assert "boxes to tick are on its line" in row["reasons"]


def test_a_group_of_boxes_gives_no_result():
    about, _ = made("Northside Clinic\nBlood type: ☐ A ☐ B ☑ AB ☐ 0")
    assert {field["kind"] for field in about["fields"]} == {"header", "tick"}


def test_a_field_is_as_sure_as_the_least_sure_character_on_its_line():
    text = "Patient: Ann Miller\nD8B: 12/31/1961"
    sure = [0.6 if text[at] == "8" else 0.99 for at in range(len(text))]
    read = [(Page(encoded(text), "a", "folder"), dataclasses.replace(reading(text), sure=sure))]
    about = record.document("a", read, {"name": "s", "hash": ""}, synthetic=True, phi=False)
    assert {field["name"]: field["confidence"] for field in about["fields"]} == {"patient": 0.99, "date": 0.6}


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("Homocysteine 9.8 pmol/L 5.0-15.0", ["pmol/L is not a unit of Homocysteine, which is reported in umol/L"]),
        ("Homocysteine 9.8 µmol/L 5.0-15.0", []),
        ("Glucose 95 ng/dL 70-99", ["ng/dL is not a unit of Glucose, which is reported in mg/dL or mmol/L"]),
        ("D-dimer 0.4 ug/mL 0.0-0.5", []),
        ("CRP 12 mg/dL 0-5", []),
    ],
)
def test_a_unit_a_million_times_off_is_asked_about(line, asked):
    about, _ = made(line)
    assert [reason for field in about["fields"] for reason in field["reasons"] if "not a unit" in reason] == asked


def test_a_page_without_a_patient_names_nobody():
    about, bundle = made("Sodium 140 mmol/L 135-145")
    assert about["patient"] == {}
    assert of_kind(bundle, "Patient")[0].keys() == {"resourceType", "id", "identifier", "meta"}
    assert check.problems(bundle) == []


def test_the_first_pages_header_holds_for_the_next():
    about, bundle = made(LAB, "Sodium 140 mmol/L 135-145", "Patient: Lopez, Maria\nChloride 101 mmol/L 98-107")
    assert about["patient"]["name"] == "Maria Lopez"
    assert not about["stopped"]
    (patient,) = of_kind(bundle, "Patient")
    subjects = {resource["subject"]["reference"] for resource in of_kind(bundle, "Observation")}
    assert subjects == {f"urn:uuid:{patient['id']}"}
    assert check.problems(bundle) == []


@pytest.mark.parametrize(
    ("first", "second", "stopped"),
    [
        ("Patient: Maria Garcia", "Patient: Mario Garcia", True),
        ("Patient: Maria Garcia  DOB: 12/31/1961", "Patient: Mario Garcia  DOB: 12/31/1961", False),
        ("Patient: Maria Garcia  DOB: 12/31/1961", "Patient: Mario Garcia", True),
        ("Patient: Maria Garcia", "Patient: GARCIA, Maria", False),
    ],
)
def test_a_name_with_another_letter_is_somebody_elses_where_nothing_else_agrees(first, second, stopped):
    about, _ = made(f"{first}\nSodium 140 mmol/L 135-145", f"{second}\nChloride 101 mmol/L 98-107")
    assert about["stopped"] == stopped


def test_a_table_goes_on_under_the_headings_and_the_patient_of_the_page_before():
    first = "Patient: Maria Lopez Sex: F\nTest Reference Range Units Result\nSodium 135-145 mmol/L 140"
    about, _ = made(first, "Hemoglobin 13.0 g/dL M: 13.5-17.5 F: 12.0-15.5", "CRP <5.0 mg/L <0.5")
    rows = {field["name"]: field["columns"] for field in about["fields"] if field["kind"] == "analyte"}
    assert (rows["Hemoglobin"]["low"], rows["Hemoglobin"]["high"]) == (12.0, 15.5)
    assert (rows["CRP"]["value"], rows["CRP"]["high"], rows["CRP"]["line"]) == ("<0.5", 5.0, 0)


@pytest.mark.parametrize(
    "text",
    [
        "Troponin I lab draws at 0 and 3 hours",
        "Hold until ANC > 1500",
        "Target HbA1c < 7 %",
        "Patient Name: John Smith MRN: 7890123",
        "San Diego, CA 92109",
        "Phone: (217) 555-1212 Laboratory: (217) 555-3434",
        "Discontinue Warfarin",
        "HIGH BLEEDING RISK",
        "Allergies: Penicillin, sulfa",
    ],
)
def test_no_invented_result_reaches_a_record(text):
    _, bundle = made(text)
    assert of_kind(bundle, "Observation") == []
    assert of_kind(bundle, "MedicationRequest") == []


@pytest.mark.parametrize("other", ["Patient: John Smith", "MRN: 7890123", "DOB: 01/31/1960"])
def test_another_patients_page_in_the_middle_stops_the_document(other):
    about, bundle = made(LAB, f"{other}\nSodium 140 mmol/L 135-145", "Chloride 101 mmol/L 98-107")
    assert about["stopped"]
    assert "page 2" in about["warnings"][0]
    assert all(field["reasons"] for field in about["fields"])
    assert bundle is None
    accepted = [Decision(field["id"], "accept", "B", "2026-01-02T03:04:05+00:00") for field in about["fields"]]
    chloride = [decision for decision in accepted if decision.field.startswith("3-")]
    second = [field for field in about["fields"] if field["page"] == 2]
    headers = [Decision(field["id"], "absent", "B") for field in second if field["kind"] == "header"]
    for held in (chloride, accepted, headers, accepted + headers):
        assert fhir.bundle(about, held) is None
        assert "not on the page, or split the file" in fhir.held(about, held)
        with pytest.raises(ValueError, match="not on the page, or split the file"):
            hl7.message(about, held, at="20260101000000+0000")


def test_a_document_is_held_until_nothing_of_the_other_patient_is_left():
    about, _ = made(LAB, "Patient: John Smith\nSodium 140 mmol/L 135-145", "Chloride 101 mmol/L 98-107")
    ids = {field["name"]: field["id"] for field in about["fields"] if field["page"] == 3}
    absent = [Decision(field["id"], "absent", "B") for field in about["fields"] if field["page"] == 2]
    bundle = fhir.bundle(about, [*absent, Decision(ids["Chloride"], "accept", "B")])
    (left,) = of_kind(bundle, "Observation")
    assert (left["code"]["text"], left["status"]) == ("Chloride", "final")
    assert of_kind(bundle, "Patient")[0]["name"] == [{"text": "Maria Lopez"}]
    misread = Decision(absent[0].field, "correct", "B", columns={"value": "Maria Lopez"})
    assert of_kind(fhir.bundle(about, [misread]), "Observation") == []


def test_a_document_with_a_bad_page_is_digitised_without_it_and_goes_to_review_whole():
    about, bundle = made(LAB, "Sodium 140 mmol/L", errors=(2,))
    assert about["pages"][1]["error"] == "reader_failed: it broke"
    assert all(any("page 2" in reason for reason in field["reasons"]) for field in about["fields"])
    assert len(of_kind(bundle, "Observation")) == 6
    assert check.problems(bundle) == []
    reviewed = [Decision(field["id"], "accept", "B") for field in about["fields"]]
    bundle = fhir.bundle(about, reviewed)
    assert {resource["status"] for resource in of_kind(bundle, "Observation")} == {"final"}
    assert of_kind(bundle, "DocumentReference")[0]["docStatus"] == "preliminary"
    assert of_kind(bundle, "DiagnosticReport")[0]["status"] == "partial"
    pytest.importorskip("hl7apy")
    orders = [line for line in hl7.message(about, reviewed, at="20260101000000+0000").split("\r") if line[:3] == "OBR"]
    assert [line.split("|")[25] for line in orders] == ["P", "P"]


def test_a_document_without_any_field_says_so():
    assert made("wwww")[0]["warnings"] == [record.EMPTY]
    assert record.EMPTY not in made("Sodium 140 mmol/L")[0]["warnings"]


@pytest.mark.parametrize(
    ("line", "value", "segment"),
    [
        ("RBC 2-5 /HPF 0-2", {"low": "2", "high": "5"}, ["SN", "^2^-^5"]),
        ("Protein trace mg/dL negative", "trace mg/dL", ["ST", "trace"]),
        ("HBsAg Negative", "Negative", ["ST", "Negative"]),
    ],
)
def test_a_result_that_is_no_number_keeps_its_unit(line, value, segment):
    about, bundle = made(f"MRN: 12345\n{line}")
    (made_of,) = of_kind(bundle, "Observation")
    if isinstance(value, dict):
        limits = made_of["valueRange"]
        assert {name: str(limit["value"]) for name, limit in limits.items()} == value
        assert {(limit["unit"], limit["code"]) for limit in limits.values()} == {("/HPF", "/[HPF]")}
    else:
        assert made_of["valueString"] == value
    assert check.problems(bundle) == []
    pytest.importorskip("hl7apy")
    sent = hl7.message(about, at="20260101000000+0000").split("\r")[-2].split("|")
    assert [sent[2], sent[5]] == segment


@pytest.mark.parametrize("value", ["<1.2.5", "<5'", "> 1,2,3", "5-2"])
def test_an_odd_value_stays_as_it_is_written(value):
    assert resources._value({"value": value, "unit": "mg/L"}, "") == {"valueString": f"{value} mg/L"}


def test_what_a_person_decided_is_final_and_what_is_not_on_the_page_is_gone():
    about, _ = made(LAB)
    ids = {field["name"]: field["id"] for field in about["fields"]}
    said = {"by": "Dr. B", "at": "2026-01-02T03:04:05+00:00"}
    decisions = [
        Decision(ids["Potassium"], "accept", **said),
        Decision(ids["Glucose"], "correct", columns={"value": "150.0"}, **said),
        Decision(ids["CRP"], "absent", **said),
    ]
    bundle = fhir.bundle(about, decisions, transaction=True)
    by_name = {resource["code"]["text"]: resource for resource in of_kind(bundle, "Observation")}
    assert {name for name, resource in by_name.items() if resource["status"] == "final"} == {"Potassium", "Glucose"}
    assert str(by_name["Glucose"]["valueQuantity"]["value"]) == "150.0"
    assert by_name["CRP"]["status"] == "entered-in-error"
    collected = of_kind(fhir.bundle(about, decisions), "Observation")
    assert "CRP" not in {resource["code"]["text"] for resource in collected}
    (provenance,) = of_kind(bundle, "Provenance")
    assert provenance["recorded"] == said["at"]
    assert provenance["agent"][1]["who"] == {"display": "Dr. B"}
    assert of_kind(bundle, "DiagnosticReport")[0]["status"] == "partial"
    assert check.problems(bundle) == []


@pytest.mark.parametrize("columns", [None, {"status": "stopped"}])
def test_an_order_that_does_not_hold_is_withdrawn_by_the_transaction(columns):
    about, _ = made(LAB)
    order = next(field["id"] for field in about["fields"] if field["name"] == "Metformin")
    decision = Decision(order, "correct" if columns else "absent", "B", "2026-01-02T03:04:05+00:00", columns=columns)
    bundle = fhir.bundle(about, [decision], transaction=True)
    assert {order["status"] for order in of_kind(bundle, "MedicationRequest")} == {"draft", "entered-in-error"}
    assert check.problems(bundle) == []


def test_a_transaction_creates_nothing_twice():
    _, bundle = made(LAB, transaction=True)
    requests = [entry["request"] for entry in bundle["entry"]]
    assert all(request["method"] == "POST" for request in requests)
    assert len({request["ifNoneExist"] for request in requests}) == len(requests)
    assert check.problems(bundle) == []


def test_a_document_that_was_read_again_replaces_what_a_server_holds_of_it():
    about, _ = made(LAB)
    bundle = fhir.bundle({**about, "read_again": True}, transaction=True)
    assert {entry["request"]["method"] for entry in bundle["entry"]} == {"PUT"}


FAULTS = {  # a fault → kind, path to what is changed, and its new value (None: taken away)
    "status that is none": ("Observation", "status", "finalx"),
    "no status": ("Observation", "status", None),
    "no code": ("Observation", "code", None),
    "two values": ("Observation", "valueString", "105"),
    "a value and no value": ("Observation", "dataAbsentReason", {"text": "unknown"}),
    "value in words in a quantity": ("Observation", "valueQuantity/value", "high"),
    "unit with a digit before it": ("Observation", "valueQuantity/code", "7mg/dl"),
    "unit that is valid UCUM and none of a laboratory": ("Observation", "valueQuantity/code", "m9/dl"),
    "comparator": ("Observation", "valueQuantity/comparator", "=<"),
    "LOINC check digit": ("Observation", "code/coding/0/code", "2345-8"),
    "interpretation": ("Observation", "interpretation/0/coding/0/code", "ZZ"),
    "range without limits": ("Observation", "referenceRange/0", {}),
    "range upside down": ("Observation", "referenceRange/0/low/value", 500),
    "a subject that is a device": ("Observation", "subject/reference", "Device"),
    "a reference to nothing": ("Observation", "derivedFrom/0/reference", "urn:uuid:0"),
    "a day that is none": ("Patient", "birthDate", "1961-02-30"),
    "gender": ("Patient", "gender", "F"),
    "an order that is active": ("MedicationRequest", "status", "active"),
    "intent": ("MedicationRequest", "intent", "guess"),
    "order without its words": ("MedicationRequest", "dosageInstruction/0/text", None),
    "unknown element": ("Observation", "colour", "red"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_seeded_faults_are_named(fault):
    _, bundle = made(LAB)
    bundle = copy.deepcopy(bundle)
    kind, path, value = FAULTS[fault]
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    target = of_kind(bundle, kind)[0]
    for part in parents:
        target = target[part]
    if value == "Device":
        value = f"urn:uuid:{of_kind(bundle, 'Device')[0]['id']}"
    if value is None:
        del target[last]
    else:
        target[last] = value
    assert check.problems(bundle)


def test_a_second_reader_says_where_a_field_stands_and_what_it_reads_otherwise():
    # As a model writes a page: one line, no boxes.
    whole = "MRN 0012345 Potassium 4.10 mmol/L 3.5-5.1 Glucose 105 H mg/dL 70-99"
    first = dataclasses.replace(reading(whole), sure=[0.5 if 52 <= at < 54 else 0.9 for at in range(len(whole))])
    first.lines[0]["box"] = None
    page = Page(encoded(whole), "scan.png", "folder")
    second = reading("MRN 0012345\nPotassium 4.10 mmol/L 3.5-5.1\nGlucose 165 H mg/dL 70-99")
    reader = digitize.Reader("model", "0" * 64, lambda items: ((item, first) for item in items))
    other = digitize.remembering(digitize.Reader("other", "1" * 64, lambda items: ((item, second) for item in items)))
    (read,) = digitize.seconded(reader, other).read([page])
    about = record.document("x", [read], reader.about, synthetic=False, phi=True)
    _, potassium, glucose = about["fields"]
    assert (potassium["box"], potassium["reasons"]) == ([10, 20, 200, 35], [])
    assert (glucose["box"], glucose["reasons"]) == (
        [10, 40, 200, 55],
        ["a second reader (RapidOCR) does not read the same"],
    )
    assert (potassium["confidence"], glucose["confidence"]) == (0.9, 0.5)
    assert glucose["text"] == "Glucose 105 H mg/dL 70-99"


def test_numbers_that_tesseract_reads_otherwise_wait_for_a_person(monkeypatch):
    """It confirms glucose, at another size sodium, and never potassium; creatinine it does not see."""
    text = "MRN: 0012345\nGlucose 105 mg/dL\nSodium 139 mmol/L\nPotassium 4.1 mmol/L\nCreatinine 0.9 mg/dL"
    looks = {1.0: "Glucose 105 mg/dL\nSodum 189\nPotassum 47", 1.5: "Sodium 139 mmol/L\nPotassium 4.7"}
    monkeypatch.setattr(readers, "Tesseract", lambda: SimpleNamespace(label_origin="tesseract/5"))
    monkeypatch.setattr(readers.tesseract, "read_page", lambda page, scale: looks[scale])
    stub = Stub(text)
    item = Page(encoded(text), "scan.png", "folder")
    ((_, result),) = readers.checked(stub.reader).read([item])
    about = record.document("scan.png", [(item, result)], stub.reader.about, synthetic=False, phi=True)
    sure = {field["name"]: (field["confidence"], field["reasons"]) for field in about["fields"]}
    assert sure["Glucose"] == sure["Sodium"] == (0.99, [])
    assert sure["Potassium"] == (0.5, ["its line is read otherwise by Tesseract: 4.1"])
    assert sure["Creatinine"] == (0.5, ["its line is read otherwise by Tesseract: 0.9"])
    review.check_document(about)


@pytest.mark.skipif(not tesseract.is_installed(), reason="tesseract is not installed")
def test_tesseract_reads_a_line():
    page = Image.new("RGB", (700, 100), "white")
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 30)
    ImageDraw.Draw(page).text((20, 30), "Glucose 105 mg/dL 70 - 99", "black", font)
    assert tesseract.read_page(page).split()[:2] == ["Glucose", "105"]


def test_files_go_together_by_a_pattern_in_the_order_of_their_numbers(scans):
    folder = scans(v1_p10="x", v1_p2="y", v2_p1="z", other="w")
    found = sources.find([folder], r"(?P<document>v\d)_p\d+")
    assert {source.name: [file.stem for file in source.files] for source in found} == {
        "other.png": ["other"],
        "v1": ["v1_p2", "v1_p10"],
        "v2": ["v2_p1"],
    }


@pytest.mark.parametrize("named", [r"(?P<document>v\d)?", r"(?P<document>(v\d)?)"])
def test_a_file_for_which_a_pattern_gives_no_name_is_a_document_of_its_own(scans, named):
    found = sources.find([scans(x_p1="x", v7_p1="y")], rf"{named}_p\d+")
    assert {source.name for source in found} == {"x_p1.png", "v7"}


def test_a_page_says_in_which_file_under_the_folder_it_is(scans, tmp_path):
    folder = scans(v1="x")
    (folder / "ward").mkdir()
    (folder / "v1.png").rename(folder / "ward/v1.png")
    other = [Image.new("L", (64, 48))]
    Image.open(folder / "ward/v1.png").save(folder / "ward/v1b.tiff", save_all=True, append_images=other)
    (source,) = sources.find([folder], r"ward/(?P<document>v\d)")
    pages = [*sources.pages(source), Rejection("ward/b.pdf#3", "folder", "unreadable")]
    about = record.document("v1", [(page, None) for page in pages], {}, synthetic=True, phi=False)
    there = [(page["file"], page["page"]) for page in about["pages"]]
    assert there == [("ward/v1.png", 1), ("ward/v1b.tiff", 1), ("ward/v1b.tiff", 2), ("ward/b.pdf", 3)]


def test_a_file_whose_name_begins_like_a_home_is_read(scans, monkeypatch):
    folder = scans(lab="x")
    (folder / "lab.png").rename(folder / "~$scan.png")
    monkeypatch.chdir(folder)
    (found,) = sources.find(["."])
    (page,) = sources.pages(found)
    assert (page.origin, page.image) == ("~$scan.png", encoded("x"))


def test_files_that_hold_no_page_are_named_each(scans, tmp_path):
    folder = scans(lab=LAB)
    for name, content in (("a.docx", b"PK"), ("b.pdf", b""), ("z.png", b"no image"), ("notes.txt", b"beside")):
        (folder / name).write_bytes(content)
    assert digitize.run(Stub(LAB).reader, [folder], tmp_path / "out") == 3
    errors = {about["title"]: about["pages"][0]["error"] for about in digitize.Output(tmp_path / "out").records()}
    assert errors.pop("lab.png") is None
    assert {name: error.partition(":")[0] for name, error in errors.items()} == {
        "a.docx": "unsupported",
        "b.pdf": "empty",
        "z.png": "unreadable",
    }


def test_a_server_elsewhere_gets_no_page_without_leave(scans, tmp_path):
    reader = digitize.open_reader("https://example.invalid/v1", store=tmp_path / "answers.sqlite")
    assert digitize.run(reader, [scans(lab=LAB)], tmp_path / "out") == 1
    (about,) = (json.loads(path.read_text()) for path in (tmp_path / "out/documents").iterdir())
    assert "was not sent the page" in about["pages"][0]["error"]


def test_a_server_is_known_by_the_model_that_it_lists(tmp_path, monkeypatch):
    def listing(name):
        async def models():
            return SimpleNamespace(data=[SimpleNamespace(id=name)] if name else [])

        return contextlib.nullcontext(SimpleNamespace(models=SimpleNamespace(list=models)))

    readers_of = {}
    for name in ("first", "second", ""):
        monkeypatch.setattr(transcribe.single, "api", lambda server, name=name: listing(name))
        readers_of[name] = digitize.open_reader("http://127.0.0.1:9/v1", store=tmp_path / "answers.sqlite")
    assert [reader.name for reader in readers_of.values()] == ["first", "second", "server"]
    assert len({reader.hash for reader in readers_of.values()}) == 3
    ((_, read),) = readers_of[""].read([Page(encoded("x"), "x.png", "folder")])
    assert read == "no_answer: server lists no model: name the one that it serves"


def test_a_server_is_asked_once_and_its_own_words_are_no_page(scans, tmp_path):
    folder, known = scans(lab=LAB), [Page(encoded(LAB), "lab", "folder", text=LAB)]
    faults = ("fenced", "refusal")
    with Loopback(known, [Server(median_s=0.0, faults={fault: 1.0}) for fault in faults]) as servers:
        for address, fault, status in zip(servers.addresses, faults, (0, 1), strict=True):
            for out in ("once", "twice"):
                reader = digitize.open_reader(address, store=tmp_path / f"{fault}.sqlite", model="known-text")
                assert digitize.run(reader, [folder], tmp_path / fault / out) == status
        assert [server["requests"] for server in servers.stats()] == [1, 1]
    (fenced,), (refused,) = (list(digitize.Output(tmp_path / fault / "once").records()) for fault in faults)
    assert fenced["pages"][0]["text"].startswith("Northside Clinic")
    assert refused["pages"][0]["error"].startswith("refused")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--together", "(", "--out", "{out}"], "no regular expression"),
        (["--together", "x", "--out", "{out}"], "no group"),
        (["--out", "{root}/results/x"], "results"),
        (["--may-receive", "--out", "{out}"], "address of a server"),
    ],
)
def test_a_wrong_request_is_told(options, told, scans, tmp_path, capsys):
    given = [option.format(out=tmp_path / "out", root=ROOT) for option in options]
    assert main(["digitize", "rapidocr", str(scans(lab=LAB)), *given]) == 2
    assert told in capsys.readouterr().err


def test_an_hl7_message_says_the_same_and_comes_back_whole():
    parser = pytest.importorskip("hl7apy.parser")
    odd = "Patient: Maria Lopez\nGlucose 105 H mg/dL 70-99\nCRP <5 mg/L\nPotassium 4.10 mmol/L\n"
    odd += "Metformin 500 mg PO a|b^c&d~e\\f"
    about, _ = made(odd)
    text = hl7.message(about, at="20260102030405+0000")
    (patient,) = parser.parse_message(text).oru_r01_patient_result
    rows = [group.obx for order in patient.oru_r01_order_observation for group in order.oru_r01_observation]
    assert [(row.obx_2.value, row.obx_5.to_er7()) for row in rows[:3]] == [("NM", "105"), ("SN", "<^5"), ("NM", "4.10")]
    assert (rows[0].obx_6.to_er7(), rows[0].obx_7.value, rows[0].obx_8.value) == ("mg/dL^mg/dL^UCUM", "70-99", "H")
    assert rows[3].obx_5.value == "Metformin 500 mg PO a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f"
    assert patient.oru_r01_patient.pid.pid_5.to_er7() == "Maria Lopez"


def control(message: str) -> str:
    return message.split("|")[9]


def test_an_hl7_message_says_what_the_review_took_away_under_another_control_id():
    pytest.importorskip("hl7apy")
    about, _ = made("MRN: 12345\nPotassium 4.1 mmol/L\nTroponin 40 ng/L\nMetformin 500 mg PO BID\nIron 12 ug/dL")
    ids = {field["name"]: field["id"] for field in about["fields"]}
    messages = [hl7.message(about, at="20260101000000+0000")]
    kept, gone, order, renamed = (ids[name] for name in ("Potassium", "Troponin", "Metformin", "Iron"))
    decisions = [Decision(kept, "accept", "B"), Decision(gone, "absent", "B"), Decision(order, "absent", "B")]
    decisions.append(Decision(renamed, "correct", "B", columns={"name": "Ferritin"}))
    messages += [hl7.message(about, decisions, at=f"2026010{day}000000+0000") for day in (2, 3)]
    assert control(messages[0]) != control(messages[1]) == control(messages[2])
    assert all(len(control(message)) <= 20 for message in messages)
    before, after = ([line.split("|") for line in text.split("\r") if line[:3] == "OBX"] for text in messages[:2])
    named = {row[4]: row[3] for row in before}
    assert [(row[4], row[5], row[11]) for row in after if row[11] == "D"] == [
        (gone, "", "D"),
        (renamed, "", "D"),
        (order, "", "D"),
    ]
    assert all(row[3] == named[row[4]] for row in after if row[11] == "D")
    assert [(row[4], row[11]) for row in after if row[11] != "D"] == [(kept, "F"), (renamed, "F")]
    assert [line.split("|")[25] for line in messages[1].split("\r") if line[:3] == "OBR"] == ["F", "X"]


@pytest.mark.parametrize(("name", "charset"), [("Ann Miller", []), ("José Müller", [*[""] * 5, "UNICODE UTF-8"])])
def test_an_hl7_message_names_its_character_set(name, charset):
    pytest.importorskip("hl7apy")
    about, _ = made(f"Patient: {name}\nPotassium 4.1 mmol/L")
    assert hl7.message(about, at="20260101000000+0000").split("\r")[0].split("|")[12:] == charset


def test_no_value_adds_a_segment_to_an_hl7_message():
    pytest.importorskip("hl7apy")
    about, _ = made("Patient: Ann Miller\nIron 4.1 mmol/L")
    about["fields"][-1]["columns"]["flag"] = "H\rNTE|9||x"
    assert hl7.message(about, at="20260101000000+0000").split("\r")[-2].startswith("OBX|1|")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b^c&d~e\\f", "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f"),
        ("two\rlines\x0b", "two\\X0D\\lines\\X0B\\"),
        ("\\F\\", "\\E\\F\\E\\"),
    ],
)
def test_signs_of_hl7_in_a_text_are_escaped(text, escaped):
    assert hl7.escape(text) == escaped


def test_records_hold_what_the_published_schema_says():
    about, _ = made(LAB)
    with pytest.raises(ValueError, match=r"fields\[0\]\.status"):
        review.check_document({**about, "fields": [{**about["fields"][0], "status": "done"}]})


def test_a_header_field_stands_on_its_own_line_and_not_where_its_letters_happen_to_be():
    read = reading("Patient Information\nMr. Male Nurse\nName: Ann Smith\nSex: M\nMRN: 0012345")
    about = record.document("a", [(Page(encoded("a"), "a", "folder"), read)], {"name": "s", "hash": ""},
                            synthetic=True, phi=False)  # fmt: skip
    there = {field["name"]: field["line"] for field in about["fields"] if field["kind"] == "header"}
    assert (there["patient"], there["sex"], there["mrn"]) == (2, 3, 4)


def test_the_readme_shows_what_comes_of_a_page():
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## From a page to a record")[2]
    (line,) = re.findall(r"`(WBC [^`]*)`", section)
    shown = decimals.loads(re.search(r"```json\n(.*?)```", section, re.DOTALL)[1])
    _, bundle = made(line)
    (observation,) = of_kind(bundle, "Observation")
    assert {name: observation[name] for name in shown} == shown
    assert str(shown["valueQuantity"]["value"]) == "11.80"


@pytest.mark.skipif("MEDOCR_FHIR_SERVER" not in os.environ, reason="no FHIR server is named in MEDOCR_FHIR_SERVER")
def test_a_server_holds_a_bundle_once_however_often_it_is_sent():
    import httpx

    about, bundle = made(LAB, transaction=True)
    crp, glucose = (
        next(field["id"] for field in about["fields"] if field["name"] == name) for name in ("CRP", "Glucose")
    )
    said = {"by": "Dr. B", "at": "2026-01-02T03:04:05+00:00"}
    decisions = [Decision(crp, "absent", **said), Decision(glucose, "correct", columns={"value": "150.0"}, **said)]
    reviewed = fhir.bundle(about, decisions, transaction=True)
    server, headers = os.environ["MEDOCR_FHIR_SERVER"], {"Content-Type": "application/fhir+json"}
    for sent in (bundle, bundle, reviewed):
        answer = httpx.post(server, content=decimals.dumps(sent), headers=headers, timeout=60)
        assert {entry["response"]["status"][0] for entry in answer.raise_for_status().json()["entry"]} == {"2"}
    statuses = {}
    for entry in bundle["entry"]:
        if "identifier" in entry["resource"]:
            kind, identity = entry["resource"]["resourceType"], entry["resource"]["identifier"][0]
            found = httpx.get(
                f"{server.rstrip('/')}/{kind}", params={"identifier": f"{identity['system']}|{identity['value']}"}
            ).json()
            (held,) = (each["resource"] for each in found["entry"])
            if kind == "Observation":
                statuses[held["code"]["text"]] = held["status"]
    assert statuses.pop("CRP") == "entered-in-error"
    assert statuses.pop("Glucose") == "final"
    assert set(statuses.values()) == {"preliminary"}
