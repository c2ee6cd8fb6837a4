"""A table of runs, `python -m medocr run experiments`: profiles that differ in a few parameters, each with some seeds.

Stages that two runs share are made once. Of each run `results/experiments/<run>/` keeps what findings are made of:
`metrics.json`, with the scores of every page, and `run.json`. A run whose committed metrics.json carries the hash of
its parameters, notebooks, sources and base is finished, whatever machine it ran on.
"""

import contextlib
import dataclasses
import functools
import itertools
import json
import multiprocessing
import os
import resource
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from .. import evaluate, metrics, storage
from ..run import StageFailed, _clear, _locked, execute_at, fingerprint, make, plan, provenance, seals, summary_cell
from ..run.profile import NOTEBOOKS, ROOT, STAGES, Run, Stage, check_known, check_name, find, read, resolve
from ..run.results import index
from . import claims, evidence

MADE = tuple(stage for stage in STAGES if stage.notebook <= "05_evaluate")  # results/demo has what comes after
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SPENT = "spent.json"  # what a stage took, kept with it: a run that was interrupted after it finds it made
PER_PAGE = (
    *("cer", "wer", "exact", "field_recall", "header_recall"),
    *("test_value_f1", "test_row_f1", "range_f1", "drug_f1"),
)


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run of the table: a variant with a seed."""

    variant: str
    seed: int
    run: Run

    @property
    def name(self) -> str:
        return f"{self.variant}-{self.seed}"

    @functools.cached_property
    def hash(self) -> str:
        """Of all that decides the result and is known before the run."""
        return seals.content_hash([plan(self.run, stage) for stage in MADE])

    def finished(self, commit: str | None = None) -> bool:
        """Whether the results hold this run as it is planned now, made at `commit` where one is given."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            record = json.loads((self.run.results / "metrics.json").read_text())
            return record["made_from"] == self.hash and commit in (None, record["commit"])
        return False


def load_table(profile: str, overrides: Sequence[str] = (), out: Path = ROOT, name: str | None = None) -> list[Trial]:
    """The runs of a table, all variants with the first seed, then with the next; overrides go to every run.

    Raises ValueError for what `load_profile` refuses, for a table without seeds, and for pages that are not synthetic:
    scores of single pages would be committed.
    """
    path = find(profile)
    table = check_name(path.stem if name is None else name)
    content = read(path)
    variants, seeds = content.pop("runs"), content.pop("seeds", [])
    if not seeds:
        raise ValueError(f"{path}: a table of runs needs `seeds`, for example seeds = [1, 2, 3]")
    for name in content:
        check_known(name, [stage.name for stage in STAGES], f"{path}: table or setting")
    trials = []
    for seed in seeds:
        for variant, changes in variants.items():
            tables = {name: content.get(name, {}) | changes.get(name, {}) for name in content | changes}
            tables["train"] = tables.get("train", {}) | {"seed": seed}
            run = resolve(tables, f"{table}/{variant}-{seed}", path, overrides, out)
            trials.append(Trial(variant, seed, run))
    if not all(trial.run.synthetic for trial in trials):
        raise ValueError(f"{path}: experiments publish scores of single pages, so all of them must be synthetic")
    return trials


