"""Checkpoints: written whole, looked at before use, refused to another recipe; and a killed run that goes on."""

import errno
import json
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import safetensors.torch
import torch
from small_model import RECIPE, make_base

from medocr import storage, train
from medocr.train import checkpoints

KILLED_WHILE_SAVING = """
import os, signal, sys
import torch
torch.set_num_threads({threads})
sys.path.insert(0, {tests!r})
from small_model import RECIPE, make_samples
from medocr import train

save = torch.save
def half(state, path, *args, **options):
    save(state, path, *args, **options)
    if "checkpoint-4" in str(path):
        with open(path, "r+b") as file:
            file.truncate(1000)
        os.kill(os.getpid(), signal.SIGKILL)

torch.save = half
samples = make_samples(14)
train.train({base!r}, samples[:10], samples[10:], {out!r}, **RECIPE)
"""


@pytest.fixture
def unfinished(finished, tmp_path):
    """A run that was killed after its last checkpoint, before it could say so."""
    out = shutil.copytree(finished[0], tmp_path / "out")
    storage.remove(out / "adapter", out)
    _mark(out, finished=False)
    return out


def _mark(out, finished):
    record = out / "checkpoints" / "recipe.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "finished": finished}))


def _weights(out):
    return (out / "adapter" / "adapter_model.safetensors").read_bytes()


def test_a_run_killed_while_saving_ends_as_the_undisturbed_one(base, samples, finished, tmp_path):
    options = {"threads": torch.get_num_threads(), "tests": str(Path(__file__).parent)}
    script = KILLED_WHILE_SAVING.format(**options, base=str(base), out=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder = tmp_path / "checkpoints"
    assert (folder / checkpoints.UNFINISHED / "checkpoint-4" / "optimizer.pt").stat().st_size == 1000
    assert [path.name for path in checkpoints.saved(folder)] == ["checkpoint-2"]
    report = train.train(base, samples[:10], samples[10:], tmp_path, **RECIPE)
    assert (report["resumed_from"], report["steps"]) == (2, 6)
    assert _weights(tmp_path) == _weights(finished[0])
    assert not (folder / checkpoints.UNFINISHED).exists()


def test_a_broken_newest_checkpoint_falls_back_to_the_one_before(base, samples, finished, unfinished):
    folder = unfinished / "checkpoints"
    (folder / "checkpoint-6" / "trainer_state.json").unlink()
    optimizer = folder / "checkpoint-4" / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:-500])
    with pytest.warns(UserWarning, match=r"checkpoint-(4|6) is broken"):
        report = train.train(base, samples[:10], samples[10:], unfinished, **RECIPE)
    assert report["resumed_from"] == 2
    assert report["steps"] == 6
    assert _weights(unfinished) == _weights(finished[0])


def test_a_run_killed_after_its_last_step_only_hands_out_the_adapter(base, samples, finished, unfinished):
    report = train.train(base, samples[:10], samples[10:], unfinished, **RECIPE)
    assert (report["resumed_from"], report["steps"]) == (6, 6)
    assert _weights(unfinished) == _weights(finished[0])
    again = train.train(base, samples[:10], samples[10:], unfinished, **RECIPE)  # finished now, and taken over
    assert again["history"] == report["history"] == finished[1]["history"]
    assert again["seconds"] == report["seconds"] > 0


