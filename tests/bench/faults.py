"""`python -m tests.bench.faults`: 2,000 pages through two faulty servers, once left alone and once killed ten times.

Kept in results/bench/faults.json. The servers mix 429 (with and without Retry-After), 500, 503, broken connections,
hangs, invalid JSON, plain-text errors, empty choices, refusals, cut-off and duplicated answers; one stops accepting
its key half-way, and both limit their rate. They count for themselves what they were asked.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from medocr import storage, transcribe
from medocr.demo.loopback import MODEL, Loopback
from tests.loopback_pages import faulty, pages

OUT = Path(__file__).parents[2] / "results/bench/faults.json"
PAGES, KILLS, IN_FLIGHT = 2_000, 10, 16
PER_MINUTE, WINDOW_S = 1_800, 5  # each server's limit, counted over any so many seconds
SEED = 3407


def main() -> None:
    settings = {"median_s": 0.2, "sigma": 0.5, "requests_per_minute": PER_MINUTE, "window_s": WINDOW_S}
    servers = [faulty(0, **settings, revoked_after=PAGES // 3), faulty(0, **settings)]
    rows, ends = [], []
    for kills in (0, KILLS):
        with Loopback(pages(PAGES), servers) as loopback, tempfile.TemporaryDirectory() as folder:
            row, end = _run(loopback, Path(folder) / "answers.sqlite", kills)
        rows.append(row)
        ends.append(end)
        print(row, flush=True)
    same = sum(ends[0][page] == ends[1][page] for page in ends[0])
    storage.write_record(OUT, pages=PAGES, in_flight=2 * IN_FLIGHT, rows=rows, pages_with_the_same_end=same)
    print(f"{same} of {PAGES} pages ended the same")


def _run(loopback: Loopback, store: Path, kills: int) -> tuple[dict, dict]:
    """One run to its end, killed so often on the way; returns what was counted, and each page's end."""
    command = [sys.executable, "-m", "tests.bench.faults", "--store", str(store), "--addresses", *loopback.addresses]
    draw, started = random.Random(SEED), time.monotonic()
    marks = sorted(draw.sample(range(PAGES // 20, PAGES - PAGES // 20), kills))
    for mark in marks:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and sum(s["answers"] for s in loopback.stats()) < mark:
            time.sleep(0.02)
        process.kill()
        process.wait()
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    counted = loopback.stats()
    answered = [page for server in counted for page, count in server["pages"].items() for _ in range(count)]
    return {
        "kills": kills,
        "seconds": round(time.monotonic() - started, 1),
        "labelled": found["labelled"],
        "set_aside": found["reasons"],
        "requests": sum(server["requests"] for server in counted),
        "answers": len(answered),
        "paid_twice": len(answered) - len(set(answered)),
        "most_that_may_be": kills * 2 * IN_FLIGHT,
        "over_the_limit": sum(server["over_limit"] for server in counted),
        "faults": {kind: sum(s["faults"].get(kind, 0) for s in counted) for s in counted for kind in s["faults"]},
        "dropped": found["dropped"],
    }, found["ends"]


def client(store: Path, addresses: list[str]) -> dict:
    """Transcribe all pages, or what the store lacks of them."""
    settings = {"may_receive": True, "in_flight": IN_FLIGHT, "timeout_s": 4, "requests_per_minute": PER_MINUTE}
    providers = [transcribe.OpenAIProvider(f"server-{n}", to, MODEL, **settings) for n, to in enumerate(addresses)]
    with transcribe.Store(store) as opened:
        labelled, report = transcribe.transcribe(pages(PAGES), providers, opened, progress=False)
        ends = {page.id: page.text for page in labelled} | {row["id"]: row["reason"] for row in report["set_aside"]}
    dropped = [row["dropped"] for row in report["providers"]]
    return {"labelled": report["labelled"], "reasons": report["reasons"], "dropped": dropped, "ends": ends}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--addresses", nargs="+")
    chosen = parser.parse_args()
    if chosen.store:
        print(json.dumps(client(chosen.store, chosen.addresses)))
    else:
        main()
