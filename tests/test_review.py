"""A person's review: the queue, decisions that nobody overwrites, and the pages that they make."""

import json
import re
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from medocr import digitize, prepare, review, sources
from medocr.__main__ import main
from medocr.demo.synthetic import page as drawn_page
from medocr.read import PageRecord
from medocr.review.decisions import DecidedMeanwhile, Decision
from medocr.review.session import Session, proposed_line
from medocr.schema import Page, Rejection
from tests.review_folder import analyte, field, lab_report, page, picture, write

VALUES = {"Haemoglobin": 13.2, "Glucose": 5.4, "Sodium": 139}


def decided(folder, document, number, kind="accept", by="an", **what):
    """Decide a field of page 1 as it stands now."""
    entry = next(f for f in document["fields"] if f["id"] == f"1-{number}")
    seen = review.standing(document, entry, review.read_decisions(folder, document["id"]))
    return review.decide(folder, document, Decision(entry["id"], kind, by, **what), seen)


def corrected(folder, document, number, text, **columns):
    entry = next(f for f in document["fields"] if f["id"] == f"1-{number}")
    return decided(folder, document, number, "correct", columns=entry["columns"] | columns, text=text)


def lines(folder, document):
    return (folder / "reviews" / f"{document['id']}.jsonl").read_text().splitlines()


def test_pages_come_by_their_least_sure_field_and_whole(tmp_path):
    sure = lab_report(tmp_path, VALUES, "sure.pdf")
    doubtful = lab_report(tmp_path, {"Potassium": 4.1, "Chloride": 101, "Urea": 5}, "doubtful.pdf")
    doubtful["fields"][2]["confidence"], doubtful["fields"][0]["status"] = 0.2, "passed"
    write(tmp_path, doubtful["pages"], doubtful["fields"], "doubtful.pdf")
    asked = review.queue(tmp_path)
    assert asked == [(doubtful["id"], "1-2"), (doubtful["id"], "1-3"), *[(sure["id"], f"1-{n}") for n in (1, 2, 3)]]


def test_a_contradiction_comes_before_any_doubt(tmp_path):
    document = lab_report(tmp_path, VALUES, "a.pdf")
    document["fields"][1] |= {"confidence": 0.99, "reasons": ["range_upside_down"]}
    write(tmp_path, document["pages"], document["fields"], "a.pdf")
    other = lab_report(tmp_path, VALUES, "b.pdf")
    other["fields"][0]["confidence"] = 0.1
    write(tmp_path, other["pages"], other["fields"], "b.pdf")
    assert review.queue(tmp_path)[0][0] == document["id"]


def test_a_decision_is_kept_with_who_and_when_and_for_its_owner_alone(tmp_path):
    document = lab_report(tmp_path, VALUES)
    decided(tmp_path, document, 1, by="Añ “O'Brien\"")
    row = json.loads(lines(tmp_path, document)[0])
    assert row["by"] == "Añ “O'Brien\""
    assert row["at"].endswith("+00:00")
    assert row["decision"] == "accept"
    file = tmp_path / "reviews" / f"{document['id']}.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_what_another_decided_meanwhile_is_shown_and_not_overwritten(tmp_path):
    document = lab_report(tmp_path, VALUES)
    first = document["fields"][0]
    seen = review.standing(document, first, [])
    review.decide(tmp_path, document, Decision("1-1", "absent", "ben"), seen)
    with pytest.raises(DecidedMeanwhile, match="ben decided this meanwhile") as caught:
        review.decide(tmp_path, document, Decision("1-1", "accept", "ann"), seen)
    assert caught.value.standing.decision.decision == "absent"
    assert len(lines(tmp_path, document)) == 1
    review.decide(tmp_path, document, Decision("1-1", "accept", "ann"), caught.value.standing)  # having looked at it
    assert review.read_decisions(tmp_path, document["id"])[-1].by == "ann"


def test_a_line_that_another_corrected_meanwhile_is_not_overwritten(tmp_path):
    read = page(tmp_path, 1, ["Smith, Ann 12345"])
    columns = {"value": "Smith, Ann"}, {"value": "12345"}
    fields = [field((1, n), "header", columns[n - 1], read["lines"][0], 0, name="patient") for n in (1, 2)]
    document = write(tmp_path, [read], fields)
    seen = review.standing(document, fields[1], [])
    corrected(tmp_path, document, 1, "Smyth, Ann 12345", value="Smyth, Ann")
    with pytest.raises(DecidedMeanwhile):
        review.decide(tmp_path, document, Decision("1-2", "correct", "b", "", {"value": "1"}, "Smith, Ann 1"), seen)


