"""From a scan to a record: pages become documents, documents FHIR Bundles and a queue of what a person should look at.

`python -m medocr digitize MODEL PATH… --out DIR` writes
- `documents/<id>.json`: what was read and where it stands, as document.schema.json describes it;
- `bundles/<id>.json`: the same as a FHIR R4 Bundle;
- `pages/`: the upright pages; `queue.jsonl`: the fields that wait for a person; `audit.jsonl`: who read what, when.
"""

import contextlib
import dataclasses
import itertools
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from .. import read, review
from ..fields import codes
from ..schema import Page
from . import check, confidence, fhir, record, sources
from . import hl7 as version2
from .output import Output, alone
from .readers import Item, Read, Reader, model_reader, open_reader, remembering, seconded

__all__ = ["Counts", "Document", "Output", "Reader", "digitize", "digitize_documents", "documents_of", "export",
           "model_reader", "open_reader", "remembering", "run", "seconded"]  # fmt: skip

PASSING = ("no_answer:", "reader_failed:", "vanished:", "no_permission:")  # errors that another try may not meet


@dataclasses.dataclass(frozen=True)
class Document:
    """The pages of one document as they are found, with its name."""

    name: str
    items: tuple[Item, ...]

    @property
    def id(self) -> str:
        return record.identity(self.name, [item.id for item in self.items if isinstance(item, Page)])


@dataclasses.dataclass
class Counts:
    """What became of the documents of one call."""

    digitized: int = 0
    earlier: int = 0  # which were there already
    refused: int = 0  # of which no page could be read
    incomplete: int = 0  # of which some page could not be read
    empty: int = 0  # that were read, and no field found
    waiting: int = 0  # fields of the folder's documents, earlier ones too, that a person is to look at

    @property
    def status(self) -> int:
        """The exit status: 0 when all is read, 3 when some page is not, 1 when nothing is."""
        whole = self.digitized + self.earlier
        if not whole:
            return read.NONE_READ
        return read.SOME_REFUSED if self.refused or self.incomplete else read.READ


def digitize(
    reader: Reader,
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    together: str = "",
    contains_phi: bool = True,
    transaction: bool = False,
    rule: confidence.Rule = confidence.NOBODY,
) -> Counts:
    """Digitise every document under `paths` into the folder `out`; those that are done there are passed over.

    `together` is the pattern by which several files make a document (`sources.find`). `rule` decides which fields need
    no person; without one all go to review. Raises ValueError for a missing path, where another run digitises into
    `out`, and where that lies among published results.
    """
    sources.check_place(Path(out))
    documents = documents_of(sources.find(paths, together, Path(out)), contains_phi)
    with alone(Path(out)):
        about = {"synthetic": False, "phi": contains_phi, "transaction": transaction, "rule": rule}
        return digitize_documents(reader, documents, Output(out), **about)


def documents_of(listed: Iterable[sources.Source], contains_phi: bool = True) -> Iterator[Document]:
    """Documents with their pages, one after another as they are asked for."""
    return (Document(s.name, tuple(sources.pages(s, contains_phi))) for s in listed)


def digitize_documents(
    reader: Reader,
    documents: Iterable[Document],
    output: Output,
    *,
    synthetic: bool,
    phi: bool,
    transaction: bool = False,
    rule: confidence.Rule = confidence.NOBODY,
) -> Counts:
    """Digitise documents as they come, each written as soon as it is read; holds only those that are being read."""
    codes.loinc("")  # raises for a wrong file of codes: no single document is at fault
    counts = Counts()
    for document, pages in _read(reader, _remaining(documents, output, reader, counts)):
        about = record.document(document.name, pages, reader.about, synthetic=synthetic, phi=phi)
        _keep_pictures(about, document.items, output)
        _set_aside(about, output)
        rule.settle(about)
        bundle, problems = _bundle(about, output, transaction)
        about["warnings"] += [f"no Bundle: {problem}" for problem in problems]
        output.write_bundle(about["id"], bundle)
        output.audit(about, reader.sent_to)
        output.write_record(about)  # last: a kill before it leaves a document that is not done
        failed = sum(page["error"] is not None for page in about["pages"])
        counts.refused += failed == len(about["pages"])
        counts.incomplete += 0 < failed < len(about["pages"])
        counts.digitized += failed < len(about["pages"])
        counts.empty += record.EMPTY in about["warnings"]
    counts.waiting = output.write_queue()
    return counts


def _remaining(documents: Iterable[Document], output: Output, reader: Reader, counts: Counts) -> Iterator[Document]:
    """The documents that this reader has not digitised yet, and those of which another try may read more."""
    for document in documents:
        earlier = _earlier(output, document.id)
        errors = [page["error"] for page in earlier["pages"]] if earlier else []
        passing = any(str(error).startswith(PASSING) for error in errors)
        if earlier and earlier["reader"] == reader.about and not all(errors) and not passing:
            counts.earlier += 1
            counts.incomplete += any(errors)
        else:
            yield document


