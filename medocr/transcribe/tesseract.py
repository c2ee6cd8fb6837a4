"""Tesseract as a second annotator, where the system has it (Debian: `tesseract-ocr`): its mistakes are its own."""

import functools
import io
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from .. import ocr
from ..schema import open_image
from ..storage import batches
from .rapid import RapidOcr
from .store import Answer, Provider

OTHER_SIZE, THIRD_SIZE = 0.8, 1.5  # at which RapidOCR looks a second time, and either reader a third time
ENLARGED = 1500  # px: a page whose longer side is less is doubled, as Tesseract wants letters of 20 px and more
ONE_BLOCK = "6"  # page segmentation: rows across the page, as medocr reads tables
COMMAND = ["tesseract", "stdin", "stdout", "--psm", ONE_BLOCK]


class Tesseract:
    """Reads pages with the system's Tesseract; a `Provider` whose pages stay on this machine."""

    prompt, local = "", True

    def __init__(self, processes: int = 2, scale: float = 1.0) -> None:
        """`scale` is beyond the size that suits it. Raises ValueError where no Tesseract is installed."""
        if not is_installed():
            raise ValueError("tesseract is not installed: apt-get install tesseract-ocr, or name another reader")
        reported = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True).stdout
        self.model = reported.split("\n")[0].removeprefix("tesseract ").strip()
        self.name = "tesseract" if scale == 1 else f"tesseract-at-{scale:g}"
        self.parameters = {"segmentation": ONE_BLOCK, "enlarged": ENLARGED, "rules": ocr.RULES}
        self.label_origin = f"{self.name}/{self.model}"
        self.processes, self.scale = processes, scale

    def answers(self, images: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Answer]]:
        """Yield (id, answer) in the order of the images."""
        read = functools.partial(read_image, scale=self.scale)
        with ThreadPoolExecutor(self.processes) as threads:
            for batch in batches(images, 4 * self.processes):
                keys, pages = zip(*batch, strict=True)
                yield from zip(keys, threads.map(read, pages), strict=True)

    def close(self) -> None:
        """Nothing to close."""


def is_installed() -> bool:
    return shutil.which("tesseract") is not None


def checkers(name: str, processes: int = 2) -> list[Provider]:
    """Who reads a page again on this machine: the second reader, and a third where there is one.

    `rapidocr` is RapidOCR at another size. `tesseract` is Tesseract where it is installed, else the same, and the same
    reader at a further size, to settle the numbers that it doubts. Raises ValueError for another name.
    """
    if name not in ("rapidocr", "tesseract"):
        raise ValueError(f"second annotator {name!r} is unknown: rapidocr or tesseract")
    if name == "rapidocr":
        return [RapidOcr(processes, scale=OTHER_SIZE)]
    if is_installed():
        return [Tesseract(processes), Tesseract(processes, scale=THIRD_SIZE)]
    return [RapidOcr(processes, scale=scale) for scale in (OTHER_SIZE, THIRD_SIZE)]


def read_image(image: bytes, scale: float = 1.0) -> Answer:
    """Read one encoded image, upright. Where that fails, the answer ended in `error`."""
    started = time.perf_counter()
    try:
        return Answer(read_page(open_image(image), scale), seconds=time.perf_counter() - started)
    except ValueError as error:
        return Answer("", finish="error", detail=str(error))


def read_page(page: Image.Image, scale: float = 1.0) -> str:
    """The lines of an upright page. Raises ValueError where Tesseract fails."""
    scale *= 2 if max(page.size) < ENLARGED else 1
    page = page.resize((round(scale * page.width), round(scale * page.height)), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    page.save(buffer, "PNG", compress_level=1)
    environment = os.environ | {"OMP_THREAD_LIMIT": "1"}  # by itself it uses four, and is slower
    try:
        done = subprocess.run(COMMAND, input=buffer.getvalue(), capture_output=True, env=environment, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ValueError(f"tesseract failed: {error}") from None
    lines = done.stdout.decode("utf-8", "replace").replace("\f", "\n").splitlines()
    return "\n".join(line for line in lines if line.strip())
