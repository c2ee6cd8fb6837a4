"""Whether a model's probabilities say where it is wrong."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from medocr.report.style import FAINT, WIDTH, colour, nothing

BINS = 10


def calibration(numbers: pd.DataFrame, caught: float = 0.95) -> Figure:
    """Left: how often numbers are right, by the least probability of their digits. Right: which share of the wrong ones
    somebody sees who looks at so many of the numbers, the least probable first; `caught` is marked.

    `numbers` is what `evaluate.calibration` gives.
    """
    models = [name for name in ("base", "tuned", "merged") if (numbers["model"] == name).any()]
    if not models:
        return nothing("no model gave probabilities of the numbers that it read")
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.8))
    left.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=":")
    right.axhline(caught, color=FAINT, linewidth=1, linestyle=":")
    for name in models:
        own = numbers[numbers["model"] == name].sort_values("least", kind="stable")
        parts = [part for part in np.array_split(np.arange(len(own)), BINS) if len(part)]
        values, correct = own["least"].to_numpy(), own["right"].to_numpy(bool)
        x, y = ([column[part].mean() for part in parts] for column in (values, correct))
        left.plot(x, y, "o-", color=colour(name), markersize=5, label=f"{name} (n = {len(own):,})")
        if (~correct).any():
            right.plot(
                np.arange(1, len(own) + 1) / len(own), np.cumsum(~correct) / (~correct).sum(), color=colour(name)
            )
    left.set(
        xlabel="least probability of a digit", ylabel="share of numbers that are right", xlim=(0, 1), ylim=(0, 1.02)
    )
    right.set(xlabel="share of numbers looked at", ylabel="share of wrong numbers seen", xlim=(0, 1), ylim=(0, 1.02))
    right.text(0.99, caught - 0.02, f"{caught:.0%}", ha="right", va="top", color=FAINT, fontsize=10)
    figure.legend(loc="outside lower center", ncols=len(models), fontsize=11)
    return figure
