"""The tiny model before training: character tokenizer, chat template, configuration, initial weights."""

import math
import string
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (
    GenerationConfig,
    PaddleOCRVLConfig,
    PaddleOCRVLForConditionalGeneration,
    PaddleOCRVLProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import PaddleOCRVLImageProcessorPil

from medocr import storage

SPECIAL = ("<unk>", "<s>", "</s>", "<pad>", "<|IMAGE_START|>", "<|IMAGE_PLACEHOLDER|>", "<|IMAGE_END|>")
UNKNOWN, BOS, EOS, PAD, IMAGE_START, IMAGE, IMAGE_END = range(len(SPECIAL))
SIGNS = (
    "µμ°±²³×÷·•…–—‘’“”§©®™¼½¾≤≥≈→←↑↓✓✔✗☐☑☒■□●○£€¥¢¿¡ªºÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿαβγδΩ₂₃"
)
CHARACTERS = "\n" + string.printable[:95].replace(" ", "") + " " + SIGNS

# PaddleOCR-VL's form: pictures before text within a turn, the answer closed by </s>.
CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- set parts = [{"type": "text", "text": message.content}] if message.content is string else message.content -%}
{%- if message.role == "user" -%}
{{- "User: " -}}
{%- for part in parts if part.type == "image" -%}
{{- "<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>" -}}
{%- endfor -%}
{%- for part in parts if part.type == "text" -%}
{{- part.text -}}
{%- endfor -%}
{{- "\\n" -}}
{%- elif message.role == "assistant" -%}
{{- "Assistant:\\n" -}}
{%- for part in parts if part.type == "text" -%}
{%- generation -%}{{- part.text -}}{{- eos_token -}}{%- endgeneration -%}
{%- endfor -%}
{%- else -%}
{%- for part in parts if part.type == "text" -%}
{{- part.text + "\\n" -}}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- "Assistant:\\n" -}}
{%- endif -%}
"""

MIN_PIXELS, MAX_PIXELS = 28 * 28, 28 * 28 * 400


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token per character; text is NFC-normalised first and characters outside the vocabulary become <unk>."""
    vocabulary = {token: number for number, token in enumerate((*SPECIAL, *CHARACTERS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={
            "image_start_token": "<|IMAGE_START|>",
            "image_token": "<|IMAGE_PLACEHOLDER|>",
            "image_end_token": "<|IMAGE_END|>",
        },
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
    )


def make_config() -> PaddleOCRVLConfig:
    """The configuration: PaddleOCR-VL's proportions at 1/160 of its size.

    The rotary bases are small and the text model's frequencies interleave the three axes, because positions stay
    below a few hundred: at full size the lowest frequencies hardly turn within one page.
    """
    vocabulary = len(SPECIAL) + len(CHARACTERS)
    text = {
        "vocab_size": -(-vocabulary // 16) * 16,
        "hidden_size": 192,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0, "mrope_section": [1] * 16},
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "tie_word_embeddings": False,
    }
    vision = {
        "hidden_size": 160,
        "intermediate_size": 480,
        "num_hidden_layers": 3,
        "num_attention_heads": 5,
        "image_size": 14 * 16,
        "rope_parameters": {"rope_type": "axial", "rope_theta": 100.0},
    }
    return PaddleOCRVLConfig(
        text_config=text,
        vision_config=vision,
        tie_word_embeddings=False,
        image_token_id=IMAGE,
        video_token_id=-1,
        vision_start_token_id=IMAGE_START,
        vision_end_token_id=IMAGE_END,
    )


def make_processor() -> PaddleOCRVLProcessor:
    """The processor: white becomes zero, so that empty paper says nothing; small pages are not enlarged."""
    images = PaddleOCRVLImageProcessorPil(
        image_mean=[1.0] * 3,
        image_std=[0.5] * 3,
        size={"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS},
    )
    return PaddleOCRVLProcessor(images, make_tokenizer(), chat_template=CHAT_TEMPLATE)


def make_model(seed: int, **options) -> PaddleOCRVLForConditionalGeneration:
    """A model with fresh weights: normal with variance 1 / fan-in, branches that end in the residual stream smaller.

    `options` go to the model's constructor (`attn_implementation`).
    """
    torch.manual_seed(seed)
    model = PaddleOCRVLForConditionalGeneration._from_config(make_config(), **options)
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
        half.generation_config = GenerationConfig(
            bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD, do_sample=False, max_new_tokens=400
        )
        half.save_pretrained(temporary)
        processor.save_pretrained(temporary)
        processor.image_processor.save_pretrained(temporary)
        for file in sorted(temporary.iterdir(), key=lambda file: file.suffix == ".safetensors"):
            file.chmod(0o644)  # safetensors lets only the owner read
            file.replace(folder / file.name)
    storage.remove(folder / "export", folder)
