"""Tick boxes drawn on a page: where they are, and whether there is a mark in them.

A recogniser of text drops such boxes or takes them for letters. They are found by their four straight sides, and those
that a tick crosses by their likeness to the others; then they are taken out of the picture before the text is read.
"""

import dataclasses

import cv2
import numpy as np

EMPTY, TICKED = "☐", "☑"
SHORTEST, LONGER = 0.0032, 1.9  # of the page's longer side: strokes of that length are searched for, then longer ones
SIDES = 1.3, 3  # of the length of a stroke: boxes whose sides it finds
SMALL_PAGE, TINY = 1600, 700  # px: a page whose longer side is less is looked at twice as large, or four times
LEAST = 7  # px: a smaller box is a letter or a dot
ASPECT = 1.35  # of a box's longer side over its shorter one, at most
COVERED = 0.85  # of each side that a stroke runs along, at least
BAND = 0.1  # of a box's side: how far its strokes may stray from a straight line
COARSE, CORNER = 26, 0.12  # px, and of a side: from so large a box on, ink is so near to a corner; letters are round
LARGE = 64  # px: so large a box may be on a small page too
SMALLEST, LARGEST = 0.0066, 0.035  # of the page's longer side: the sizes that a box has
BESIDE = 0.25  # of a box's side: so near on both sides are letters, and never both labels
MARKED = 0.07  # of the inside that is ink from which on a box is ticked; a tick covers some 15 %
ALIKE = 3  # boxes of a size make known what a page's boxes look like; on a tiny page one does
SOLID = 0.9  # of a square that is ink: a mark without a box
OUTLINE = 0.87  # of the sides of a known box that are straight strokes where there is another one of its kind,
WEAKEST = 0.7  # and of its least seen side
CLEAR = 0.25  # of that paper on which there may be ink
APART = 0.5  # of a wider outline that is ink at most: else it is a dark area
FAR = 15  # sides: one of a kind is no further away in that row or column
DRIFT = 0.012  # by which a row or column of a photograph may slope
ALIGNED = 0.4  # of a side by which a box's centre may miss the row or column of one of its kind

Square = tuple[int, int, int, int]  # left, top, right, bottom in px


@dataclasses.dataclass(frozen=True)
class TickBox:
    """A box, whether it is ticked, and how clear that is, 0.5 to 1.

    `apart` says that what is in it touches none of its sides: a tick, or a figure in a frame.
    """

    box: Square
    ticked: bool
    confidence: float
    apart: bool = False

    def inside(self, pixels: np.ndarray) -> np.ndarray:
        """The part of the page that shows the mark, with the box where it touches it."""
        left, top, right, bottom = self.box
        margin = (right - left) // 8 if self.apart else -2
        return pixels[max(0, top + margin) : bottom - margin, max(0, left + margin) : right - margin]

    @property
    def sign(self) -> str:
        return TICKED if self.ticked else EMPTY


def find(pixels: np.ndarray) -> list[TickBox]:
    """The tick boxes of a (height, width, 3) page, upright or not, in no order."""
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    scale = 4 if max(grey.shape) < TINY else 2 if max(grey.shape) < SMALL_PAGE else 1
    if scale > 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    ink = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 41, 18)
    squares: list[Square] = []
    least = LEAST * scale
    for run in _runs(max(ink.shape), least):
        squares += [square for square in _squares(ink, run, least) if not _overlaps(square, squares)]
    size = _usual_size(squares, ALIKE if scale < 4 else 1)
    if size is None:
        squares = [square for square in squares if square[2] - square[0] >= COARSE]
    else:
        squares = [s for s in squares if 0.8 < (s[2] - s[0]) / size[0] < 1.25 or _share(ink, s) > SOLID]
        squares += _alike(ink, squares, *size)
    return [_judged(ink, square, scale) for square in squares]


def _runs(longest: int, least: int) -> list[int]:
    """The lengths of stroke, in px, that find boxes of all sizes from `least` px on."""
    runs = [round(max(SHORTEST * longest, least / SIDES[1]))]
    while SIDES[1] * runs[-1] < max(LARGEST * longest, LARGE):
        runs.append(round(LONGER * runs[-1]))
    return runs


