"""Tasks for Label Studio and back: what an annotator leaves is accepted, what is changed or deleted is kept as that."""

import json
import stat

import pytest

from medocr import review
from medocr.__main__ import main
from medocr.review.session import Session
from tests.review_folder import analyte, field, page, write

NAMES = ("Iron", "<b>Urea</b>", "Sodium", "אשלגן", "Albumin")


def report(folder) -> dict:
    read = page(folder, 1, [f"{name} {n}.5 g/dL" for n, name in enumerate(NAMES)])
    fields = [
        field((1, n), "analyte", analyte(name, n + 0.5, n, low=None, high=None), read["lines"][n], n)
        for n, name in enumerate(NAMES)
    ]
    fields[4] |= {"line": None, "box": None}
    return write(folder, [read], fields)


def exported(folder) -> list[dict]:
    assert main(["review", str(folder), "--to-label-studio", str(folder / "tasks.json")]) == 0
    assert "<RectangleLabels" in (folder / "tasks.xml").read_text()
    return json.loads((folder / "tasks.json").read_text())


def annotated(folder, task: dict, result: list[dict], **more) -> int:
    """Take over a task as Label Studio exports it after somebody submitted this result."""
    annotation = {"id": 7, "result": result, "was_cancelled": False, "completed_by": {"email": "ann@ward"}, **more}
    export = [{"id": 1, "data": task["data"], "annotations": [annotation], "predictions": [12]}]
    (folder / "export.json").write_text(json.dumps(export))
    return main(["review", str(folder), "--from-label-studio", str(folder / "export.json")])


def made(folder, document: dict) -> dict:
    return {decision.field: decision for decision in review.read_decisions(folder, document["id"])}


def test_a_task_shows_each_field_where_it_stands(tmp_path):
    report(tmp_path)
    (task,) = exported(tmp_path)
    assert task["data"]["image"].startswith("/data/local-files/?d=pages/")
    result = task["predictions"][0]["result"]
    first = [part for part in result if part["id"] == "1-0"]
    assert [part["type"] for part in first] == ["rectanglelabels", "textarea", "textarea"]
    place = first[0]["value"]
    assert (place["rectanglelabels"], round(place["x"], 2), round(place["y"], 2)) == (["analyte"], 4.44, 14.29)
    assert (first[0]["original_width"], first[0]["original_height"]) == (900, 280)
    assert first[1]["value"]["text"][1] == "value: 0.5"
    assert first[2]["value"]["text"] == ["Iron 0.5 g/dL"]
    whole = next(part["value"] for part in result if part["id"] == "1-4")
    assert (whole["x"], whole["width"]) == (0.0, 100.0)  # it is not known where it stands


def test_a_round_trip_keeps_what_the_annotator_did(tmp_path):
    document = report(tmp_path)
    (task,) = exported(tmp_path)
    result = [part | {"id": f"{part['id']}#ab"} for part in task["predictions"][0]["result"] if part["id"] != "1-2"]
    for part in result:
        if part["id"] == "1-3#ab" and part["from_name"] == "columns":
            part["value"]["text"][1] = "value:  3,90"
        if part["id"] == "1-3#ab" and part["from_name"] == "line":
            part["value"]["text"] = "אשלגן 3,90 g/dL"  # a single text may come as it is
    assert annotated(tmp_path, task, result) == 0
    decided = made(tmp_path, document)
    assert [decided[f"1-{n}"].decision for n in range(5)] == ["accept", "accept", "absent", "correct", "accept"]
    assert decided["1-3"].columns == analyte("אשלגן", 3.9, 3, low=None, high=None)
    assert decided["1-3"].text == "אשלגן 3,90 g/dL"
    assert decided["1-3"].by == "Label Studio: ann@ward"
    assert annotated(tmp_path, task, result) == 0  # again: nothing is written twice
    assert len(review.read_decisions(tmp_path, document["id"])) == 5
    assert exported(tmp_path) == []


