"""The tiny model before training. Its configuration, tokenizer and chat template are the files beside the weights."""

import math
import string
from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    PaddleOCRVLConfig,
    PaddleOCRVLForConditionalGeneration,
    PaddleOCRVLProcessor,
    PreTrainedTokenizerFast,
)

from medocr import storage
from medocr.demo.tiny import FOLDER

SPECIAL = ("<unk>", "<s>", "</s>", "<pad>", "<|IMAGE_START|>", "<|IMAGE_PLACEHOLDER|>", "<|IMAGE_END|>")
UNKNOWN, BOS, EOS, PAD, IMAGE_START, IMAGE, IMAGE_END = range(len(SPECIAL))
SIGNS = (
    "µμ°±²³×÷·•…–—‘’“”§©®™¼½¾≤≥≈→←↑↓✓✔✗☐☑☒■□●○£€¥¢¿¡ªºÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿαβγδΩ₂₃"
)
CHARACTERS = "\n" + string.printable[:95].replace(" ", "") + " " + SIGNS


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token per character; text is NFC-normalised first and characters outside the vocabulary become <unk>."""
    return PreTrainedTokenizerFast.from_pretrained(FOLDER)


def make_config() -> PaddleOCRVLConfig:
    """The configuration: PaddleOCR-VL's proportions at 1/160 of its size."""
    return PaddleOCRVLConfig.from_pretrained(FOLDER)


def make_model(seed: int) -> PaddleOCRVLForConditionalGeneration:
    """A model with fresh weights: normal with variance 1 / fan-in, branches that end in the residual stream smaller."""
    torch.manual_seed(seed)
    model = PaddleOCRVLForConditionalGeneration._from_config(make_config(), dtype=torch.float32)
    depth = {"visual": model.config.vision_config, "language_model": model.config.text_config}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            scale = 1.0
            if name.endswith(("o_proj", "out_proj", "down_proj", "fc2")):
                tower = next(tower for tower in depth if tower in name)
                scale = 1 / math.sqrt(2 * depth[tower].num_hidden_layers)
            torch.nn.init.normal_(module.weight, std=scale / math.sqrt(module.weight[0].numel()))
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
        elif isinstance(module, torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, std=0.5)
    return model


def save(model: PaddleOCRVLForConditionalGeneration, processor: PaddleOCRVLProcessor, folder: str | Path) -> None:
    """Write everything a plain `from_pretrained` needs into `folder`: `make_config`'s model, its weights as float16.

    Each file is written in a folder of its own first and renamed into place: `folder` holds other files as well.
    """
    folder = Path(folder)
    with storage.atomic(folder / "export") as temporary:
        temporary.mkdir()
        # from a fresh configuration: the model's own may ask for an attention that cannot be loaded by name
        half = PaddleOCRVLForConditionalGeneration._from_config(make_config(), dtype=torch.float16)
        half.load_state_dict(model.state_dict())
        half.generation_config = GenerationConfig.from_pretrained(FOLDER)
        half.save_pretrained(temporary)
        processor.save_pretrained(temporary)
        processor.image_processor.save_pretrained(temporary)
        for file in sorted(temporary.iterdir(), key=lambda file: file.suffix == ".safetensors"):
            file.chmod(0o644)  # safetensors lets only the owner read
            file.replace(folder / file.name)
    storage.remove(folder / "export", folder)
