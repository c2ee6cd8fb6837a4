"""`python -m tests.bench.rank`: for every LoRA rank the scale and the learning rate that suit it, by validation loss.

Needs data/demo up to 03. Every combination trains for so many steps as the experiments' runs do, with a seed that none
of these has; `results/bench/rank.json` keeps the validation losses, and experiments.toml gives each rank its best, so
that no rank is compared with another's setting.
"""

import argparse
import itertools
import json
from pathlib import Path

from medocr import model as models
from medocr import storage
from tests.bench.learning_rate import ROOT, by_domain, load_pages, trained

OUT = ROOT / "results/bench/rank.json"
RANKS = (64, 16, 8)
LARGEST = 64
RATES = (2e-3, 4e-3)
STEPS, SEED = 100, 0


def settings(rank: int) -> list[tuple[int, float]]:
    """Alpha and learning rate: alpha like the rank, whose update is then scaled by one, and like the largest rank."""
    return list(itertools.product(dict.fromkeys((rank, LARGEST)), RATES))


def best(rows: list[dict]) -> dict[int, dict]:
    """Rank → its row with the smallest validation loss."""
    ordered = sorted(rows, key=lambda row: -row["validation_loss"])
    return {row["rank"]: row for row in ordered}


def main() -> None:
    """Train, print and keep; combinations that an interrupted call has left are taken over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / "data/demo")
    chosen = parser.parse_args()
    pages, validation = load_pages(chosen.data)
    part = chosen.data / "rank.json"
    rows = json.loads(part.read_text()) if part.is_file() else []
    for rank in RANKS:
        for alpha, rate in settings(rank):
            setting = {"rank": rank, "alpha": alpha, "learning_rate": rate}
            if any(setting.items() <= row.items() for row in rows):
                continue
            recipe = {"r": rank, "alpha": alpha, "learning_rate": rate, "max_steps": STEPS, "save_every": STEPS}
            report, rates = trained(pages, validation, seed=SEED, **recipe)
            rows.append({**setting, "validation_loss": report["best_loss"], **by_domain(validation, rates)})
            print(rows[-1], flush=True)
            storage.write_json(part, rows)
    base = storage.model_hash(models.resolve("tiny"))
    storage.write_record(OUT, steps=STEPS, seed=SEED, base=base, rows=rows, best=list(best(rows).values()))


if __name__ == "__main__":
    main()
