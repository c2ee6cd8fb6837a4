"""How results lie on disk: files written whole or not at all, Parquet of records, hashes, and who made them."""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import importlib.metadata
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .schema import Page

ROOT = Path(__file__).resolve().parents[1]  # the repository, where the package lies in one
VERSIONED = ("medocr", "torch", "transformers", "peft", "trl", "datasets", "rapidocr", "unsloth")


@contextlib.contextmanager
def atomic(path: str | Path, inside: Path | None = None) -> Iterator[Path]:
    """Give a temporary path beside `path` (for a file or a folder) that takes its name on success.

    Raises ValueError where `path` does not lie within `inside` (without it: the folder that is named as its parent).
    """
    path = Path(path)
    inside = path.parent if inside is None else inside
    check_inside(path, inside)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    remove(temporary, inside)
    try:
        yield temporary
        if temporary.is_dir():
            remove(path, inside)  # a folder cannot be renamed over one that holds files
        temporary.replace(path)
    finally:
        remove(temporary, inside)


@contextlib.contextmanager
def private() -> Iterator[None]:
    """What is written meanwhile is for this user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Environment variables that hold these values within; None takes one away."""
    before = {name: os.environ.get(name) for name in values}
    _set_environment(values)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def locked(folder: Path, busy: str = "", name: str = ".lock") -> Iterator[None]:
    """Nobody else works in `folder` meanwhile. Where somebody does, a ValueError says `busy`; without it one waits."""
    with (folder / name).open("a") as file:  # not "w", which would empty what a link leads to
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            raise ValueError(busy) from None
        yield


def check_inside(path: Path, inside: Path) -> None:
    """Raise ValueError unless `path`, with `..` and links to folders followed, lies strictly within `inside`."""
    place = path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()
    if not place.is_relative_to(inside.resolve()) or place == inside.resolve():
        raise ValueError(f"{path} does not lie within {inside}, so it is neither removed nor replaced")


def remove(path: Path, inside: Path) -> None:
    """Delete a file or a folder, if it is there; of a link only the link. All that medocr deletes goes through here.

    Raises ValueError where `path` does not lie strictly within the folder `inside`.
    """
    check_inside(path, inside)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what `atomic` was writing in a folder when its process was killed; nobody may be writing there now."""
    for path in [*folder.rglob(".*.tmp")]:
        if path.exists():
            remove(path, folder)


@functools.cache
def features(kind: type) -> typing.Any:
    """The `datasets.Features` of a record class: `bytes` is an image, `dict` is JSON text."""
    import datasets  # half a second to import

    stored = {str: "string", bool: "bool", int: "int32", float: "float32", dict: "string"}
    columns = {name: datasets.Value(stored[of]) for name, of in _types(kind).items() if of is not bytes}
    return datasets.Features({name: columns.get(name, datasets.Image()) for name in _types(kind)})


@functools.cache
def _types(kind: type) -> dict[str, type]:
    """The fields of a record class, in their order, each with its type; one that may be None has the other."""
    hints = typing.get_type_hints(kind)
    return {name: next((t for t in typing.get_args(of) if t is not type(None)), of) for name, of in hints.items()}


def write(path: str | Path, records: Iterable, kind: type = Page) -> int:
    """Write records of one dataclass as Parquet, atomically and without holding them all; returns how many."""
    arrow = features(kind).arrow_schema
    written = 0
    with atomic(path) as temporary, pq.ParquetWriter(temporary, arrow, write_page_checksum=True) as writer:
        for batch in batches(records, 64):
            rows = [_to_row(record) for record in batch]
            writer.write_table(pa.Table.from_pylist(rows, schema=arrow))
            written += len(rows)
    return written


@dataclasses.dataclass(frozen=True)
class Records:
    """The records of a Parquet file: read from it again by every loop, a few at a time, so that all need never fit."""

    path: Path
    kind: type
    left_out: tuple[str, ...] = ()

    def bare(self) -> "Records":
        """The same records without their images, which are most of the file: `b""` stands for each."""
        return dataclasses.replace(self, left_out=tuple(name for name, of in _types(self.kind).items() if of is bytes))

    def __len__(self) -> int:
        return pq.read_metadata(self.path).num_rows

    def __iter__(self) -> Iterator:
        with _undamaged(self.path), pq.ParquetFile(self.path, page_checksum_verification=True) as file:
            known = _types(self.kind).keys() - self.left_out
            columns = [name for name in file.schema_arrow.names if name in known]
            for batch in file.iter_batches(batch_size=64, columns=columns):
                yield from map(self._record, batch.to_pylist())

    def chosen(self, ids: Iterable[str]) -> list:
        """The records with these ids, in their order. Raises KeyError for an id that the file lacks."""
        ids = list(ids)
        with _undamaged(self.path):
            chosen = {"filters": [("id", "in", ids)], "page_checksum_verification": True}
            rows = pq.read_table(self.path, **chosen).to_pylist() if ids else []
        by_id = {row["id"]: row for row in rows}
        return [self._record(by_id[key]) for key in ids]

    def _record(self, row: dict):
        values = {}
        for name, of in _types(self.kind).items():
            if of is bytes:
                values[name] = row[name]["bytes"] if name in row else b""
            elif of is dict:
                values[name] = json.loads(row[name]) if row.get(name) else None
            elif name in row:
                values[name] = row[name]
        return self.kind(**values)


@contextlib.contextmanager
def _undamaged(path: str | Path) -> Iterator[None]:
    """Turn what Arrow raises for a broken file into a ValueError that names it and says what to do."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} is damaged ({reason}): make it anew, with --from the stage that writes it") from None


