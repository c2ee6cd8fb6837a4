"""What went in, what was rejected, and what the splits hold."""

from collections import Counter
from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from medocr.report.style import FAINT, LABEL_SIZE, WIDTH, bare, bars, colour, conclude, in_order, marker, nothing, plain
from medocr.schema import DOC_TYPES, Page


def flow(counts: dict) -> Figure:
    """Inputs, each reason for which pages were rejected, and what was kept.

    `counts` holds `inputs`, `kept` and `rejected` ({reason: pages}), as `curate` reports them.
    """
    rejected = dict(sorted(counts["rejected"].items(), key=lambda item: -item[1]))
    names = ["inputs", *rejected, "kept"]
    numbers = [counts["inputs"], *rejected.values(), counts["kept"]]
    left = counts["inputs"] - np.cumsum([0, *rejected.values()])  # what is left after each gate
    starts = [0, *left[1:], 0]
    figure, ax = plt.subplots(figsize=(WIDTH, 1.0 + 0.36 * len(names)))
    bars(ax, names, numbers, ["#999999", *["#D55E00"] * len(rejected), "#0072B2"], starts)
    ax.set_title(f"{counts['kept']:,} of {counts['inputs']:,} inputs kept")
    return figure


def mix(pages: Iterable[Page]) -> Figure:
    """Pages by document type, and the share of each domain."""
    types, domains = Counter(), Counter()
    for page in pages:
        types[page.doc_type] += 1
        domains[page.domain] += 1
    if not types:
        return nothing("no pages")
    names = in_order(types, DOC_TYPES)
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(WIDTH, 1.6 + 0.4 * len(names)), height_ratios=[len(names) + 0.6, 1]
    )
    bars(above, names, [types[name] for name in names], [colour(name) for name in names])
    above.set_title(f"{types.total():,} pages by document type")
    start = 0.0
    for name in in_order(domains, ("medical", "general", "unknown")):
        share = domains[name] / types.total()
        below.barh(0, share, left=start, color=colour(name), height=0.8)
        if share > 0.12:
            below.text(
                start + share / 2, 0, f"{name} {share:.1%}", ha="center", va="center", color="white", weight="bold"
            )
        start += share
    below.set_xlim(0, 1)
    below.axis("off")
    return figure


def label_quality(rows: pd.DataFrame | Sequence[dict]) -> Figure:
    """How good transcripts are where the exact text is known: rows of `doc_type`, `cer` and `confidence`.

    Left, the share of each document type's pages that have at most so high a CER (CER above 1 counts as 1); right, CER
    against the confidence of the label's maker.
    """
    rows = pd.DataFrame(rows, columns=None if len(rows) else ["doc_type", "cer", "confidence"])
    if rows.empty:
        return nothing("no page has both a transcript and an exact text")
    rows = rows.assign(cer=rows["cer"].clip(upper=1), confidence=rows["confidence"].astype(float))
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 4.0))
    for name, dashes in zip(in_order(rows["doc_type"], DOC_TYPES), ("-", "--", "-.", ":", "-", "--"), strict=False):
        of_type = rows[rows["doc_type"] == name]
        share = 100 * np.arange(1, len(of_type) + 1) / len(of_type)
        label = f"{plain(name)}: mean {of_type['cer'].mean():.3f}, n = {len(of_type):,}"
        left.step(np.sort(of_type["cer"]), share, dashes, where="post", color=colour(name))
        right.scatter(
            of_type["confidence"], of_type["cer"], s=18, alpha=0.6, color=colour(name), marker=marker(name), lw=0
        )
        right.plot([], [], dashes, color=colour(name), marker=marker(name), label=label)
    left.set(xlabel="CER of the label", ylabel="% of pages with at most this CER", ylim=(0, 101))
    right.set(xlabel="confidence of the label's maker", ylabel="CER of the label")
    figure.legend(loc="outside lower center", ncols=2)
    wrong, free = rows["cer"].mean(), (rows["cer"] == 0).mean()
    conclude(figure, f"Labels with a mean CER of {wrong:.1%}; {free:.0%} of {len(rows):,} hold no error")
    return figure


def lengths(samples: Sequence, max_visual: int | None = None, max_answer: int | None = None) -> Figure:
    """Visual tokens and answer tokens of the samples, by document type, with the limits as dashed lines.

    A box spans the middle half, its line is the median, the whiskers reach the extremes.
    """
    if not samples:
        return nothing("no samples")
    names = in_order((sample.doc_type for sample in samples), DOC_TYPES)
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 1.4 + 0.4 * len(names)), sharey=True)
    typical = []
    panels = (("visual_tokens", "visual tokens", max_visual), ("answer_tokens", "answer tokens", max_answer))
    for ax, (field, label, limit) in zip(axes, panels, strict=True):
        values = [[getattr(sample, field) for sample in samples if sample.doc_type == name] for name in names]
        boxes = ax.boxplot(values, orientation="horizontal", whis=(0, 100), widths=0.6, patch_artist=True)
        longest = max(map(max, values))
        typical.append(f"{np.median(np.concatenate(values)):.0f} {label} (at most {longest:,})")
        for box, name in zip(boxes["boxes"], names, strict=True):
            box.set(facecolor=colour(name), edgecolor=FAINT)
        plt.setp(boxes["medians"], color="black")
        ax.set_xlim(0, 1.05 * max(limit or 0, longest))
        ax.set_xlabel(f"{label} per page")
        if limit is not None:
            ax.axvline(limit, color=FAINT, linestyle="--", linewidth=1.2)
            ax.text(limit, 0.45, f"limit {limit:,} ", ha="right", va="top", color=FAINT, fontsize=LABEL_SIZE)
        bare(ax)
    axes[0].set_yticks(range(1, len(names) + 1), [plain(name) for name in names])
    axes[0].set_ylim(len(names) + 0.6, 0.2)
    conclude(figure, f"The median page takes {' and '.join(typical)}")
    return figure


def split_table(samples: Iterable) -> pd.DataFrame:
    """Pages of each document type in each split, with groups and the share of the whole."""
    columns = ["type", "domain", "split", "group"]
    rows = pd.DataFrame([(s.doc_type, s.domain, s.split, s.group) for s in samples], columns=columns)
    parts = {name: rows[rows["type"] == name] for name in in_order(rows["type"], DOC_TYPES)} | {"all": rows}
    table = pd.DataFrame([_split_row(name, part) for name, part in parts.items()]).set_index("document type")
    return table.assign(share=[f"{pages / max(1, len(rows)):.1%}" for pages in table["pages"]])


def _split_row(name: str, rows: pd.DataFrame) -> dict:
    counts = rows["split"].value_counts()
    domain = rows["domain"].iloc[0] if rows["domain"].nunique() == 1 else ""
    return {
        "document type": plain(name),
        "domain": domain,
        **{split: int(counts.get(split, 0)) for split in ("train", "validation", "test")},
        "pages": len(rows),
        "groups": int(rows["group"].nunique()),
    }
