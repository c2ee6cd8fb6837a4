"""Which checkpoint a killed training goes on from, and whether it may."""

import json
import warnings
from pathlib import Path

import safetensors.torch
import torch

from medocr import schema

FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
)


def problem(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, or None when it can be resumed from.

    The trainer writes checkpoints in place, so a run that is killed while saving leaves a broken one behind.
    """
    missing = [name for name in FILES if not (checkpoint / name).is_file()]
    if missing:
        return f"{', '.join(missing)} missing"
    try:
        step = json.loads((checkpoint / "trainer_state.json").read_text())["global_step"]
        if step != _step(checkpoint):
            return f"trainer_state.json is of step {step}"
        weights = safetensors.torch.load_file(checkpoint / "adapter_model.safetensors")
        if not all(tensor.isfinite().all() for tensor in weights.values()):
            return "the adapter holds NaN or infinity"
        for name in ("optimizer.pt", "scheduler.pt"):
            torch.load(checkpoint / name, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a cut-off file makes its reader raise
        return f"{type(error).__name__}: {error}"
    return None


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def last_whole(folder: Path) -> Path | None:
    """The newest checkpoint that can be resumed from; broken ones after it are removed, with a warning."""
    found = [path for path in folder.glob("checkpoint-*") if path.name[11:].isdigit()]
    for checkpoint in sorted(found, key=_step, reverse=True):
        wrong = problem(checkpoint)
        if wrong is None:
            return checkpoint
        warnings.warn(f"{checkpoint.name} is broken ({wrong}): going on from the one before", stacklevel=2)
        schema.remove(checkpoint)
    return None


def open_folder(folder: Path, recipe: dict) -> Path | None:
    """Make the checkpoints' folder ready for a training by `recipe`; returns the checkpoint to resume from, if any.

    A finished training is begun anew. Raises ValueError when an unfinished one was by another recipe.
    """
    record = folder / "recipe.json"
    if record.is_file():
        known = json.loads(record.read_text())
        if known.pop("finished", False):
            schema.remove(folder)
        else:
            _refuse_changes(folder, known, json.loads(json.dumps(recipe)))
    elif any(folder.glob("checkpoint-*")):
        raise ValueError(f"{folder}: holds checkpoints but no recipe.json, so nobody knows of what: delete the folder")
    folder.mkdir(parents=True, exist_ok=True)
    schema.write_json(record, recipe)
    return last_whole(folder)


def _refuse_changes(folder: Path, known: dict, recipe: dict) -> None:
    changed = [name for name in {**known, **recipe} if known.get(name) != recipe.get(name)]
    if changed:
        what = ", ".join(f"{name} ({_short(known.get(name))} → {_short(recipe.get(name))})" for name in changed)
        raise ValueError(
            f"{folder}: an unfinished training with another recipe lies here; changed: {what}. Put that back to go on "
            "with it, or delete the folder (or run with --force) to begin anew"
        )


def _short(value) -> str:
    text = str(value)
    return text if len(text) < 24 else f"{text[:8]}…"


def finish(folder: Path, recipe: dict) -> None:
    """Mark the training in `folder` as finished."""
    schema.write_json(folder / "recipe.json", {**recipe, "finished": True})
