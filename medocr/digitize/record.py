"""The record of a document: its pages as they were read, and a field for everything that the parsers find on them."""

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image
from rapidfuzz import fuzz, process

from .. import __version__, fields
from ..fields.analytes import NAME_HEADINGS, RANGE_HEADINGS, RESULT_HEADINGS
from ..fields.header import LABELS
from ..fields.text import clean
from ..read import PageRecord
from ..review.columns import LISTS, NAMED_BY
from ..schema import Page, Rejection
from . import dates, printed, reasons
from .keys import Second
from .patient import WHOLE, header_of, patient_of, who_else
from .readers import Item, Read

SCHEMA = 1
LONG_LINE = 160  # characters: of a page that is read as one line, a field's text is its own part
ROWS_BELOW = 4  # lines under a name on which its columns may stand
SAME_LINE = 90  # of 100: how alike a line of a page and one that was read from it must be
EMPTY = "no field was read, so the queue asks nothing about this document: look at its pages"
FEWEST = 3  # words of a table's heading
SUMS = ("subtotal", "tax", "discount", "tip", "earlier", "total")
PRINTED = ("value", "low", "high", "dose", "form", "route", "frequency", "duration", "amount")  # columns, as they stand


def document(name: str, read: Sequence[Read], reader: Mapping, *, synthetic: bool, phi: bool) -> dict:
    """The record of one document, as document.schema.json describes it; every field is left to a person.

    `name` is its path under the folder that was given, `read` holds each page with what was read on it, and `reader`
    the reader's name and hash.
    """
    pages = [_page(index, item, result) for index, (item, result) in enumerate(read, 1)]
    entries, before = [], ""
    for page, (item, result) in zip(pages, read, strict=True):
        entries += _entries(page, item, result, before)
        before = carry_over(before, page["text"])
    others, failed = who_else(entries), [(page["index"], page["error"]) for page in pages if page["error"]]
    empty = [] if entries or len(failed) == len(pages) else [EMPTY]
    record = {
        "schema": SCHEMA,
        "id": identity(name, [item.id for item, _ in read if isinstance(item, Page)]),
        "title": Path(name).name,
        "source": name,
        "synthetic": synthetic,
        "contains_phi": phi,
        "reader": dict(reader),
        "medocr": __version__,
        "patient": patient_of(header_of(entries), dates.order(page["text"] for page in pages)),
        "stopped": bool(others),
        "pages": pages,
        "fields": entries,
        "warnings": [*empty, *others, *(f"page {n} was not read ({error}): {WHOLE}" for n, error in failed)],
    }
    reasons.give(record)
    return record


def identity(name: str, hashes: Iterable[str]) -> str:
    """A document's id: the same for the same pages under the same name, wherever they are digitised."""
    return hashlib.sha256("\n".join([*hashes, name]).encode()).hexdigest()[:16]


def _page(index: int, item: Item, result: PageRecord | str | None) -> dict:
    """What is kept of a page; of one that could not be read, the reason."""
    page = {"index": index, "file": item.origin, "page": 1, "sha256": None, "sha1": None, "width": None, "height": None}
    page |= {"turn": 0, "image": None, "text": "", "lines": [], "error": None}
    file, _, number = item.origin.rpartition("#")
    if file and number.isdecimal():
        page |= {"file": file, "page": max(1, int(number))}
    if isinstance(item, Rejection):
        return page | {"error": f"{item.reason}: {item.detail}"}
    page |= {"page": item.page, "sha256": item.id, "sha1": hashlib.sha1(item.image).hexdigest()}
    if not isinstance(result, PageRecord):
        return page | {"error": str(result or "reader_failed: nothing was read")}
    error = f"{result.finish}: the reading did not come to an end" if result.finish != "stop" else None
    lines = [{**line, "box": line["box"] and list(line["box"])} for line in result.lines]
    return page | {"turn": result.turn, "text": result.text, "lines": lines, "error": error}


