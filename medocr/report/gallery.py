"""Clinical errors to look at: one self-contained HTML page, filtered by kind, document type and model."""

import base64
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import jinja2
import pandas as pd

from medocr.metrics import KINDS
from medocr.report import marked
from medocr.report.style import plain
from medocr.schema import Page

MOST_PAGES = 40  # a page that anybody's browser opens, and that stays under 2 MB for drawn pages
WIDTH = 480  # pixels of a page's picture
MODELS = ("base", "tuned")
TAGS = {"same": "span", "extra": "ins", "lacking": "del", "given": "i"}

HERE = Path(__file__).parent
TEMPLATES = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True)
SCRIPT = (HERE / "gallery.js").read_text(encoding="utf-8")
# Of scripts a browser runs this one alone, whatever a page's text came to hold.
HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
POLICY = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{HASH}'"


def gallery(frame: pd.DataFrame, pages: Mapping[str, Page]) -> str:
    """The pages on which base or tuned made clinical errors, most errors of the tuned model first, as HTML.

    `frame` is the table of `evaluate.score`, `pages` holds the pages by their id.
    """
    read = {model: frame[frame["model"] == model].drop_duplicates("id").set_index("id") for model in MODELS}
    shared = [page for page in read["tuned"].index if page in read["base"].index and page in pages]
    errors = {page: _errors({model: read[model].loc[page] for model in MODELS}) for page in shared}
    listed = sorted((page for page in shared if errors[page]), key=lambda page: -len(errors[page]["tuned"]))
    chosen = listed[:MOST_PAGES]
    made = {kind for page in chosen for kinds in errors[page].values() for kind in kinds}
    filters = {
        "any error": {kind: text for kind, text in KINDS.items() if kind in made},
        "any type": {pages[page].doc_type: plain(pages[page].doc_type) for page in chosen},
        "either model": {model: model for model in MODELS},
    }
    articles = [_article(pages[page], {model: read[model].loc[page] for model in MODELS}) for page in chosen]
    about = {"filters": filters, "policy": POLICY, "script": SCRIPT, "tags": TAGS}
    return TEMPLATES.get_template("gallery.html").render(pages=articles, total=len(listed), **about)


def _errors(rows: dict[str, pd.Series]) -> dict[str, list[str]]:
    """The kinds of error that each model made on a page; nothing where neither made any."""
    errors = {model: [kind for kind in KINDS if row.get(kind, 0) > 0] for model, row in rows.items()}
    return errors if any(errors.values()) else {}


def _article(page: Page, rows: dict[str, pd.Series]) -> dict:
    """One page: its picture, its reference, and what each model read, differences marked."""
    errors, row = _errors(rows), rows["base"]
    reference = row["truth"] if isinstance(row["truth"], str) else row["reference"]
    read = []
    for model, kinds in errors.items():
        made = "; ".join(KINDS[kind] for kind in kinds) or "no such error"
        read.append((model, made, marked.differences(reference, rows[model]["text"])))
    return {
        "errors": " ".join(f"{model}:{kind}" for model, kinds in errors.items() for kind in kinds),
        "type": page.doc_type,
        "name": plain(page.doc_type),
        "picture": _picture(page),
        "reference": reference,
        "read": read,
    }


def _picture(page: Page) -> str:
    image = page.open().convert("RGB")
    image.thumbnail((WIDTH, 3 * WIDTH))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=70)
    return base64.b64encode(buffer.getvalue()).decode()
