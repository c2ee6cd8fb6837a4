"""Review in Label Studio, for teams that have it: tasks with predictions out, annotations back in.

A task is a page with its undecided fields. Each field is a rectangle on its line; of its region the text `line` is the
printed line, and `columns` are texts of the form `value: 13.2`. Who submits a task says that the page reads as its
regions now say: an unchanged region is accepted, a changed one corrected, a deleted one not on the page.

Label Studio shows the pages where it serves DIR: with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and
LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=DIR, and DIR/pages added to the project as local storage.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

import fastjsonschema

from .. import storage
from .columns import corrected_line, parsed, shown
from .decisions import DecidedMeanwhile, Decision, Standing, decide, field_of, lines_of, reading
from .folder import read_document
from .markup import percent
from .session import Session, View

INTERFACE = Path(__file__).with_suffix(".xml")
SCHEMA = Path(__file__).with_suffix(".schema.json")
WHOLE_PAGE = (0.0, 0.0, 100.0, 100.0)
BETWEEN = ": "


def export(folder: str | Path, out: str | Path) -> int:
    """Write the undecided fields as tasks to `out`, and the labelling interface beside it; returns how many tasks.

    Raises ValueError where the folder holds no documents, and for a name of `out` that is none of JSON.
    """
    tasks, out, root = list(tasks_of(Session(folder))), Path(out), Path(folder).resolve()
    if out.suffix != ".json":
        raise ValueError(f"{out}: give a name that ends in .json")
    with storage.private(), storage.atomic(out) as temporary:  # it holds what stands on the pages
        temporary.write_text(json.dumps(tasks, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    with storage.atomic(out.with_suffix(".xml")) as temporary:
        temporary.write_bytes(INTERFACE.read_bytes())
    print(
        f"{len(tasks)} tasks: {out}; the labelling interface: {out.with_suffix('.xml')}\nTo show the pages, start "
        "Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
        f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}, and give the project the local storage {root / 'pages'}",
        file=sys.stderr,
    )
    return len(tasks)


def tasks_of(session: Session) -> Iterator[dict]:
    """One task per page that has fields which nobody has decided, the least sure page first."""
    waiting = (session.view(place) for place, done in enumerate(session.decided()) if not done)
    for (identity, page), of_page in groupby(waiting, key=lambda view: (view.document["id"], view.field["page"])):
        views = list(of_page)
        document, image = views[0].document, f"/data/local-files/?d={quote(views[0].page['image'] or '')}"
        asked = {  # what each field is exported as: a later export of the task is held against it
            v.field["id"]: {"columns": _texts(v), "line": v.standing.line, "reading": reading(document, v.field)}
            for v in views
        }
        data = {"image": image, "document": identity, "page": page, "title": document["title"], "asked": asked}
        sure = [view.field["confidence"] for view in views if view.field["confidence"] is not None]
        prediction = {"model_version": document["reader"]["name"], "score": min(sure, default=0.0)}
        yield {"data": data, "predictions": [{**prediction, "result": [part for v in views for part in _region(v)]}]}


def _texts(view: View) -> list[str]:
    return [f"{name}{BETWEEN}{text}" for name, text in shown(view.columns).items()]


def _region(view: View) -> Iterator[dict]:
    """A field's rectangle, in percent of the page, and its texts, which share its id."""
    size = view.page["width"], view.page["height"]
    places = percent(view.field["box"], size) if view.field["box"] else WHOLE_PAGE
    place = dict(zip(("x", "y", "width", "height"), places, strict=True))
    common = {"id": view.field["id"], "to_name": "image", "image_rotation": 0}
    if view.page.get("width"):
        common |= {"original_width": view.page["width"], "original_height": view.page["height"]}
    value = {**place, "rotation": 0}
    labelled = {"value": {**value, "rectanglelabels": [view.field["kind"]]}, "type": "rectanglelabels"}
    yield {**common, **labelled, "from_name": "kind"}
    texts = {"columns": _texts(view), "line": [view.standing.line] if view.standing.line is not None else []}
    for name, lines in texts.items():
        if lines:
            yield {**common, "type": "textarea", "from_name": name, "value": {**value, "text": lines}}


