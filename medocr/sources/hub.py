"""The four public data sets of the recipe and one to test on, each with its quirks.

All loaders take `path`, a copy downloaded before; `revision`, a commit (or Kaggle version) to stay with
instead of the latest; and `contains_phi`. A page's origin is `dataset@revision#row`. A row that cannot
be read becomes a `Rejection`. Without a network they raise ValueError within seconds.
"""

import ast
import contextlib
import dataclasses
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ..schema import Page, Rejection
from . import copies, folder
from .copies import Copy, Dataset

INVOICES = Dataset("invoices", "huggingface", "mychen76/invoices-and-receipts_ocr_v1")
CLINOCR = Dataset("clinocr", "huggingface", "ClinOCR-Bench/ClinOCR-Bench")

CLINOCR_SUBSETS = ("normal", "handwriting", "poor", "rotated", "tables", "mixed")
CLINOCR_SPLITS = {"exemplars": "train", "eval": "test"}
CLINOCR_TEMPLATE = re.compile(r"template_(\d+)_sample_\d+")
DONUT_MARKERS = re.compile(r"</?s(_\w+)?/?>")
# what parsing a row of someone else's making may raise; ast.literal_eval alone raises five of them
BROKEN = (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError)

Convert = Callable[[dict], dict]  # row → the fields of its Page, but for image and origin
Loader = Callable[..., Iterator[Page | Rejection]]


def whole(dataset: Dataset, convert: Convert, *, phi: bool, within: str = "") -> tuple[Dataset, Loader]:
    """A data set and its loader, which makes a page of each row; `within` is the folder of a copy that holds them."""

    def load(
        path: str | Path | None = None, revision: str | None = None, contains_phi: bool = phi
    ) -> Iterator[Page | Rejection]:
        copy = copies.fetch(dataset, path, revision)
        folders = sorted(copy.folder.rglob(within)) if within else []
        rows = copies.rows(next((folder for folder in folders if folder.is_dir()), copy.folder))
        return _pages(rows, copy, dataset.source, convert, contains_phi)

    return dataset, load


def invoices(
    path: str | Path | None = None,
    revision: str | None = None,
    contains_phi: bool = False,
    count: int = 1000,
    seed: int = 3407,
) -> Iterator[Page | Rejection]:
    """`count` labelled receipts and invoices, drawn by `seed` from the labelled rows of all splits.

    Rows without a readable label are rejected; labelled rows that the draw leaves out are not inputs. The
    labels were read by an OCR engine, which `label_origin` says. Receipts of shops and invoices that companies
    published hold no health information.
    """
    copy = copies.fetch(INVOICES, path, revision)
    labels = copies.rows(copy.folder, ["raw_data", "parsed_data"])
    labelled = [name for name, row in labels if _convert(invoice_row, row)[0]]
    drawn = set(random.Random(seed).sample(labelled, min(count, len(labelled))))
    left_out = set(labelled) - drawn
    rows = ((name, row) for name, row in copies.rows(copy.folder) if name not in left_out)
    return _pages(rows, copy, INVOICES.source, invoice_row, contains_phi)


def clinocr(
    path: str | Path | None = None,
    revision: str | None = None,
    contains_phi: bool = False,
    subset: str = "normal",
    part: str = "exemplars",
) -> Iterator[Page | Rejection]:
    """ClinOCR-Bench (arXiv 2607.03650): scans of invented clinical documents with audited text, for one subset.

    `part` is exemplars (the data set's train split: a page of each template, to fine-tune on) or eval (its test
    split, to score); 03 keeps that split. A template is a group. A form of several kinds of
    document: the type is not stated. Raises ValueError for another subset or part, or where the copy lacks it.
    """
    for name, value, known in (("subset", subset, CLINOCR_SUBSETS), ("part", part, tuple(CLINOCR_SPLITS))):
        if value not in known:
            raise ValueError(f"source 'clinocr': {name} is {value!r}: use one of {', '.join(known)}")
    copy = copies.fetch(CLINOCR, path, revision)
    if not (copy.folder / subset).is_dir():
        raise ValueError(f"{copy.folder} holds no folder {subset!r}: ClinOCR-Bench has one per subset")
    chosen = (
        (f"{subset}/{name}", row)
        for name, row in copies.rows(copy.folder / subset)
        if name.startswith(f"{CLINOCR_SPLITS[part]}/")
    )
    pages = _pages(chosen, copy, CLINOCR.source, clinocr_row, contains_phi)
    split = CLINOCR_SPLITS[part]
    return (dataclasses.replace(page, split=split) if isinstance(page, Page) else page for page in pages)


def state(dataset: Dataset) -> Callable[..., object]:
    """What `fingerprint` calls: the data set's revision, or the state of the copy at `path`."""

    def current(path: str | Path | None = None, revision: str | None = None, **_) -> object:
        if path is not None:
            return folder.state(path)
        if revision is not None:
            return revision
        return copies.latest(dataset) if dataset.host == "huggingface" else copies.fetch(dataset, None, None).origin

    return current


