"""Pages that are there twice: the same bytes, or the same page saved, scaled or lit differently.

Filled forms of one template, and receipts of one shop, look alike as a whole and differ in a few marks.
So the perceptual hash only proposes pairs; the texts confirm, or, where they cannot, a comparison of the
two images that asks whether any spot of print differs.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter
from rapidfuzz.distance import Levenshtein
from scipy.ndimage import uniform_filter

from ..schema import Page

MIN_TEXT_SIMILARITY = 0.98
COMPARED_PX = (320, 1024)  # longest side at which two images are compared: most pairs differ at the first
BLUR_PX = 0.7  # evens out what different resampling leaves
WINDOW_PX = 9  # about a letter at that size
NOISE_VARIANCE = 60.0  # levels²: keeps paper grain from counting as structure
INK_VARIANCE = 400.0  # levels²: windows with less have no print
MAX_CHANGE = 0.06  # copies saved, scaled or lit differently stay under 0.04; one changed digit gives 0.1 or more
BLOCK = 128  # pages whose hashes are compared with all others at once
MOST_COMPARISONS = 4  # of images, per page: hundreds of forms of one template would take hours


def exact(pages: Sequence[Page]) -> dict[int, int]:
    """Index of each page whose bytes an earlier page has → that page's index; labelled pages count as earlier."""
    first: dict[str, int] = {}
    return {i: first[pages[i].id] for i in _labelled_first(pages) if first.setdefault(pages[i].id, i) != i}


def near(pages: Sequence[Page], hashes: np.ndarray, max_distance_bits: int) -> dict[int, int]:
    """Index of each near duplicate → index of the kept page that it repeats.

    `hashes` is (pages, 4) uint64. A page with a label is kept rather than one without.
    """
    order = _labelled_first(pages)
    repeats: dict[int, int] = {}
    for i, candidates in zip(order, _alike(hashes[order], max_distance_bits), strict=True):
        comparisons = 0
        for original in (order[c] for c in candidates if order[c] not in repeats):
            same = same_text(pages[i].text, pages[original].text)
            if same is None and comparisons < MOST_COMPARISONS:
                comparisons += 1
                same = same_image(pages[i].open(), pages[original].open())
            if same:
                repeats[i] = original
                break
    return repeats


def _labelled_first(pages: Sequence[Page]) -> list[int]:
    return sorted(range(len(pages)), key=lambda i: pages[i].text is None)


def _alike(hashes: np.ndarray, max_distance_bits: int) -> list[np.ndarray]:
    """For each hash, the earlier ones within the distance, nearest first."""
    neighbours = []
    for start in range(0, len(hashes), BLOCK):
        rows = hashes[start : start + BLOCK]
        distances = np.bitwise_count(rows[:, None] ^ hashes[None, : start + BLOCK]).sum(axis=2, dtype=np.uint16)
        for row, of_row in enumerate(distances):
            of_row = of_row[: start + row]
            near_ones = np.flatnonzero(of_row <= max_distance_bits)
            neighbours.append(near_ones[np.argsort(of_row[near_ones], kind="stable")])
    return neighbours


def same_text(a: str | None, b: str | None) -> bool | None:
    """Whether two labels are those of one page; None where the labels cannot tell.

    Equal but for white space: yes. Another number, tick or code, or below 98 % similar: no. In between a
    word may differ that matters (positive, negative), or two annotators did: the images must tell.
    """
    if a is None or b is None:
        return None
    a_words, b_words = a.split(), b.split()
    if a_words == b_words:
        return True
    if [w for w in a_words if not w.isalpha()] != [w for w in b_words if not w.isalpha()]:
        return False
    similarity = Levenshtein.normalized_similarity(a_words, b_words)
    return None if similarity >= MIN_TEXT_SIMILARITY else False


def same_image(a: Image.Image, b: Image.Image) -> bool:
    """Whether two images show the same page: no spot of print differs."""
    ratio = (a.width / a.height) / (b.width / b.height)
    if not 0.98 < ratio < 1.02:
        return False
    width, height = min(a.size, b.size)
    for side in COMPARED_PX:
        scale = min(1, side / max(width, height))
        size = (round(width * scale), round(height * scale))
        if _largest_change(_gray(a, size), _gray(b, size)) > MAX_CHANGE:
            return False
    return True


def _gray(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    small = image.convert("L").resize(size, Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(BLUR_PX))
    return np.asarray(small, np.float32)


def _largest_change(x: np.ndarray, y: np.ndarray) -> float:
    """1 − the structure term of SSIM (Wang et al., 2004), 0 to 2, where two pictures differ most.

    Taken in windows of a letter's size, those without print left out; contrast and brightness do not count.
    """
    mean_x, mean_y = uniform_filter(x, WINDOW_PX), uniform_filter(y, WINDOW_PX)
    variance_x = uniform_filter(x * x, WINDOW_PX) - mean_x**2
    variance_y = uniform_filter(y * y, WINDOW_PX) - mean_y**2
    covariance = uniform_filter(x * y, WINDOW_PX) - mean_x * mean_y
    change = 1 - (2 * covariance + NOISE_VARIANCE) / (variance_x + variance_y + NOISE_VARIANCE)
    return float(change.max(where=np.maximum(variance_x, variance_y) > INK_VARIANCE, initial=0))
