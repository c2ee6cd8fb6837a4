"""What decisions make of a document: its fields, and each page's text and fields as training labels need them."""

from collections.abc import Mapping, Sequence

from .columns import LISTS, NAMED_BY, PLACES, corrected_line, shown, stands_in
from .decisions import Decision, corrected_lines, line_text


def reviewed_fields(document: Mapping, decisions: Sequence[Decision]) -> list[dict]:
    """A document's fields after its review: without those that are not on the page, corrected columns in the others.

    A field that a person accepted or corrected has status `passed`; its `reviewed` has the decision, who and when. The
    last decision on a field counts; `text` is its line, or its own part of it, as a person saw it printed.
    """
    last = {decision.field: decision for decision in decisions}
    after = []
    for field in document["fields"]:
        if not (decision := last.get(field["id"])):
            after.append(field | {"text": " ".join(field["text"].split())})
        elif decision.decision != "absent":
            columns = field["columns"] | (decision.columns or {})
            name = str(columns.get(NAMED_BY.get(field["kind"], "")) or field["name"])
            text = _text(document, field, columns, decision)
            said = {"status": "passed", "reviewed": {key: vars(decision)[key] for key in ("decision", "by", "at")}}
            after.append(field | said | {"name": name, "columns": columns, "text": text})
    return after


def _text(document: Mapping, field: dict, columns: dict, decision: Decision) -> str:
    """How a decided field is printed; of an order never otherwise than its columns say, or a prescriber reads both."""
    own, before, after = " ".join(field["text"].split()), shown(field["columns"]), shown(columns)
    alone = " ".join((line_text(document, field, ()) or "").split()) == own
    texts = [own] if before == after else []
    texts += [" ".join((decision.text or "").split()) if alone else "", corrected_line(own, before, after) or ""]
    fitting = (text for text in texts if text and (field["kind"] != "drug" or _agrees(document, field, text, after)))
    in_columns = " ".join(text for name, text in after.items() if text and name != "status")
    return next(fitting, in_columns)


def _agrees(document: Mapping, field: dict, text: str, after: dict[str, str]) -> bool:
    """Whether an order's text has its corrected columns, nothing that was taken out of them, and no other drug."""
    before = shown(field["columns"])
    changed = [name for name in after if after[name] != before.get(name, "") and name != "status"]
    names = {str(other["name"]).casefold() for other in document["fields"] if other["kind"] == "drug"}
    own = f"{field['name']} {after.get('drug', '')}".casefold()
    right = (stands_in(text, after[name] or before[name]) == bool(after[name]) for name in changed)
    return all(right) and not any(stands_in(text, name) for name in names if name not in own)


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
    for field in reviewed_fields(document, decisions):
        if field["page"] != page:
            continue
        columns = {name: value for name, value in field["columns"].items() if name not in PLACES}
        if field["kind"] in LISTS:
            result.setdefault(LISTS[field["kind"]], []).append(columns)
        else:
            name = "header" if field["kind"] == "header" else "receipt"
            value = columns.get("value", columns.get(field["name"]))
            result.setdefault(name, {}).update({field["name"]: value} if value is not None else {})
    return result
