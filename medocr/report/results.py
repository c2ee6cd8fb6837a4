"""What got better or worse, and by how much."""

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from medocr.metrics import HIGHER_IS_BETTER, KINDS, LABELS, LEAST_P, changed
from medocr.metrics.headline import surviving
from medocr.metrics.statistics import ENOUGH_PAGES
from medocr.report.style import (
    COLOURS,
    FAINT,
    INK,
    LABEL_SIZE,
    MODELS,
    WIDTH,
    bare,
    colour,
    conclude,
    in_order,
    marker,
    nothing,
    plain,
    rounded,
)
from medocr.schema import DOC_TYPES


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
        of_slice = scores[scores["slice"] == name].set_index("model")
        if {"base", "tuned"} <= set(of_slice.index):
            ax.plot(of_slice.loc[["base", "tuned"], "value"], [row, row], color="#cccccc", linewidth=5, zorder=1)
        for model in in_order(of_slice.index, MODELS):
            _point(ax, of_slice.loc[model], row, model)
        ax.text(
            1.03,
            row,
            difference(paired.get(name)),
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=LABEL_SIZE,
        )
    counts = scores.groupby("slice")["n"].max()
    ax.set_yticks(range(len(names)), [f"{_words(name)} (n = {counts[name]:,})" for name in names], fontsize=LABEL_SIZE)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(left=-0.025 * ax.get_xlim()[1])  # a marker at zero is seen whole
    ax.grid(axis="x")
    ax.set_xlabel(LABELS.get(metric, metric))
    ax.set_title("tuned − base [95 %]", loc="right", fontsize=LABEL_SIZE, weight="normal", x=1.03, ha="left")
    handles = [
        ax.plot([], [], label=MODELS[model], linestyle="", **_look(model))[0]
        for model in in_order(scores["model"], MODELS)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, handletextpad=0.2)
    bare(ax)
    if paired:
        conclude(figure, f"{LABELS.get(metric, metric).split(' (')[0]} {_what_changed(paired)}")
    return figure


def _words(name: str) -> str:
    """A slice as a reader who does not know the code would call it."""
    if name.startswith("labels:"):
        origin = name.removeprefix("labels:").split("/")[0]
        return f"labelled by {_LABELLERS.get(origin, origin)}"
    known = {"all": "all pages", "peers": "those RapidOCR read too", "test": "test split, layouts seen"}
    return known.get(name, plain(name))


_LABELLERS = {"rapidocr": "RapidOCR", "synthetic": "the generator", "annotation": "annotators", "person": "a person"}


def _what_changed(paired: dict[str, dict]) -> str:
    """What happened to a metric on medical and on general pages, or on all where there are not both."""
    names = [name for name in ("medical", "general") if name in paired]
    parts = []
    for name in names if len(names) == 2 else [next(iter(paired))]:
        row = paired[name]
        verb = "fell" if row["difference"] < 0 else "rose"
        verb = verb if changed(row) else "did not clearly change"
        where = f"{_words(name)}{'' if name == 'all' else ' pages'}"
        parts.append(f"{verb} on {where} ({row['base']:.3f} → {row['tuned']:.3f})")
    return " and ".join(parts)


_MARKS = {"base": "o", "tuned": "o", "merged": "s", "ocr": "D"}


def _look(model: str) -> dict:
    """A model's marker: the base is a ring, larger than what may lie on it."""
    look = {"marker": _MARKS[model], "color": COLOURS[model], "markersize": 8 if model == "tuned" else 6}
    return look | ({"markersize": 11, "markerfacecolor": "none", "markeredgewidth": 2} if model == "base" else {})


def _point(ax, score: pd.Series, row: float, model: str) -> None:
    if pd.isna(score["value"]):
        return
    if pd.notna(score["low"]):
        ax.plot([score["low"], score["high"]], [row, row], color=COLOURS[model], linewidth=1.5, zorder=2)
    ax.plot(score["value"], row, zorder=4 if model == "base" else 3, **_look(model))


def difference(row: dict | None) -> str:
    """The paired difference of a comparison with its 95 % interval, where it has one."""
    if row is None:
        return ""
    by, *ends = (rounded(row[key], sign="+") for key in ("difference", "low", "high") if row[key] is not None)
    return f"{by} [{', '.join(ends)}]" if ends else by


