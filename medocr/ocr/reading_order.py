"""Text boxes to text: rows from top to bottom, cells from left to right, columns of prose one after the other."""

import dataclasses
import math
import re
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
TABLE_ROWS = 3  # rows of at least as many cells, one of them with a digit, make a table
ALIGNED = 0.8  # cells begin in one column when their left edges are so near, in heights of a line
CLOSER = 0.75  # the next line of a cell is nearer to its row than this share of the way to the next row
CENTRED = 1.1  # heights: so near are the two lines of a name above and below the values that stand between them
OPENS = re.compile(r"[a-z]{3}|[(\[/+&]")  # how a name goes on


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
    prose = _prose(rows)
    if not prose:
        return _unwrapped(rows)
    first, last, gutter = prose
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
    return [sorted(row, key=lambda b: b.left) for row in sorted(rows, key=_height)]


def _unwrapped(rows: list[list[Box]]) -> list[list[Box]]:
    """The rows with the further lines of a table's cells put behind the first, so that a row is a line again."""
    whole = [i for i, row in enumerate(rows) if _is_table_row(row)]
    if len(whole) < TABLE_ROWS:
        return rows
    names = [rows[i][0].left for i in whole]
    joined: dict[int, list[int]] = {}
    taken: set[int] = set()
    for i in range(whole[0], min(whole[-1] + 2, len(rows))):
        lines = [n for n in (i - 1, i + 1) if 0 <= n < len(rows) and n not in taken]
        if _is_table_row(rows[i], least=2) and len(lines) == 2 and _between(rows[i], *(rows[n] for n in lines), names):
            joined[i] = lines
        elif _is_table_row(rows[i], least=2) and i not in taken and i + 1 in lines and _goes_on(rows, i):
            joined[i] = [i + 1]
        taken.update(joined.get(i, ()))
    return [_one_row(row, [rows[n] for n in joined.get(i, ())]) for i, row in enumerate(rows) if i not in taken]


def _is_table_row(row: list[Box], least: int = TABLE_ROWS) -> bool:
    return len(row) >= least and any(any(map(str.isdigit, box.text)) for box in row[1:])


def _between(row: list[Box], above: list[Box], below: list[Box], names: list[float]) -> bool:
    """Whether a row is the values alone, with the two lines of their name above and below.

    `names` are the left edges of the table's rows, some of which begin with their names.
    """
    height, left = row[0].height, above[0].left
    if len(above) != 1 or len(below) != 1 or not any(abs(name - left) < ALIGNED * height for name in names):
        return False
    return all(
        abs(line.y - row[0].y) < CENTRED * height
        and abs(line.left - left) < ALIGNED * height
        and line.right <= row[0].left
        for line in (above[0], below[0])
    )


def _goes_on(rows: list[list[Box]], i: int) -> bool:
    """Whether the row below `i` is the next line of some of its cells: nearer to it than to what follows.

    A remark on a result runs on under the next cell, and a heading ends with a colon.
    """
    row, line = rows[i], rows[i + 1]
    ends = [*(cell.left for cell in row[1:]), math.inf]
    cells = [
        any(
            abs(cell.left - box.left) < ALIGNED * box.height and box.right <= end
            for cell, end in zip(row, ends, strict=True)
        )
        for box in line
    ]
    if len(line) >= len(row) or not all(cells) or line[0].text.endswith(":"):
        return False
    before, after = _height(line) - _height(row), _height(rows[i + 2]) - _height(line) if i + 2 < len(rows) else 0.0
    share = 1.1 if OPENS.match(line[0].text) else CLOSER
    return before < 2 * row[0].height and before < share * (after or before)


def _height(row: list[Box]) -> float:
    return statistics.fmean(box.y for box in row)


def _one_row(row: list[Box], lines: list[list[Box]]) -> list[Box]:
    """A row with further lines of its cells, cell by cell, each cell from top to bottom."""
    if not lines:
        return row
    boxes = sorted([*row, *(box for line in lines for box in line)], key=lambda box: box.left)
    cells: list[list[Box]] = []
    for box in boxes:
        if cells and box.left - cells[-1][0].left < ALIGNED * box.height:
            cells[-1].append(box)
        else:
            cells.append([box])
    return [box for cell in cells for box in sorted(cell, key=lambda box: box.y)]


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
