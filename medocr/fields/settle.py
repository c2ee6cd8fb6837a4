"""What a row's columns mean: earlier results apart from the current one, lone bounds and ranges, signs as flags."""

from typing import TYPE_CHECKING

from .marks import counted, critical, is_column, outside, range_at
from .text import number
from .words import words

if TYPE_CHECKING:
    from .columns import Columns

RANGE_HEADINGS = words("range_headings")
STATED = {"was", "is", "were", "remains", "remained", "still", "now"}


def named(row: "Columns") -> bool:
    """Pass an earlier result that a word names: `(prev 10.4)`, `Previous: 154`, `Antériorité 14/01/2024 : 13,4`."""
    after, date = row.here + 1, None
    while after - row.here < 6 and (
        row.words[after] in (":", "=", ".", "value", "result") or row.kinds[after] == "date"
    ):
        date = row.words[after] if row.kinds[after] == "date" else date
        after += 1
    row.extra += 1  # of several, the row ends at the third
    if row.kinds[after] != "num" or row.extra > 2 or range_at(row.atoms, after):
        return False
    value = number(row.words[after])
    behind = after + 1 + sum(word in ("on", "(") for word in row.lowered[after + 1 : after + 3])
    if date is None and row.kinds[behind] == "date":
        date, after = row.words[behind], behind
    _keep(row, value, date)
    row.here = after + 1
    return True


def changed(row: "Columns") -> bool:
    """Pass an earlier result before the current one: `dropped from 11.8 to 7.9 g/dL`."""
    _keep(row, number(row.words[row.here]), None)
    row.here += 2
    return True


def moved(row: "Columns") -> bool:
    """Take the result before an arrow as an earlier one: `14 -> 52 ng/L`."""
    if row.value is not None:
        _keep(row, row.value, None)
    row.value, row.printed, row.here = None, "", row.here + 1
    return True


def dated(row: "Columns") -> bool:
    """A date in a row is that of the number before it, an earlier result: `12.1 Low 13.9 02/14/2023 g/dL 13.0-17.7`.

    A flag between the two is the earlier result's. The row goes on where a unit, a range or a flag follows.
    """
    if not row.printed:
        return False
    after = row.here + 1
    passed = ("time", "cell", "nl") if row.kinds[row.here - 1] == "nl" else ("time", "cell")
    while row.kinds[after] in passed or row.words[after] in (")", ",", ";"):
        after += 1
    goes_on = (
        not row.names[after]
        and is_column(row.atoms, after)
        and (row.kinds[after] != "num" or range_at(row.atoms, after) is not None)
    )
    if goes_on:
        _unbound(row)
    if row.further is not None:
        if row.flagged > row.further_at:
            row.flag = None
        _keep(row, row.further, row.words[row.here])
    row.here = after if goes_on else row.here
    return goes_on


def _unbound(row: "Columns") -> None:
    """Of a bound and a number before a date, the second is the earlier result and no range: `<0.2 0.3 06/03/2023`."""
    if not row.bounds or row.ranges or row.unit or not isinstance(row.value, float):
        return
    *_, printed, _, at = row.bounds[0]
    row.bounds.clear()
    if at < row.at:
        row.further, row.further_at = row.value, row.at
        row.value = row.printed = printed
    else:
        row.further, row.further_at = printed, at


def _keep(row: "Columns", value: float | str, date: str | None) -> None:
    if row.previous is None:
        row.previous, row.previous_date = value, date


def settle(row: "Columns") -> None:
    """Decide what a lone bound or range is: the value where there is no other, else the reference; and the flag."""
    row.end = row.here
    if row.bounds and not row.printed:
        *_, in_words, at = row.bounds[0]
        stated = row.lowered[at - 1] in STATED  # `was less than 0.01`
        ranged = row.lowered[at - 1 - (row.words[at - 1] == ":")] in RANGE_HEADINGS  # `Standard range: < 150 ng/mL`
        if not ranged and (stated or not in_words):
            result = row.bounds.pop(1 if row.range_first and len(row.bounds) > 1 else 0)
            row.at = result[5]
            row.value = row.printed = result[3]
    row.ranges += [bound[:4] for bound in row.bounds]
    if row.unit == "/uL":
        row.value = counted(row.value, row.printed)
        row.ranges = [(counted(r[0], r[3]), counted(r[1], r[3]), *r[2:]) for r in row.ranges]
    fields = row.unit in ("/[HPF]", "/[LPF]")  # of a microscope: what is counted is a range
    several = row.ranges and (fields or (len(row.ranges) > 1 and (row.unit is None or _is_counted(row))))
    if several and not row.printed and not row.ranges[0][2]:
        row.value = row.printed = row.ranges.pop(0)[3]
    _settle_flag(row)
    row.bare = row.unit is None and not row.ranges and row.flag is None


def _is_counted(row: "Columns") -> bool:
    """Whether the first of two ranges is a count: the second begins at none, `WBC 2-5 0-5 /uL` in urine."""
    return row.unit == "/uL" and row.ranges[1][0] == 0


def _settle_flag(row: "Columns") -> None:
    low, high = row.ranges[0][:2] if row.ranges else (None, None)
    if row.flag is None and row.sign == "+" and outside(row.value, None, high):
        row.flag = "H"
    if row.flag is None and row.sign == "-" and outside(row.value, low, None):
        row.flag = "L"
    if row.flag == "C":  # critical, in a direction that value and range tell
        row.flag = critical(row.value, low, high)
    earlier = row.flag in ("H", "L") and row.flagged > row.further_at >= 0
    if earlier and row.ranges and not outside(row.value, low, high):
        row.flag = None  # `141 137 Low mmol/L 134-144`: the flag of the earlier result
