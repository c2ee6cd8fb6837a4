"""The table of runs: which are made, shared and told apart, and what is kept of them."""

import json
import pickle
import types
from pathlib import Path

import pytest

from medocr import curate, evaluate, prepare, storage
from medocr import run as runner
from medocr.__main__ import main
from medocr.demo import synthetic
from medocr.findings import claims, experiments
from medocr.prepare import damaged
from medocr.run import StageFailed, load_profile, provenance

TABLE = """
seeds = [1, 2]
[curate]
pages_from = [{ source = "synthetic", counts = { receipt = 2 } }]
[runs.plain]
[runs.small]
train = { r = 8 }
[runs.lines]
prepare = { text_format = "lines" }
"""


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "trials.toml"
    path.write_text(TABLE)
    return path


@pytest.fixture
def made(monkeypatch) -> list[tuple[str, str]]:
    """Stages that were made, (run, stage): files in place of notebooks, results in place of scores."""
    log = []

    def execute(run, stage):
        log.append((Path(run.name).name, stage.name))
        if run.parameters["train"]["r"] == 8 and (run.out / "fail").exists():
            raise StageFailed("04_train: the scanner caught fire")
        parameters = {k: v for k, v in run.parameters[stage.name].items() if k != "data"}
        for name in stage.writes:
            (run.data / name).write_text(json.dumps(parameters))
        (run.data / stage.record).write_text(json.dumps({"of": parameters}))

    def keep(trial, rows):
        storage.write_json(
            trial.run.results / "metrics.json", {"made_from": trial.hash, "commit": rows[0]["commit"], "rows": rows}
        )

    monkeypatch.setattr("medocr.run.execute_notebook", execute)
    monkeypatch.setattr(experiments, "keep", keep)
    monkeypatch.setattr(experiments, "findings", lambda trials: None)
    return log


def test_runs_share_stages_and_are_made_once(table, made, tmp_path, capsys):
    command = ["run", str(table), "--out", str(tmp_path)]
    assert main(command) == 0
    names = [name for name, _ in made]
    assert names.index("small-1") < names.index("plain-2"), "all variants with one seed come before the next seed"
    assert [of for of in made if of[1] in ("curate", "transcribe")] == [
        ("plain-1", "curate"),
        ("plain-1", "transcribe"),
    ]
    assert [of[0] for of in made if of[1] == "prepare"] == ["plain-1", "lines-1"]
    assert len([of for of in made if of[1] == "train"]) == 6
    rows = json.loads((tmp_path / "results/trials/small-1/metrics.json").read_text())["rows"]
    assert [row["state"] for row in rows] == ["shared", "shared", "shared", "done", "done"]
    assert all(row["cpu_seconds"] >= 0 for row in rows), (
        "of a run that was interrupted after a stage, this is shared, too"
    )
    assert (tmp_path / "data/trials/small-1/transcripts.sqlite").is_symlink()

    made.clear()
    storage.remove(tmp_path / "data", tmp_path)
    assert main(command) == 0
    assert not made, "the committed metrics.json alone says that a run is finished"
    assert "6 of 6 runs are finished" in capsys.readouterr().out

    changed = [*command, "-p", "train.alpha=32", "--only", "small"]
    assert main(changed) == 2
    assert "results of small-1, small-2 were made without these -p" in capsys.readouterr().err
    assert not made
    assert main([*changed, "--replace"]) == 0
    assert {name for name, _ in made} == {"small-1", "small-2"}


def test_force_makes_anew_what_another_commit_made_and_no_more(table, made, tmp_path, monkeypatch):
    command = ["run", str(table), "--out", str(tmp_path), "--only", "plain"]
    assert main(command) == 0
    stages = len(made)
    made.clear()
    assert main([*command, "--force"]) == 0
    assert not made
    for place in (storage, provenance):
        monkeypatch.setattr(place, "commit", lambda: "another")
    assert main([*command, "--force"]) == 0
    assert len(made) == stages
    rows = json.loads((tmp_path / "results/trials/plain-2/metrics.json").read_text())["rows"]
    assert {row["commit"] for row in rows} == {"another"}


def test_a_failed_run_is_named_and_the_others_go_on(table, made, tmp_path, capsys):
    (tmp_path / "fail").touch()
    command = ["run", str(table), "--out", str(tmp_path)]
    assert main(command) == 1
    assert "small-1            failed: 04_train: the scanner caught fire" in capsys.readouterr().out
    assert (tmp_path / "results/trials/lines-2/metrics.json").exists()
    assert not (tmp_path / "results/trials/small-1").exists()
    (tmp_path / "fail").unlink()
    made.clear()
    assert main(command) == 0
    assert {name for name, _ in made} == {"small-1", "small-2"}


def test_a_table_that_is_stopped_names_the_run_and_goes_on_from_there(table, made, tmp_path, capsys, monkeypatch):
    command = ["run", str(table), "--out", str(tmp_path), "--only", "small"]

    def stopped(run, stage):
        if run.name.endswith("small-2"):
            raise KeyboardInterrupt
        in_process(run, stage)

    in_process = runner.execute_notebook
    monkeypatch.setattr(runner, "execute_notebook", stopped)
    assert main(command) == 130
    shown = capsys.readouterr()
    assert "small-2            stopped" in shown.out
    assert shown.err == "medocr: stopped; the same command goes on from there\n"
    monkeypatch.setattr(runner, "execute_notebook", in_process)
    made.clear()
    assert main(command) == 0
    assert {name for name, _ in made} == {"small-2"}


def test_a_table_whose_runs_are_stopped_side_by_side_goes_on_as_well(table, tmp_path, capsys, monkeypatch):
    def stopped(trial, commit):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "_make_apart", stopped)
    assert main(["run", str(table), "--out", str(tmp_path), "--jobs", "2"]) == 130
    assert capsys.readouterr().err == "medocr: stopped; the same command goes on from there\n"


