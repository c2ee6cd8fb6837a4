"""What a run asks of its machine, looked at before anything is downloaded, paid for or computed.

    preflight.check(data, pages_from)      # a sentence on what is there; ValueError naming all that is not

What is asked follows from the run's parameters, which the runner leaves in `run.json` before its first notebook. A run
of the embedded model on a CPU needs no network, so nothing is asked over it.
"""

import importlib.util
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import BASES, sources

FULL_DISK_GB, TINY_DISK_GB = 15, 1  # base, data sets, splits, three checkpoints, merged model
FULL_GPU_GB = 12  # computed for batches of four: results/gpu/l4.json
KAGGLE_FILES = (".kaggle/kaggle.json", ".kaggle/access_token")
KAGGLE_VARIABLES = (("KAGGLE_USERNAME", "KAGGLE_KEY"), ("KAGGLE_API_TOKEN",))


@dataclass(frozen=True)
class Needs:
    """What a run asks for: `hub` holds (kind, name) of models and data sets to download, `keys` variables' names."""

    cuda: bool = False
    gpu_gb: float = 0
    disk_gb: float = TINY_DISK_GB
    hub: tuple[tuple[str, str], ...] = ()
    kaggle: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass
class Machine:
    """The machine as it is. Tests put another in its place."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    home: Path = field(default_factory=Path.home)

    def gpu(self) -> tuple[str, float] | None:
        """The card's name and its free memory in GB, or None where torch can use no CUDA device."""
        import torch

        if not torch.cuda.is_available():
            return None
        return torch.cuda.get_device_name(), torch.cuda.mem_get_info()[0] / 1e9

    def free_disk_gb(self, folder: Path) -> float:
        """GB free where `folder` lies or will lie."""
        there = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
        return shutil.disk_usage(there).free / 1e9

    def installed(self, package: str) -> bool:
        """Whether a package can be imported."""
        return importlib.util.find_spec(package) is not None

    def cached(self, model: str) -> bool:
        """Whether the hub's cache on this machine holds the model's configuration and weights."""
        import huggingface_hub

        files = ("config.json", "model.safetensors", "tokenizer.json")
        return all(isinstance(huggingface_hub.try_to_load_from_cache(model, name), str) for name in files)

    def ask_hub(self, kind: str, name: str) -> str | None:
        """What keeps this machine from a model or data set on the Hugging Face Hub; None when it answers."""
        import httpx
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError

        ask = HfApi().model_info if kind == "model" else HfApi().dataset_info
        try:
            ask(name, timeout=10)
        except (httpx.HTTPError, HfHubHTTPError, OSError) as error:
            return type(error).__name__
        return None


def check(data: str | Path, pages_from: list[dict], machine: Machine | None = None) -> str:
    """Hold the planned run's needs against the machine; returns a sentence on what is there.

    `data` is the run's folder, whose `run.json` says what is planned; without one only `pages_from` is looked at.
    Raises ValueError naming everything that is missing, at once.
    """
    data, machine = Path(data), machine or Machine()
    plan = data / "run.json"
    parameters = json.loads(plan.read_text())["parameters"] if plan.is_file() else {}
    needed = needs({**parameters, "curate": {"pages_from": pages_from}})
    missing = problems(needed, machine, data)
    if missing:
        listed = "\n".join(f"- {problem}" for problem in missing)
        raise ValueError(f"not ready for this run, of which nothing was downloaded or sent yet:\n{listed}")
    return _summary(needed, machine, data)


