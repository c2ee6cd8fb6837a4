"""The folder that documents are digitised into, attacked: other people's things, links, names, texts, damage."""

import dataclasses
import json
import os
import stat

import pytest

from medocr import digitize
from medocr.__main__ import main
from medocr.digitize import Reader, confidence, fhir
from medocr.review import markup
from medocr.review.decisions import Decision, decide, standing
from medocr.review.session import Session
from medocr.schema import Page
from tests.review_folder import lab_report
from tests.test_digitize import encoded, reading

NAMES = (
    b"<img src=x onerror=alert(1)>.png",
    b"a\nb.png",
    b"\x1b[2J.png",
    b"\xff\xfe.png",
    b"x" * 240 + b".png",
    b"-rf.png",
)
CONTROLS = "Patient: Ann\0\x1b Miller\u202e<script>\n\x0bIron\x07 4.1 mmol/L\x7f\f\ufffe\x85Urea 5 mmol/L\u2028"
THRESHOLD = {"reader": {"name": "stub", "hash": "0"}, "risk": 0.1, "delta": 0.1}


def stub(text: str = "Patient: Ann Miller\nIron 4.1 mmol/L", sure: float | None = 0.99) -> Reader:
    """A reader that reads the same on every page."""
    pages = lambda items: ((item, reading(text, sure) if isinstance(item, Page) else None) for item in items)  # noqa: E731
    return Reader("stub", "0", pages)


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "a.png").write_bytes(encoded("a"))
    return folder


def test_what_was_written_under_the_scans_is_never_read_as_one(scans):
    for _ in range(2):
        digitize.digitize(stub(), [scans], scans / "out")
    assert len(list((scans / "out/documents").iterdir())) == 1


