"""`python -m tests.bench.full_size`: the published size on a CPU, from a LoRA step to the parity gate.

One LoRA step with its checkpoint, a merge and the gate, by the package's own functions on PaddleOCR-VL's architecture
with random weights. Pages are small and the batch is one, since a CPU without AMX has float32 alone: what is shown is
that it works and fits, not how fast a GPU is. Written to results/bench/full_size.json; takes about 15 minutes, 2 GB of
disk and 14 GB of memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results/bench/full_size.json"
PHASES = ("build", "train", "merge", "parity")
PAGES, COLUMNS, ROWS, ANSWER = 8, 8, 8, 48  # 64 visual tokens a page; the gate takes up to 32 pages
TRAINED = 2  # pages in the one step: a batch of one, accumulated twice


def build(folder: Path) -> dict:
    """Write the base."""
    from tests import full_size

    model = full_size.save_base(folder / "base")
    return {"weights": sum(p.numel() for p in model.parameters()), "dtype": "bfloat16"}


def train(folder: Path) -> dict:
    """One step through `train.train`, its checkpoint held to be whole; then B is filled for the phases after."""
    import safetensors.torch

    from medocr import train
    from medocr.train import checkpoints
    from tests import full_size

    rows = full_size.make_samples(TRAINED + 1, COLUMNS, ROWS, ANSWER)
    recipe = {"batch_size": 1, "accumulation": TRAINED, "max_steps": 1, "warmup": 0, "gradient_checkpointing": True}
    options = {"device": "cpu", "progress": False, "pretrained": False}
    report = train.train(folder / "base", rows[:TRAINED], rows[TRAINED:], folder, **options, **recipe)
    (checkpoint,) = (folder / "checkpoints").glob("checkpoint-*")
    weights = safetensors.torch.load_file(folder / "adapter/adapter_model.safetensors")
    moved = sum(bool(tensor.any()) for name, tensor in weights.items() if "lora_B" in name)
    kept = ("steps", "seconds_per_step", "trainable", "weights", "precision", "history", "recipe")
    return {
        **{name: report[name] for name in kept},
        "modules_moved": moved,
        "checkpoint": {"problem": checkpoints.problem(checkpoint), "bytes": _bytes(checkpoint)},
        "modules": full_size.fill_adapter(folder / "adapter"),
    }


def merge(folder: Path) -> dict:
    """Adapter and base into one float16 model."""
    from medocr import merge

    return merge.merge(folder / "base", folder / "adapter", folder / "merged")


def parity(folder: Path) -> dict:
    """The gate on pages that were not trained on."""
    from medocr import merge
    from tests import full_size

    pages = full_size.make_samples(PAGES, COLUMNS, ROWS, ANSWER, seed=1)
    found = merge.check_parity(folder / "base", folder / "adapter", folder / "merged", pages, device="cpu")
    return {"passed": found.passed, "why": found.why, "figures": found.figures}


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def run_phase(phase: str, folder: Path) -> dict:
    """Run a phase in a process of its own; what it found, with its seconds and the peak of its memory in GB.

    Memory is the resident set of the process and those it starts, shared pages of files included, looked at every
    tenth of a second.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "tests.bench.full_size", "--phase", phase, "--folder", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(psutil.Process(process.pid), peak))
    watcher.start()
    printed, _ = process.communicate()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{phase} ended with status {process.returncode}")
    found = json.loads(printed.strip().splitlines()[-1])
    return {"seconds": round(time.perf_counter() - began, 1), "peak_memory_gb": round(peak[0] / 1e9, 2), **found}


def _watch(process: psutil.Process, peak: list[int]) -> None:
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        resident = 0
        for one in [process, *process.children(recursive=True)]:
            try:
                resident += one.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        peak[0] = max(peak[0], resident)
        time.sleep(0.1)


def main() -> None:
    """Run all phases, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phase", choices=PHASES, help="run this one alone, in this process")
    parser.add_argument("--folder", type=Path, help="where base, adapter and merged model go")
    chosen = parser.parse_args()
    if chosen.phase:
        print(json.dumps(globals()[chosen.phase](chosen.folder), default=float))
        return
    from medocr import storage

    with tempfile.TemporaryDirectory(prefix="medocr-full-") as folder:
        phases = {}
        for phase in PHASES:
            phases[phase] = run_phase(phase, Path(folder))
            print(phase, phases[phase], flush=True)
    storage.write_record(
        OUT,
        command="python -m tests.bench.full_size",
        weights_are="random",
        cores=os.cpu_count(),
        visual_tokens=COLUMNS * ROWS,
        answer_tokens=ANSWER,
        largest_peak_memory_gb=max(found["peak_memory_gb"] for found in phases.values()),
        **phases,
    )


if __name__ == "__main__":
    main()
