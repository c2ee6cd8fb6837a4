"""What made a result: code told from words, the commit of a changed tree, and committed results that are of today."""

import json
import subprocess
from pathlib import Path

import pytest

from medocr import storage
from medocr.run import STAGES, provenance

ROOT = Path(__file__).parents[1]
CODE = 'def half(x: int) -> float:\n    """Half."""\n    return x / 2\n'


@pytest.mark.parametrize(
    "reworded",
    [
        CODE.replace("Half.", "One half of a number."),
        CODE.replace('    """Half."""\n', ""),
        CODE.replace("return", "# said better\n    return"),
        CODE.replace("x / 2", "(x\n            / 2)"),
    ],
)
def test_other_words_are_the_same_code(reworded):
    assert provenance.code_hash(reworded) == provenance.code_hash(CODE)


@pytest.mark.parametrize("changed", [("/ 2", "/ 3"), ("x / 2", "x // 2"), ("/ 2", "/ 2.0"), ("half", "quarter")])
def test_other_code_is_other_code(changed):
    assert provenance.code_hash(CODE.replace(*changed)) != provenance.code_hash(CODE)


def test_the_hash_is_the_same_in_every_python():
    assert provenance.code_hash(CODE) == "f295f3efb0a3"


def test_the_code_of_a_program_is_all_that_it_imports_of_medocr():
    modules, libraries = provenance.code_hashes(
        "if late:\n    from medocr import metrics\nmetrics.score_page\nimport json"
    )
    assert {"medocr", "medocr.metrics", "medocr.metrics.text", "medocr.fields", "medocr.fields.lexicon"} <= set(modules)
    assert not any(name.startswith(("medocr.train", "medocr.run")) for name in modules)
    assert libraries == {}
    modules, libraries = provenance.code_hashes("import medocr.train.trainer")
    assert {"medocr.train", "medocr.train.trainer", "medocr.model.loading"} <= set(modules)
    assert {"torch", "transformers", "trl", "peft"} <= set(libraries)
    assert "medocr.metrics.text" in provenance.code_hashes("register('medocr.metrics.text:cer')")[0]


TEXT_ALONE = {"medocr", "medocr.metrics", "medocr.metrics.text"}


@pytest.mark.parametrize(
    ("program", "alone"),
    [
        ("from medocr import metrics\nmetrics.cer('a', 'b')", True),
        ("from medocr.metrics import cer as rate", True),
        ("from medocr.metrics import text", True),
        ("from medocr import metrics as scores\nscores.cer('a', 'b')\nscores.score_page", False),
        ("from medocr import metrics\ngetattr(metrics, name)", False),
        ("import medocr.metrics", False),
    ],
)
def test_of_a_package_that_hands_names_on_counts_what_is_used(program, alone):
    modules, _ = provenance.code_hashes(program)
    assert (set(modules) == TEXT_ALONE) == alone
    assert ("medocr.fields.drugs" in modules) != alone


def test_a_changed_parser_trains_nothing_anew():
    code, _ = provenance.stage_code(next(s.path for s in STAGES if s.name == "train"), {})
    assert {"medocr.train.trainer", "medocr.model.loading", "medocr.report.models"} <= set(code)
    assert not any(name.startswith("medocr.fields") for name in code)


def test_every_stage_has_its_code():
    for stage in STAGES:
        code, _ = provenance.stage_code(stage.path, {})
        assert {"notebook", "medocr.schema"} <= set(code)


def test_the_code_of_a_source_counts_for_the_runs_that_load_it():
    notebook = STAGES[1].path  # which imports no source
    assert "medocr.sources.hub" not in provenance.stage_code(notebook, {})[0]
    with_source = provenance.stage_code(notebook, {"pages_from": [{"source": "prescriptions"}]})[0]
    assert "medocr.sources.hub" in with_source


def test_a_changed_table_in_a_packages_data_is_changed_code(tmp_path):
    (tmp_path / "data/languages").mkdir(parents=True)
    (tmp_path / "__init__.py").write_text("a = 1\n")
    hashes = []
    for text in ("Natrium\tsodium\n", "Kalium\tpotassium\n"):
        (tmp_path / "data/languages/de.tsv").write_text(text)
        provenance._module.cache_clear()
        hashes.append(provenance._module("medocr.x", tmp_path / "__init__.py")[0])
    assert len(set(hashes)) == 2


