"""What training did, what got better and by how much, and whether the merged model is the same one."""

import statistics
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medocr.metrics import HIGHER_IS_BETTER, KINDS, LABELS
from medocr.report.style import COLOURS, FAINT, INK, WIDTH, bare, colour, in_order, nothing, plain
from medocr.schema import DOC_TYPES

MODELS = ("base", "tuned", "merged", "ocr")
PARITY_LIMIT = 0.05  # standard deviations of the logits


def training(history: Sequence[dict]) -> Figure:
    """Loss and learning rate over the optimizer steps, with the minutes along the top.

    Rows hold `step` and any of `loss`, `eval_loss`, `learning_rate`, `seconds` (since the start).
    """
    rows = pd.DataFrame(history)
    if rows.empty:
        return nothing("no step was logged")
    rows = rows.reindex(columns=["step", "loss", "eval_loss", "learning_rate", "seconds"])
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 4.8), sharex=True, height_ratios=[3, 1])
    for name, label, key in (("loss", "training", "train"), ("eval_loss", "validation", "validation")):
        line = rows[["step", name]].dropna()
        if line.empty:
            continue
        above.plot(line["step"], line[name], color=COLOURS[key], marker="o" if name == "eval_loss" else "")
        last = line.iloc[-1]
        above.annotate(
            f"{label} {last[name]:.3f}",
            (last["step"], last[name]),
            (6, 8 if name == "eval_loss" else -8),
            textcoords="offset points",
            va="center",
            color=COLOURS[key],
            annotation_clip=False,
        )
    above.set(ylabel="loss")
    above.set_ylim(bottom=0)
    above.grid(axis="y")
    rate = rows[["step", "learning_rate"]].dropna()
    below.plot(rate["step"], rate["learning_rate"], color=FAINT)
    below.set(xlabel="optimizer step", ylabel="learning rate")
    below.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    below.set_ylim(bottom=0)
    below.set_xlim(0, rows["step"].max() * 1.22)
    _minutes(above, rows[["step", "seconds"]].dropna())
    return figure


def _minutes(ax, clock: pd.DataFrame) -> None:
    """A second axis along the top that says when a step was reached."""
    if len(clock) < 2:
        return
    steps, minutes = clock["step"].to_numpy(float), clock["seconds"].to_numpy(float) / 60
    top = ax.twiny()
    top.set_xlim(ax.get_xlim())
    marks = [mark for mark in MaxNLocator(5).tick_values(0, minutes[-1]) if mark <= minutes[-1]]
    top.set_xticks(np.interp(marks, np.r_[0, minutes], np.r_[0, steps]), [f"{mark:g}" for mark in marks])
    top.set_xlabel("minutes", color=FAINT)
    top.spines["top"].set_visible(True)


def dumbbell(summary: dict, metric: str = "cer") -> Figure:
    """One metric in every slice: base and tuned with their 95 % intervals, and the paired difference in words.

    `summary` is the content of metrics.json; RapidOCR stands beside where it has read the same pages.
    """
    scores = pd.DataFrame(summary["scores"], columns=["model", "slice", "metric", "value", "low", "high", "n"])
    scores = scores[scores["metric"] == metric]
    paired = {row["slice"]: row for row in summary["comparisons"] if row["metric"] == metric}
    names = list(dict.fromkeys(scores["slice"]))
    if not names:
        return nothing(f"no score named {metric}")
    figure, ax = plt.subplots(figsize=(WIDTH, 1.5 + 0.48 * len(names)))
    for row, name in enumerate(names):
        own = scores[scores["slice"] == name].set_index("model")
        if {"base", "tuned"} <= set(own.index):
            ax.plot(own.loc[["base", "tuned"], "value"], [row, row], color="#cccccc", linewidth=5, zorder=1)
        for model in in_order(own.index, MODELS):
            _point(ax, own.loc[model], row, model)
        ax.text(1.02, row, _difference(paired.get(name)), transform=ax.get_yaxis_transform(), va="center", fontsize=10)
    counts = scores.groupby("slice")["n"].max()
    ax.set_yticks(range(len(names)), [f"{plain(name)} (n = {counts[name]:,})" for name in names], fontsize=11)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(left=0)
    ax.grid(axis="x")
    ax.set_xlabel(LABELS.get(metric, metric))
    ax.set_title("tuned − base [95 %]", loc="right", fontsize=10, weight="normal", x=1.02, ha="left")
    handles = [
        ax.plot([], [], marker=_MARKS[m], color=COLOURS[m], linestyle="", label=_NAMES[m])[0]
        for m in in_order(scores["model"], MODELS)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=11, handletextpad=0.2)
    bare(ax)
    return figure


