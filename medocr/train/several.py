"""`accelerate launch -m medocr train FOLDER [NAME=VALUE ...]`: the training of notebook 04 by several processes."""

from pathlib import Path

from medocr import prepare, storage
from medocr.train import parallel, train


def train_folder(data: Path, options: dict) -> None:
    """Train on the splits in a run's folder, as the run was started and with `options`.

    Afterwards notebook 04 takes the finished training over, and the run goes on as usual. Raises ValueError where the
    folder is no run's, or 03 has not run.
    """
    if not (data / "prepare.json").is_file():
        raise ValueError(f"{data}: no prepare.json, so it is no run's folder or notebook 03 has not run: run it first")
    settings = storage.read_json(data / "prepare.json").get("settings")
    if not isinstance(settings, dict):
        raise ValueError(f"{data / 'prepare.json'} holds no settings: run notebook 03 again")
    train_rows, validation_rows = (
        list(storage.read(data / f"{split}.parquet", prepare.Sample)) for split in ("train", "validation")
    )
    limits = {name: settings[name] for name in ("min_pixels", "max_pixels")}
    options = {**_started_with(data), **options}
    made = train(settings["base"], train_rows, validation_rows, data, **limits, **options)
    if parallel.rank() == 0:
        best = f", best at step {made['best_step']}" if made["best_loss"] is not None else ""
        print(f"{made['steps']} steps by {made['processes']} processes in {made['seconds']:.0f} s{best}")


def _started_with(data: Path) -> dict:
    """The parameters of 04 in the run that made the folder; none where notebooks were run by hand."""
    record = data / "run.json"
    parameters = storage.read_json(record)["parameters"]["train"] if record.is_file() else {}
    return {name: value for name, value in parameters.items() if name != "data"}
