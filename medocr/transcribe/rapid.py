"""RapidOCR as a local annotator: pages stay on this machine, read by one process or several."""

import contextlib
import functools
import importlib.metadata
import time
from collections.abc import Iterable, Iterator, Sequence

from PIL import Image

from .. import ocr
from ..ocr.pool import Pool
from ..schema import Page, open_image
from .store import Answer


class RapidOcr(contextlib.AbstractContextManager):
    """Reads pages with RapidOCR in one process or several; a `Provider` whose pages stay on this machine."""

    model, prompt, local = "PP-OCRv6", "", True

    def __init__(self, processes: int = 2, scale: float = 1.0, language: str = "") -> None:
        """`scale` enlarges or shrinks every page before it is read: a second look, to compare with the first.

        `language` is one of RapidOCR's or a recogniser's file: ValueError says what is missing for it.
        """
        if not 0.25 <= scale <= 4:
            raise ValueError(f"scale is {scale}: from 0.25 to 4")
        ocr.check_installed(language)
        self.name = "rapidocr" if scale == 1 else f"rapidocr-at-{scale:g}"
        self.label_origin = f"{self.name}/{self.model}"
        self.parameters = {"rapidocr": importlib.metadata.version("rapidocr"), "rules": ocr.RULES}
        self.parameters |= {"language": ocr.fingerprint(language)} if language else {}
        self.pool = Pool(functools.partial(read_image, scale=scale, language=language), processes)

    def close(self) -> None:
        """Stop the reading processes; they start again when they are needed."""
        self.pool.close()

    def __exit__(self, *_) -> None:
        self.close()

    def read(self, images: Iterable[bytes]) -> list[Answer]:
        """Read encoded images (PNG, JPEG, …), in their order."""
        return [answer for _, answer in self.answers((str(n), image) for n, image in enumerate(images))]

    def answers(self, images: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Answer]]:
        """Yield (id, answer) in the order of the images, holding only as many as are being read."""
        died = Answer("", finish="error", detail="the reading process died; was there enough memory?")
        return ((key, died if answer is None else answer) for key, answer in self.pool.map(images))


def read_image(image: bytes, scale: float = 1.0, language: str = "") -> Answer:
    """Read one encoded image at `scale` times its size. Where that fails, the answer ended in `error`."""
    started = time.perf_counter()
    try:
        page = open_image(image)
        if scale != 1:
            size = (max(1, round(page.width * scale)), max(1, round(page.height * scale)))
            page = page.resize(size, Image.Resampling.BICUBIC)
        result = ocr.read(page, language)
    except Exception as error:  # whatever one page does to the engine, the others are read, and this one is named
        return Answer("", finish="error", detail=f"{type(error).__name__}: {error}")
    return Answer(result.text, result.confidence, result.lowest, time.perf_counter() - started)


def annotator(name: str, processes: int = 2) -> RapidOcr:
    """The reader on this machine that a profile names: `rapidocr`.

    `rapidocr:arabic` reads with RapidOCR's recogniser of that language, `rapidocr:FILE.onnx` with one of your own.
    """
    engine, _, language = name.partition(":")
    if engine != "rapidocr":
        raise ValueError(f"annotator {name!r} is unknown: rapidocr")
    return RapidOcr(processes, language=language)


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