def execute(
    trials: list[Trial], *, jobs: int = 1, only: str | None = None, force: bool = False, replace: bool = False
) -> bool:
    """Make the runs that are not finished, `jobs` at a time; returns whether all asked for are finished now.

    `only` names a run, or how the names of several begin; `force` makes anew what another commit made, so that a forced
    table may be interrupted; `replace` lets runs with overrides replace results made without them, for which a
    ValueError is raised otherwise.
    """
    chosen = [t for t in trials if only is None or t.name == only]
    chosen = chosen or [t for t in trials if t.name.startswith(only or "")]
    if not chosen:
        raise ValueError(f"no run begins with {only!r}: there are {', '.join(t.name for t in trials)}")
    commit = storage.commit() if force else None
    todo = [trial for trial in chosen if not trial.finished(commit)]
    replaced = [trial.name for trial in todo if trial.run.overrides and (trial.run.results / "metrics.json").exists()]
    if replaced and not replace:
        names = ", ".join(replaced)
        raise ValueError(
            f"results of {names} were made without these -p: --name gives the runs a folder of their own, --replace "
            "replaces them"
        )
    trials[0].run.claim()
    print(f"{len(chosen) - len(todo)} of {len(chosen)} runs are finished", flush=True)
    try:
        if jobs < 2:
            made = [make_run(trial, commit) for trial in todo]
        else:
            threads = str(max(1, (os.cpu_count() or 1) // jobs))  # runs side by side share the cores
            with storage.environment(dict.fromkeys(THREADS, threads)), ThreadPoolExecutor(jobs) as pool:
                made = list(pool.map(_make_apart, todo, itertools.repeat(commit)))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on from there") from None
    return all(made)


def findings(trials: list[Trial]) -> None:
    """Read what all runs left with 08, and lay the executed notebook beside it."""
    run = trials[0].run
    folder = run.results.parent
    parameters = {"runs": os.path.relpath(folder, NOTEBOOKS)}
    folder.mkdir(parents=True, exist_ok=True)
    target, began = folder / "08_findings.ipynb", time.perf_counter()
    execute_at(NOTEBOOKS / "08_findings.ipynb", target, parameters, run.out)
    scores, facts = evidence.load(folder)
    total, verdicts = claims.counts(scores, folder.parent)
    made = {**provenance.stamp(), "cores": os.cpu_count(), "versions": storage.versions()}
    finding = f"Of {total} claims {verdicts}. {claims.provenance(scores, facts)}"
    summary_cell.insert(
        target, finding, *summary_cell.origin(made, time.perf_counter() - began), summary_cell.caution(run)
    )
    index(folder, folder.name, summary_cell.caution(run))
    print(f"findings: {os.path.relpath(folder / 'index.html')}")


def _make_apart(trial: Trial, commit: str | None) -> bool:
    """`make_run` in a process of its own: a kill of the command that started it lets this run, and no other, go on."""
    anew = dataclasses.replace(trial)  # without its hash: the process has the code of its start, and plans by that
    process = multiprocessing.get_context("spawn").Process(target=_exit_with, args=(anew, commit))
    process.start()
    process.join()
    return process.exitcode == 0


def _exit_with(trial: Trial, commit: str | None) -> None:
    try:
        raise SystemExit(not make_run(trial, commit))
    except KeyboardInterrupt:  # the command that started it was stopped as well, and says so
        raise SystemExit(1) from None


def make_run(trial: Trial, commit: str | None = None) -> bool:
    """Make one run's stages and its results; says on a line what came of it, and returns whether it is finished.

    Stages of other runs are shared if they were made at `commit`; without it, whenever they were made.
    """
    began = time.perf_counter()
    folder = trial.run.data
    try:
        with _locked(folder):
            _begin(trial)
            rows = [_make_stage(trial.run, stage, folder.parent / "stages", commit) for stage in MADE]
        keep(trial, rows)
    except (StageFailed, ValueError) as error:
        print(f"{trial.name:<18} failed: {error}", flush=True)
        return False
    except KeyboardInterrupt:
        print(f"{trial.name:<18} stopped", flush=True)
        raise
    made = ", ".join(f"{row['stage'][3:]} {row['seconds']:.0f}" for row in rows if row["state"] == "done")
    print(f"{trial.name:<18} done {time.perf_counter() - began:8.1f} s ({made})", flush=True)
    return True


def _begin(trial: Trial) -> None:
    """Empty the folder if another plan's files lie in it; all runs read from one store of transcripts."""
    plan_file = trial.run.data / "plan.json"
    if not plan_file.exists() or json.loads(plan_file.read_text()) != {"hash": trial.hash}:
        for path in trial.run.data.iterdir():
            if path.name != ".lock":
                storage.remove(path, trial.run.data)
        storage.write_json(plan_file, {"hash": trial.hash})
    store = trial.run.data / "transcripts.sqlite"
    if not store.is_symlink():
        store.symlink_to(Path("..", store.name))


def _make_stage(run: Run, stage: Stage, pool: Path, commit: str | None) -> dict:
    """Make a stage, or take it from the pool where a run with the same fingerprint has left it; returns its row."""
    hashes = seals.Hashes(run.data)
    made_from = fingerprint(run, stage, hashes)
    kept = pool / f"{stage.name}-{seals.content_hash(made_from)[:20]}"
    names = (*stage.writes, stage.record)
    state = "shared"
    pool.mkdir(parents=True, exist_ok=True)
    with storage.locked(pool, name=f"{kept.name}.lock"):  # one process makes it, others wait
        if damaged := seals.damage(kept, stage, seals.Hashes(kept)):
            raise ValueError(
                f"{kept} is not what {stage.notebook} wrote ({', '.join(damaged)}): delete it and run again"
            )
        if commit and kept.is_dir() and json.loads((kept / stage.record).read_text())["made"]["commit"] != commit:
            storage.remove(kept, pool)
        if not kept.is_dir():
            _clear(run, stage, everything=False)
            used = _cpu_seconds()
            make(run, stage, made_from, hashes)
            state = "done"
            with storage.atomic(kept) as folder:
                _link(run.data, folder, names)
                storage.write_json(folder / SPENT, {"cpu_seconds": round(_cpu_seconds() - used, 1)})
        else:
            _link(kept, run.data, names)
    spent, record = (json.loads((kept / name).read_text()) for name in (SPENT, stage.record))
    return {"stage": stage.notebook, "state": state, **spent, **provenance.row(record)}


def _cpu_seconds() -> float:
    """Of the kernels that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _link(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Hard links in `target` to files and folders in `source`: nothing changes them in place."""
    target.mkdir(exist_ok=True)
    for name in names:
        storage.remove(target / name, target)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, copy_function=os.link)
        else:
            os.link(source / name, target / name)


def keep(trial: Trial, rows: list[dict]) -> None:
    """Write `run.json` and then `metrics.json`, whose hash says that the run is finished, into the results."""
    run = trial.run
    records = {stage.name: json.loads((run.data / stage.record).read_text()) for stage in MADE}
    trained, summary = records["train"], records["evaluate"]
    facts = ("steps", "seconds", "seconds_per_step", "peak_memory_gb", "trainable", "weights", "best_loss", "pages")
    commit = provenance.commits(rows)
    facts_of_run = {
        "variant": trial.variant,
        "seed": trial.seed,
        "commit": commit,
        "cores": os.cpu_count(),
        "versions": storage.versions(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "parameters": {s.name: {k: v for k, v in run.parameters[s.name].items() if k != "data"} for s in MADE},
        "stages": rows,
        "curate": records["curate"]["counts"],
        "transcribe": {k: v for k, v in records["transcribe"]["report"].items() if not isinstance(v, list)},
        "prepare": records["prepare"]["counts"] | {"label_cer": label_errors(run.data / "train.parquet")},
        "train": {name: trained[name] for name in facts} | {"precision": trained["precision"]},
    }
    storage.write_json(run.results / "run.json", facts_of_run)
    tables = {name: [row for row in summary[name] if ":" not in row["slice"]] for name in ("scores", "comparisons")}
    pages = page_scores(run.data / "predictions.parquet")
    storage.write_record(run.results / "metrics.json", made_from=trial.hash, commit=commit, **tables, pages=pages)


def label_errors(train: Path) -> dict[str, float]:
    """Mean CER of the training answers against the exact text, by document type."""
    pages = pq.read_table(train, columns=["doc_type", "answer", "truth"]).to_pandas()
    rates = [metrics.cer(truth, answer) for truth, answer in zip(pages["truth"], pages["answer"], strict=True)]
    return pages.assign(cer=rates).groupby("doc_type")["cer"].mean().round(6).to_dict()


def page_scores(predictions: Path) -> dict[str, list]:
    """One row per page and model, by columns: id (12 digits of it), group, doc_type, model, and PER_PAGE."""
    frame = evaluate.score(storage.read(predictions, evaluate.Prediction))
    table = frame[["id", "group", "doc_type", "model"]].assign(id=frame["id"].str[:12])
    scores = frame.reindex(columns=list(PER_PAGE)).astype(float).round(4)
    table = pd.concat([table, scores], axis=1)
    return {name: [None if pd.isna(value) else value for value in table[name]] for name in table}
