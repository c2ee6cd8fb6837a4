"""The cell that an executed notebook begins with: its finding, and where that comes from."""

import contextlib
import json
from pathlib import Path

import nbformat

from .. import BASES
from .profile import STAGES, Run, Stage

TAG = "opening"  # of the cell, so that it is replaced and not added to
SHOWN = ("torch", "transformers", "peft")  # of the libraries whose versions are known


def insert(path: Path, finding: str | None, *origin: str) -> None:
    """Put a cell under an executed notebook's title with the finding and its origin, in place of an older one."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", ())]
    text = "\n\n".join([*([f"**Found:** {finding}"] if finding else []), " · ".join(filter(None, origin))])
    titled = bool(cells) and cells[0].cell_type == "markdown"
    cells.insert(titled, nbformat.v4.new_markdown_cell(text, id=TAG, metadata={"tags": [TAG]}))
    notebook.cells = cells
    nbformat.write(notebook, path)


def origin(made: dict, seconds: float) -> list[str]:
    """Commit, date, machine, time and versions of what was made, so far as they are known."""
    installed = made.get("versions", {})
    versions = ", ".join(f"{name} {installed[name]}" for name in SHOWN if name in installed)
    cores = f"{made['cores']} CPU cores" if "cores" in made else ""
    return [f"`{made['commit']}`", made["at"][:10], made.get("gpu", cores), f"{seconds:.0f} s", versions]


def caution(run: Run) -> str:
    """What keeps a small model's results from being taken for the full model's."""
    if run.parameters["prepare"]["base"] not in BASES:
        return ""
    return f"the bundled tiny model{' on synthetic pages' * run.synthetic}; not PaddleOCR-VL"


def findings(folder: Path) -> dict[str, str]:
    """A sentence or two for each stage's notebook, from the stages' records in a folder, as far as they lie there."""
    sentences = {stage.notebook: finding(stage, folder) for stage in STAGES}
    return {notebook: sentence for notebook, sentence in sentences.items() if sentence}


def finding(stage: Stage, folder: Path) -> str | None:
    """One stage's sentence; None while its record is not there, or does not hold what the sentence needs."""
    with contextlib.suppress(OSError, KeyError):
        return _SENTENCES[stage.record](json.loads((folder / stage.record).read_text()))
    return None


def _curated(record: dict) -> str:
    counts = record["counts"]
    return f"{counts['kept']:,} of {counts['inputs']:,} pages kept; rejected: {_rejected(record) or 'none'}."


def _transcribed(record: dict) -> str:
    made = record["report"]
    known = made.get("quality", {"pages": 0})
    parts = [f"{made['labelled']:,} pages without text labelled"]
    if known["pages"]:
        parts[0] += f" at a mean CER of {known['cer']:.1%}, {known['exact']:.0%} without any error"
        parts[0] += "" if known["pages"] == made["labelled"] else f" (text known of {known['pages']:,})"
    parts.append(f"{len(made['set_aside']):,} set aside")
    for row in made.get("providers", ()):
        if unusable := row.get("unusable"):
            reasons = ", ".join(f"{number:,} {reason.replace('_', ' ')}" for reason, number in unusable.items())
            parts.append(f"answers of {row['provider']} that are no labels: {reasons}")
    parts += _dropped(made)
    if made["read"]:
        parts.append(f"{made['pages_per_second']:.1f} pages per second")
    cost = f"cost {made['cost']:.2f} in the currency of the prices" if made.get("cost") else "nothing was paid"
    return f"{', '.join(parts)}; {cost}."


def _dropped(made: dict) -> list[str]:
    """Each provider that was dropped, why, and how many labels are by readers that were not."""
    rows = made.get("providers", ())
    others = {row.get("label_origin") for row in rows if not row.get("dropped")}
    labels = sum(number for origin, number in made.get("label_origins", {}).items() if origin in others)
    return [
        f"provider {row['provider']} was dropped, as {row['dropped']}: {labels:,} labels are by other readers"
        for row in rows
        if row.get("dropped")
    ]


