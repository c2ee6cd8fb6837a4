"""The gates that look at one page alone. Each returns None, or the reason and detail of a rejection."""

import dataclasses
import re

import imagehash
import numpy as np
from PIL import Image, ImageChops, ImageFilter

from ..schema import Page

Problem = tuple[str, str]  # reason, detail

OVERVIEW_PX = 512  # longest side of the picture that the blank gate and the perceptual hash see
INK_LEVELS = 24  # of 255: what differs this much from its surroundings is print, less is paper and scan noise
BACKGROUND_PX = 12

# tokens that models and data sets put into labels; PaddleOCR-VL takes `</s>` for the end of its answer
MARKERS = re.compile(
    r"</?s(_\w+)?/?>|<\|[^|<>]{1,40}\|>|</?(image|img|pad|unk|bos|eos|cls|sep|mask\S{0,4})>|\[/?INST\]"
    r"|<(start|end)_of_\w+>|<(fcel|ecel|lcel|ucel|xcel|nl)>",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a page must keep to."""

    min_side_px: int = 56  # two cells of the model's 28 px
    max_aspect_ratio: float = 50.0  # the image processor refuses 200; at 50 no print is left after resizing
    min_ink_share: float = 0.0002  # of the page's area; one short line on an A4 page has some four times that
    max_label_characters: int = 10_000  # a dense A4 page has some 6,000
    max_hash_distance_bits: int = 12  # of 256; re-saved, rescaled and re-lit copies of a page differ by 10 at most


@dataclasses.dataclass(frozen=True)
class Look:
    """What is known of a page after looking at it: the problem, or its perceptual hash (4 × uint64)."""

    problem: Problem | None
    hash: np.ndarray | None = None


def look(page: Page, limits: Limits) -> Look:
    """Take a page through all gates, the cheap ones first, and hash what passes."""
    if problem := label(page.text, limits):
        return Look(problem)
    try:
        image = page.open()
    except ValueError as error:
        reason, _, detail = str(error).partition(": ")
        return Look((reason, detail))
    if problem := size(*image.size, limits):
        return Look(problem)
    overview = image.convert("L")
    overview.thumbnail((OVERVIEW_PX, OVERVIEW_PX), reducing_gap=2)
    if problem := blank(overview, limits):
        return Look(problem)
    return Look(None, np.packbits(imagehash.phash(overview, hash_size=16).hash).view(np.uint64))


def label(text: str | None, limits: Limits) -> Problem | None:
    """Labels that are empty, too long for any page, or hold the markers of a model. No label is fine."""
    if text is None:
        return None
    if not text.strip():
        return "label_empty", "the label has no text; leave it away for a page without label"
    if len(text) > limits.max_label_characters:
        return "label_too_long", f"{len(text):,} characters, more than {limits.max_label_characters:,}"
    if marker := MARKERS.search(text):
        return "label_markers", f"the label holds {marker.group()!r}"
    return None


def size(width: int, height: int, limits: Limits) -> Problem | None:
    """Pages too small or too narrow to read."""
    if min(width, height) < limits.min_side_px:
        return "too_small", f"{width} × {height} px, a side under {limits.min_side_px}"
    if max(width, height) > limits.max_aspect_ratio * min(width, height):
        return "too_narrow", f"{width} × {height} px, more than {limits.max_aspect_ratio:g} to 1"
    return None


def blank(gray: Image.Image, limits: Limits) -> Problem | None:
    """Pages without print. Shadows and slow gradients are no print: each pixel is held against its surroundings."""
    surroundings = gray.filter(ImageFilter.GaussianBlur(BACKGROUND_PX))
    contrast = ImageChops.difference(gray, surroundings).histogram()
    share = sum(contrast[INK_LEVELS:]) / (gray.width * gray.height)
    if share < limits.min_ink_share:
        return "blank", f"{share:.4%} of the page is print, under {limits.min_ink_share:.4%}"
    return None
