"""Whether the merged model is the tuned one, and how fast it is."""

import statistics
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from medocr.report.style import COLOURS, INK, SMALL, WIDTH, conclude, nothing, plain

PARITY_LIMIT = 0.05  # standard deviations of the logits


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
    looks = {
        "to_base": {
            "edgecolor": COLOURS["base"],
            "facecolor": "none",
            "hatch": "//",
            "lw": 1.5,
            "label": "from the base",
        },
        "to_tuned": {"color": COLOURS["merged"], "label": "from base with adapter"},
    }
    for name, look in looks.items():
        counts = np.asarray(histogram[name], float)
        ax.stairs(100 * counts / max(1, counts.sum()), edges, fill=True, **look)
    ax.margins(y=0.15)
    ax.axvline(PARITY_LIMIT, color=INK, linestyle="--", linewidth=1.5)
    ax.text(PARITY_LIMIT, 0.98, f" limit {PARITY_LIMIT}", va="top", transform=ax.get_xaxis_transform(), fontsize=SMALL)
    ax.set(xscale="log", xlabel="|difference| in standard deviations of the logits", ylabel="% of the logits")
    figure.legend(loc="outside lower center", ncols=2, fontsize=SMALL)
    largest = figures.get("logit_difference")
    if largest is not None:
        side = "below" if largest <= PARITY_LIMIT else "above"
        conclude(figure, f"Logits differ by at most {largest:.2g} standard deviations, {side} the limit")
    return figure


def parity_table(figures: dict) -> pd.DataFrame:
    """The single numbers of a parity check, one per row."""
    numbers = {key: value for key, value in figures.items() if isinstance(value, (bool, int, float, str))}
    table = pd.DataFrame({"value": [_shown(value) for value in numbers.values()]}, [plain(key) for key in numbers])
    return table.rename_axis("figure")


def latency_table(rows: Sequence[dict]) -> pd.DataFrame:
    """What `merge.latency` measured: the ratio to the adapter is the median of the rounds, with the least and most."""

    def ratio(own: Sequence[float]) -> str:
        return f"{statistics.median(own):.2f} [{min(own):.2f}, {max(own):.2f}]"

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


def _shown(value) -> str:
    return (
        f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else (f"{value:.6g}" if isinstance(value, float) else str(value))
    )
