"""The page of a run: what it found on top, then its notebooks, one below the other, their code folded."""

import functools
import json
import re
from pathlib import Path

import jinja2
import nbformat
from lxml import html
from pygments.formatters import HtmlFormatter

from .. import storage
from ..schema import DOC_TYPES
from .summary_cell import TAG

TEMPLATES = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)
PICTURES = {  # on top, where a run has them
    "example_best": "The page that improved most, its text, and what the base and the fine-tuned model read",
    "cer_by_slice": "Character error rate of the base and the fine-tuned model by kind of page",
    **{f"safety_{name}": f"Clinical errors on {name.replace('_', ' ')}s" for name in DOC_TYPES},
}

FIGURES = re.compile(r"(nan|None|[<≤≥÷±]?\s*[+−-]?[\d.,]+\s*%?(\s*[\[,][\d\s.,+−-]+\]?)?)?")  # with an interval, if any


def index(folder: Path, name: str, caution: str) -> None:
    """Render the executed notebooks of `folder` as one `index.html`, its figures as files under `figures/`.

    `caution` says on top what the results are not of.
    """
    from ..report.results import difference  # a run that is refused need not wait for matplotlib

    storage.remove(folder / "figures", folder)
    notebooks = [path for path in sorted(folder.glob("0?_*.ipynb")) if not path.name.endswith(".partial.ipynb")]
    sections = [{"id": path.stem, "finding": _finding(path), "body": _section(path)} for path in notebooks]
    page = TEMPLATES.get_template("page.html").render(
        name=name,
        code_style=HtmlFormatter(style="friendly").get_style_defs(".highlight"),
        sections=sections,
        compared=_compared(folder),
        difference=difference,
        caution=caution,
        pictures={name: text for name, text in PICTURES.items() if (folder / f"figures/{name}.png").exists()},
        gallery=(folder / "gallery.html").exists(),
    )
    with storage.atomic(folder / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")


@functools.cache
def _exporter():
    """What turns notebooks into HTML; one for all, since each compiles its templates anew."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic")
    exporter.register_preprocessor("nbconvert.preprocessors.ExtractOutputPreprocessor", enabled=True)
    return exporter


def _section(path: Path) -> str:
    """A notebook as HTML; writes its figures beside it."""
    resources = {"unique_key": path.stem, "output_files_dir": "figures"}
    notebook = nbformat.read(path, as_version=4)
    body, resources = _exporter().from_notebook_node(notebook, resources)
    for figure, data in resources["outputs"].items():
        (path.parent / "figures").mkdir(exist_ok=True)
        (path.parent / figure).write_bytes(data)
    root = html.fragment_fromstring(body, create_parent="section")
    root.set("id", path.stem)
    _fold(root)
    _describe(root, notebook)
    for table in root.iter("table"):
        _align(table)
    root.append(html.fragment_fromstring('<p class="home"><a href="#top">back to the results</a></p>'))
    return html.tostring(root, encoding="unicode")


def _fold(root: html.HtmlElement) -> None:
    """Put the cells' code into folds, to be opened by who wants to see it; code that a cell shows stays open."""
    for code in root.xpath('.//div[contains(@class, "input_area")]//div[contains(@class, "highlight")]'):
        fold = html.fragment_fromstring("<details><summary>code</summary></details>")
        code.getparent().replace(code, fold)
        code.tail = None
        fold.append(code)


def _describe(root: html.HtmlElement, notebook: nbformat.NotebookNode) -> None:
    """Give figures their conclusions as alternative texts, and those without one the heading that they stand under."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    texts = {o.metadata.get("filename"): o.metadata.get("alt") for o in outputs if "metadata" in o}
    for image in root.iter("img"):
        file = Path(image.get("src", "")).name
        above = [
            heading.text_content() for heading in image.xpath("preceding::*[self::h1 or self::h2 or self::h3]")[-1:]
        ]
        image.set("alt", texts.get(file) or " ".join("".join(above).rstrip("¶").split()))
        image.set("loading", "lazy")


def _align(table: html.HtmlElement) -> None:
    """Mark a table's columns of figures, so that they stand right and words stand left."""
    rows = [row.xpath("th|td")[::-1] for row in table.iter("tr")]  # from the right: the names of rows may span several
    for column in range(max(map(len, rows), default=0)):
        cells = [row[column] for row in rows if column < len(row)]
        values = [cell.text_content().strip() for cell in cells if cell.tag == "td"]
        if any(values) and all(FIGURES.fullmatch(value) for value in values):
            for cell in cells:
                cell.classes.add("number")


def _finding(path: Path) -> str:
    """What a notebook found, as its summary cell says it."""
    cells = nbformat.read(path, as_version=4).cells
    texts = [cell.source for cell in cells if TAG in cell.metadata.get("tags", ())]
    return "".join(re.findall(r"^\*\*Found:\*\* (.*)$", "\n".join(texts), re.MULTILINE))


def _compared(folder: Path) -> list[dict]:
    """The character error rate of base and tuned by kind of page; nothing where they were not compared."""
    record = next((path for path in (folder / "metrics.json", folder.parent / "metrics.json") if path.exists()), None)
    rows = json.loads(record.read_text()).get("comparisons", []) if record else []
    cer = {row["slice"]: row for row in rows if row["metric"] == "cer"}
    return [cer[name] for name in ("all", "medical", "general", *DOC_TYPES) if name in cer]
