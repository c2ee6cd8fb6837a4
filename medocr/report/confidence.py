"""Whether a reader's confidence says where it is wrong, and how many fields may pass without a person."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from medocr.report.style import FAINT, LABEL_SIZE, WIDTH, colour, conclude, nothing

BINS = 10
KINDS = {"header": "#E69F00", "analyte": "#009E73", "drug": "#0072B2", "tick": "#CC79A7", "total": "#D55E00"}


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
    figure.legend(loc="outside lower center", ncols=len(models))
    shares = ", ".join(looked_at[::-1])
    conclude(
        figure,
        f"{caught:.0%} of the wrong numbers are among the least probable {shares}" if shares else "No number is wrong",
    )
    return figure


def risk_curves(fields: Mapping[str, pd.DataFrame], outcomes: Mapping[str, pd.DataFrame], risk: float) -> Figure:
    """A panel for each reader: the wrong share among the most certain fields, by how many of them pass.

    `fields` are a reader's checked fields of held-out pages (`digitize.scores.right`), `outcomes` what its rule does
    with them (`digitize.confidence.outcome`): the dots.
    """
    if not any(len(rows) for rows in fields.values()):
        return nothing("no field of a held-out page was read")
    figure, axes = plt.subplots(1, len(fields), figsize=(WIDTH, 5.0), sharey=True, squeeze=False)
    for ax, (name, rows) in zip(axes[0], fields.items(), strict=True):
        ax.axhline(risk, color=FAINT, linestyle=":", linewidth=1)
        accepted = outcomes[name].set_index("kind").to_dict("index")
        for kind, ink in KINDS.items():  # pooled, the many headers would hide a kind that broke its limit
            of_kind = rows[rows["kind"] == kind]
            if of_kind.empty:
                continue
            certain = of_kind[of_kind["confidence"].notna() & ~of_kind["reasons"].astype(bool)]
            ordered = certain.sort_values("confidence", ascending=False, kind="stable")
            number = np.arange(1, len(ordered) + 1)
            wrong = (~ordered["right"].to_numpy(bool)).cumsum() / number
            of_rule = accepted[kind]
            ax.plot(number / len(of_kind), wrong, color=ink, label=_accepted(kind, of_rule))
            if of_rule["passed"]:
                ax.plot(of_rule["share"], of_rule["passed_wrong"], "o", color=ink, markersize=8, clip_on=False)
        ax.set(xlabel="share of fields that pass", xlim=(0, 1.02), ylim=(0, min(0.5, max(4 * risk, ax.get_ylim()[1]))))
        ax.set_title(name, fontsize=LABEL_SIZE)
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2))
    axes[0][0].set_ylabel("wrong share of those passed")
    conclude(figure, "Held-out fields by kind: wrong / accepted without review, of all")
    return figure


def _accepted(kind: str, of_rule: Mapping) -> str:
    """What became of a kind of field, beside its line: a dot is missing where no threshold keeps the limit."""
    if not of_rule["passed"]:
        return f"{kind}s: no threshold, none of {of_rule['fields']:,}"
    return f"{kind}s: {of_rule['wrong']:,} / {of_rule['passed']:,} of {of_rule['fields']:,}"
