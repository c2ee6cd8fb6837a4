"""The model: loading it with its processor, attaching LoRA, reading pages. The only importer of unsloth."""

from medocr.cpu import parallel_map
from medocr.model.loading import check_finite, load, load_processor, resolve, save_processor
from medocr.model.lora import TARGETS, add_lora, is_unsloth, lora_modules, lora_weights, merged_forward
from medocr.model.reading import AS_BYTES, Normaliser, Reading, encode, read

__all__ = [
    "AS_BYTES",
    "TARGETS",
    "Normaliser",
    "Reading",
    "add_lora",
    "check_finite",
    "encode",
    "is_unsloth",
    "load",
    "load_processor",
    "lora_modules",
    "lora_weights",
    "merged_forward",
    "parallel_map",
    "read",
    "resolve",
    "save_processor",
]
