"""`python -m tests.bench.rerun`: transcribing 100,000 pages again, with nothing to do; results/bench/rerun.json.

The time and the highest memory of the whole process, beside those of a hundredth of the pages.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from medocr import schema, storage, transcribe
from medocr.transcribe import Agreement, Answer, OpenAIProvider
from tests.loopback_pages import pages

OUT = Path(__file__).parents[2] / "results/bench/rerun.json"
COUNTS = (1_000, 100_000)
IMAGE_BYTES = 20_000  # of every page's file, most of them filling


def main() -> None:
    rows = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            bytes_on_disk = _fill(Path(folder), count)
            command = [sys.executable, "-m", "tests.bench.rerun", "--folder", folder]
            made = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append({"pages": count, "megabytes_of_pages": round(bytes_on_disk / 1e6), **json.loads(made.stdout)})
        print(rows[-1], flush=True)
    storage.write_record(OUT, rows=rows)


def provider() -> OpenAIProvider:
    return OpenAIProvider("one", "https://example.org/v1", "m", may_receive=True)


def _fill(folder: Path, count: int) -> int:
    few = pages(1_000)
    filling = bytes(IMAGE_BYTES)

    def numbered():
        for number in range(count):
            page = few[number % len(few)]
            yield schema.Page(page.image + filling, f"page#{number}", "test", id=f"{number:064}")

    storage.write(folder / "pages.parquet", numbered())
    with transcribe.Store(folder / "answers.sqlite") as store:
        store._db.execute("BEGIN")
        for number in range(count):
            text = few[number % len(few)].truth
            store.put(provider(), f"{number:064}", Answer(text, seconds=0.4, prompt_tokens=700, answer_tokens=30))
        store._db.execute("COMMIT")
    return (folder / "pages.parquet").stat().st_size


def rerun(folder: Path) -> dict:
    started = time.perf_counter()
    with transcribe.Store(folder / "answers.sqlite") as store:
        stored = storage.read(folder / "pages.parquet")
        _, report = transcribe.transcribe(stored, [provider()], store, agreement=Agreement(0.0), progress=False)
    seconds = time.perf_counter() - started
    return {
        "asked": report["read"],
        "from_store": report["from_store"],
        "seconds": round(seconds, 2),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    if chosen.folder:
        print(json.dumps(rerun(chosen.folder)))
    else:
        main()
