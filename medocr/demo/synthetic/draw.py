"""Lines of text → a page: layout from font metrics, drawing, and the noise of a scanner.

Text is never cut to fit. A draft is set at the largest size at which its widest line fits the widest
page, and on the narrowest page that holds it; a draft that does not fit at its smallest size has no
layout, and its author draws another.
"""

import dataclasses
import functools
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

CELL = 28  # px; page sizes are whole cells, and every line stands on a row of them
WIDTHS = (10, 12, 13)  # cells
MOST_LINES = 10
MARGIN = 8  # px, left and right: more than half a degree of rotation moves anything
Pieces = tuple[tuple[str, ImageFont.FreeTypeFont, float], ...]  # parts of a text: part, font, length in px
MARKS = "☐☑☒✓✔✗"  # of the faces that runs print in, only the sans and mono ones have them

FACES = {  # family: regular, bold
    "sans": ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    "serif": ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    "mono": ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
    "oblique": ("DejaVuSans-Oblique.ttf", "DejaVuSans-BoldOblique.ttf"),
    "bold": ("DejaVuSans-Bold.ttf", "DejaVuSans-Bold.ttf"),
    "italic": ("DejaVuSerif-Italic.ttf", "DejaVuSerif-BoldItalic.ttf"),
    "times": ("STIXGeneral.ttf", "STIXGeneralBol.ttf"),
    "times italic": ("STIXGeneralItalic.ttf", "STIXGeneralBolIta.ttf"),
}


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a page. `columns` aligns its cells, a letter each: l, c or r."""

    cells: tuple[str, ...]
    columns: str = "l"
    table: bool = False  # shares its column widths with the page's other table lines of these columns
    bold: bool = False
    scale: float = 1.0
    rule: str = ""  # above or below
    shade: bool = False

    @property
    def text(self) -> str:
        """The line as it is read: its cells joined by one space, empty ones left out."""
        return " ".join(cell for cell in self.cells if cell)


@dataclasses.dataclass(frozen=True)
class Look:
    """How an issuer prints: font family, sizes to try (px, largest first), decoration.

    A family that FACES lacks is the path of its files without their ending (`-Regular.ttf`, `-Bold.ttf`).
    """

    family: str
    sizes: tuple[int, ...]
    decor: tuple[str, ...] = ()

    @property
    def faces(self) -> tuple[str, str]:
        """The family's files: regular, bold."""
        return FACES.get(self.family) or (f"{self.family}-Regular.ttf", f"{self.family}-Bold.ttf")


@dataclasses.dataclass
class Draft:
    """A page's lines with what they say; not yet laid out."""

    lines: list[Line]
    fields: dict
    look: Look

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


@dataclasses.dataclass(frozen=True)
class Run:
    """A piece of text in one font, its start x and baseline y in px."""

    text: str
    x: float
    y: float
    font: ImageFont.FreeTypeFont


@dataclasses.dataclass
class Sheet:
    """A laid-out page, in px: `runs` per line, each line on its own row of cells."""

    width: int
    height: int
    lines: list[Line]
    runs: list[list[Run]]
    look: Look


@functools.cache
def font(face: str, size: int) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / face
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def arrange(draft: Draft) -> Sheet | None:
    """Lay a draft out, or None when it has too many lines or its widest does not fit at any of its sizes."""
    if len(draft.lines) > MOST_LINES:
        return None
    for size in draft.look.sizes:
        cells = [
            [_pieces(cell, draft.look.faces[line.bold], round(size * line.scale)) for cell in line.cells]
            for line in draft.lines
        ]
        widths = _widths(draft.lines, cells)
        needed = max(sum(of_line) + _gap(size) * (len(of_line) - 1) for of_line in widths)
        width = next((w * CELL for w in WIDTHS if needed <= w * CELL - 2 * MARGIN), None)
        if width:
            runs = []
            for row, (line, *of_line) in enumerate(zip(draft.lines, cells, widths, strict=True)):
                baseline = (row + 0.5) * CELL + 0.36 * size * line.scale  # half the height of a capital
                runs.append(list(_line_runs(line, *of_line, size, width, baseline)))
            return Sheet(width, len(draft.lines) * CELL, draft.lines, runs, draft.look)
    return None


def _gap(size: int) -> float:
    return 0.6 * size


@functools.lru_cache(20_000)
def _pieces(text: str, face: str, size: int) -> Pieces:
    """The parts of a text that one font draws each."""
    parts = [("".join(part), marks) for marks, part in itertools.groupby(text, MARKS.__contains__)]
    fonts = [font(FACES["sans"][0] if marks else face, size) for _, marks in parts]
    return tuple((part, its, its.getlength(part)) for (part, _), its in zip(parts, fonts, strict=True))


def _length(pieces: Pieces) -> float:
    return sum(length for _, _, length in pieces)


