"""How good labels are where the truth is known, and how fast they are made on this machine."""

import time
from collections.abc import Iterable, Sequence

from .. import metrics
from ..schema import Page
from .rapid import RapidOcr

GIVEN = ("annotation", "synthetic", "truth")  # labels that nobody had to read from the image


def label_quality(pages: Iterable[Page]) -> list[dict]:
    """How near the transcripts are to the truth: a row for each page that was read and whose text is known.

    `cer` and `wer` are shares of the truth's characters and words, `exact` is 1 for a page without a mistake.
    """
    rows = []
    for page in pages:
        if page.text is None or page.truth is None or page.label_origin in GIVEN:
            continue
        known = {"id": page.id, "origin": page.origin, "doc_type": page.doc_type, "confidence": page.confidence}
        scores = metrics.score_text(page.truth, page.text)
        rows.append({**known, **{name: scores[name] for name in ("cer", "wer", "exact")}})
    return rows


def measure_speed(pages: Sequence[Page], processes: Sequence[int] = (1, 2)) -> list[dict]:
    """How fast RapidOCR reads these pages in so many processes, not counting the time they take to start."""
    images = [page.image for page in pages]
    if not images:
        raise ValueError("there are no pages to measure the speed of reading with")
    rows = []
    for count in processes:
        with RapidOcr(count) as reader:
            reader.read(images[:1] * 8)  # starts the processes and loads the models
            started = time.perf_counter()
            reader.read(images)
            seconds = time.perf_counter() - started
        rows.append({"processes": count, "pages": len(images), "seconds": seconds})
    for row in rows:
        row["pages_per_second"] = row["pages"] / row["seconds"]
        row["speed_up"] = rows[0]["seconds"] / row["seconds"]
    return rows
