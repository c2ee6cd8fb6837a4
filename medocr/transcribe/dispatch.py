"""Pages to providers: all of them pull from one queue, each as fast as it can bear, and every page is answered once."""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from . import outgoing
from .client import TRIES, Client, Fault
from .providers import OpenAIProvider
from .store import Answer, Store

SMALL = 1 << 16  # bytes of a page that is sooner encoded than handed to a thread, which takes turns with this one
AHEAD = 8  # pages that are made ready to be sent while nobody has room for them
MOST_WAITING = 1000  # pages taken from the source that only a busy provider may have
LONGEST_BACK_OFF = 20.0  # seconds


@dataclasses.dataclass
class Job:
    """A page that wants `needed` more answers, each from another of the providers named in `allowed`."""

    id: str
    image: bytes
    allowed: set[str]
    needed: int = 1
    messages: asyncio.Task | None = None  # that are sent
    tries: Counter = dataclasses.field(default_factory=Counter)
    due: float = 0.0
    booked: float = 0.0  # tokens, while it is out
    answered: bool = False
    fault: str = ""


class Jobs:
    """The queue of pages, of which the source gives the next few when none that waits will do."""

    def __init__(self, source: Iterator[Job]) -> None:
        self.source: Iterator[Job] | None = source
        self.waiting: list[Job] = []
        self.gone: set[str] = set()
        self.out = 0  # at a provider now
        self.failed: dict[str, str] = {}
        self.stopped = False
        self.error: Exception | None = None
        self._changed = asyncio.Event()

    async def next(self, client: Client) -> Job | None:
        """The next page for this provider, when it may be sent; None when nothing is left that it may read."""
        name = client.provider.name
        while not client.dropped:
            wait = client.wait()
            if not wait and (job := self._take(name)):
                job.booked = client.book()
                self.out += 1
                return job
            if not (self.source or self.out or any(name in job.allowed for job in self.waiting)):
                break
            self._changed.clear()
            dues = [max(job.due - time.monotonic(), 0.01) for job in self.waiting if name in job.allowed]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait or min(dues, default=LONGEST_BACK_OFF)):
                    await self._changed.wait()
        return None

    def _take(self, name: str) -> Job | None:
        while True:
            for index, job in enumerate(self.waiting):
                if name in job.allowed and job.due <= time.monotonic():
                    return self.waiting.pop(index)
            if self.source is None or len(self.waiting) >= MOST_WAITING:
                return None
            fetched = list(itertools.islice(self.source, AHEAD))
            for job in filter(self._may_wait, fetched):
                job.messages = asyncio.create_task(_messages(job.image))
                self.waiting.append(job)
            self.source = self.source if fetched else None
            self._changed.set()

    def _may_wait(self, job: Job) -> bool:
        """Whether anybody may still read the page; if not, it has failed, unless somebody has."""
        job.allowed -= self.gone
        if job.needed and job.allowed and not self.stopped:
            return True
        if not job.answered:
            self.failed[job.id] = job.fault or "every provider that may have it was dropped"
        return False

    def answer(self, job: Job, name: str) -> None:
        """The provider answered: the page is done, or waits for another one's answer."""
        job.needed -= 1
        job.answered, job.fault = True, ""
        job.allowed.discard(name)
        self._back(job)

    def fail(self, job: Job, client: Client, fault: Fault) -> None:
        """The provider did not: try again there a little later, then elsewhere, then not at all."""
        name = client.provider.name
        job.fault = f"{name}: {fault}"
        if fault.kind != "rate_limited" and not client.ailing:
            job.tries[name] += 1
            job.due = time.monotonic() + min(LONGEST_BACK_OFF, 0.25 * 2 ** job.tries[name]) * random.uniform(0.5, 1.5)
        if fault.kind == "unreadable":
            job.allowed.clear()
        elif job.tries[name] >= TRIES or fault.kind == "bad_request":
            job.allowed.discard(name)
        self._back(job)

    def _back(self, job: Job) -> None:
        self.out -= 1
        if self._may_wait(job):
            self.waiting.append(job)
        self._changed.set()

    def drop(self, name: str) -> None:
        """No page goes to this provider any more."""
        self.gone.add(name)
        self.waiting = [job for job in self.waiting if self._may_wait(job)]
        self._changed.set()

    def stop(self, error: Exception | None = None) -> None:
        """Give out nothing more; what is at the providers comes home."""
        self.stopped, self.error = True, self.error or error
        self.source, self.waiting = None, []
        self._changed.set()


async def _messages(image: bytes) -> list[dict]:
    return outgoing.messages(image) if len(image) < SMALL else await asyncio.to_thread(outgoing.messages, image)


def read(
    source: Iterator[Job],
    providers: Sequence[OpenAIProvider],
    store: Store,
    seen: Callable[[OpenAIProvider, str, Answer | Fault], None] = lambda *_: None,
) -> tuple[list[Client], dict[str, str]]:
    """Have the providers read what `source` gives; every answer is in `store` before its page counts as read.

    Works in a thread with an event loop of its own, so that a notebook, which has one already, can call it. `seen` is
    told of each answer and each fault. An interrupt lets the requests in flight come home, for they are paid, and then
    raises; a second one does not wait. Returns the clients (most in flight, why dropped) and what failed: id → fault.
    """
    started: concurrent.futures.Future = concurrent.futures.Future()
    done: concurrent.futures.Future = concurrent.futures.Future()

    def work() -> None:
        try:
            done.set_result(asyncio.run(_read(source, providers, store, seen, started)))
        except BaseException as error:  # handed on to the caller's thread
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            done.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return done.result()
    except KeyboardInterrupt:
        loop, jobs = started.result()
        loop.call_soon_threadsafe(jobs.stop)
        done.result()
        raise


async def _read(source, providers, store, seen, started) -> tuple[list[Client], dict[str, str]]:
    jobs = Jobs(source)
    started.set_result((asyncio.get_running_loop(), jobs))
    clients = [Client(provider) for provider in providers]
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(_serve(client, jobs, store, seen))
    if jobs.error:
        raise jobs.error
    return clients, jobs.failed


async def _serve(client: Client, jobs: Jobs, store: Store, seen) -> None:
    """Feed one provider until nothing is left for it, or it is dropped."""
    async with client, asyncio.TaskGroup() as group:
        while True:
            await client.window.enter()
            try:
                job = await jobs.next(client)
            except Exception as error:  # of the source; raised when all that was sent has come home
                jobs.stop(error)
                job = None
            if job is None:
                client.window.leave()
                return
            group.create_task(_read_page(client, job, jobs, store, seen))


async def _read_page(client: Client, job: Job, jobs: Jobs, store: Store, seen) -> None:
    name = client.provider.name
    try:
        answer = await client.read(job.messages, job.booked)
        answer.tries = job.tries[name] + 1
        store.put(client.provider, job.id, answer)
        jobs.answer(job, name)
        seen(client.provider, job.id, answer)
    except Fault as fault:
        jobs.fail(job, client, fault)
        if client.dropped:
            jobs.drop(name)
        seen(client.provider, job.id, fault)
    except Exception as error:  # of the store; raised when all that was sent has come home
        jobs.out -= 1
        jobs.stop(error)
    finally:
        client.window.leave()
