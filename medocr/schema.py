"""The records that stages exchange: a page, an input that became none, and how an image file becomes a page."""

import dataclasses
import hashlib
import io
import math
import types
import typing
import warnings
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageOps

DOMAIN_OF = {
    "prescription": "medical",
    "lab_report": "medical",
    "form": "medical",
    "receipt": "general",
    "invoice": "general",
    "unknown": "unknown",
}
DOC_TYPES = tuple(DOMAIN_OF)


@dataclasses.dataclass(frozen=True)
class Rejection:
    """An input that did not become a page: where it came from, and the named reason."""

    origin: str
    source: str
    reason: str
    detail: str = ""


@dataclasses.dataclass
class Page:
    """One page of a document.

    `image` holds an encoded image file (PNG, JPEG, …); `text` has one line of the page per line, in
    reading order, and is None while nobody has read the page. `truth` is the exact text where a
    generator knows it; only the figures of label quality and the evaluation may look at it.
    """

    image: bytes
    origin: str  # path#page, or dataset@revision#row
    source: str
    doc_type: str = "unknown"
    domain: str = ""  # follows from doc_type when empty
    text: str | None = None
    fields: dict | None = None
    label_origin: str | None = None  # annotation, synthetic, truth, or provider/model
    confidence: float | None = None  # of the label, 0 to 1, where its maker gives one
    group: str | None = None  # template × issuer: what must not straddle a split
    split: str = ""  # train, validation or test where the source says so; 03 decides the others
    language: str | None = None
    licence: str | None = None
    contains_phi: bool = False
    truth: str | None = None
    page: int = 1  # of a file of several pages
    pages: int = 1
    turn: int = 0  # degrees clockwise by which the image was turned to stand upright
    id: str = ""  # sha256 of the image bytes

    def __post_init__(self) -> None:
        if self.doc_type not in DOMAIN_OF:
            raise ValueError(f"{self.origin}: document type {self.doc_type!r} is not one of {', '.join(DOC_TYPES)}")
        self.domain = self.domain or DOMAIN_OF[self.doc_type]
        self.id = self.id or hashlib.sha256(self.image).hexdigest()

    def open(self) -> Image.Image:
        """The page as an upright RGB image. Raises ValueError when the bytes cannot be decoded."""
        return open_image(self.image)


MAX_DECODED_BYTES = 300_000_000  # a page in memory, one byte for each pixel of each band
MAX_PAGE_PIXELS = 40_000_000  # a larger page is shrunk on decoding: A4 at 700 dpi is finer than any reader needs


def open_image(data: bytes) -> Image.Image:
    """Decode an image file to upright RGB on white, shrunk by a whole factor to at most MAX_PAGE_PIXELS.

    A page whose file says that its pixels are not square, as faxes do, is stretched to its true shape. Raises
    ValueError whose text starts with the reason: `empty`, `bomb`, `truncated` or `unreadable`.
    """
    if not data:
        raise ValueError("empty: the file has no bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # counted below, for threads share filters
            image = Image.open(io.BytesIO(data))
        check_size(*image.size, bands=len(image.getbands()))
        image.load()
    except Image.DecompressionBombError as error:
        raise ValueError(f"bomb: {error}") from None
    except Image.UnidentifiedImageError:
        raise ValueError("unreadable: not an image that Pillow knows") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if str(error).startswith("bomb: "):
            raise
        kind = "truncated" if "truncated" in str(error).lower() or isinstance(error, EOFError) else "unreadable"
        raise ValueError(f"{kind}: {error}") from None
    return _on_white(_with_square_pixels(_shrunk(ImageOps.exif_transpose(image))))


def check_size(width: int, height: int, *, bands: int = 1, bits: int = 8) -> None:
    """Raise ValueError (reason `bomb`) for an image that would take more than MAX_DECODED_BYTES in memory."""
    decoded = width * height * bands * bits / 8
    if decoded > MAX_DECODED_BYTES:
        limit = f"more than the {MAX_DECODED_BYTES / 1e6:.0f} MB that a page may take"
        raise ValueError(f"bomb: {width} × {height} px would take {decoded / 1e6:,.0f} MB, {limit}")


def _shrunk(image: Image.Image) -> Image.Image:
    factor = math.ceil(math.sqrt(image.width * image.height / MAX_PAGE_PIXELS))
    if factor <= 1:
        return image
    density = image.info.get("dpi")
    smaller = (image.convert("L") if image.mode == "1" else image).reduce(factor)
    smaller.info["dpi"] = density
    return smaller


def _with_square_pixels(image: Image.Image) -> Image.Image:
    across, down = map(float, image.info.get("dpi") or (1, 1))
    if not across or not down or not 1.2 < max(across / down, down / across) < 4:
        return image
    size = (image.width, round(image.height * across / down))
    if across < down:
        size = (round(image.width * down / across), image.height)
    return (image.convert("L") if image.mode == "1" else image).resize(size, Image.Resampling.BICUBIC)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # grey of 9 to 16 bits, which Pillow would clip to white
        image = image.convert("I")
        bits = int(image.getextrema()[1]).bit_length()
        bits = max(bits, 8) if bits <= 12 else 16  # a 12-bit scan in a 16-bit file is not a black page
        image = image.point(lambda value: value / 2 ** (bits - 8)).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")


def check_types(values: Mapping[str, object], hints: Mapping[str, Any]) -> None:
    """Raise ValueError, naming it, for a value that is not of its type; a whole number may stand for a float."""
    for name, value in values.items():
        hint = hints[name]
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        kinds = tuple(typing.get_origin(kind) or kind for kind in kinds)
        fits = isinstance(value, (*kinds, int) if float in kinds else kinds)
        confused = any(isinstance(value, kind) and kind not in kinds for kind in (bool, str))  # bools are int
        if not fits or confused or (isinstance(value, float) and not math.isfinite(value)):
            expected = " or ".join(kind.__name__ for kind in kinds if kind is not types.NoneType)
            raise ValueError(f"{name} is {value!r}: give a value of type {expected}")
