"""Notebooks run by hand: they never touch a finished run, and get what they read."""

import json
import subprocess

import pytest

from medocr import storage, workspace

READS = ("train.parquet", "prepare.json", "adapter")


@pytest.fixture
def by_hand(tmp_path, monkeypatch):
    monkeypatch.delenv(workspace.HEADLESS, raising=False)
    return tmp_path / "data"


def finish(folder):
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter/weights").write_text("1")
    (folder / "train.parquet").write_text("pages")
    (folder / "prepare.json").write_text(json.dumps({"settings": {"base": "tiny"}, "made_from": {}}))


def test_a_finished_run_is_not_worked_in(by_hand, monkeypatch):
    finish(by_hand / "demo")
    with pytest.raises(ValueError, match="holds a finished run"):
        workspace.enter(by_hand / "demo", "prepare.json")
    assert workspace.enter(by_hand / "demo", "train.json", ["train.parquet"]) == by_hand / "demo"
    monkeypatch.setenv(workspace.HEADLESS, "1")
    assert workspace.enter(by_hand / "demo", "prepare.json") == by_hand / "demo"


def test_a_notebook_gets_what_it_reads_from_a_finished_run_as_a_copy(by_hand, capsys):
    finish(by_hand / "demo")
    scratch = workspace.enter(by_hand / "scratch", "train.json", READS)
    assert all((scratch / name).exists() for name in READS)
    assert "Copied from" in capsys.readouterr().out
    (scratch / "adapter/weights").write_text("2")
    assert (by_hand / "demo/adapter/weights").read_text() == "1"
    workspace.enter(scratch, "prepare.json")  # the copy is not sealed
    (scratch / "train.parquet").write_text("others")
    workspace.enter(scratch, "train.json", READS)
    assert (scratch / "train.parquet").read_text() == "others", "what lies there already is kept"


def test_where_no_run_is_finished_a_small_one_is_made(by_hand, monkeypatch):
    commands = []

    def made(command, check):
        commands.append(command)
        finish(by_hand / "scratch/made/data/smoke")

    monkeypatch.setattr(subprocess, "run", made)
    scratch = workspace.enter(by_hand / "scratch", "train.json", READS)
    assert commands[0][1:] == ["-m", "medocr", "run", "smoke", "--out", str(scratch / "made")]
    assert json.loads((scratch / "prepare.json").read_text()) == {"settings": {"base": "tiny"}}


def test_what_was_made_here_is_never_replaced_by_a_finished_runs(by_hand):
    finish(by_hand / "demo")
    scratch = workspace.enter(by_hand / "scratch", "train.json", READS)
    (scratch / "adapter/weights").write_text("trained here")
    (scratch / "train.parquet").unlink()
    with pytest.raises(ValueError, match=r"lacks train\.parquet: run here first"):
        workspace.enter(scratch, "merge.json", READS)
    assert (scratch / "adapter/weights").read_text() == "trained here"


def test_pages_are_not_read_by_an_adapter_of_other_splits(by_hand):
    splits, reads = ["train.parquet", "test.parquet"], ["test.parquet", "prepare.json", "train.json", "adapter"]
    finish(by_hand / "demo")
    (by_hand / "demo/test.parquet").write_text("pages")
    sealed = {"reads": {"train.parquet": storage.file_hash(by_hand / "demo/train.parquet"), "prepare.json": "any"}}
    (by_hand / "demo/train.json").write_text(json.dumps({"made_from": sealed}))
    scratch = workspace.enter(by_hand / "scratch", "metrics.json", reads)
    (scratch / "train.parquet").write_text("pages")
    workspace.enter(scratch, "metrics.json", reads)  # 03 by hand made the same splits
    for name in splits:
        (scratch / name).write_text("others")
    with pytest.raises(ValueError, match=r"train\.json was made from another train\.parquet .*writes it again"):
        workspace.enter(scratch, "metrics.json", reads)
    workspace.enter(scratch, "train.json", [*splits, "prepare.json"])  # 04 by hand
    workspace.enter(scratch, "metrics.json", reads)
    (scratch / "test.parquet").write_text("yet others")
    with pytest.raises(ValueError, match=r"train\.json was made from another test\.parquet"):
        workspace.enter(scratch, "metrics.json", reads)


def test_a_copied_record_is_not_held_against_what_was_made_here_before(by_hand):
    finish(by_hand / "demo")
    (by_hand / "demo/pages.parquet").write_text("pages")
    (by_hand / "demo/labelled.parquet").write_text("labels of the demo")
    sealed = {"reads": {"labelled.parquet": storage.file_hash(by_hand / "demo/labelled.parquet")}}
    (by_hand / "demo/prepare.json").write_text(json.dumps({"made_from": sealed}))
    scratch = workspace.enter(by_hand / "scratch", "transcribe.json", ["pages.parquet"])
    (scratch / "labelled.parquet").write_text("labels by 02 as run here")
    workspace.enter(scratch, "train.json", READS)  # 04, on a copy of the demo's splits, as without those labels
