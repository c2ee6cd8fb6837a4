"""Checkpoints: written whole or not at all, looked at before they are used, and refused to another recipe."""

import contextlib
import itertools
import json
import math
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import safetensors.torch
import torch
from peft import LoraConfig
from safetensors import SafetensorError
from torch.utils._pytree import tree_leaves

from medocr import storage

ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
FILES = (*ADAPTER, "optimizer.pt", "scheduler.pt", "trainer_state.json")
SEAL = "checkpoint.json"  # written last: every file's hash, and what the trainer's own files do not say
UNFINISHED = ".unfinished"  # where a checkpoint is written; the finished one takes its name


def step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def saved(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, newest first."""
    return sorted((p for p in folder.glob("checkpoint-*") if p.name[11:].isdigit()), key=step, reverse=True)


@contextlib.contextmanager
def atomic_checkpoint(target: Path) -> Iterator[Path]:
    """Give a folder to write into that becomes `target` when all is written; a kill leaves no half of it.

    Raises OSError that says what is kept when the disk is full or a file cannot be written.
    """
    part = target.parent / UNFINISHED / target.name
    storage.remove(part.parent, target.parent)
    try:
        part.mkdir(parents=True)
        yield part
        storage.remove(target, target.parent)
        part.replace(target)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have errors of their own for it
        message = _not_written(part, error)
        storage.remove(part.parent, target.parent)  # it takes room, and nothing is to be had from it
        raise OSError(message) from error
    finally:
        storage.remove(part.parent, target.parent)


def _not_written(part: Path, error: Exception) -> str:
    folder, reason = part.parent.parent, str(error).strip().splitlines()[0]
    free, earlier = shutil.disk_usage(folder).free, saved(folder)
    needed = max(_size(path) for path in (part, *earlier[:1]))
    why = f"the disk is full, with {free / 1e6:,.1f} MB free ({reason})" if free < needed else reason
    kept = f", and training goes on from {earlier[0].name}, which is kept" if earlier else ""
    return f"{part.name} could not be written to {folder}: {why}. Make room and run again{kept}"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*"))


def write_manifest(folder: Path, **facts) -> None:
    """Write the hashes of a checkpoint's files beside them, with `facts` about the training up to it."""
    hashes = {path.name: storage.file_hash(path) for path in sorted(folder.iterdir())}
    storage.write_json(folder / SEAL, {**facts, "files": hashes})


def facts(checkpoint: Path) -> dict:
    return storage.read_json(checkpoint / SEAL)


def problem(checkpoint: Path, shapes: dict[str, tuple] | None = None) -> str | None:
    """What is wrong with a checkpoint, or None when it can be resumed from, or its adapter chosen.

    All files are whole (as their hashes say), the adapter loads, fits the model (`shapes`: name → shape of its
    tensors) and is finite, and so is the optimizer's state.
    """
    try:
        return _damage(checkpoint) or _unusable(checkpoint, shapes)
    except Exception as error:  # whatever a broken file makes its reader raise
        return f"{type(error).__name__}: {error}"


def _damage(checkpoint: Path) -> str | None:
    if not (checkpoint / SEAL).is_file():
        return f"{SEAL} missing"
    hashes = facts(checkpoint)["files"]
    missing = [name for name in {**dict.fromkeys(FILES), **hashes} if not (checkpoint / name).is_file()]
    if missing:
        return f"{', '.join(missing)} missing"
    changed = [name for name, known in hashes.items() if storage.file_hash(checkpoint / name) != known]
    if changed:
        return f"{', '.join(changed)} cut off or changed"
    of = storage.read_json(checkpoint / "trainer_state.json")["global_step"]
    return f"trainer_state.json is of step {of}" if of != step(checkpoint) else None


def _unusable(checkpoint: Path, shapes: dict[str, tuple] | None) -> str | None:
    LoraConfig.from_pretrained(checkpoint)
    weights = safetensors.torch.load_file(checkpoint / ADAPTER[1])
    if shapes is not None and shapes != {name: tuple(tensor.shape) for name, tensor in weights.items()}:
        return "the adapter does not fit the model"
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        return "the adapter holds NaN or infinity"
    state = torch.load(checkpoint / "optimizer.pt", map_location="cpu", weights_only=True)["state"]
    tensors = filter(torch.is_tensor, tree_leaves(state))  # 8-bit AdamW keeps its moments in dicts within dicts
    return None if all(tensor.isfinite().all() for tensor in tensors) else "the optimizer's state holds NaN or infinity"


def last_whole(folder: Path, shapes: dict[str, tuple] | None = None) -> Path | None:
    """The newest checkpoint that can be resumed from; broken ones after it are removed, with a warning."""
    newest = _first_whole(saved(folder), shapes, "going on from the one before")
    for broken in itertools.takewhile(lambda checkpoint: checkpoint != newest, saved(folder)):
        storage.remove(broken, folder)
    return newest


def _first_whole(candidates: list[Path], shapes: dict[str, tuple] | None, otherwise: str) -> Path | None:
    """The first that has no problem; a warning names each one before it, and what is done `otherwise`."""
    for checkpoint in candidates:
        wrong = problem(checkpoint, shapes)
        if wrong is None:
            return checkpoint
        warnings.warn(f"{checkpoint.name} is broken ({wrong}): {otherwise}", stacklevel=3)
    return None


def ranked(folder: Path, history: list[dict]) -> list[Path]:
    """The checkpoints, smallest validation loss first; last those without one, or whose model lost general reading."""
    rows = {r["step"]: r["eval_loss"] for r in history if "eval_loss" in r and not r.get("collapsed")}
    losses = {at: loss for at, loss in rows.items() if math.isfinite(loss)}
    return sorted(saved(folder), key=lambda path: losses.get(step(path), math.inf))


def best(folder: Path, history: list[dict], shapes: dict[str, tuple] | None = None) -> Path:
    """The whole checkpoint with the smallest validation loss; without validation the newest.

    A broken one falls back to the next best, with a warning. Raises OSError when none is whole.
    """
    chosen = _first_whole(ranked(folder, history), shapes, "taking the next best")
    if chosen is None:
        raise OSError(f"{folder}: no whole checkpoint is left to take the adapter from; train again (run with --force)")
    return chosen


def rotate(folder: Path, keep: int, history: list[dict]) -> None:
    """Delete all checkpoints but the newest `keep` and the one with the smallest validation loss."""
    kept = {*saved(folder)[:keep], *ranked(folder, history)[:1]}
    for checkpoint in set(saved(folder)) - kept:
        storage.remove(checkpoint, folder)


def open_folder(folder: Path, recipe: dict) -> None:
    """Make the checkpoints' folder ready for a training by `recipe`; what a killed one left half written goes.

    A training by the same recipe stays, to be gone on with or, where finished, to be taken over. A finished one by
    another recipe is removed. Raises ValueError that names what changed when an unfinished one by another recipe
    would lose checkpoints.
    """
    for leftover in (folder / UNFINISHED, *folder.glob(".*.tmp")):
        storage.remove(leftover, folder)
    record, recipe = folder / "recipe.json", json.loads(json.dumps(recipe))
    if not record.is_file() and saved(folder):
        raise ValueError(f"{folder}: holds checkpoints but no recipe.json, so nobody knows of what: delete the folder")
    known = storage.read_json(record) if record.is_file() else {}
    finished = known.pop("finished", False)
    if known != recipe:
        if saved(folder) and not finished:
            _refuse_changes(folder, known, recipe)
        storage.remove(folder, folder.parent)
        finished = False
    storage.write_json(record, {**recipe, **({"finished": True} if finished else {})})


def _refuse_changes(folder: Path, known: dict, recipe: dict) -> None:
    changed = [name for name in {**known, **recipe} if known.get(name) != recipe.get(name)]
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
    storage.write_json(folder / "recipe.json", {**recipe, "finished": True})
