"""What float16, the merged file's precision and the one that servers run it in, does to the model."""

from collections.abc import Callable

import torch


def probe_half(model: torch.nn.Module, probe: Callable[[], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """`probe` again with the model turned to float16, in place; its tokens, and what it counted.

    `overflows`: values that came out of a module as NaN or infinity; `largest`: the largest finite one, of at most
    65,504. Weights were looked at when they were merged; activations are the model's own with each page.
    """
    counts: dict[str, torch.Tensor] = {}

    def count(_module, _inputs, output) -> None:
        for tensor in output if isinstance(output, tuple) else (output,):
            if torch.is_tensor(tensor) and tensor.dtype == torch.float16:
                finite = tensor.isfinite()
                largest = tensor.where(finite, 0).abs().amax().float()
                counts["overflows"] = counts.get("overflows", 0) + (~finite).sum()
                counts["largest"] = torch.maximum(counts.get("largest", largest), largest)

    model.half()
    hooks = [module.register_forward_hook(count) for module in model.modules()]
    try:
        tokens = probe()["tokens"]
    finally:
        for hook in hooks:
            hook.remove()
    return {"half_tokens": tokens, **{name: value.cpu() for name, value in counts.items()}}


def judge_half(found: dict[str, torch.Tensor], tokens: torch.Tensor) -> tuple[list[str], dict]:
    """What speaks against serving in float16, and the figures; nothing where it was not probed.

    `tokens` are those of base and adapter in float32. Overflow fails the gate; tokens that rounding turns do not.
    """
    if "half_tokens" not in found:
        return [], {}
    overflows = int(found["overflows"])
    agreement = (found["half_tokens"] == tokens).float().mean().item()
    figures = {"float16_overflows": overflows, "float16_largest": found["largest"].item()}
    why = f"in float16 {overflows:,} activations are NaN or beyond 65,504: serve it with --dtype bfloat16"
    return [why] if overflows else [], {**figures, "float16_agreement": agreement}
