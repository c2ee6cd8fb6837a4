"""Whether a training learnt."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medocr.report.style import COLOURS, FAINT, WIDTH, conclude, nothing


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