def with_errors(summary: dict) -> list[str]:
    """The document types on which base or tuned made clinical errors: each has a figure of its own.

    Pooled, pages that cannot have a kind of error would dilute its rate, and could turn a change into its opposite.
    """
    made = {row["slice"] for row in summary["scores"] if row["metric"] in KINDS and row["value"]}
    return [name for name in DOC_TYPES if name in made]


def safety(summary: dict, name: str) -> Figure:
    """Clinical errors of one document type by kind, base above tuned, with 95 % intervals.

    Left per 100 pages that can have them; right per 100 rows read, since a model that reads fewer rows can make fewer
    errors, unless the pages have no rows. Kinds that neither made are counted, not drawn.
    """
    rows = {(row["metric"], row["model"]): row for row in summary["scores"] if row["slice"] == name}
    counted = [kind for kind in KINDS if {(kind, "base"), (kind, "tuned")} <= rows.keys()]
    kinds = [kind for kind in counted if rows[kind, "base"]["value"] or rows[kind, "tuned"]["value"]]
    if not kinds:
        return nothing(f"no error of any of {len(counted)} kinds on {plain(name)} pages with test values or drugs")
    by_page = f"per 100 {plain(name)} pages\n(n = {_span([rows[kind, 'base']['n'] for kind in kinds])})"
    left_out = len(counted) - len(kinds)
    panels = {"": by_page, "_per_row": "per 100 rows read" + f"\n({left_out} further kinds: none)" * bool(left_out)}
    if not any((f"{kind}_per_row", model) in rows for kind in kinds for model in ("base", "tuned")):
        del panels["_per_row"]
    paired = {row["metric"]: row for row in summary.get("comparisons", ()) if row["slice"] == name}
    drawn = [paired[kind] for kind in kinds if kind in paired]
    shifted = [row for row in drawn if changed(row)]
    marks = {row["metric"]: MORE if row["difference"] > 0 else FEWER for row in shifted}
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 1.4 + 0.55 * len(kinds)), sharey=True, squeeze=False)
    for ax, (ending, label) in zip(axes.flat, panels.items(), strict=True):
        _safety_bars(ax, rows, kinds, ending)
        ax.set_xlabel(label)
    labels = [textwrap.fill(f"{KINDS[kind]} {marks.get(kind, '')}".strip(), 30) for kind in kinds]
    axes[0, 0].set_yticks(range(len(kinds)), labels, fontsize=LABEL_SIZE)
    axes[0, 0].invert_yaxis()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    conclude(figure, f"{plain(name).capitalize()}s{_harm(drawn, shifted)}")
    return figure


MORE, FEWER = "▲", "▼"  # behind a kind of error that became more frequent, or rarer


def _span(counts: list[int]) -> str:
    return " to ".join(f"{n:,}" for n in sorted({min(counts), max(counts)}))


def _harm(drawn: list[dict], shifted: list[dict]) -> str:
    """How many kinds of error became more frequent or rarer by an interval without zero, and survive correction."""
    if all(row["n"] < ENOUGH_PAGES for row in drawn):
        return ": too few pages to judge by"
    if not shifted:
        return ": the 95 % interval of every kind's difference includes zero"
    more = sum(row["difference"] > 0 for row in shifted)
    counts = {f"more frequent {MORE}": more, f"rarer {FEWER}": len(shifted) - more}
    parts = " and ".join(f"{n} {how}" for how, n in counts.items() if n)
    survive = f"95 % intervals exclude zero; {surviving(shifted)} survive Holm's correction"
    return f", kinds of error: {parts} per 100 pages. {survive}"


def _safety_bars(ax, rows: dict, kinds: list[str], ending: str) -> None:
    unread = {"value": np.nan, "low": np.nan, "high": np.nan}  # a model that read no row
    for place, model in ((-0.2, "base"), (0.2, "tuned")):
        rates = pd.DataFrame([rows.get((kind + ending, model), unread) for kind in kinds])[["value", "low", "high"]]
        rates = rates.astype(float) * 100
        low, high = (rates[end].fillna(rates["value"]) for end in ("low", "high"))
        reach, at = [rates["value"] - low, high - rates["value"]], np.arange(len(kinds)) + place
        bars = ax.barh(at, rates["value"], 0.36, xerr=reach, ecolor=INK, label=MODELS[model], capsize=2, **_BARS[model])
        ax.bar_label(bars, fmt="%.1f", padding=6, fontsize=LABEL_SIZE)  # none where the rate is not known
    ax.grid(axis="x")
    ax.margins(x=0.18)
    ax.set_xlim(left=0)
    bare(ax)