def test_a_folder_with_other_things_in_it_stays_as_it_is(scans, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (home / "thesis.txt").write_text("mine")
    for out in (home, tmp_path):
        with pytest.raises(ValueError, match=r"holds other things \('(thesis|home)"):
            digitize.digitize(stub(), [scans], out)
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert [path.name for path in home.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("name", ["documents", "bundles", "pages", "reviews", "audit.jsonl"])
def test_links_lead_nothing_out_of_the_folder(scans, tmp_path, name):
    victim, out = tmp_path / "victim", tmp_path / "out"
    victim.mkdir()
    (victim / ".thesis.1.tmp").write_text("mine")  # what a sweep would take for its own
    out.mkdir()
    (out / name).symlink_to(victim)
    with pytest.raises(ValueError, match=f"{name} is a link"):
        digitize.digitize(stub(), [scans], out)
    assert [path.name for path in victim.iterdir()] == [".thesis.1.tmp"]


@pytest.mark.parametrize("place", ["reviews", "reviews/{id}.jsonl"])
def test_a_decision_is_written_through_no_link(tmp_path, place):
    folder, victim = tmp_path / "out", tmp_path / "victim"
    document = lab_report(folder, {"Iron": 12.0})
    link = folder / place.format(id=document["id"])
    link.parent.mkdir(exist_ok=True)
    victim.mkdir() if place == "reviews" else victim.write_text("mine")
    link.symlink_to(victim)
    with pytest.raises((ValueError, OSError)):
        decide(folder, document, Decision("1-1", "accept", "an"), standing(document, document["fields"][0], []))
    assert list(victim.iterdir()) == [] if place == "reviews" else victim.read_text() == "mine"


def test_names_of_all_kinds_become_documents(scans, tmp_path):
    for name in NAMES:
        (scans / os.fsdecode(name)).write_bytes(encoded("b"))
    (scans / os.fsdecode(b"\xfflink.png")).symlink_to("nowhere")
    assert digitize.run(stub(), [scans], tmp_path / "out") == 3
    assert len(list((tmp_path / "out/documents").iterdir())) == len(NAMES) + 2
    assert main(["export", str(tmp_path / "out")]) == 0


def test_control_characters_reach_no_bundle(scans, tmp_path):
    digitize.digitize(stub(CONTROLS), [scans], tmp_path / "out")
    bundle = next((tmp_path / "out/bundles").iterdir()).read_text()
    assert not any(sign in bundle for sign in "\0\x07\x0b\x1b\x7f\x85\u2028")
    assert "\\u00" not in bundle
    assert '"Urea"' in bundle


def test_a_page_that_was_exchanged_for_a_bomb_is_not_shown(scans, tmp_path):
    digitize.digitize(stub(), [scans], tmp_path / "out")
    next((tmp_path / "out/pages").iterdir()).write_bytes(b"P5 30000 30000 255\n")
    assert "cannot be shown: Image size" in markup.page(tmp_path / "out", Session(tmp_path / "out").view(0))


def test_a_damaged_record_is_made_anew(scans, tmp_path):
    digitize.digitize(stub(), [scans], tmp_path / "out")
    record = next((tmp_path / "out/documents").iterdir())
    whole = record.read_text()
    record.write_text(whole[:99])
    assert digitize.digitize(stub(), [scans], tmp_path / "out").digitized == 1
    assert record.read_text() == whole


def test_an_audit_line_that_was_cut_off_spoils_no_other_and_none_holds_what_was_read(scans, tmp_path):
    digitize.digitize(stub(), [scans], tmp_path / "out")
    audit = tmp_path / "out/audit.jsonl"
    audit.write_text(audit.read_text() + '{"at": "20')
    (scans / "b.png").write_bytes(encoded("b"))
    digitize.digitize(stub(), [scans], tmp_path / "out")
    first, _, last = audit.read_text().splitlines()
    assert [json.loads(line)["source"] for line in (first, last)] == ["a.png", "b.png"]
    assert "Miller" not in audit.read_text()


@pytest.mark.parametrize("kinds", [[1], {"analyte": 5}, {"analyte": {}}, {"analyte": {"threshold": "0.5"}}, None])
def test_thresholds_of_another_shape_are_refused(tmp_path, kinds):
    (tmp_path / "rule.json").write_text(json.dumps({**THRESHOLD, "kinds": kinds}) if kinds else "[" * 100_000)
    with pytest.raises(ValueError, match="holds no thresholds"):
        confidence.read_rule(tmp_path / "rule.json")


@pytest.mark.parametrize("reader", [{"hash": "0"}, {}, "stub"])
def test_thresholds_of_no_reader_are_refused(tmp_path, reader):
    (tmp_path / "rule.json").write_text(json.dumps(THRESHOLD | {"reader": reader, "kinds": {}}))
    with pytest.raises(ValueError, match="holds no thresholds"):
        confidence.read_rule(tmp_path / "rule.json")


def test_a_folder_whose_name_is_mistyped_is_not_made(tmp_path):
    with pytest.raises(ValueError, match="holds no documents: give the folder"):
        confidence.checked(tmp_path / "typo")
    assert not (tmp_path / "typo").exists()


def test_a_field_without_a_confidence_passes_no_threshold():
    record = {"reader": THRESHOLD["reader"], "warnings": []}
    record["fields"] = [{"kind": "analyte", "confidence": sure, "reasons": []} for sure in (None, 0.0)]
    confidence.Rule(**THRESHOLD, kinds={"analyte": {"threshold": 0.0}}).settle(record)
    assert [field["status"] for field in record["fields"]] == ["review", "passed"]


def test_what_is_wrong_with_one_document_stops_no_other(scans, tmp_path, monkeypatch, capsys):
    (scans / "b.png").write_bytes(encoded("b"))
    digitize.digitize(stub(), [scans], tmp_path / "out")
    bundle = fhir.bundle

    def odd(about, *args, **options):
        if about["source"] == "a.png":
            raise ValueError("an odd value")
        return bundle(about, *args, **options)

    monkeypatch.setattr(fhir, "bundle", odd)
    assert main(["export", str(tmp_path / "out")]) == 3
    assert "a.png: no Bundle: an odd value\n1 Bundles" in capsys.readouterr().err


def test_a_document_that_is_held_says_what_to_do(scans, tmp_path, capsys):
    out = tmp_path / "out"
    digitize.digitize(stub("Patient: Ann Miller\nIron 4.1 mmol/L"), [scans], out)
    (path,) = (out / "documents").iterdir()
    record = json.loads(path.read_text())
    second = {**record["pages"][0], "index": 2}
    other = {**record["fields"][0], "id": "2-1", "page": 2, "name": "patient", "columns": {"value": "John Smith"}}
    record = {**record, "stopped": True, "pages": [*record["pages"], second], "fields": [*record["fields"], other]}
    path.write_text(json.dumps(record))
    assert main(["export", str(out)]) == 0
    decide(out, record, Decision("1-2", "accept", "an"), standing(record, record["fields"][1], []))
    assert main(["export", str(out)]) == 3
    assert "not on the page, or split the file" in capsys.readouterr().err
    assert not [*(out / "bundles").iterdir()]


@pytest.mark.parametrize("again", ["export", "digitize"])
def test_no_message_stays_that_an_export_did_not_write(scans, tmp_path, again):
    pytest.importorskip("hl7apy")
    out = tmp_path / "out"
    digitize.digitize(stub(), [scans], out)
    assert main(["export", str(out), "--hl7"]) == 0
    assert len([*(out / "hl7").iterdir()]) == 1
    if again == "export":
        main(["export", str(out)])
    else:
        digitize.digitize(dataclasses.replace(stub("Iron 5.1 mmol/L"), hash="1"), [scans], out)
    assert not [*(out / "hl7").iterdir()]


def test_a_wrong_file_of_codes_takes_no_bundle_away(scans, tmp_path, monkeypatch, capsys):
    digitize.digitize(stub(), [scans], tmp_path / "out")
    before = [path.read_text() for path in (tmp_path / "out/bundles").iterdir()]
    (tmp_path / "codes.tsv").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("MEDOCR_CODES", str(tmp_path / "codes.tsv"))
    assert main(["export", str(tmp_path / "out")]) == 2
    assert f"{tmp_path / 'codes.tsv'}: a line must hold" in capsys.readouterr().err
    assert before == [path.read_text() for path in (tmp_path / "out/bundles").iterdir()]
    assert before


def test_an_export_takes_nothing_from_a_running_digitize_and_a_second_digitize_is_refused(scans, tmp_path, capsys):
    out = tmp_path / "out"
    digitize.digitize(stub(), [scans], out)
    (scans / "b.png").write_bytes(encoded("b"))
    half = out / "documents/.x.json.1.tmp"
    half.write_text("{")

    def pages(items):
        for item in items:
            half.write_text("{")  # the run has begun: this is its own
            assert main(["export", str(out)]) == 0
            with pytest.raises(ValueError, match="no decision of a person"):
                confidence.checked(out)
            with pytest.raises(ValueError, match=f"another run is digitising into {out}"):
                digitize.digitize(stub(), [scans], out)
            assert half.exists()
            yield item, reading("Patient: Ann Miller")

    assert digitize.digitize(Reader("stub", "0", pages), [scans], out).digitized == 1
    assert digitize.digitize(stub(), [scans], out).earlier == 2
    assert not half.exists()


BEFORE = "Patient: Ann Miller\nIron 12 µmol/L\nUrea 5 mmol/L"
AFTER = "Patient: Ann Miller\nWBC 1.80 10^3/uL\nIron 12 µmol/L\nUrea 5 mmol/L"


def read_again(scans, out, *, with_digests=True) -> dict:
    """The record of a page that was accepted as one reader read it, and was then read by another."""
    digitize.digitize(stub(BEFORE), [scans], out)
    session = Session(out)
    for place in range(len(session.queue)):
        session.accept(session.view(place), "ann")
    assert all(session.decided())
    made = next((out / "reviews").iterdir())
    if not with_digests:  # as files were written before decisions had them
        rows = [{**json.loads(line), "reading": ""} for line in made.read_text().splitlines()]
        made.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    digitize.digitize(dataclasses.replace(stub(AFTER), hash="1"), [scans], out)
    assert main(["export", str(out)]) == 0
    return json.loads(next((out / "documents").iterdir()).read_text())


def states(out) -> dict:
    bundle = json.loads(next((out / "bundles").iterdir()).read_text())
    results = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Observation"]
    return {result["code"]["text"]: result["status"] for result in results}


@pytest.mark.parametrize(("with_digests", "lost", "waiting"), [(True, 2, 3), (False, 3, 4)])
def test_a_decision_holds_for_no_field_of_another_reading(scans, tmp_path, with_digests, lost, waiting):
    out = tmp_path / "out"
    record = read_again(scans, out, with_digests=with_digests)
    assert states(out) == {"WBC": "preliminary", "Iron": "preliminary", "Urea": "preliminary"}
    assert any(text.startswith(f"{lost} earlier decisions are of another") for text in record["warnings"])
    assert Session(out).decided().count(False) == waiting
    with pytest.raises(ValueError, match="no decision of a person"):
        confidence.checked(out)
    session = Session(out)
    while (place := session.next_open()) is not None:
        session.accept(session.view(place), "ben")
    assert len(confidence.checked(out)[0]) == len(record["fields"])


def test_decisions_without_digests_hold_while_the_reader_is_the_same(scans, tmp_path):
    out = tmp_path / "out"
    record = read_again(scans, out, with_digests=False)
    path = out / f"documents/{record['id']}.json"
    path.unlink()
    digitize.digitize(stub(BEFORE), [scans], out)  # nobody knows what they were made on
    assert "another reading" in path.read_text()
    path.write_text(json.dumps({**json.loads(path.read_text()), "read_again": False}))
    assert main(["export", str(out)]) == 0
    assert states(out) == {"Iron": "final", "Urea": "final"}


@pytest.mark.parametrize(("error", "tries"), [("no_answer: timeout", 2), ("refusal: it may not", 1)])
def test_a_page_that_failed_for_once_is_read_by_the_next_call(scans, tmp_path, error, tries):
    (scans / "b.png").write_bytes(encoded("b"))
    asked = []

    def pages(items):
        for item in items:
            asked.append(item.origin)
            yield item, error if item.origin == "b.png" and asked.count("b.png") == 1 else reading(BEFORE)

    reader, together = Reader("stub", "0", pages), r"[ab](?P<document>\.png)"
    first = digitize.digitize(reader, [scans], tmp_path / "out", together=together)
    assert (first.digitized, first.incomplete) == (1, 1)
    second = digitize.digitize(reader, [scans], tmp_path / "out", together=together)
    assert asked.count("b.png") == tries
    assert (second.digitized, second.incomplete) == (tries - 1, 2 - tries)