def take_over(folder: str | Path, annotated: str | Path) -> int:
    """Take over a JSON export of Label Studio; returns 0, or 3 where something of it could not be taken.

    A field that was decided here meanwhile stays as it is, and that is said. Raises ValueError for a file that is no
    such export; then nothing is taken.
    """
    taken, refused = 0, []
    for task in _read(Path(annotated)):
        made = [annotation for annotation in task["annotations"] if not annotation.get("was_cancelled")]
        if made:
            last = max(made, key=lambda annotation: annotation.get("updated_at") or annotation.get("created_at") or "")
            taken += _take(Path(folder), task["data"], last, refused)
    for reason in refused:
        print(f"not taken: {reason}", file=sys.stderr)
    print(f"{taken} decisions taken over, {len(refused)} not: {folder}", file=sys.stderr)
    return 3 if refused else 0


def _read(path: Path) -> list[dict]:
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
        return fastjsonschema.validate(json.loads(SCHEMA.read_text(encoding="utf-8")), tasks)
    except fastjsonschema.JsonSchemaValueException as error:
        refusal = f"{path} is no JSON export of tasks that medocr made (JSON-MIN leaves out what is needed)"
        raise ValueError(f"{refusal}: {error.message}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read ({error}): export the project from Label Studio as JSON") from None


def _take(folder: Path, data: dict, annotation: dict, refused: list[str]) -> int:
    """Write the decisions of a task's annotation; returns how many."""
    by = annotation.get("completed_by")
    by = by.get("email") or by.get("id") if isinstance(by, dict) else by
    who = f"Label Studio: {'unknown' if by is None else by}"
    regions, taken, written = defaultdict(dict), 0, {}
    for part in annotation["result"]:  # an id that was copied has the copy's number behind a #
        regions[str(part.get("id")).partition("#")[0]][part.get("from_name")] = part.get("value", {}).get("text")
    try:
        document = read_document(folder, data["document"])
        if not regions.keys() & data["asked"].keys():
            raise ValueError(f"{document['source']}, page {data['page']}: none of the regions asked about is there")
    except ValueError as error:
        refused.append(str(error))
        return 0
    for name, asked in data["asked"].items():
        try:
            taken += _take_field(folder, document, name, asked, regions.get(name), who, written)
        except ValueError as error:
            refused.append(f"{document['source']}, field {name}: {error}")
    return taken


def _take_field(
    folder: Path, document: dict, name: str, asked: dict, region: dict | None, by: str, written: dict[int, str]
) -> bool:
    """Write a field's decision, unless it was taken over before; `written` has the lines that this task corrected, by
    their place on its page, for several fields may stand on one.
    """
    field = field_of(document, name)
    if asked["reading"] != reading(document, field):
        raise ValueError("it was read anew since this task was made: export it again")
    places, line = lines_of(document, field), asked["line"]
    if line is not None:
        line = "\n".join(written.get(*pair) for pair in zip(places, line.split("\n"), strict=True))
    decision, taken = _decision(field, asked, line, region, by), True
    try:
        decide(folder, document, decision, Standing(None, line))
    except DecidedMeanwhile as error:
        holds = error.standing.decision
        if not holds or (holds.decision, holds.columns, holds.by) != (decision.decision, decision.columns, by):
            raise
        taken = False
    if decision.text is not None:
        written.update(zip(places, decision.text.split("\n"), strict=True))
    return taken


def _decision(field: dict, asked: dict, now: str | None, region: dict | None, by: str) -> Decision:
    """What a region says of its field, whose line reads `now` after the task's corrections of other fields on it."""
    if region is None:
        return Decision(field["id"], "absent", by)
    texts, line = _list(region.get("columns")), asked["line"]
    if line is not None:
        line = "\n".join(_list(region.get("line")))
    if texts == asked["columns"] and line in (asked["line"], now):
        return Decision(field["id"], "accept", by)
    before = shown(field["columns"])
    emptied = dict.fromkeys(before, "")  # what the region no longer says
    columns = parsed(emptied | _columns(texts), field["columns"])
    if line == asked["line"]:
        line = now
    elif line is not None and line == corrected_line(asked["line"], before, shown(columns)):
        line = corrected_line(now, before, shown(columns)) or line
    return Decision(field["id"], "correct", by, columns=columns, text=line)


def _list(texts: str | list[str] | None) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts or [])


def _columns(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition(BETWEEN.strip()) for text in texts]
    for name, colon, _ in pairs:
        if not colon or not name.strip():
            raise ValueError(f"{name!r} is no column: write `name: value`")
    return {name.strip(): value.strip() for name, _, value in pairs}
