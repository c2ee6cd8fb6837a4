"""`python -m tests.bench.kills`: a smoke run, and a reading of its pages, each killed at random times and begun again.

Kept in results/bench/kills.json: whether adapter, merged model, scores and readings are those of a run left alone, byte
for byte, and whether anything is left behind: in data/ and results/, or among temporary files.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from medocr import storage

OUT = Path(__file__).parents[2] / "results/bench/kills.json"
RUN_KILLS, READ_KILLS = 22, 8
SEED = 3407
MADE = ("adapter/adapter_model.safetensors", "merged/model.safetensors")
SCORES = {"metrics.json": ("scores", "comparisons"), "merge.json": ("scores",)}
PASSING = (".sqlite-wal", ".sqlite-shm", ".hashes.json")  # there or not as SQLite and the runner's cache please


def main() -> None:
    """Both commands, left alone and killed."""
    with tempfile.TemporaryDirectory() as folder:
        alone, killed = Path(folder, "alone"), Path(folder, "killed")
        seconds, _ = _start(_run(alone), alone, None)
        kills = _disturb(_run(killed), killed, RUN_KILLS, seconds / 3)
        run = {"seconds": seconds, "kills": kills, **_compared(alone, killed, "smoke")}
        print(run, flush=True)
        scans = _scans(alone / "data/smoke/test.parquet", Path(folder, "scans"))
        model = alone / "data/smoke/merged"
        seconds, _ = _start(_read(alone, model, scans), alone, None)
        kills = _disturb(_read(killed, model, scans), killed, READ_KILLS, seconds)
        same = _lines(alone / "pages.jsonl") == _lines(killed / "pages.jsonl")
        read = {"seconds": seconds, "kills": kills, "same_lines": same, "left_behind": _left_behind(killed)}
        print(read, flush=True)
    storage.write_record(OUT, kills=RUN_KILLS + READ_KILLS, run=run, read=read)


def _run(out: Path) -> list[str]:
    return ["run", "smoke", "--out", str(out)]


def _read(out: Path, model: Path, scans: Path) -> list[str]:
    return ["read", str(model), str(scans), "--out", str(out / "pages.jsonl")]


def _start(command: list[str], out: Path, kill_after: float | None) -> tuple[float, bool]:
    """Run a command to its end, or kill it; returns how long it ran, and whether it was killed.

    Raises RuntimeError where it fails by itself.
    """
    temporary = out / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "medocr", *command], env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    killed = False
    try:
        process.wait(kill_after)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)  # the runner alone: its kernel is to notice
        killed = True
    if process.wait() and not killed:
        raise RuntimeError(f"medocr {command[0]} ended with {process.returncode}")
    return round(time.monotonic() - started, 1), killed


def _disturb(command: list[str], out: Path, count: int, longest: float) -> list[dict]:
    """Kill a command so often, each time after a random while, then let it end; returns when, and what was finished.

    What ends before it is killed is begun anew: a run from a stage drawn at random, a reading from its first page.
    """
    draw, kills, anew = random.Random(SEED), [], []
    while len(kills) < count:
        seconds, killed = _start([*command, *anew], out, draw.uniform(0.5, longest))
        anew = []
        if killed:
            kills.append({"after_s": seconds, "records": sorted(path.stem for path in out.glob("data/smoke/*.json"))})
        elif command[0] == "run":
            anew = ["--from", draw.choice(["02", "03", "04", "05", "06"])]
        else:
            (out / "pages.jsonl").unlink()
    _start(command, out, None)
    return kills


def _compared(alone: Path, killed: Path, name: str) -> dict:
    one, other = (out / "data" / name for out in (alone, killed))
    scores = [_scores(one, record, keys) == _scores(other, record, keys) for record, keys in SCORES.items()]
    return {
        "same_bytes": {file: _hash(one / file) == _hash(other / file) for file in MADE},
        "same_scores": all(scores),
        "left_behind": sorted(_files(killed) - _files(alone)) + _left_behind(killed),
    }


def _scores(folder: Path, record: str, keys: tuple[str, ...]) -> list:
    """The tables of a record, without how long reading took."""
    content = json.loads((folder / record).read_text())
    return [[row for row in content[key] if row["metric"] != "seconds"] for key in keys]


def _files(out: Path) -> set[str]:
    found = (path.relative_to(out).as_posix() for part in ("data", "results") for path in (out / part).rglob("*"))
    return {name for name in found if not name.endswith(PASSING) and "/checkpoints/" not in name}


def _left_behind(out: Path) -> list[str]:
    """Temporary files of all kinds that are still there when a command has ended."""
    half = [path.relative_to(out).as_posix() for path in out.rglob(".*.tmp")]
    return sorted(half + [path.name for path in (out / "tmp").iterdir() if path.name.startswith("medocr-")])


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _scans(pages: Path, folder: Path) -> Path:
    folder.mkdir()
    for number, row in enumerate(pq.read_table(pages, columns=["image"]).slice(0, 12).to_pylist()):
        (folder / f"{number:02}.png").write_bytes(row["image"]["bytes"])
    return folder


def _lines(path: Path) -> list[dict]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


if __name__ == "__main__":
    main()
