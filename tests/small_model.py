"""A random model of the real architecture, small enough that a test takes it apart in a second, and pages for it."""

import functools
import io

import numpy as np
import torch
from PIL import Image
from transformers import PaddleOCRVLConfig, PaddleOCRVLForConditionalGeneration

from medocr import prepare
from medocr.demo.tiny import FOLDER
from medocr.merge import parity
from medocr.model import load, load_processor, save_processor

TEXT = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 3}

# A training of a few steps, with three checkpoints, that the tests run, kill and resume.
RECIPE = {"max_steps": 6, "batch_size": 2, "accumulation": 2, "r": 4, "alpha": 4, "save_every": 2, "progress": False}
RECIPE |= {"learning_rate": 1e-2, "keep_checkpoints": 3, "pretrained": False}


def make_base(folder, seed=0):
    """Write the small model to `folder`, with the embedded model's processor."""
    config = PaddleOCRVLConfig.from_pretrained(FOLDER)
    for part, values in ((config.text_config, TEXT), (config.vision_config, VISION)):
        for name, value in values.items():
            setattr(part, name, value)
    config.text_config.num_key_value_heads = 2
    torch.manual_seed(seed)
    model = PaddleOCRVLForConditionalGeneration._from_config(config, dtype=torch.float32)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    processor = load_processor(FOLDER)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    save_processor(processor, folder)
    return folder


def make_samples(count, seed=0):
    """Noise on pages of several sizes, with random words as answers."""
    random = np.random.default_rng(seed)
    return [_sample(random, number) for number in range(count)]


@functools.cache
def _processor():
    return load_processor(FOLDER)


def _sample(random, number):
    width, height = 28 * int(random.integers(2, 5)) + 3, 28 * int(random.integers(2, 4)) - 5
    buffer = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(buffer, "PNG")
    answer = " ".join("".join(random.choice(list("abcdefgh 12.,"), 5)).strip() or "x" for _ in range(3))
    answer = " ".join(answer.split())
    processor = _processor()
    limits = processor.image_processor.size
    tokens = prepare.visual_tokens(width, height, limits["shortest_edge"], limits["longest_edge"])
    return prepare.Sample(
        image=buffer.getvalue(),
        origin=f"noise#{number}",
        source="test",
        text=answer,
        answer=answer,
        visual_tokens=tokens,
        answer_tokens=len(answer) + 1,
    )


def fill_lora(model, seed=0, scale=0.1):
    """Give LoRA's B, which starts at zero, random values, so that the adapter does something."""
    random = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, scale, generator=random)


def probe_here(folder, pages, device):
    """What the parity gate asks a fresh process for, which takes seconds to start, from this one."""
    try:
        return parity.probe(*load(folder, device=device, dtype=torch.float32), pages)
    except Exception as error:  # which would end that process
        raise ValueError(str(error)) from error