def test_what_was_decided_here_meanwhile_stays_and_is_named(tmp_path, capsys):
    document = report(tmp_path)
    (task,) = exported(tmp_path)
    session = Session(tmp_path)
    session.absent(session.view(0), "ben")
    assert annotated(tmp_path, task, task["predictions"][0]["result"]) == 3
    assert "field 1-0: ben decided this meanwhile" in capsys.readouterr().err
    assert made(tmp_path, document)["1-0"].by == "ben"
    assert made(tmp_path, document)["1-1"].decision == "accept"


@pytest.mark.parametrize("more", [{"was_cancelled": True}, {"result": []}, {"result": [{"id": "x", "value": {}}]}])
def test_a_skipped_task_or_one_without_its_regions_decides_nothing(tmp_path, more):
    document = report(tmp_path)
    (task,) = exported(tmp_path)
    status = annotated(tmp_path, task, **{"result": task["predictions"][0]["result"], **more})
    assert status == (0 if "was_cancelled" in more else 3)
    assert made(tmp_path, document) == {}


def test_a_column_that_is_none_is_named_and_the_others_are_taken(tmp_path, capsys):
    document = report(tmp_path)
    (task,) = exported(tmp_path)
    result = task["predictions"][0]["result"]
    next(part for part in result if part["from_name"] == "columns")["value"]["text"][0] = "no colon"
    assert annotated(tmp_path, task, result) == 3
    assert "write `name: value`" in capsys.readouterr().err
    assert len(made(tmp_path, document)) == 4


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((0, "data", "document"), 5),
        ((0, "data", "asked"), "1-0"),
        ((0, "data", "asked", "1-0"), {"columns": []}),
        ((0, "data", "asked", "1-0", "line"), 5),
        ((0, "annotations"), None),
        ((0, "annotations"), [5]),
        ((0, "annotations", 0), {}),
        ((0, "annotations", 0, "result", 1), 5),
        ((0, "annotations", 0, "result", 1, "value"), None),
        ((0, "annotations", 0, "result", 1, "value", "text"), [5]),
        ((0, "annotations", 0, "result", 1, "from_name"), ["line"]),
        ((0, "annotations", 0, "updated_at"), 5),
    ],
)
def test_an_export_of_another_shape_is_refused_whole(tmp_path, place, value, capsys):
    document = report(tmp_path)
    (task,) = exported(tmp_path)
    export = [{"data": task["data"], "annotations": [{"result": task["predictions"][0]["result"]}]}]
    inner = export
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "export.json").write_text(json.dumps(export))
    assert main(["review", str(tmp_path), "--from-label-studio", str(tmp_path / "export.json")]) == 2
    assert "export.json is no JSON export of tasks that medocr made" in capsys.readouterr().err
    assert made(tmp_path, document) == {}


def test_a_task_of_a_document_that_went_away_stops_no_other(tmp_path, capsys):
    document = report(tmp_path)
    (task,) = exported(tmp_path)
    annotations = [{"result": task["predictions"][0]["result"]}]
    gone = {"data": task["data"] | {"document": "../../elsewhere"}, "annotations": annotations}
    (tmp_path / "export.json").write_text(json.dumps([gone, {"data": task["data"], "annotations": annotations}]))
    assert main(["review", str(tmp_path), "--from-label-studio", str(tmp_path / "export.json")]) == 3
    assert "is no document's id" in capsys.readouterr().err
    assert len(made(tmp_path, document)) == 5


@pytest.mark.parametrize("column", ["line: 9", "printed: x", "status: final"])
def test_a_column_that_the_field_has_not_is_refused(tmp_path, column, capsys):
    report(tmp_path)
    (task,) = exported(tmp_path)
    result = task["predictions"][0]["result"]
    result[1]["value"]["text"].append(column)
    assert annotated(tmp_path, task, result) == 3
    assert f"field 1-0: {column.partition(':')[0]}: there are the columns" in capsys.readouterr().err


def test_a_column_whose_text_was_deleted_is_emptied(tmp_path):
    document = report(tmp_path)
    document["fields"][0]["columns"]["flag"] = "H"
    write(tmp_path, document["pages"], document["fields"])
    (task,) = exported(tmp_path)
    result = task["predictions"][0]["result"]
    result[1]["value"]["text"].remove("flag: H")
    assert annotated(tmp_path, task, result) == 0
    assert made(tmp_path, document)["1-0"].columns["flag"] is None


