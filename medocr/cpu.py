"""What makes a CPU fast, each piece with what it was measured to gain; what gains less than a tenth is not here.

- `gqa_attention`, against sdpa by CPU time in one thread: reading 1.16 times as fast up to 300 tokens a page, 1.09
  times up to 60 (float32); a training step 1.04 times in float32, and no faster in bfloat16, on a CPU that only
  emulates it.
- `parallel_map`, against one batch after another on two cores: a training step 1.11 times as fast, 1.25 times by CPU
  time (float32, results/bench/train.json).
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

NAME = "medocr_gqa"


def install_attention(model: PreTrainedModel) -> None:
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
    """Attend with `heads / groups` query heads to each key head, by plain matrix products.

    transformers' sdpa repeats keys and values for every query head, which costs most of a decoding step; and torch's
    fused CPU kernel is slow in bfloat16. Here the query heads that share a key head are one taller matrix.
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


@contextlib.contextmanager
def parallel_map(count: int, each: int | None = None) -> Iterator[Callable]:
    """`map` over `count` pieces of work, as many at once as torch has threads.

    A piece gets `each` threads, by default an equal share: small products do not gain by more, and where cores wait
    for one another at every one of them, whole pieces side by side are faster.
    """
    threads = torch.get_num_threads()
    workers = min(threads, count)
    if workers < 2:
        yield map
        return
    share = functools.partial(torch.set_num_threads, each or threads // workers)  # the setting is each thread's own
    pool = ThreadPoolExecutor(workers, initializer=share)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
