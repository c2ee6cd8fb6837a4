"""`python -m tests.bench.faults [online] [batch]`: pages through two faulty servers, one by one and in batches.

Kept in results/bench/faults.json; each way is once left alone and once killed ten times. The servers meet requests,
pages, calls about files and lines of a batch's output with the faults of `tests.loopback_pages`; one stops accepting
its key half-way, and both limit their rate. They count for themselves what they were asked: after every kill it is seen
whether a page in the store was asked for again.
"""

import argparse
import concurrent.futures
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from medocr import storage, transcribe
from medocr.demo.loopback import MODEL, digest
from medocr.transcribe import batch
from tests.loopback_pages import ENDS, LINES, REPLIES, REQUESTS, Loopback, Server, pages, shares

OUT = Path(__file__).parents[2] / "results/bench/faults.json"
PAGES = {"online": 2_000, "batch": 500}
KILLS, IN_FLIGHT = 10, 16
PER_MINUTE, WINDOW_S = 1_800, 5  # each server's limit, counted over any so many seconds
PER_BATCH = 50  # pages: ten batches
MOST_RUNS = 9  # until every page has an end: a run sets pages aside that failed too often, and the next asks again
SEED = 3407


def main(ways: Sequence[str] = ()) -> None:
    """These ways, both where none is named; the file's rows of the other are kept."""
    ways = ways or tuple(PAGES)
    kept = json.loads(OUT.read_text())["rows"] if OUT.exists() and len(ways) < len(PAGES) else []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:  # both wait most of the time
        made = [row for rows in pool.map(_twice, ways) for row in rows]
    rows = [*(row for row in kept if row["way"] not in ways), *made]
    kinds = len({kind for row in rows for kind in row["faults"]})
    about = {"pages": PAGES["online"], "in_flight": 2 * IN_FLIGHT, "fault_kinds": kinds}
    storage.write_record(OUT, **about, rows=rows)