def test_a_line_cut_off_by_a_kill_is_no_decision_and_spoils_none(tmp_path):
    document = lab_report(tmp_path, VALUES)
    decided(tmp_path, document, 1)
    file = tmp_path / "reviews" / f"{document['id']}.jsonl"
    file.write_bytes(file.read_bytes() + b'{"field": "1-2", "decis')
    assert len(review.read_decisions(tmp_path, document["id"])) == 1
    decided(tmp_path, document, 2)
    assert [one.field for one in review.read_decisions(tmp_path, document["id"])] == ["1-1", "1-2"]


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    document = lab_report(tmp_path, VALUES)
    decided(tmp_path, document, 1)
    file = tmp_path / "reviews" / f"{document['id']}.jsonl"
    file.write_bytes(b"\xff{}\n" + file.read_bytes())
    with pytest.raises(ValueError, match="line 1 is no decision"):
        review.read_decisions(tmp_path, document["id"])


@pytest.mark.parametrize(
    "line",
    [
        '{"by": 5}',
        '{"text": 5}',
        '{"field": ["1-1"]}',
        '{"columns": []}',
        '{"columns": {"value": [1]}}',
        '{"columns": {"unit": 5}}',
        '{"columns": {"low": "x"}}',
        '{"columns": {"value": NaN}}',
        '{"columns": {"value": 1e999}}',
        "[" * 100_000,
        '"\\ud800"',
    ],
)
def test_a_line_that_somebody_edited_is_named_by_everybody_who_reads_it(tmp_path, line, capsys):
    document = lab_report(tmp_path, VALUES)
    whole = {"field": "1-1", "decision": "correct", "by": "an", "at": "", "columns": {}, "text": "x"}
    edited = json.dumps(whole | json.loads(line)) if line.startswith("{") else line
    (tmp_path / "reviews").mkdir()
    (tmp_path / f"reviews/{document['id']}.jsonl").write_text(f"{edited}\n")
    with pytest.raises(ValueError, match="line 1 is no decision"):
        review.read_decisions(tmp_path, document["id"])
    assert main(["export", str(tmp_path)]) == 3
    assert "no Bundle: " in capsys.readouterr().err


def test_a_text_of_other_lines_than_the_field_has_is_named(tmp_path):
    document = lab_report(tmp_path, VALUES)
    decisions = [Decision("1-1", "accept", "an", text="two\nlines")]
    with pytest.raises(ValueError, match="stands on 1 printed line"):
        review.page_text(document, document["pages"][0], decisions)


@pytest.mark.parametrize(
    "change",
    [
        {"pages": []},
        {"fields": 5},
        {"id": "../../victim"},
        {"reader": None},
        {"warnings": [5]},
        {"stopped": "no"},
        {"fields": {"line": 99}},
        {"fields": {"line": -1}},
        {"fields": {"page": 2}},
        {"fields": {"columns": {"value": [1]}}},
        {"fields": {"box": [0, 0, float("nan"), 1]}},
        "[" * 100_000,
        "\xff",
    ],
)
def test_a_document_that_somebody_edited_is_named_with_what_to_do(tmp_path, change, capsys):
    document = lab_report(tmp_path, VALUES)
    file = tmp_path / f"documents/{document['id']}.json"
    if isinstance(change, str):
        file.write_bytes(change.encode("latin-1"))
    else:
        of_field = change.get("fields")
        fields = [document["fields"][0] | of_field] if isinstance(of_field, dict) else document["fields"]
        file.write_text(json.dumps(document | change | ({"fields": fields} if isinstance(of_field, dict) else {})))
    told = f"{file} is damaged"
    assert main(["export", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err
    with pytest.raises(ValueError, match=f"{re.escape(told)}.*digitise the document again"):
        review.queue(tmp_path)


def _accept_all(folder, document, by):
    for number in range(1, len(document["fields"]) + 1):
        try:
            decided(folder, document, number, by=by)
        except DecidedMeanwhile:
            continue


def test_two_people_at_once_lose_no_line(tmp_path):
    document = lab_report(tmp_path, {f"Analyte{n}": n for n in range(20)})
    with ThreadPoolExecutor(2) as people:  # each decision opens and locks the file anew, as a process would
        list(people.map(lambda by: _accept_all(tmp_path, document, by), ("ann", "ben")))
    made = review.read_decisions(tmp_path, document["id"])
    assert {one.field for one in made} == {f["id"] for f in document["fields"]}


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ({"decision": "maybe", "by": "a"}, "not one of accept, correct, absent"),
        ({"decision": "accept", "by": " "}, "who decides"),
        ({"decision": "correct", "by": "a"}, "comes with columns"),
        ({"decision": "accept", "by": "a", "columns": {}}, "comes with columns"),
        ({"decision": "accept", "by": "a", "text": "one\ntwo"}, "stands on 1 printed line"),
        ({"decision": "correct", "by": "a", "columns": {}}, "say how the printed line reads"),
    ],
)
def test_a_wrong_decision_is_refused_and_nothing_written(tmp_path, what, problem):
    document = lab_report(tmp_path, VALUES)
    with pytest.raises(ValueError, match=problem):
        review.decide(tmp_path, document, Decision("1-1", **what), review.standing(document, document["fields"][0], []))
    assert review.read_decisions(tmp_path, document["id"]) == []


