"""What decisions make of a document: its fields, and each page's text and fields as training labels need them."""

from collections.abc import Sequence

from .columns import LISTS, NAMED_BY, PLACES
from .decisions import Decision, corrected_lines, line_text

WHOLE = "text"  # the kind of a field that stands for all of a page's text


def reviewed(document: dict, decisions: Sequence[Decision]) -> dict:
    """The document after its review: corrected columns and lines, without the fields that are not on the page.

    A field that a person accepted or corrected has status `passed`; its `reviewed` has the decision, who and when.
    """
    last = {decision.field: decision for decision in decisions}
    fields = [_after(document, field, last.get(field["id"]), decisions) for field in document["fields"]]
    return {
        **document,
        "pages": [{**page, "text": page_text(document, page, decisions)} for page in document["pages"]],
        "fields": [field for field in fields if field is not None],
    }


def _after(document: dict, field: dict, decision: Decision | None, decisions: Sequence[Decision]) -> dict | None:
    if decision is None:
        return field
    if decision.decision == "absent":
        return None
    text = line_text(document, field, decisions)
    text = field["text"] if text is None else " ".join(text.split())
    about = {"decision": decision.decision, "by": decision.by, "at": decision.at}
    columns = field["columns"] if decision.columns is None else decision.columns
    name = columns.get(NAMED_BY.get(field["kind"], "")) or field["name"]
    after = {"name": name, "columns": columns, "text": text}
    return {**field, **after, "status": "passed", "reviewed": about}


def open_fields(document: dict, page: int, decisions: Sequence[Decision]) -> list[str]:
    """The ids of a page's fields that wait for a person."""
    decided = {decision.field for decision in decisions}
    waiting = [field for field in document["fields"] if field["page"] == page and field["status"] == "review"]
    return [field["id"] for field in waiting if field["id"] not in decided]


def page_text(document: dict, page: dict, decisions: Sequence[Decision]) -> str:
    """The page's text with each corrected line in place of the one that was read; a line emptied is left out."""
    corrected = corrected_lines(document, page["index"], decisions)
    if not corrected:
        return page["text"]
    lines = [corrected.get(number, line["text"]) for number, line in enumerate(page["lines"])]
    return "\n".join(line for line in lines if line.strip())


def unclear_lines(document: dict, page: int, decisions: Sequence[Decision]) -> list[str]:
    """The ids of corrected fields whose printed line nobody wrote down, so that the page's text is wrong there."""
    last = {decision.field: decision for decision in decisions}
    here = [field["id"] for field in document["fields"] if field["page"] == page and field["id"] in last]
    return [field for field in here if last[field].decision == "correct" and last[field].text is None]


def page_fields(document: dict, page: int, decisions: Sequence[Decision]) -> dict:
    """The page's fields in the form that `medocr.fields.read_fields` gives."""
    result: dict = {}
    for field in reviewed(document, decisions)["fields"]:
        if field["page"] != page or field["kind"] == WHOLE:
            continue
        columns = {name: value for name, value in field["columns"].items() if name not in PLACES}
        if field["kind"] in LISTS:
            result.setdefault(LISTS[field["kind"]], []).append(columns)
        else:
            name = "header" if field["kind"] == "header" else "receipt"
            value = columns.get("value", columns.get(field["name"]))
            result.setdefault(name, {}).update({field["name"]: value} if value is not None else {})
    return result
