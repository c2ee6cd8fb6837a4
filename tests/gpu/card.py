"""The card itself: its name, memory, and the matrix rate that every other figure is held against."""

import time

import torch

from tests.gpu.setting import Setting

SIDE = {"cuda": 8192, "cpu": 256}


def run(setting: Setting) -> dict:
    """Median rate of bfloat16 products of square matrices, in TFLOP/s, after warming up."""
    found = {"card": name(setting.device), "bf16_tflops": matrix_rate(setting.device)}
    if setting.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {"memory_gb": properties.total_memory / 1e9, "capability": torch.cuda.get_device_capability()}
    return found


def name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"


def matrix_rate(device: str, rounds: int = 9) -> float:
    side = SIDE[device]
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(rounds):
        began = _now(device)
        for _ in range(4):
            a @ b
        seconds.append((_now(device) - began) / 4)
    return 2 * side**3 / sorted(seconds[2:])[len(seconds[2:]) // 2] / 1e12


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
