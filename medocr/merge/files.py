"""What can be said of a merged folder by looking at its files: are they there, whole, and those of training?"""

import json
import tempfile
from pathlib import Path

import safetensors

from medocr import model as models
from medocr import storage

WANTED = ("config.json", "generation_config.json")  # beside the weights and the processor's files
PARTS = {
    "tokenizer.json": "tokenizer",
    "tokenizer_config.json": "tokenizer",
    "chat_template.jinja": "chat template",
    "preprocessor_config.json": "image processor",
    "processor_config.json": "image processor",
}


def check_whole(merged: Path) -> list[str]:
    """The files that are missing or cut off (weights are looked at when they are loaded)."""
    wrong = []
    for name in (*WANTED, *PARTS):
        try:
            _content(merged / name)
        except FileNotFoundError:
            wrong.append(f"{name} is missing")
        except ValueError as error:  # of JSON or UTF-8
            wrong.append(f"{name} is cut off or no JSON ({error})")
    pickled = sorted(path.name for path in merged.glob("*") if path.suffix in (".bin", ".pt", ".pth", ".pkl"))
    return wrong + [f"{name} is no safetensors file" for name in pickled]


def check_processor(expected, merged: Path) -> list[str]:
    """The processor's files that say something else than those of the processor used in training."""
    with tempfile.TemporaryDirectory() as folder:
        models.save_processor(expected, folder)
        differ = [
            n for n in PARTS if (Path(folder) / n).is_file() and _content(Path(folder) / n) != _content(merged / n)
        ]
    return [f"the {PARTS[name]} is not the one of training ({name})" for name in differ]


def check_config(merged: Path) -> list[str]:
    """What the config says otherwise than the tensors beside it, and files that name code which is not there.

    A head called tied is skipped by some programs without a word; they then read with the embedding in its place.
    """
    config = _content(merged / "config.json")
    with safetensors.safe_open(merged / "model.safetensors", "pt") as weights:
        tied = "lm_head.weight" not in weights.keys()  # noqa: SIM118  a safetensors file is no dict
    says = {"config.json": config, "its text_config": config.get("text_config", {})}
    wrong = [
        f"{where} says tie_word_embeddings {part.get('tie_word_embeddings')}, the weights say {tied}"
        for where, part in says.items()
        if part.get("tie_word_embeddings") is not tied
    ]
    coded = [name for name in (*WANTED, *PARTS) if '"auto_map"' in (merged / name).read_text(encoding="utf-8")]
    return wrong + [f"{name} has an auto_map, which asks for code that is not in the folder" for name in coded]


def _content(path: Path):
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else text


def check_revision(base: str | Path, adapter: str | Path) -> list[str]:
    """Whether the base is, by its content, the one that the adapter was trained on, where the training noted it."""
    note = Path(adapter) / "base.json"
    trained_on = json.loads(note.read_text())["sha256"] if note.is_file() else None
    actual = storage.model_hash(models.resolve(base))
    if trained_on in (None, actual):
        return []
    return [f"the adapter was trained on another revision of {base} ({trained_on[:8]}…, this is {actual[:8]}…)"]
