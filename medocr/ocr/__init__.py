"""RapidOCR on one page: text boxes, which way up the page is, and its text in reading order.

PP-OCRv6 out of RapidOCR's wheel, on the CPU, with no download and no network.
"""

import dataclasses
import functools
import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..storage import file_hash
from . import overprint, reading_order, tick_boxes
from .tick_boxes import TickBox

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Line", "PageText", "check_installed", "fingerprint", "read", "upright"]

RULES = 9  # of the settings in this folder and the rules in reading_order: a new number makes stored answers stale
SMALL = 600  # px: a page whose shorter side is less is searched for text at about its own size
LONGEST = 2000  # px: RapidOCR shrinks a longer side to this, and small print on a long receipt with it
PIECE = 1760  # px: what longer pages are cut into, on a row without print in the last fifth of the piece
LONG = 2.2  # height over width beyond which a page is cut instead of shrunk
DOUBTFUL = 0.78  # mean score of a page under which it may stand on its head
BETTER = 0.05  # by how much the turned page must then score better
LETTERS, LETTER = 0.5, 0.75  # score from which on what looked like a ticked box is two letters, or one
TICKS = "xXvVyY"  # letters that a tick is read as
CHINESE = 0.2  # share of a page's characters from which on its square characters are no boxes
HAN = re.compile("[\u4e00-\u9fff]")
FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # ！ to ～ beside ! to ~
LIKENESSES = str.maketrans({"口": "☐", "□": "☐", "\u03bc": "\u00b5"}) | FULL_WIDTH  # and µ, Greek, the unit's sign


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a page: its text, its box (left, top, right, bottom in px of the upright page) and confidence.

    `mark` says where the line, or a part of it, is struck out or stamped over (`overprint`), which its confidence has
    a ceiling for.
    """

    text: str
    box: tuple[int, int, int, int]
    confidence: float
    mark: str = ""


@dataclasses.dataclass(frozen=True)
class PageText:
    """What was read on a page. `turn` is by how many degrees clockwise it was turned to stand upright.

    `unread` is the share of the print, by its width, of which no text or hardly any came: handwriting, or a script that
    the recogniser does not know. `confidence` is the mean over the characters times the share that was read, and
    `lowest` that of the least certain piece of text, both from 0 to 1; None where nothing was read. `sure` is the
    probability of each character of the text; a space's is one.
    """

    lines: list[Line]
    turn: int = 0
    confidence: float | None = None
    lowest: float | None = None
    unread: float = 0.0
    sure: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


@dataclasses.dataclass(frozen=True)
class Piece:
    """A piece of text: corners (4, 2) in px, its score, and the probabilities of its characters without the spaces."""

    corners: np.ndarray
    text: str
    score: float
    sure: list[float]
    mark: str = ""  # of `overprint`, once looked for


def check_installed(language: str = "") -> None:
    """Raise ValueError where RapidOCR lacks a model that it would download: its own, or a language's."""
    from .engine import recogniser

    recogniser(language)


def fingerprint(language: str) -> str:
    """What tells a recogniser from others: its language, or its file's hash. Raises ValueError without the file."""
    if not language.endswith(".onnx"):
        return language
    check_installed(language)
    return file_hash(language)


