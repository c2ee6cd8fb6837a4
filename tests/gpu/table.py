"""The parts' figures as Markdown, in results/gpu/table.md."""

import json
from pathlib import Path

from medocr import storage

TRAININGS = {"unsloth": "LoRA, Unsloth", "peft": "LoRA, transformers + PEFT", "full": "all weights"}
HEAD = "| training, 4 × 2 pages a step | peak GB | s per step | tokens/s | share of bf16 rate | L4: hours, all steps |"


def write(out: Path) -> None:
    """Write the table of whatever parts have left a file."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("*.json"))}
    found = {name: part for name, part in found.items() if part.get("part") == name}
    with storage.atomic(out / "table.md") as temporary:
        temporary.write_text("\n".join(lines(found)) + "\n", encoding="utf-8")


def lines(found: dict[str, dict]) -> list[str]:
    """One table for the trainings, then a line for each other part, and why a part did not run."""
    estimate = found.get("l4", {}).get("measured", {})
    rows = [
        _training(TRAININGS[name], found[name], estimate.get(name))
        for name in TRAININGS
        if found.get(name, {}).get("ran") and found[name].get("finished", True)
    ]
    text = [HEAD, "|---|---:|---:|---:|---:|---:|", *rows, ""] if rows else []
    for name, part in found.items():
        if not part["ran"]:
            text.append(f"- **{name}** did not run: {part['why'].splitlines()[0]}")
        elif not part.get("finished", True) and "rows" not in part:
            text.append(f"- **{name}** did not end in its time: its file holds what it had measured")
        elif name not in TRAININGS:
            text.append(f"- **{name}** ({part.get('card', 'computed')}): {_line(name, part)}")
    sizes = sorted({part["size"] for part in found.values()})
    return [f"Model size: {', '.join(sizes)}. Weights are random: nothing here says how well a model reads.", "", *text]


def _training(name: str, part: dict, scaled: dict | None) -> str:
    memory = "–" if part["peak_memory_gb"] is None else f"{part['peak_memory_gb']:.1f}"
    hours = f"{scaled['hours']:.1f}" if scaled else "–"
    speed = f"{part['seconds_per_step']:.2f} | {part['tokens_per_s']:,.0f} | {part['share_of_matrix_rate']:.0%}"
    return f"| {name} ({part['card']}) | {memory} | {speed} | {hours} |"


def _line(name: str, part: dict) -> str:
    if name == "rate":
        return f"{part['bf16_tflops']:.3g} TFLOP/s in bfloat16 matrix products"
    if name == "merge":
        verdict = "passes the parity gate" if part["passed"] else f"fails the gate: {'; '.join(part['why'])}"
        return f"{part['modules']} modules merged in {part['seconds_merging']:.0f} s; {verdict}"
    if name == "reading":
        rows = (f"{row['what']} by {row['backend']} {row['pages_per_s']:.2f} pages/s" for row in part["rows"])
        return "; ".join(rows)
    if name == "resume":
        rows = (
            f"{row['backend']}: resumed ends {row['resumed_apart']:.1e} from the whole training, the same done again "
            f"{row['again_apart']:.1e}"
            for row in part["rows"]
        )
        return "; ".join(rows)
    if name == "stages":
        return f"all six notebooks in {part['seconds']:.0f} s"
    computed = part["computed"]
    minutes = ", ".join(f"{value:.0f} at {share}" for share, value in computed["minutes_at_share_of_peak"].items())
    memory = f"{computed['memory_gb_total']:.1f} GB"
    return f"by arithmetic alone an L4 needs {memory}, and for the recipe {minutes} of its peak rate (minutes)"
