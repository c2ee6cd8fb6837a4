"""RapidOCR, which drops what it cannot read without a word, made to say how much of the print that was."""

import threading

import numpy as np
from rapidocr import RapidOCR

SURE = 0.5  # score under which RapidOCR drops a piece of text
LEAST_TEXT = 0.7  # characters per height of a line's width: print has some two
LONG = 2.0  # width over height of a piece that this is asked of; a single sign has no room for more


class Engine(RapidOCR):
    """RapidOCR that notes how wide the pieces of print on the last page were, in each thread that reads with it."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self._noted = threading.local()

    def printed(self) -> tuple[float, float]:
        """Width of the print of the last page of which no text came, and of all, both in heights of its lines."""
        return getattr(self._noted, "widths", (0.0, 0.0))

    def run_ocr_steps(self, *arguments) -> tuple:
        steps = super().run_ocr_steps(*arguments)
        detected, recognised = steps[0], steps[2]
        self._noted.widths = (0.0, 0.0)
        if detected.boxes is not None and recognised.txts is not None:
            self._noted.widths = unread(np.asarray(detected.boxes, float), recognised.txts, recognised.scores)
        return steps


def unread(corners: np.ndarray, texts: tuple[str, ...], scores: tuple[float, ...]) -> tuple[float, float]:
    """Width of the pieces without text or with little, and of all; corners are (n, 4, 2), in px."""
    sides = np.linalg.norm(corners[:, [1, 3]] - corners[:, [0, 0]], axis=2)
    widths = sides.max(1) / np.maximum(sides.min(1), 1.0)
    lengths = np.array([len("".join(text.split())) for text in texts], float)
    little = (np.asarray(scores, float) < SURE) | ((widths > LONG) & (lengths < LEAST_TEXT * widths))
    return float(widths[little].sum()), float(widths.sum())
