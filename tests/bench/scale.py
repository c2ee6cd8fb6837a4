"""`python -m tests.bench.scale`: blocks of documents, many and more, and on a cluster that loses a node.

Tiny drawn pages, one a document, read by a stub that takes no time: what is measured is everything around the reading.
`grow` gives CPU seconds per page and peak memory by one process for more and more pages; `cluster` digitises pages on
two nodes that Ray simulates on this machine, kills one of them and then the driver, starts the driver again, and counts
each page in what was written. Written to results/bench/scale.json, each part as soon as it is measured, beside the
others there; `not_run` has the numbers of pages by default that no part was measured with.
"""

import argparse
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from medocr import storage
from medocr.digitize import blocks
from medocr.digitize.readers import Reader
from medocr.read import PageRecord

OUT = Path(__file__).parents[2] / "results/bench/scale.json"
CLUSTER, GROWTH = 10_000, (1_000, 10_000, 100_000)
READERS = 2
PAGES = 10_000_000
SHARE_OF_PEAK = 0.4  # of a card's matrix rate that reading is taken to reach: an assumption
CARDS = {"NVIDIA L4": 121.0, "NVIDIA H100": 989.0}  # bf16 TFLOP/s without sparsity, by NVIDIA's data sheets
KILL_NODE, KILL_DRIVER = 0.2, 0.5  # shares of the blocks that are written by then


def draw(folder: Path, count: int) -> None:
    """Write `count` pages of 64 × 48 px, each another."""
    folder.mkdir(parents=True)
    for number in range(count):
        pattern = hashlib.sha256(str(number).encode()).digest()
        Image.frombytes("L", (32, 1), pattern).resize((64, 48)).save(folder / f"{number:06}.png")


class Stub:
    """Reads nothing: it makes up a text of the page's hash, and notes in `log` that it was asked."""

    def __init__(self, log: Path | None = None) -> None:
        self.log = log
        self.asked_at: list[float] = []  # CPU seconds of this process

    def __call__(self) -> Reader:
        return Reader("stub", "0" * 64, self.read)

    def read(self, items: Iterable) -> Iterator[tuple]:
        """Two lines, sure enough to need no look."""
        for item in items:
            self.asked_at.append(time.process_time())
            if self.log:
                with (self.log / f"{os.getpid()}.txt").open("a") as file:
                    file.write(f"{item.id}\n")
            texts = (f"Patient: Ann {item.id[:6]}", f"Glucose {int(item.id[:2], 16)} mg/dL 70-99")
            lines = [{"text": text, "box": (0, 0, 10, 10), "confidence": 0.9} for text in texts]
            yield item, PageRecord("\n".join(texts), lines, 0, 0.9, 0.9, "stop", 0.0)


def grow(count: int) -> dict:
    """What so many pages take one process."""
    with tempfile.TemporaryDirectory() as work:
        draw(Path(work) / "in", count)
        command = [sys.executable, "-m", "tests.bench.scale", "--alone", work]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"pages": count, **json.loads(done.stdout.splitlines()[-1])}


def alone(work: Path) -> None:
    """Digitise in this process, and print what it took. CPU seconds do not depend on who else is at work."""
    draw(work / "first", 1)
    blocks.run(Stub(), [work / "first"], work / "first-out")  # what is imported once is not counted
    stub, began = Stub(), time.process_time()
    made = blocks.run(stub, [work / "in"], work / "out")
    per_page = (time.process_time() - began) / made
    first, last = (stub.asked_at[part][-1] - stub.asked_at[part][0] for part in (slice(1000), slice(-1000, None)))
    peak = int(
        re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]
    )  # rusage has the parent's as well
    about = {"documents": made, "cpu_ms_per_page": 1000 * per_page, "peak_memory_mb": peak * 1024 / 1e6}
    about["last_thousand_pages_over_the_first"] = last / first
    print(json.dumps({**about, "bytes_per_page_without_picture": stored(work) / made}))


def stored(work: Path) -> int:
    """Bytes of all block files, without the pages' pictures in them, which are as large as the scans are."""
    total = 0
    for file in (work / "out/blocks").glob("*.zip"):
        with zipfile.ZipFile(file) as packed:
            pictures = [entry.compress_size for entry in packed.infolist() if entry.filename.startswith("pages/")]
        total += file.stat().st_size - sum(pictures)
    return total


def cluster(count: int) -> dict:
    """Two simulated nodes, one killed, then the driver; each page has to be there once."""
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        draw(work / "in", count)
        (work / "log").mkdir()
        total = len(list(blocks.blocks(blocks.sources.find([work / "in"]), Stub()().about)))
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        try:
            lost = [nodes.add_node(num_cpus=2), nodes.add_node(num_cpus=2)][1]
            began = time.perf_counter()
            first = driver(work, nodes.address)
            wait_for(work, first, KILL_NODE * total)
            nodes.remove_node(lost, allow_graceful=False)
            wait_for(work, first, KILL_DRIVER * total)
            first.send_signal(signal.SIGKILL)
            first.wait()
            before = written(work)
            second = driver(work, nodes.address)
            if second.wait():
                raise RuntimeError("the second driver failed")
        finally:
            nodes.shutdown()
        about = {"pages": count, "blocks": total, "blocks_before_driver_was_killed": before}
        return {**about, **counted(work), "seconds": time.perf_counter() - began}


