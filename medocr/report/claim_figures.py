"""The figures of the findings: differences with their intervals and seeds, ranks, and ratios."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medocr.metrics import LABELS
from medocr.report import findings
from medocr.report.findings import Contrast
from medocr.report.style import COLOURS, FAINT, INK, WIDTH, bare, nothing

BLUE = COLOURS["tuned"]


def forest(scores: pd.DataFrame, contrasts: Sequence[Contrast]) -> Figure:
    """What the first of each pair gains, with its 95 % interval and its seeds (ticks); a panel for each unit.

    The grey band holds differences of no account. Contrasts that decide the claim have a filled mark.
    """
    found = [(contrast, findings.measure(scores, contrast)) for contrast in contrasts]
    panels = [[(c, m) for c, m in found if m and (c.metric == "cer") == is_rate] for is_rate in (True, False)]
    panels = [rows for rows in panels if rows]
    if not panels:
        return nothing("not run yet")
    heights = [len(rows) + 0.6 for rows in panels]
    size = (WIDTH, 0.9 * len(panels) + 0.62 * sum(map(len, panels)))
    figure, axes = plt.subplots(len(panels), 1, figsize=size, height_ratios=heights, squeeze=False)
    for ax, rows in zip(axes[:, 0], panels, strict=True):
        _panel(ax, rows)
    return figure


def _panel(ax, rows: list[tuple[Contrast, dict]]) -> None:
    contrast = rows[0][0]
    sign = findings.sign(contrast)
    for row, (one, found) in enumerate(rows):
        ax.barh(row, 2 * one.matters, 1.0, left=-one.matters, color="#e6e6e6", zorder=0)
        ax.plot([sign * found["low"], sign * found["high"]], [row, row], color=BLUE, linewidth=3, zorder=2)
        fill = BLUE if one.decides else "white"
        ax.plot(sign * found["difference"], row, "o", color=BLUE, markerfacecolor=fill, markersize=10, zorder=4)
        seeds = [sign * one for one in found["seeds"]]
        ax.plot(seeds, [row + 0.3] * len(seeds), "|", color=INK, markersize=8, zorder=3)
        shade, words = (INK, found["verdict"]) if one.decides else (FAINT, f"({found['verdict']})")
        words = words.replace(" at this size", "")
        ax.text(1.02, row, words, transform=ax.get_yaxis_transform(), va="center", fontsize=11, color=shade)
    ax.axvline(0, color=FAINT, linewidth=1)
    ax.set_yticks(range(len(rows)), [_label(one, found) for one, found in rows], fontsize=11)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel("CER lower by →" if contrast.metric == "cer" else "share or F1 higher by →", fontsize=11)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.grid(axis="x")
    bare(ax)


def _label(contrast: Contrast, found: dict) -> str:
    first, _, second = findings.name(contrast).partition(": ")
    return f"{first}\n{second} (n = {found['pages']:,})"


def ranks(table: pd.DataFrame) -> Figure:
    """Medical CER over the trained weights of each rank, seeds beside the mean, and the time of a training step.

    `table` has rank, trainable, cer (mean), seeds (list) and seconds_per_step, as `claims.rank_costs` gives.
    """
    if table.empty:
        return nothing("not run yet")
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.4))
    for row in table.to_dict("records"):
        millions = row["trainable"] / 1e6
        left.plot([millions] * len(row["seeds"]), row["seeds"], "_", color=INK, markersize=12)
        left.plot(millions, row["cer"], "o", color=COLOURS["tuned"], markersize=9)
        left.annotate(f"rank {row['rank']}", (millions, row["cer"]), (8, 8), textcoords="offset points", fontsize=11)
    left.set(xlabel="trained weights (millions)", ylabel=LABELS["cer"].replace("mean, ", "medical, "))
    left.margins(x=0.25)
    left.set_ylim(0, max(map(max, table["seeds"])) * 1.2)
    left.grid(axis="y")
    names = [f"rank {rank}" for rank in table["rank"]]
    right.barh(names, table["seconds_per_step"], color=COLOURS["base"], height=0.5)
    for place, value in enumerate(table["seconds_per_step"]):
        right.text(value, place, f" {value:.2f}", va="center", fontsize=11)
    right.set(xlabel="seconds per training step")
    right.margins(x=0.15)
    right.invert_yaxis()
    bare(right)
    return figure


def ratios(names: Sequence[str], values: Sequence[float], claimed: float, what: str) -> Figure:
    """Measured ratios as bars beside the one that is claimed (1 where the claim is only that it changed)."""
    if not len(values):
        return nothing("not run yet")
    figure, ax = plt.subplots(figsize=(WIDTH, 1.2 + 0.45 * len(names)))
    ax.barh(list(names), list(values), color=COLOURS["tuned"], height=0.5)
    for place, value in enumerate(values):
        ax.text(value, place, f" {value:.2f}", va="center", fontsize=11)
    ax.axvline(claimed, color=INK, linestyle="--", linewidth=1.5)
    ax.text(claimed, -0.75, f"{claimed:g}", ha="center", va="bottom", fontsize=11)
    ax.set_ylim(len(names) - 0.4, -0.7)
    ax.set_xlim(0, max(*values, claimed) * 1.15)
    ax.set_xlabel(what)
    ax.grid(axis="x")
    bare(ax)
    return figure
