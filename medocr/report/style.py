"""One look for every figure: the colours (Okabe and Ito, told apart by the colour-blind), shapes, fonts and lines.

What is compared differs in more than its colour, so that it is told apart in grey: the base is hollow, hatched or
dashed, each document type has a marker of its own.
"""

import os
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

WIDTH = 8.0  # inches
INK, FAINT, GRID = "#222222", "#767676", "#dddddd"

COLOURS = {
    "base": "#8c8c8c",
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
MODELS = {"base": "base", "tuned": "tuned", "merged": "merged", "ocr": "RapidOCR"}  # a model → what it is called
MARKERS = {"prescription": "o", "lab_report": "s", "form": "^", "receipt": "D", "invoice": "v"}
LABEL_SIZE = 11  # points, of what is smaller than a title: half as large on a telephone
TITLE_COLUMNS = 72  # characters of a title beside one another in WIDTH
MOST_DIGITS = 6  # after the point


def style() -> None:
    """Set matplotlib up for every figure that follows, and pandas for every table."""
    pd.set_option("display.precision", 3, "display.max_colwidth", None, "styler.format.precision", 2)
    pd.set_option("styler.format.escape", "html")  # a file's name in a table must not become markup
    plt.style.use(Path(__file__).with_name("medocr.mplstyle"))


def show(figure: Figure, name: str) -> None:
    """Display a figure in a notebook as `<name>.png`, and let go of it."""
    from IPython.display import display  # only notebooks have one

    display(figure, metadata={"filename": f"{name}.png", "alt": figure.get_suptitle() or name.replace("_", " ")})
    plt.close(figure)


def browse(count: int, draw: Callable[[int], Figure]) -> None:
    """A slider through `count` figures, each drawn when asked for; nothing where the runner executes a notebook.

    A slider needs a kernel behind it: readers of a rendered notebook have the figures that stand there anyway.
    """
    if not count or os.environ.get("MEDOCR_HEADLESS"):
        return
    try:
        import ipywidgets
    except ImportError:
        print("To turn through all pages here: pip install ipywidgets, and restart the kernel.")
        return
    page = ipywidgets.IntSlider(1, 1, count, description=f"of {count:,}", continuous_update=False)
    ipywidgets.interact(lambda page: show(draw(page - 1), f"page_{page}"), page=page)


def conclude(figure: Figure, text: str) -> None:
    """Write over the whole figure what it shows, in as many lines as that takes."""
    lines = textwrap.fill(text, TITLE_COLUMNS)
    figure.suptitle(lines, x=0.01, ha="left", fontsize=13, weight="bold", parse_math=False)


def plain(name: str) -> str:
    """A document type or a slice as people write it: `lab_report` → `lab report`."""
    return name if name.startswith("labels:") else name.replace("_", " ")


def colour(name: str) -> str:
    return COLOURS.get(name, COLOURS["unknown"])


def marker(name: str) -> str:
    return MARKERS.get(name, "X")


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


def bars(ax: Axes, names: Sequence[str], counts: Sequence[int], colours: list[str], left: ArrayLike = 0) -> None:
    """Horizontal bars of pages, the first on top, each with its number behind it."""
    drawn = ax.barh([plain(name) for name in names], counts, left=left, color=colours, height=0.7)
    ax.bar_label(drawn, [f" {count:,}" for count in counts])
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.set_xlabel("pages")
    bare(ax)


def rounded(value: float, digits: int = 3, sign: str = "", limits: Sequence[float] = (0.0,)) -> str:
    """A figure with a true minus, "+" where `sign` asks for it, and neither where it is zero.

    It gets as many more digits, up to MOST_DIGITS, as show on which side of one of the limits it lies.
    """
    value = round(value, MOST_DIGITS)
    while digits < MOST_DIGITS and value not in limits and round(value, digits) in limits:
        digits += 1
    text = f"{value:{sign}.{digits}f}"
    return (text if float(text) else text.lstrip("+-")).replace("-", "−")