def needs(parameters: dict[str, dict]) -> Needs:
    """What a run with these parameters (stage → name → value) asks for."""
    base = parameters.get("prepare", {}).get("base", "tiny")
    full = base not in BASES
    cuda = any(parameters.get(stage, {}).get("device") == "cuda" for stage in ("train", "evaluate", "merge"))
    names = [s["source"] for s in parameters["curate"]["pages_from"] if "source" in s and "path" not in s]
    datasets = [d for d in sources.DATASETS if d.source in names]
    models = [("model", base)] if full and not Path(base).is_dir() else []
    return Needs(
        cuda=cuda,
        gpu_gb=FULL_GPU_GB if cuda and full else 0,
        disk_gb=FULL_DISK_GB if full else TINY_DISK_GB,
        hub=(*models, *(("dataset", d.handle) for d in datasets if d.host == "huggingface")),
        kaggle=tuple(d.handle for d in datasets if d.host == "kaggle"),
        keys=tuple(_key_variables(parameters.get("transcribe", {}).values())),
    )


def _key_variables(values: Iterable) -> Iterable[str]:
    """The environment variables that hold the keys of the providers which may receive pages."""
    for value in values:
        for table in value if isinstance(value, list) else ():
            if isinstance(table, dict) and table.get("may_receive") and table.get("key_variable"):
                yield table["key_variable"]


def problems(needed: Needs, machine: Machine, data: Path) -> list[str]:
    """Everything that is missing, each with what to do about it."""
    return [
        *(_gpu(needed, machine) if needed.cuda else ()),
        *_disk(needed, machine, data),
        *_hub(needed, machine),
        *_kaggle(needed, machine),
        *(
            f"the environment variable {name} is not set: it is to hold a provider's key"
            for name in _unset(needed, machine)
        ),
    ]


def _gpu(needed: Needs, machine: Machine) -> Iterable[str]:
    card = machine.gpu()
    if card is None:
        yield "the run asks for CUDA, which torch does not find: take a machine with an NVIDIA GPU, or device = 'auto'"
    elif card[1] < needed.gpu_gb:
        yield f"{card[0]} has {card[1]:.1f} GB free and {needed.gpu_gb} GB are needed: end what else runs on it"


def _disk(needed: Needs, machine: Machine, data: Path) -> Iterable[str]:
    free = machine.free_disk_gb(data)
    if free < needed.disk_gb:
        yield f"{free:.1f} GB of disk are free and {needed.disk_gb} GB are needed: make room, or give --out another"


def _hub(needed: Needs, machine: Machine) -> Iterable[str]:
    offline = machine.environment.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    for kind, name in needed.hub:
        if kind == "model" and machine.cached(name):
            continue
        if offline:
            yield f"the {kind} {name} is not on this machine and HF_HUB_OFFLINE is set: unset it, or give a local path"
        elif (reason := machine.ask_hub(kind, name)) is not None:
            yield f"the {kind} {name} cannot be had from huggingface.co ({reason}): is there network? Or give a path"


def _kaggle(needed: Needs, machine: Machine) -> Iterable[str]:
    if not needed.kaggle:
        return
    if not machine.installed("kagglehub"):
        yield f"kagglehub is not installed, which downloads {', '.join(needed.kaggle)}: pip install kagglehub"
    named = any(all(machine.environment.get(name) for name in names) for names in KAGGLE_VARIABLES)
    if not named and not any((machine.home / name).is_file() for name in KAGGLE_FILES):
        yield (
            f"there is no Kaggle login for {', '.join(needed.kaggle)}: set KAGGLE_USERNAME and KAGGLE_KEY, or put "
            "kaggle.json into ~/.kaggle"
        )


def _unset(needed: Needs, machine: Machine) -> list[str]:
    return [name for name in needed.keys if not machine.environment.get(name, "").strip()]


def _summary(needed: Needs, machine: Machine, data: Path) -> str:
    parts = [f"{machine.free_disk_gb(data):.0f} GB of disk"]
    if needed.cuda:
        name, free = machine.gpu()
        parts.append(f"{name} with {free:.1f} GB free")
    if needed.hub:
        parts.append(f"{len(needed.hub)} models and data sets within reach")
    if needed.kaggle:
        parts.append("a Kaggle login")
    if needed.keys:
        parts.append(f"keys in {', '.join(needed.keys)}")
    return f"This machine has {', '.join(parts)}."