def test_a_notebooks_parameters_and_magics_are_no_code(tmp_path):
    cells = [("parameters", "steps = 3"), ("", "%matplotlib inline\nprint(steps)")]
    cells = [{"cell_type": "code", "source": [text], "metadata": {"tags": [tag]}} for tag, text in cells]
    (tmp_path / "x.ipynb").write_text(json.dumps({"cells": cells}))
    assert provenance.notebook_code(tmp_path / "x.ipynb") == "print(steps)"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    (tmp_path / "medocr").mkdir()
    (tmp_path / "medocr/a.py").write_text("a = 1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    monkeypatch.setattr(storage, "ROOT", tmp_path)
    return tmp_path


def test_a_changed_tree_is_named_by_what_changed(repository):
    clean = storage.commit()
    assert "+" not in clean
    names = [clean]
    for text in ("a = 2\n", "a = 3\n"):
        (repository / "medocr/a.py").write_text(text)
        names.append(storage.commit())
    (repository / "medocr/b.py").write_text("b = 1\n")
    names.append(storage.commit())
    assert len(set(names)) == 4
    assert all(name.startswith(f"{clean}+") for name in names[1:])
    (repository / "medocr/b.py").unlink()
    (repository / "medocr/a.py").write_text("a = 1\n")
    assert storage.commit() == clean


def test_an_installed_package_is_named_by_its_version(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "ROOT", tmp_path)
    assert storage.commit().startswith("medocr ")


def problems(results: Path) -> list[str]:
    """Why committed results cannot be taken for those of the code as it is, a sentence each with what to do.

    A `run.json` under `results` with `"accepted": "the reason"` is let be.
    """
    listed, made_at = [], {}
    for path in sorted(results.rglob("run.json")):
        run, name = json.loads(path.read_text()), path.parent.relative_to(results).as_posix()
        if run.get("accepted"):
            continue
        changed = [stage["stage"] for stage in run["stages"] if stage.get("code") != code_today(stage, run)]
        if changed:
            listed.append(f"{name}: the code of {', '.join(changed)} has changed since: {again(name)}")
        for stage in run["stages"]:
            made_at.setdefault(stage.get("commit", "an unknown commit"), set()).add(name)
    if len(made_at) > 1:
        where = "; ".join(f"{commit} ({', '.join(sorted(names))})" for commit, names in sorted(made_at.items()))
        listed.append(f"the results come from {len(made_at)} commits, {where}: make results")
    return listed


def code_today(row: dict, run: dict) -> str | None:
    """The hash that a stage of a run would be made with now; None where there is no such stage any more."""
    stage = next((stage for stage in STAGES if stage.notebook == row["stage"]), None)
    return provenance.one_hash(provenance.stage_code(stage.path, run["parameters"][stage.name])[0]) if stage else None


def again(name: str) -> str:
    """The command that makes a run of the results anew."""
    table, _, run = name.partition("/")
    return f"medocr run {table} --force" + (f" --only {run}" if run else "")


@pytest.fixture
def results(tmp_path):
    """Results of one run that the code as it is made, and a function that changes its record."""
    parameters = {"curate": {"pages_from": [{"source": "synthetic"}]}, "transcribe": {}}
    rows = []
    for stage in STAGES[:2]:
        code, _ = provenance.stage_code(stage.path, parameters[stage.name])
        rows.append({"stage": stage.notebook, "commit": "abc", "code": provenance.one_hash(code)})
    place = tmp_path / "table/small-1/run.json"
    place.parent.mkdir(parents=True)

    def change(number=0, accepted=None, **values):
        changed = [{**row, **(values if i == number else {})} for i, row in enumerate(rows)]
        place.write_text(json.dumps({"stages": changed, "accepted": accepted, "parameters": parameters}))
        return problems(tmp_path)

    return change


def test_committed_results_are_of_the_code_as_it_is_and_of_one_commit(results):
    assert results() == []
    (problem,) = results(1, code="other")
    assert problem == (
        "table/small-1: the code of 02_transcribe has changed since: medocr run table --force --only small-1"
    )
    (problem,) = results(commit="def")
    assert problem == "the results come from 2 commits, abc (table/small-1); def (table/small-1): make results"
    assert results(code="other", accepted="a figure's colour changed") == []


def test_the_committed_results_are_of_the_code_as_it_is_or_say_why_not():
    assert problems(ROOT / "results") == []