def erased(pixels: np.ndarray, boxes: list[TickBox]) -> np.ndarray:
    """The page without its tick boxes: paper is where they were."""
    if not boxes:
        return pixels
    clean = pixels.copy()
    for tick in boxes:
        left, top, right, bottom = tick.box
        margin = 2 + (right - left) // 10
        y, x = slice(max(0, top - margin), bottom + margin), slice(max(0, left - margin), right + margin)
        clean[y, x] = np.percentile(clean[y, x].reshape(-1, 3), 90, axis=0)
    return clean


def _squares(ink: np.ndarray, run: int, least: float) -> list[Square]:
    """Near squares with sides of at least `least` px that straight strokes of at least `run` px enclose."""
    across, down = _strokes(ink, run)
    strokes = cv2.dilate(across | down, np.ones((3, 3), np.uint8))  # corners of thin strokes meet
    _, _, stats, _ = cv2.connectedComponentsWithStats(strokes, connectivity=8)
    left, top, width, height = (stats[1:, :4] + (1, 1, -2, -2)).T
    short, long = np.minimum(width, height), np.maximum(width, height)
    largest = np.minimum(max(LARGEST * max(ink.shape), LARGE), ASPECT * short)
    least = max(SIDES[0] * run, SMALLEST * max(ink.shape), least)
    fits = np.flatnonzero((short >= least) & (short <= SIDES[1] * run) & (long <= largest))
    squares = [tuple(int(n) for n in (left[i], top[i], left[i] + width[i], top[i] + height[i])) for i in fits]
    squares = [square for square in squares if min(_sides(across, down, square, BAND)) >= COVERED]
    return [square for square in squares if _cornered(ink, square) and _stands_alone(ink, square)]


def _strokes(ink: np.ndarray, run: int) -> tuple[np.ndarray, np.ndarray]:
    """The ink that lies in strokes of at least `run` px across, and down."""
    across = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, run), np.uint8))
    return across, cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((run, 1), np.uint8))


def _sides(across: np.ndarray, down: np.ndarray, square: Square, stray: float) -> list[float]:
    """The share of each of the four sides that a stroke runs along, `stray` of a side's length away at most."""
    left, top, right, bottom = square
    band = max(2, round(stray * min(right - left, bottom - top)))
    rows, columns = across[top:bottom, left:right] > 0, down[top:bottom, left:right] > 0
    sides = rows[:band].any(0), rows[-band:].any(0), columns[:, :band].any(1), columns[:, -band:].any(1)
    return [float(side.mean()) for side in sides]


def _cornered(ink: np.ndarray, square: Square) -> bool:
    """Whether there is ink at each of the four corners; those of small boxes are too coarse to say."""
    left, top, right, bottom = square
    side = min(right - left, bottom - top)
    if side < COARSE:
        return True
    near = round(CORNER * side)
    reach = np.add.outer(np.arange(near + 1) ** 2, np.arange(near + 1) ** 2) <= near**2
    inside = ink[top:bottom, left:right] > 0
    turned = (inside, inside[::-1], inside[:, ::-1], inside[::-1, ::-1])
    return all((corner[: near + 1, : near + 1] & reach).any() for corner in turned)


def _overlaps(square: Square, others: list[Square]) -> bool:
    """Whether a square is one of the others, found by another length of stroke, or lies in one."""
    return any(
        min(square[2], b[2]) > max(square[0], b[0]) and min(square[3], b[3]) > max(square[1], b[1]) for b in others
    )


def _usual_size(squares: list[Square], least: int) -> tuple[int, int] | None:
    """Width and height of most boxes, where `least` are of a size: letters that look like boxes are of others."""
    sizes = [(right - left, bottom - top) for left, top, right, bottom in squares]
    alike = max(([o for o in sizes if 0.87 < o[0] / size[0] < 1.15] for size in sizes), key=len, default=[])
    return tuple(int(n) for n in np.median(alike, axis=0)) if len(alike) >= least else None