def _online() -> list[Server]:
    settings = {
        "faults": shares(REQUESTS, 0.3) | shares(ENDS, 0.25),
        "replies": REPLIES,
        "requests_per_minute": PER_MINUTE,
        "window_s": WINDOW_S,
        "median_s": 0.2,
    }
    return [Server(**settings, revoked_after=PAGES["online"] // 3), Server(**settings)]


def _batched() -> list[Server]:
    lines, calls = shares([*LINES, "500"], 0.2) | shares(ENDS, 0.25), {*REQUESTS} - {"hang", "drip", "429_retry_after"}
    settings = {"faults": lines, "call_faults": shares(sorted(calls), 0.3), "replies": REPLIES}
    return [Server(**settings, seed=0), Server(**settings, seed=1)]


def _twice(way: str) -> list[dict]:
    """Left alone, and killed: what was counted each time."""
    rows, servers = [], {"online": _online, "batch": _batched}[way]()
    for kills in (0, KILLS):
        with Loopback(pages(PAGES[way]), servers) as loopback, tempfile.TemporaryDirectory() as folder:
            work = rows[0]["calls" if way == "batch" else "answers"] if rows else PAGES[way]
            rows.append(_run(loopback, Path(folder) / "answers.sqlite", kills, way, work))
        print(rows[-1], flush=True)
    return rows


def _run(loopback: Loopback, store: Path, kills: int, way: str, work: int) -> dict:
    """One run to its end, killed so often on the way; returns what was counted."""
    command = [sys.executable, "-m", "tests.bench.faults", way, "--store", str(store), "--addresses"]
    command += loopback.addresses
    draw, started, seen = random.Random(SEED), time.monotonic(), []
    for mark in sorted(draw.sample(range(work // 20, work - work // 20), kills)):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and _done(loopback, way) < mark:
            time.sleep(0.02)
        process.kill()
        process.wait()
        seen.append(_asked(loopback, store, way))
    for runs in range(1, MOST_RUNS + 1):  # noqa: B007
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seen.append(_asked(loopback, store, way))
        ended = json.loads(shown.splitlines()[-1])
        if not ended["reasons"].get("transcription_failed"):
            break
    row = {"way": way, "pages": PAGES[way], "kills": kills, "last_runs": runs}
    return row | {"seconds": round(time.monotonic() - started, 1), **ended} | _counted(loopback, seen, kills, way)


def _done(loopback: Loopback, way: str) -> int:
    return sum(server["calls" if way == "batch" else "answers"] for server in loopback.stats())


def _asked(loopback: Loopback, store: Path, way: str) -> dict[tuple, int]:
    """What is in the store, and how often the servers were asked for it until now.

    One by one a page is read by whoever comes first, so that it counts whichever server was asked. In batches the
    second provider is for what the first could not read, so that each server's pages count by themselves.
    """
    if not store.exists():
        return {}
    counted = _by_key(loopback, "asked", way)
    with transcribe.Store(store) as opened:
        stored = list(opened._db.execute("SELECT DISTINCT provider, image FROM answers"))
    names = {page.id: digest(page.image) for page in pages(PAGES[way])}
    keys = {_key(int(provider.rpartition("-")[2]), names[image], way) for provider, image in stored}
    return {key: counted[key] for key in keys}


def _by_key(loopback: Loopback, what: str, way: str) -> Counter:
    counts: Counter = Counter()
    for number, server in enumerate(loopback.stats()):
        for page, count in server[what].items():
            counts[_key(number, page, way)] += count
    return counts


def _key(server: int, page: str, way: str) -> tuple:
    return (server, page) if way == "batch" else (page,)


def _counted(loopback: Loopback, seen: list[dict], kills: int, way: str) -> dict:
    counted, answered, last = loopback.stats(), _by_key(loopback, "pages", way), _by_key(loopback, "asked", way)
    again = {key for asked in seen for key, count in asked.items() if last[key] > count}
    return {
        "requests": sum(server["requests"] for server in counted),
        "calls": sum(server["calls"] for server in counted),
        "answers": answered.total(),
        "asked_once_stored": len(again),
        "paid_twice": sum(max(0, count - 1) for count in answered.values()),
        "most_that_may_be": kills * (PER_BATCH if way == "batch" else 2 * IN_FLIGHT),
        "over_the_limit": sum(server["over_limit"] for server in counted),
        "faults": {kind: sum(s["faults"].get(kind, 0) for s in counted) for s in counted for kind in s["faults"]},
    }


def client(store: Path, addresses: list[str], way: str) -> dict:
    """Transcribe all pages, or what the store lacks of them; returns how they ended."""
    batch.MOST_PAGES = PER_BATCH
    settings = {"may_receive": True, "in_flight": IN_FLIGHT, "timeout_s": 10, "batch": way == "batch"}
    settings["requests_per_minute"] = PER_MINUTE
    providers = [transcribe.OpenAIProvider(f"server-{n}", to, MODEL, **settings) for n, to in enumerate(addresses)]
    with transcribe.Store(store) as opened:
        labelled, report = transcribe.transcribe(pages(PAGES[way]), providers, opened, progress=False)
        labels = {page.id: page.text == page.truth for page in labelled}
    ended = labels.keys() | {row["id"] for row in report["set_aside"]}
    return {
        "labelled": len(labels),
        "wrong_labels": sum(not right for right in labels.values()),
        "lost": PAGES[way] - len(ended),
        "reasons": report["reasons"],
        "dropped": [row["dropped"] for row in report["providers"]],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", metavar="|".join(PAGES))  # Python 3.11 finds no choice in none
    parser.add_argument("--store", type=Path)
    parser.add_argument("--addresses", nargs="+")
    chosen = parser.parse_args()
    if chosen.store:
        print(json.dumps(client(chosen.store, chosen.addresses, chosen.ways[0])))
    else:
        main(chosen.ways)
