"""The figures of the findings: advantages with intervals and seeds, ranks, and ratios; titles say what came out."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medocr.findings import evidence
from medocr.findings.evidence import ALIKE, BETTER, FAILS, HOLDS, SHORT, UNSURE, WORSE, Contrast
from medocr.report.style import COLOURS, FAINT, INK, WIDTH, bare, conclude, nothing

BLUE, BAND = COLOURS["tuned"], "#e0e0e0"


def forest(scores: pd.DataFrame, contrasts: Sequence[Contrast]) -> Figure:
    """What the first of each pair gains, with its 95 % interval and its seeds (ticks); a panel for each unit.

    The grey band marks differences that the rule treats as negligible: gains, allowed losses where no loss is asked
    for, both where nothing is decided. Contrasts that decide the claim have a filled mark.
    """
    measurements = [(contrast, figures) for contrast in contrasts if (figures := evidence.measure(scores, contrast))]
    panels = [[row for row in measurements if (row[0].metric == "cer") == is_rate] for is_rate in (True, False)]
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


def headline(measurements: Sequence[tuple[Contrast, dict]]) -> str:
    """What came out, in a title: of the contrast that decides, or of each where none does."""
    deciding = [(contrast, figures) for contrast, figures in measurements if contrast.decides]
    if not deciding:
        by_outcome = {}
        for contrast, figures in measurements:
            by_outcome.setdefault(evidence.outcome(contrast, figures), []).append(contrast.pages.replace("_", " "))
        outcomes = "; ".join(f"{outcome} on {', '.join(names)}" for outcome, names in by_outcome.items())
        return f"{_capital(evidence.name(measurements[0][0]))}: {outcomes}"
    worst = [row for verdict in (FAILS, UNSURE) for row in deciding if row[1]["verdict"] == verdict]
    contrast, figures = (worst or deciding)[0]
    left, right = (evidence.number(figures[side], contrast) for side in ("left", "right"))
    means = f"{SHORT[contrast.metric]}\u00a0{left}\u00a0against\u00a0{right}"
    if figures["verdict"] == UNSURE:
        return f"Undecided: {evidence.name(contrast)} on {evidence.pages(contrast)}, {means}"
    how = {BETTER: "better than", WORSE: "worse than", ALIKE: "much like", UNSURE: "no better than"}
    came_out = how[evidence.outcome(contrast, figures)]
    if contrast.no_loss and figures["verdict"] == HOLDS:
        came_out = "no worse than"
    sentence = f"{contrast.left.shown} {came_out} {contrast.right.shown} on {evidence.pages(contrast)}"
    return f"{_capital(sentence)}: {means}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _panel(ax, rows: list[tuple[Contrast, dict]]) -> None:
    ax.use_sticky_edges = False  # of the bands: a mark on an edge would be cut
    for row, (contrast, figures) in enumerate(rows):
        least = contrast.matters
        left = -least if contrast.no_loss or not contrast.decides else 0
        right = 0 if contrast.no_loss else least
        ax.barh(row, right - left, 1.0, left=left, color=BAND, zorder=0)
        ax.plot([figures["low"], figures["high"]], [row, row], color=BLUE, linewidth=3, zorder=2)
        fill = BLUE if contrast.decides else "white"
        ax.plot(figures["advantage"], row, "o", color=BLUE, markerfacecolor=fill, markersize=10, zorder=4)
        ax.plot(figures["seeds"], [row + 0.3] * len(figures["seeds"]), "|", color=INK, markersize=8, zorder=3)
        words = evidence.word(contrast, figures).replace(": ", ":\n")
        shade = INK if contrast.decides else FAINT
        ax.text(1.02, row, words, transform=ax.get_yaxis_transform(), va="center", fontsize=11, color=shade)
    ax.axvline(0, color=FAINT, linewidth=1)
    names, metrics = (
        {of(contrast) for contrast, _ in rows} for of in (evidence.name, lambda contrast: contrast.metric)
    )
    labels = [_label(*row, name=len(names) > 1 or len(rows) == 1, metric=len(metrics) > 1) for row in rows]
    ax.set_yticks(range(len(rows)), labels, fontsize=11)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    unit = SHORT[metrics.pop()] if len(metrics) == 1 else "share or F1"
    ax.set_xlabel(f"{unit} {'lower' if unit == 'CER' else 'higher'} by →", fontsize=11)
    if len(names) == 1 < len(rows):
        ax.set_title(names.pop(), fontsize=11, fontweight="normal")
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.tick_params(axis="x", labelsize=10)
    ax.grid(axis="x")
    bare(ax)


def _label(contrast: Contrast, figures: dict, *, name: bool, metric: bool) -> str:
    """What a row compares, but for what its panel says already, and on how many pages of how many groups."""
    what = [evidence.name(contrast)] * name + [SHORT[contrast.metric]] * metric
    n = f"{figures['pages']:,} {evidence.pages(contrast)}, {figures['groups']} groups"
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