def _share(ink: np.ndarray, square: Square) -> float:
    """The share of a square that is ink."""
    left, top, right, bottom = square
    return float((ink[top:bottom, left:right] > 0).mean())


def _alike(ink: np.ndarray, squares: list[Square], width: int, height: int) -> list[Square]:
    """Further boxes of a size, in a row or a column with one that is known, though a tick crosses their sides."""
    across, down = _strokes(ink, min(width, height) // 2)
    thick = 3 + 2 * (width // 24)
    near = [cv2.dilate(way, np.ones((thick, thick), np.uint8)) // 255 for way in (across, down)]
    share = sum(_matched(way, width, height, turned) for way, turned in zip(near, (False, True), strict=True))
    best = (share >= OUTLINE) & (share == cv2.dilate(share, np.ones((height // 2, width // 2), np.uint8)))
    alike: list[Square] = []
    for top, left in sorted(np.argwhere(best).tolist(), key=lambda at: -share[tuple(at)]):
        square = (left, top, left + width, top + height)
        if _in_line(square, squares) and not _overlaps(square, squares + alike):
            seen = min(_sides(*near, square, 2 * BAND)) >= WEAKEST
            if seen and _cornered(ink, square) and _stands_alone(ink, square):
                alike.append(square)
    return alike


def _matched(strokes: np.ndarray, width: int, height: int, upright: bool) -> np.ndarray:
    """For each place (rows, columns) half the share of two opposite sides of a box that are strokes."""
    sides = np.zeros((height, width), np.float32)
    if upright:
        sides[:, [1, -2]] = 1
    else:
        sides[[1, -2]] = 1
    return cv2.matchTemplate(strokes.astype(np.float32), sides, cv2.TM_CCORR) / sides.sum() / 2


def _in_line(square: Square, others: list[Square]) -> bool:
    """Whether the square is in a row or a column with one of the others; a photograph's columns drift."""
    width = square[2] - square[0]
    for other in others:
        across, down = abs(square[0] - other[0]), abs(square[1] - other[1])
        short, long = min(across, down), max(across, down)
        if long < FAR * width and short < ALIGNED * width + min(DRIFT * long, width / 4):
            return True
    return False


def _stands_alone(ink: np.ndarray, square: Square) -> bool:
    """Whether there is paper left or right of a box, and no dark area around it."""
    left, top, right, bottom = square
    gap, away = max(3, round(BESIDE * (right - left))), max(4, (right - left) // 3)
    sides = ink[top:bottom, max(0, left - gap) : max(0, left - 1)], ink[top:bottom, right + 1 : right + gap]
    if min(float((side > 0).any(1).mean()) for side in sides) > CLEAR:
        return False
    around = ink[max(0, top - away) : bottom + away + 1, max(0, left - away) : right + away + 1] > 0
    return float(np.concatenate([around[0], around[-1], around[:, 0], around[:, -1]]).mean()) <= APART


def _judged(ink: np.ndarray, square: Square, scale: int) -> TickBox:
    left, top, right, bottom = square
    inside = ink[top:bottom, left:right] > 0
    edge = _stroke(inside) + 1
    inner = inside[edge:-edge, edge:-edge]
    share = float(inner.mean()) if inner.size else 1.0
    confidence = 0.5 + min(abs(share - MARKED) / MARKED, 1.0) / 2
    rim = np.concatenate([inner[0], inner[-1], inner[:, 0], inner[:, -1]]) if inner.size else np.ones(1)
    box = tuple(round(at / scale) for at in square)
    return TickBox(box, share >= MARKED, round(confidence, 4), rim.mean() < 0.15)


def _stroke(inside: np.ndarray) -> int:
    """How thick the box's strokes are, in px: the rows and columns from each side that are mostly ink."""
    half = max(1, min(inside.shape) // 4)
    return max(
        next((depth for depth in range(half) if lines[depth:half].mean(1).max() < 0.5), half)
        for lines in (inside, inside[::-1], inside.T, inside.T[::-1])
    )