_BARS = {
    "base": {"facecolor": "white", "edgecolor": COLOURS["base"], "hatch": "///"},
    "tuned": {"facecolor": COLOURS["tuned"], "edgecolor": COLOURS["tuned"]},
}


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
        of_type = changes[changes["doc_type"] == name]
        look = {"color": colour(name), "marker": marker(name), "linewidths": 0}
        left.scatter(of_type["base_score"], of_type["tuned_score"], s=20, alpha=0.6, **look)
        left.scatter([], [], s=36, label=plain(name), **look)
    label = LABELS.get(metric, metric).split(" (")[0]
    left.set(xlabel=f"{label}, base", ylabel=f"{label}, tuned", xlim=(-0.01 * top, top), ylim=(-0.01 * top, top))
    left.set_aspect("equal")
    left.legend(loc="upper left", handletextpad=0.1, borderpad=0)
    limit = max(changes["change"].abs().max(), 0.01)
    better = COLOURS["tuned"], COLOURS["ocr"]
    fell, rose = better[::-1] if metric in HIGHER_IS_BETTER else better
    bins = np.linspace(-limit, limit, 43)  # zero is an edge
    for part, shade in ((changes["change"] < 0, fell), (changes["change"] > 0, rose)):
        right.hist(changes.loc[part, "change"], bins, color=shade)
    right.axvline(0, color=FAINT, linewidth=1, linestyle="--")
    right.set(xlabel=f"change in {label}, tuned − base", ylabel="pages")
    fallen, risen = (changes["change"] < 0).sum(), (changes["change"] > 0).sum()
    good, bad = (risen, fallen) if metric in HIGHER_IS_BETTER else (fallen, risen)
    same = len(changes) - fallen - risen
    conclude(figure, f"{label}: better on {good:,} of {len(changes):,} pages, worse on {bad:,}, the same on {same:,}")
    return figure


def model_table(summary: dict, metrics: Sequence[str], slices: Sequence[str] = ("all",)) -> pd.DataFrame:
    """Metrics of base, tuned, merged and RapidOCR as far as they were scored, with the paired difference and p.

    One row per slice and metric, taken from the content of metrics.json; means of CER and WER are capped at 1. The
    second p is Holm's, corrected for all metrics of the slice; intervals are not corrected, so it can be large although
    one excludes zero. "≤" stands where so many permutations give nothing smaller.
    """
    scores = {(row["slice"], row["metric"], row["model"]): row for row in summary["scores"]}
    paired = {(row["slice"], row["metric"]): row for row in summary["comparisons"]}
    models = in_order({row["model"] for row in summary["scores"] if row["slice"] in slices}, MODELS)
    rows = []
    for name in slices:
        for metric in metrics:
            by_model = {model: scores.get((name, metric, model)) for model in models}
            if not any(by_model.values()):
                continue
            row = paired.get((name, metric))
            cells = {MODELS.get(model, model): _value(score) for model, score in by_model.items()}
            cells["tuned − base [95 %]"] = difference(row)
            cells["p, p (Holm)"] = ", ".join(filter(None, (p_value(row, "p"), p_value(row, "p_holm"))))
            cells["n"] = max(score["n"] for score in by_model.values() if score)
            rows.append({"slice": plain(name), "metric": LABELS.get(metric, metric), **cells})
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows).set_index(["slice", "metric"])
    return table if len(slices) > 1 else table.droplevel("slice")


def _value(score: dict | None) -> str:
    return "" if score is None or score["value"] is None else f"{score['value']:.3f}"


def p_value(row: dict | None, key: str = "p") -> str:
    """A comparison's `p` or `p_holm`; "≤" where so many permutations give nothing smaller."""
    if row is None or (value := row.get(key)) is None:
        return ""
    text = f"{value:.1g}" if value < 0.001 else f"{value:.3f}"
    return f"≤ {text}" if row["p"] <= LEAST_P else text
