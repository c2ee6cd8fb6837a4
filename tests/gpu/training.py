"""Training at the published batch: LoRA by Unsloth, LoRA by transformers and PEFT, and all weights."""

import importlib.util
import itertools
import json
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import safetensors.torch
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import PaddleOCRVLConfig

from medocr import model as models
from medocr import storage, train
from medocr.train import data, trainer
from tests import full_size
from tests.gpu import arithmetic
from tests.gpu.setting import Setting

PAGES, WARM_UP = 16, 3  # steps that are not counted: kernels are compiled and chosen in them


def lora(setting: Setting, backend: str, keep: Callable = lambda **found: None) -> dict:
    """LoRA through `train.train`: memory, seconds per step, those of them that batches took, and what was trained.

    `keep` is given the seconds of the steps so far, after each, and so in the other parts that have it.
    """
    stamps: list[float] = []
    batches: list[float] = []
    began = time.perf_counter()

    def stepped(*_) -> None:
        stamps.append(_now(setting.device))
        keep(seconds_to_first_step=stamps[0] - began, steps_seconds=_seconds(stamps))

    hook = register_optimizer_step_post_hook(stepped)
    options = {"device": setting.device, "backend": backend, "gradient_checkpointing": True, "pretrained": False}
    options |= {"progress": False, **setting.limits, **setting.recipe}
    try:
        with _timing_batches(batches):
            made = train.train(setting.base(), setting.pages(PAGES), [], setting.work / backend, **options)
    finally:
        hook.remove()
    if setting.full and made["trainable"] != full_size.TRAINABLE:
        raise ValueError(f"{made['trainable']:,} weights were trained, not {full_size.TRAINABLE:,}")
    figures = {name: made[name] for name in ("trainable", "precision", "backend", "peak_memory_gb", "history")}
    figures |= {"batches_seconds": batches, "seconds_to_first_step": stamps[0] - began}
    return {**figures, **_speed(setting, stamps, "lora")}


def _timing_batches(seconds: list[float]):
    """Within, how long each optimizer step waits for its batches."""
    real = trainer.Trainer.get_batch_samples

    def timed(*arguments):
        began = time.perf_counter()
        made = real(*arguments)
        seconds.append(time.perf_counter() - began)
        return made

    return mock.patch.object(trainer.Trainer, "get_batch_samples", timed)


def resume(setting: Setting, keep: Callable = lambda **found: None) -> dict:
    """Per backend: how far a training that was stopped half way and resumed ends from one that was not.

    A third run, the first done again, says how far apart equal trainings end on this device. All are in one process,
    so that Unsloth compiles once.
    """
    backends = ["transformers"]
    if setting.device == "cuda" and importlib.util.find_spec("unsloth"):
        backends.append("unsloth")
    rows: list[dict] = []
    for backend in backends:
        rows.append(_resumed(setting, backend))
        keep(rows=rows)
    return {"rows": rows}


def _resumed(setting: Setting, backend: str) -> dict:
    folder = setting.work / "resume" / backend
    recipe = {**setting.recipe, "batch_size": 2, "accumulation": 1, "max_steps": 4, "save_every": 2}
    options = {"device": setting.device, "backend": backend, "gradient_checkpointing": True, "pretrained": False}
    options |= {"progress": False, **setting.limits, **recipe}

    def run(name: str) -> dict:
        return train.train(setting.base(), setting.pages(8), [], folder / name, **options)

    made = {"whole": run("whole"), "again": run("again")}
    half = folder / "whole/checkpoints/checkpoint-2"
    shutil.copytree(half, folder / "resumed/checkpoints/checkpoint-2")
    started = json.loads((half.parent / "recipe.json").read_text())
    del started["finished"]
    storage.write_json(folder / "resumed/checkpoints/recipe.json", started)
    made["resumed"] = run("resumed")
    if made["resumed"]["resumed_from"] != 2:
        raise ValueError(f"the training began at step {made['resumed']['resumed_from']}, not at 2")
    whole = folder / "whole/adapter"
    losses = {name: [row["loss"] for row in report["history"] if "loss" in row] for name, report in made.items()}
    return {
        "backend": made["whole"]["backend"],
        "losses": losses,
        "moved_since_the_checkpoint": _apart(half, whole),
        "again_apart": _apart(folder / "again/adapter", whole),
        "resumed_apart": _apart(folder / "resumed/adapter", whole),
    }


