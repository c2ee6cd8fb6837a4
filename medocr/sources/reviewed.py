"""What persons reviewed, as labelled pages: the folder that `medocr digitize` wrote and `medocr review` completed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import review
from ..schema import DOC_TYPES, Page, Rejection
from . import labels

PERSON = "person"  # the origin of a label that a person corrected
TYPES = {"analyte": "lab_report", "drug": "prescription", "tick": "form", "total": "receipt"}  # that fields speak for


def reviewed(path: str | Path, doc_type: str | None = None, contains_phi: bool = True) -> Iterator[Page | Rejection]:
    """The pages of a review folder with the text and the fields that a person saw to, document by document.

    A page is taken where at least one of its fields was decided and none waits; all others are left out by name. Its
    text is what was read, with the corrected lines in place: lines without a field in question stay as they were read.
    The document type is `doc_type`, else what most of the page's fields speak for. Pages are taken to hold PHI unless
    `contains_phi` is False and their document does not say otherwise; the pages of a document are one group.
    Raises ValueError when the folder holds no documents.
    """
    if doc_type not in (None, *DOC_TYPES):
        raise ValueError(f"document type {doc_type!r} is not one of {', '.join(DOC_TYPES)}")
    return _all(Path(path), review.documents(path), doc_type, contains_phi)


def state(path: str | Path, **_) -> list:
    """Name, size and time of change of every document and every file of decisions."""
    files = sorted([*Path(path).glob("documents/*.json"), *Path(path).glob("reviews/*.jsonl")])
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _all(folder: Path, documents: Iterator[dict], doc_type: str | None, phi: bool) -> Iterator[Page | Rejection]:
    for document in documents:
        decisions = review.decisions_on(folder, document)
        for page in document["pages"]:
            several = len(document["pages"]) > 1
            origin = f"{document['source']}#{page['index']}" if several else document["source"]
            problem = _problem(document, page, decisions)
            try:
                image = b"" if problem else review.page_image(folder, page).read_bytes()
            except ValueError as error:
                problem = ("missing_image", str(error))
            made = Rejection(origin, "reviewed", *problem) if problem else None
            try:
                yield made or _page(document, page, decisions, image, origin, doc_type, phi)
            except ValueError as error:
                yield Rejection(origin, "reviewed", "wrong_fields", f"{error}: decide that field again")


def _problem(document: dict, page: dict, decisions: Sequence[review.Decision]) -> tuple[str, str] | None:
    """Why a page cannot be a label, if so."""
    if page.get("error"):
        return "unread", str(page["error"])
    here = {field["id"] for field in document["fields"] if field["page"] == page["index"]}
    decided = here & {decision.field for decision in decisions}
    waiting = review.open_fields(document, page["index"], decisions)
    if waiting:
        return "not_wholly_reviewed", f"{len(waiting)} of {len(waiting) + len(decided)} fields wait for a person"
    if not decided:
        return "not_reviewed", "no field of it was shown to a person"
    if unclear := review.unclear_lines(document, page["index"], decisions):
        return "line_unknown", f"{', '.join(unclear)} corrected, and the line on which it is printed is not known"
    return None


def _page(document, page, decisions, image: bytes, origin: str, doc_type: str | None, phi: bool) -> Page:
    fields = review.page_fields(document, page["index"], decisions)
    kinds = Counter(TYPES.get(f["kind"]) for f in document["fields"] if f["page"] == page["index"])
    kinds.pop(None, None)
    labels.check_fields(fields)
    return Page(
        image,
        origin,
        "reviewed",
        doc_type or (kinds.most_common(1)[0][0] if kinds else "unknown"),
        text=review.page_text(document, page, decisions),
        fields=fields or None,
        label_origin=PERSON,
        group=f"document/{document['id']}",
        contains_phi=phi or bool(document.get("contains_phi")),
        page=page["index"],
        pages=len(document["pages"]),
    )