def test_a_run_in_a_process_of_its_own_is_planned_by_the_code_that_makes_it(table, tmp_path, monkeypatch):
    handed = []

    def process(target, args):
        handed.append(pickle.loads(pickle.dumps(args[0])))
        return types.SimpleNamespace(start=lambda: None, join=lambda: None, exitcode=0)

    monkeypatch.setattr(experiments.multiprocessing, "get_context", lambda _: types.SimpleNamespace(Process=process))
    (trial, *_), before = experiments.load_table(str(table), out=tmp_path), experiments.plan
    planned = trial.hash
    assert experiments._make_apart(trial, None)
    monkeypatch.setattr(experiments, "plan", lambda run, stage: {**before(run, stage), "code": "changed"})
    assert handed[0].hash != planned


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("r = 8", "rank = 8", "[train] parameter 'rank' is unknown"),
        ("seeds = [1, 2]", "", "needs `seeds`"),
        ("[runs.plain]", '[runs."../../../victim/x"]', "'..' cannot name a run"),
        ("[curate]", "[curates]", "did you mean 'curate'"),
        ('source = "synthetic", counts = { receipt = 2 }', 'source = "folder", path = "."', "must be synthetic"),
    ],
)
def test_a_wrong_table_is_refused(table, tmp_path, capsys, old, new, message):
    table.write_text(TABLE.replace(old, new))
    assert main(["run", str(table), "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_table_and_a_profile_are_told_apart(table, tmp_path, capsys):
    assert main(["run", "smoke", "--jobs", "2", "--out", str(tmp_path)]) == 2
    assert main(["run", str(table), "--only", "medium", "--out", str(tmp_path)]) == 2
    assert "no run begins with 'medium': there are plain-1" in capsys.readouterr().err
    with pytest.raises(ValueError, match="table of runs"):
        load_profile(str(table))


def test_the_experiments_differ_in_what_they_ask_about_alone():
    trials = experiments.load_table("experiments")
    assert len({trial.hash for trial in trials}) == len(trials)
    assert {trial.variant for trial in trials} <= {
        side.variant for claim in claims.CLAIMS.values() for c in claim.contrasts for side in (c.left, c.right)
    }
    usual = trials[0].run.parameters["train"]["max_steps"]
    steps = {trial.variant: trial.run.parameters["train"]["max_steps"] for trial in trials}
    longer = {"quantity-epochs": 2 * usual}
    long = {side.variant for name, side in claims.SIDES.items() if name.endswith("half the steps")}
    longer |= dict.fromkeys(long, 369)
    assert {variant: count for variant, count in steps.items() if count != usual} == longer
    for name in ("batch_size", "accumulation"):
        assert len({trial.run.parameters["train"][name] for trial in trials}) == 1
    rates = {trial.variant for trial in trials if trial.run.parameters["train"]["learning_rate"] != 2e-3}
    assert rates <= {side.variant for name, side in claims.SIDES.items() if name.endswith("picked setting")}
    for name in ("held_out_per_type", "seed", "test_pages"):
        assert len({trial.run.parameters["evaluate"][name] for trial in trials}) == 1


def test_scores_of_pages_are_kept_by_columns(tmp_path):
    about = {"origin": "a", "set": "held_out", "model": "tuned", "domain": "medical", "label_origin": None}
    text = "Sodium 140 mmol/L 135-145"
    about |= {"reference": None, "truth": text, "fields": None, "finish": "stop", "seconds": 0.1, "confidence": 0.9}
    rows = [
        evaluate.Prediction(id="0" * 64, doc_type="lab_report", group="lab/1", text=text, **about),
        evaluate.Prediction(id="1" * 64, doc_type="form", group=None, text="", **about),
    ]
    storage.write(tmp_path / "p.parquet", rows, evaluate.Prediction)
    table = experiments.page_scores(tmp_path / "p.parquet")
    assert table["id"] == ["0" * 12, "1" * 12]
    assert table["cer"] == [0.0, 1.0]
    assert table["group"] == ["lab/1", None]
    json.dumps(table)


def test_label_noise_damages_the_share_asked_for_and_keeps_lengths():
    import random

    text = "Sodium 140 mmol/L — 135-145 " * 500
    noisy = damaged(text, 0.1, random.Random(1))
    wrong = [(a, b) for a, b in zip(text.split(), noisy.split(), strict=True) if a != b]
    assert len(noisy) == len(text)
    assert 0.06 < len(wrong) / len(text.split()) < 0.1  # a dash cannot be damaged
    assert all(sum(x != y for x, y in zip(a, b, strict=True)) == 1 for a, b in wrong)
    assert damaged(text, 0.0, random.Random(1)) == text


@pytest.fixture(scope="module")
def receipts() -> list:
    return list(synthetic.pages({"receipt": 40}, workers=1))


def test_copies_stay_where_they_are_asked_for(receipts):
    twice = [*receipts[:3], *receipts[:3]]
    assert len(curate.curate(twice, medical_share=None).kept) == 3
    assert len(curate.curate(twice, medical_share=None, keep_copies=True).kept) == 6


def test_training_answers_alone_are_damaged(receipts):
    limits = {"min_pixels": 3136, "max_pixels": 122_304, "max_answer_tokens": 300}
    tokenizer = prepare.tokenizer_file("tiny")
    made = prepare.prepare(receipts, tokenizer_file=tokenizer, label_noise=0.5, **limits)
    assert all(sample.answer != prepare.format_text(sample.text) for sample in made.train)
    assert all(sample.answer == prepare.format_text(sample.text) for sample in (*made.validation, *made.test))