def read(page: Image.Image, language: str = "") -> PageText:
    """Read an RGB page, turned upright first where it lies on its side or stands on its head.

    `language` is one of RapidOCR's, or the path of a recogniser's `.onnx` file (`engine.recogniser`).
    """
    pixels = np.asarray(page)
    pieces, unread, turn = _read_upright(pixels, language)
    if not pieces:
        return PageText([], turn, unread=unread)
    marks = overprint.find(np.rot90(pixels, -turn // 90), [p.corners for p in pieces], [p.text for p in pieces])
    pieces = [
        dataclasses.replace(piece, score=min(piece.score, overprint.CEILING.get(mark, 1.0)), mark=mark)
        for piece, mark in zip(pieces, marks, strict=True)
    ]
    order = reading_order.rows(np.stack([piece.corners for piece in pieces]), [piece.text for piece in pieces])
    rows = [[pieces[i] for i in row] for row in order]
    lines, lowest = [_line(row) for row in rows], min(piece.score for piece in pieces)
    signs = itertools.chain.from_iterable(piece.sure for row in rows for piece in row)
    sure = tuple(1.0 if sign.isspace() else next(signs) for sign in "\n".join(line.text for line in lines))
    return PageText(lines, turn, _score(pieces) * (1 - unread), lowest, round(unread, 4), sure)


def upright(page: Image.Image) -> tuple[Image.Image, int]:
    """The page as it is to be read, and by how many degrees clockwise it was turned for that."""
    turn = _read_upright(np.asarray(page))[2]
    return (page.rotate(-turn, expand=True) if turn else page), turn


def _read_upright(pixels: np.ndarray, language: str = "") -> tuple[list[Piece], float, int]:
    """The pieces of the page as it is to be read, the share of its print that was not read, and the turn.

    The shapes of what is found tell a page that lies on its side, before it is read; a few pieces, read both ways,
    tell to which side, and whether a page that reads badly stands on its head.
    """
    from .engine import LyingOnItsSide

    try:
        pieces, unread = _recognise(pixels, language, upright_only=True)
    except LyingOnItsSide as lying:
        return *_recognise(np.rot90(pixels, -lying.turn // 90), language), lying.turn
    if pieces and _score(pieces) < DOUBTFUL and _on_its_head(pieces, pixels, language):
        return *_recognise(np.rot90(pixels, 2), language), 180
    return pieces, unread, 0


def _score(pieces: Sequence[Piece]) -> float:
    """The mean score of the pieces' characters."""
    return float(np.average([piece.score for piece in pieces], weights=[len(piece.text) for piece in pieces]))


def _on_its_head(pieces: list[Piece], pixels: np.ndarray, language: str) -> bool:
    """Whether a few of the pieces read better upside down."""
    from .engine import SAMPLE

    longest, overhead = sorted(pieces, key=lambda piece: -len(piece.text))[:SAMPLE], []
    for piece in longest:
        (left, top), (right, bottom) = piece.corners.min(0).astype(int), piece.corners.max(0).astype(int)
        overhead.append(np.rot90(pixels[max(top, 0) : bottom + 1, max(left, 0) : right + 1, ::-1], 2))
    as_given = np.mean([piece.score for piece in longest])
    return _engine(True, language).scores(overhead).mean() > as_given + BETTER


def _line(row: list[Piece]) -> Line:
    corners = np.concatenate([piece.corners for piece in row])
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    mark = next((piece.mark for piece in row if piece.mark), "")
    score = min(_score(row), overprint.CEILING.get(mark, 1.0))
    text = " ".join(piece.text.strip() for piece in row)
    return Line(text, (round(left), round(top), round(right), round(bottom)), round(score, 4), mark)


def _recognise(pixels: np.ndarray, language: str, upright_only: bool = False) -> tuple[list[Piece], float]:
    """Search and read a (height, width, 3) RGB page, and put its tick boxes where they are.

    With `upright_only`, raises LyingOnItsSide where its lines run upwards or downwards.
    """
    ticks = [tick for tick in tick_boxes.find(pixels) if not (tick.ticked and _is_letter(tick.inside(pixels)))]
    pieces, unread = _read_pieces(tick_boxes.erased(pixels, ticks), language, upright_only)
    text = "".join(piece.text for piece in pieces)
    if ticks and len(HAN.findall(text)) > CHINESE * len(text):
        return _read_pieces(pixels, language)
    return _with_ticks(pieces, ticks), unread


def _is_letter(mark: np.ndarray) -> bool:
    """Whether what stands in a square reads as a letter or digit rather than as a tick."""
    text, score = _engine(True, "").read_line(mark)
    if not text.isascii() or not text.isalnum() or text in TICKS:
        return False
    return score >= (LETTER if len(text) == 1 else LETTERS)


def _with_ticks(pieces: list[Piece], ticks: list[TickBox]) -> list[Piece]:
    """The pieces of text with a sign for each tick box; a piece that goes on behind a box is parted there."""
    for tick in ticks:
        left, top, right, bottom = tick.box
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
        pieces = [part for piece in pieces for part in _parted(piece, tick.box)]
        pieces.append(Piece(corners, tick.sign, tick.confidence, [tick.confidence]))
    return pieces


def _parted(piece: Piece, box: tuple[int, int, int, int]) -> list[Piece]:
    """A piece of text, or what stands before and behind a box in it, parted at the space nearest to the box."""
    text, (left, top), (right, bottom) = piece.text, piece.corners.min(0), piece.corners.max(0)
    spaces = [match.start() for match in re.finditer(" ", text)]
    if not spaces or not (top < (box[1] + box[3]) / 2 < bottom and left + 4 < box[0] and box[2] < right - 4):
        return [piece]
    inked = (right - left) - (box[2] - box[0])
    cut = min(spaces, key=lambda at: abs(at / len(text) - (box[0] - left) / inked))
    before, behind = piece.corners.copy(), piece.corners.copy()
    before[1:3, 0], behind[[0, 3], 0] = box[0], box[2]
    signs = cut - text[:cut].count(" ")
    parts = (before, text[:cut], piece.sure[:signs]), (behind, text[cut + 1 :], piece.sure[signs:])
    return [Piece(corners, part, piece.score, sure) for corners, part, sure in parts]


def _read_pieces(pixels: np.ndarray, language: str, upright_only: bool = False) -> tuple[list[Piece], float]:
    """Search and read a page at the resolution that suits its size."""
    pieces, printed = [], []
    for top, part in _parts(pixels):
        found, widths = _engine(min(part.shape[:2]) < SMALL, language).read(part, upright_only)
        printed.append(widths)
        for corners, text, score, signs in found:
            signs = signs if len(signs) == len(text) else [score] * len(text)
            sure = [probability for sign, probability in zip(text, signs, strict=True) if not sign.isspace()]
            pieces.append(Piece(corners + np.array([0.0, top]), _tidy(text), score, sure))
    unread, width = np.sum(printed, axis=0)
    return pieces, float(unread / width) if width else 0.0


def _parts(pixels: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """A page, or the parts of a long one from top to bottom, each with the row that it begins at."""
    height, width = pixels.shape[:2]
    if height <= LONGEST or height <= LONG * width:
        return [(0, pixels)]
    ink = _ink(pixels)
    tops = [0]
    while height - tops[-1] > PIECE:
        first = tops[-1] + PIECE * 4 // 5
        tops.append(first + int(np.argmin(ink[first : tops[-1] + PIECE])))
    return [(top, pixels[top:bottom]) for top, bottom in zip(tops, [*tops[1:], height], strict=True)]


def _ink(pixels: np.ndarray) -> np.ndarray:
    """For each row how much its darkest tenth is darker than the page's paper, smoothed over a few rows."""
    grey = pixels.min(2)
    paper = np.median(grey[:, :: max(1, grey.shape[1] // 200)])
    dark = np.maximum(0.0, paper - np.percentile(grey, 5, axis=1))
    return np.convolve(dark, np.ones(7), mode="same")


def _tidy(piece: str) -> str:
    """One spelling for signs that look the same; the recogniser takes some for their Chinese likeness."""
    if HAN.search(piece.replace("口", "")):
        return piece
    return " ".join(piece.translate(LIKENESSES).split())


@functools.cache
def _engine(small: bool, language: str) -> "Engine":
    from .engine import Engine  # which takes seconds to import

    return Engine(small, language)
