"""`python -m tests.bench.mutations`: the faults of mutations.toml, each put into a copy of the package on its own.

Kept in results/bench/mutations.json: how many of them the tests that are named there see, and which they do not.
"""

import concurrent.futures
import os
import queue
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from medocr import storage

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results/bench/mutations.json"
COPIED = ("medocr", "tests", "notebooks", "pyproject.toml", "README.md", "results")
JOBS = 2
LONGEST_S = 1800  # a fault that makes its tests hang is one that they see


def main() -> None:
    """Try every mutation; raises RuntimeError where a file's tests fail without one."""
    listed = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        copies = queue.SimpleQueue()
        for number in range(JOBS):
            copies.put(_copy(Path(folder, str(number))))
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            whole = list(pool.map(lambda name: _tried(copies, name, ["", ""], listed[name]["tests"]), listed))
            if failing := [row["file"] for row in whole if row["killed"]]:
                raise RuntimeError(f"tests of {', '.join(failing)} fail as the code is")
            asked = [(name, *change, part["tests"]) for name, part in listed.items() for change in part["changes"]]
            rows = list(pool.map(lambda one: _tried(copies, one[0], one[1:3], one[3]), asked))
    killed = sum(row["killed"] for row in rows)
    survivors = [row for row in rows if not row["killed"]]
    share = round(killed / len(rows), 4)
    storage.write_record(OUT, mutations=len(rows), killed=killed, share=share, survivors=survivors, rows=rows)
    print(f"{killed} of {len(rows)} killed")


def _copy(folder: Path) -> Path:
    folder.mkdir()
    for name in COPIED:
        source, target = ROOT / name, folder / name
        shutil.copytree(source, target, symlinks=True) if source.is_dir() else shutil.copy(source, target)
    return folder


def _tried(copies: queue.SimpleQueue, name: str, change: list[str], tests: str) -> dict:
    """One change in a copy, and whether its tests fail. Raises ValueError where the file does not hold the old text."""
    old, new = change
    folder, started = copies.get(), time.monotonic()
    path = folder / name
    before = path.read_text()
    if old not in before:
        raise ValueError(f"{name} does not hold {old!r}: bring mutations.toml up to date")
    try:
        path.write_text(before.replace(old, new, 1))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*command, *shlex.split(tests)], cwd=folder, env=environment, capture_output=True, text=True,
            timeout=LONGEST_S,
        )  # fmt: skip
        seen = next((line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
        killed = bool(done.returncode)
    except subprocess.TimeoutExpired:
        seen, killed = "its tests did not end", True
    finally:
        path.write_text(before)
        copies.put(folder)
    row = {"file": name, "old": old, "new": new, "killed": killed, "by": seen.partition(" - ")[0][:160]}
    print(
        ("killed   " if killed else "SURVIVES "),
        row["file"],
        repr(old[:70]),
        round(time.monotonic() - started),
        flush=True,
    )
    return row


if __name__ == "__main__":
    main()
