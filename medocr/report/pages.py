"""Pages beside what was read on them."""

import textwrap
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from medocr.report import marked
from medocr.report.style import FAINT, GRID, LABEL_SIZE, MODELS, WIDTH, nothing, plain
from medocr.schema import Page

TEXT_SIZE = 11.0
LINE = 1.42 * TEXT_SIZE / 72  # inches from one row of text to the next
MOST_ROWS = 32  # of text beside one page
PICTURE, TEXT_WIDTH, TALLEST = 3.2, 4.65, 5.0  # inches
CELL = 28  # pixels that one visual token covers, both ways
COLOURED = 24  # mean spread of the channels (0 to 255) from which a page is drawn in colour

Block = tuple[str, list[marked.Run]]  # heading, text


def page_grid(pages: Sequence[Page], captions: Sequence[str] | None = None, columns: int = 5) -> Figure:
    """Small pages side by side, each under its document type, or its caption."""
    if not pages:
        return nothing("no pages")
    columns = min(columns, len(pages))
    images = [page.open() for page in pages]
    cell = WIDTH / max(columns, 3)
    fitting = int(0.92 * cell * 72 / (0.6 * LABEL_SIZE))  # characters beside one another above a page
    captions = [textwrap.fill(caption, fitting) for caption in captions or [plain(page.doc_type) for page in pages]]
    above = LABEL_SIZE / 72 * 1.3 * max(1 + caption.count("\n") for caption in captions) + 0.15  # inches
    rows = [images[start : start + columns] for start in range(0, len(images), columns)]
    heights = [cell * min(1.5, max(image.height / image.width for image in row)) for row in rows]
    figure, axes = plt.subplots(
        len(rows),
        columns,
        figsize=(cell * columns, sum(heights) + above * len(rows)),
        height_ratios=heights,
        squeeze=False,
    )
    for ax in axes.flat:
        ax.axis("off")
    for number, (ax, image, caption) in enumerate(zip(axes.flat, images, captions, strict=False)):
        _picture(ax, image, cell, heights[number // columns])
        ax.set_title(caption, fontsize=LABEL_SIZE, weight="normal", loc="center", pad=3, parse_math=False)
    return figure


def transcript_examples(pages: Sequence[Page], n: int = 3) -> Figure:
    """The first `n` pages beside their transcripts; where the exact text is known, what differs from it is marked."""
    pages = [page for page in pages if page.text is not None][:n]
    if not pages:
        return nothing("no page has a transcript")
    blocks = []
    for page in pages:
        sure = "" if page.confidence is None else f", confidence {page.confidence:.2f}"
        heading = f"{plain(page.doc_type)}, read by {page.label_origin or 'nobody named'}{sure}"
        text = page.text or ""
        runs = [(text, "same")] if page.truth is None else marked.differences(page.truth, text)
        blocks.append([(heading, runs)])
    return beside([page.open() for page in pages], blocks)


def model_view(image: Image.Image, prompt: str, answer: str) -> Figure:
    """A page as the model gets it: resized, cut into cells of one visual token each; then the prompt and the answer.

    Only the underlined text is learnt.
    """

    def grid(ax: Axes) -> None:
        for x in range(0, image.width + 1, CELL):
            ax.axvline(x - 0.5, color="#0072B2", linewidth=0.5, alpha=0.5)
        for y in range(0, image.height + 1, CELL):
            ax.axhline(y - 0.5, color="#0072B2", linewidth=0.5, alpha=0.5)

    tokens = (image.width // CELL) * (image.height // CELL)
    blocks = [
        ("given", [(f"<image: {image.width} × {image.height} px, {tokens:,} visual tokens>\n{prompt}", "given")]),
        ("learnt (underlined)", [(answer, "learnt")]),
    ]
    return beside([image], [blocks], grid)


def example(row: Mapping, page: Page) -> Figure:
    """A page beside its text and what each model read there, differences marked.

    `row` holds `target` and any of `base`, `tuned`, `merged`, `ocr` (texts), and may hold `example` and the CER as
    `base_score` and so on, as `evaluate.pick_examples` gives them.
    """
    blocks: list[Block] = [("what the page says", [(str(row["target"]), "same")])]
    for key, name in MODELS.items():
        if isinstance(row.get(key), str):
            score = row.get(f"{key}_score")
            blocks.append(
                (name if score is None else f"{name}, CER {score:.3f}", marked.differences(row["target"], row[key]))
            )
    figure = beside([page.open()], [blocks])
    named = f"{row['example'].capitalize()} change: " if row.get("example") else ""
    entitle(figure, f"{named}{plain(page.doc_type)}")
    return figure


def entitle(figure: Figure, text: str) -> None:
    """A title above a figure that `beside` made, which leaves no room for one."""
    top = 1 + 0.06 / figure.get_figheight()
    figure.suptitle(text, x=0, y=top, ha="left", va="bottom", fontsize=13, weight="bold", parse_math=False)


def beside(
    images: Sequence[Image.Image],
    blocks: Sequence[list[Block]],
    overlay: Callable[[Axes], None] | None = None,
    legend: Mapping[str, str] = marked.LEGEND,
) -> Figure:
    """One row per page: its picture on the left, its blocks of text on the right; below, what the marks mean."""
    columns = marked.columns_in(TEXT_WIDTH, TEXT_SIZE)
    limit = MOST_ROWS // max(len(texts) for texts in blocks)
    laid_out = [[(heading, marked.wrap(runs, columns, limit)) for heading, runs in texts] for texts in blocks]
    heights = [
        max(sum(len(rows) + 1.5 for _, rows in texts) * LINE, min(PICTURE * image.height / image.width, TALLEST)) + 0.15
        for texts, image in zip(laid_out, images, strict=True)
    ]
    widths = (PICTURE, WIDTH - PICTURE - TEXT_WIDTH, columns * marked.advance(TEXT_SIZE))  # with a gap between the two
    figure = plt.figure(figsize=(WIDTH, sum(heights)), layout="none")
    edges = {"left": 0, "right": sum(widths) / WIDTH, "bottom": 0, "top": 1, "wspace": 0, "hspace": 0}
    grid = figure.add_gridspec(len(images), 3, height_ratios=heights, width_ratios=widths, **edges)
    for row, (image, texts, height) in enumerate(zip(images, laid_out, heights, strict=True)):
        tall = min(PICTURE * image.height / image.width, TALLEST)
        above_its_rest = grid[row, 0].subgridspec(2, 1, height_ratios=(tall, height - tall), hspace=0)
        left, right = figure.add_subplot(above_its_rest[0]), figure.add_subplot(grid[row, 2])
        _picture(left, image, PICTURE, tall, exact=overlay is not None)
        if overlay:
            overlay(left)
        right.set(xlim=(0, columns), ylim=(height / LINE, 0))
        right.axis("off")
        top = 0.0
        for heading, rows in texts:
            right.text(0, top + 0.8, heading, size=TEXT_SIZE, weight="bold", color=FAINT, parse_math=False)
            marked.draw(right, rows, top + 1.1, TEXT_SIZE)
            top += len(rows) + 1.5
    figure.text(0, -0.04 / sum(heights), _legend(laid_out, legend), va="top", fontsize=LABEL_SIZE, color=FAINT)
    return figure


def _legend(laid_out: list[list[tuple[str, list]]], legend: Mapping[str, str]) -> str:
    """What the marks mean that stand in the blocks."""
    blocks = [[run for row in rows for run in row] for page in laid_out for _, rows in page]
    runs = [run for block in blocks for run in block]
    parts = [meaning for kind, meaning in legend.items() if any(run[2] == kind for run in runs)]
    whole = legend is marked.LEGEND and any({run[2] for run in block} == {"extra"} for block in blocks)
    parts += [marked.WHOLE] * whole
    boxes = ("■ ticked", "□ empty")
    parts += [meaning for meaning in boxes if any(meaning[0] in run[1] for run in runs)]
    return " · ".join(parts)


def _picture(ax: Axes, image: Image.Image, width: float, height: float, exact: bool = False) -> None:
    """Draw an image at no more pixels than the figure shows, and in few shades: a scan's noise makes large PNGs."""
    if not exact:
        dpi = plt.rcParams["figure.dpi"]
        image = image.copy()
        image.thumbnail((max(1, round(width * dpi)), max(1, round(height * dpi))), Image.Resampling.LANCZOS)
    pixels = np.asarray(image.convert("RGB"))
    if np.ptp(pixels, axis=2).mean() < COLOURED:
        pixels = np.asarray(image.convert("L").convert("RGB"))
    ax.imshow(pixels // 16 * 17, interpolation="antialiased")  # 16 shades of a channel
    ax.set_anchor("NW")
    ax.axis("on")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():  # white pages on white need an edge
        spine.set(visible=True, color=GRID)