@pytest.mark.parametrize("identity", ["../../etc/passwd", "", "a/b", ".."])
def test_an_id_is_no_path(tmp_path, identity):
    with pytest.raises(ValueError, match="is no document's id"):
        review.read_document(tmp_path, identity)
    with pytest.raises(ValueError, match="is no document's id"):
        review.read_decisions(tmp_path, identity)


def test_an_image_outside_the_folder_is_refused(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"")
    with pytest.raises(ValueError, match="does not lie within"):
        review.page_image(tmp_path / "out", {"image": "../secret.png"})


@pytest.mark.parametrize(
    ("line", "before", "after", "line_after"),
    [
        ("Haemoglobin 13.2 g/dL 12 - 16", {"value": "13.2"}, {"value": "18.20"}, "Haemoglobin 18.20 g/dL 12 - 16"),
        ("Natrium 139,0 mmol/L", {"value": "139"}, {"value": "129,0"}, "Natrium 129,0 mmol/L"),
        ("אריתרוציטים 4.5 10*12/L", {"value": "4.5"}, {"value": "4.6"}, "אריתרוציטים 4.6 10*12/L"),
        ('Name: O"Neil', {"value": 'O"Neil'}, {"value": 'O"Neill <b>'}, 'Name: O"Neill <b>'),
        ("Iron 12 µmol/L 12 - 30", {"value": "12"}, {"value": "22"}, None),  # it is printed twice
        ("Iron 12 µmol/L", {"flag": ""}, {"flag": "H"}, None),  # where would it stand?
        ("Iron 12 µmol/L H", {"flag": "H"}, {"flag": ""}, None),  # is the line wrong, or what was made of it?
        ("B12 112 pmol/L", {"value": "112"}, {"value": "121"}, "B12 121 pmol/L"),
        ("WBC 1,800 /uL", {"value": "1800"}, {"value": "11800"}, "WBC 11800 /uL"),
    ],
)
def test_the_printed_line_with_a_corrected_value(line, before, after, line_after):
    assert review.corrected_line(line, before, after) == line_after


def test_columns_become_text_and_come_back():
    columns = analyte("Iron", 12.0, 3, flag=None)
    texts = review.shown(columns)
    assert texts == {"name": "Iron", "value": "12", "unit": "g/dL", "low": "12", "high": "16", "flag": ""}
    assert review.parsed(texts, columns) == columns
    assert review.parsed({**texts, "value": "<5"}, columns)["value"] == "<5"
    assert review.parsed({**texts, "value": "4,5", "low": ""}, columns) == columns | {"value": 4.5, "low": None}
    with pytest.raises(ValueError, match="high is 'x': write a number"):
        review.parsed({**texts, "high": "x"}, columns)
    with pytest.raises(ValueError, match="ticked is 'maybe'"):
        review.parsed({"ticked": "maybe"}, {"ticked": True})


