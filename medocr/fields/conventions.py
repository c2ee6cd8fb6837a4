"""How a page writes numbers: decided once, from all of them, since `6.540` alone may be six and a half or thousands."""

import functools
import re

# Decimals: never a part of a date, nor of 1,25-dihydroxy.
POINTS = re.compile(r"(?=\d)(?<![\d.,/:-])(?:\d{1,4}\.\d{1,2}|0\.\d{3})(?![\d.,/:])")
COMMAS = re.compile(
    r"(?=\d)(?<![\d.,/:])(?:\d{1,4},\d{1,2}|0,\d{3})(?![\d.,/:]|-[^\W\d])|(?=\d)(?<!\d)\d{1,3}\.\d{3},\d"
)
WITH_COMMA = re.compile(  # on a page with decimal commas: thousands by points, then decimals
    r"(?=[\d,])(?:(?<![\d.,/:-])[1-9]\d{0,2}(?:\.\d{3})+(?![\d.])|(?<=\d),(?=\d{1,4}(?![\d.,]|-[^\W\d])))"
)
SWAPPED = str.maketrans(".,", ",.")


@functools.lru_cache(maxsize=8)
def decimal_sign(text: str) -> str | None:
    """The sign before a page's decimals, `.` or `,`, by most of its numbers; None where they do not tell."""
    if "," not in text:
        return "." if "." in text and POINTS.search(text) else None
    points, commas = len(POINTS.findall(text)), len(COMMAS.findall(text))
    return None if points == commas else "." if points > commas else ","


@functools.lru_cache(maxsize=8)
def with_points(text: str) -> str:
    """The same length, with points before decimals and commas between thousands, where the page has it otherwise."""
    if "," not in text or decimal_sign(text) != ",":
        return text
    return WITH_COMMA.sub(lambda match: match.group().translate(SWAPPED), text)
