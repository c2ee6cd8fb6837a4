"""What a run leaves to read: tidied notebooks, one HTML page, and the decision where they may lie."""

import ast
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pyarrow.parquet as pq

from .. import sources, storage
from .page import index
from .profile import NOTEBOOKS, STAGES, Run
from .summary_cell import caution

WIDGET = "application/vnd.jupyter.widget-view+json"  # a bar or a slider: dead without its kernel


def tidy(path: Path, out: str) -> None:
    """Take out of an executed notebook what is of no use to a reader: progress bars, warnings, timings, paths.

    `out` is the folder of data/ and results/ as seen from the notebooks: wherever it lies, readers see `..`.
    """
    notebook = nbformat.reads(path.read_text(encoding="utf-8").replace(f"{out}/", "../"), as_version=4)
    for key in ("papermill", "widgets"):
        notebook.metadata.pop(key, None)
    notebook.cells = _one_parameters_cell(notebook.cells)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr" and WIDGET not in o.get("data", {})]
    nbformat.write(notebook, path)


def _one_parameters_cell(cells: list) -> list:
    """The cells without papermill's own: the run's values stand in the notebook's cell, before its comments."""
    tagged = {tag: cell for cell in cells for tag in cell.metadata.get("tags", ())}
    default, injected = tagged.get("parameters"), tagged.get("injected-parameters")
    if default is None or injected is None:
        return cells
    given = [node for node in ast.parse(injected.source).body if isinstance(node, ast.Assign)]
    values = {ast.unparse(node.targets[0]): ast.get_source_segment(injected.source, node.value) for node in given}
    lines = []
    for line in default.source.splitlines():
        name, _, rest = line.partition(" = ")
        _, mark, comment = rest.rpartition("  #")
        lines.append(f"{name} = {values[name]}{mark}{comment if mark else ''}" if name in values else line)
    default.source = "\n".join(lines)
    default.execution_count = injected.execution_count
    return [cell for cell in cells if cell is not injected]


def publish(run: Run, replace: bool = False) -> None:
    """Lay the executed notebooks and their page under `results/<run>/` where all sources are public.

    Results of the profile as it stands are replaced by those of a run with overrides only where `replace` says so.
    """
    rendered = run.data / "results"
    if why := _kept_back(run, replace):
        print(f"results: {_shown(rendered / 'index.html')} ({why})")
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
                path.write_text(_renamed(path.read_text(encoding="utf-8"), names), encoding="utf-8")
            index(folder, run.name, caution(run))
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
        others = storage.read_json(published).get("overrides", [])
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
    texts = (text.removeprefix("rapidocr:") for text in _strings(run.parameters))  # a recogniser's file
    for path in filter(os.path.isabs, texts):
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


def _renamed(text: str, names: dict[str, str]) -> str:
    """JSON text in which every mention of a path is replaced by its name, the longest path first."""
    for path in sorted(names, key=len, reverse=True):
        text = text.replace(json.dumps(path, ensure_ascii=False)[1:-1], names[path])
    return text
