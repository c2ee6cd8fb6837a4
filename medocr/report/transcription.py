"""How pages were transcribed: speed, providers, faults, agreement."""

from collections import Counter
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from medocr.report import marked
from medocr.report.pages import beside, entitle
from medocr.report.style import FAINT, LABEL_SIZE, WIDTH, bare, bars, conclude, nothing, plain
from medocr.schema import Page

PROVIDERS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
GOOD, BAD = "#0072B2", "#D55E00"
ASPECTS = {"text": "text", "numbers": "numbers", "units": "units", "drugs": "drug names", "rows": "values of analytes"}

EITHER = {"extra": "underlined: second reading only", "lacking": "struck through: first reading only"}


def transcription_speed(rows: Sequence[Mapping], latencies: Mapping[str, Sequence[float]]) -> Figure:
    """Left, pages per second against requests in flight, with the ideal; right, each provider's seconds per answer.

    `rows` hold `in_flight`, `pages_per_second`, `ideal` (see `demo.demonstration.speed`).
    """
    if not rows:
        return nothing("no speed was measured")
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.6))
    table = pd.DataFrame(rows)
    left.plot(table["in_flight"], table["ideal"], color=FAINT, linestyle="--", linewidth=1.4)
    left.plot(table["in_flight"], table["pages_per_second"], color=GOOD, marker="o")
    last = table.iloc[-1]
    left.text(last["in_flight"], last["ideal"], "ideal ", ha="right", va="bottom", color=FAINT)
    rate = f"{last['pages_per_second']:.0f} pages per second with {last['in_flight']:.0f} requests in flight"
    conclude(figure, f"{rate}: {last['share_of_ideal']:.0%} of the ideal")
    left.set(xlabel="requests in flight", ylabel="pages per second", xlim=0, ylim=0)
    bins = np.linspace(0, max(np.percentile(seconds, 99) for seconds in latencies.values() if seconds), 31)
    for (name, seconds), colour, dashes in zip(latencies.items(), PROVIDERS, ("-", "--", "-.", ":"), strict=False):
        label = f"{name}: median {np.median(seconds):.2f} s" if seconds else name
        right.hist(seconds, bins, histtype="step", linewidth=2, linestyle=dashes, color=colour, label=label)
    right.set(xlabel="seconds per answer", ylabel="answers")
    right.margins(y=0.3)  # room for the legend
    right.legend(loc="upper right")
    return figure


def faults(providers: Sequence[Mapping], outcomes: Mapping[str, int]) -> Figure:
    """Left, the faults that were met, by provider; right, what became of the pages.

    `providers` are the rows of a transcription's report.
    """
    met = {row["provider"]: Counter(row["faults"]) for row in providers}
    kinds = [kind for kind, _ in sum(met.values(), Counter()).most_common()]
    if not kinds:
        return nothing("no fault was met")
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 1.3 + 0.36 * max(len(kinds), len(outcomes))))
    start = np.zeros(len(kinds))
    for (name, by_kind), colour in zip(met.items(), PROVIDERS, strict=False):
        counts = np.array([by_kind[kind] for kind in kinds], float)
        left.barh([plain(kind) for kind in kinds], counts, left=start, color=colour, height=0.7, label=name)
        start += counts
    left.invert_yaxis()
    left.set_xlabel("requests")
    left.set_title("faults met", fontsize=LABEL_SIZE, weight="normal")
    left.legend(loc="lower right")
    names = sorted(outcomes, key=lambda name: (name.startswith("set aside"), -outcomes[name]))
    colours = [BAD if name.startswith("set aside") else GOOD for name in names]
    bars(right, names, [outcomes[name] for name in names], colours)
    right.set_title("what became of the pages", fontsize=LABEL_SIZE, weight="normal")
    bare(left)
    labelled = sum(number for name, number in outcomes.items() if not name.startswith("set aside"))
    total, met_all = sum(outcomes.values()), int(sum(sum(by_kind.values()) for by_kind in met.values()))
    conclude(
        figure, f"{met_all:,} faults met; {labelled:,} of {total:,} pages labelled, {total - labelled:,} set aside"
    )
    return figure


def agreement(rows: Sequence[Mapping], threshold: float) -> Figure:
    """How far two readers of a page agree: on the text, and apart on numbers, units, drug names and analytes' values.

    A text agrees from `threshold` on, everything else where nothing of it differs.
    """
    if not rows:
        return nothing("no page was read twice")
    table = pd.DataFrame(rows)
    aspects = {name: label for name, label in ASPECTS.items() if name in table}
    holds = pd.DataFrame({name: table[name] >= (threshold if name == "text" else 1) for name in aspects})
    shares = 100 * holds.mean()
    figure, ax = plt.subplots(figsize=(WIDTH, 1.7 + 0.42 * len(aspects)))
    labels = [f"{label} (at least {threshold:g})" if name == "text" else label for name, label in aspects.items()]
    ax.barh(labels, shares, color=GOOD, height=0.7, label="agree")
    ax.barh(
        labels, 100 - shares, left=shares, height=0.7, label="differ", facecolor="white", edgecolor=BAD, hatch="///"
    )
    for row, name in enumerate(aspects):
        text = f" {holds[name].sum():,} of {len(table):,} agree; mean {table[name].mean():.3f}"
        ax.text(100, row, text, va="center", fontsize=LABEL_SIZE)
    ax.invert_yaxis()
    ax.set(xlabel="% of the pages read twice", xlim=(0, 100))
    bare(ax)
    figure.legend(loc="outside lower center", ncols=2)
    whole = int(holds.all(axis=1).sum())
    conclude(figure, f"Two readers agree in everything on {whole:,} of the {len(table):,} pages read twice")
    return figure


def disagreements(pages: Sequence[Page], rows: Sequence[Mapping], n: int = 3) -> Figure:
    """Pages set aside for a person: both readings, with what the second has otherwise marked."""
    known = {page.id: page for page in pages}
    shown = [row for row in rows if row["id"] in known][:n]
    if not shown:
        return nothing("no page was set aside because its readers disagree")
    images, blocks = [], []
    for row in shown:
        (first, second), (first_reader, second_reader) = row["texts"][:2], row["readers"][:2]
        images.append(known[row["id"]].open())
        blocks.append([(first_reader, [(first, "same")]), (second_reader, marked.differences(first, second))])
    figure = beside(images, blocks, legend=EITHER)
    entitle(figure, f"{len(shown):,} of the {len(rows):,} pages set aside because their readers disagree")
    return figure


def provider_table(providers: Sequence[Mapping]) -> pd.DataFrame:
    """A row per provider: its share of the pages, speed, latency, faults, and cost in the currency of its prices."""
    total = sum(row["read"] for row in providers) or 1
    return pd.DataFrame(
        [
            {
                "provider": row["provider"],
                "answers": row["read"],
                "share": f"{row['read'] / total:.0%}",
                "per second": f"{row['pages_per_second']:.1f}" if row["read"] else "–",
                "median, 95 % (s)": f"{row['latency_median_s']:.2f}, {row['latency_p95_s']:.2f}"
                if row["read"]
                else "–",
                "faults": sum(row["faults"].values()),
                "unusable": ", ".join(f"{n} {why.replace('_', ' ')}" for why, n in row["unusable"].items()) or "–",
                "cost per 1,000 pages": f"{1000 * row['cost'] / max(row['read'], 1):.2f}" if row["cost"] else "none",
                "dropped because": row["dropped"] or "–",
            }
            for row in providers
        ]
    )
