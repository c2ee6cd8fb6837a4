"""Does a page agree with itself? What its fields say about each other is reported, never corrected."""

import math
from collections.abc import Iterator, Mapping

from medocr.metrics.values import rows

HIGH, LOW = ("H", "HH"), ("L", "LL")
CENT = 0.011  # sums may be a rounded cent apart


def contradictions(fields: Mapping) -> list[str]:
    """What disagrees in a page's fields (as `fields.read_fields` gives them), a sentence each.

    A flag with value and range; items with the subtotal; subtotal and tax with the total, unless that includes the tax;
    a discount, a tip and an earlier balance are reckoned with where they are printed.
    A row without a flag is held against its range only where the page flags other rows as high or low.
    """
    contradicted = rows(fields, "analytes")
    flagged = any(row.get("flag") in HIGH + LOW for row in contradicted)
    return [*(stated for row in contradicted for stated in of_row(row, flagged)), *_sums(fields.get("receipt") or {})]


def of_row(row: Mapping, flagged: bool) -> Iterator[str]:
    """What disagrees in one analyte row; `flagged` says whether its page flags any row as high or low."""
    value, low, high, flag = (row.get(name) for name in ("value", "low", "high", "flag"))
    if isinstance(low, float | int) and isinstance(high, float | int) and low > high:
        yield f"{row['name']} has a range whose limits are swapped: low {low:g}, high {high:g}"
        return
    if not isinstance(value, float) or (low is None and high is None):
        return
    above, below = high is not None and value > high, low is not None and value < low
    at = value in (low, high) and None in (low, high)  # `< 100` leaves 100 out
    if flag in HIGH and not (above or at):
        yield f"{row['name']} {value:g} is flagged {flag} but not above {_range(low, high)}"
    elif flag in LOW and not (below or at):
        yield f"{row['name']} {value:g} is flagged {flag} but not below {_range(low, high)}"
    elif flagged and flag in (None, "N") and (above or below):
        yield f"{row['name']} {value:g} is outside {_range(low, high)} but not flagged"


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"> {low:g}" if high is None else f"< {high:g}"
    return f"{low:g}–{high:g}"


def _sums(receipt: Mapping) -> Iterator[str]:
    amounts = [item["amount"] for item in receipt.get("items") or ()]
    subtotal, tax, total = (receipt.get(name) for name in ("subtotal", "tax", "total"))
    discount, tip, earlier = (abs(receipt.get(name) or 0.0) for name in ("discount", "tip", "earlier"))
    stated = amounts and subtotal is not None and None not in amounts
    if stated and not _reaches(math.fsum(amounts), subtotal, -discount):
        yield f"items add up to {math.fsum(amounts):.2f}, the subtotal is {subtotal:.2f}"
    if None not in (subtotal, tax, total) and not _reaches(subtotal, total, tax, -discount, tip, earlier):
        yield f"subtotal and tax add up to {subtotal + tax:.2f}, the total is {total:.2f}"


def _reaches(start: float, total: float, *changes: float) -> bool:
    """Whether an amount makes the total with some of the changes: each may be in it already (a tax, a discount)."""
    sums = {start}
    for change in changes:
        sums |= {amount + change for amount in sums}
    return any(abs(amount - total) <= CENT for amount in sums)
