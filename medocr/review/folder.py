"""The folder that `medocr digitize` writes, as a review reads it."""

import functools
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import fastjsonschema

from .. import storage
from . import columns

SCHEMA = Path(__file__).parents[1] / "digitize/document.schema.json"
SUFFIX = {"documents": ".json", "reviews": ".jsonl"}
ID = re.compile(r"[\w-]{1,80}")  # of a document: part of a file's name, and never a path


def documents(folder: str | Path) -> Iterator[dict]:
    """The documents of a folder, sorted by id. Raises ValueError where there are none, or one is damaged."""
    folder = Path(folder)
    files = sorted((folder / "documents").glob("*.json"))
    if not files:
        raise ValueError(f"{folder} holds no documents: give the folder that `medocr digitize --out` wrote")
    return (read_document(folder, file.stem) for file in files)


def file_of(folder: str | Path, document: str, kind: str) -> Path:
    """A document's file of a kind: documents/<id>.json or reviews/<id>.jsonl. Raises ValueError for what is no id."""
    if not ID.fullmatch(document):
        raise ValueError(f"{document!r} is no document's id")
    return Path(folder) / kind / f"{document}{SUFFIX[kind]}"


def read_document(folder: str | Path, document: str) -> dict:
    """One document by its id. Raises ValueError where it is not there, damaged, or of another schema."""
    path = file_of(folder, document, "documents")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        check_document(content)
        if content["id"] != document:
            raise ValueError(f"it is called {content['id']} inside")
    except FileNotFoundError:
        raise ValueError(f"{path} is not there: digitise the document again") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}): digitise the document again") from None
    return content


def check_document(document: dict) -> None:
    """Raise ValueError where a document is not what document.schema.json describes, or a field stands nowhere in it."""
    try:
        _validator()(document)
    except fastjsonschema.JsonSchemaValueException as error:
        raise ValueError(f"not a document's record: {error.message}") from None
    lines = {page["index"]: len(page["lines"]) for page in document["pages"]}
    for field in document["fields"]:
        if field["page"] not in lines or not 0 <= (field["line"] or 0) < max(1, lines[field["page"]]):
            raise ValueError(f"field {field['id']} stands on no line of its page")
        columns.check(field["columns"])
        if not all(map(math.isfinite, field["box"] or ())):
            raise ValueError(f"field {field['id']} has a box without an end")


@functools.cache
def _validator():
    return fastjsonschema.compile(json.loads(SCHEMA.read_text(encoding="utf-8")))


def queue(folder: str | Path) -> list[tuple[str, str]]:
    """(document, field) of each field to be reviewed: pages by their least sure field, on a page in printed order.

    A page's fields come together, so that a person need not look for the same page again.
    """
    waiting = []
    for document in documents(folder):
        asked = [field for field in document["fields"] if field["status"] == "review"]
        least: dict[int, float] = {}
        for field in asked:  # one that the page itself contradicts, or that nobody could rate, comes first
            sure = 0.0 if field["reasons"] else field["confidence"] or 0.0
            least[field["page"]] = min(sure, least.get(field["page"], 1.0))
        for place, field in enumerate(asked):
            waiting.append((least[field["page"]], document["id"], field["page"], place, field["id"]))
    return [(document, field) for _, document, _, _, field in sorted(waiting)]


def page_image(folder: str | Path, page: dict) -> Path:
    """The file of a page's image. Raises ValueError where it lies outside DIR/pages or is not there."""
    path = Path(folder) / (page.get("image") or "")
    storage.check_inside(path, Path(folder) / "pages")
    if not path.is_file() or path.is_symlink():
        raise ValueError(f"{path} is not there: digitise the document again")
    return path
