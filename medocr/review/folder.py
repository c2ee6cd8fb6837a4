"""The folder that `medocr digitize` writes, as a review reads it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from .. import storage

SCHEMA = 1
ID = re.compile(r"[\w-]{1,80}")  # of a document: part of a file's name, and never a path


def documents(folder: str | Path) -> Iterator[dict]:
    """The documents of a folder, sorted by id. Raises ValueError where there are none, or one is damaged."""
    folder = Path(folder)
    files = sorted((folder / "documents").glob("*.json"))
    if not files:
        raise ValueError(f"{folder} holds no documents: give the folder that `medocr digitize --out` wrote")
    return (read_document(folder, file.stem) for file in files)


def read_document(folder: str | Path, document: str) -> dict:
    """One document by its id. Raises ValueError where it is not there, damaged, or of another schema."""
    if not ID.fullmatch(document):
        raise ValueError(f"{document!r} is no document's id")
    path = Path(folder) / "documents" / f"{document}.json"
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"{path} is not there: digitise the document again") from None
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): digitise the document again") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA or content.get("id") != document:
        raise ValueError(f"{path} is no document of schema {SCHEMA} with its own name as id")
    return content


def queue(folder: str | Path) -> list[tuple[str, str]]:
    """(document, field) of each field to be reviewed: pages by their least sure field, on a page in printed order.

    A page's fields come together, so that a person need not look for the same page again.
    """
    waiting = []
    for document in documents(folder):
        asked = [field for field in document["fields"] if field["status"] == "review"]
        least = {}
        for field in asked:
            least[field["page"]] = min(_sureness(field), least.get(field["page"], 1.0))
        for place, field in enumerate(asked):
            waiting.append((least[field["page"]], document["id"], field["page"], place, field["id"]))
    return [(document, field) for _, document, _, _, field in sorted(waiting)]


def _sureness(field: dict) -> float:
    """A field's confidence; one that the page itself contradicts, or that nobody could rate, comes first."""
    return field["confidence"] if field["confidence"] is not None and not field["reasons"] else 0.0


def page_image(folder: str | Path, page: dict) -> Path:
    """The file of a page's image. Raises ValueError where it lies outside DIR/pages or is not there."""
    path = Path(folder) / (page.get("image") or "")
    storage.check_inside(path, Path(folder) / "pages")
    if not path.is_file() or path.is_symlink():
        raise ValueError(f"{path} is not there: digitise the document again")
    return path
