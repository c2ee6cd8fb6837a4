"""RapidOCR as a local annotator: PP-OCRv6 out of its wheel, on the CPU, with no download and no network."""

import collections
import functools
import importlib.metadata
import importlib.util
import itertools
import multiprocessing
import multiprocessing.connection
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from PIL import Image

from ..schema import open_image
from . import reading_order
from .store import Answer

MODELS = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx")
RULES = 2  # of the settings here and the rules in reading_order: a new number makes stored answers stale
SMALL = 600  # px: a page whose shorter side is less is searched for text at about its own size
# What the shorter side is enlarged to at least, in px, and how far a found box is widened, small pages and others.
SEARCH = {True: (256, 1.8), False: (736, 1.6)}
HAN = re.compile("[\u4e00-\u9fff]")
FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # ！ to ～ beside ! to ~
LIKENESSES = str.maketrans({"口": "☐", "□": "☐", "\u03bc": "\u00b5"}) | FULL_WIDTH  # and µ, Greek, the unit's sign
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
        folder = Path(importlib.util.find_spec("rapidocr").origin).parent / "models"
        absent = [name for name in MODELS if not (folder / name).is_file()]
        if absent:  # it would download them
            raise ValueError(f"rapidocr is installed without {', '.join(absent)}: install the version that medocr pins")
        self.processes = processes
        self.parameters = {"rapidocr": importlib.metadata.version("rapidocr"), "rules": RULES}
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
        pixels = np.asarray(page)
        result = _recognise(pixels)
        text = reading_order.join(result.boxes, [_tidy(piece) for piece in result.txts]) if result.txts else ""
    except Exception as error:  # whatever one page does to the engine, the others are read, and this one is named
        return Answer("", finish="error", detail=f"{type(error).__name__}: {error}")
    confidence = lowest = None
    if text:
        lengths = [len(piece) for piece in result.txts]
        confidence, lowest = float(np.average(result.scores, weights=lengths)), float(min(result.scores))
    return Answer(text, confidence, lowest, time.perf_counter() - started)


def _tidy(piece: str) -> str:
    """One spelling for signs that look the same; the recogniser takes some for their Chinese likeness."""
    if HAN.search(piece.replace("口", "")):
        return piece
    return " ".join(piece.translate(LIKENESSES).split())


def _recognise(pixels: np.ndarray):
    """Search and read a (height, width, 3) RGB page at the resolution that suits its size."""
    small = min(pixels.shape[:2]) < SMALL
    return _engine(*SEARCH[small])(np.ascontiguousarray(pixels[:, :, ::-1]))


@functools.cache
def _engine(side: int, unclip: float):
    """RapidOCR with one thread: two processes of one thread read more pages than one process of two.

    Each piece of text is recognised at its own width. The usual batches of six, padded to the widest and to
    320 px at least, take 1.5 times as long and read small pages less exactly.
    """
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,  # it turns upright lines and handwriting upside down more often than it helps
            "Det.limit_side_len": side,
            "Det.unclip_ratio": unclip,
            "Rec.rec_batch_num": 1,
            "Rec.rec_img_shape": [3, 48, 48],
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _start() -> None:
    """In a new reading process: end with the process that started it, even if that one is killed."""
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process().sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
