"""`python -m tests.bench.precision`: the demo's recipe in float32 and in bfloat16, on the same pages, seed by seed.

Needs the data of a run of the embedded model (`make run` leaves data/demo) and a CPU that multiplies bfloat16 natively:
there medocr trains in it by default. Each seed trains so many steps in both precisions and reads the validation pages
in float32. Written to results/bench/precision.json, with the difference in CER paired by page.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from medocr import metrics, prepare, schema, train
from medocr import model as models

ROOT = Path(__file__).parents[2]
SEEDS = (3407, 3408, 3409)
PRECISIONS = ("float32", "bfloat16")


def trained(rows: list, validation: list, recipe: dict) -> tuple[dict, list[float]]:
    """What a training came to, and the CER (capped at 1) of each validation page against its exact text."""
    with tempfile.TemporaryDirectory() as folder:
        report = train.train("tiny", rows, validation, folder, device="cpu", progress=False, **recipe)
        model, processor = models.load("tiny", device="cpu", adapter=Path(folder) / "adapter")
        readings = models.read(model, processor, validation, max_new_tokens=300, progress=False)
    rates = [min(1.0, metrics.cer(page.truth, one.text)) for page, one in zip(validation, readings, strict=True)]
    found = {"validation_loss": report["best_loss"], "seconds_per_step": report["seconds_per_step"]}
    return {"precision": recipe["precision"], "seed": recipe["seed"], **found, "cer": statistics.mean(rates)}, rates


def main() -> None:
    """Train, read, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--data", type=Path, default=ROOT / "data/demo")
    chosen = parser.parse_args()
    rows, validation = (
        list(schema.read(chosen.data / f"{name}.parquet", prepare.Sample)) for name in ("train", "validation")
    )
    common = {"max_steps": chosen.steps, "save_every": chosen.steps, "learning_rate": 2e-3}
    found, rates = [], {precision: [] for precision in PRECISIONS}
    for seed in SEEDS:
        for precision in PRECISIONS:
            row, cers = trained(rows, validation, {**common, "seed": seed, "precision": precision})
            found.append(row)
            rates[precision].append(cers)
            print(row, flush=True)
    by_page = [[statistics.mean(page) for page in zip(*rates[precision], strict=True)] for precision in PRECISIONS]
    both = metrics.compare(*by_page)
    schema.write_record(
        ROOT / "results/bench/precision.json",
        command="python -m tests.bench.precision",
        steps=chosen.steps,
        pages=len(validation),
        seeds=len(SEEDS),
        rows=found,
        cer={
            "float32": both.base,
            "bfloat16": both.tuned,
            "difference": both.difference,
            "low": both.low,
            "high": both.high,
        },
    )


if __name__ == "__main__":
    main()
