"""Work side by side on a CPU, each piece on its own share of the cores."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch


@contextlib.contextmanager
def parallel_map(count: int, each: int | None = None) -> Iterator[Callable]:
    """`map` over `count` pieces of work, as many at once as torch has threads.

    A piece gets `each` threads, by default an equal share: small products do not gain by more, and where cores wait
    for one another at every one of them, whole pieces side by side are faster.
    """
    threads = torch.get_num_threads()
    workers = min(threads, count)
    if workers < 2:
        yield map
        return
    share = functools.partial(torch.set_num_threads, each or threads // workers)  # the setting is each thread's own
    pool = ThreadPoolExecutor(workers, initializer=share)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