def image_of(item: Page, turn: int) -> tuple[bytes, str, tuple[int, int]]:
    """A page's picture as it was read, upright: encoded, its suffix, and (width, height) in px.

    A PNG or JPEG that stands upright is kept byte for byte.
    """
    upright = item.open()
    with Image.open(io.BytesIO(item.image)) as stored:
        kind, as_it_is = stored.format, stored.size == upright.size and not stored.getexif().get(0x0112, 1) > 1
    if not turn and as_it_is and kind in ("PNG", "JPEG"):
        return item.image, {"PNG": ".png", "JPEG": ".jpg"}[kind], upright.size
    turned = upright.rotate(-turn, expand=True) if turn else upright
    buffer = io.BytesIO()
    turned.save(buffer, format="PNG")
    return buffer.getvalue(), ".png", turned.size


def _entries(page: dict, item: Item, result: PageRecord | str | None, before: str) -> Iterator[dict]:
    """The fields of one page, in the order in which they are printed; `before` is what holds from earlier pages."""
    if not page["text"]:
        return
    sure, second = result.sure, Second(result.seen, getattr(item, "doc_type", "unknown"))
    cleaned = clean(page["text"]).split("\n")
    places = _places(cleaned, page["lines"])
    read = _read_fields(page["text"], getattr(item, "doc_type", "unknown"), before)
    rows = sorted(_found(read, cleaned), key=lambda row: row[3])
    at = printed.spans([(kind, columns) for kind, _, columns, _, _ in rows], page["text"])
    extents = list(_extents(page))
    for number, ((kind, name, columns, line, below), span) in enumerate(zip(rows, at, strict=True), 1):
        text = " ".join(cleaned[index].strip() for index in below)
        lines = [places[index] for index in below if places.get(index) is not None]
        parts = [extents[index] for index in lines]
        if span and (len(text) > LONG_LINE or len(page["lines"]) == 1):
            text, parts = page["text"][slice(*span)], [span]
        lines = [page["lines"][index] for index in lines]
        # Nobody knows whether a struck-out order still holds.
        marks = [f"its line is {mark}" for mark in dict.fromkeys(line.get("mark") for line in lines) if mark]
        yield {
            "id": f"{page['index']}-{number}",
            "page": page["index"],
            "kind": kind,
            "name": str(name),
            "columns": columns,
            "text": text,
            "line": places.get(line),
            "box": _around([line["box"] for line in lines if line["box"]] or second.boxes(text)),
            "confidence": _confidence(lines, [probability for part in parts for probability in sure[slice(*part)]]),
            "reasons": [*marks, *second.objections(kind, str(name), columns)],
            "status": "review",
        }


def carry_over(before: str, text: str) -> str:
    """The lines that hold on the next page: the sex and the headings of this page, else those from before.

    Reference ranges may be apart for the sexes, and of two bounds in a row (`<5.0 <0.5`) the headings say which is the
    result.
    """
    kept, sex = before.split("\n"), fields.read_header(text).get("sex")
    sexes = [f"Sex: {sex}"] if sex else [line for line in kept if line.startswith("Sex:")]
    headings = [line for line in (*kept, *text.split("\n")) if _is_heading(line)]
    return "\n".join([*sexes[:1], *headings[-1:]])


def _read_fields(text: str, doc_type: str, before: str) -> dict:
    """`fields.read_fields`, with analyte rows as they read after the lines from before."""
    read = fields.read_fields(text, doc_type)
    if before and read.get("analytes"):
        number = before.count("\n") + 1
        rows = [dict(vars(row)) for row in fields.read_analytes(f"{before}\n{text}")]
        read["analytes"] = [{**row, "line": row["line"] - number} for row in rows if row["line"] >= number]
    return read


