"""The folder that documents are written to: records, pictures, bundles, the queue for review and the audit lines."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from .. import __version__, review, storage
from . import decimals

FOLDERS = ("documents", "bundles", "pages", "reviews")
BESIDE = ("audit.jsonl", "queue.jsonl", "answers.sqlite", "hl7", "blocks", "work", "rule.json")


def claim(folder: Path) -> None:
    """Make a folder for digitised documents, this user's alone. Raises ValueError for one that holds other things, or
    that links lead out of: what is written or swept there would be somebody else's.
    """
    with storage.private():
        folder.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in folder.iterdir() if not path.name.startswith((".", "answers.sqlite"))}
    if FOLDERS[0] not in names and (others := names - {*FOLDERS, *BESIDE}):
        raise ValueError(
            f"{folder} holds other things ({min(others)!r}): give a new folder, or one that digitize wrote"
        )
    if links := [name for name in (*FOLDERS, *BESIDE) if (folder / name).is_symlink()]:
        raise ValueError(f"{folder / links[0]} is a link: remove it, for all of DIR lies in DIR")
    folder.chmod(0o700)


@contextlib.contextmanager
def alone(folder: Path, written: Sequence[str] = FOLDERS[:-1]) -> Iterator[None]:
    """`claim` a folder for this run alone; what a killed run left half done where it has `written` is gone.

    Raises ValueError where another run digitises into it.
    """
    claim(folder)
    with storage.private():
        (folder / ".lock").touch()
    with storage.locked(folder, f"another run is digitising into {folder}: wait for it, or give another folder"):
        for name in written:
            storage.sweep(folder / name)
        yield


class Output:
    """DIR of `medocr digitize`: readable by this user alone, each file written whole or not at all."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        claim(self.folder)
        with storage.private():
            for name in FOLDERS:
                (self.folder / name).mkdir(exist_ok=True)

    def records(self) -> Iterator[dict]:
        """All records, one after another, by their ids. Raises ValueError at a damaged one."""
        for path in sorted((self.folder / "documents").glob("*.json")):
            yield review.read_document(self.folder, path.stem)

    def write(self, name: str, content: str | bytes | None) -> None:
        """Write a file under the folder; None takes away one that is there."""
        path = self.folder / name
        if content is None:
            storage.remove(path, self.folder)
            return
        with storage.private(), storage.atomic(path, self.folder) as temporary:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)

    def write_bundle(self, identity: str, bundle: Mapping | None) -> None:
        """Write a document's Bundle; where there is None the document waits for a person. An HL7 message of an earlier
        Bundle is taken away."""
        self.write(f"hl7/{identity}.hl7", None)
        self.write(f"bundles/{identity}.json", bundle and f"{decimals.dumps(bundle)}\n")

    def write_record(self, record: Mapping) -> None:
        """Write a document's record, last of its files: a document without it is not done. Raises ValueError for one
        that does not hold what document.schema.json says."""
        review.check_document(record)
        with storage.private():
            storage.write_json(self.folder / f"documents/{record['id']}.json", dict(record))

    def audit(self, record: Mapping, sent_to: str | None) -> None:
        """Add a line to audit.jsonl: what was read by what, when, and where its pages went (None: nowhere)."""
        line = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "document": record["id"],
            "source": record["source"],
            "pages": [page["sha256"] for page in record["pages"]],
            "contains_phi": record["contains_phi"],
            "reader": record["reader"],
            "medocr": __version__,
            "sent_to": sent_to,
        }
        with storage.private(), (self.folder / "audit.jsonl").open("ab+") as file:
            file.seek(max(0, file.tell() - 1))
            cut_off = file.read(1) not in (b"", b"\n")  # by a kill or a full disk
            file.write(b"\n" * cut_off + json.dumps(line, ensure_ascii=False).encode() + b"\n")

    def write_queue(self) -> int:
        """Write queue.jsonl anew: a line for every field that waits for a person, the least sure first; returns how
        many."""
        waiting = [
            {"document": record["id"], "field": field["id"]} | {key: field[key] for key in ("confidence", "reasons")}
            for record in self.records()
            for field in record["fields"]
            if field["status"] == "review"
        ]
        waiting.sort(key=lambda line: (line["confidence"] is not None, line["confidence"] or 0.0))
        self.write("queue.jsonl", "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in waiting))
        return len(waiting)
