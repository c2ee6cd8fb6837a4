"""`accelerate launch -m medocr train FOLDER [NAME=VALUE ...]`: the training of notebook 04 by several processes."""

import contextlib
import inspect
import typing
from pathlib import Path

from medocr import prepare, storage
from medocr.schema import check_types
from medocr.train import Recipe, parallel, train

LIMITS = ("min_pixels", "max_pixels")  # those of the preparation hold


def train_folder(data: Path, options: dict) -> None:
    """Train on the splits in a run's folder, as the run was started and with `options`.

    Afterwards notebook 04 takes the finished training over, and the run goes on as usual. Raises ValueError where the
    folder is no run's, 03 has not run, somebody else works there, or an option is unknown or of another type.
    """
    if not (data / "prepare.json").is_file():
        raise ValueError(f"{data}: no prepare.json, so it is no run's folder or notebook 03 has not run: run it first")
    settings = storage.read_json(data / "prepare.json").get("settings")
    if not isinstance(settings, dict):
        raise ValueError(f"{data / 'prepare.json'} holds no settings: run notebook 03 again")
    _check(options)
    options = {**_started_with(data), **options}
    parallel.join(options.get("device", "auto"))
    busy = f"another training or run is working in {data}: wait for it"
    with storage.locked(data, busy) if parallel.rank() == 0 else contextlib.nullcontext():
        rows = (list(storage.read(data / f"{split}.parquet", prepare.Sample)) for split in ("train", "validation"))
        limits = {name: settings[name] for name in LIMITS}
        made = train(settings["base"], *rows, data, **limits, **options)
    if parallel.rank() == 0:
        best = f", best at step {made['best_step']}" if made["best_loss"] is not None else ""
        print(f"{made['steps']} steps by {made['processes']} processes in {made['seconds']:.0f} s{best}")


def _check(options: dict) -> None:
    hints = typing.get_type_hints(Recipe) | typing.get_type_hints(train)
    parameters = (*inspect.signature(Recipe).parameters.values(), *inspect.signature(train).parameters.values())
    known = [p.name for p in parameters if p.default is not p.empty and p.name not in LIMITS]
    for name in options:
        if name not in known:
            raise ValueError(f"parameter {name!r} is unknown: there are {', '.join(known)}")
    check_types(options, hints)


def _started_with(data: Path) -> dict:
    """The parameters of 04 in the run that made the folder; none where notebooks were run by hand."""
    record = data / "run.json"
    parameters = storage.read_json(record)["parameters"]["train"] if record.is_file() else {}
    return {name: value for name, value in parameters.items() if name != "data"}
