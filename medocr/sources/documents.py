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

from ..schema import check_size

IMAGES = (".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif")
KINDS = (*IMAGES, ".pdf")
SIGNATURES = (  # first bytes → what the file is, whatever it is called
    (b"\x89PNG\r\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"BM", "bmp"),
    (b"GIF8", "gif"),
)
HEIF = dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "heif") | {b"avif": "avif"}
POINTS_PER_INCH = 72
LEAST_PIXELS = 8  # of a rendered PDF page's shorter side: less is no page
PNG_MODES = ("1", "L", "P", "I;16", "LA", "RGB", "RGBA")
BROKEN_TIFF = (OSError, SyntaxError, TypeError, KeyError, EOFError, ValueError, struct.error)
XFA_NOTICE = "please wait"  # what a PDF says in whose place only Adobe Reader draws a form

Draw = Callable[[int], bytes]


def kind(file: Path) -> str | None:
    """What a file is by its first bytes: pdf, tiff, heif, avif or another image's kind; None where it is no document.

    Raises OSError when it cannot be read.
    """
    with file.open("rb") as stream:
        head = stream.read(1024)
    if b"%PDF-" in head:
        return "pdf"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and head[8:12] in HEIF:
        return HEIF[head[8:12]]
    return next((name for signature, name in SIGNATURES if head.startswith(signature)), None)


@contextlib.contextmanager
def opened(file: Path, dpi: int, max_page_pixels: int) -> Iterator[tuple[int, Draw]]:
    """The number of pages in a file, and a function that gives the encoded image of page 0, 1, ….

    An image file of one page comes as its own bytes, undecoded; `curate` judges those. A PDF is rendered
    at `dpi`, or coarser where a page would exceed `max_page_pixels`. The pages of a TIFF that is cut off are counted
    as far as its directory goes, with one more for what is lost. Both this function and the one that it gives raise
    ValueError whose text starts with the reason, and OSError when the file cannot be read.
    """
    if file.stat().st_size == 0:
        raise ValueError("empty: the file has no bytes")
    is_a, called = kind(file), file.suffix.lower()
    if called == ".pdf" and is_a != "pdf":
        raise ValueError(f"not_a_pdf: it is {_described(file, is_a)}, whatever its name says")
    if is_a == "pdf":
        with _opened_pdf(file, dpi, max_page_pixels) as pages:
            yield pages
    elif is_a == "tiff":
        with _opened_tiff(file) as pages:
            yield pages
    elif is_a in HEIF.values():
        yield 1, lambda _: _from_heif(file, is_a)
    else:
        yield 1, lambda _: file.read_bytes()


def _described(file: Path, is_a: str | None) -> str:
    if is_a:
        return f"a {is_a.upper()} image"
    with file.open("rb") as stream:
        head = stream.read(1024).lstrip().lower()
    return "an HTML page" if head.startswith((b"<!doctype html", b"<html")) else "no PDF"


def _from_heif(file: Path, is_a: str) -> bytes:
    """A HEIC or AVIF photograph as PNG; Pillow reads AVIF by itself."""
    if is_a == "heif":
        try:
            import pillow_heif
        except ImportError:
            raise ValueError("heif: HEIC needs one more package (pip install pillow-heif), or save as JPEG") from None
        pillow_heif.register_heif_opener()
    try:
        with Image.open(file) as image:
            check_size(*image.size, bands=len(image.getbands()))
            return _png(image)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"unreadable: {error}") from None


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
        _refuse_xfa(document)
        yield len(document), lambda index: _render(document, index, dpi, max_page_pixels)


def _refuse_xfa(document: pypdfium2.PdfDocument) -> None:
    """An XFA form's only page asks the reader to wait: the form itself is drawn by Adobe Reader alone."""
    if len(document) > 1:
        return
    try:
        text = document[0].get_textpage().get_text_range().lower()
    except pypdfium2.PdfiumError:
        return
    if XFA_NOTICE in text and "pdf viewer" in " ".join(text.split()):
        raise ValueError("xfa_form: its form is drawn by Adobe Reader alone; open it there and print it to a PDF")


def _render(document: pypdfium2.PdfDocument, index: int, dpi: int, max_page_pixels: int) -> bytes:
    """Page `index` as PNG: text, pictures, annotations and form fields; the text layer is never read."""
    try:
        page = document[index]
        width, height = page.get_size()  # points
        scale = min(dpi / POINTS_PER_INCH, math.sqrt(max_page_pixels / max(width * height, 1)))
        if min(width, height) * scale < LEAST_PIXELS:
            raise ValueError(f"too_narrow: the page is {width:g} × {height:g} points")
        _refuse_bombs(page)
        image = page.render(scale=scale, may_draw_forms=True, draw_annots=True).to_pil()
        image.info["dpi"] = (scale * POINTS_PER_INCH,) * 2
        page.close()
    except pypdfium2.PdfiumError as error:
        raise ValueError(f"damaged_pdf: {error}") from None
    return _png(image)


def _refuse_bombs(page: pypdfium2.PdfPage) -> None:
    # pdfium decodes a picture at its full size, however small it is drawn
    for picture in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]):
        check_size(*picture.get_px_size(), bits=picture.get_metadata().bits_per_pixel or 24)


@contextlib.contextmanager
def _opened_tiff(file: Path) -> Iterator[tuple[int, Draw]]:
    with contextlib.ExitStack() as stack:
        try:
            image = stack.enter_context(Image.open(file))
            count, cut_off = _count_frames(image)
        except (*BROKEN_TIFF, Image.DecompressionBombError):
            count, cut_off = 1, False  # curate finds out what is wrong with it
        pages = count + cut_off  # what is lost is a page, too
        yield pages, (lambda index: _frame(image, index, count)) if pages > 1 else (lambda _: file.read_bytes())


def _count_frames(image: Image.Image) -> tuple[int, bool]:
    """The frames that a TIFF's chain of directories leads to, and whether the chain breaks off after them."""
    count = 1
    while True:
        try:
            image.seek(count)
        except EOFError:
            return count, False
        except BROKEN_TIFF:
            return count, True
        count += 1


def _frame(image: Image.Image, index: int, count: int) -> bytes:
    if index == count:
        raise ValueError(f"truncated: the file is cut off after page {count}; at least one page is lost")
    try:
        image.seek(index)
        check_size(*image.size, bands=len(image.getbands()))
        frame = image.copy()
    except (OSError, SyntaxError, TypeError, KeyError, EOFError, struct.error) as error:
        kind = "truncated" if "truncated" in str(error) or "decoder error" in str(error) else "unreadable"
        raise ValueError(f"{kind}: page {index + 1}: {error}") from None
    return _png(frame)


def _png(image: Image.Image) -> bytes:
    if image.mode not in PNG_MODES:
        image = image.convert("RGB")
    buffer = io.BytesIO()
    density = image.info.get("dpi")
    image.save(buffer, "PNG", compress_level=4, **({"dpi": tuple(map(float, density))} if density else {}))
    return buffer.getvalue()