def _is_heading(line: str) -> bool:
    """Whether a line has headings of name, result and range, and no number."""
    words = [word.strip(":|*").lower() for word in line.split()]
    kinds = (NAME_HEADINGS, RANGE_HEADINGS, RESULT_HEADINGS)
    return len(words) >= FEWEST and not any(map(str.isdigit, line)) and all(set(words) & set(kind) for kind in kinds)


def _extents(page: Mapping) -> Iterator[tuple[int, int]]:
    """Where each of a page's lines stands in its text."""
    end = 0
    for line in page["lines"]:
        start = max(page["text"].find(line["text"], end), end)
        end = start + len(line["text"])
        yield start, end


def _confidence(lines: Sequence[Mapping], sure: Sequence[float]) -> float | None:
    """The least probability of a character on the field's lines where the reader gave them, else the lines' scores'.

    Those beside the field count: a label or a range that was misread makes another field of it, read as surely.
    """
    scores = [line["confidence"] for line in lines]
    if sure:
        return round(min(sure), 4)
    return min(scores) if scores and None not in scores else None


def _found(read: Mapping, lines: Sequence[str]) -> Iterator[tuple]:
    """Kind, name, columns, line and all lines of everything that was read on a page."""
    for name, value in read.get("header", {}).items():
        line = _line_with(name, str(value), lines)
        yield "header", name, {"value": value}, line, [line] if line >= 0 else []
    for kind, key in LISTS.items():
        rows = read.get(key, [])
        starts = [*(row["line"] for row in rows[1:]), len(lines)]
        for row, until in zip(rows, starts, strict=False):
            yield kind, row[NAMED_BY[kind]], row, row["line"], _span(row, lines, until)
    for name in SUMS:
        if (value := read.get("receipt", {}).get(name)) is not None:
            line = next((at for at in range(len(lines) - 1, -1, -1) if printed.stands_in(value, lines[at])), 0)
            yield "total", name, {"value": value}, line, [line]


def _line_with(name: str, value: str, lines: Sequence[str]) -> int:
    """The line on which a header field stands: with its label and the value, else the value as a word; -1 for none."""
    printed_so = re.compile(rf"(?<!\w){re.escape(value)}(?!\w)", re.IGNORECASE)
    label = re.compile(rf"(?<!\w)(?:{LABELS.get(name, name)})(?!\w)", re.IGNORECASE)
    holding = [at for at, line in enumerate(lines) if printed_so.search(line)]
    return next((at for at in holding if label.search(lines[at])), holding[0] if holding else -1)


def _span(row: Mapping, lines: Sequence[str], until: int) -> list[int]:
    """The lines of a row: that of its name, and those below it, before the next row, on which its columns stand."""
    start, end = row["line"], row["line"]
    last = max(start, min(start + ROWS_BELOW, until - 1, len(lines) - 1))
    for name in PRINTED:
        value = row.get(name)
        if value is not None:
            there = (at for at in range(start, last + 1) if _stands(value, lines[at]))
            end = max(end, next(there, start))
    return list(range(start, end + 1))


def _stands(value: object, line: str) -> bool:
    return printed.stands_in(value, line) if isinstance(value, float) else str(value).casefold() in line.casefold()


def _places(cleaned: Sequence[str], lines: Sequence[Mapping]) -> dict[int, int]:
    """For each line of the text that was parsed, which of the page's lines it is: the same one, else the most alike."""
    filled = [index for index, line in enumerate(cleaned) if line.strip()]
    if len(filled) == len(lines):
        return dict(zip(filled, range(len(lines)), strict=True))
    texts = [line["text"] for line in lines]
    alike = ((at, process.extractOne(cleaned[at], texts, scorer=fuzz.partial_ratio)) for at in filled)
    return {at: best[2] for at, best in alike if best and best[1] >= SAME_LINE}


def _around(boxes: Sequence[Sequence[int]]) -> list[int] | None:
    """The smallest box around several."""
    if not boxes:
        return None
    left, top, right, bottom = zip(*boxes, strict=True)
    return [min(left), min(top), max(right), max(bottom)]
