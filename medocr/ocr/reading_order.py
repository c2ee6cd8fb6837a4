"""Text boxes to text: rows from top to bottom, cells from left to right, columns of prose one after the other."""

import dataclasses
import statistics
from collections.abc import Sequence

import numpy as np

SAME_ROW = 0.55  # two boxes are in one row when their centres are nearer than this share of the lower box's height
OVER = 0.4  # boxes that share more than this part of the narrower one's width are above each other, not side by side
ODD_SLOPE = 0.25  # lines this much steeper than most are no lines of the page (vertical headings, stamps)
FITTED = 8  # lines that are needed to say how the slope changes over the page
PROSE_ROWS = 4  # a column of prose has at least this many lines,
PROSE_FILL = 0.7  # whose median fills this share of the column's width,
PROSE_WIDTH = 0.25  # is at least this share of the page's text wide,
PROSE_WORDS = 3  # and has as many words: a column of prices belongs to the rows of what is priced


@dataclasses.dataclass(frozen=True)
class Box:
    """A piece of text and where it is, in px, with the slope of its line undone."""

    index: int  # in the lists that were given
    text: str
    left: float
    right: float
    y: float  # of the centre
    height: float


def rows(corners: np.ndarray, texts: Sequence[str]) -> list[list[int]]:
    """The page's rows from top to bottom, each as the indices of its boxes from left to right.

    `corners` is (boxes, 4, 2) in px, each box from its upper left corner clockwise. Boxes without text are left out.
    """
    if not any(text.strip() for text in texts):
        return []
    return [[box.index for box in row] for row in _read(_level(np.asarray(corners, float), texts))]


def _level(corners: np.ndarray, texts: Sequence[str]) -> list[Box]:
    """Undo the slope of the lines, which a photograph from the side makes different at top and bottom."""
    edges = (corners[:, 1] + corners[:, 2] - corners[:, 0] - corners[:, 3]) / 2
    heights = np.linalg.norm(corners[:, 3] - corners[:, 0], axis=1)
    centres = corners.mean(axis=1)
    x, y = centres.T
    middle = (x.min() + x.max()) / 2
    constant, down, right = _slope(edges, heights, centres - (middle, 0))
    distance = x - middle
    level = y - (constant + down * y) * distance - right * distance**2 / 2
    return [
        Box(i, text.strip(), float(c[:, 0].min()), float(c[:, 0].max()), float(level[i]), max(float(heights[i]), 1.0))
        for i, (text, c) in enumerate(zip(texts, corners, strict=True))
        if text.strip()
    ]


def _slope(edges: np.ndarray, heights: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Slope of the lines as constant + per px downwards + per px rightwards, fitted to the longer boxes."""
    long = (edges[:, 0] > 0) & (np.hypot(*edges.T) > 3 * heights)
    if not long.any():
        return np.zeros(3)
    slopes, weights, (x, y) = edges[long, 1] / edges[long, 0], edges[long, 0], centres[long].T
    median = float(np.median(slopes))
    near = np.abs(slopes - median) < ODD_SLOPE
    if near.sum() < FITTED:
        return np.array([median, 0.0, 0.0])
    columns = np.stack([np.ones_like(x), y, x], axis=1)[near]
    root = np.sqrt(weights[near])
    return np.linalg.lstsq(columns * root[:, None], slopes[near] * root, rcond=None)[0]


def _read(boxes: list[Box]) -> list[list[Box]]:
    """Rows of the page; a block of two columns of prose is read column by column."""
    rows = _rows(boxes)
    found = _prose(rows)
    if not found:
        return rows
    first, last, gutter = found
    block = [box for row in rows[first:last] for box in row]
    left, right = ([b for b in block if (b.right <= gutter) == side] for side in (True, False))
    above, below = ([b for row in part for b in row] for part in (rows[:first], rows[last:]))
    return [row for part in (above, left, right, below) if part for row in _read(part)]


def _rows(boxes: list[Box]) -> list[list[Box]]:
    """Put each box into the row whose nearest box is level with it, or start a new row."""
    rows: list[list[Box]] = []
    for box in sorted(boxes, key=lambda b: b.y):
        best = min((row for row in rows[-12:] if _fits(box, row)), key=lambda row: _offset(box, row), default=None)
        if best is None:
            rows.append([box])
        else:
            best.append(box)
    rows.sort(key=lambda row: statistics.fmean(b.y for b in row))
    return [sorted(row, key=lambda b: b.left) for row in rows]


def _fits(box: Box, row: list[Box]) -> bool:
    return _offset(box, row) < SAME_ROW and not any(_overlap(box, other) > OVER for other in row)


def _offset(box: Box, row: list[Box]) -> float:
    """How far `box` is above or below its nearest neighbour in the row, in heights of the lower of both."""
    near = min(row, key=lambda other: max(other.left - box.right, box.left - other.right))
    return abs(near.y - box.y) / min(near.height, box.height)


def _overlap(a: Box, b: Box) -> float:
    shared = min(a.right, b.right) - max(a.left, b.left)
    return shared / max(min(a.right - a.left, b.right - b.left), 1.0)


def _prose(rows: list[list[Box]]) -> tuple[int, int, float] | None:
    """Find the longest run of rows that a gutter divides into two columns of prose: first, behind last, x."""
    page = [box for row in rows for box in row]
    left, right = min(b.left for b in page), max(b.right for b in page)
    best = None
    for gutter in np.linspace(left, right, 41)[8:-8]:
        clear = [all(b.right <= gutter or b.left >= gutter for b in row) for row in rows]
        for first, last in _runs(clear):
            if best and last - first <= best[1] - best[0]:
                continue
            sides = [[b for row in rows[first:last] for b in row if (b.right <= gutter) == s] for s in (True, False)]
            if all(_is_prose(side, right - left) for side in sides):
                best = first, last, float(gutter)
    return best


def _runs(flags: list[bool]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff([0, *map(int, flags), 0]))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= PROSE_ROWS]


def _is_prose(side: list[Box], page_width: float) -> bool:
    if len(side) < PROSE_ROWS:
        return False
    width = max(b.right for b in side) - min(b.left for b in side)
    fill = statistics.median(b.right - b.left for b in side) / max(width, 1.0)
    words = statistics.median(len(b.text.split()) for b in side)
    return width >= PROSE_WIDTH * page_width and fill >= PROSE_FILL and words >= PROSE_WORDS
