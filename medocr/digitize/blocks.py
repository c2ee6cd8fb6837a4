"""Digitising more than one machine can: blocks of documents, each one file, mapped by Ray Data (extra `ray`).

A block's file, `blocks/<id>.zip`, holds what `medocr digitize` writes for its documents. It appears whole or not at all
and is never written twice, so that a run that lost a machine, or was stopped, goes on with the blocks that are missing.
Unzipped into a folder it can be reviewed and exported like any other.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from .. import storage
from . import digitize_documents, documents_of, sources
from .output import Output, alone
from .readers import Reader
from .sources import Source

SIZE = 64  # documents of a block, on average
PARTS = 20  # for each reader of a cluster, so that all end at about the same time


@dataclasses.dataclass(frozen=True)
class Block:
    """Documents that are digitised together; `id` changes with their files and with who reads them."""

    id: str
    sources: tuple[Source, ...]


def blocks(listed: Iterable[Source], reader: dict[str, str], size: int = SIZE) -> Iterator[Block]:
    """Documents put together into blocks of about `size`.

    A block ends behind a document whose name says so by its hash, wherever it stands: a document that comes or goes
    changes one block, and those after it stay as they are.
    """
    waiting: list[Source] = []
    for source in listed:
        waiting.append(source)
        last = int.from_bytes(hashlib.sha256(source.name.encode()).digest()[:4]) % size == 0
        if last or len(waiting) == 4 * size:
            yield _block(waiting, reader)
            waiting = []
    if waiting:
        yield _block(waiting, reader)


def _block(chosen: Sequence[Source], reader: dict[str, str]) -> Block:
    states = [[source.name, [*map(_state, source.files)]] for source in chosen]
    about = json.dumps([sorted(reader.items()), states]).encode()
    return Block(hashlib.sha256(about).hexdigest()[:24], tuple(chosen))


def _state(file: Path) -> list:
    with contextlib.suppress(OSError):  # it went away: its document will say so
        about = file.stat()
        return [file.name, about.st_size, about.st_mtime_ns]
    return [file.name]


def file_of(out: Path, block: str) -> Path:
    """Where a block's file is, or will be."""
    return out / "blocks" / f"{block}.zip"


def digitize_block(reader: Reader, block: Block, out: Path) -> int:
    """Digitise a block and write its file, unless it is there; returns how many documents were read now."""
    target = file_of(out, block.id)
    if target.exists():
        return 0
    with storage.private():
        target.parent.mkdir(parents=True, exist_ok=True)
        (out / "work").mkdir(exist_ok=True)
    with storage.private(), tempfile.TemporaryDirectory(dir=out / "work") as work:
        digitize_documents(reader, documents_of(block.sources), Output(work), synthetic=False, phi=True)
        with storage.atomic(target) as temporary:
            _pack(Path(work), temporary)
    return len(block.sources)


def _pack(folder: Path, target: Path) -> None:
    """Put a folder's files into a zip file; pictures are compressed as they are."""
    with zipfile.ZipFile(target, "w") as packed:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            kind = zipfile.ZIP_STORED if file.parent.name == "pages" else zipfile.ZIP_DEFLATED
            packed.write(file, file.relative_to(folder), kind)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def run(
    open_reader: Callable[[], Reader],
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    together: str = "",
    size: int = SIZE,
    readers: int = 0,
) -> int:
    """Digitise all documents under `paths` into block files; returns how many were read now.

    `open_reader` makes a reader where it is called. With `readers` above zero so many are opened on the machines of a
    Ray cluster (`ray.init` chooses which), and `paths` and `out` have to be the same folders on all of them. Raises
    ValueError for a missing path, for a second run into the same folder, and without Ray where it is asked for.
    """
    out = Path(out).resolve()
    sources.check_place(out)
    listed = sources.find([Path(path).resolve() for path in paths], together, out)
    with alone(out, ["blocks"]):
        storage.remove(out / "work", out)
        reader = open_reader()
        waiting = [block for block in blocks(listed, reader.about, size) if not file_of(out, block.id).exists()]
        if not readers:
            return sum(digitize_block(reader, block, out) for block in waiting)
        return _on_ray(open_reader, waiting, out, readers)


class _Worker:
    """A reader on one of the cluster's machines."""

    def __init__(self, open_reader: Callable[[], Reader], out: Path) -> None:
        self.reader, self.out = open_reader(), out

    def __call__(self, batch: dict) -> dict:
        """Digitise the blocks of a batch; one that another worker finished before it died is passed over."""
        chosen = map(pickle.loads, batch["block"])
        return {"documents": [digitize_block(self.reader, block, self.out) for block in chosen]}


def _on_ray(open_reader: Callable, waiting: Sequence[Block], out: Path, readers: int) -> int:
    """Map the blocks over a cluster. What a lost machine was at is read by another: Ray restarts actors without end."""
    try:
        import ray.data
    except ImportError:
        raise ValueError("a cluster needs Ray: pip install 'medocr[ray]'") from None
    if not waiting:
        return 0
    rows = [{"block": pickle.dumps(block)} for block in waiting]
    dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), PARTS * readers)).map_batches(
        _Worker,
        fn_constructor_args=(open_reader, out),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=readers),
        num_cpus=1,
    )
    return sum(int(row["documents"]) for row in dataset.iter_rows())
