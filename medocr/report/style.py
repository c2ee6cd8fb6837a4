"""One look for every figure: the colours (Okabe and Ito, told apart by the colour-blind), fonts and lines."""

from collections.abc import Iterable

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 8.0  # inches
INK, FAINT, GRID = "#222222", "#767676", "#dddddd"

COLOURS = {
    "base": "#767676",
    "tuned": "#0072B2",
    "merged": "#56B4E9",
    "ocr": "#D55E00",
    "medical": "#0072B2",
    "general": "#E69F00",
    "unknown": "#999999",
    "prescription": "#0072B2",
    "lab_report": "#009E73",
    "form": "#CC79A7",
    "receipt": "#E69F00",
    "invoice": "#D55E00",
    "train": "#0072B2",
    "validation": "#E69F00",
}


def style() -> None:
    """Set matplotlib up for every figure that follows."""
    mpl.rcParams.update(
        {
            "figure.dpi": 90,
            "savefig.dpi": "figure",
            "figure.figsize": (WIDTH, 4.0),
            "figure.constrained_layout.use": True,
            "font.family": "DejaVu Sans",
            "font.size": 12,
            "text.hinting": "none",  # hinted characters are whole pixels wide, and marked text would drift
            "axes.titlesize": 13,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "axes.labelcolor": INK,
            "axes.edgecolor": FAINT,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "xtick.color": FAINT,
            "ytick.color": FAINT,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "grid.color": GRID,
            "grid.linewidth": 0.8,
            "lines.linewidth": 2.0,
            "legend.frameon": False,
            "text.color": INK,
        }
    )


def show(figure: Figure, name: str) -> None:
    """Display a figure in a notebook as `<name>.png`, and let go of it."""
    from IPython.display import display  # only notebooks have one

    display(figure, metadata={"filename": f"{name}.png"})
    plt.close(figure)


def plain(name: str) -> str:
    """A document type or a slice as people write it: `lab_report` → `lab report`."""
    return name if name.startswith("labels:") else name.replace("_", " ")


def colour(name: str) -> str:
    return COLOURS.get(name, COLOURS["unknown"])


def in_order(names: Iterable[str], order: Iterable[str]) -> list[str]:
    """The distinct names in a known order, those it does not hold last."""
    names, order = set(names), list(order)
    return [name for name in order if name in names] + sorted(names - set(order))


def nothing(message: str) -> Figure:
    """A figure that says there is nothing to draw."""
    figure, ax = plt.subplots(figsize=(WIDTH, 1.0))
    ax.axis("off")
    ax.text(0, 0.5, message, va="center", color=FAINT)
    return figure


def bare(ax: Axes) -> None:
    """No left axis line and ticks: for bars and rows that carry their own names."""
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
