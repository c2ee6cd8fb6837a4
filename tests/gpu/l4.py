"""What an L4 would need for the recipe: computed from shapes, and from another card's measurements where there are."""

import json
from pathlib import Path

from tests.gpu import arithmetic
from tests.gpu.setting import Setting

CARD = {"name": "NVIDIA L4", "bf16_tflops": 121.0, "bandwidth_gb_per_s": 300.0, "memory_gb": 24.0}  # its data sheet's
SAMPLES, STEPS = 5_904, 738
SHARES = (1.0, 0.4, 0.25)  # of the peak rate; training loops usually reach a quarter to two fifths
KNOWN = {"full_fine_tuning_gb": 24, "lora_gb": [12, 16]}  # figures given elsewhere, for comparison
VISUAL, ANSWER, BATCH = 1_280, 400, 4


def run(setting: Setting, out: Path) -> dict:
    """The estimate; `measured` holds what other parts left in `out`, scaled by the ratio of the matrix rates."""
    measured = {name: found for name in ("unsloth", "peft", "full") if (found := scaled(out, name))}
    return {"estimate_for": CARD, "computed": expected(), "measured": measured, "known_elsewhere": KNOWN}


def expected() -> dict:
    """From the shapes alone: minutes of the recipe at shares of the peak rate, and gigabytes, each term by name."""
    forward = arithmetic.forward_flops(VISUAL, ANSWER)
    total = arithmetic.step_flops(VISUAL, ANSWER, pages=SAMPLES)
    memory = arithmetic.lora_memory(VISUAL, ANSWER, BATCH)
    half = arithmetic.step_flops(VISUAL // 2, ANSWER, pages=SAMPLES)
    reading = CARD["bandwidth_gb_per_s"] / arithmetic.decoding_gb()
    return {
        "how": "arithmetic on shapes (tests/gpu/arithmetic.py), not measured; every page at the upper pixel limit",
        "visual_tokens": VISUAL,
        "answer_tokens": ANSWER,
        "forward_tflop_per_page": {name: value / 1e12 for name, value in forward.items()},
        "training_pflop": total / 1e15,
        "minutes_at_share_of_peak": {f"{s:.0%}": total / (CARD["bf16_tflops"] * 1e12 * s) / 60 for s in SHARES},
        "half_the_pixels_times": half / total,
        "memory_gb": memory,
        "memory_gb_total": sum(memory.values()),
        "logits_gb_with_answers_of_2048": arithmetic.lora_memory(VISUAL, 2048, BATCH)["logits"],
        "tokens_per_s_reading_one_page_at_most": reading,
    }


def scaled(out: Path, name: str) -> dict | None:
    """A training part's figures on an L4: memory as it is, seconds by the ratio of the bf16 matrix rates."""
    path = out / f"{name}.json"
    if not path.is_file():
        return None
    found = json.loads(path.read_text())
    if found.get("size") != "full" or "bf16_tflops" not in found:
        return None
    seconds = found["seconds_per_step"] * found["bf16_tflops"] / CARD["bf16_tflops"]
    return {
        "card": found["card"],
        "peak_memory_gb": found["peak_memory_gb"],
        "fits": found["peak_memory_gb"] < CARD["memory_gb"],
        "seconds_per_step": seconds,
        "hours": seconds * STEPS / 3600,
    }
