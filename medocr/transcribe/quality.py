"""How good labels are where the truth is known, and how fast they are made on this machine."""

import time
from collections.abc import Iterable, Iterator, Sequence

from .. import metrics
from ..schema import Page
from .rapid import RapidOcr
from .store import Answer

GIVEN = ("annotation", "synthetic", "truth")  # labels that nobody had to read from the image


class KnownText:
    """A local provider that gives the truth of pages that have it, to compare other labels with."""

    name, model, prompt, local, label_origin = "truth", "", "", True, "truth"

    def __init__(self, pages: Iterable[Page]) -> None:
        self._known = {page.id: page.truth for page in pages if page.truth is not None}
        self.parameters: dict = {}

    def answers(self, images: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Answer]]:
        """The text of each page that has one."""
        for image, _ in images:
            known = self._known.get(image)
            yield image, Answer(known) if known is not None else Answer("", finish="error", detail="no truth is known")

    def close(self) -> None:
        """Nothing to close."""


def annotator(name: str, pages: Iterable[Page], processes: int = 2) -> RapidOcr | KnownText:
    """The reader on this machine that a profile names: `rapidocr`, or `truth` for pages whose text is known.

    `rapidocr:arabic` reads with RapidOCR's recogniser of that language, `rapidocr:FILE.onnx` with one of your own.
    """
    if name.partition(":")[0] == "rapidocr":
        return RapidOcr(processes, language=name.partition(":")[2])
    if name == "truth":
        return KnownText(pages)
    raise ValueError(f"annotator {name!r} is unknown: rapidocr or truth")


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
