"""`python -m tests.bench.learning_rate`: short trainings on the demo's pages at several learning rates.

Needs data/demo as `make run` leaves it. Each rate trains for so many steps from the same start and reads the same
validation pages; `results/bench/learning_rate.json` keeps what came out, and demo.toml the rate that was best.
"""

import argparse
import tempfile
from pathlib import Path

from medocr import metrics, prepare, storage, train
from medocr import model as models

ROOT = Path(__file__).parents[2]
DOMAINS = ("medical", "general")
RATES = (5e-5, 2e-4, 5e-4, 1e-3, 2e-3, 4e-3)  # the first is the published recipe's, for 0.9 B parameters


def load_pages(data: Path) -> tuple[list, list]:
    """The pages of a run to train on, and those to validate with."""
    return tuple(list(storage.read(data / f"{name}.parquet", prepare.Sample)) for name in ("train", "validation"))


def trained(rows: list, validation: list, *, device: str = "auto", **recipe) -> tuple[dict, list[float]]:
    """The report of a training of the embedded base, and `page_rates` of the validation pages after it."""
    with tempfile.TemporaryDirectory() as folder:
        report = train.train("tiny", rows, validation, folder, device=device, progress=False, **recipe)
        return report, page_rates(*models.load("tiny", device=device, adapter=Path(folder) / "adapter"), validation)


def page_rates(model, processor, pages: list) -> list[float]:
    """The CER (capped at 1) of each page against its exact text."""
    readings = models.read(model, processor, pages, max_new_tokens=300, progress=False)
    return [min(1.0, metrics.cer(page.truth, one.text)) for page, one in zip(pages, readings, strict=True)]


def by_domain(pages: list, rates: list[float]) -> dict[str, float]:
    """Mean CER of medical and of general pages."""
    of = {
        domain: [rate for page, rate in zip(pages, rates, strict=True) if page.domain == domain] for domain in DOMAINS
    }
    return {f"{domain}_cer": sum(values) / len(values) for domain, values in of.items()}


def main() -> None:
    """Train, read, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--data", type=Path, default=ROOT / "data/demo")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    chosen = parser.parse_args()
    rows, validation = load_pages(chosen.data)
    found = [{"learning_rate": 0.0, **by_domain(validation, page_rates(*models.load("tiny"), validation))}]
    print(found[-1], flush=True)
    for rate in chosen.rates:
        recipe = {"max_steps": chosen.steps, "save_every": chosen.steps, "learning_rate": rate}
        made, rates = trained(rows, validation, **recipe)
        scores = by_domain(validation, rates)
        found.append({"learning_rate": rate, "validation_loss": made["best_loss"], **scores})
        print(found[-1], flush=True)
    pages = {domain: sum(page.domain == domain for page in validation) for domain in DOMAINS}
    out = ROOT / "results/bench/learning_rate.json"
    storage.write_record(
        out, steps=chosen.steps, pages=pages, base=storage.model_hash(models.resolve("tiny")), rows=found
    )


if __name__ == "__main__":
    main()
