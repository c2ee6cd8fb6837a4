"""Several processes that read images, each with an engine of its own, in the order of the images."""

import collections
import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

FEW = 8  # images that are read faster here than by processes that must first start


class Pool:
    """Calls a function (that pickles) with one image after another, here or in `processes` processes."""

    def __init__(self, function: Callable, processes: int) -> None:
        if processes < 1:
            raise ValueError(f"processes is {processes}: at least one must read")
        self.function, self.processes = function, processes
        self._executor: ProcessPoolExecutor | None = None

    def close(self) -> None:
        """Stop the processes; they start again when they are needed."""
        if self._executor:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    def map(self, images: Iterable[tuple[object, bytes]]) -> Iterator[tuple[object, object | None]]:
        """Yield (key, result) in the order of the (key, image) pairs, holding only as many as are being read.

        The result is None where the process died over the image; the others are read by new ones.
        """
        images = iter(images)
        first = list(itertools.islice(images, FEW))
        images = itertools.chain(first, images)
        if self.processes == 1 or len(first) < FEW:
            yield from ((key, self.function(image)) for key, image in images)
            return
        waiting: collections.deque[tuple[object, bytes, Future]] = collections.deque()
        for key, image in images:
            waiting.append((key, image, self._submit(image)))
            if len(waiting) >= 3 * self.processes:
                yield self._next(waiting)
        while waiting:
            yield self._next(waiting)

    def _submit(self, image: bytes) -> Future:
        if self._executor is None:
            self._executor = _started(self.processes)
        try:
            return self._executor.submit(self.function, image)
        except BrokenProcessPool:
            self._executor = None
            return self._submit(image)

    def _next(self, waiting) -> tuple[object, object | None]:
        key, image, future = waiting.popleft()
        with contextlib.suppress(BrokenProcessPool):
            return key, future.result()
        # over which of those that were under way it died, nobody knows: each is read again, alone
        with contextlib.suppress(BrokenProcessPool), _started(1) as alone:
            return key, alone.submit(self.function, image).result()
        return key, None


def _started(processes: int) -> ProcessPoolExecutor:
    # spawn: a fork would copy the threads' locks of whatever runs in this process
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_start)


def _start() -> None:
    """In a new reading process: end with the process that started it, even if that one is killed."""
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process().sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
