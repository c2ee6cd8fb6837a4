"""`python -m tests.bench.learning_rate`: short trainings on the demo's pages at several learning rates.

Needs data/demo as `make run` leaves it. Each rate trains for so many steps from the same start and reads the same
validation pages; `results/bench/learning_rate.json` keeps what came out, and demo.toml the rate that was best.
"""

import argparse
import tempfile
from pathlib import Path

from medocr import metrics, prepare, schema, train
from medocr import model as models

ROOT = Path(__file__).parents[2]
RATES = (5e-5, 2e-4, 5e-4, 1e-3, 2e-3, 4e-3)  # the first is the published recipe's, for 0.9 B parameters


def cer(model, processor, pages: list) -> dict[str, float]:
    """Mean CER (capped at 1) of medical and of general pages, against their exact text."""
    readings = models.read(model, processor, pages, max_new_tokens=300, progress=False)
    rates = {"medical": [], "general": []}
    for page, reading in zip(pages, readings, strict=True):
        rates[page.domain].append(min(1.0, metrics.cer(page.truth, reading.text)))
    return {f"{domain}_cer": sum(values) / len(values) for domain, values in rates.items()}


def main() -> None:
    """Train, read, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--data", type=Path, default=ROOT / "data/demo")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    chosen = parser.parse_args()
    rows, validation = (
        list(schema.read(chosen.data / f"{name}.parquet", prepare.Sample)) for name in ("train", "validation")
    )
    found = [{"learning_rate": 0.0, **cer(*models.load("tiny"), validation)}]
    print(found[-1], flush=True)
    for rate in chosen.rates:
        with tempfile.TemporaryDirectory() as folder:
            recipe = {"max_steps": chosen.steps, "save_every": chosen.steps, "learning_rate": rate}
            made = train.train("tiny", rows, validation, folder, progress=False, **recipe)
            scores = cer(*models.load("tiny", adapter=Path(folder) / "adapter"), validation)
        found.append({"learning_rate": rate, "validation_loss": made["best_loss"], **scores})
        print(found[-1], flush=True)
    pages = {domain: sum(page.domain == domain for page in validation) for domain in ("medical", "general")}
    out = ROOT / "results/bench/learning_rate.json"
    schema.write_record(
        out, steps=chosen.steps, pages=pages, base=schema.model_hash(models.resolve("tiny")), rows=found
    )


if __name__ == "__main__":
    main()
