"""RapidOCR on one page: text boxes, which way up the page is, and its text in reading order.

PP-OCRv6 out of RapidOCR's wheel, on the CPU, with no download and no network.
"""

import dataclasses
import functools
import itertools
import re

import numpy as np
from PIL import Image

from ..storage import file_hash
from . import overprint, reading_order, tick_boxes
from .tick_boxes import TickBox
from .turn import SAMPLE, LyingOnItsSide

__all__ = ["Line", "PageText", "check_installed", "fingerprint", "read", "upright"]

RULES = 9  # of the settings here and the rules in reading_order: a new number makes stored answers stale
SMALL = 600  # px: a page whose shorter side is less is searched for text at about its own size
# What the shorter side is enlarged to at least, in px, and how far a detected box is widened, small pages and others.
SEARCH = {True: (256, 1.8), False: (736, 1.6)}
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
class _Boxes:
    """The pieces of text on a page: corners (n, 4, 2) in px, texts, scores, and for each the probabilities of its
    characters without the spaces; and the share of the page's print that was not read."""

    corners: np.ndarray
    texts: list[str]
    scores: np.ndarray
    sure: list[list[float]]
    unread: float = 0.0
    marks: tuple[str, ...] = ()  # of `overprint`, once looked for

    @property
    def score(self) -> float:
        """The mean score of the page's characters; 0 where there are none."""
        lengths = [len(text) for text in self.texts]
        return float(np.average(self.scores, weights=lengths)) if sum(lengths) else 0.0


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
    boxes, turn = _read_upright(pixels, language)
    boxes = _marked(boxes, np.rot90(pixels, -turn // 90))
    rows = reading_order.rows(boxes.corners, boxes.texts)
    lines = [_line(boxes, row) for row in rows]
    if not lines:
        return PageText([], turn, unread=boxes.unread)
    read = 1 - boxes.unread
    page = PageText(lines, turn, boxes.score * read, float(boxes.scores.min()), round(boxes.unread, 4))
    characters = itertools.chain.from_iterable(boxes.sure[i] for row in rows for i in row)
    return dataclasses.replace(page, sure=tuple(1.0 if sign.isspace() else next(characters) for sign in page.text))


def upright(page: Image.Image) -> tuple[Image.Image, int]:
    """The page as it is to be read, and by how many degrees clockwise it was turned for that."""
    turn = _read_upright(np.asarray(page))[1]
    return (page.rotate(-turn, expand=True) if turn else page), turn


def _read_upright(pixels: np.ndarray, language: str = "") -> tuple[_Boxes, int]:
    """The boxes of the page as it is to be read, and the turn.

    The shapes of what is found tell a page that lies on its side, before it is read; a few pieces, read both ways,
    tell to which side, and whether a page that reads badly stands on its head.
    """
    try:
        as_given = _recognise(pixels, language, upright_only=True)
    except LyingOnItsSide as lying:
        return _recognise(np.rot90(pixels, -lying.turn // 90), language), lying.turn
    if len(as_given.texts) and as_given.score < DOUBTFUL and _on_its_head(as_given, pixels, language):
        return _recognise(np.rot90(pixels, 2), language), 180
    return as_given, 0


def _on_its_head(boxes: _Boxes, pixels: np.ndarray, language: str) -> bool:
    """Whether a few of the pieces read better upside down."""
    rows = sorted(range(len(boxes.texts)), key=lambda row: -len(boxes.texts[row]))[:SAMPLE]
    overhead = []
    for left, top, right, bottom in np.column_stack([boxes.corners.min(1), boxes.corners.max(1)])[rows].astype(int):
        overhead.append(np.rot90(pixels[max(top, 0) : bottom + 1, max(left, 0) : right + 1, ::-1], 2))
    return _engine(*SEARCH[True], language).scores(overhead).mean() > boxes.scores[rows].mean() + BETTER


def _marked(boxes: _Boxes, pixels: np.ndarray) -> _Boxes:
    """The boxes of an upright page with their marks, and the scores under the marks' ceilings."""
    marks = overprint.find(pixels, boxes.corners, boxes.texts)
    ceilings = np.array([overprint.CEILING.get(mark, 1.0) for mark in marks])
    return dataclasses.replace(boxes, scores=np.minimum(boxes.scores, ceilings), marks=tuple(marks))


def _line(boxes: _Boxes, row: list[int]) -> Line:
    corners = boxes.corners[row].reshape(-1, 2)
    low, high = corners.min(0), corners.max(0)
    weights = [len(boxes.texts[i]) for i in row]
    text = " ".join(boxes.texts[i].strip() for i in row)
    score = float(np.average(boxes.scores[row], weights=weights))
    mark = next((boxes.marks[i] for i in row if boxes.marks[i]), "")
    score = min(score, overprint.CEILING.get(mark, 1.0))
    return Line(text, (round(low[0]), round(low[1]), round(high[0]), round(high[1])), round(score, 4), mark)


def _recognise(pixels: np.ndarray, language: str, upright_only: bool = False) -> _Boxes:
    """Search and read a (height, width, 3) RGB page, and put its tick boxes where they are.

    With `upright_only`, raises LyingOnItsSide where its lines run upwards or downwards.
    """
    ticks = [tick for tick in tick_boxes.find(pixels) if not (tick.ticked and _is_letter(tick.inside(pixels)))]
    read = _read_pieces(tick_boxes.erased(pixels, ticks), language, upright_only)
    if ticks and len(HAN.findall("".join(read.texts))) > CHINESE * len("".join(read.texts)):
        return _read_pieces(pixels, language)
    return _with_ticks(read, ticks)


def _is_letter(mark: np.ndarray) -> bool:
    """Whether what stands in a square reads as a letter or digit rather than as a tick."""
    result = _engine(*SEARCH[True])(np.ascontiguousarray(mark[:, :, ::-1]), use_det=False, use_cls=False, use_rec=True)
    text, score = (result.txts[0], result.scores[0]) if result.txts else ("", 0.0)
    if not text.isascii() or not text.isalnum() or text in TICKS:
        return False
    return score >= (LETTER if len(text) == 1 else LETTERS)


def _with_ticks(read: _Boxes, ticks: list[TickBox]) -> _Boxes:
    """The pieces of text with a sign for each tick box; a piece that goes on behind a box is parted there."""
    pieces = list(zip(read.corners, read.texts, read.scores, read.sure, strict=True))
    for tick in ticks:
        left, top, right, bottom = tick.box
        pieces = [part for piece in pieces for part in _parted(piece, tick.box)]
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
        pieces.append((corners, tick.sign, tick.confidence, [tick.confidence]))
    if not pieces:
        return read
    corners, texts, scores, sure = zip(*pieces, strict=True)
    return _Boxes(np.stack(corners), list(texts), np.asarray(scores, float), list(sure), read.unread)


def _parted(piece: tuple, box: tuple[int, int, int, int]) -> list[tuple]:
    """A piece of text, or what stands before and behind a box in it, parted at the space nearest to the box."""
    corners, text, score, sure = piece
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    spaces = [match.start() for match in re.finditer(" ", text)]
    if not spaces or not (top < (box[1] + box[3]) / 2 < bottom and left + 4 < box[0] and box[2] < right - 4):
        return [piece]
    inked = (right - left) - (box[2] - box[0])
    cut = min(spaces, key=lambda at: abs(at / len(text) - (box[0] - left) / inked))
    before, behind = corners.copy(), corners.copy()
    before[1:3, 0], behind[[0, 3], 0] = box[0], box[2]
    signs = cut - text[:cut].count(" ")
    return [(before, text[:cut], score, sure[:signs]), (behind, text[cut + 1 :], score, sure[signs:])]


def _read_pieces(pixels: np.ndarray, language: str, upright_only: bool = False) -> _Boxes:
    """Search and read a page at the resolution that suits its size."""
    corners, texts, scores, sure, printed = [], [], [], [], []
    for top, piece in _pieces(pixels):
        engine = _engine(*SEARCH[min(piece.shape[:2]) < SMALL], language)
        bgr = np.ascontiguousarray(piece[:, :, ::-1])
        result = engine(bgr, use_det=True, use_rec=True, upright_only=upright_only)
        printed.append(engine.printed())
        if result.txts:
            corners.append(np.asarray(result.boxes, float) + np.array([0.0, top]))
            texts += [_tidy(text) for text in result.txts]
            scores += result.scores
            signs = (about.confs for about in result.word_results)
            sure += [_visible(*piece) for piece in zip(result.txts, result.scores, signs, strict=True)]
    unread, width = np.sum(printed, axis=0)
    share = float(unread / width) if width else 0.0
    if not texts:
        return _Boxes(np.empty((0, 4, 2)), [], np.empty(0), [], share)
    return _Boxes(np.concatenate(corners), texts, np.asarray(scores, float), sure, share)


def _visible(text: str, score: float, signs: list[float]) -> list[float]:
    """The probabilities of a piece's characters without its spaces; its score for each where there are not as many."""
    signs = signs if len(signs) == len(text) else [score] * len(text)
    return [probability for sign, probability in zip(text, signs, strict=True) if not sign.isspace()]


def _pieces(pixels: np.ndarray) -> list[tuple[int, np.ndarray]]:
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
def _engine(side: int, unclip: float, language: str = ""):
    """RapidOCR with one thread: two processes of one thread read more pages than one process of two.

    Each piece of text is recognised at its own width. The usual batches of six, padded to the widest and to
    320 px at least, take 1.5 times as long and read small pages less exactly.
    """
    from .engine import Engine, recogniser

    return Engine(
        params={
            "Global.log_level": "critical",
            "Global.return_word_box": True,  # it then gives the characters' probabilities
            "Global.use_cls": False,  # it turns upright lines and handwriting upside down more often than it helps
            "Det.limit_side_len": side,
            "Det.unclip_ratio": unclip,
            **recogniser(language),
            "Rec.rec_batch_num": 1,
            "Rec.rec_img_shape": [3, 48, 48],
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