def test_what_was_decided_makes_the_reviewed_document(tmp_path):
    document = lab_report(tmp_path, {**VALUES, "Troponin": 0})
    decided(tmp_path, document, 1)
    corrected(tmp_path, document, 2, "Glucose 6.40 g/dL 12 - 16", value=6.4)
    decided(tmp_path, document, 4, "absent", text="Troponin at 0 and 3 hours")
    decisions = review.read_decisions(tmp_path, document["id"])
    after = review.reviewed_fields(document, decisions)
    assert [(f["id"], f["status"]) for f in after] == [("1-1", "passed"), ("1-2", "passed"), ("1-3", "review")]
    glucose = after[1]
    assert glucose["columns"]["value"] == 6.4
    assert glucose["text"] == "Glucose 6.40 g/dL 12 - 16"
    assert glucose["reviewed"]["decision"] == "correct"
    text = review.page_text(document, document["pages"][0], decisions)
    assert text.splitlines()[1:4:2] == ["Glucose 6.40 g/dL 12 - 16", "Troponin at 0 and 3 hours"]
    assert document["fields"][1]["columns"]["value"] == 5.4  # the document itself is not touched


def test_the_last_decision_counts(tmp_path):
    document = lab_report(tmp_path, VALUES)
    corrected(tmp_path, document, 1, "Haemoglobin 1 g/dL", value=1.0)
    corrected(tmp_path, document, 1, "Haemoglobin 2 g/dL", value=2.0)
    decisions = review.read_decisions(tmp_path, document["id"])
    assert review.reviewed_fields(document, decisions)[0]["columns"]["value"] == 2.0
    text = review.page_text(document, document["pages"][0], decisions)
    assert text.startswith("Haemoglobin 2 g/dL\nGlucose")


@pytest.mark.parametrize(
    ("column", "before", "text", "result"),
    [
        ("value", 1180.0, "11,800", "write 11800 or 11.8"),
        ("value", 1.0, "< 11,800", "write < 11800 or < 11.8"),
        ("low", 4.0, "-4.000", "write -4000 or -4"),
        ("dose", None, "1,000", "write 1000 or 1"),
        ("value", 12.0, "1.234.567", "write 1234567"),
        ("value", 1.015, "1,010", "write 1010 or 1.01"),
        ("value", 1.015, "1.010", 1.01),  # beside what is shown it can be no thousand
        ("value", 12.0, "0.125", 0.125),
        ("value", 12.0, "11,80", 11.8),
        ("value", "1,800", "1,800", "1,800"),  # as it was shown
        ("unit", "g", "1,800", "1,800"),
    ],
)
def test_a_number_that_may_be_a_thousand_times_as_large_is_asked_about(column, before, text, result):
    if isinstance(result, str) and result.startswith("write"):
        with pytest.raises(ValueError, match=f"^{column} is {re.escape(text)}: {re.escape(result)}$"):
            review.parsed({column: text}, {column: before})
    else:
        assert review.parsed({column: text}, {column: before}) == {column: result}


@pytest.mark.parametrize("column", ["name", "drug", "label"])
def test_a_name_is_never_emptied(column):
    with pytest.raises(ValueError, match=f"^{column} is empty: .*Not on the page"):
        review.parsed({column: " "}, {column: "Iron"})


def test_a_field_on_two_lines_is_corrected_where_its_value_stands(tmp_path):
    read = page(tmp_path, 1, ["Vitamin B12", "112 pmol/L", "end"])
    entry = field((1, 1), "analyte", analyte("Vitamin B12", 112.0, 0), read["lines"][0], 0)
    document = write(tmp_path, [read], [entry | {"text": "Vitamin B12 112 pmol/L"}])
    assert review.standing(document, document["fields"][0], []).line == "Vitamin B12\n112 pmol/L"
    corrected(tmp_path, document, 1, "Vitamin B12\n121 pmol/L", value=121.0)
    made = review.page_text(document, read, review.read_decisions(tmp_path, document["id"]))
    assert made == "Vitamin B12\n121 pmol/L\nend"


def order(drug: str, dose: float | None, line: int, frequency: str | None = "BID") -> dict:
    return {"drug": drug, "dose": dose, "unit": "mg", "frequency": frequency, "status": "active", "line": line}


SEVERAL = "Rx Metformin 50 mg BID Warfarin 5 mg BID"


