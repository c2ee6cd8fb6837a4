"""The runner behind `python -m medocr run PROFILE`: a notebook is skipped while nothing it depends on has changed."""

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

from .. import BASES, ocr, preflight, sources, storage
from . import provenance, seals, summary_cell
from .kernel import StageFailed, execute_at
from .profile import ROOT, STAGES, Run, Stage, check_known, is_table, load_profile
from .results import check_publishable, index, publish

__all__ = ["ROOT", "STAGES", "Run", "Stage", "StageFailed", "execute", "is_table", "load_profile"]


def execute(
    run: Run,
    *,
    start: str | None = None,
    only: str | None = None,
    force: bool = False,
    replace: bool = False,
    verify: bool = False,
) -> dict:
    """Run the stages in order; returns what `run.json` holds. Raises StageFailed at the first that fails, and where
    the user stops it a KeyboardInterrupt that says in which.

    `start` and `only` name a stage (`03` or `prepare`) to begin at, or to run alone, whether it has
    changed or not; `force` runs everything anew; `replace` lets a run with overrides replace published results;
    `verify` reads every file again to see that it is what its stage wrote, whatever its size and time say.
    """
    check_publishable(run)
    first = 0 if force else _number(start) if start else len(STAGES)
    chosen, forced, before = STAGES, STAGES[first:], STAGES[:first]  # those before may be read from
    if only:
        number = _number(only)
        before = STAGES[:number]
        chosen = forced = STAGES[number : number + 1]
    report: dict[str, Any] = {"run": run.name, "overrides": list(run.overrides), "parameters": run.parameters}
    report["stages"] = []
    with _locked(run.data):
        run.claim()
        hashes = seals.Hashes(run.data, verify)
        seals.check(run, before, hashes, alone=only is not None)
        storage.write_json(run.data / "run.json", report)  # what is planned: the machine is held against it
        if chosen[0] is STAGES[0]:  # sources' fingerprints already ask hub and Kaggle
            preflight.check(run.data)
        try:
            for stage in chosen:
                _execute_stage(run, stage, stage in forced, hashes, report["stages"])
        finally:
            storage.write_json(run.data / "run.json", {**report, **_origin(run, report["stages"])})
        index(run.data / "results", run.name, summary_cell.caution(run))
    publish(run, replace)
    return report


def _origin(run: Run, rows: list[dict]) -> dict:
    """Commits of all stages; cores and library versions of the last."""
    records = [seals.finished(run.data, stage) for stage in STAGES]
    last = next((record for record in reversed(records) if record), {})
    cores = last.get("machine", {}).get("cores")
    return {"commit": provenance.commits(rows), "cores": cores, "versions": last.get("versions", {})}


def _number(name: str) -> int:
    """The place among the stages of `03`, `prepare` or `03_prepare`. Raises ValueError for another name."""
    notebooks = [stage.notebook for stage in STAGES]
    full = next((stage.notebook for stage in STAGES if name in (stage.name, stage.notebook[:2])), name)
    check_known(full, notebooks, "stage")
    return notebooks.index(full)


def _execute_stage(run: Run, stage: Stage, must: bool, hashes: seals.Hashes, rows: list[dict]) -> None:
    """Run the stage unless it is finished and unchanged; adds its row to `rows` whatever comes of it."""
    row: dict[str, Any] = {"stage": stage.notebook, "state": "skipped"}
    rows.append(row)
    made_from = fingerprint(run, stage, hashes)
    record = seals.finished(run.data, stage)
    if must or record is None or record["made_from"] != made_from:
        row |= {"state": "failed", "seconds": 0.0}  # until it is not
        _check_inputs(run, stage)  # before anything of an earlier time is removed
        _clear(run, stage, everything=must or _by_other_code(run, stage, record, made_from))
        _show(f"{stage.notebook:<14} running", end="\r")
        start = time.perf_counter()
        try:
            record = make(run, stage, made_from, hashes)
            open_with_finding(run, stage, record)
            row |= {"state": "done", **provenance.row(record)}
        except KeyboardInterrupt:
            row["state"] = "stopped"
            again = "the same command" + " without --force, --from and --only" * must
            raise KeyboardInterrupt(f"stopped in {stage.notebook}; {again} goes on from there") from None
        finally:
            row["seconds"] = round(time.perf_counter() - start, 1)
            _show(f"{stage.notebook:<14} {row['state']:<8} {row['seconds']:8.1f} s")
    else:
        row |= provenance.row(record)
        _show(f"{stage.notebook:<14} skipped  {row['seconds']:8.1f} s when it ran")
    for warning in summary_cell.warnings(stage, run.data):
        _show(f"  {warning}")


def make(run: Run, stage: Stage, made_from: dict, hashes: seals.Hashes) -> dict:
    """Execute a stage's notebook and seal what it wrote; returns its record."""
    stamp, start = provenance.stamp(), time.perf_counter()
    execute_notebook(run, stage)
    seconds = round(time.perf_counter() - start, 1)
    try:
        return seals.seal(run.data, stage, hashes, made_from=made_from, made=stamp, seconds=seconds)
    except ValueError as error:
        raise StageFailed(str(error)) from None


