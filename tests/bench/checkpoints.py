"""`python -m tests.bench.checkpoints`: a training killed (SIGKILL) at ten random places, resumed, and one left alone.

LoRA on a small model of random weights, on a CPU, batches side by side on two threads: every second kill falls into a
save, the others anywhere between start and end. The adapters have to be the same byte for byte; in float32 and, where
the CPU multiplies it natively, in bfloat16. Written to results/bench/checkpoints.json.
"""

import hashlib
import multiprocessing
import random
import tempfile
import time
from pathlib import Path

import torch

from medocr import storage, train
from medocr.model.loading import bf16_is_fast
from medocr.train import checkpoints
from tests.small_model import make_base, make_samples

OUT = Path(__file__).parents[2] / "results/bench/checkpoints.json"
KILLS = 10
RECIPE = {
    "max_steps": 24,
    "save_every": 4,
    "batch_size": 2,
    "accumulation": 2,
    "learning_rate": 1e-2,
    "r": 8,
    "alpha": 8,
}


def start(folder: Path, precision: str) -> multiprocessing.Process:
    """A training in `folder` by a process of its own, forked so that it need not load the libraries again."""
    process = multiprocessing.get_context("fork").Process(target=run, args=(folder, precision))
    process.start()
    return process


def run(folder: Path, precision: str) -> None:
    torch.set_num_threads(2)
    samples = make_samples(26)
    recipe = {**RECIPE, "precision": precision, "progress": False, "pretrained": False}
    made = train.train(folder.parent / "base", samples[:22], samples[22:], folder, **recipe)
    storage.write_json(folder / "report.json", made)


def finish(process: multiprocessing.Process) -> None:
    process.join()
    if process.exitcode:
        raise RuntimeError(f"the training ended with {process.exitcode}")


def adapter(folder: Path) -> str:
    return hashlib.sha256((folder / "adapter/adapter_model.safetensors").read_bytes()).hexdigest()


def kill(folder: Path, precision: str, rng: random.Random, seconds: float, saving: bool) -> dict:
    """Start a training, kill it while it saves or after a random share of `seconds`; returns where it was."""
    process, began = start(folder, precision), time.monotonic()
    unfinished = folder / "checkpoints" / checkpoints.UNFINISHED
    if saving:
        which = RECIPE["save_every"] * rng.randint(1, RECIPE["max_steps"] // RECIPE["save_every"])
        file = unfinished / f"checkpoint-{which}" / rng.choice(checkpoints.FILES)
        while not file.exists() and process.is_alive():
            time.sleep(0.0001)
    else:
        time.sleep(rng.uniform(0.02, 0.9) * seconds)  # a little faster than alone, and it would be over
    process.kill()
    process.join()
    return {
        "after_seconds": round(time.monotonic() - began, 2),
        "killed": process.exitcode == -9,
        "checkpoints": [path.name for path in checkpoints.saved(folder / "checkpoints")],
        "while_writing": sorted(f"{path.parent.name}/{path.name}" for path in unfinished.glob("*/*")),
    }


def killed(precision: str) -> list[dict]:
    """Every kill, and whether the training that went on from there ended as the one left alone."""
    rng, kills = random.Random(0), []
    with tempfile.TemporaryDirectory() as temporary:
        make_base(Path(temporary) / "base")
        alone, began = Path(temporary) / "alone", time.monotonic()
        finish(start(alone, precision))
        seconds, expected = time.monotonic() - began, adapter(alone)
        for number in range(KILLS):
            folder = Path(temporary) / f"killed-{number}"
            row = kill(folder, precision, rng, seconds, saving=number % 2 == 0)
            finish(start(folder, precision))
            kills.append({"precision": precision, **row, "same_adapter": adapter(folder) == expected})
            print(kills[-1], flush=True)
    return kills


def main() -> None:
    """Measure, print and keep."""
    torch.set_num_threads(1)  # here: what is forked from a process with a pool of threads may wait for it for ever
    kills = [row for precision in ("float32", "bfloat16")[: 1 + bf16_is_fast()] for row in killed(precision)]
    same = sum(row["same_adapter"] for row in kills)
    print(f"{same} of {len(kills)} end with the adapter of the run left alone")
    storage.write_record(
        OUT, command="python -m tests.bench.checkpoints", recipe=RECIPE, kills=kills, same_adapter=same
    )


if __name__ == "__main__":
    main()