_MARKS = {"base": "o", "tuned": "o", "merged": "s", "ocr": "D"}
_NAMES = {"base": "base", "tuned": "tuned", "merged": "merged", "ocr": "RapidOCR"}


def _point(ax, score: pd.Series, row: float, model: str) -> None:
    if pd.isna(score["value"]):
        return
    if pd.notna(score["low"]):
        ax.plot([score["low"], score["high"]], [row, row], color=COLOURS[model], linewidth=1.5, zorder=2)
    size = 9 if model in ("base", "tuned") else 6
    ax.plot(score["value"], row, _MARKS[model], color=COLOURS[model], markersize=size, zorder=3)


def _difference(row: dict | None) -> str:
    if row is None:
        return ""
    interval = "" if row["low"] is None else f" [{row['low']:+.3f}, {row['high']:+.3f}]"
    return f"{row['difference']:+.3f}{interval}".replace("-", "−")


def safety(summary: dict, name: str = "medical") -> Figure:
    """Dangerous errors by kind, base above tuned, with 95 % intervals.

    Left per 100 pages with test values or drugs; right per 100 rows that the model read, for who reads few errs seldom.
    """
    rows = {(row["metric"], row["model"]): row for row in summary["scores"] if row["slice"] == name}
    kinds = [kind for kind in KINDS if {(kind, "base"), (kind, "tuned")} <= rows.keys()]
    if not kinds:
        return nothing("no page has test values or drugs to be wrong about")
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 1.4 + 0.55 * len(kinds)), sharey=True)
    for ax, ending in zip(axes, ("", "_per_row"), strict=True):
        _safety_bars(ax, rows, kinds, ending)
    axes[0].set_yticks(range(len(kinds)), [KINDS[kind] for kind in kinds], fontsize=10)
    axes[0].invert_yaxis()
    axes[0].set_xlabel(f"per 100 {plain(name)} pages\n(n = {rows[kinds[0], 'base']['n']:,})")
    axes[1].set_xlabel("per 100 rows read")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=11)
    return figure


def _safety_bars(ax, rows: dict, kinds: list[str], ending: str) -> None:
    unread = {"value": np.nan, "low": np.nan, "high": np.nan}  # a model that read no row
    for place, model in ((-0.2, "base"), (0.2, "tuned")):
        own = pd.DataFrame([rows.get((kind + ending, model), unread) for kind in kinds])[["value", "low", "high"]]
        own = own.astype(float) * 100
        reach = [own["value"] - own["low"].fillna(own["value"]), own["high"].fillna(own["value"]) - own["value"]]
        at = [row + place for row in range(len(kinds))]
        ax.barh(at, own["value"], 0.36, xerr=reach, color=COLOURS[model], ecolor=INK, label=_NAMES[model], capsize=2)
        for row, (value, high) in enumerate(zip(own["value"], own["high"].fillna(own["value"]), strict=True)):
            if not np.isnan(value):
                ax.text(high, at[row], f"  {value:.1f}", va="center", fontsize=9)
    ax.grid(axis="x")
    ax.margins(x=0.18)
    ax.set_xlim(left=0)
    bare(ax)


def paired_change(changes: pd.DataFrame, metric: str = "cer") -> Figure:
    """Every page's score with base against that with tuned, and how the changes spread.

    `changes` is the table of `evaluate.changes`; below the diagonal the score fell.
    """
    if changes.empty:
        return nothing("base and tuned have read no page in common")
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 4.2))
    top = max(changes["base_score"].max(), changes["tuned_score"].max(), 0.01) * 1.05
    left.plot([0, top], [0, top], color=FAINT, linewidth=1, linestyle="--")
    for name in in_order(changes["doc_type"], DOC_TYPES):
        own = changes[changes["doc_type"] == name]
        left.scatter(own["base_score"], own["tuned_score"], s=14, alpha=0.6, color=colour(name), linewidths=0)
        left.scatter([], [], s=30, color=colour(name), label=plain(name))
    label = LABELS.get(metric, metric).split(" (")[0]
    left.set(xlabel=f"{label}, base", ylabel=f"{label}, tuned", xlim=(-0.01 * top, top), ylim=(-0.01 * top, top))
    left.set_aspect("equal")
    left.legend(fontsize=10, loc="upper left", handletextpad=0.1, borderpad=0)
    limit = max(changes["change"].abs().max(), 0.01)
    better = COLOURS["tuned"], COLOURS["ocr"]
    fell, rose = better[::-1] if metric in HIGHER_IS_BETTER else better
    bins = np.linspace(-limit, limit, 43)  # zero is an edge
    for part, shade in ((changes["change"] < 0, fell), (changes["change"] > 0, rose)):
        right.hist(changes.loc[part, "change"], bins, color=shade)
    right.axvline(0, color=FAINT, linewidth=1, linestyle="--")
    right.set(xlabel=f"change in {label}, tuned − base", ylabel="pages")
    fallen, risen = (changes["change"] < 0).sum(), (changes["change"] > 0).sum()
    same = len(changes) - fallen - risen
    right.set_title(f"fell on {fallen:,}, rose on {risen:,}, same on {same:,}", fontsize=11)
    return figure


