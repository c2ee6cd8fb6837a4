"""Whether a model's probabilities say where it is wrong."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from medocr.report.style import FAINT, LABEL_SIZE, WIDTH, colour, conclude, nothing

BINS = 10


def calibration(numbers: pd.DataFrame, caught: float = 0.95) -> Figure:
    """Left: how often numbers are right, by the least probability of their digits. Right: which share of the wrong ones
    somebody sees who looks at so many of the numbers, the least probable first; `caught` is marked.

    `numbers` is what `evaluate.calibration` gives.
    """
    models = [name for name in ("base", "tuned", "merged") if (numbers["model"] == name).any()]
    if not models:
        return nothing("no model gave probabilities of the numbers that it read")
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 4.4))
    left.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=":")
    right.axhline(caught, color=FAINT, linewidth=1, linestyle=":")
    looked_at = []
    for name in models:
        look = {"color": colour(name), "linestyle": "--" if name == "base" else "-"}
        read = numbers[numbers["model"] == name].sort_values("least", kind="stable")
        parts = [part for part in np.array_split(np.arange(len(read)), BINS) if len(part)]
        values, correct = read["least"].to_numpy(), read["right"].to_numpy(bool)
        x, y = ([column[part].mean() for part in parts] for column in (values, correct))
        fill = "white" if name == "base" else colour(name)
        label = f"{name} (n = {len(read):,}, {correct.mean():.1%} right)"
        left.plot(x, y, marker="o", markersize=6, markerfacecolor=fill, label=label, **look)
        if (~correct).any():
            part, seen = np.arange(1, len(read) + 1) / len(read), np.cumsum(~correct) / (~correct).sum()
            right.plot(part, seen, **look)
            looked_at.append(f"{part[np.argmax(seen >= caught)]:.0%} of what {name} read")
    left.set(
        xlabel="least probability of a digit", ylabel="share of numbers that are right", xlim=(0, 1), ylim=(0, 1.02)
    )
    right.set(xlabel="share of numbers looked at", ylabel="share of wrong numbers seen", xlim=(0, 1), ylim=(0, 1.02))
    right.text(0.99, caught - 0.02, f"{caught:.0%}", ha="right", va="top", color=FAINT, fontsize=LABEL_SIZE)
    figure.legend(loc="outside lower center", ncols=len(models), fontsize=LABEL_SIZE)
    shares = ", ".join(looked_at[::-1])
    conclude(
        figure,
        f"{caught:.0%} of the wrong numbers are among the least probable {shares}" if shares else "No number is wrong",
    )
    return figure
