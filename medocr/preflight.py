"""What a run asks of its machine (CUDA, disk, keys, OCR models), looked at before anything is downloaded or paid for.

What is asked follows from the run's parameters, which the runner leaves in `run.json` before its first notebook. The
Hub and Kaggle are not asked here: the runner's next step asks them for the revisions of their data sets.
"""

import json
import math
import os
import re
import shutil
from pathlib import Path
from typing import Any

from . import BASES, ocr

FULL_DISK_GB, TINY_DISK_GB = 15, 1  # base, data sets, splits, three checkpoints, merged model
FULL_GPU_GB = 12  # computed for batches of four: results/gpu/l4.json
CHOICES = {  # parameter → its values; of a list, those of its items
    "backend": ("auto", "transformers", "unsloth"),
    "text_format": ("continuous", "lines"),
    "second_annotator": ("rapidocr", "tesseract"),
    "models": ("base", "tuned"),
}
DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
SHARES = ("agreement_share", "agreement_threshold", "min_confidence", "label_noise")
POSITIVE = ("batch_size", "accumulation", "epochs", "r", "alpha", "save_every", "processes", "max_answer_tokens")


def check(data: str | Path) -> str:
    """A sentence on what this machine has for the run planned in `data`'s run.json; without one the demo is meant.

    Raises ValueError naming everything that is missing, at once.
    """
    data = Path(data)
    plan = data / "run.json"
    parameters = json.loads(plan.read_text())["parameters"] if plan.is_file() else {}
    readers = parameters.get("transcribe", {})
    full = parameters.get("prepare", {}).get("base", "tiny") not in BASES
    cuda = any(table.get("device", "").startswith("cuda") for table in parameters.values())
    card, free = gpu() if cuda else None, free_disk_gb(data)
    keys = [p["key_variable"] for p in readers.get("providers", ()) if p.get("may_receive") and p.get("key_variable")]
    unset = [name for name in keys if not os.environ.get(name, "").strip()]
    missing = _wrong(parameters)
    missing += [f"the environment variable {name} with a provider's key is not set" for name in unset]
    if cuda and card is None:
        missing.append("CUDA, which torch does not find: take a machine with an NVIDIA GPU, or set device = 'auto'")
    elif card and full and card[1] < FULL_GPU_GB:
        missing.append(f"{card[0]} has {card[1]:.1f} GB free, {FULL_GPU_GB} GB are needed: end what else runs on it")
    if free < (needed := FULL_DISK_GB if full else TINY_DISK_GB):
        missing.append(f"{free:.1f} GB of disk are free, {needed} GB are needed: make room, or give another --out")
    engine, _, language = readers.get("annotator", "").partition(":")
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


def _wrong(parameters: dict[str, dict]) -> list[str]:
    """The parameters whose values a stage would refuse, hours later it may be, each with what it may be."""
    wrong = [
        f"{stage}.{name} = {value!r}: {problem}"
        for stage, table in parameters.items()
        for name, value in table.items()
        if (problem := _problem(name, value))
    ]
    readers = parameters.get("transcribe", {})
    names = [provider["name"] for provider in readers.get("providers", ())]
    if (third := readers.get("third")) and third not in names:
        wrong.append(
            f"transcribe.third = {third!r}: a provider's name, of which there are {', '.join(names) or 'none'}"
        )
    return wrong


def _problem(name: str, value: Any) -> str:
    """What a parameter of this name should be instead; empty where nothing is known against its value."""
    if name in CHOICES and not set(value if isinstance(value, list) else [value]) <= set(CHOICES[name]):
        return f"use {' or '.join(CHOICES[name])}"
    if name == "device" and not DEVICE.fullmatch(str(value)):
        return "use auto, cpu or cuda"
    if isinstance(value, float) and not math.isfinite(value):
        return "give a finite number"
    if name in SHARES and not 0 <= value <= 1:
        return "give a share from 0 to 1"
    return "give a whole number of at least 1" if name in POSITIVE and value < 1 else ""


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
