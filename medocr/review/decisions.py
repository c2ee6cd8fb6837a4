"""What persons decided: an append-only file per document, in which nobody overwrites what another decided meanwhile."""

import dataclasses
import datetime
import fcntl
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import storage
from ..fields.text import clean
from .columns import check, shown
from .folder import file_of

DECISIONS = ("accept", "correct", "absent")


@dataclasses.dataclass(frozen=True)
class Decision:
    """One person's answer about one field.

    `accept`: the value stands on the page as shown. `correct`: `columns` are right instead. `absent`: the page does
    not say this. `text` is how the printed line reads, "" for one that is not printed, None where that was not looked
    at; of a field on several lines as many, with breaks between them. `reading` is the digest of the field that the
    answer is about (`decide` fills it in): a page that is read anew may have another field under the same id.
    """

    field: str
    decision: str
    by: str
    at: str = ""
    columns: dict | None = None
    text: str | None = None
    reading: str = ""

    def __post_init__(self) -> None:
        texts = (self.field, self.by, self.at, self.text or "", self.reading)
        if not all(isinstance(text, str) for text in texts) or not isinstance(self.columns, dict | None):
            raise ValueError("its parts are not of the kinds that they are written in")
        if self.decision not in DECISIONS:
            raise ValueError(f"decision {self.decision!r} is not one of {', '.join(DECISIONS)}")
        if (self.columns is not None) != (self.decision == "correct"):
            raise ValueError(f"field {self.field}: `correct` comes with columns, and nothing else does")
        check(self.columns or {})
        if not self.by.strip():
            raise ValueError("who decides? give a name or initials, so that the record can say so")


@dataclasses.dataclass(frozen=True)
class Standing:
    """What is known of a field: the decision that counts, if any, and its printed line (or lines) as it now reads."""

    decision: Decision | None
    line: str | None


class DecidedMeanwhile(ValueError):
    """Somebody else decided the field, or corrected its line, after it was shown; `standing` is what holds now."""

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        by = standing.decision.by if standing.decision else "somebody"
        super().__init__(f"{by} decided this meanwhile: look at it, and decide again if it is wrong")


def field_of(document: dict, field: str) -> dict:
    """A field by its id. Raises ValueError where the document has none of that id."""
    if found := [candidate for candidate in document["fields"] if candidate["id"] == field]:
        return found[0]
    raise ValueError(f"document {document['id']} has no field {field!r}: was it digitised anew?")


def decisions_on(folder: str | Path, document: Mapping) -> list[Decision]:
    """The decisions that hold for a document, in the order they were made: those on its fields as they now read.

    Raises ValueError where a line of their file is damaged.
    """
    return _holding(read_decisions(folder, document["id"]), readings(document))


def read_decisions(folder: str | Path, document: str) -> list[Decision]:
    """All decisions about a document, those on earlier readings as well; a line cut off by a kill was none.

    Raises ValueError where another line is damaged.
    """
    path = file_of(folder, document, "reviews")
    return _decisions(path.read_bytes(), path) if path.exists() else []


def readings(document: Mapping) -> set[tuple[str, str]]:
    """What a decision has to be about to hold: each field's id with its digest.

    Files from before decisions had digests have "" there, which holds while the same reader's record stands.
    """
    held = {(field["id"], reading(document, field)) for field in document["fields"]}
    return held if document.get("read_again") else held | {(field["id"], "") for field in document["fields"]}


def reading(document: Mapping, field: Mapping) -> str:
    """The digest of what a person sees of a field: kind, name, columns, text, and its lines as they were read."""
    seen = [field["kind"], field["name"], shown(field["columns"]), field["text"], line_text(document, field, ())]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:16]


def _holding(decisions: Sequence[Decision], held: set[tuple[str, str]]) -> list[Decision]:
    return [decision for decision in decisions if (decision.field, decision.reading) in held]


def standing(document: dict, field: dict, decisions: Sequence[Decision]) -> Standing:
    """What holds for a field after these decisions about its document."""
    last = {decision.field: decision for decision in decisions}
    return Standing(last.get(field["id"]), line_text(document, field, decisions))


