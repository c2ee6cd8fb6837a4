"""What a run leaves to read: tidied notebooks, one HTML page, and the decision where they may lie."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pyarrow.parquet as pq
from lxml import html
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from .. import sources, storage
from .profile import NOTEBOOKS, STAGES, Run

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'">
<title>medocr: {name}</title><style>{style}</style></head>
<body><nav>{links}</nav>
{bodies}
</body></html>
"""

FIGURES = re.compile(r"(nan|None|[<≤≥÷±]?\s*[+−-]?[\d.,]+\s*%?(\s*[\[,][\d\s.,+−-]+\]?)?)?")  # with an interval, if any

STYLE = (
    HtmlFormatter(style="friendly").get_style_defs(".highlight")
    + """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 0 auto; padding: 0 1rem 4rem }
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


def tidy(path: Path, out: str) -> None:
    """Take out of an executed notebook what is of no use to a reader: progress bars, warnings, timings, paths.

    `out` is the folder of data/ and results/ as seen from the notebooks: wherever it lies, readers see `..`.
    """
    notebook = nbformat.reads(path.read_text(encoding="utf-8").replace(f"{out}/", "../"), as_version=4)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    nbformat.write(notebook, path)


def index(folder: Path, name: str) -> None:
    """Render the executed notebooks of `folder` as one `index.html`, its figures as files under `figures/`."""
    exporter = HTMLExporter(template_name="basic")
    exporter.register_preprocessor("nbconvert.preprocessors.ExtractOutputPreprocessor", enabled=True)
    storage.remove(folder / "figures", folder)
    bodies = []
    for path in sorted(folder.glob("0?_*.ipynb")):
        if path.name.endswith(".partial.ipynb"):
            continue
        resources = {"unique_key": path.stem, "output_files_dir": "figures"}
        body, resources = exporter.from_notebook_node(nbformat.read(path, as_version=4), resources)
        body = re.sub(r"<table.*?</table>", _aligned, body, flags=re.DOTALL)
        bodies.append(f'<section id="{path.stem}">\n{body}\n</section>')
        for figure, data in resources["outputs"].items():
            (folder / "figures").mkdir(exist_ok=True)
            (folder / figure).write_bytes(data)
    links = " · ".join(f'<a href="#{s}">{s}</a>' for s in re.findall(r'<section id="(\w+)">', "\n".join(bodies)))
    page = PAGE.format(name=name, links=links, style=STYLE, bodies="\n".join(bodies))
    with storage.atomic(folder / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")


def _aligned(table: re.Match) -> str:
    """An HTML table in which the columns of figures are marked, so that they stand right and words stand left."""
    root = html.fragment_fromstring(table.group())
    rows = [row.xpath("th|td")[::-1] for row in root.iter("tr")]  # from the right: the names of rows may span several
    for column in range(max(map(len, rows), default=0)):
        cells = [row[column] for row in rows if column < len(row)]
        values = [cell.text_content().strip() for cell in cells if cell.tag == "td"]
        if any(values) and all(FIGURES.fullmatch(value) for value in values):
            for cell in cells:
                cell.classes.add("number")
    return html.tostring(root, encoding="unicode", with_tail=False)


def publish(run: Run, replace: bool = False) -> None:
    """Lay the executed notebooks and their page under `results/<run>/` where all sources are public.

    Results of the profile as it stands are replaced by those of a run with overrides only where `replace` says so.
    """
    rendered = run.data / "results"
    if why := _kept_back(run, replace):
        print(f"results: {_shown(rendered)} ({why})")
        return
    storage.check_inside(run.results, run.out / "results")
    for leftover in run.results.parent.glob(f".{run.results.name}.*.tmp"):  # of a run that was killed here
        storage.remove(leftover, run.out / "results")
    with storage.atomic(run.results, run.out / "results") as folder:
        left_out = shutil.ignore_patterns("*.partial.ipynb")
        shutil.copytree(rendered, folder, ignore=left_out, copy_function=shutil.copyfile)  # for all to read
        for name in ("run.json", *(stage.record for stage in STAGES)):
            if (run.data / name).exists():
                shutil.copyfile(run.data / name, folder / name)
        if names := _names_for_paths(run):
            for path in (*folder.glob("*.json"), *folder.glob("*.ipynb")):
                path.write_text(json.dumps(_renamed(json.loads(path.read_text()), names), indent=1, ensure_ascii=False))
            index(folder, run.name)
    print(f"results: {_shown(run.results / 'index.html')}")


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _kept_back(run: Run, replace: bool) -> str | None:
    """Why a run's results stay under `data/`; None where they may lie under `results/`."""
    if not run.synthetic:
        if not run.publish:
            return "real documents stay out of results/ unless `publish = true`"
        if _holds_phi(run):
            return "pages that hold health information stay out of results/"
    published = run.results / "run.json"
    if run.overrides and not replace and published.is_file():
        others = json.loads(published.read_text()).get("overrides", [])
        if sorted(others) != sorted(run.overrides):
            where = _shown(run.results)
            return f"{where} was made without these -p: --name gives this run a folder of its own, --replace replaces"
    return None


def _holds_phi(run: Run) -> bool:
    pages = pq.read_table(run.data / "pages.parquet", columns=["contains_phi"])
    return any(pages["contains_phi"].to_pylist())


def check_publishable(run: Run) -> None:
    """Raise ValueError where a run is to publish documents that are taken to hold health information."""
    if not run.publish:
        return
    for options in run.parameters["curate"].get("pages_from", ()):
        if options.get("source") != "synthetic" and sources.holds_phi(**options):
            raise ValueError(
                f"publish = true, but the pages of source {options['source']!r} are taken to hold health information, "
                "so that neither they nor their names leave data/: say contains_phi = false if they hold none, or drop "
                "publish"
            )


def _names_for_paths(run: Run) -> dict[str, str]:
    """Paths of this machine in the run's parameters → the names that stand for them in published results."""
    names = {}
    for path in filter(os.path.isabs, _strings(run.parameters)):
        inside = Path(path).is_relative_to(run.out)
        name = os.path.relpath(path, run.out) if inside else hashlib.sha256(path.encode()).hexdigest()[:12]
        names |= {path: name, os.path.relpath(path, NOTEBOOKS): name}
    return names


def _strings(value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _renamed(value, names: dict[str, str]):
    """JSON content in which every mention of a path is replaced by its name, the longest path first."""
    if isinstance(value, dict):
        return {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if isinstance(value, str):
        for path in sorted(names, key=len, reverse=True):
            value = value.replace(path, names[path])
    return value
