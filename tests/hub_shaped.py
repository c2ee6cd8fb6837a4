"""A small random model in the file format of the Hub's PaddleOCR-VL, which is not the one transformers writes.

What differs from a folder that transformers saved, each of which has broken a loader: a flat config (the language
model's settings at the top level), `auto_map` in every file, weights under the names of the Hub's own code, an output
head of its own beside `tie_word_embeddings: false`, tensors that transformers drops, `min_pixels` and `max_pixels` for
the image size, and a byte-fallback BPE tokenizer.
"""

import json
import struct

import safetensors.torch
import torch
from transformers import PaddleOCRVLConfig, PaddleOCRVLForConditionalGeneration

from medocr.model import resolve

RENAMED = {"model.language_model.": "model.", "model.visual.": "visual.", "model.projector.": "mlp_AR."}
SPECIAL = ("<|begin_of_sentence|>", "<|end_of_sentence|>", "<|IMAGE_PLACEHOLDER|>", "<|IMAGE_START|>", "<|IMAGE_END|>")
CODE = "modeling_paddleocr_vl.PaddleOCRVLForConditionalGeneration"
AUTO_MAP = {
    "AutoConfig": "configuration_paddleocr_vl.PaddleOCRVLConfig",
    "AutoModel": CODE,
    "AutoModelForCausalLM": CODE,
}
PROCESSOR_MAP = {"AutoProcessor": "processing_paddleocr_vl.PaddleOCRVLProcessor"}
WIDTH, VISION_WIDTH, VISION_INNER = 128, 144, 128


