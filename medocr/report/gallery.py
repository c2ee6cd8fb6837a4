"""Clinical errors to look at: one self-contained HTML page, filtered by kind, document type and model."""

import base64
import hashlib
import io
from collections.abc import Mapping
from html import escape

import pandas as pd

from medocr.metrics import KINDS
from medocr.report import marked
from medocr.report.style import plain
from medocr.schema import Page

MOST_PAGES = 40  # a page that anybody's browser opens, and that stays under 2 MB for drawn pages
WIDTH = 480  # pixels of a page's picture
MODELS = ("base", "tuned")
TAGS = {"same": "span", "extra": "ins", "lacking": "del", "given": "i"}

SCRIPT = """
const choices = document.querySelectorAll("select");
function show() {
  const [kind, type, model] = [...choices].map(choice => choice.value);
  let count = 0;
  for (const page of document.querySelectorAll("article")) {
    const errors = page.dataset.errors.split(" ");
    const fits = errors.some(e => (!model || e.startsWith(model + ":")) && (!kind || e.endsWith(":" + kind)));
    page.hidden = !fits || (type && page.dataset.type !== type);
    page.style.display = page.hidden ? "none" : "";
    count += !page.hidden;
  }
  document.getElementById("shown").textContent = count + " shown";
}
choices.forEach(choice => choice.addEventListener("change", show));
show();
"""
# Of scripts a browser runs this one alone, whatever a page's text came to hold.
HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
POLICY = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{HASH}'"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>medocr: errors</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 75rem; margin: 0 auto; padding: 0 1rem 4rem }}
article {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem;
  border-top: 3px solid #0072b2; padding: 1rem 0; margin-top: 1rem }}
article h2 {{ grid-column: 1 / -1; margin: 0; font-size: 1rem }}
img {{ max-width: 100%; border: 1px solid #ddd }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; margin: .2rem 0 }}
h3 {{ font-size: .85rem; color: #555; margin: 0 }}
ins {{ background: #d6eaf6; color: #005a8e }} del {{ background: #fbe3d4; color: #b34700 }}
select {{ font: inherit; margin-right: 1rem }}
</style></head><body>
<p><a href="index.html">back to the results</a></p>
<h1>Clinical errors, page by page</h1>
<p>{count} of {total} pages with an error that could hurt a patient. <ins>Underlined</ins>: wrong or extra;
<del>struck through</del>: missing.</p>
<p>{filters}<span id="shown"></span></p>
{articles}
<script>{script}</script></body></html>
"""


def gallery(frame: pd.DataFrame, pages: Mapping[str, Page]) -> str:
    """The pages on which base or tuned made clinical errors, most errors of the tuned model first, as HTML.

    `frame` is the table of `evaluate.score`, `pages` holds the pages by their id.
    """
    read = {model: frame[frame["model"] == model].drop_duplicates("id").set_index("id") for model in MODELS}
    shared = [page for page in read["tuned"].index if page in read["base"].index and page in pages]
    errors = {page: _errors({model: read[model].loc[page] for model in MODELS}) for page in shared}
    listed = sorted((page for page in shared if errors[page]), key=lambda page: -_of_tuned(errors[page]))
    chosen = listed[:MOST_PAGES]
    articles = [
        _article(pages[page], {model: read[model].loc[page] for model in MODELS}, errors[page]) for page in chosen
    ]
    kinds = {kind: KINDS[kind] for kind in KINDS if any(kind == made for page in chosen for _, made in errors[page])}
    types = {pages[page].doc_type: plain(pages[page].doc_type) for page in chosen}
    filters = [("any error", kinds), ("any type", types), ("either model", {model: model for model in MODELS})]
    return PAGE.format(
        count=len(chosen),
        total=len(listed),
        filters="".join(_select(*each) for each in filters),
        articles="".join(articles),
        policy=POLICY,
        script=SCRIPT,
    )


def _errors(rows: dict[str, pd.Series]) -> list[tuple[str, str]]:
    """(model, kind) of each kind of error that a model made on a page."""
    return [(model, kind) for model, row in rows.items() for kind in KINDS if row.get(kind, 0) > 0]


def _of_tuned(errors: list[tuple[str, str]]) -> int:
    return sum(model == "tuned" for model, _ in errors)


def _select(every: str, options: dict[str, str]) -> str:
    chosen = "".join(f'<option value="{escape(key)}">{escape(text)}</option>' for key, text in options.items())
    return f'<select aria-label="{every}"><option value="">{every}</option>{chosen}</select>'


def _article(page: Page, rows: dict[str, pd.Series], errors: list[tuple[str, str]]) -> str:
    """One page: its picture, its reference, and what each model read, differences marked."""
    row = rows["base"]
    reference = row["truth"] if isinstance(row["truth"], str) else row["reference"]
    texts = [f"<div><h3>reference</h3><pre>{escape(reference)}</pre></div>"]
    for model, prediction in rows.items():
        kinds = "; ".join(KINDS[kind] for of, kind in errors if of == model) or "no such error"
        runs = marked.differences(reference, prediction["text"])
        text = "".join(f"<{TAGS[kind]}>{escape(part)}</{TAGS[kind]}>" for part, kind in runs)
        texts.append(f"<div><h3>{model}: {escape(kinds)}</h3><pre>{text}</pre></div>")
    made = " ".join(f"{model}:{kind}" for model, kind in errors)
    name = escape(plain(page.doc_type))
    picture = f'<div><img loading="lazy" alt="{name}" src="data:image/jpeg;base64,{_picture(page)}"></div>'
    return (
        f'<article data-errors="{made}" data-type="{page.doc_type}"><h2>{name}</h2>{picture}{"".join(texts)}</article>'
    )


def _picture(page: Page) -> str:
    image = page.open().convert("RGB")
    image.thumbnail((WIDTH, 3 * WIDTH))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=70)
    return base64.b64encode(buffer.getvalue()).decode()
