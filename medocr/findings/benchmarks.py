"""The claims that single measurements decide (merging, labelling side by side, memory), and one that nothing tests."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from medocr.findings.evidence import FAILS, HOLDS, MISSING, UNSURE, UNTESTED

SPEED_UP = 3.0  # as claimed
WHOLE_GB, LORA_GB = 24, (12, 16)  # as claimed of all weights and of LoRA
NEAR = 0.1  # a count of gigabytes within this share of what is claimed is that
NO_CHANGE = 0.05  # a ratio nearer to one than this is none
LORA = "LoRA, rank 64"
WAYS = ("adapter", "adapter, composed", "merged")  # as in `merge.latency`, which needs torch
MERGED = (
    *("run, pages at once", "machine", "s per page: adapter, composed, merged"),
    *("merged ÷ adapter", "merged ÷ composed", "memory, ÷", "CER, −", "gate"),
)
LEAST_LABELLED = 0.99  # of the pages: no rate is given for clients that fail on more
LABELLING = {
    "pages": "pages",
    "labelled": "labelled",
    "most_in_flight": "in flight",
    "pages_per_second": "pages per second",
    "share_of_ideal": "share of the ideal",
    "cpu_ms_per_page": "CPU ms per page",
    "speed_up": "times as fast",
}
RATES = list(LABELLING.values())[3:]  # all but the counts


def merging(results: Path) -> pd.DataFrame:
    """Adapter, as PEFT computes it and composed as medocr reads it, and merged model: seconds per page side by side
    (ratios are medians of the rounds), and what else the merged model differs in from the adapter.
    """
    rows = []
    for path in sorted(results.glob("demo*/merge.json")):
        record = json.loads(path.read_text())
        of = {row["model"]: row["value"] for row in record["scores"] if (row["slice"], row["metric"]) == ("all", "cer")}
        rest = (of["merged"] - of["tuned"], "passed" if record["parity"]["passed"] else "failed")
        timed = {(row["way"], row["batch_size"]): row for row in record.get("latency", ())}
        for at_once in sorted({at_once for _, at_once in timed}):
            run = f"{path.parent.name}, {at_once} at once"
            adapter, composed, merged = (timed.get((way, at_once), {}) for way in WAYS)
            rows.append((run, _machine(record["machine"]), *_compared(adapter, composed, merged), *rest))
    if reading := _gpu(results, "reading"):
        of = {(row["what"], row["backend"]): 1 / row["pages_per_s"] for row in reading["rows"]}
        adapter, merged = (of[name, "transformers"] for name in ("adapter", "merged"))
        gate = _gpu(results, "merge") or {"passed": None}
        passed = {True: "passed", False: "failed"}.get(gate["passed"], "")
        seconds = f"{adapter:.3f}, –, {merged:.3f}"
        rows.append(("full size, 16 at once", reading["card"], seconds, merged / adapter, None, None, None, passed))
    return pd.DataFrame(rows, columns=list(MERGED))


def _machine(of: dict) -> str:
    return of.get("gpu") or f"{of['cores']} cores of {of['cpu']}"


def _compared(adapter: dict, composed: dict, merged: dict) -> tuple:
    """Seconds per page in words, merged ÷ adapter, merged ÷ composed (None where none is, as on a GPU), memory."""
    seconds = ", ".join(f"{way['seconds_per_page']:.3f}" if way else "–" for way in (adapter, composed, merged))
    over = [
        statistics.median(a / b for a, b in zip(merged["over_adapter"], way["over_adapter"], strict=True))
        if way
        else None
        for way in (adapter, composed)
    ]
    return seconds, *over, merged["megabytes"] / adapter["megabytes"]


def labelling(results: Path) -> pd.DataFrame:
    """How fast pages were labelled by each client, and how many times faster than one request after another.

    No rate is told of a client that labelled less than LEAST_LABELLED of the pages.
    """
    rows = _record(results / "bench/transcribe.json").get("rows", ())
    within = {"off": "", "on": ", within limits"}
    clients = [(row["client"] + within[row["limits"]], *(row[key] for key in LABELLING)) for row in rows]
    table = pd.DataFrame(clients, columns=["client", *LABELLING.values()])
    table.loc[table["labelled"] < LEAST_LABELLED * table["pages"], RATES] = None
    return table


def memory(results: Path) -> pd.DataFrame:
    """Peak GPU memory of a training step at full size, with all weights and with LoRA, and its ratio to the former."""
    whole = _gpu(results, "full")
    rows = [
        (shown, record["card"], record["peak_memory_gb"], record["peak_memory_gb"] / whole["peak_memory_gb"])
        for part, shown in (("full", "all weights"), ("peft", "LoRA, transformers"), ("unsloth", "LoRA, Unsloth"))
        if whole and (record := _gpu(results, part))
    ]
    return pd.DataFrame(rows, columns=["training", "card", "peak GB", "ratio"])


def counted(results: Path) -> pd.DataFrame:
    """Peak GB of a training step at full size, counted from its tensors: all weights, LoRA, and their ratio."""
    rows = _record(results / "bench/memory.json").get("rows", ())
    of = {(row["trained"], row["optimizer"], row["checkpointing"]): row["total"] for row in rows}
    table = [
        (optimizer, "yes" if checkpointing else "no", whole, of[LORA, optimizer, checkpointing])
        for (trained, optimizer, checkpointing), whole in of.items()
        if trained != LORA
    ]
    frame = pd.DataFrame(table, columns=["optimizer", "checkpointing", "all weights, GB", "LoRA, GB"])
    return frame.assign(ratio=frame["LoRA, GB"] / frame["all weights, GB"])


def _gigabytes(table: pd.DataFrame) -> tuple[str, str]:
    """Whether any counted setting has what is claimed of both trainings, and between what they lie."""
    if table.empty:
        return MISSING, ""
    whole, lora = table["all weights, GB"], table["LoRA, GB"]
    low, high = LORA_GB
    near = whole.between(WHOLE_GB * (1 - NEAR), WHOLE_GB * (1 + NEAR))
    as_claimed = near & lora.between(low * (1 - NEAR), high * (1 + NEAR))
    return HOLDS if as_claimed.any() else FAILS, (
        f"counted with 4 pages a batch, over {len(table)} settings of optimizer and checkpointing: all weights "
        f"{whole.min():.1f} to {whole.max():.1f} GB, LoRA {lora.min():.1f} to {lora.max():.1f} GB"
    )


def _gpu(results: Path, part: str) -> dict | None:
    """A part of results/gpu/ that ran at full size."""
    record = _record(results / f"gpu/{part}.json")
    return record if record.get("ran") and record.get("size") == "full" else None


def _record(path: Path) -> dict:
    """What a measurement left; nothing where it has not been made."""
    return json.loads(path.read_text()) if path.exists() else {}


def ratio_verdict(ratios: Sequence[float], limit: float) -> str:
    """On ratios of repeated measurements: all of them at most `limit` holds, none of them does not."""
    if not len(ratios):
        return MISSING
    below = [ratio <= limit for ratio in ratios]
    return HOLDS if all(below) else UNSURE if any(below) else FAILS


def judged(results: Path) -> dict[str, tuple[str, str]]:
    """Each of these claims: key → (verdict, what decided it)."""
    speed, merged, gpu, counts = labelling(results), merging(results), memory(results), counted(results)
    fastest = speed[speed["client"] == "medocr"].to_dict("records")
    machines, composed = " and ".join(dict.fromkeys(merged["machine"])), merged.dropna(subset="merged ÷ composed")
    less = [*gpu["ratio"][1:], *counts["ratio"]]
    settings = counts["optimizer"] + ", checkpointing " + counts["checkpointing"]
    return {
        "speed": (
            ratio_verdict([1 / row["times as fast"] for row in fastest], 1 / SPEED_UP),
            "; ".join(_side_by_side(row) for row in fastest),
        ),
        "memory": (
            ratio_verdict(less, 1 - NO_CHANGE) if less else UNTESTED,
            _listed("peak memory, LoRA ÷ all weights", less, [*gpu["training"][1:], *("counted: " + settings)]),
        ),
        "gigabytes": _gigabytes(counts),
        "merge": (
            ratio_verdict(merged["merged ÷ adapter"], 1 - NO_CHANGE),
            _listed(
                f"seconds per page on {machines}, merged ÷ adapter as PEFT applies it",
                *(merged[name] for name in ("merged ÷ adapter", MERGED[0])),
            ),
        ),
        "composed": (
            ratio_verdict(composed["merged ÷ composed"], 1 - NO_CHANGE),
            _listed(
                "seconds per page on the same machine, merged ÷ composed adapter",
                *(composed[name] for name in ("merged ÷ composed", MERGED[0])),
            ),
        ),
        "summary": (UNTESTED, ""),
    }


def _side_by_side(row: dict) -> str:
    return (
        f"{row['times as fast']:.0f} times as fast as one request after another, on loopback servers with "
        f"{row['in flight']} in flight (near {row['in flight']} by construction): a verdict on the client, not on a "
        "service"
    )


def _listed(what: str, values: Sequence[float], names: Sequence[str]) -> str:
    shown = ", ".join(f"{value:.2f} ({name})" for value, name in zip(values, names, strict=True))
    return f"{what}: {shown}" if shown else ""