def driver(work: Path, address: str) -> subprocess.Popen:
    """A process that maps the blocks over the cluster."""
    return subprocess.Popen([sys.executable, "-m", "tests.bench.scale", "--driver", str(work), "--address", address])


def drive(work: Path, address: str) -> None:
    """What the driver's process does."""
    import ray

    ray.init(address=address, logging_level="ERROR", log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    blocks.run(Stub(work / "log"), [work / "in"], work / "out", readers=READERS)


def written(work: Path) -> int:
    """Blocks whose files are there."""
    return sum(1 for _ in (work / "out/blocks").glob("*.zip"))


def wait_for(work: Path, process: subprocess.Popen, blocks_written: float) -> None:
    """Wait until so many blocks are written. Raises RuntimeError where the driver ends before."""
    while written(work) < blocks_written:
        if process.poll() is not None:
            raise RuntimeError("the driver ended too early: more pages are needed")
        time.sleep(0.2)


def counted(work: Path) -> dict:
    """How often each page is in what was written, and how often it was read."""
    there: Counter = Counter()
    for file in (work / "out/blocks").glob("*.zip"):
        with zipfile.ZipFile(file) as packed:
            documents = [name for name in packed.namelist() if re.fullmatch(r"documents/\w+\.json", name)]
            there.update(json.loads(packed.read(name))["source"] for name in documents)
    read = Counter(line for log in (work / "log").glob("*.txt") for line in log.read_text().split())
    return {
        "pages_written": len(there),
        "written_twice": sum(times > 1 for times in there.values()),
        "pages_read": len(read),
        "read_again": sum(times - 1 for times in read.values()),
        "files_half_written": sum(1 for _ in (work / "out/blocks").glob(".*")),
    }


def on_paper(growth: dict) -> dict:
    """Ten million pages: GPU hours by arithmetic alone, what goes on around the reading and storage as measured here.

    A page's floating point operations are those of results/gpu/l4.json (1,280 visual tokens, the answer's tokens read
    at once): writing an answer token by token is bound by memory, so that this is the least that a card can take.
    """
    computed = json.loads((OUT.parents[1] / "gpu/l4.json").read_text())["computed"]
    tflop = sum(computed["forward_tflop_per_page"].values())
    hours = {card: PAGES * tflop / (rate * SHARE_OF_PEAK) / 3600 for card, rate in CARDS.items()}
    return {
        "pages": PAGES,
        "tflop_per_page": tflop,
        "tflop_from": "results/gpu/l4.json, computed from the shapes; not measured on a card",
        "share_of_peak_taken": SHARE_OF_PEAK,
        "least_gpu_hours": hours,
        "cpu_hours_around_the_reading": PAGES * growth["cpu_ms_per_page"] / 3.6e6,
        "storage_gb_without_pictures": PAGES * growth["bytes_per_page_without_picture"] / 1e9,
        "from": "cpu_ms_per_page and bytes_per_page_without_picture of the last row of growth",
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=CLUSTER, help="of the cluster; 0 leaves it out")
    parser.add_argument("--growth", type=int, nargs="*", default=GROWTH, help="pages of one process after another")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--driver", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.alone or chosen.driver:
        return alone(chosen.alone) if chosen.alone else drive(chosen.driver, chosen.address)
    rows: list[dict] = []
    for count in chosen.growth:
        rows.append(grow(count))
        keep(growth=rows)
    if chosen.pages:
        keep(cluster=cluster(chosen.pages))


def keep(**part) -> None:
    """Print a part and write it beside those that were measured before."""
    print(part, flush=True)
    earlier = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
    parts = {name: earlier[name] for name in ("cluster", "growth") if name in earlier} | part
    if rows := parts.get("growth"):
        few, many = rows[0], rows[-1]
        parts["growth_of_time_per_page"] = many["cpu_ms_per_page"] / few["cpu_ms_per_page"]
        parts["growth_of_memory"] = many["peak_memory_mb"] / few["peak_memory_mb"]
        parts["on_paper"] = on_paper(many)
    made = {row["pages"] for row in rows or ()}
    parts["not_run"] = {"growth": [count for count in GROWTH if count not in made]}
    parts["not_run"]["cluster"] = [CLUSTER] if parts.get("cluster", {}).get("pages", 0) < CLUSTER else []
    storage.write_record(OUT, reader="a stub that takes no time", **parts)


if __name__ == "__main__":
    main()