def bare(records: Iterable) -> Iterable:
    """The records, without their images where these would have to be read from a file."""
    return records.bare() if hasattr(records, "bare") else records


def read(path: str | Path, kind: type = Page) -> Records:
    """The records of a Parquet file that `write` made. Raises ValueError when it is not there, or damaged."""
    if not Path(path).exists():
        raise ValueError(f"{path} is not there: run the stage that writes it first")
    with _undamaged(path):
        pq.read_metadata(path)
    return Records(Path(path), kind)


def _to_row(record) -> dict:
    row = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, bytes):
            value = {"bytes": value, "path": None}
        elif isinstance(value, dict):
            value = json.dumps(value, ensure_ascii=False)
        row[field.name] = value
    return row


def batches(items: Iterable, size: int) -> Iterator[list]:
    """The items in lists of `size`, the last perhaps shorter (Python 3.12 has `itertools.batched`)."""
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch


def file_hash(path: str | Path) -> str:
    """sha256 of a file, or of a folder's files with their names."""
    path = Path(path)
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for child in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{child.relative_to(path)}\0{file_hash(child)}\n".encode())
    return digest.hexdigest()


def model_hash(folder: str | Path) -> str:
    """sha256 of what a model folder loads (weights, configuration, tokenizer, template), not of what explains it."""
    files = sorted(p for p in Path(folder).iterdir() if p.suffix in (".safetensors", ".json", ".jinja", ".model"))
    return _hash_of_files(tuple((p, p.stat().st_size, p.stat().st_mtime_ns) for p in files))


@functools.cache
def _hash_of_files(states: tuple[tuple[Path, int, int], ...]) -> str:
    """Of files with their size and time of change: every stage of a run asks for the same base, which may be large."""
    return hashlib.sha256("\n".join(f"{p.name} {file_hash(p)}" for p, *_ in states).encode()).hexdigest()


def read_json(path: str | Path) -> dict:
    """The JSON object that a file holds. Raises ValueError, naming the file, where it holds none."""
    content = None
    with contextlib.suppress(ValueError, RecursionError):
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object; put it back, or delete it and make it anew")
    return content


def write_json(path: str | Path, content: dict) -> None:
    """Write JSON atomically."""
    with atomic(path) as temporary:
        text = json.dumps(content, indent=1, ensure_ascii=False, default=float)
        temporary.write_text(f"{text}\n", encoding="utf-8")


def write_record(path: str | Path, **content) -> None:
    """Write a stage's record: what it reports, beside the commit, the machine and the library versions that made it."""
    made = {"commit": commit(), "machine": machine(), "versions": versions()}
    write_json(path, {**content, **made, **content})  # what is told of an earlier making holds


def commit() -> str:
    """The commit of the code at work, with `+` and the hash of changes to it; of an installed package its version."""
    installed = f"medocr {versions().get('medocr')}"
    if not (ROOT / ".git").exists():
        return installed
    try:
        changed = _git("diff", "HEAD", "--", "medocr", "notebooks")
        for name in _git("ls-files", "--others", "--exclude-standard", "medocr", "notebooks").splitlines():
            changed += f"{name} {file_hash(ROOT / name)}\n"
        return _git("rev-parse", "--short", "HEAD").strip() + (
            f"+{hashlib.sha256(changed.encode()).hexdigest()[:8]}" if changed else ""
        )
    except (OSError, subprocess.CalledProcessError):  # no git here, or a repository that it does not trust
        return installed


def _git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout


def machine() -> dict:
    """Cores and processor, and the card's name where torch is at work on one."""
    cpu = platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    torch = sys.modules.get("torch")
    gpu = {"gpu": torch.cuda.get_device_name()} if torch and torch.cuda.is_available() else {}
    return {"cores": os.cpu_count(), "cpu": cpu, **gpu}


def version(library: str) -> str | None:
    """The installed version of a library, None where it is not installed."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(library)
    return None


def versions() -> dict[str, str]:
    """The versions of the libraries that decide a result, as installed."""
    return {name: installed for name in VERSIONED if (installed := version(name))}
