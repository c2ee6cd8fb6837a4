"""Results of runs that nobody made, with differences that are known: for tests of the findings and of their figures."""

import json
from pathlib import Path

import numpy as np

TYPES = ("prescription", "lab_report", "form", "receipt", "invoice")
SHARES = ("field_recall", "header_recall", "test_value_f1", "range_f1", "drug_f1")
TRAINED = {"steps": 120, "pages": 1970, "weights": 4_598_560, "precision": "float32"}
TRAINABLE = {"rank-8": 186_880, "rank-16": 373_760}


def write(folder: Path, effects: dict[str, float], seeds=(1, 2, 3), pages: int = 60, base: float = 0.2) -> None:
    """Lay runs `<variant>-<seed>` under `folder`: medical CER is 0.1 plus a variant's effect, shares are 0.6 minus it.

    The baseline also has the base's scores: medical CER `base`, shares 0.3. General pages always have a CER of 0.01.
    """
    for variant, effect in effects.items():
        for seed in seeds:
            rows = _rows("tuned", 0.1 + effect, 0.6 - effect, pages, seed)
            if variant == "baseline":
                rows += _rows("base", base, 0.3, pages, 0)
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            place = Path(folder) / f"{variant}-{seed}"
            place.mkdir(parents=True)
            (place / "metrics.json").write_text(json.dumps({"made_from": "nothing", "pages": columns}))
            (place / "run.json").write_text(json.dumps(_run(variant, seed)))


def _run(variant: str, seed: int) -> dict:
    return {
        **{
            "variant": variant,
            "seed": seed,
            "commit": "0000000",
            "cores": 2,
            "transcribe": {},
            "prepare": {"label_cer": {"form": 0.01}},
        },
        "stages": [{"stage": "04_train", "state": "done", "seconds": 150.0, "cpu_seconds": 145.0}],
        "parameters": {"train": {"batch_size": 4, "accumulation": 2}},
        "train": TRAINED | {"trainable": TRAINABLE.get(variant, 1_495_040)},
    }


def _rows(model: str, cer: float, share: float, pages: int, seed: int) -> list[dict]:
    """Pages of all types; each page is as hard for every model, and seeds differ by 0.001."""
    hard = np.random.default_rng(0).gamma(4, 0.25, pages)
    rows = []
    for i in range(pages):
        doc_type = TYPES[i % len(TYPES)]
        medical = doc_type in TYPES[:3]
        rate = (cer if medical else 0.01) * hard[i] + 0.001 * seed
        shares = dict.fromkeys(SHARES, share + 0.05 * (hard[i] - 1) if medical else None)
        about = {"id": f"{i:012d}", "group": f"{doc_type}/{i % 30}", "doc_type": doc_type, "model": model}
        rows.append({**about, "cer": rate, "wer": 2 * rate, **shares})
    return rows
