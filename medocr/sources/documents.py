"""Files that hold pages: images as they are, multi-page TIFF and PDF as one PNG per page."""

import contextlib
import io
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pypdfium2
import pypdfium2.raw
from PIL import Image

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
KINDS = (*IMAGES, ".pdf")
POINTS_PER_INCH = 72
PNG_MODES = ("1", "L", "P", "I;16", "LA", "RGB", "RGBA")

Draw = Callable[[int], bytes]


@contextlib.contextmanager
def opened(file: Path, dpi: int, max_page_pixels: int) -> Iterator[tuple[int, Draw]]:
    """The number of pages in a file, and a function that gives the encoded image of page 0, 1, ….

    An image file of one page comes as its own bytes, undecoded; `curate` judges those. A PDF is rendered
    at `dpi`, or coarser where a page would exceed `max_page_pixels`. Both this function and the one that
    it gives raise ValueError whose text starts with the reason.
    """
    suffix = file.suffix.lower()
    if file.stat().st_size == 0:
        raise ValueError("empty: the file has no bytes")
    if suffix == ".pdf":
        with _opened_pdf(file, dpi, max_page_pixels) as pages:
            yield pages
    elif suffix in (".tif", ".tiff"):
        with _opened_tiff(file) as pages:
            yield pages
    else:
        yield 1, lambda _: file.read_bytes()


@contextlib.contextmanager
def _opened_pdf(file: Path, dpi: int, max_page_pixels: int) -> Iterator[tuple[int, Draw]]:
    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as error:
        locked = error.err_code in (pypdfium2.raw.FPDF_ERR_PASSWORD, pypdfium2.raw.FPDF_ERR_SECURITY)
        if locked and b"/Encrypt" in file.read_bytes():  # pdfium may repeat the code of the file before
            raise ValueError("encrypted_pdf: it needs a password; save a copy without one") from None
        raise ValueError(f"damaged_pdf: {error}") from None
    with document:
        document.init_forms()  # before any page is opened, or filled-in fields are not drawn
        if len(document) == 0:
            raise ValueError("damaged_pdf: it has no pages")
        yield len(document), lambda index: _render(document, index, dpi, max_page_pixels)


def _render(document: pypdfium2.PdfDocument, index: int, dpi: int, max_page_pixels: int) -> bytes:
    """Page `index` as PNG: text, pictures, annotations and form fields; the text layer is never read."""
    try:
        page = document[index]
        width, height = page.get_size()  # points
        _refuse_bombs(page)
        scale = min(dpi / POINTS_PER_INCH, math.sqrt(max_page_pixels / max(width * height, 1)))
        image = page.render(scale=scale, may_draw_forms=True, draw_annots=True).to_pil()
        page.close()
    except pypdfium2.PdfiumError as error:
        raise ValueError(f"damaged_pdf: {error}") from None
    return _png(image)


def _refuse_bombs(page: pypdfium2.PdfPage) -> None:
    # pdfium decodes a picture at its full size, however small it is drawn
    for picture in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]):
        _refuse_bomb(*picture.get_px_size())


def _refuse_bomb(width: int, height: int) -> None:
    if width * height > Image.MAX_IMAGE_PIXELS:
        raise ValueError(f"bomb: {width} × {height} pixels, more than {Image.MAX_IMAGE_PIXELS:,}")


@contextlib.contextmanager
def _opened_tiff(file: Path) -> Iterator[tuple[int, Draw]]:
    with contextlib.ExitStack() as stack:
        try:
            image = stack.enter_context(Image.open(file))
            count = image.n_frames
        except (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error, Image.DecompressionBombError):
            count = 1  # curate finds out what is wrong with it
        yield count, (lambda index: _frame(image, index)) if count > 1 else (lambda _: file.read_bytes())


def _frame(image: Image.Image, index: int) -> bytes:
    try:
        image.seek(index)
        _refuse_bomb(*image.size)
        frame = image.copy()
    except (OSError, SyntaxError, TypeError, KeyError, EOFError, struct.error) as error:
        raise ValueError(f"unreadable: {error}") from None
    return _png(frame)


def _png(image: Image.Image) -> bytes:
    if image.mode not in PNG_MODES:
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