def _check_inputs(run: Run, stage: Stage) -> None:
    if absent := [name for name in stage.reads if not (run.data / name).exists()]:
        writers = [s.notebook for s in STAGES if set(absent) & {*s.writes, s.record}]
        raise ValueError(
            f"{stage.notebook} reads {', '.join(absent)}, not there in {run.data}: run {', '.join(writers)} first"
        )


def _show(text: str, end: str = "\n") -> None:
    if end == "\n" or sys.stdout.isatty():
        print(text, end=end, flush=True)


def _by_other_code(run: Run, stage: Stage, record: dict | None, made_from: dict) -> bool:
    """Whether other code or libraries made a finished stage's scratch; what this code goes on with is noted.

    Raises ValueError where they began a training that is unfinished: its checkpoints would be lost.
    """
    code = {name: made_from[name] for name in ("code", "libraries")}
    note = run.data / f".{stage.name}.json"
    known = record["made_from"] if record else storage.read_json(note) if note.is_file() else code
    differs = any(known[name] != code[name] for name in code)
    there = [name for name in stage.scratch if (run.data / name).exists()]
    if there and differs and not record:
        raise ValueError(
            f"{stage.notebook} is unfinished, and code or libraries have changed since it began: put them back to go "
            f"on, or begin anew with --from {stage.notebook[:2]}, which removes {', '.join(there)}"
        )
    if stage.scratch:
        storage.write_json(note, code)
    return differs


def _clear(run: Run, stage: Stage, everything: bool) -> None:
    """Remove what the stage wrote before, its record first, so that a kill leaves no half-true record."""
    for name in (stage.record, *stage.writes, *(stage.scratch if everything else ())):
        storage.remove(run.data / name, run.data)


def fingerprint(run: Run, stage: Stage, hashes: seals.Hashes) -> dict:
    """What decides a stage's result: parameters, code, libraries, and the content of what it reads."""
    made_from = plan(run, stage)
    files = {name: hashes.of(name) for name in stage.reads if (run.data / name).exists()}
    return {**made_from, "reads": files | made_from["reads"]}


def plan(run: Run, stage: Stage) -> dict:
    """What of a stage's fingerprint is known before any stage has run."""
    parameters = run.parameters[stage.name]
    reads = {}
    for number, options in enumerate(parameters.get("pages_from", ())):
        settings = {key: value for key, value in options.items() if key != "source"}
        reads[f"source {number}"] = sources.fingerprint(options["source"], **settings)
    if (recogniser := parameters.get("annotator", "").partition(":")[2]).endswith(".onnx"):
        reads["recogniser"] = ocr.fingerprint(recogniser)
    base = run.parameters["prepare"]["base"]
    if stage.needs_base and (folder := BASES.get(base, Path(base))).is_dir():
        reads["base"] = storage.model_hash(folder)
    code, libraries = provenance.stage_code(stage.path, parameters)
    parameters = {name: value for name, value in parameters.items() if name != "data"}
    return {"parameters": parameters, "code": code, "libraries": libraries, "reads": reads}


def execute_notebook(run: Run, stage: Stage) -> None:
    """Execute a stage's notebook into `data/<run>/results/`; on failure the partial notebook stays beside it."""
    parameters = _relative({**run.parameters[stage.name], "data": str(run.data)}, stage.path.parent)
    execute_at(stage.path, run.data / "results" / f"{stage.notebook}.ipynb", parameters, run.out)


def open_with_finding(run: Run, stage: Stage, record: dict) -> None:
    """Let a stage's executed notebook open with what it found, at which commit, when and on what machine."""
    notebook = run.data / "results" / f"{stage.notebook}.ipynb"
    origin = summary_cell.origin({**record, **provenance.row(record)}, record["seconds"])
    summary_cell.insert(notebook, summary_cell.finding(stage, run.data), *origin, summary_cell.caution(run))


def _relative(parameters: dict, folder: Path) -> dict:
    """A stage's parameters with their paths as seen from the notebooks, so that results hold no path of this machine.

    Nothing else that begins with "/" is a path: a server may well call its model so.
    """

    def seen(path: str) -> str:
        return os.path.relpath(path, folder) if path.startswith("/") else path

    made: dict[str, Any] = parameters | {name: seen(parameters[name]) for name in parameters.keys() & {"data", "base"}}
    if "annotator" in made:
        engine, colon, file = made["annotator"].partition(":")
        made["annotator"] = f"{engine}{colon}{seen(file)}"
    if "pages_from" in made:
        made["pages_from"] = [{**o, **({"path": seen(o["path"])} if "path" in o else {})} for o in made["pages_from"]]
    return made


@contextlib.contextmanager
def _locked(folder: Path):
    """A run's folder, and all that is written meanwhile, for this user alone, and one runner at a time: two would write
    the same files. What a killed one left half written goes."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    busy = f"{folder}: another runner is at work on this run; wait for it or stop it"
    with storage.private(), storage.locked(folder, busy):
        storage.sweep(folder)
        yield
