"""`python -m tests.bench.units`: what makes wrong units on lab reports rarer; results/bench/units.json.

Each way trains the embedded base for as many steps and reads the same held-out lab reports: the demo's pages as they
are, with exact labels, with a loss that weighs numbers and units, and with more lab reports among the pages. Needs the
data of the runs `demo` and `demo-balanced`, up to 03. What is counted are errors per row that the model read, since a
row that is not read cannot be wrong. An interrupted call goes on where it was stopped.
"""

import argparse
import dataclasses
import itertools
import json
import re
import tempfile
import unittest.mock
from pathlib import Path

import torch
from torch.nn import functional

from medocr import evaluate, prepare, storage, train
from medocr import model as models
from medocr.demo import synthetic
from medocr.train.trainer import Trainer
from tests.bench.learning_rate import ROOT, load_pages

OUT = ROOT / "results/bench/units.json"
STEPS, SEEDS = 200, (1, 2, 3)
RECIPE = {"learning_rate": 2e-3, "max_steps": STEPS, "save_every": STEPS}
HELD_OUT, HELD_OUT_SEED = 240, 3408
WEIGHT = 3.0  # of a token that belongs to a number or to the unit behind it; 1 for others
UNIT = r"\s?(?:[^\W\d]*[/%^*][^\s,;]*|(?:[munpkd]?[gL]|[mu\u00b5]?mol|[mu\u00b5]?IU|fL)\b)"
NUMBER = re.compile(rf"\d[\d.,]*(?:{UNIT})?")
KINDS = ("changed_unit", "lost_unit", "changed_digit", "moved_limit")
COUNTED = ("cer", "rows_read", *(f"{kind}_per_row" for kind in KINDS))
WAYS = ("as the demo", "exact labels", "weighted loss", "more lab reports")


class Weighted(Trainer):
    """The trainer with a loss to which tokens of numbers and units contribute `WEIGHT` times."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"]
        outputs = model(**{name: inputs[name] for name in inputs if name not in ("labels", "_prediction_loss_only")})
        logits, targets = outputs.logits[:, :-1].float(), labels[:, 1:]
        losses = functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none", ignore_index=-100)
        weights = self._weights(targets) if model.training else (targets != -100).float()
        count = num_items_in_batch if num_items_in_batch is not None else weights.sum()
        loss = (losses * weights).sum() / count
        return (loss, outputs) if return_outputs else loss

    def _weights(self, targets: torch.Tensor) -> torch.Tensor:
        """1 or `WEIGHT` for each token of an answer, 0 for what is not learnt; shape of `targets`, (batch, tokens)."""
        weights = (targets != -100).float()
        for row, tokens in enumerate(targets.tolist()):
            learnt = [at for at, token in enumerate(tokens) if token != -100]
            pieces = [self.processing_class.tokenizer.decode([tokens[at]]) for at in learnt]
            ends = list(itertools.accumulate(map(len, pieces)))
            for match in NUMBER.finditer("".join(pieces)):
                for at, piece, end in zip(learnt, pieces, ends, strict=True):
                    if match.start() < end and end - len(piece) < match.end():
                        weights[row, at] = WEIGHT
        return weights


def pages(way: str, demo: Path, balanced: Path) -> tuple[list, list]:
    """The pages that a way trains on and those that choose its checkpoint."""
    rows, validation = load_pages(balanced if way == "more lab reports" else demo)
    if way == "exact labels":
        rows = [dataclasses.replace(row, answer=prepare.format_text(row.truth)) for row in rows]
    return rows, validation


def tried(way: str, seed: int, demo: Path, balanced: Path, held_out: list) -> dict:
    """Train one way with one seed, and count what is wrong on the held-out lab reports."""
    rows, validation = pages(way, demo, balanced)
    trainer = Weighted if way == "weighted loss" else Trainer
    with tempfile.TemporaryDirectory() as folder, unittest.mock.patch("medocr.train.trainer.Trainer", trainer):
        train.train("tiny", rows, validation, folder, progress=False, seed=seed, **RECIPE)
        model, processor = models.load("tiny", adapter=Path(folder) / "adapter")
    return {"way": way, "seed": seed, **counted(model, processor, held_out, "tuned")}


def lab_reports(count: int, seed: int) -> list:
    """Lab reports of layouts that no run trains on, with their exact text."""
    return list(synthetic.pages({"lab_report": count}, seed, groups=synthetic.HELD_OUT_GROUPS, unlabelled=()))


def counted(model, processor, held_out: list, name: str) -> dict:
    """CER, rows read per page, and errors per row read on lab reports, as 05 has them."""
    read = evaluate.predict(model, processor, held_out, name, "held_out", max_new_tokens=300, progress=False)
    scores = evaluate.summarise(evaluate.score(read))["scores"]
    return {row["metric"]: row["value"] for row in scores if row["slice"] == "all" and row["metric"] in COUNTED}


def main() -> None:
    """Train, read, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, default=ROOT / "data/demo")
    parser.add_argument("--balanced", type=Path, default=ROOT / "data/demo-balanced")
    chosen = parser.parse_args()
    held_out = lab_reports(HELD_OUT, HELD_OUT_SEED)
    part = chosen.demo / "units.json"
    rows = json.loads(part.read_text()) if part.is_file() else []
    if not rows:
        rows.append({"way": "base", "seed": 0, **counted(*models.load("tiny"), held_out, "base")})
        print(rows[-1], flush=True)
    for seed, way in itertools.product(SEEDS, WAYS):
        if any((row["way"], row["seed"]) == (way, seed) for row in rows):
            continue
        rows.append(tried(way, seed, chosen.demo, chosen.balanced, held_out))
        print(rows[-1], flush=True)
        storage.write_json(part, rows)
    base = storage.model_hash(models.resolve("tiny"))
    storage.write_record(OUT, steps=STEPS, pages=HELD_OUT, weight=WEIGHT, base=base, rows=rows)


if __name__ == "__main__":
    main()