def model_table(summary: dict, metrics: Sequence[str], slices: Sequence[str] = ("all",)) -> pd.DataFrame:
    """Metrics of base, tuned, merged and RapidOCR as far as they were scored, with the paired difference and p.

    One row per slice and metric, taken from the content of metrics.json; means of CER and WER are capped at 1, and p is
    Holm's, corrected for the metrics of the slice.
    """
    scores = {(row["slice"], row["metric"], row["model"]): row for row in summary["scores"]}
    paired = {(row["slice"], row["metric"]): row for row in summary["comparisons"]}
    models = in_order({row["model"] for row in summary["scores"] if row["slice"] in slices}, MODELS)
    rows = []
    for name in slices:
        for metric in metrics:
            own = {model: scores.get((name, metric, model)) for model in models}
            if not any(own.values()):
                continue
            row = paired.get((name, metric))
            cells = {_NAMES.get(model, model): _value(score) for model, score in own.items()}
            cells["tuned − base [95 %]"] = _difference(row)
            corrected = None if row is None else row.get("p_holm", row["p"])
            cells["p"] = "" if corrected is None else _p(corrected)
            cells["n"] = max(score["n"] for score in own.values() if score)
            rows.append({"slice": plain(name), "metric": LABELS.get(metric, metric), **cells})
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    return table.set_index(["slice", "metric"] if len(slices) > 1 else "metric").drop(
        columns=[] if len(slices) > 1 else "slice"
    )


def _value(score: dict | None) -> str:
    return "" if score is None or score["value"] is None else f"{score['value']:.3f}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def parity(figures: dict) -> Figure:
    """How far the merged model's logits are from those of base with adapter, against the limit.

    `figures["histogram"]` holds `edges` (in standard deviations of the logits) and `counts`.
    """
    histogram = figures.get("histogram")
    if not histogram or not sum(histogram["counts"]):
        return nothing("no logits were compared")
    edges, counts = np.asarray(histogram["edges"], float), np.asarray(histogram["counts"], float)
    figure, ax = plt.subplots(figsize=(WIDTH, 3.0))
    ax.stairs(counts, edges, fill=True, color=COLOURS["merged"])
    ax.set_yscale("log")
    ax.axvline(PARITY_LIMIT, color=COLOURS["ocr"], linestyle="--", linewidth=1.5)
    ax.set_xlim(0, max(edges[-1], PARITY_LIMIT * 1.15))
    ax.text(
        PARITY_LIMIT,
        0.97,
        f"limit {PARITY_LIMIT} ",
        ha="right",
        va="top",
        color=COLOURS["ocr"],
        transform=ax.get_xaxis_transform(),
    )
    ax.set(xlabel="|merged − adapter|, in standard deviations of the logits", ylabel="logits (log scale)")
    return figure


def parity_table(figures: dict) -> pd.DataFrame:
    """The single numbers of a parity check, one per row."""
    numbers = {key: value for key, value in figures.items() if isinstance(value, (bool, int, float, str))}
    table = pd.DataFrame({"value": [_shown(value) for value in numbers.values()]}, [plain(key) for key in numbers])
    return table.rename_axis("figure")


def latency_table(rows: Sequence[dict]) -> pd.DataFrame:
    """What `merge.latency` measured: the ratio to the adapter is the median of the rounds, with the least and most."""

    def ratio(own: Sequence[float]) -> str:
        return f"{statistics.median(own):.2f} [{min(own):.2f}, {max(own):.2f}]"

    return pd.DataFrame(
        [
            {
                "model": row["way"],
                "pages at once": row["batch_size"],
                "seconds per page": f"{row['seconds_per_page']:.3f}",
                "÷ adapter [least, most]": ratio(row["over_adapter"]),
                "weights (MB)": f"{row['megabytes']:,.1f}",
            }
            for row in rows
        ]
    )


def _shown(value) -> str:
    return (
        f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else (f"{value:.6g}" if isinstance(value, float) else str(value))
    )