def on_one_line(folder) -> dict:
    read = page(folder, 1, ["Smyth, Ann 12345 ward 7"])
    values = {"patient": "Smyth, Ann", "mrn": "12345", "facility": "ward 7"}
    fields = [
        field((1, n), "header", {"value": value}, read["lines"][0], 0, name=name)
        for n, (name, value) in enumerate(values.items())
    ]
    return write(folder, [read], fields)


def edited(task: dict, **texts) -> list[dict]:
    """The result with these texts: `columns_0` of the field 1-0, `line_0` of its line."""
    result = json.loads(json.dumps(task["predictions"][0]["result"]))
    for part in result:
        text = texts.get(f"{part['from_name']}_{part['id'][-1]}")
        part["value"] |= {"text": [text]} if text else {}
    return result


BOTH = "Smith, Ann 12346 ward 7"


@pytest.mark.parametrize(
    "lines",
    [
        {"line_0": BOTH, "line_1": BOTH, "line_2": BOTH},
        {"line_0": BOTH},
        {"line_0": "Smith, Ann 12345 ward 7", "line_1": "Smyth, Ann 12346 ward 7"},
    ],
)
def test_corrections_of_several_fields_on_one_line_are_all_taken(tmp_path, lines, capsys):
    document = on_one_line(tmp_path)
    (task,) = exported(tmp_path)
    result = edited(task, columns_0="value: Smith, Ann", columns_1="value: 12346", **lines)
    for _ in range(2):  # the second time nothing is left to take over
        assert annotated(tmp_path, task, result) == 0, capsys.readouterr().err
    decisions = review.read_decisions(tmp_path, document["id"])
    assert [each.decision for each in decisions] == ["correct", "correct", "accept"]
    assert review.page_text(document, document["pages"][0], decisions) == BOTH


def test_a_line_that_somebody_else_corrected_meanwhile_stays(tmp_path, capsys):
    document = on_one_line(tmp_path)
    (task,) = exported(tmp_path)
    session = Session(tmp_path)
    session.correct(session.view(2), "ben", {"value": "ward 8"}, "Smyth, Ann 12345 ward 8")
    assert annotated(tmp_path, task, edited(task, columns_0="value: Smith, Ann", line_0=BOTH)) == 3
    assert "field 1-0: somebody decided this meanwhile" in capsys.readouterr().err
    assert [each.by for each in review.read_decisions(tmp_path, document["id"])] == ["ben"]


def test_a_task_of_an_earlier_reading_decides_nothing(tmp_path, capsys):
    document = report(tmp_path)
    (task,) = exported(tmp_path)
    document["fields"][0] |= {"kind": "header", "columns": {"value": "Iron"}}
    write(tmp_path, document["pages"], document["fields"])
    assert annotated(tmp_path, task, task["predictions"][0]["result"]) == 3
    assert "field 1-0: it was read anew since this task was made: export it again" in capsys.readouterr().err
    assert made(tmp_path, document).keys() == {"1-1", "1-2", "1-3", "1-4"}


def test_tasks_are_for_their_owner_alone_and_never_lie_where_the_interface_does(tmp_path, capsys):
    report(tmp_path)
    exported(tmp_path)
    assert stat.S_IMODE((tmp_path / "tasks.json").stat().st_mode) == 0o600
    assert main(["review", str(tmp_path), "--to-label-studio", str(tmp_path / "tasks.xml")]) == 2
    assert "give a name that ends in .json" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[" * 100_000, "{", "[{}]", '[{"annotations": [], "data": {}}]', "{}"])
def test_another_file_is_refused(tmp_path, content, capsys):
    report(tmp_path)
    (tmp_path / "other.json").write_text(content)
    assert main(["review", str(tmp_path), "--from-label-studio", str(tmp_path / "other.json")]) == 2
    assert "JSON" in capsys.readouterr().err