def _earlier(output: Output, document: str) -> dict | None:
    with contextlib.suppress(ValueError):  # there is none, or a damaged one
        return review.read_document(output.folder, document)
    return None


def _set_aside(about: dict, output: Output) -> None:
    """Say in a record that its document was decided on as another reader read it, and how much does not hold."""
    try:
        decisions = review.read_decisions(output.folder, about["id"])
    except ValueError:  # the file is damaged: the document has no Bundle, and says so
        return
    if not decisions:
        return
    earlier = _earlier(output, about["id"])
    if not earlier or earlier["reader"] != about["reader"] or earlier.get("read_again"):
        about["read_again"] = True
    held = {decision.field for decision in review.decisions_on(output.folder, about)}
    if lost := {decision.field for decision in decisions} - held:
        about["warnings"].append(
            f"{len(lost)} earlier decisions are of another reading of this document: a person decides these fields anew"
        )


def _read(reader: Reader, documents: Iterable[Document]) -> Iterator[tuple[Document, list[Read]]]:
    """Each document with its pages and what was read on them; pages of several documents are read together."""
    waiting: deque[Document] = deque()

    def items() -> Iterator[Item]:
        for document in documents:
            waiting.append(document)
            yield from document.items

    read = iter(reader.read(items()))
    for first in read:
        document = waiting.popleft()
        yield document, [first, *itertools.islice(read, len(document.items) - 1)]


def _keep_pictures(about: dict, items: Sequence[Item], output: Output) -> None:
    for page, item in zip(about["pages"], items, strict=True):
        if page["error"] is None or page["text"]:
            picture, suffix, (page["width"], page["height"]) = record.image_of(item, page["turn"])
            page["image"] = f"pages/{page['sha256']}{suffix}"
            output.write(page["image"], picture)


def _bundle(about: dict, output: Output, transaction: bool) -> tuple[dict | None, list[str]]:
    """A document's Bundle, and what is wrong with it; None where it is not sound, or there is nothing to say yet."""
    if not any(page["text"] for page in about["pages"]):
        return None, []
    try:
        decisions = review.decisions_on(output.folder, about)
        bundle = fhir.bundle(about, decisions, transaction=transaction)
    except ValueError as error:  # the file is damaged, or a value is odd: of this document alone
        return None, [str(error)]
    if bundle is None:  # while nobody has decided anything, the record's warnings say why
        return None, [fhir.held(about, decisions)] * bool(decisions)
    problems = check.problems(bundle)
    return (None if problems else bundle), problems


def export(folder: str | Path, *, transaction: bool = False, hl7: bool = False) -> int:
    """Write all Bundles of a folder anew, with what persons decided; returns 0, or 3 where a Bundle is not sound.

    With `hl7` each document that has a Bundle is written as `hl7/<id>.hl7` as well. Raises ValueError where nothing has
    been digitised there.
    """
    if not (Path(folder) / "documents").is_dir():
        raise ValueError(f"{folder} holds no documents: it is for a folder that digitize wrote")
    if hl7:
        version2.parser()
    codes.loinc("")  # raises for a wrong file of codes: no single document is at fault
    output, written, unsound = Output(folder), 0, 0
    at = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    for about in output.records():
        bundle, problems = _bundle(about, output, transaction)
        output.write_bundle(about["id"], bundle)
        written += bundle is not None
        if hl7 and bundle:
            try:
                message = version2.message(about, review.decisions_on(output.folder, about), at=at)
                output.write(f"hl7/{about['id']}.hl7", message)
            except ValueError as error:
                problems.append(str(error))
        unsound += bool(problems)
        for problem in problems:
            print(f"{about['source']}: {'no HL7 message' if bundle else 'no Bundle'}: {problem}", file=sys.stderr)
    print(f"{written} Bundles: {Path(folder) / 'bundles'}", file=sys.stderr)
    return read.SOME_REFUSED if unsound else read.READ


def run(reader: Reader, paths: Sequence[str | Path], out: str | Path, **options) -> int:
    """`medocr digitize`: digitise, and say in one line what became of it; returns the exit status."""
    try:
        counts = digitize(reader, paths, out, **options)
    except KeyboardInterrupt:
        print("stopped: the same command goes on after what is written", file=sys.stderr)
        return 130
    parts = [f"{counts.digitized} documents digitised"]
    parts += [f"{counts.earlier} done before"] * bool(counts.earlier)
    parts += [f"{counts.incomplete} with a page that was not read"] * bool(counts.incomplete)
    parts += [f"{counts.empty} without any field, which a person should look at"] * bool(counts.empty)
    parts += [f"{counts.refused} refused"] * bool(counts.refused)
    print(f"{', '.join(parts)}; {counts.waiting} fields wait for a person: {out}", file=sys.stderr)
    return counts.status