def _pages(
    rows: Iterator[tuple[str, dict]], copy: Copy, source: str, convert: Convert, contains_phi: bool
) -> Iterator[Page | Rejection]:
    for name, row in rows:
        origin = f"{copy.origin}#{name}"
        columns, problem = _convert(convert, row)
        image, missing = _image(row, copy)
        if problem:
            yield Rejection(origin, source, *problem)
        elif image is None:
            yield Rejection(origin, source, "image_missing", missing)
        else:
            yield Page(image, origin, source, licence=copy.licence, contains_phi=contains_phi, **columns)


def _convert(convert: Convert, row: dict) -> tuple[dict | None, tuple[str, str] | None]:
    """(page fields, None), or (None, (reason, detail)) for a row that cannot be read."""
    try:
        return convert(row), None
    except LookupError as error:
        return None, ("label_missing", str(error.args[0]))
    except BROKEN as error:
        return None, ("label_broken", f"{type(error).__name__}: {error}")


def _image(row: dict, copy: Copy) -> tuple[bytes | None, str]:
    """A row's image, from its column or the file in the copy that this names; or None, and what the column holds."""
    image = row.get("image")
    content, path = (image.get("bytes"), image.get("path")) if isinstance(image, dict) else (image, image)
    if isinstance(content, bytes):
        return content, ""
    if not isinstance(path, str):
        return None, "the row has no image" if path is None else f"its column image holds a {type(path).__name__}"
    root = copy.folder if copy.folder.is_dir() else copy.folder.parent
    home = root.parents[1] if root.parent.name == "snapshots" else root  # the Hub's cache holds links to its files
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        file = (root / path).resolve()
        if ".." not in Path(path).parts and file.is_relative_to(home.resolve()):
            return file.read_bytes(), ""
    return None, f"its column image names {path!r:.200}, a file that is not in the copy or cannot be read"


def prescription_row(row: dict) -> dict:
    """A prescription's fields. Raises LookupError without a label, ValueError with a broken one."""
    if "annotation" in row:
        row = json.loads(row["annotation"])
    label = row.get("ground_truth") or _opened(row.get("gt_text") or {}).get("text_sequence")
    if not label:
        raise LookupError("neither ground_truth nor gt_text.text_sequence")
    text = DONUT_MARKERS.sub("\n", label)
    lines = [line.strip() for line in text.splitlines()]
    return _labelled("\n".join(line for line in lines if line), "prescription", "annotation")


def invoice_row(row: dict) -> dict:
    """A receipt's or invoice's fields: one line per text box that was read. Raises as `prescription_row` does."""
    if not row.get("raw_data") or not row.get("parsed_data"):
        raise LookupError("raw_data or parsed_data is empty")
    words = ast.literal_eval(json.loads(row["raw_data"])["ocr_words"])
    parsed = _opened(json.loads(row["parsed_data"])["json"])
    if not words or not parsed:
        raise LookupError("no words or no parsed fields")
    doc_type = "invoice" if any("invoice" in name.lower() for name in _names(parsed)) else "receipt"
    return _labelled("\n".join(words), doc_type, "ocr/invoices-and-receipts_ocr_v1")


def clinocr_row(row: dict) -> dict:
    """A clinical document's fields. Raises LookupError without a text, ValueError with an id of another form."""
    if not row.get("ground_truth"):
        raise LookupError("ground_truth is empty")
    template = CLINOCR_TEMPLATE.match(str(row.get("doc_id")))
    if not template:
        raise ValueError(f"doc_id {row.get('doc_id')!r} names no template")
    labelled = _labelled(row["ground_truth"].strip(), "unknown", "annotation")
    return labelled | {"domain": "medical", "group": f"clinocr/template_{template[1]}"}


def _labelled(text: str, doc_type: str, label_origin: str) -> dict:
    if not text.strip():
        raise LookupError("the label holds markers only")
    return {"text": text, "doc_type": doc_type, "label_origin": label_origin, "language": "en"}


def _opened(value: str | dict) -> dict:
    """A dict that may be stored as JSON or as a Python literal."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return ast.literal_eval(value)


def _names(value: object) -> Iterator[str]:
    """The keys of a nested record, at every depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


PRESCRIPTIONS = Dataset("prescriptions", "huggingface", "chinmays18/medical-prescription-dataset")
LAB_REPORTS = Dataset("lab_reports", "kaggle", "dikshaasinghhh/bajaj")
OMR_FORMS = Dataset("omr_forms", "huggingface", "saurabh1896/OMR-scanned-documents")

# A data set that does not say that its patients are invented is taken to hold health information.
LOADERS: tuple[tuple[Dataset, Loader], ...] = (
    # 1,000, labelled: images with one JSON file each, or a table of the same columns; drawn for invented patients
    whole(PRESCRIPTIONS, prescription_row, phi=False),
    # 426 PNG, unlabelled: the texts that lie beside some are of unknown quality
    whole(LAB_REPORTS, lambda _: {"doc_type": "lab_report"}, phi=True, within="lbmaske"),
    # 36 scanned forms, unlabelled: `image` is the only column
    whole(OMR_FORMS, lambda _: {"doc_type": "form"}, phi=True),
    (INVOICES, invoices),
    (CLINOCR, clinocr),
)
