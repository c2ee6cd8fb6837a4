"""What a run asks of its machine (CUDA, disk, keys, OCR models), looked at before anything is downloaded or paid for.

What is asked follows from the run's parameters, which the runner leaves in `run.json` before its first notebook. The
Hub and Kaggle are not asked here: the runner's next step asks them for the revisions of their data sets.
"""

import json
import os
import shutil
from pathlib import Path

from . import BASES, ocr

FULL_DISK_GB, TINY_DISK_GB = 15, 1  # base, data sets, splits, three checkpoints, merged model
FULL_GPU_GB = 12  # computed for batches of four: results/gpu/l4.json


def check(data: str | Path) -> str:
    """A sentence on what this machine has for the run planned in `data`'s run.json; without one the demo is meant.

    Raises ValueError naming everything that is missing, at once.
    """
    data = Path(data)
    plan = data / "run.json"
    parameters = json.loads(plan.read_text())["parameters"] if plan.is_file() else {}
    full = parameters.get("prepare", {}).get("base", "tiny") not in BASES
    cuda = any(parameters.get(stage, {}).get("device") == "cuda" for stage in ("train", "evaluate", "merge"))
    card, free = gpu() if cuda else None, free_disk_gb(data)
    providers = [p for p in parameters.get("transcribe", {}).get("providers", ()) if p.get("may_receive")]
    keys = [provider["key_variable"] for provider in providers if provider.get("key_variable")]
    unset = [name for name in keys if not os.environ.get(name, "").strip()]
    missing = [f"the environment variable {name} with a provider's key is not set" for name in unset]
    if cuda and card is None:
        missing.append("CUDA, which torch does not find: take a machine with an NVIDIA GPU, or set device = 'auto'")
    elif card and full and card[1] < FULL_GPU_GB:
        missing.append(f"{card[0]} has {card[1]:.1f} GB free, {FULL_GPU_GB} GB are needed: end what else runs on it")
    if free < (needed := FULL_DISK_GB if full else TINY_DISK_GB):
        missing.append(f"{free:.1f} GB of disk are free, {needed} GB are needed: make room, or give another --out")
    engine, _, language = parameters.get("transcribe", {}).get("annotator", "").partition(":")
    try:
        if engine == "rapidocr":
            ocr.check_installed(language)
    except ValueError as error:  # it lacks a recogniser of the language, say
        missing.append(str(error))
    if missing:
        listed = "\n".join(f"- {problem}" for problem in missing)
        raise ValueError(f"not ready for this run, of which nothing was downloaded or sent yet:\n{listed}")
    parts = [f"{free:.0f} GB of disk", *([f"{card[0]} with {card[1]:.1f} GB free"] if card else [])]
    parts += [f"a key in {name}" for name in keys]
    return f"This machine has {', '.join(parts)}."


def gpu() -> tuple[str, float] | None:
    """The card's name and its free memory in GB, or None where torch can use no CUDA device."""
    import torch

    if not torch.cuda.is_available():
        return None
    return torch.cuda.get_device_name(), torch.cuda.mem_get_info()[0] / 1e9


def free_disk_gb(folder: Path) -> float:
    """GB free where `folder` lies or will lie."""
    existing = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    return shutil.disk_usage(existing).free / 1e9