def _apart(one: Path, other: Path) -> float:
    """The norm of the difference of two adapters' weights, relative to the second's."""
    first, second = (safetensors.torch.load_file(folder / "adapter_model.safetensors") for folder in (one, other))
    squares = sum((first[name].float() - second[name].float()).square().sum() for name in second)
    return (squares / sum(tensor.float().square().sum() for tensor in second.values())).sqrt().item()


def full(setting: Setting) -> dict:
    """All weights in bfloat16 with the same pages, batch and checkpointing, in a plain loop."""
    dtype = torch.bfloat16 if setting.device == "cuda" else torch.float32
    options = {"device": setting.device, "dtype": dtype, "backend": "transformers"}
    model, processor = models.load(setting.base(), **options, **setting.limits)
    model.train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    collator = data.Collator(processor, setting.pages(PAGES))
    optimizer, name = _optimizer(model, setting.device)
    stamps, losses = [], []
    if setting.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for step in range(setting.recipe["max_steps"]):
        losses.append(_step(model, collator, optimizer, step, setting))
        stamps.append(_now(setting.device))
    peak = torch.cuda.max_memory_allocated() / 1e9 if setting.device == "cuda" else None
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    found = {"trainable": trainable, "optimizer": name, "peak_memory_gb": peak, "losses": losses}
    return {**found, **_speed(setting, stamps, "full")}


def _step(model, collator, optimizer, step: int, setting: Setting) -> float:
    size, batches = setting.recipe["batch_size"], setting.recipe["accumulation"]
    total = 0.0
    for part in range(batches):
        rows = [(step * size * batches + part * size + i) % PAGES for i in range(size)]
        batch = collator.model_inputs(rows, setting.device)
        loss = model(**answers_only(batch), use_cache=False).loss / batches
        loss.backward()
        total += loss.item()
    optimizer.step()
    optimizer.zero_grad()
    return total


def _optimizer(model, device: str):
    if device == "cuda" and importlib.util.find_spec("bitsandbytes"):
        import bitsandbytes

        return bitsandbytes.optim.AdamW8bit(model.parameters(), lr=1e-5), "bitsandbytes AdamW8bit"
    return torch.optim.AdamW(model.parameters(), lr=1e-5), "torch AdamW"


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _speed(setting: Setting, stamps: list[float], kind: str) -> dict:
    """Seconds per step (median after warming up), tokens per second, operations per second."""
    steps = _seconds(stamps)
    seconds = statistics.median(steps[min(WARM_UP, len(steps) - 1) :])
    pages = setting.recipe["batch_size"] * setting.recipe["accumulation"]
    shapes = (setting.visual_tokens, setting.answer_tokens)
    config = PaddleOCRVLConfig.from_pretrained(Path(setting.base()))
    return {
        "steps_seconds": steps,
        "seconds_per_step": seconds,
        "tokens_per_s": pages * sum(shapes) / seconds,
        "tflops": arithmetic.step_flops(*shapes, pages, kind, config) / seconds / 1e12,
    }


def _seconds(stamps: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(stamps)]


def answers_only(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The batch with its labels cut to where answers may be, and `logits_to_keep` for just those positions.

    The loss is the same. Of a page's 1,700 positions at full size about 400 are the answer's, and a position has
    103,424 logits. For a model as transformers made it: TRL's patch of it takes labels for all positions.
    """
    first = (batch["labels"] != data.IGNORED).any(0).nonzero()[0].item() - 1  # predicted one position before it
    keep = batch["labels"].shape[1] - first
    return {**batch, "labels": batch["labels"][:, -keep:], "logits_to_keep": keep}
