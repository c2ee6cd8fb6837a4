"""Floating-point operations and bytes of the published size, from its shapes; nothing here is measured."""

from transformers import PaddleOCRVLConfig

from tests.full_size import TRAINABLE, WEIGHTS, published_config

PASSES = {"lora": 3, "full": 4}  # forward, again for checkpointing, backward for activations; and for weights
GB = 1e9


def forward_flops(visual: int, answer: int, config: PaddleOCRVLConfig | None = None, prompt: int = 16) -> dict:
    """Of one page: the vision tower's linear layers and attention, and the language model with its head.

    A multiplication and an addition are two operations. The head works on the answer's positions alone; causal
    attention counts half.
    """
    config = config or published_config()
    vision, text = config.vision_config, config.text_config
    patches, tokens = 4 * visual, visual + answer + prompt
    wide = vision.hidden_size
    block = 4 * wide**2 + 2 * wide * vision.intermediate_size
    merged = 4 * wide
    heads, groups, size = text.num_attention_heads, text.num_key_value_heads, text.head_dim
    layer = 2 * text.hidden_size * size * (heads + groups) + 3 * text.hidden_size * text.intermediate_size
    return {
        "vision_linear": 2 * patches * block * vision.num_hidden_layers,
        "vision_attention": 4 * patches**2 * wide * vision.num_hidden_layers,
        "projector": 2 * visual * (merged**2 + merged * text.hidden_size),
        "language": text.num_hidden_layers * (2 * tokens * layer + 2 * tokens**2 * heads * size),
        "head": 2 * answer * text.hidden_size * text.vocab_size,
    }


def step_flops(visual: int, answer: int, pages: int, kind: str = "lora", config=None) -> float:
    """Of an optimizer step over `pages` pages, with gradient checkpointing."""
    return PASSES[kind] * pages * sum(forward_flops(visual, answer, config).values())


def decoding_gb() -> float:
    """GB of bfloat16 weights that each further token reads: the language model's layers and the head."""
    text = published_config().text_config
    size, heads, groups = text.head_dim, text.num_attention_heads, text.num_key_value_heads
    layer = 2 * text.hidden_size * size * (heads + groups) + 3 * text.hidden_size * text.intermediate_size
    return 2 * (text.num_hidden_layers * layer + text.hidden_size * text.vocab_size) / GB


def lora_memory(visual: int, answer: int, batch: int) -> dict[str, float]:
    """GB that LoRA training holds at its peak: weights in bfloat16, adapter in float32, 8-bit AdamW, checkpointing.

    A layer's activations are its inputs (kept for every layer) and, for the one being recomputed, all that its backward
    pass reads: about 30 times the width of the vision tower for each patch, in bfloat16. Logits stand at the answer's
    positions, once in bfloat16 and three times in float32 (the loss, its softmax, its gradient).
    """
    config = published_config()
    vision, text = config.vision_config, config.text_config
    patches, tokens = batch * 4 * visual, batch * (visual + answer)
    return {
        "weights": 2 * WEIGHTS / GB,
        "adapter_and_gradient": 8 * TRAINABLE / GB,
        "optimizer": 2 * TRAINABLE / GB,
        "kept_inputs": 2 * (patches * vision.hidden_size * 27 + tokens * text.hidden_size * 18) / GB,
        "one_layer": 2 * 30 * patches * vision.hidden_size / GB,
        "logits": 14 * batch * answer * text.vocab_size / GB,
        "cuda_context": 0.5,
    }
