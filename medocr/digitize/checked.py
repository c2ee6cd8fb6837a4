"""Lines held against Tesseract's reading of the same page: a number that both read alike is agreed, others are doubted.

A line with a doubted number is not sure and says so, and so do the fields on it. Before that the line is cut out and
read once more at another size (`LOOK`): what confirms the number lets it stand.
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping

from PIL import Image

from .. import ocr
from ..read import PageRecord
from ..schema import Page, Rejection
from ..transcribe import Tesseract, tesseract
from ..transcribe.agreement import doubted
from .reader import Reader

DOUBTED = "read otherwise by Tesseract"
CEILING = 0.5  # of such a line's confidence
LOOK = 64  # px: the height to which a line is brought for the third look
AROUND = 0.4  # heights of a line that are cut out around it


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
    again: list[str] = []  # where Tesseract fails, all numbers are doubted
    with contextlib.suppress(ValueError):
        again = tesseract.read_page(page).splitlines()
    doubts = doubted([line["text"] for line in record.lines], again)
    lines = [_marked(line, rest, page) if rest else line for line, rest in zip(record.lines, doubts, strict=True)]
    return dataclasses.replace(record, lines=lines)


def _marked(line: Mapping, doubts: list[str], page: Image.Image) -> dict:
    """A line with numbers that Tesseract has not, marked unless a third look has them all."""
    third = _look(page, line["box"]).splitlines() if line["box"] else []
    left = [number for number in doubted([line["text"]], third)[0] if number in doubts]
    if not left:
        return dict(line)
    confidence = None if line["confidence"] is None else min(line["confidence"], CEILING)
    return {**line, "confidence": confidence, "mark": line.get("mark") or f"{DOUBTED}: {', '.join(left)}"}


def _look(page: Image.Image, box: tuple[int, int, int, int]) -> str:
    left, top, right, bottom = box
    margin = round(AROUND * (bottom - top))
    crop = page.crop((max(0, left - margin), max(0, top - margin), right + margin, bottom + margin))
    scale = LOOK / max(1, bottom - top)
    return ocr.read(crop.resize((round(crop.width * scale), round(crop.height * scale)), Image.Resampling.BICUBIC)).text
