"""Turning pages where somebody is there to turn them."""

import os
from collections.abc import Callable

from matplotlib.figure import Figure

from medocr.report.style import show


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