@pytest.mark.parametrize(
    ("line", "part", "text", "change", "printed"),
    [
        ("Metformin 50 mg BID", None, "Metformin 500 mg BID po", {"dose": 500.0}, "Metformin 500 mg BID po"),
        ("Metformin 50 mg BID", None, "Metformin 50 mg BID", {"dose": 500.0}, "Metformin 500 mg BID"),  # as it was
        ("Metformin 50 mg BID", None, "", {"dose": 500.0}, "Metformin 500 mg BID"),
        ("Metformin 50 mg BID", None, "Metformin 50 mg BID", {"frequency": None}, "Metformin 50 mg"),
        (None, "Metformin 50 mg BID", None, {"dose": 500.0}, "Metformin 500 mg BID"),
        (None, "Metformin 50 mg or 50", None, {"dose": 500.0}, "Metformin 500 mg BID"),
        (SEVERAL, "Metformin 50 mg BID", SEVERAL.replace("50", "500"), {"dose": 500.0}, "Metformin 500 mg BID"),
        (SEVERAL, None, SEVERAL.replace("50", "500"), {"dose": 500.0}, "Metformin 500 mg BID"),
        (SEVERAL, "Metformin 50 mg BID", SEVERAL, {}, "Metformin 50 mg BID"),
        (SEVERAL, None, SEVERAL, {}, "Metformin 50 mg BID"),
    ],
)
def test_the_text_of_a_corrected_order_says_what_its_columns_say_and_names_no_other_drug(
    tmp_path, line, part, text, change, printed
):
    read = page(tmp_path, 1, [line or "Rx", "Warfarin 5 mg BID"])
    first = field((1, 1), "drug", order("Metformin", 50.0, 0), read["lines"][0], 0 if line else None)
    other = field((1, 2), "drug", order("Warfarin", 5.0, 1), read["lines"][1], 1)
    document = write(tmp_path, [read], [first | {"text": part or line}, other])
    corrected(tmp_path, document, 1, text, **change)
    after = review.reviewed_fields(document, review.read_decisions(tmp_path, document["id"]))
    assert [entry["text"] for entry in after] == [printed, "Warfarin 5 mg BID"]


def loaded(folder, **options):
    items = list(sources.load("reviewed", path=folder, **options))
    return [item for item in items if isinstance(item, Page)], [item for item in items if isinstance(item, Rejection)]


def test_reviewed_pages_are_labels_and_others_are_left_out_by_name(tmp_path):
    whole = lab_report(tmp_path, VALUES, "whole.pdf", printed=["Haemoglobin 18.2 g/dL 12 - 16"])
    corrected(tmp_path, whole, 1, "Haemoglobin 18.2 g/dL 12 - 16", value=18.2)
    decided(tmp_path, whole, 2)
    decided(tmp_path, whole, 3, "absent", text="")
    half = lab_report(tmp_path, VALUES, "half.pdf")
    decided(tmp_path, half, 1)
    passed = lab_report(tmp_path, {"Urea": 5.0}, "passed.pdf")
    write(tmp_path, passed["pages"], [passed["fields"][0] | {"status": "passed"}], "passed.pdf")
    unread = page(tmp_path, 1, [], error="unreadable: not an image")
    write(tmp_path, [unread], [], "unread.png")
    pages, rejected = loaded(tmp_path, contains_phi=False)
    reasons = {item.origin: item.reason for item in rejected}
    waiting = {"half.pdf": "not_wholly_reviewed", "passed.pdf": "not_reviewed", "unread.png": "unread"}
    assert reasons == waiting
    assert next(item.detail for item in rejected if item.origin == "half.pdf") == "2 of 3 fields wait for a person"
    (made,) = pages
    assert made.text == "Haemoglobin 18.2 g/dL 12 - 16\nGlucose 5.4 g/dL 12 - 16"
    assert [row["value"] for row in made.fields["analytes"]] == [18.2, 5.4]
    about = (made.label_origin, made.doc_type, made.source, made.contains_phi, made.origin)
    assert about == ("person", "lab_report", "reviewed", False, "whole.pdf")
    assert loaded(tmp_path)[0][0].contains_phi  # unless it is said that they hold none


def test_a_correction_on_no_known_line_is_no_label(tmp_path):
    read = page(tmp_path, 1, ["Iron 12"])
    document = write(tmp_path, [read], [field((1, 1), "analyte", analyte("Iron", 12.0, 0), None, None)])
    decided(tmp_path, document, 1, "correct", columns=analyte("Iron", 21.0, 0))
    pages, (rejected,) = loaded(tmp_path)
    assert not pages
    assert rejected.reason == "line_unknown"