def _widths(lines: list[Line], cells: list[list[Pieces]]) -> list[list[float]]:
    """Each line's column widths in px; table lines of the same columns share theirs."""
    measured = [list(map(_length, of_line)) for of_line in cells]
    shared: dict[str, list[float]] = {}
    for line, widths in zip(lines, measured, strict=True):
        if line.table:
            shared[line.columns] = [max(pair) for pair in zip(shared.get(line.columns, widths), widths, strict=True)]
    return [shared[line.columns] if line.table else widths for line, widths in zip(lines, measured, strict=True)]


def _line_runs(
    line: Line, cells: list[Pieces], widths: list[float], size: int, width: int, baseline: float
) -> Iterator[Run]:
    left, free = MARGIN, width - 2 * MARGIN - sum(widths)
    gap = min(free / max(len(widths) - 1, 1), 3 * _gap(size))
    for i, (pieces, column, align) in enumerate(zip(cells, widths, line.columns, strict=True)):
        if i == len(widths) - 1 and align != "l":  # the last column takes what is left, and keeps to the right
            column = width - MARGIN - left
        x = left + (column - _length(pieces)) * "lcr".index(align) / 2
        for part, its_font, length in pieces:
            yield Run(part, x, baseline, its_font)
            x += length
        left += column + gap


def paint(sheet: Sheet, ink: int = 0, paper: int = 255) -> Image.Image:
    """Draw a sheet as a clean greyscale image."""
    image = Image.new("L", (sheet.width, sheet.height), paper)
    draw = ImageDraw.Draw(image)
    for name in sheet.look.decor:  # beneath the text, which stays whole
        DECOR[name](draw, sheet, ink, paper)
    for row, (line, runs) in enumerate(zip(sheet.lines, sheet.runs, strict=True)):
        top, bottom = row * CELL, (row + 1) * CELL
        if line.shade:
            draw.rectangle((MARGIN - 3, top + 1, sheet.width - MARGIN + 2, bottom - 2), fill=paper - 28)
        if line.rule:
            y = top if line.rule == "above" else bottom - 2
            draw.line((MARGIN, y, sheet.width - MARGIN, y), fill=ink + 60)
        for run in runs:
            draw.text((run.x, run.y), run.text, font=run.font, fill=ink, anchor="ls")
    return image


def _frame(draw: ImageDraw.ImageDraw, sheet: Sheet, ink: int, paper: int) -> None:
    draw.rectangle((3, 3, sheet.width - 4, sheet.height - 4), outline=(ink + paper) // 2)


def _stamp(draw: ImageDraw.ImageDraw, sheet: Sheet, ink: int, paper: int) -> None:
    """A faint round stamp over the lower right, pale enough to read through."""
    x, y, grey = sheet.width - 60, sheet.height - 56, paper - 50
    for radius in (42, 36, 14):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=grey, width=2)


def _signature(draw: ImageDraw.ImageDraw, sheet: Sheet, ink: int, paper: int) -> None:
    """A scrawl to the right of the last line, where there is room."""
    last = sheet.runs[-1][-1]
    start = last.x + last.font.getlength(last.text) + 16
    if sheet.width - MARGIN - start < 80:
        return
    phases = np.linspace(0, 1, 60)
    x = start + 90 * phases + 6 * np.sin(31 * phases)
    y = last.y - 6 - 8 * np.sin(17 * phases + start) * (1 - 0.7 * phases)
    draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=ink + 30, width=2)


def _pen(draw: ImageDraw.ImageDraw, sheet: Sheet, ink: int, paper: int) -> None:
    """Strokes of a pen on the printed ticks."""
    for run in (run for runs in sheet.runs for run in runs if run.text == "☑"):
        size = run.font.size
        corners = ((0.2, -0.4), (0.45, -0.05), (0.95, -0.85))
        draw.line([(run.x + size * dx, run.y + size * dy) for dx, dy in corners], fill=ink, width=3)


DECOR = {"frame": _frame, "stamp": _stamp, "signature": _signature, "pen": _pen}


def scan(image: Image.Image, rng: random.Random) -> Image.Image:
    """A clean page as a scanner sees it: skewed by up to half a degree, softened, shaded, specked, in 64 greys."""
    image = image.rotate(rng.uniform(-0.5, 0.5), Image.Resampling.BILINEAR, fillcolor=image.getpixel((1, 1)))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.6)))
    noise = np.random.default_rng(rng.getrandbits(64))
    grey = np.asarray(image, np.float32)
    grey += np.linspace(rng.uniform(-8, 4), rng.uniform(-8, 4), grey.shape[1], dtype=np.float32)
    specks = noise.integers(0, grey.size, rng.randrange(grey.size // 400))
    grey.flat[specks] += noise.normal(0, 60, len(specks))
    return Image.fromarray(np.clip(np.round(grey / 4) * 4, 0, 255).astype(np.uint8))
