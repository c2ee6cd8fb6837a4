"""Lines held against Tesseract's reading of the same page: a number that both read alike is agreed, others are doubted.

A line with a doubted number is not sure and says so, and so do the fields on it. Tesseract looks twice, at two sizes.
RapidOCR is not asked again: it misreads alike at every size (results/bench/numbers.json).
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping

from ..read import PageRecord
from ..schema import Page, Rejection
from ..transcribe import Tesseract, tesseract
from ..transcribe.agreement import doubted
from .reader import Reader

DOUBTED = "read otherwise by Tesseract"
CEILING = 0.5  # of such a line's confidence


def checked(reader: Reader) -> Reader:
    """A reader whose numbers Tesseract reads again. Raises ValueError where that is not installed."""
    named = f"{reader.hash} {Tesseract().label_origin}"

    def pages(items: Iterable[Page | Rejection]) -> Iterator[tuple[Page | Rejection, PageRecord | str | None]]:
        for item, result in reader.read(items):
            yield item, _checked(item, result) if isinstance(result, PageRecord) and isinstance(item, Page) else result

    digest = hashlib.sha256(named.encode()).hexdigest()
    return dataclasses.replace(reader, name=f"{reader.name}+tesseract", hash=digest, read=pages)


def _checked(item: Page, record: PageRecord) -> PageRecord:
    page = item.open()
    page = page.rotate(-record.turn, expand=True) if record.turn else page
    lines, looks = [line["text"] for line in record.lines], []
    doubts = doubted(lines)
    for scale in (1.0, tesseract.THIRD_SIZE):
        if any(doubts):
            with contextlib.suppress(ValueError):  # where Tesseract fails, it confirms nothing
                looks.append(tesseract.read_page(page, scale).splitlines())
            doubts = doubted(lines, *looks)
    marked = [_marked(line, left) if left else line for line, left in zip(record.lines, doubts, strict=True)]
    return dataclasses.replace(record, lines=marked)


def _marked(line: Mapping, doubts: list[str]) -> dict:
    confidence = None if line["confidence"] is None else min(line["confidence"], CEILING)
    mark = line.get("mark") or f"{DOUBTED}: {', '.join(dict.fromkeys(doubts))}"
    return {**line, "confidence": confidence, "mark": mark}
