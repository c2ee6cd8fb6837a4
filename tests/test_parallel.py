"""Several processes on one training: the same losses as by one, and one that writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_model import make_base, make_samples

from medocr import prepare, storage, train
from medocr.train import data, parallel

ROOT = Path(__file__).parents[1]
LAUNCHER = """
import os, sys
import torch.distributed
from accelerate import debug_launcher
from medocr import __main__, train  # imported once, before the processes part

def run(*arguments):
    os.environ["LOCAL_RANK"] = str(torch.distributed.get_rank())  # as `accelerate launch` does
    __main__.main(arguments)

debug_launcher(run, tuple(sys.argv[1:]), num_processes=2)
"""
RECIPE = {
    "precision": "float32",
    "epochs": 2,
    "batch_size": 2,
    "accumulation": 2,
    "r": 4,
    "alpha": 4,
    "save_every": 4,
    "learning_rate": 1e-2,
    "pretrained": False,
}


@pytest.mark.parametrize(
    ("recipe", "processes", "expected"),
    [((4, 2), 1, (4, 2)), ((4, 2), 2, (4, 1)), ((4, 2), 4, (2, 1)), ((4, 2), 8, (1, 1)), ((4, 3), 2, (3, 2))],
)
def test_an_optimizer_step_sees_the_same_number_of_pages(recipe, processes, expected):
    assert parallel.share(*recipe, processes) == expected


def test_pages_that_cannot_be_shared_out_are_refused():
    with pytest.raises(ValueError, match=r"8 pages per optimizer step \(4 × 2\).* among 3 processes"):
        parallel.share(4, 2, 3)


def test_batches_too_few_for_every_process_are_left_out():
    alone, shared = (
        data.LengthGroupedSampler([1] * 23, 4, seed=0),
        data.LengthGroupedSampler([1] * 23, 4, seed=0, processes=2),
    )
    assert (len(alone), len(shared)) == (20, 16)


def test_two_processes_give_the_losses_of_one(tmp_path):
    """A run's folder, trained by two processes and by this one; then taken over, as notebook 04 does."""
    base, samples, run = make_base(tmp_path / "base"), make_samples(20), tmp_path / "run"
    storage.write(run / "train.parquet", samples[:16], prepare.Sample)
    storage.write(run / "validation.parquet", samples[16:], prepare.Sample)
    storage.write_json(run / "prepare.json", {"settings": {"base": str(base), "min_pixels": None, "max_pixels": None}})
    storage.write_json(run / "run.json", {"parameters": {"train": {"data": "../run", "device": "cpu", **RECIPE}}})
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LAUNCHER, "train", str(run), "alpha=4"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("8 steps by 2 processes") == 1
    files = {path.name for path in (run / "checkpoints/checkpoint-8").iterdir()}
    assert files >= {"adapter_model.safetensors", "rng_state_0.pth"}
    assert "rng_state_1.pth" not in files
    alone = train.train(base, samples[:16], samples[16:], tmp_path / "alone", progress=False, **RECIPE)
    taken_over = train.train(base, samples[:16], samples[16:], run, progress=False, **RECIPE)
    assert (taken_over["resumed_from"], alone["resumed_from"]) == (8, None)
    for name in ("loss", "eval_loss", "learning_rate", "eval_cer"):
        shared, single = ([row[name] for row in r["history"] if name in row] for r in (taken_over, alone))
        assert shared == pytest.approx(single, rel=1e-4), name
    assert json.loads((run / "checkpoints/recipe.json").read_text())["finished"]