def test_what_changed_under_a_checkpoint_is_named(base, samples, unfinished, tmp_path):
    other = {**RECIPE, "learning_rate": 1e-3}
    with pytest.raises(ValueError, match=r"changed: learning_rate \(0\.01 → 0\.001\)\. .*--force"):
        train.train(base, samples[:10], samples[10:], unfinished, **other)
    with pytest.raises(ValueError, match=r"changed: train_rows \([^)]*\)\. "):
        train.train(base, samples[:9], samples[10:], unfinished, **RECIPE)
    with pytest.raises(ValueError, match=r"changed: base \([^)]*\)\. "):
        train.train(make_base(tmp_path / "base", seed=1), samples[:10], samples[10:], unfinished, **RECIPE)
    _mark(unfinished, finished=True)
    report = train.train(base, samples[:10], [], unfinished, **{**other, "max_steps": 1})
    assert (report["steps"], report["resumed_from"], report["best_loss"]) == (1, None, None)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_record_of_the_recipe_is_named(tmp_path, content):
    (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(ValueError, match=r"recipe\.json is damaged"):
        checkpoints.open_folder(tmp_path, {"r": 4})


def test_another_recipe_is_welcome_where_no_checkpoint_is_lost(tmp_path):
    checkpoints.open_folder(tmp_path, {"r": 4})
    checkpoints.open_folder(tmp_path, {"r": 8})
    assert json.loads((tmp_path / "recipe.json").read_text()) == {"r": 8}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "rng_state.pth").unlink(), "rng_state.pth missing"),
        (lambda folder: (folder / "checkpoint.json").unlink(), "checkpoint.json missing"),
        (
            lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"x" * 30),
            "safetensors cut off or changed",
        ),
        (lambda folder: (folder / "scheduler.pt").write_bytes(b""), "scheduler.pt cut off or changed"),
        (lambda folder: _flip(folder / "optimizer.pt"), "optimizer.pt cut off or changed"),
        (lambda folder: _spoil(folder), "the adapter holds NaN or infinity"),
        (lambda folder: _other(folder), "does not fit the model"),
        (lambda folder: folder.rename(folder.with_name("checkpoint-9")), "is of step 6"),
    ],
)
def test_a_broken_checkpoint_is_named(finished, tmp_path, damage, message):
    folder = shutil.copytree(finished[0] / "checkpoints" / "checkpoint-6", tmp_path / "checkpoint-6")
    weights = safetensors.torch.load_file(folder / "adapter_model.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    assert checkpoints.problem(folder, shapes) is None
    damage(folder)
    assert message in checkpoints.problem(next(tmp_path.iterdir()), shapes)


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _spoil(folder):
    _rewrite(folder, lambda weights: next(iter(weights.values())).fill_(float("nan")))


def _other(folder):
    _rewrite(folder, lambda weights: weights.popitem())


def _rewrite(folder, change):
    weights = safetensors.torch.load_file(folder / "adapter_model.safetensors")
    change(weights)
    safetensors.torch.save_file(weights, folder / "adapter_model.safetensors")
    (folder / "checkpoint.json").unlink()
    checkpoints.write_manifest(folder)


def test_the_best_checkpoint_is_looked_at_before_it_is_chosen(finished):
    folder, history = finished[0] / "checkpoints", finished[1]["history"]
    assert checkpoints.best(folder, history).name == f"checkpoint-{finished[1]['best_step']}"
    assert checkpoints.best(folder, []).name == "checkpoint-6"


def test_a_broken_best_falls_back_to_the_next_best(finished, unfinished):
    folder = unfinished / "checkpoints"
    history = [{"step": 2, "eval_loss": 0.2}, {"step": 4, "eval_loss": 0.1}, {"step": 6, "eval_loss": float("nan")}]
    (folder / "checkpoint-4" / "adapter_config.json").write_text("{")
    with pytest.warns(UserWarning, match=r"checkpoint-4 is broken \(adapter_config\.json cut off.*next best"):
        assert checkpoints.best(folder, history).name == "checkpoint-2"
    for name in ("checkpoint-2", "checkpoint-6"):
        (folder / name / "optimizer.pt").unlink()
    with (
        pytest.warns(UserWarning, match="optimizer.pt missing"),
        pytest.raises(OSError, match="no whole checkpoint is left"),
    ):
        checkpoints.best(folder, history)


def test_the_newest_and_the_best_are_kept(tmp_path):
    for step in (2, 4, 6, 8, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        history = [{"step": n, "eval_loss": abs(n - 4)} for n in range(2, step + 1, 2)]
        checkpoints.rotate(tmp_path, 2, history)
        assert len(checkpoints.saved(tmp_path)) <= 3
    assert [checkpoints.step(path) for path in checkpoints.saved(tmp_path)] == [10, 8, 4]


def test_a_full_disk_is_named_and_the_last_checkpoint_kept(base, samples, finished, tmp_path, monkeypatch):
    save = torch.save

    def until_full(state, path, *args, **options):
        if "checkpoint-4" in str(path):
            Path(path).write_bytes(b"PK")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(state, path, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", until_full)
        with pytest.raises(
            OSError, match=r"checkpoint-4 could not be written to .*No space left.*goes on from checkpoint-2"
        ):
            train.train(base, samples[:10], samples[10:], tmp_path, **RECIPE)
    assert [path.name for path in checkpoints.saved(tmp_path / "checkpoints")] == ["checkpoint-2"]
    assert not (tmp_path / "checkpoints" / checkpoints.UNFINISHED).exists()
    train.train(base, samples[:10], samples[10:], tmp_path, **RECIPE)
    assert _weights(tmp_path) == _weights(finished[0])


def test_checkpoints_of_nobody_knows_what_are_refused(tmp_path):
    (tmp_path / "checkpoint-2").mkdir()
    with pytest.raises(ValueError, match=r"no recipe\.json"):
        checkpoints.open_folder(tmp_path, {})


def test_no_warning_when_all_checkpoints_are_whole(finished):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert checkpoints.last_whole(finished[0] / "checkpoints").name == "checkpoint-6"
