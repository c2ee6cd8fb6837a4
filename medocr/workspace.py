"""Where a notebook works when someone runs it by hand: never in a finished run, and with what it reads at hand."""

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
READ = ".read.json"  # record → the files that its notebook read, each with its hash; records are known by theirs


def enter(data: str | Path, record: str, reads: Sequence[str] = ()) -> Path:
    """The folder `data` for a notebook that reads the files `reads` there, and writes `record` and more.

    Where none of `reads` is there, all are copied from a finished run beside `data` (demo or smoke); where there is
    none, a small one is made first, in two minutes. Raises ValueError where the stage's finished result would be lost,
    where some of `reads` are missing, since those of another run do not belong to what lies there, and where the
    notebook of a record among `reads` read other files than lie there now: an adapter may have seen the test pages.
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
    read = storage.read_json(data / READ) if (data / READ).is_file() else {}
    if missing:
        read |= _bring(data, reads)
    for name in set(reads) & set(read):
        others = [
            file
            for file, known in read[name].items()
            if (data / file).exists() and storage.file_hash(data / file) != known
        ]
        if others:
            raise ValueError(
                f"{data / name} was made from another {', '.join(others)} than lies there now: run the notebook that "
                "writes it again first"
            )
    files = (name for name in reads if not name.endswith(".json"))  # records also say when they were made
    storage.write_json(data / READ, {**read, record: {name: storage.file_hash(data / name) for name in files}})
    return data


def _bring(data: Path, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Copy the files from a finished run; returns what of the copied records READ holds."""
    made = data / "made/data/smoke"
    places = [*(data.parent / name for name in FINISHED), made]
    place = next((place for place in places if all((place / name).exists() for name in names)), None)
    if place is None:
        print("No finished run lies here, so a small one is made first: about two minutes.", flush=True)
        command = [sys.executable, "-m", "medocr", "run", "smoke", "--out", str(data / "made")]
        subprocess.run(command, check=True)
        place = made
    read = {}
    for name in names:
        storage.remove(data / name, data)
        if (place / name).is_dir():
            shutil.copytree(place / name, data / name)
        elif not name.endswith(".json"):
            shutil.copy(place / name, data / name)
        else:  # without its seal, so that the copy may be overwritten
            record = storage.read_json(place / name)
            sealed = record.pop(SEAL, {}).get("reads", {})
            storage.write_json(data / name, record)
            lying = {file for file in sealed if file not in names and (data / file).exists()}  # no copy, made here
            read[name] = {file: sealed[file] for file in sealed.keys() - lying if file.endswith(".parquet")}
    print(f"Copied from {place}: {', '.join(names)}")
    return read
