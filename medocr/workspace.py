"""Where a notebook works when someone runs it by hand: never in a finished run, and with what it reads at hand."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import storage

HEADLESS = "MEDOCR_HEADLESS"  # set by the runner, which looks after its folders itself
SEAL = "made_from"  # what the runner adds to the record of a finished stage
FINISHED = ("demo", "smoke")  # runs that a notebook may take its inputs from


def enter(data: str | Path, record: str, reads: Sequence[str] = ()) -> Path:
    """The folder `data` for a notebook that reads the files `reads` there, and writes `record` and more.

    Where none of `reads` is there, all are copied from a finished run beside `data` (demo or smoke); where there is
    none, a small one is made first, in two minutes. Raises ValueError where the stage's finished result would be lost,
    and where some of `reads` are missing: those of another run do not belong to what lies there.
    """
    data = Path(data)
    if HEADLESS in os.environ:
        return data
    if (data / record).is_file() and SEAL in storage.read_json(data / record):
        raise ValueError(
            f"{data} holds a finished run, which this notebook would overwrite: leave `data` at '../data/scratch', "
            f"which gets a copy of what is read; or delete {data / record} first, if the run may be lost"
        )
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    missing = [name for name in reads if not (data / name).exists()]
    if missing and len(missing) < len(reads):
        raise ValueError(
            f"{data} lacks {', '.join(missing)}: run here first the notebooks that write this, or give a `data` of its "
            f"own, which gets a copy of all that is read"
        )
    if missing:
        _bring(data, reads)
    return data


def _bring(data: Path, names: Sequence[str]) -> None:
    made = data / "made/data/smoke"
    places = [*(data.parent / name for name in FINISHED), made]
    place = next((place for place in places if all((place / name).exists() for name in names)), None)
    if place is None:
        print("No finished run lies here, so a small one is made first: about two minutes.", flush=True)
        command = [sys.executable, "-m", "medocr", "run", "smoke", "--out", str(data / "made")]
        subprocess.run(command, check=True)
        place = made
    for name in names:
        _copy(place / name, data / name, data)
    print(f"Copied from {place}: {', '.join(names)}")


def _copy(source: Path, target: Path, inside: Path) -> None:
    """Copy a file or folder; a record without its seal, so that the copy may be overwritten."""
    storage.remove(target, inside)
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.suffix == ".json":
        record = json.loads(source.read_text())
        storage.write_json(target, {name: value for name, value in record.items() if name != SEAL})
    else:
        shutil.copy(source, target)
