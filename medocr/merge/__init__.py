"""Adapter and base into one float16 model, and the gate that says whether it is the same model."""

import shutil
from pathlib import Path

import torch
from huggingface_hub import HfApi

from medocr import model as models
from medocr import storage
from medocr.merge.card import model_card
from medocr.merge.latency import latency
from medocr.merge.parity import Parity, check_parity

__all__ = [
    "Parity",
    "check_parity",
    "latency",
    "merge",
    "model_card",
    "push",
]

FILES = ("*.safetensors", "*.json", "*.jinja", "README.md")  # that are pushed; no page, whatever lies there
ABSENT = {"training": {}, "splits": {}, "comparisons": [], "pages": []}  # what a card leaves out


def merge(
    base: str | Path,
    adapter: str | Path,
    out: str | Path,
    *,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    **about,
) -> dict:
    """Write base and adapter as one float16 model to the folder `out`, whole or not at all.

    W + s·B·A is formed in float32 on the CPU and cast once. The folder holds all that plain transformers and vLLM
    want: weights as safetensors, processor (with the pixel limits given), tokenizer, chat template, generation
    config, and a model card with what `about` tells (see `model_card`: training, splits, comparisons, pages).
    Returns a report: weights, bytes, modules merged, largest (absolute weight). Raises ValueError when a merged
    weight is NaN or beyond float16.
    """
    model, processor = models.load(
        base,
        device="cpu",
        dtype=torch.float32,
        backend="transformers",
        adapter=adapter,
        min_pixels=min_pixels,
        max_pixels=max_pixels,
    )
    modules = sum(hasattr(module, "lora_A") for module in model.modules())
    merged = model.merge_and_unload()
    largest = _check_range(merged)
    merged.half()
    sentencepiece = models.resolve(base) / "tokenizer.model"
    with storage.atomic(out) as temporary:
        merged.save_pretrained(temporary)
        models.save_processor(processor, temporary)
        if sentencepiece.is_file():  # converters to GGUF read it, transformers does not
            shutil.copy(sentencepiece, temporary)
        (temporary / "README.md").write_text(model_card(base, merged, **{**ABSENT, **about}))
    files = [path for path in Path(out).iterdir() if path.is_file()]
    return {
        "weights": sum(p.numel() for p in merged.parameters()),
        "bytes": sum(path.stat().st_size for path in files),
        "files": sorted(path.name for path in files),
        "modules": modules,
        "largest": largest,
    }


def _check_range(model: torch.nn.Module) -> float:
    """The largest absolute weight; ValueError naming the tensors that float16 cannot hold."""
    limit = torch.finfo(torch.float16).max
    largest = {name: tensor.abs().max().item() for name, tensor in model.state_dict().items()}
    beyond = [name for name, value in largest.items() if not value <= limit]  # NaN compares false
    if beyond:
        raise ValueError(f"float16 cannot hold {', '.join(beyond[:5])}: NaN, or above {limit:.0f}; train again")
    return max(largest.values())


def push(
    folder: str | Path, repository: str, *, phi: bool, phi_agreement: bool = False, api: HfApi | None = None
) -> str:
    """Upload the files of a merged folder to `repository` (made if need be, private); returns the commit's address.

    `phi` says whether pages that it was trained on may hold health information, which a model can give away again:
    then `phi_agreement` must say that this repository may have it. Raises ValueError where it does not, and when the
    folder holds no merged model.
    """
    if phi and not phi_agreement:
        raise ValueError(
            f"{repository} was not given the model: pages it was trained on may hold health information, of which a "
            "model can repeat some. Set push_phi_agreement where this repository may have it"
        )
    if not (Path(folder) / "config.json").is_file():
        raise ValueError(f"{folder}: no config.json in this folder, so it holds no model to push: run notebook 06")
    api = api or HfApi()
    api.create_repo(repository, private=True, exist_ok=True)
    return str(api.upload_folder(folder_path=str(folder), repo_id=repository, allow_patterns=list(FILES)))
