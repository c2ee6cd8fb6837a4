"""Text drawn in a figure, character by character, with what differs from a reference marked.

Wrong or extra characters are underlined, lacking ones struck through; colour comes on top, so it reads in grey too.
"""

import functools
import itertools
import textwrap

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Rectangle
from rapidfuzz.distance import Levenshtein

from medocr.metrics import normalise
from medocr.report.style import FAINT, INK

FONT = "DejaVu Sans Mono"
ADVANCE = 0.602  # width of one character of it, in font sizes
INKS = {  # of a run: ink, paper
    "same": (INK, None),
    "extra": ("#005a8e", "#d6eaf6"),
    "lacking": ("#b34700", "#fbe3d4"),
    "given": (FAINT, None),
    "learnt": ("#005a8e", "#d6eaf6"),
}
BOXES = {"☑": "■", "☒": "■", "☐": "□"}  # told apart at half size, as a tick in a box is not
LEGEND = {"extra": "underlined: wrong or extra", "lacking": "struck through: missing"}
WHOLE = "underlined whole: hardly a character is right"
ISLAND = 3  # equal characters between two edits that are too few to be read apart from them
TOO_DIFFERENT = 0.5  # similarity below which marks on single characters would be confetti

Run = tuple[str, str]  # text, kind


def differences(reference: str, prediction: str) -> list[Run]:
    """The prediction as runs: `same`, `extra` (not in the reference), `lacking` (in the reference only).

    White space is not compared, but rows break where the reference has lines, so that the two stand side by side.
    """
    reference, prediction = _lines(reference), _lines(prediction)
    if not prediction:
        return [("(empty)", "given")]
    flat, flat_prediction = reference.replace("\n", " "), prediction.replace("\n", " ")
    if Levenshtein.normalized_similarity(flat, flat_prediction) < TOO_DIFFERENT:
        return [(prediction, "extra")]
    runs = []
    for same, source, target in _steps(flat, flat_prediction):
        if same:
            runs.append((reference[source], "same"))
        else:
            runs += [(flat[source], "lacking"), (flat_prediction[target], "extra")]
    return [run for run in runs if run[0]]


def _lines(text: str) -> str:
    return "\n".join(line for line in map(normalise, text.splitlines()) if line)


def _steps(reference: str, prediction: str) -> list[tuple[bool, slice, slice]]:
    """The edit script as (equal or not, slice of the reference, slice of the text), without small islands."""
    steps: list[tuple[bool, slice, slice]] = []
    script = Levenshtein.opcodes(reference, prediction)
    for number, step in enumerate(script):
        inside = 0 < number < len(script) - 1
        same = step.tag == "equal" and not (inside and step.src_end - step.src_start < ISLAND)
        source, target = slice(step.src_start, step.src_end), slice(step.dest_start, step.dest_end)
        if steps and not same and not steps[-1][0]:
            source, target = slice(steps[-1][1].start, source.stop), slice(steps[-1][2].start, target.stop)
            steps.pop()
        steps.append((same, source, target))
    return steps


def wrap(runs: list[Run], columns: int, limit: int) -> list[list[tuple[int, str, str]]]:
    """Lay runs out in rows of `columns` characters: rows of (column, text, kind), at most `limit` of them.

    Newlines begin a row; longer lines break at a space. What does not fit is counted in a last row.
    """
    text, kinds = "".join(part for part, _ in runs), [kind for part, kind in runs for _ in part]
    breaks = textwrap.TextWrapper(columns, expand_tabs=False, replace_whitespace=False, break_on_hyphens=False)
    rows, end = [], 0
    for piece in itertools.chain.from_iterable(breaks.wrap(line) or [""] for line in text.split("\n")):
        if len(rows) == limit:
            rows[-1] = [(0, f"… {len(text) - end:,} more characters", "given")]
            break
        start = text.index(piece, end)
        end = start + len(piece)
        rows.append(_row(list(zip(piece, kinds[start:end], strict=True))))
    return rows


def _row(characters: list[tuple[str, str]]) -> list[tuple[int, str, str]]:
    """Neighbouring characters of one kind as one run with its column."""
    row, column = [], 0
    for kind, group in itertools.groupby(characters, key=lambda character: character[1]):
        text = "".join(_drawable(character) for character, _ in group)
        row.append((column, text, kind))
        column += len(text)
    return row


@functools.cache
def _font() -> FT2Font:
    return font_manager.get_font(font_manager.findfont(FONT))


@functools.cache
def _drawable(character: str) -> str:
    """The character, or a box where the font has none."""
    if character.isspace():
        return " "
    character = BOXES.get(character, character)
    return character if _font().get_char_index(ord(character)) else "▯"


def draw(ax: Axes, rows: list[list[tuple[int, str, str]]], top: float, size: float) -> None:
    """Draw rows from `wrap` on axes whose x counts characters, `advance` inches each, and whose y counts rows down."""
    for number, row in enumerate(rows):
        y = top + number
        for column, text, kind in row:
            ink, paper = INKS[kind]
            width = len(text)
            if paper:
                ax.add_patch(Rectangle((column, y), width, 0.94, facecolor=paper, edgecolor="none", zorder=1))
            ax.text(
                column, y + 0.74, text, family=FONT, size=size, color=ink, va="baseline", parse_math=False, zorder=2
            )
            if kind in ("extra", "learnt", "lacking"):
                line = y + (0.52 if kind == "lacking" else 0.92)
                ax.plot(
                    [column, column + width], [line, line], color=ink, linewidth=1.3, zorder=3, solid_capstyle="butt"
                )


def columns_in(width: float, size: float) -> int:
    """How many characters of a font size fit into a width in inches."""
    return int(width / advance(size))


def advance(size: float) -> float:
    """Inches from one character to the next."""
    return ADVANCE * size / 72