def make_hub_base(folder, seed=0):
    """Write such a model (about 1 MB in bfloat16) to `folder`; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, added = _vocabulary()
    _write(folder / "tokenizer.json", _tokenizer(vocabulary, added))
    _write(folder / "tokenizer_config.json", _tokenizer_config())
    ids = {token["content"]: token["id"] for token in added}
    _write(folder / "config.json", _config(len(vocabulary) + len(SPECIAL), ids))
    _write(folder / "preprocessor_config.json", _preprocessor())
    _write(folder / "processor_config.json", {"auto_map": PROCESSOR_MAP, "processor_class": "PaddleOCRVLProcessor"})
    _write(folder / "generation_config.json", {"eos_token_id": 2, "pad_token_id": 0, "use_cache": False})
    (folder / "chat_template.jinja").write_text((resolve("tiny") / "chat_template.jinja").read_text())
    (folder / "tokenizer.model").write_bytes(_sentencepiece(vocabulary))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A random model in the Hub's format\n")
    safetensors.torch.save_file(_weights(folder, seed), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _write(path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _vocabulary() -> tuple[dict[str, int], list[dict]]:
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581"]
    vocabulary = {token: i for i, token in enumerate([*tokens, *(chr(code) for code in range(33, 127)), "lo"])}
    special = [*tokens[:3], *SPECIAL]
    ids = {**vocabulary, **{token: len(vocabulary) + i for i, token in enumerate(SPECIAL)}}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return vocabulary, [{"id": ids[token], "content": token, **flags, "special": True} for token in special]


def _tokenizer(vocabulary: dict[str, int], added: list[dict]) -> dict:
    model = {"type": "BPE", "vocab": vocabulary, "merges": [["l", "o"]], "unk_token": "<unk>", "byte_fallback": True}
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    back = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [spaces]},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [back, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {**model, "fuse_unk": True, "dropout": None, "ignore_merges": False},
    }


def _sentencepiece(vocabulary: dict[str, int]) -> bytes:
    """The vocabulary as SentencePiece keeps it, for programs that read no tokenizer.json; special tokens stay out.

    A message of protocol buffers: pieces (1) with text, score and kind, settings of trainer (2) and normaliser (3).
    """
    kinds = {"<unk>": 2, "<s>": 3, "</s>": 3}
    message = b""
    for token, number in vocabulary.items():
        kind = kinds.get(token, 6 if token.startswith("<0x") else 1)
        score = b"\x15" + struct.pack("<f", -float(number))
        message += _part(1, _part(1, token.encode()) + score + bytes([0x18, kind]))
    byte_pairs_with_fallback = bytes([0x18, 2, 0x98, 2, 1])  # model_type (3) is BPE, byte_fallback (35) is true
    as_it_stands = bytes([0x18, 0, 0x20, 0, 0x28, 1])  # no space in front, none removed, all written as \u2581
    return message + _part(2, byte_pairs_with_fallback) + _part(3, as_it_stands)


def _part(field: int, content: bytes) -> bytes:
    assert len(content) < 128  # so that its length is one byte
    return bytes([field << 3 | 2, len(content)]) + content


def _tokenizer_config() -> dict:
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}
    names |= {"cls_token": SPECIAL[0], "sep_token": SPECIAL[1], "image_token": SPECIAL[2]}
    kind = {"tokenizer_class": "LlamaTokenizer", "processor_class": "PaddleOCRVLProcessor", "auto_map": PROCESSOR_MAP}
    return {**names, "additional_special_tokens": list(SPECIAL[2:]), "add_bos_token": False, **kind}


def _config(size: int, ids: dict[str, int]) -> dict:
    vision = {
        "architectures": ["PaddleOCRVisionModel"],
        "model_type": "paddleocr_vl",
        "auto_map": {"AutoConfig": AUTO_MAP["AutoConfig"]},
        "hidden_size": VISION_WIDTH,
        "intermediate_size": VISION_INNER,
        "num_attention_heads": 2,
        "num_hidden_layers": 3,  # a converter to GGUF looks for the projector's second layer among as many
        "image_size": 384,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "torch_dtype": "bfloat16",
    }
    language = {"hidden_size": WIDTH, "intermediate_size": 192, "num_hidden_layers": 2, "head_dim": 128}
    language |= {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": size, "rope_theta": 500_000}
    language |= {"rope_scaling": {"mrope_section": [16, 24, 24], "rope_type": "default", "type": "default"}}
    tokens = {"image_token_id": ids[SPECIAL[2]], "vision_start_token_id": ids[SPECIAL[3]], "pad_token_id": 0}
    kind = {
        "model_type": "paddleocr_vl",
        "architectures": ["PaddleOCRVLForConditionalGeneration"],
        "auto_map": AUTO_MAP,
    }
    tied = {"tie_word_embeddings": False, "torch_dtype": "bfloat16", "use_cache": False}
    return {**kind, **language, **tokens, **tied, "max_position_embeddings": 131_072, "vision_config": vision}


def _preprocessor() -> dict:
    scale = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "rescale_factor": 1 / 255, "resample": 3}
    steps = dict.fromkeys(("do_convert_rgb", "do_normalize", "do_rescale", "do_resize"), True)
    kind = {"image_processor_type": "PaddleOCRVLImageProcessor", "auto_map": PROCESSOR_MAP}
    size = {"min_pixels": 28 * 28 * 4, "max_pixels": 2_822_400, "patch_size": 14, "merge_size": 2}
    return {**kind, **steps, **scale, **size, "temporal_patch_size": 1}


def _weights(folder, seed: int) -> dict[str, torch.Tensor]:
    """By the Hub's names, with the embedding and the pooling head that only the Hub's own code has."""
    torch.manual_seed(seed)
    config = PaddleOCRVLConfig.from_pretrained(folder)
    model = PaddleOCRVLForConditionalGeneration._from_config(config, dtype=torch.float32)
    weights = {}
    for name, tensor in model.state_dict().items():
        before = next((prefix for prefix in RENAMED if name.startswith(prefix)), "")
        value = torch.randn(tensor.shape) * tensor[0].numel() ** -0.5 if tensor.dim() > 1 else tensor
        weights[RENAMED.get(before, "") + name.removeprefix(before)] = value.bfloat16().contiguous()
    weights["lm_head.weight"] = (torch.randn(config.text_config.vocab_size, WIDTH) * WIDTH**-0.5).bfloat16()
    vision = "visual.vision_model."
    weights[f"{vision}embeddings.packing_position_embedding.weight"] = torch.randn(64, VISION_WIDTH).bfloat16()
    weights[f"{vision}head.probe"] = torch.randn(1, 1, VISION_WIDTH).bfloat16()
    return weights
