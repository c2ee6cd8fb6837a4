"""How long the adapter and the merged model take for the same pages, side by side."""

import statistics
import time
from pathlib import Path

from medocr import model as models

ADAPTER, COMPOSED, MERGED = "adapter", "adapter, composed", "merged"
ROUNDS = 3


def latency(
    base: str | Path,
    adapter: str | Path,
    merged: str | Path,
    pages: list,
    *,
    max_new_tokens: int,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
    device: str = "auto",
) -> list[dict]:
    """Seconds per page, read one by one and all at once, by three ways; nothing without pages.

    The ways are the adapter as PEFT computes it, on a CPU also the adapter with its layers composed first, as
    `model.read` does, and the merged model. They take turns in each of 3 rounds, so that what else the machine does
    falls on all alike. Returns a row per way and number of pages at once: way, batch_size, seconds_per_page (median of
    the rounds), over_adapter (of each round, its time divided by the adapter's), megabytes (of all weights).
    """
    if not pages:
        return []
    limits = {"min_pixels": min_pixels, "max_pixels": max_pixels}
    tuned, processor = models.load(base, adapter=adapter, device=device, backend="transformers", **limits)
    whole, _ = models.load(merged, device=device, dtype="stored", backend="transformers")
    ways = {ADAPTER: (tuned, False), COMPOSED: (tuned, True), MERGED: (whole, True)}
    if tuned.device.type != "cpu":
        del ways[COMPOSED]  # there the adapter is never composed

    def seconds(way: str, batch_size: int, images: list = pages) -> float:
        model, compose = ways[way]
        options = {"max_new_tokens": max_new_tokens, "batch_size": batch_size, "compose": compose, "progress": False}
        began = time.perf_counter()
        models.read(model, processor, images, **options)
        return (time.perf_counter() - began) / len(images)

    rows = []
    for batch_size in dict.fromkeys((1, len(pages))):
        for way in ways:
            seconds(way, batch_size, pages[:1])  # warms up
        rounds = [{way: seconds(way, batch_size) for way in ways} for _ in range(ROUNDS)]
        rows += [_row(way, batch_size, rounds, ways[way][0]) for way in ways]
    return rows


def _row(way: str, batch_size: int, rounds: list[dict[str, float]], model) -> dict:
    return {
        "way": way,
        "batch_size": batch_size,
        "seconds_per_page": statistics.median(spent[way] for spent in rounds),
        "over_adapter": [spent[way] / spent[ADAPTER] for spent in rounds],
        "megabytes": sum(p.numel() * p.element_size() for p in model.parameters()) / 1e6,
    }
