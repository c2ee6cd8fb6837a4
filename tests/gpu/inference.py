"""Merging with its gate, reading in batches, and the embedded model through all six notebooks on the card."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from medocr import merge as merging
from medocr import model as models
from medocr import train
from tests import full_size
from tests.gpu.setting import Setting

ROOT = Path(__file__).parents[2]


def adapter(setting: Setting) -> Path:
    """An adapter of two steps whose B is then filled from a seeded normal, so that it does something."""
    folder = setting.work / "tuned/adapter"
    if not folder.is_dir():
        recipe = {**setting.recipe, "max_steps": 2}
        options = {"device": setting.device, "backend": "transformers", "progress": False, "pretrained": False}
        train.train(setting.base(), setting.pages(8), [], folder.parent, **options, **setting.limits, **recipe)
        full_size.fill_adapter(folder)
    return folder


def merge(setting: Setting, keep: Callable = lambda **found: None) -> dict:
    """Adapter and base into one model, and the gate's verdict on eight pages."""
    tuned, merged = adapter(setting), setting.work / "merged"
    began = time.perf_counter()
    report = merging.merge(setting.base(), tuned, merged, **setting.limits)
    between = time.perf_counter()
    merged_in = {"seconds_merging": between - began, "modules": report["modules"], "bytes": report["bytes"]}
    keep(**merged_in)
    pages = setting.pages(8 if setting.full else 4, seed=1)
    found = merging.check_parity(setting.base(), tuned, merged, pages, device=setting.device, **setting.limits)
    return {
        **merged_in,
        "seconds_parity": time.perf_counter() - between,
        "passed": found.passed,
        "why": found.why,
        "figures": found.figures,
    }


def reading(setting: Setting, keep: Callable = lambda **found: None) -> dict:
    """Pages per second in a batch: merged, with the adapter attached, and that through Unsloth, last as slowest."""
    if not (setting.work / "merged/config.json").is_file():
        merging.merge(setting.base(), adapter(setting), setting.work / "merged", **setting.limits)
    ways = [("merged", "transformers"), ("adapter", "transformers")]
    if setting.device == "cuda" and importlib.util.find_spec("unsloth"):
        ways.append(("adapter", "unsloth"))
    rows: list[dict] = []
    for way in ways:
        rows.append(_read(setting, *way))
        keep(rows=rows)
    return {"rows": rows, "merged_over_adapter": rows[0]["pages_per_s"] / rows[1]["pages_per_s"]}


def _read(setting: Setting, what: str, backend: str) -> dict:
    folder, extra = (
        (setting.work / "merged", {}) if what == "merged" else (setting.base(), {"adapter": adapter(setting)})
    )
    model, processor = models.load(folder, device=setting.device, backend=backend, **extra, **setting.limits)
    pages = setting.pages(16 if setting.full else 4, seed=2)
    longest = 128 if setting.full else setting.answer_tokens
    options = {"max_new_tokens": longest if backend == "transformers" else 16, "batch_size": 16, "progress": False}
    models.read(model, processor, pages[:2], **{**options, "max_new_tokens": 4})  # kernels are chosen here
    if setting.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    found = models.read(model, processor, pages, **options)
    seconds = time.perf_counter() - began
    tokens = sum(len(reading.token_logprobs) for reading in found)
    row = {"what": what, "backend": backend, "tokens": tokens, "pages_per_s": len(pages) / seconds}
    row["tokens_per_s"] = tokens / seconds
    row["peak_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9 if setting.device == "cuda" else None
    if extra:
        row["adapter_effect"] = full_size.adapter_effect(model, processor, pages[0].open())
        if not row["adapter_effect"] > 0:
            raise ValueError(f"with {backend} the adapter changes nothing in what the model says")
    return row


def stages_command(setting: Setting) -> list[str]:
    """The smoke profile on the card, as a user would run it."""
    overrides = [f"{stage}.device={setting.device}" for stage in ("train", "evaluate", "merge")]
    given = [part for override in overrides for part in ("-p", override)]
    return [sys.executable, "-m", "medocr", "run", "smoke", "--force", "--out", str(setting.work / "stages"), *given]


def stages(setting: Setting) -> dict:
    """The tiny model through all six notebooks on the card."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    began = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(stages_command(setting), capture_output=True, text=True, env=environment)
    if done.returncode:
        raise ValueError((done.stderr or done.stdout).strip()[-600:])
    return {"seconds": time.perf_counter() - began, "rows": done.stdout.strip().splitlines()[:6]}