def line_text(document: Mapping, field: Mapping, decisions: Sequence[Decision]) -> str | None:
    """The field's printed lines as they read after all corrections; None where it is not known which they are."""
    places = lines_of(document, field)
    if not places:
        return None
    corrected = corrected_lines(document, field["page"], decisions)
    read = pages(document)[field["page"]]["lines"]
    return "\n".join(corrected.get(place, read[place]["text"]) for place in places)


def corrected_lines(document: Mapping, page: int, decisions: Sequence[Decision]) -> dict[int, str]:
    """How the lines of a page read that persons looked at, by their place on the page; the last correction counts."""
    here = {field["id"]: field for field in document["fields"] if field["page"] == page}
    corrected = {}
    for decision in decisions:
        if decision.text is not None and decision.field in here:
            places = lines_of(document, here[decision.field])
            _check_text(decision, places)
            corrected |= zip(places, decision.text.split("\n"), strict=True)
    return corrected


def lines_of(document: Mapping, field: Mapping) -> list[int]:
    """The places of a field's lines on its page: that with its name, and those below that its text goes on with."""
    if field["line"] is None:
        return []
    first, text = field["line"], ""
    for place, line in enumerate(pages(document)[field["page"]]["lines"][first:], first):
        text = f"{text} {clean(line['text'])}".strip()
        if text == field["text"].strip():
            return list(range(first, place + 1))
        if len(text) > len(field["text"]):
            break
    return [first]


def pages(document: Mapping) -> dict[int, dict]:
    """A document's pages by their index."""
    return {page["index"]: page for page in document["pages"]}


def decide(folder: str | Path, document: dict, decision: Decision, seen: Standing) -> Standing:
    """Append a decision to the document's file, whole or not at all; returns what holds then.

    `seen` is what the person was shown. Raises DecidedMeanwhile, and writes nothing, where something else holds by now;
    ValueError for a field that the document lacks or a text for a line that is not known.
    """
    field = field_of(document, decision.field)
    _check_text(decision, lines_of(document, field))
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    decision = dataclasses.replace(decision, at=decision.at or now, reading=reading(document, field))
    path = file_of(folder, document["id"], "reviews")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    storage.check_inside(path, path.parents[1])  # a folder that came from elsewhere may hold links
    how = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    with os.fdopen(os.open(path, how, 0o600), "rb+", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # while no other process writes to it
        decisions = _holding(_decisions(file.read(), path), readings(document))
        holds = standing(document, field, decisions)
        if holds != seen:
            raise DecidedMeanwhile(holds)
        _append(file, decision)
    return standing(document, field, [*decisions, decision])


def _check_text(decision: Decision, places: list[int]) -> None:
    """Raise ValueError where a decision's text does not fit the lines that its field stands on."""
    field, text = f"field {decision.field}", decision.text
    if text is not None and not places:
        raise ValueError(f"{field} is on no known line, so that no line can be corrected")
    if text is not None and text.count("\n") + 1 != len(places):
        raise ValueError(f"{field} stands on {len(places)} printed line(s): write as many")
    if decision.decision == "correct" and text is None and places:
        raise ValueError(f"{field}: say how the printed line reads as well; as it stood, if it was right")


def _decisions(content: bytes, path: Path) -> list[Decision]:
    decisions = []
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            break  # cut off: nobody was told that it was saved
        try:
            decisions.append(Decision(**json.loads(line)))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number} is no decision ({error}): mend or remove that line") from None
    return decisions


def _append(file, decision: Decision) -> None:
    """Write one line behind the last whole one, and take back what a full disk cut off."""
    file.seek(0)
    whole = file.read().rfind(b"\n") + 1
    file.truncate(whole)
    line = json.dumps(dataclasses.asdict(decision), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
    try:
        if file.write(line) != len(line):
            raise OSError("the disk is full: the decision was not saved")
        os.fsync(file.fileno())
    except OSError:
        file.truncate(whole)
        raise
