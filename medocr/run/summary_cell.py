"""The cell that an executed notebook begins with: its finding, and where that comes from."""

import contextlib
import functools
import json
from pathlib import Path

import jinja2
import nbformat

from .. import BASES
from .profile import STAGES, Run, Stage

TAG = "opening"  # of the cell, so that it is replaced and not added to
SHOWN = ("torch", "transformers", "peft")  # of the libraries whose versions are known


def insert(path: Path, finding: str | None, *origin: str) -> None:
    """Put a cell under an executed notebook's title with the finding and its origin, in place of an older one."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", ())]
    text = "\n\n".join([*([f"**Found:** {finding}"] if finding else []), " · ".join(filter(None, origin))])
    titled = bool(cells) and cells[0].cell_type == "markdown"
    cells.insert(titled, nbformat.v4.new_markdown_cell(text, id=TAG, metadata={"tags": [TAG]}))
    notebook.cells = cells
    nbformat.write(notebook, path)


def origin(made: dict, seconds: float) -> list[str]:
    """Commit, date, machine, time and versions of what was made, so far as they are known."""
    installed = made.get("versions", {})
    versions = ", ".join(f"{name} {installed[name]}" for name in SHOWN if name in installed)
    cores = f"{made['cores']} CPU cores" if "cores" in made else ""
    return [f"`{made['commit']}`", made["at"][:10], made.get("gpu", cores), f"{seconds:.0f} s", versions]


def caution(run: Run) -> str:
    """What keeps a small model's results from being taken for the full model's."""
    if run.parameters["prepare"]["base"] not in BASES:
        return ""
    return f"the bundled tiny model{' on synthetic pages' * run.synthetic}; not PaddleOCR-VL"


def findings(folder: Path) -> dict[str, str]:
    """A sentence or two for each stage's notebook, from the stages' records in a folder, as far as they lie there."""
    sentences = {stage.notebook: finding(stage, folder) for stage in STAGES}
    return {notebook: sentence for notebook, sentence in sentences.items() if sentence}


def finding(stage: Stage, folder: Path) -> str | None:
    """One stage's sentence; None while its record is not there, or does not hold what the sentence needs."""
    with contextlib.suppress(OSError, KeyError, TypeError, jinja2.UndefinedError):
        record = json.loads((folder / stage.record).read_text())
        if stage.name == "evaluate":
            from ..metrics import headline  # with scipy, which nothing else of a run needs

            return headline(record)
        return " ".join(getattr(_template(), stage.name)(record).split())
    return None


@functools.cache
def _template() -> jinja2.environment.TemplateModule:
    """The macros of findings.jinja, one for each stage."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined)
    environment.filters["fmt"] = format
    environment.globals |= {"counted": _counted, "dropped": _dropped}
    return environment.get_template("findings.jinja").module


def _dropped(made: dict) -> list[str]:
    """Each provider that was dropped, why, and how many labels are by readers that were not."""
    rows = made.get("providers", ())
    others = {row.get("label_origin") for row in rows if not row.get("dropped")}
    labels = sum(number for origin, number in made.get("label_origins", {}).items() if origin in others)
    return [
        f"provider {row['provider']} was dropped, as {row['dropped']}: {labels:,} labels are by other readers"
        for row in rows
        if row.get("dropped")
    ]


def warnings(stage: Stage, folder: Path) -> list[str]:
    """What a stage's record says that whoever runs it should know at once."""
    with contextlib.suppress(OSError, ValueError):
        record = json.loads((folder / stage.record).read_text())
        dropped = [f"{text}; --from 02 asks it again" for text in _dropped(record.get("report", {}))]
        rejected = _counted(record.get("counts", {}).get("rejected", {})) if stage.name == "prepare" else ""
        return [*dropped, *record.get("warnings", ()), *([f"rejected: {rejected}"] if rejected else [])]
    return []


def _counted(reasons: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {reason.replace('_', ' ')}" for reason, number in reasons.items())
