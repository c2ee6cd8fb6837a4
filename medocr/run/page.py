"""The page of a run: what it found on top, then its notebooks, one below the other, their code folded."""

import json
import re
from html import escape
from pathlib import Path

import nbformat
from lxml import html
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from .. import storage
from ..schema import DOC_TYPES
from .summary_cell import TAG

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'">
<title>medocr: {name}</title><style>{style}</style></head>
<body id="top"><nav><a href="#top"><b>{name}</b></a> · {links}</nav>
{summary}
{bodies}
</body></html>
"""
PICTURES = ("example_best", "cer_by_slice", "safety")  # on top, where a run has them

FIGURES = re.compile(r"(nan|None|[<≤≥÷±]?\s*[+−-]?[\d.,]+\s*%?(\s*[\[,][\d\s.,+−-]+\]?)?)?")  # with an interval, if any

STYLE = (
    HtmlFormatter(style="friendly").get_style_defs(".highlight")
    + """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 0 auto; padding: 0 1rem 4rem }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1rem; align-items: start }
figure { margin: 0 }
figcaption, summary { color: #555; font-size: .85rem }
summary { cursor: pointer }
section > p.home { font-size: .85rem; text-align: right; margin: 0 }
nav { position: sticky; top: 0; background: #fffd; padding: .6rem 0; border-bottom: 1px solid #ddd; font-size: .9rem }
section { border-top: 4px solid #0072b2; margin-top: 3rem; scroll-margin-top: 3rem }
img { max-width: 100% }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; line-height: 1.4; margin: .4rem 0 }
.highlight { background: #f6f8fa; padding: .1rem .8rem; border-radius: 4px }
.prompt, .anchor-link { display: none }
table { display: block; overflow-x: auto; border: 0; border-collapse: collapse; font-size: .85rem; margin: .8rem 0 }
th, td { padding: .25rem .7rem; border: 0; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }
.number { text-align: right; white-space: nowrap }
"""
)


def index(folder: Path, name: str) -> None:
    """Render the executed notebooks of `folder` as one `index.html`, its figures as files under `figures/`."""
    storage.remove(folder / "figures", folder)
    notebooks = [path for path in sorted(folder.glob("0?_*.ipynb")) if not path.name.endswith(".partial.ipynb")]
    bodies = [_section(path) for path in notebooks]
    page = PAGE.format(
        name=name,
        links=" · ".join(f'<a href="#{path.stem}">{path.stem}</a>' for path in notebooks),
        style=STYLE,
        summary="\n".join([_findings(notebooks), _headline(folder), _pictures(folder), _gallery(folder)]),
        bodies="\n".join(bodies),
    )
    with storage.atomic(folder / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")


def _section(path: Path) -> str:
    """A notebook as HTML; writes its figures beside it."""
    exporter = HTMLExporter(template_name="basic")
    exporter.register_preprocessor("nbconvert.preprocessors.ExtractOutputPreprocessor", enabled=True)
    resources = {"unique_key": path.stem, "output_files_dir": "figures"}
    notebook = nbformat.read(path, as_version=4)
    body, resources = exporter.from_notebook_node(notebook, resources)
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
    """Put code into folds, to be opened by who wants to see it."""
    for code in root.xpath('.//div[contains(concat(" ", @class, " "), " highlight ")]'):
        fold = html.fragment_fromstring("<details><summary>code</summary></details>")
        code.getparent().replace(code, fold)
        code.tail = None
        fold.append(code)


def _describe(root: html.HtmlElement, notebook: nbformat.NotebookNode) -> None:
    """Give figures their conclusions as alternative texts."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    texts = {o.metadata.get("filename"): o.metadata.get("alt") for o in outputs if "metadata" in o}
    for image in root.iter("img"):
        file = Path(image.get("src", "")).name
        image.set("alt", texts.get(file) or Path(file).stem.replace("_", " "))
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


def _findings(notebooks: list[Path]) -> str:
    """What each notebook found, as its summary cell says it."""
    rows = []
    for path in notebooks:
        cells = nbformat.read(path, as_version=4).cells
        texts = [cell.source for cell in cells if TAG in cell.metadata.get("tags", ())]
        finding = "".join(re.findall(r"^\*\*Found:\*\* (.*)$", "\n".join(texts), re.MULTILINE))
        rows += [f'<li><a href="#{path.stem}">{path.stem}</a>: {escape(finding)}</li>'] if finding else []
    return f"<h1>What was found</h1><ul>{''.join(rows)}</ul>" if rows else ""


def _headline(folder: Path) -> str:
    """The character error rate of base and tuned by kind of page; empty where nothing was compared."""
    record = next((path for path in (folder / "metrics.json", folder.parent / "metrics.json") if path.exists()), None)
    rows = json.loads(record.read_text()).get("comparisons", []) if record else []
    cer = {row["slice"]: row for row in rows if row["metric"] == "cer"}
    names = [name for name in ("all", "medical", "general", *DOC_TYPES) if name in cer]
    if not names:
        return ""
    head = "<tr><th>pages</th><th>n</th><th>base</th><th>tuned</th><th>difference [95 %]</th></tr>"
    table = html.fragment_fromstring(f"<table>{head}{''.join(_row(name, cer[name]) for name in names)}</table>")
    _align(table)
    return f"<h2>Character error rate</h2>{html.tostring(table, encoding='unicode')}"


def _row(name: str, row: dict) -> str:
    difference = _signed(row["difference"])
    if row["low"] is not None:
        difference += f" [{_signed(row['low'])}, {_signed(row['high'])}]"
    figures = [f"{row['n']:,}", f"{row['base']:.3f}", f"{row['tuned']:.3f}", difference]
    return f"<tr><td>{escape(name.replace('_', ' '))}</td>{''.join(f'<td>{figure}</td>' for figure in figures)}</tr>"


def _signed(value: float) -> str:
    text = f"{value:+.3f}"
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


def _pictures(folder: Path) -> str:
    figures = [name for name in PICTURES if (folder / f"figures/{name}.png").exists()]
    shown = [
        f'<figure><a href="figures/{name}.png"><img src="figures/{name}.png" alt="{name.replace("_", " ")}"></a>'
        f"<figcaption>{name.replace('_', ' ')}</figcaption></figure>"
        for name in figures
    ]
    return f'<div class="pictures">{"".join(shown)}</div>' if shown else ""


def _gallery(folder: Path) -> str:
    there = (folder / "gallery.html").exists()
    return '<p><a href="gallery.html">Clinical errors, page by page</a></p>' if there else ""
