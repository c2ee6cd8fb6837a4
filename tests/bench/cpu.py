"""`python -m tests.bench.cpu`: what each piece of `medocr/cpu` brings, in float32 and in bfloat16.

Each piece is timed with transformers' own way in its place, in turn on the same pages, by the process's CPU seconds:
those of the clock would tell of what else the machine does. Attention runs on one thread, so that no thread waits for
another. Written to results/bench/cpu.json.
"""

import contextlib
import statistics
import time
from pathlib import Path
from unittest import mock

import torch

from medocr import model as models
from medocr import storage
from medocr.cpu import attention, gqa
from medocr.model import reading
from medocr.model.loading import bf16_is_fast
from medocr.train.data import Collator
from tests.bench.train import samples

OUT = Path(__file__).parents[2] / "results/bench/cpu.json"
ROUNDS, PAGES = 3, 4
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PIECES = {"attention": "a training step", "gqa": "reading", "threads": "reading by two threads"}


def seconds(work, ways: dict) -> dict[str, float]:
    """Median CPU seconds of `work` within each way (name → context manager), the ways in turn."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            with way():
                began = time.process_time()
                work()
                spent[name].append(time.process_time() - began)
    return {name: statistics.median(times[1:]) for name, times in spent.items()}  # the first round warms up


@contextlib.contextmanager
def attending(model, **implementations):
    """The model with these attention implementations, by config."""
    model.set_attn_implementation(implementations)
    yield


def measure(pages: list, precision: str) -> dict[str, float]:
    """How many times as much CPU time a piece of work takes without each piece."""
    torch.set_num_threads(1)
    model, processor = models.load("tiny", device="cpu", dtype=torch.float32)
    collator = Collator(processor, pages)
    batch = collator([{"row": row} for row in range(4)])
    batch["pixel_values"] = collator.normalised(batch["pixel_values"])

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
            model(**batch).loss.backward()
        model.zero_grad()

    times = {"attention": seconds(step, _ways(model, "vision_config", attention.NAME))}
    model, processor = models.load("tiny", device="cpu", dtype=PRECISIONS[precision])

    def read() -> None:
        models.read(model, processor, pages, max_new_tokens=40, progress=False)

    times["gqa"] = seconds(read, _ways(model, "text_config", gqa.NAME))
    model.set_attn_implementation({"text_config": gqa.NAME})
    torch.set_num_threads(2)
    in_turn = {"without": lambda: mock.patch.object(reading, "parallel_map", return_value=contextlib.nullcontext(map))}
    times["threads"] = seconds(read, {"with": contextlib.nullcontext, **in_turn})
    return {piece: spent["without"] / spent["with"] for piece, spent in times.items()}


def _ways(model, config: str, name: str) -> dict:
    return {
        "with": lambda: attending(model, **{config: name}),
        "without": lambda: attending(model, **{config: "sdpa"}),
    }


def main() -> None:
    """Measure both precisions, print and keep."""
    pages = samples()[:PAGES]
    rows = {precision: measure(pages, precision) for precision in PRECISIONS}
    print(rows)
    storage.write_record(
        OUT,
        command="python -m tests.bench.cpu",
        work=PIECES,
        cpu_times_more_without=rows,
        bfloat16_in_hardware=bf16_is_fast(),
        rounds=ROUNDS,
        pages=PAGES,
    )


if __name__ == "__main__":
    main()
