"""`python -m medocr read`: images, PDFs and folders of them in, one JSON line per page out."""

import contextlib
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import fields, sources, transcribe
from .schema import Page, Rejection
from .storage import atomic

TOGETHER = 16  # pages decoded and read at once
MAX_NEW_TOKENS = 2048


def lines(model: str, paths: Sequence[str | Path]) -> Iterator[dict]:
    """Read every page under `paths`, in order, with a model folder, a Hub name, `tiny` or `rapidocr`.

    A page gives {"origin", "text", "fields", "confidence", "finish"}, `confidence` between 0 and 1; an input that
    could not be read gives {"origin", "error", "detail"}. Raises ValueError when a path is missing or the model is.
    """
    items = itertools.chain.from_iterable([sources.load("folder", path=str(path)) for path in paths])
    reader = _rapidocr if model == "rapidocr" else _model(model)
    while batch := list(itertools.islice(items, TOGETHER)):
        found = [_decodable(item) for item in batch]
        readings = iter(reader([page for page in found if isinstance(page, Page)]))
        for item in found:
            yield _refused(item) if isinstance(item, Rejection) else _read(item, *next(readings))


def _decodable(item: Page | Rejection) -> Page | Rejection:
    try:
        if isinstance(item, Page):
            item.open()
    except ValueError as error:
        reason, _, detail = str(error).partition(": ")
        return Rejection(item.origin, item.source, reason, detail)
    return item


def _read(page: Page, text: str, confidence: float | None, finish: str) -> dict:
    found = fields.read_fields(text, page.doc_type)
    return {"origin": page.origin, "text": text, "fields": found, "confidence": confidence, "finish": finish}


def _refused(rejection: Rejection) -> dict:
    return {"origin": rejection.origin, "error": rejection.reason, "detail": rejection.detail}


def _rapidocr(pages: list[Page]) -> list[tuple[str, float | None, str]]:
    answers = transcribe.RapidOcr(processes=1).read([page.image for page in pages])
    return [(answer.text, answer.confidence, answer.finish) for answer in answers]


def _model(name: str):
    """A function that reads pages with one loaded model. Torch comes in only here: `rapidocr` does without."""
    from . import model as models

    model, processor = models.load(name)
    models.check_finite(model, name)

    def read(pages: list[Page]) -> list[tuple[str, float | None, str]]:
        readings = models.read(model, processor, pages, max_new_tokens=MAX_NEW_TOKENS, batch_size=4, progress=False)
        return [(r.text, r.confidence and round(r.confidence, 4), r.finish) for r in readings]

    return read


def write(found: Iterator[dict], out: Path | None) -> int:
    """Write the lines to a file (whole or not at all) or print them as they come; 1 when no page could be read."""
    read = refused = 0
    with contextlib.ExitStack() as stack:
        target = (
            stack.enter_context(stack.enter_context(atomic(out)).open("w", encoding="utf-8")) if out else sys.stdout
        )
        for line in found:
            print(json.dumps(line, ensure_ascii=False), file=target, flush=True)
            refused += "error" in line
            read += "error" not in line
    print(f"{read} pages read, {refused} refused" + (f": {out}" if out else ""), file=sys.stderr)
    return 0 if read else 1
