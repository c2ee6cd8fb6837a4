"""What the client does with two servers on this machine: how its speed grows, and what becomes of faults.

The servers answer with text that is known (see `loopback`): the client is shown and measured, no model is.
"""

import contextlib
import dataclasses
import math
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from ..schema import Page
from ..transcribe import Agreement, Store, transcribe
from .loopback import Loopback, Server

FAULTS = {
    **{"429": 0.02, "429_retry_after": 0.01, "500": 0.03, "503": 0.02, "reset": 0.02, "invalid_json": 0.01},
    **{"hang": 0.01, "no_choice": 0.01, "empty": 0.01, "refusal": 0.02, "cut_off": 0.02, "fenced": 0.1},
}
HANGS_S = 4.0  # after which the client gives a request up here
MISREAD = 0.1  # of the second server's pages hold one changed digit
ENDS = 0.05  # of the answers at the start and at the end of a run, which fill and empty the pipe, are not timed


def speed(pages: Sequence[Page], in_flight: Sequence[int] = (2, 4, 8, 16, 32), seconds: float = 4.0) -> list[dict]:
    """Pages per second with so many requests in flight at two servers, and the ideal: in flight ÷ mean delay.

    Delays are lognormal, with a median of 400 ms and a sigma of 0.5.
    """
    servers = (Server(), Server(seed=1))
    mean = servers[0].median_s * math.exp(servers[0].sigma ** 2 / 2)
    rows = []
    for most in tqdm(in_flight, "speed", unit="run", leave=False):
        few = pages[: max(2 * most, round(seconds * most / mean))]
        with Loopback(few, servers) as loopback, _store() as store:
            transcribe(few, loopback.providers(in_flight=most // 2), store, progress=False)
            counted = loopback.stats()
        rows.append({"in_flight": most, "pages": len(few), **rate(counted, most)})
    return rows


def rate(counted: Sequence[dict], in_flight: int, per_second: float = math.inf) -> dict:
    """Pages per second between the first and the last of the answers, without `ENDS`; and the ideal.

    The ideal is `in_flight` over the mean delay that the servers drew, or their limit, whichever is less.
    """
    times = sorted(time for server in counted for time in server["times"])
    cut = int(len(times) * ENDS)
    inner = times[cut : len(times) - cut]
    mean = sum(server["seconds"] for server in counted) / sum(server["answers"] for server in counted)
    ideal = min(in_flight / mean, per_second)
    reached = (len(inner) - 1) / (inner[-1] - inner[0])
    return {"pages_per_second": reached, "ideal": ideal, "share_of_ideal": reached / ideal}


def faults(pages: Sequence[Page], in_flight: int = 16, share: float = 0.2) -> dict:
    """A run against two servers that meet it with every kind of fault; the second also misreads, and limits its rate.

    Gives the run's report, what became of every page (`outcomes`), the servers' own counts, and each answer's seconds.
    """
    servers = [
        Server(faults=FAULTS, seed=2),
        Server(faults=FAULTS, seed=3, misread=MISREAD, requests_per_minute=900),
    ]
    with Loopback(pages, servers) as loopback, _store() as store:
        providers = loopback.providers(in_flight=in_flight, timeout_s=HANGS_S, price_in=0.25, price_out=0.75)
        agreement = Agreement(share=share)
        began = time.perf_counter()
        pages_read, report = transcribe(pages, providers, store, agreement=agreement, progress=False)
        labelled = list(pages_read)
        seconds = time.perf_counter() - began
        counted = loopback.stats()
        ids = [page.id for page in pages]
        answers = {provider.name: list(store.answers(provider, ids).values()) for provider in providers}
        made = [next(answer for p in providers if (answer := store.get(p, page.id))) for page in labelled]
    first_tries = sum(answer.tries == 1 for answer in made)
    outcomes = {"labelled at once": first_tries, "labelled after retries": len(labelled) - first_tries}
    kept = ("requests", "answers", "twice", "over_limit")
    return {
        "report": report,
        "seconds": seconds,
        "outcomes": outcomes | {f"set aside: {reason}": count for reason, count in report["reasons"].items()},
        "latencies": {name: [answer.seconds for answer in given] for name, given in answers.items()},
        "servers": [{name: server[name] for name in kept} for server in counted],
    }


def unread(pages: Iterable[Page]) -> Iterator[Page]:
    """Synthetic pages as they are before anybody reads them; their exact text becomes `truth`."""
    for page in pages:
        if page.truth or (page.text and page.label_origin == "synthetic"):
            yield dataclasses.replace(page, text=None, label_origin=None, truth=page.truth or page.text)


@contextlib.contextmanager
def _store() -> Iterator[Store]:
    """A store that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="medocr-") as folder, Store(Path(folder) / "answers.sqlite") as store:
        yield store
