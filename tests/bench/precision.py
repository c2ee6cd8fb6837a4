"""`python -m tests.bench.precision`: the demo's recipe in float32 and in bfloat16, on the same pages, seed by seed.

Needs the data of a run of the embedded model (`make run` leaves data/demo) and a CPU that multiplies bfloat16 natively:
there medocr trains in it by default. Each seed trains so many steps in both precisions and reads the validation pages
in float32. Written to results/bench/precision.json, with the difference in CER paired by page.
"""

import argparse
import statistics
from pathlib import Path

from medocr import metrics, storage
from medocr.model.loading import bf16_is_fast
from tests.bench.learning_rate import load_pages, trained

ROOT = Path(__file__).parents[2]
SEEDS = (3407, 3408, 3409)
PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    """Train, read, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--data", type=Path, default=ROOT / "data/demo")
    chosen = parser.parse_args()
    if not bf16_is_fast():
        raise SystemExit("this CPU does not multiply bfloat16 natively: nobody trains in it here")
    rows, validation = load_pages(chosen.data)
    common = {"max_steps": chosen.steps, "save_every": chosen.steps, "learning_rate": 2e-3}
    found, rates = [], {precision: [] for precision in PRECISIONS}
    for seed in SEEDS:
        for precision in PRECISIONS:
            way = {"precision": precision, "seed": seed}
            report, cers = trained(rows, validation, device="cpu", **common, **way)
            told = {"validation_loss": report["best_loss"], "seconds_per_step": report["seconds_per_step"]}
            found.append({**way, **told, "cer": statistics.mean(cers)})
            rates[precision].append(cers)
            print(found[-1], flush=True)
    by_page = [[statistics.mean(page) for page in zip(*rates[precision], strict=True)] for precision in PRECISIONS]
    both = metrics.compare(*by_page)
    storage.write_record(
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