def test_a_decision_that_makes_no_label_leaves_out_its_page_alone(tmp_path):
    bad = lab_report(tmp_path, {"Iron": 12.0}, "bad.pdf")
    decided(tmp_path, bad, 1, "correct", columns=analyte(None, 12.0, 0), text="")
    decided(tmp_path, lab_report(tmp_path, {"Iron": 12.0}, "good.pdf"), 1)
    pages, (rejected,) = loaded(tmp_path)
    assert [page.origin for page in pages] == ["good.pdf"]
    assert (rejected.origin, rejected.reason) == ("bad.pdf", "wrong_fields")
    assert "row 1 of analytes" in rejected.detail


def test_another_decision_makes_another_fingerprint(tmp_path):
    document = lab_report(tmp_path, VALUES)
    before = sources.fingerprint("reviewed", path=tmp_path)
    decided(tmp_path, document, 1)
    assert sources.fingerprint("reviewed", path=tmp_path) != before
    with pytest.raises(ValueError, match="holds no documents"):
        sources.load("reviewed", path=tmp_path / "reviews")


def test_a_reviewed_page_goes_through_preparation_with_its_other_kinds_of_fields(tmp_path):
    read = page(tmp_path, 1, ["Patient: Ann Smith", "Metformin 500 mg twice daily", "☑ Diabetes", "Total 12.50"])
    columns = [
        ("header", {"value": "Ann Smith"}, {"name": "patient"}),
        ("drug", {"drug": "Metformin", "dose": 500.0, "unit": "mg", "frequency": "twice daily", "line": 1}, {}),
        ("tick", {"label": "Diabetes", "ticked": True, "question": None, "line": 2}, {}),
        ("total", {"value": 12.5}, {"name": "total"}),
    ]
    fields = [field((1, n + 1), k, c, read["lines"][n], n, **more) for n, (k, c, more) in enumerate(columns)]
    document = write(tmp_path, [read], fields)
    for number in range(1, 5):
        decided(tmp_path, document, number)
    (made,), _ = loaded(tmp_path)
    assert made.fields == {
        "header": {"patient": "Ann Smith"},
        "drugs": [{"drug": "Metformin", "dose": 500.0, "unit": "mg", "frequency": "twice daily"}],
        "options": [{"label": "Diabetes", "ticked": True, "question": None}],
        "receipt": {"total": 12.5},
    }
    drawn = [drawn_page(1, "receipt", n, n) for n in range(12)]
    limits = {"min_pixels": 784, "max_pixels": 1_000_000, "max_answer_tokens": 300}
    done = prepare.prepare([made, *drawn], tokenizer_file=prepare.tokenizer_file("tiny"), **limits)
    assert "person" in done.counts["label_origins"]


def test_from_a_scan_to_a_final_result_and_a_label(tmp_path):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    (scans / "a.png").write_bytes(picture(["Patient: Ann Smith", "Glucose 105 mg/dL 70-99", "Sodium 139 mmol/L"]))
    texts = ["Patient: Ann Smith", "Glucose 165 mg/dL 70-99", "Sodium 139 mmol/L"]
    lines = [
        {"text": text, "box": (40, 40 * n, 600, 40 * n + 30), "confidence": 0.9} for n, text in enumerate(texts, 1)
    ]
    result = PageRecord("\n".join(texts), lines, 0, 0.9, 0.9, "stop", 0.0)
    reader = digitize.Reader("stub", "0" * 64, lambda items: ((item, result) for item in items))
    digitize.digitize(reader, [scans], out)
    session = Session(out)
    for place in range(len(session.queue)):
        view = session.view(place)
        if view.field["name"] == "Glucose":
            texts = review.shown(view.columns) | {"value": "105"}
            session.correct(view, "ann", texts, proposed_line(view, texts))
        else:
            session.accept(view, "ann")
    assert digitize.export(out) == 0
    (bundle,) = [json.loads(file.read_text()) for file in (out / "bundles").iterdir()]
    results = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Observation"]
    values = {row["code"]["text"]: (row["valueQuantity"]["value"], row["status"]) for row in results}
    assert values == {"Glucose": (105, "final"), "Sodium": (139, "final")}
    (made,), _ = loaded(out)
    assert made.text == "Patient: Ann Smith\nGlucose 105 mg/dL 70-99\nSodium 139 mmol/L"
    assert made.fields["header"] == {"patient": "Ann Smith"}
    assert made.image == (scans / "a.png").read_bytes()
