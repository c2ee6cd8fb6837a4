"""PaddleOCR-VL's architecture at its published size with random weights, and noise pages for it.

Memory, speed, file formats, checkpoints and merging behave as with the real weights; what it reads is noise.
Processor and tokenizer are the embedded model's, whose token ids the configuration takes over; the shapes stay.
"""

import io
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from transformers import PaddleOCRVLConfig, PaddleOCRVLForConditionalGeneration

from medocr import prepare
from medocr.demo.tiny import FOLDER
from medocr.model import encode, load_processor, save_processor

MODULES, TRAINABLE = 290, 59_914_240  # that LoRA of rank 64 goes to
WEIGHTS = 905_601_648
CELL = 28  # px, a visual token's side
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def published_config() -> PaddleOCRVLConfig:
    """The published shapes; both switches, since the default ties the embeddings and gives 800 M weights."""
    return PaddleOCRVLConfig(tie_word_embeddings=False, text_config={"tie_word_embeddings": False})


def on_meta() -> PaddleOCRVLForConditionalGeneration:
    """The model without any memory for its weights."""
    with torch.device("meta"):
        return PaddleOCRVLForConditionalGeneration._from_config(published_config())


def save_base(
    folder: str | Path, *, device: str = "cpu", dtype: torch.dtype = torch.bfloat16, seed: int = 0
) -> PaddleOCRVLForConditionalGeneration:
    """Write the full-size model with seeded random weights (normal, variance 1 / fan-in) to `folder`: 1.8 GB."""
    config, tiny = published_config(), PaddleOCRVLConfig.from_pretrained(FOLDER)
    for name in ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id"):
        setattr(config, name, getattr(tiny, name))
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(config.text_config, name, getattr(tiny.text_config, name))
    torch.manual_seed(seed)
    with torch.device(device):
        model = PaddleOCRVLForConditionalGeneration._from_config(config, dtype=dtype)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    model.generation_config.eos_token_id = tiny.text_config.eos_token_id
    model.generation_config.pad_token_id = tiny.text_config.pad_token_id
    model.save_pretrained(folder)
    save_processor(load_processor(FOLDER), folder)
    return model


def make_samples(count: int, columns: int, rows: int, answer_tokens: int, seed: int = 0) -> list[prepare.Sample]:
    """Noise pages of `columns` × `rows` visual tokens, each with a random answer of `answer_tokens` tokens."""
    random = np.random.default_rng(seed)
    return [_sample(random, number, columns, rows, answer_tokens) for number in range(count)]


def _sample(random, number: int, columns: int, rows: int, answer_tokens: int) -> prepare.Sample:
    pixels = random.integers(0, 256, (rows * CELL, columns * CELL, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    answer = "".join(random.choice(list(LETTERS), answer_tokens - 1))  # a token per character, and the end token
    return prepare.Sample(
        image=buffer.getvalue(),
        origin=f"noise#{number}",
        source="noise",
        text=answer,
        answer=answer,
        visual_tokens=columns * rows,
        answer_tokens=answer_tokens,
    )


def fill_adapter(adapter: str | Path, *, scale: float = 0.02, seed: int = 0) -> int:
    """Overwrite B of every LoRA module in an adapter's folder with a seeded normal; returns how many there are.

    B starts at zero and a few steps hardly move it: without this the tuned model would be the base within rounding.
    """
    path = Path(adapter) / "adapter_model.safetensors"
    tensors, random = safetensors.torch.load_file(path), torch.Generator().manual_seed(seed)
    names = sorted(name for name in tensors if "lora_B" in name)
    for name in names:
        tensors[name].normal_(0, scale, generator=random)
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    return len(names)


def adapter_effect(model, processor, image) -> float:
    """How far the adapter moves the logits of the first token read, in their standard deviations; 0: it does nothing.

    A loader that ignores the adapter, or reads with the base's weights, gives 0.
    """
    with torch.inference_mode():
        inputs = encode(processor, [image]).to(model.device)
        tuned = model(**inputs, logits_to_keep=1).logits.float()
        with model.disable_adapter():
            base = model(**inputs, logits_to_keep=1).logits.float()
    return ((tuned - base).square().mean().sqrt() / base.std()).item()
