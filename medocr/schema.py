"""The records that stages exchange: a page, an input that became none, and how an image file becomes a page."""

import dataclasses
import hashlib
import io
import warnings

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
    language: str | None = None
    licence: str | None = None
    contains_phi: bool = False
    truth: str | None = None
    id: str = ""  # sha256 of the image bytes

    def __post_init__(self):
        if self.doc_type not in DOMAIN_OF:
            raise ValueError(f"{self.origin}: document type {self.doc_type!r} is not one of {', '.join(DOC_TYPES)}")
        self.domain = self.domain or DOMAIN_OF[self.doc_type]
        self.id = self.id or hashlib.sha256(self.image).hexdigest()

    def open(self) -> Image.Image:
        """The page as an upright RGB image. Raises ValueError when the bytes cannot be decoded."""
        return open_image(self.image)


def open_image(data: bytes) -> Image.Image:
    """Decode an image file to upright RGB on white.

    Raises ValueError whose text starts with the reason: `empty`, `bomb`, `truncated` or `unreadable`.
    """
    if not data:
        raise ValueError("empty: the file has no bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # counted below, for threads share filters
            image = Image.open(io.BytesIO(data))
        if image.width * image.height > Image.MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError(f"{image.width} × {image.height} px is too large to be a page")
        image.load()
    except Image.DecompressionBombError as error:
        raise ValueError(f"bomb: {error}") from None
    except Image.UnidentifiedImageError:
        raise ValueError("unreadable: not an image that Pillow knows") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        kind = "truncated" if "truncated" in str(error).lower() or isinstance(error, EOFError) else "unreadable"
        raise ValueError(f"{kind}: {error}") from None
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip to white
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")
