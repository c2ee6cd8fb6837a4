"""Lines that a pen has struck out or a stamp lies over, and through which the recogniser reads all too surely."""

from collections.abc import Sequence

import cv2
import numpy as np

STRUCK, STAMPED = "struck out", "stamped over"
CEILING = {STRUCK: 0.3, STAMPED: 0.5}  # of such a line's confidence
BAND = (0.3, 0.7)  # of a box's height: a rule under a line, or one of a table, lies outside
RUN = 2.5  # heights: no letter or dash has a stroke so long
ACROSS = 0.6  # share of a box's width that strokes cross
DARK = 90  # a stroke's grey is so far under its paper's
COLOURED = 70  # largest less smallest of red, green and blue, of ink that is no grey
BRIGHT = 180  # grey from which on colour is a highlighter's
FILLED = 0.45  # share of a box's area
LEAST = 14  # px: what lies over lower lines cannot be told from their letters
FINE = 24  # px: in lower lines letters touch each other, so that only a level stroke tells
PART = 0.15  # share of the ink that either colour has: print in red alone is no stamp
OVER = 0.25  # share of the coloured columns in which there is other ink, too


def find(pixels: np.ndarray, corners: Sequence[np.ndarray], texts: Sequence[str]) -> list[str]:
    """STRUCK, STAMPED or "" for each box, corners (4, 2) in px, of an upright (height, width, 3) RGB page."""
    return [_mark(pixels, box, text) for box, text in zip(corners, texts, strict=True)]


def _mark(pixels: np.ndarray, corners: np.ndarray, text: str) -> str:
    (left, top), (right, bottom) = np.maximum(corners.min(0).round().astype(int), 0), corners.max(0).round().astype(int)
    crop = pixels[top:bottom, left:right]
    height, width = crop.shape[:2]
    if sum(map(str.isalnum, text)) < 2 or height < LEAST or width < RUN * height:
        return ""
    grey = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY)
    ink = grey < float(np.percentile(grey, 90)) - DARK
    if ink.mean() > FILLED:  # light print on a dark ground
        return ""
    if _crossed(ink) >= ACROSS:
        return STRUCK
    colours = crop.max(2).astype(int) - crop.min(2)
    coloured = ((colours > COLOURED) & (grey < BRIGHT)).astype(np.uint8)
    # opened, it holds no fringe of a screen's letter
    coloured = cv2.morphologyEx(coloured, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
    neutral = ink & (colours <= COLOURED // 2)
    total, across = max(1, int((ink | coloured).sum())), coloured.any(0)
    over = neutral[:, across].any(0).mean() if across.any() else 0.0  # words of two colours stand side by side
    return STAMPED if min(coloured.sum(), neutral.sum()) / total >= PART and over >= OVER else ""


def _crossed(ink: np.ndarray) -> float:
    """The share of columns in which a long stroke crosses the middle of the box; a pen's may slope a little."""
    height, width = ink.shape
    band = ink[int(BAND[0] * height) : int(BAND[1] * height) + 1].astype(np.uint8)
    thick = cv2.dilate(band, np.ones((3, 1), np.uint8)) if height >= FINE else band
    run = np.ones((1, min(width, round(RUN * height))), np.uint8)
    return float(cv2.morphologyEx(thick, cv2.MORPH_OPEN, run).any(0).mean())
