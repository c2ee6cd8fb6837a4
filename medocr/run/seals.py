"""The seal on a stage's record: what it was made from, the hashes of all that it wrote, and by whom.

Only a sealed stage is finished. Before it is skipped, and before another reads what it wrote, the hashes are compared.
"""

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from .. import storage
from .profile import STAGES, Run, Stage

CACHE = ".hashes.json"
ADDED = ("made_from", "made", "seconds", "wrote")  # to the record that a notebook wrote
ABOUT = (*ADDED, "commit", "machine", "versions")  # of how a record came about; the rest is what it says


class Hashes:
    """sha256 of files in a folder, each computed once and again when its size or time of change says so.

    `verify` computes all anew, for a change that keeps both.
    """

    def __init__(self, folder: Path, verify: bool = False) -> None:
        self.folder, self.cache = folder, {}
        if not verify:
            with contextlib.suppress(OSError, ValueError):
                self.cache = json.loads((folder / CACHE).read_text())

    def of(self, name: str) -> str:
        """A file's hash; of a folder's files together; of a record, what it says and not how it came about."""
        path = self.folder / name
        if path.is_dir():
            return content_hash([(file, self.of(file)) for file in files(self.folder, name)])
        state = [path.stat().st_size, path.stat().st_mtime_ns]
        if self.cache.get(name, [None])[:-1] != state:
            if any(name == stage.record for stage in STAGES):
                said = {key: value for key, value in storage.read_json(path).items() if key not in ABOUT}
                self.cache[name] = [*state, content_hash(said)]
            else:
                self.cache[name] = [*state, storage.file_hash(path)]
        return self.cache[name][-1]

    def save(self) -> None:
        storage.write_json(self.folder / CACHE, self.cache)


def files(folder: Path, name: str) -> list[str]:
    """The files that a name in a stage's table stands for: itself, or all in the folder that it is."""
    path = folder / name
    if not path.is_dir():
        return [name]
    return sorted(child.relative_to(folder).as_posix() for child in path.rglob("*") if child.is_file())


def finished(folder: Path, stage: Stage) -> dict | None:
    """The stage's sealed record, or None while there is none or anything that it wrote is missing."""
    with contextlib.suppress(OSError, ValueError):
        record = json.loads((folder / stage.record).read_text())
        if all(name in record for name in ADDED) and all((folder / name).exists() for name in stage.writes):
            return record
    return None


def seal(folder: Path, stage: Stage, hashes: Hashes, **added) -> dict:
    """Seal what a stage wrote; returns its record. Raises ValueError where something is missing."""
    names = (*stage.writes, stage.record)
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise ValueError(f"{stage.notebook} ran but did not write {', '.join(missing)}")
    wrote = {file: hashes.of(file) for name in names for file in files(folder, name)}
    record = {**json.loads((folder / stage.record).read_text()), **added, "wrote": wrote}
    storage.write_json(folder / stage.record, record)
    hashes.save()
    return record


def damage(folder: Path, stage: Stage, hashes: Hashes) -> list[str]:
    """The files of a finished stage that are no longer what it wrote, each with what is wrong."""
    record, changes = finished(folder, stage) or {"wrote": {}}, []
    for name, known in record["wrote"].items():
        if not (folder / name).is_file():
            changes.append(f"{name} is missing")
        elif hashes.of(name) != known:
            changes.append(f"{name} has changed")
    return changes


def outdated(folder: Path, stage: Stage, hashes: Hashes) -> list[str]:
    """What a finished stage was made from that is no longer what lies there."""
    reads = (finished(folder, stage) or {"made_from": {"reads": {}}})["made_from"]["reads"]
    there = [name for name in stage.reads if name in reads and (folder / name).exists()]
    return [f"was made from another {name}" for name in there if hashes.of(name) != reads[name]]


def check(run: Run, stages: Sequence[Stage], hashes: Hashes, alone: bool = False) -> None:
    """Raise ValueError, naming all damage and what to do, where these stages' files are not what they wrote.

    With `alone`, these stages are not run again, so that none may have been made from what has changed since.
    """
    changed = {s: damage(run.data, s, hashes) + (outdated(run.data, s, hashes) if alone else []) for s in stages}
    damaged = {stage: changes for stage, changes in changed.items() if changes}
    hashes.save()
    if damaged:
        listed = "\n".join(f"- {stage.notebook}: {', '.join(changes)}" for stage, changes in damaged.items())
        raise ValueError(
            f"files in {run.data} are not what their stages wrote, or were made from others:\n{listed}\nPut "
            f"them back, or make them anew with --from {next(iter(damaged)).notebook[:2]}"
        )


def content_hash(content: object) -> str:
    """sha256 of what JSON can say."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
