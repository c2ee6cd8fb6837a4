"""Lets Unsloth's Python code for CUDA run on a CPU: its streams do nothing, and its buffers lie in plain memory.

To be installed after Unsloth is imported (with UNSLOTH_ALLOW_CPU=1) and before it loads a model. Kernels are not faked:
what calls Triton or a CUDA library still fails.
"""

import types

import torch

MEMORY = 24 << 30  # bytes that the card would have


class Idle:
    """A stream, an event or a context of a device: every call on it does nothing and gives it back."""

    def __init__(self, *_, **__) -> None:
        pass

    def __getattr__(self, name: str):
        return lambda *_, **__: self

    def __enter__(self) -> "Idle":
        return self

    def __exit__(self, *_) -> None:
        pass


def install() -> None:
    """Replace what asks for a device; `torch.cuda.is_available` stays as it is, so that models stay on the CPU."""
    device = types.SimpleNamespace(name="no card", total_memory=MEMORY, major=8, minor=9, multi_processor_count=58)
    answers = {
        "device_count": 1, "current_device": 0, "is_bf16_supported": True, "get_device_capability": (8, 9),
        "get_device_name": device.name, "get_device_properties": device, "mem_get_info": (MEMORY, MEMORY),
        "memory_allocated": 0, "max_memory_allocated": 0, "max_memory_reserved": 0, "reset_peak_memory_stats": None,
        "synchronize": None, "empty_cache": None,
    }  # fmt: skip
    for name, answer in answers.items():
        setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
    for name in ("Stream", "Event", "stream", "device", "current_stream", "default_stream"):
        setattr(torch.cuda, name, Idle)
    torch.empty = _in_plain_memory(torch.empty)


def _in_plain_memory(make):
    """`torch.empty` that pins nothing, and puts on the CPU what is asked for on a card."""

    def empty(*sizes, pin_memory: bool = False, device=None, **options):
        on_card = device is not None and str(device).startswith("cuda")
        return make(*sizes, device="cpu" if on_card else device, **options)

    return empty
