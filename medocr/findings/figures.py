"""The figures of the findings: advantages with intervals and seeds, ranks, and ratios; titles say what came out."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medocr.findings import evidence
from medocr.findings.evidence import ALIKE, BETTER, FAILS, HOLDS, SHORT, UNSURE, WORSE, Contrast, Measurement
from medocr.report.style import COLOURS, FAINT, INK, WIDTH, bare, conclude, nothing

BLUE, BAND = COLOURS["tuned"], "#e0e0e0"


def forest(scores: pd.DataFrame, contrasts: Sequence[Contrast]) -> Figure:
    """What the first of each pair gains, with its 95 % interval and its seeds (ticks); a panel for each unit.

    The grey band marks differences that the rule treats as negligible: gains, allowed losses where no loss is asked
    for, both where nothing is decided. Contrasts that decide the claim have a filled mark.
    """
    measurements = [made for contrast in contrasts if (made := evidence.measure(scores, contrast)).seeds]
    panels = [
        [made for made in measurements if (made.contrast.metric == "cer") == is_rate] for is_rate in (True, False)
    ]
    panels = [rows for rows in panels if rows]
    if not panels:
        return nothing("not run yet")
    heights = [len(rows) + 0.6 for rows in panels]
    size = (WIDTH, 0.6 + 0.9 * len(panels) + 0.62 * len(measurements))
    figure, axes = plt.subplots(len(panels), 1, figsize=size, height_ratios=heights, squeeze=False)
    for ax, rows in zip(axes[:, 0], panels, strict=True):
        _panel(ax, rows)
    conclude(figure, headline(measurements))
    return figure


def headline(measurements: Sequence[Measurement]) -> str:
    """What came out, in a title: of the contrast that decides, or of each where none does."""
    deciding = [made for made in measurements if made.contrast.decides]
    if not deciding:
        by_outcome = {}
        for made in measurements:
            by_outcome.setdefault(made.outcome, []).append(made.contrast.pages.replace("_", " "))
        outcomes = "; ".join(f"{outcome} on {', '.join(names)}" for outcome, names in by_outcome.items())
        return f"{_capital(measurements[0].contrast.sides)}: {outcomes}"
    made = next((made for verdict in (FAILS, UNSURE) for made in deciding if made.verdict == verdict), deciding[0])
    contrast = made.contrast
    means = (
        f"{SHORT[contrast.metric]}\u00a0{contrast.number(made.left)}\u00a0against\u00a0{contrast.number(made.right)}"
    )
    if made.verdict == UNSURE:
        return f"Undecided: {contrast.sides} on {contrast.where}, {means}"
    how = {BETTER: "better than", WORSE: "worse than", ALIKE: "much like", UNSURE: "no better than"}
    came_out = "no worse than" if contrast.no_loss and made.verdict == HOLDS else how[made.outcome]
    return f"{_capital(contrast.left.shown)} {came_out} {contrast.right.shown} on {contrast.where}: {means}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _panel(ax, measurements: list[Measurement]) -> None:
    ax.use_sticky_edges = False  # of the bands: a mark on an edge would be cut
    for row, made in enumerate(measurements):
        contrast, least = made.contrast, made.contrast.matters
        left = -least if contrast.no_loss or not contrast.decides else 0
        right = 0 if contrast.no_loss else least
        ax.barh(row, right - left, 1.0, left=left, color=BAND, zorder=0)
        ax.plot([made.low, made.high], [row, row], color=BLUE, linewidth=3, zorder=2)
        fill = BLUE if contrast.decides else "white"
        ax.plot(made.advantage, row, "o", color=BLUE, markerfacecolor=fill, markersize=10, zorder=4)
        ax.plot(made.seeds, [row + 0.3] * len(made.seeds), "|", color=INK, markersize=8, zorder=3)
        words = made.word.replace(": ", ":\n")
        shade = INK if contrast.decides else FAINT
        ax.text(1.02, row, words, transform=ax.get_yaxis_transform(), va="center", fontsize=11, color=shade)
    ax.axvline(0, color=FAINT, linewidth=1)
    sides, metrics = ({getattr(made.contrast, of) for made in measurements} for of in ("sides", "metric"))
    alone = len(measurements) == 1
    labels = [_label(made, sides=len(sides) > 1 or alone, metric=len(metrics) > 1) for made in measurements]
    ax.set_yticks(range(len(labels)), labels, fontsize=11)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    unit = SHORT[metrics.pop()] if len(metrics) == 1 else "share or F1"
    ax.set_xlabel(f"{unit} {'lower' if unit == 'CER' else 'higher'} by →", fontsize=11)
    if len(sides) == 1 and not alone:
        ax.set_title(sides.pop(), fontsize=11, fontweight="normal")
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.tick_params(axis="x", labelsize=10)
    ax.grid(axis="x")
    bare(ax)


def _label(made: Measurement, *, sides: bool, metric: bool) -> str:
    """What a row compares, but for what its panel says already, and on how many pages of how many groups."""
    what = [made.contrast.sides] * sides + [SHORT[made.contrast.metric]] * metric
    n = f"{made.pages:,} {made.contrast.where}, {made.groups} groups"
    return "\n".join(filter(None, (": ".join(what), n)))


def ranks(table: pd.DataFrame) -> Figure:
    """Medical CER over the trained weights of each rank, seeds beside the mean, and the time of a training step.

    `table` has rank, trainable, cer (mean), low, high, seeds (list), pages, groups and step_cpu_seconds, as
    `claims.rank_costs` gives.
    """
    if table.empty:
        return nothing("not run yet")
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.9), width_ratios=[3, 2])
    rows = table.to_dict("records")
    for row in rows:
        millions, ends = row["trainable"] / 1e6, [[row["cer"] - row["low"]], [row["high"] - row["cer"]]]
        left.errorbar(millions, row["cer"], ends, fmt="o", color=BLUE, markersize=9, capsize=4)
        left.plot([millions] * len(row["seeds"]), row["seeds"], "_", color=INK, markersize=12)
        last = row is rows[-1]
        place = {"xytext": (-9 if last else 9, 9), "textcoords": "offset points", "ha": "right" if last else "left"}
        left.annotate(f"rank {row['rank']}", (millions, row["cer"]), fontsize=11, **place)
    n = f"{rows[0]['pages']:,} pages, {rows[0]['groups']} groups"
    left.set(xlabel="trained weights (millions)", ylabel="CER of medical pages", xlim=(0, None))
    left.set_title(n, fontsize=11, fontweight="normal")
    left.margins(x=0.12)
    left.set_ylim(0, table["high"].max() * 1.2)
    left.grid(axis="y")
    names = [f"rank {rank}" for rank in table["rank"]]
    right.barh(names, table["step_cpu_seconds"], color=COLOURS["base"], height=0.5)
    for row_number, value in enumerate(table["step_cpu_seconds"]):
        right.text(value, row_number, f" {value:.2f}", va="center", fontsize=11)
    right.set(xlabel="CPU seconds per training step")
    right.margins(x=0.2)
    right.invert_yaxis()
    bare(right)
    rates = ", ".join(f"{row['cer']:.3f} at\u00a0rank\u00a0{row['rank']}" for row in rows)
    conclude(figure, f"Medical CER after equal steps: {rates}")
    return figure


def ratios(names: Sequence[str], values: Sequence[float], claimed: float, what: str, digits: int = 2) -> Figure:
    """Measured ratios as bars beside the one that is claimed (1 where the claim is only that it changed)."""
    if not len(values):
        return nothing("not run yet")
    figure, ax = plt.subplots(figsize=(WIDTH, 1.7 + 0.45 * len(names)))
    ax.barh(list(names), list(values), color=BLUE, height=0.5)
    reach = max(*values, claimed)
    for place, value in enumerate(values):
        crosses = value < claimed < value + 0.1 * reach  # the number would lie on the line at `claimed`
        beside = claimed if crosses else value
        ax.text(beside + 0.01 * reach, place, f"{value:.{digits}f}", va="center", fontsize=11)
    ax.axvline(claimed, color=INK, linestyle="--", linewidth=1.5)
    ax.text(claimed, -0.75, f"{claimed:g}", ha="center", va="bottom", fontsize=11)
    ax.set_ylim(len(names) - 0.4, -0.7)
    ax.set_xlim(0, reach * 1.15)
    ax.set_xlabel(what)
    ax.grid(axis="x")
    bare(ax)
    ends = dict.fromkeys(f"{value:.{digits}f}" for value in (min(values), max(values)))
    conclude(figure, f"{_capital(what)}: {' to '.join(ends)}")
    return figure