def warnings(stage: Stage, folder: Path) -> list[str]:
    """What a stage's record says that whoever runs it should know at once."""
    with contextlib.suppress(OSError, ValueError):
        record = json.loads((folder / stage.record).read_text())
        dropped = [f"{text}; --from 02 asks it again" for text in _dropped(record.get("report", {}))]
        rejected = _rejected(record) if stage.name == "prepare" else ""
        return [*dropped, *record.get("warnings", ()), *([f"rejected: {rejected}"] if rejected else [])]
    return []


def _rejected(record: dict) -> str:
    """How many pages were rejected, by reason."""
    reasons = record.get("counts", {}).get("rejected", {})
    return ", ".join(f"{number:,} {reason.replace('_', ' ')}" for reason, number in reasons.items())


def _prepared(record: dict) -> str:
    leakage = record["leakage"]
    splits = " / ".join(f"{pages:,}" for pages in leakage["pages"].values())
    shared = f"{leakage['groups_shared_across_splits']} groups and {leakage['near_duplicate_pairs_across_splits']}"
    left_out = f"; rejected: {rejected}" if (rejected := _rejected(record)) else ""
    return f"{splits} pages to train, validate and test on; {shared} near-duplicate pairs straddle a split{left_out}."


def _trained(record: dict) -> str:
    losses = [row for row in record["history"] if row.get("eval_loss") is not None]
    cost = f"{record['steps']:,} steps of {record['seconds_per_step']:.2f} s, {record['peak_memory_gb']:.1f} GB"
    if not losses:
        return f"No page to validate on: the last adapter is kept; {cost}."
    best = min(losses, key=lambda row: row["eval_loss"])
    change = f"{losses[0]['eval_loss']:.3f} at step {losses[0]['step']:,} → {best['eval_loss']:.3f} at {best['step']:,}"
    cer = record.get("best_cer")
    read = "" if cer is None else f"; CER of a validation sample {cer:.3f}"
    return f"Validation loss {change}{read}; {cost}."


def _evaluated(record: dict) -> str:
    from ..metrics import headline  # with scipy, which nothing else of a run needs

    return headline(record)


def _merged(record: dict) -> str:
    gate, scores = record["parity"], record["scores"]
    figures = gate["figures"]
    verdict = f"The gate is {'passed' if gate['passed'] else 'failed'} on {figures['pages']} pages"
    agreed = f"{figures['token_agreement']:.2%} of {figures['tokens']:,} tokens agree"
    apart = f"logits differ by at most {figures['logit_difference']:.2g} standard deviations"
    cer = {row["model"]: row for row in scores if (row["slice"], row["metric"]) == ("all", "cer")}
    read = f"CER on {cer['merged']['n']:,} test pages {cer['merged']['value']:.3f}"
    tuned = f", with the adapter {cer['tuned']['value']:.3f}" if "tuned" in cer else ""
    return f"{verdict}: {agreed}, {apart}. {read}{tuned}."


def _digitized(record: dict) -> str:
    parts = []
    for name, about in record["readers"].items():
        kinds = [row for row in about["held_out"] if row["kind"] != "all"]  # pooled, headers hide a kind over its limit
        cells = [f"{row['kind']}s {row['wrong']:,} / {row['passed']:,} of {row['fields']:,}" for row in kinds]
        parts.append(f"{name} {', '.join(cells)}")
    limit = f"at most {record['risk']:.0%} wrong of each kind, with a confidence of {1 - record['delta']:.0%}"
    return f"Wrong / accepted without review, of all fields of held-out pages ({limit}): {'; '.join(parts)}."


_SENTENCES = {
    "curate.json": _curated,
    "transcribe.json": _transcribed,
    "prepare.json": _prepared,
    "train.json": _trained,
    "metrics.json": _evaluated,
    "merge.json": _merged,
    "digitize.json": _digitized,
}
