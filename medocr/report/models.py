"""Whether a training learnt, and whether the merged model is the tuned one and how fast."""

import statistics
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medocr.report.style import COLOURS, FAINT, INK, LABEL_SIZE, WIDTH, conclude, nothing

SIGMA = "standard deviations"  # of the tuned model's logits
PARITY = {  # what the gate measures: name, how it is shown, and in words what it has to be
    "modules_merged": ("modules merged", "{:,}", "all of {modules:,}"),
    "pages": ("pages", "{:,}", ""),
    "tokens": ("tokens compared", "{:,}", ""),
    "token_agreement": ("tokens that agree", "{:.2%}", "at least {limits[token_agreement]:.1%}"),
    "near_ties": ("near ties that rounding turned, not counted", "{:,}", ""),
    "logit_difference": ("largest difference of a logit", f"{{:.2g}} {SIGMA}", "at most {limits[logit_difference]:g}"),
    "rms_to_tuned": ("root mean square, from base with adapter", f"{{:.2g}} {SIGMA}", "less than from the base"),
    "rms_to_base": ("root mean square, from the base", f"{{:.2g}} {SIGMA}", ""),
    "float16_overflows": ("in float16: activations that overflow", "{:,}", "0"),
    "float16_largest": ("in float16: largest activation", "{:,.0f}", "at most 65,504"),
    "float16_agreement": ("in float16: tokens that agree", "{:.2%}", ""),
}


def training(history: Sequence[dict]) -> Figure:
    """Loss and learning rate over the optimizer steps, with the minutes along the top.

    Rows hold `step` and any of `loss`, `eval_loss`, `learning_rate`, `seconds` (since the start).
    """
    rows = pd.DataFrame(history)
    if rows.empty:
        return nothing("no step was logged")
    rows = rows.reindex(columns=["step", "loss", "eval_loss", "learning_rate", "seconds"])
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 4.8), sharex=True, height_ratios=[3, 1])
    kinds = {"loss": ("training", "train", ""), "eval_loss": ("validation", "validation", "o")}
    lines = {name: rows[["step", name]].dropna() for name in kinds}
    ends = {name: line.iloc[-1] for name, line in lines.items() if len(line)}
    highest = max(end[name] for name, end in ends.items()) if ends else 0
    for name, (step, loss) in ends.items():
        label, key, dot = kinds[name]
        above.plot(lines[name]["step"], lines[name][name], color=COLOURS[key], marker=dot)
        apart = 9 if loss == highest else -9  # points
        look = {"textcoords": "offset points", "va": "center", "color": COLOURS[key], "annotation_clip": False}
        above.annotate(f"{label} {loss:.3f}", (step, loss), (6, apart), **look)
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
    conclude(figure, _learnt(rows))
    return figure


def _learnt(rows: pd.DataFrame) -> str:
    """What became of the validation loss, or of the training loss where that was not taken twice."""
    for name, label in (("eval_loss", "validation"), ("loss", "training")):
        line = rows[["step", name]].dropna()
        if len(line) > 1:
            best = line.loc[line[name].idxmin()]
            first = f"{line[name].iloc[0]:.3f} at step {line['step'].iloc[0]:,.0f}"
            return f"Lowest {label} loss: {best[name]:.3f} at step {best['step']:,.0f}, from {first}"
    return "Too few losses to say whether anything was learnt"


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


def parity(figures: dict) -> Figure:
    """How far the merged model's logits are from those of base with adapter, against the limit; and from the base's.

    `figures` is what `merge.check_parity` gives: `histogram` holds `edges` (in standard deviations of the logits) and
    the counts `to_tuned` and `to_base`.
    """
    histogram = figures.get("histogram")
    if not histogram or not sum(histogram["to_tuned"]):
        return nothing("no logits were compared")
    edges = np.asarray(histogram["edges"], float)
    figure, ax = plt.subplots(figsize=(WIDTH, 3.6))
    hollow = {"edgecolor": COLOURS["base"], "facecolor": "none", "hatch": "//", "lw": 1.5}
    filled = {"color": COLOURS["merged"]}
    for name, label, look in (("to_base", "the base", hollow), ("to_tuned", "base with adapter", filled)):
        counts = np.asarray(histogram[name], float)
        ax.stairs(100 * counts / max(1, counts.sum()), edges, fill=True, label=f"from {label}", **look)
    ax.margins(y=0.15)
    limit = figures["limits"]["logit_difference"]
    ax.axvline(limit, color=INK, linestyle="--", linewidth=1.5)
    ax.text(limit, 0.98, f" limit {limit:g}", va="top", transform=ax.get_xaxis_transform(), fontsize=LABEL_SIZE)
    ax.set(xscale="log", xlabel="|difference| in standard deviations of the logits", ylabel="% of the logits")
    figure.legend(loc="outside lower center", ncols=2)
    largest = figures.get("logit_difference")
    if largest is not None:
        side = "below" if largest <= limit else "above"
        conclude(figure, f"Logits differ by at most {largest:.2g} standard deviations, {side} the limit")
    return figure


def parity_table(figures: dict) -> pd.DataFrame:
    """The single numbers of a parity check, one per row, each with its unit and what it has to be."""
    rows = [
        (label, shown.format(figures[key]), limit.format(**figures))
        for key, (label, shown, limit) in PARITY.items()
        if key in figures
    ]
    return pd.DataFrame(rows, columns=["measured", "value", "must be"]).set_index("measured")


def latency_table(rows: Sequence[dict]) -> pd.DataFrame:
    """What `merge.latency` measured: the ratio to the adapter is the median of the rounds, with the least and most."""

    def ratio(ratios: Sequence[float]) -> str:
        return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"

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
