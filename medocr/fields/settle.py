"""What a row's columns mean, once all of them are read."""

from typing import TYPE_CHECKING

from .marks import counted, critical, outside

if TYPE_CHECKING:
    from .columns import Columns


def settle(row: "Columns") -> None:
    """Decide what a lone bound or range is: the value where there is no other, else the reference; and the flag."""
    row.end = row.here
    if row.bounds and not row.printed and not row.bounds[0][4]:
        result = row.bounds.pop(1 if row.range_first and len(row.bounds) > 1 else 0)
        row.at = result[5]
        row.value = row.printed = result[3]
    row.ranges += [bound[:4] for bound in row.bounds]
    if row.unit == "/uL":
        row.value = counted(row.value, row.printed)
        row.ranges = [(counted(r[0], r[3]), counted(r[1], r[3]), *r[2:]) for r in row.ranges]
    several = len(row.ranges) > 1 or (row.ranges and row.unit in ("/[HPF]", "/[LPF]"))
    if several and not row.printed and not row.ranges[0][2]:
        row.value = row.printed = row.ranges.pop(0)[3]
    _settle_flag(row)
    row.bare = row.unit is None and not row.ranges and row.flag is None


def _settle_flag(row: "Columns") -> None:
    low, high = row.ranges[0][:2] if row.ranges else (None, None)
    if row.flag is None and row.star and outside(row.value, low, high):
        row.flag = "A"
    if row.flag is None and row.sign == "+" and outside(row.value, None, high):
        row.flag = "H"
    if row.flag is None and row.sign == "-" and outside(row.value, low, None):
        row.flag = "L"
    if row.flag == "C":  # critical, in a direction that value and range tell
        row.flag = critical(row.value, low, high)
    earlier = row.flag in ("H", "L") and row.flagged > row.further_at >= 0
    if earlier and row.ranges and not outside(row.value, low, high):
        row.flag = None  # `141 137 Low mmol/L 134-144`: the flag of the earlier result
