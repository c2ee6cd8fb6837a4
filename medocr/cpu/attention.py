"""Attention over all images of a batch at once, for PaddleOCR-VL's vision tower.

transformers attends packed images one by one unless the implementation is a flash kernel, which gets the packed
sequence and its boundaries. `install` gives the vision tower such an implementation made of torch's own
`scaled_dot_product_attention`: images of equal length form one batch. The language model keeps its causal attention.

    model = PaddleOCRVLForConditionalGeneration.from_pretrained(folder)
    attention.install(model)      # before LoRA is attached; nothing of it is saved with the model
"""

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

NAME = "medocr_batched_flash"  # transformers hands over the packed sequence when the name contains "flash"


def register() -> str:
    """Make the implementation known to transformers; returns its name. For `vision_config` alone, never for text."""
    AttentionInterface.register(NAME, batched_attention)
    return NAME


def install(model: PreTrainedModel) -> None:
    """Let a loaded `PaddleOCRVLForConditionalGeneration` use batched attention in its vision tower."""
    model.set_attn_implementation({"vision_config": register()})


def batched_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    dropout: float = 0.0,
    **_,
) -> tuple[torch.Tensor, None]:
    """Attend within each packed image; numerically what attending image by image gives.

    `query`, `key` and `value` are (1, heads, patches of all images, head size); `cu_seq_lens_q` holds the images'
    boundaries (n + 1). Returns (1, patches, heads, head size) and no weights.
    """
    lengths = cu_seq_lens_q.diff().tolist()
    if torch.is_autocast_enabled(query.device.type):
        query, key, value = (tensor.to(torch.get_autocast_dtype(query.device.type)) for tensor in (query, key, value))
    packed = [tensor[0].transpose(0, 1) for tensor in (query, key, value)]  # patches, heads, head size
    if len(set(lengths)) == 1:
        return _attend(packed, lengths[0], dropout, scaling).unsqueeze(0), None
    starts = cu_seq_lens_q[:-1].tolist()
    output = torch.empty_like(packed[0])
    for length in sorted(set(lengths)):
        same = [start for start, other in zip(starts, lengths, strict=True) if other == length]
        rows = (torch.tensor(same)[:, None] + torch.arange(length)).flatten().to(query.device)
        output = output.index_copy(0, rows, _attend([tensor[rows] for tensor in packed], length, dropout, scaling))
    return output.unsqueeze(0), None


def _attend(packed: list[torch.Tensor], length: int, dropout: float, scaling: float) -> torch.Tensor:
    """Attention over images of one length that lie behind one another: (patches, heads, head size) in and out."""
    batch = [tensor.unflatten(0, (-1, length)).transpose(1, 2) for tensor in packed]
    query, key, value = batch
    if query.dtype == torch.bfloat16 and query.device.type == "cpu" and not dropout:
        attended = _by_products(query, key, value, scaling)
    else:
        attended = scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scaling)
    return attended.transpose(1, 2).flatten(0, 1)


def _by_products(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float) -> torch.Tensor:
    """Attention as plain matrix products: in bfloat16 on a CPU twice as fast as torch's fused kernel."""
    with torch.autocast("cpu", enabled=False):
        return (query * scaling @ key.transpose(-1, -2)).softmax(-1) @ value
