"""Printed dates as ISO 8601, where what is printed can mean only one day."""

import contextlib
import datetime
import re
from collections.abc import Iterable

from ..fields.text import MONTHS
from ..fields.words import month_numbers

YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
NUMBERS = re.compile(r"(?<![\d./-])(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?!\d|[-./]\d)")  # not amid an identifier
DAY_FIRST = re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th)?[ \-./,]{{0,2}}({MONTHS})[a-z]*\.?[ \-./,']{{0,2}}(\d{{4}})(?!\d)")
MONTH_FIRST = re.compile(rf"({MONTHS})[a-z]*\.?[ ]?(\d{{1,2}})(?:st|nd|rd|th)?,?[ ](\d{{4}})(?!\d)")
MONTH = {name: number for number, name in enumerate(MONTHS.split("|"), 1)} | month_numbers()
NAMED = re.compile(rf"(\d{{1,2}})\.?[ ](?:de[ ])?({'|'.join(MONTH)})[ ](?:de[ ])?(\d{{4}})(?!\d)")  # in other languages
FIRST_YEAR = 1880  # nobody living was born before; Persian and misread years are lower, Thai ones in the future


def order(texts: Iterable[str]) -> str | None:
    """Whether days (`d`) or months (`m`) come first in the dates of a document; None where nothing tells, or both do.

    A date whose first number is above 12 tells that days come first, as does one written with points; one that is on
    no day until the end of next year tells nothing.
    """
    orders = set()
    for first, sign, second, year in (match.groups() for text in texts for match in NUMBERS.finditer(text)):
        if not (_day(year, second, first) or _day(year, first, second)):
            continue
        if int(first) > 12 or sign == ".":
            orders.add("d")
        elif int(second) > 12:
            orders.add("m")
    return orders.pop() if len(orders) == 1 else None


def iso(printed: str, day_or_month_first: str | None = None) -> str | None:
    """`14 Mar 2024`, `14 de março de 2024`, `2024-03-14`, `14/03/2024`, `03/14/2024` → 2024-03-14; None if ambiguous.

    None, too, for a day that has not been (`has_been`). `03/04/2024` is known only with the document's order. Years
    of two digits are nobody's guess: None.
    """
    text = printed.lower().strip()
    if match := YEAR_FIRST.match(text):
        return _date(*match.groups())
    if match := DAY_FIRST.match(text) or NAMED.match(text):
        return _date(match[3], MONTH[match[2]], match[1])
    if match := MONTH_FIRST.match(text):
        return _date(match[3], MONTH[match[1]], match[2])
    if not (match := NUMBERS.match(text)):
        return None
    first, second = int(match[1]), int(match[3])
    if first > 12 or first == second or match[2] == ".":
        return _date(match[4], second, first)
    if second > 12 or day_or_month_first == "m":
        return _date(match[4], first, second)
    return _date(match[4], second, first) if day_or_month_first == "d" else None


def has_been(day: datetime.date) -> bool:
    """Whether a day is from 1880 on and not after tomorrow, which is today elsewhere."""
    return day.year >= FIRST_YEAR and day <= datetime.date.today() + datetime.timedelta(days=1)


def _date(year: str | int, month: str | int, day: str | int) -> str | None:
    date = _day(year, month, day)
    return date.isoformat() if date and has_been(date) else None


def _day(year: str | int, month: str | int, day: str | int) -> datetime.date | None:
    if FIRST_YEAR <= int(year) <= datetime.date.today().year + 1:
        with contextlib.suppress(ValueError):
            return datetime.date(int(year), int(month), int(day))
    return None
