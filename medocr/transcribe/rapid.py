"""RapidOCR as a local annotator: pages stay on this machine, read by one process or several."""

import collections
import importlib.metadata
import itertools
import multiprocessing
import multiprocessing.connection
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from PIL import Image

from .. import ocr
from ..schema import open_image
from .store import Answer

FEW = 8  # images that are read faster here than by processes that must first start


class RapidOcr:
    """Reads pages with RapidOCR in one process or several; a `Provider` whose pages stay on this machine."""

    model = "PP-OCRv6"
    prompt = ""
    local = True

    def __init__(self, processes: int = 2, scale: float = 1.0):
        """`scale` enlarges or shrinks every page before it is read: a second look, to compare with the first."""
        if processes < 1:
            raise ValueError(f"processes is {processes}: at least one must read")
        if not 0.25 <= scale <= 4:
            raise ValueError(f"scale is {scale}: from 0.25 to 4")
        self.name = "rapidocr" if scale == 1 else f"rapidocr-at-{scale:g}"
        self.label_origin = f"{self.name}/{self.model}"
        self.scale = scale
        ocr.check_installed()
        self.processes = processes
        self.parameters = {"rapidocr": importlib.metadata.version("rapidocr"), "rules": ocr.RULES}
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "RapidOcr":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Stop the reading processes; they start again when they are needed."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def read(self, images: Iterable[bytes]) -> list[Answer]:
        """Read encoded images (PNG, JPEG, …), in their order."""
        return [answer for _, answer in self.answers((str(n), image) for n, image in enumerate(images))]

    def answers(self, images: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Answer]]:
        """Yield (id, answer) in the order of the images, holding only as many as are being read."""
        images = iter(images)
        first = list(itertools.islice(images, FEW))
        images = itertools.chain(first, images)
        if self.processes == 1 or len(first) < FEW:
            yield from ((key, read_image(image, self.scale)) for key, image in images)
            return
        waiting: collections.deque[tuple[str, Future]] = collections.deque()
        for key, image in images:
            waiting.append((key, self._submit(image)))
            if len(waiting) >= 3 * self.processes:
                yield self._next(waiting)
        while waiting:
            yield self._next(waiting)

    def _submit(self, image: bytes) -> Future:
        if self._pool is None:
            # spawn: a fork would copy the threads' locks of whatever runs in this process
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.processes, mp_context=context, initializer=_start)
        try:
            return self._pool.submit(read_image, image, self.scale)
        except BrokenProcessPool:
            self._pool = None
            return self._submit(image)

    def _next(self, waiting) -> tuple[str, Answer]:
        key, future = waiting.popleft()
        try:
            return key, future.result()
        except BrokenProcessPool:
            return key, Answer("", finish="error", detail="the reading process died; was there enough memory?")


def read_image(image: bytes, scale: float = 1.0) -> Answer:
    """Read one encoded image at `scale` times its size. Where that fails, the answer ended in `error`."""
    started = time.perf_counter()
    try:
        page = open_image(image)
        if scale != 1:
            size = (max(1, round(page.width * scale)), max(1, round(page.height * scale)))
            page = page.resize(size, Image.Resampling.BICUBIC)
        result = ocr.read(page)
    except Exception as error:  # whatever one page does to the engine, the others are read, and this one is named
        return Answer("", finish="error", detail=f"{type(error).__name__}: {error}")
    return Answer(result.text, result.confidence, result.lowest, time.perf_counter() - started)


def _start() -> None:
    """In a new reading process: end with the process that started it, even if that one is killed."""
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process().sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
