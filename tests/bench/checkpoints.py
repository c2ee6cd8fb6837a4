"""`python -m tests.bench.checkpoints`: a training killed (SIGKILL) at ten random places and resumed, and one left alone.

LoRA on the embedded model, on a CPU: every second kill falls into a save, the others anywhere between the start and
the end. The adapters have to be the same byte for byte. Written to results/bench/checkpoints.json.
"""

import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from medocr import prepare, schema, synthetic, train
from medocr.train import checkpoints

OUT = Path(__file__).parents[2] / "results/bench/checkpoints.json"
KILLS = 10
RECIPE = {"max_steps": 16, "save_every": 4, "batch_size": 2, "accumulation": 2, "learning_rate": 2e-3}


def rows() -> list[prepare.Sample]:
    """Twenty pages, the last four for validation."""
    return [
        prepare.Sample(
            image=page.image,
            origin=page.origin,
            source=page.source,
            text=page.text,
            answer=prepare.format_text(page.text),
            visual_tokens=1,
            answer_tokens=len(page.text) + 1,
        )
        for page in synthetic.pages({"receipt": 10, "invoice": 10}, workers=1)
    ]


def start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.bench.checkpoints", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors[-2000:])


def adapter(folder: Path) -> str:
    return hashlib.sha256((folder / "adapter/adapter_model.safetensors").read_bytes()).hexdigest()


def kill(folder: Path, rng: random.Random, seconds: float, saving: bool) -> dict:
    """Start a training, kill it while it saves or after a random share of `seconds`; returns where it was."""
    process, began = start(folder), time.monotonic()
    unfinished = folder / "checkpoints" / checkpoints.UNFINISHED
    if saving:
        which = rng.randrange(RECIPE["max_steps"] // RECIPE["save_every"])
        while len(checkpoints.found(folder / "checkpoints")) < which and process.poll() is None:
            time.sleep(0.001)
        while not unfinished.exists() and process.poll() is None:
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, 0.05))
    else:
        time.sleep(rng.uniform(0.1, 1) * seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = [path.name for path in checkpoints.found(folder / "checkpoints")]
    return {
        "after_seconds": round(time.monotonic() - began, 2),
        "while_saving": unfinished.exists(),
        "ended_by_kill": process.returncode == -signal.SIGKILL,
        "checkpoints": left,
        "half_written": sorted(path.name for path in unfinished.glob("*/*")),
    }


def main() -> None:
    """Measure, print and keep."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as temporary:
        alone, began = Path(temporary) / "alone", time.monotonic()
        finish(start(alone))
        seconds, expected = time.monotonic() - began, adapter(alone)
        kills = []
        for number in range(KILLS):
            folder = Path(temporary) / f"killed-{number}"
            row = kill(folder, rng, seconds, saving=number % 2 == 0)
            finish(start(folder))
            row["resumed_from"] = json.loads((folder / "report.json").read_text())["resumed_from"]
            row["same_adapter"] = adapter(folder) == expected
            kills.append(row)
            print(row, flush=True)
    same = sum(row["same_adapter"] for row in kills)
    print(f"{same} of {KILLS} end with the adapter of the run left alone")
    schema.write_record(OUT, command="python -m tests.bench.checkpoints", recipe=RECIPE, kills=kills, same_adapter=same)


if __name__ == "__main__":
    if sys.argv[1:]:
        pages = rows()
        made = train.train("tiny", pages[:-4], pages[-4:], sys.argv[1], progress=False, **RECIPE)
        schema.write_json(Path(sys.argv[1]) / "report.json", made)
    else:
        main()
