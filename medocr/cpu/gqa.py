"""Attention of the language model on a CPU, by plain matrix products.

transformers' sdpa repeats keys and values for every query head, which costs most of a decoding step; and torch's
fused CPU kernel is slow in bfloat16. Here the query heads that share a key head are one taller matrix.
"""

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

NAME = "medocr_gqa"


def install(model: PreTrainedModel) -> None:
    """Let a model on a CPU attend by `gqa_attention` in its language model; on a GPU sdpa stays."""
    AttentionInterface.register(NAME, gqa_attention)
    AttentionMaskInterface.register(NAME, _mask)
    model.set_attn_implementation({"text_config": NAME})


def _mask(*arguments, dtype: torch.dtype, **options) -> torch.Tensor:
    """The mask for all layers, in the scores' own type.

    float32's least number is -inf in autocast's narrower one, and padding, which attends to nothing, would become nan.
    """
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
    return eager_mask(*arguments, dtype=dtype, **options)


def gqa_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    **_,
) -> tuple[torch.Tensor, None]:
    """Attend with `heads / groups` query heads to each key head.

    `query` is (batch, heads, length, size), `key` and `value` are (batch, groups, total, size), the mask is what to
    add to the scores, (batch, 1, length, total). Returns (batch, length, heads, size) and no weights.
    """
    batch, heads, length, size = query.shape
    groups, total = key.shape[1:3]
    tall = (query * scaling).reshape(batch, groups, heads // groups * length, size)
    scores = (tall @ key.transpose(-1, -2)).view(batch, heads, length, total)
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(-1).view(batch, groups, -1, total)
    return (weights @ value).view(batch, heads, length, size).transpose(1, 2), None
