"""What a drug order's directions mean: how much at a time, how often, by which route, for how long, and whether at all.

Each function takes the words as they are printed and gives a value that is equal for equal directions: `BID`, `twice
daily`, `1-0-1` and `q12h` are all 2 times a day. What is not understood gives None.
"""

import functools
import re
from fractions import Fraction

from .sig import ORDER
from .text import number
from .words import compiled, meanings, words

NUMBERS = {"once": 1, "one": 1, "a": 1, "an": 1, "twice": 2, "two": 2, "thrice": 3, "three": 3, "four": 4, "five": 5}
NUMBERS |= {"six": 6, "half": 0.5, "half a": 0.5, "one half": 0.5, "one-half": 0.5, "½": 0.5, "¼": 0.25, "single": 1}
A_DAY = {word: float(Fraction(times)) for word, times in meanings("daily").items()}  # without points and spaces
DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "m": 30.0, "y": 365.0}  # by the first letter of the period
PRINTED = compiled("direction")
OF_A_YEAR = {"7": 1.0, "52": 7.0, "12": 30.0}  # 7/7 days, 3/52 weeks, 3/12 months
ROUTE_OF = meanings("route")
TIME_OF = meanings("time")
TIMES = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(map(re.escape, TIME_OF.keys() - {'on', 'om'}), reverse=True))})(?!\w)")
SLOTS = "morning", "noon", "evening", "evening"  # of `1-0-1`; a fourth is the night
WAY_OF = meanings("given")
FORMS = {"tab": "tablet", "cap": "capsule", "gtt": "drop", "iu": "unit", "cc": "ml", "teaspoon": "tsp"}
FORMS |= {"patche": "patch"} | {word.rstrip("s"): meaning for word, meaning in meanings("form").items()}
ENGLISH_OF = {"times": "times", "day": "a day", "every": "every", "hour": "hours", "days": "days", "weeks": "weeks"}
ENGLISH_OF |= {"slot": "morning", "and": "and", "per": "day", "weekly": "weekly", "months": "months"}
ENGLISH = {word: english for kind, english in ENGLISH_OF.items() for word in words(kind)}
ENGLISH |= {word: f"{times} times" for word, times in meanings("often").items()}
del ENGLISH["week"]  # Dutch has it too
FOREIGN = re.compile(rf"(?<![\w.])(?:{'|'.join(sorted(map(re.escape, ENGLISH), key=len, reverse=True))})(?![\w.])")


@functools.lru_cache(20_000)
def times_a_day(frequency: str) -> float | None:
    """How often a day: 2 for `BID`, `twice daily`, `1-0-1`, `q12h`; 1/7 for `weekly`; a range gives its least."""
    flat = " ".join(PRINTED["needed"].sub(" ", frequency.lower()).replace("(", " ").replace(")", " ").split())
    if ORDER["several slots"].fullmatch(flat):
        amounts = PRINTED["one slot"].findall(flat)
        alike = len(set(amounts)) == 1 or set(amounts[1:]) == {""}  # `1 cap mane and nocte`: one each time
        return float(len(amounts)) if alike else None
    if daily := PRINTED["a day"].match(flat):
        return float(daily[1])
    flat = PRINTED["each"].sub(r"every \1 h", flat)
    flat = FOREIGN.sub(lambda match: ENGLISH[match.group()], flat)
    if slots := PRINTED["slots"].search(flat):
        parts = PRINTED["between slots"].split(slots.group())
        return float(parts.count("1")) if set(parts) <= {"0", "1", "x"} else None  # amounts that differ: by their words
    for interval in (PRINTED["every"], PRINTED["hourly"]):
        if match := interval.search(flat):
            longest = match.groupdict().get("high") or match["count"]
            days_apart = _count(longest) * _days(match["unit"])
            return round(1 / days_apart, 4) if days_apart else None  # a misread `q0h`
    if match := PRINTED["times"].search(flat):
        period = match["unit"] or ("w" if "weekly" in match.group() else "m" if "monthly" in match.group() else "d")
        return round(_count(match["count"]) / _days(period), 4)
    parts = [part for part in re.split(r"\band\b|\+|,", flat) if part.strip()]
    known = [A_DAY.get(re.sub(r"[.\s-]", "", part)) for part in parts]
    if known and None not in known:
        return round(sum(known), 4)
    words = [A_DAY[word] for word in re.sub(r"[.]", "", flat).split() if word in A_DAY]
    return round(words[0], 4) if words else None


def times_of_day(frequency: str) -> frozenset[str]:
    """At which times of the day, of morning, noon and evening (nights too): none where the frequency does not say."""
    flat = frequency.lower().replace(".", "").strip()
    if slots := PRINTED["slots"].search(flat):
        parts = zip(PRINTED["between slots"].split(slots.group()), SLOTS, strict=False)
        return frozenset(time for part, time in parts if part != "0")
    return frozenset(TIME_OF[word] for word in [flat, *TIMES.findall(flat)] if word in TIME_OF)


def _count(word: str) -> float:
    return float(NUMBERS.get(word) or word)


def _days(unit: str) -> float:
    return 1.0 if unit.startswith("n") else DAYS["h" if unit.startswith("h") else unit[0]]


def is_as_needed(text: str) -> bool:
    """Whether a frequency says as needed: `PRN`, `when required`, `SOS`."""
    return PRINTED["needed"].search(text.lower()) is not None


@functools.lru_cache(20_000)
def days(duration: str) -> float | None:
    """For how many days: 7 for `x 7 days`, `1 week`, `7/7`; a range gives its most."""
    match = PRINTED["lasts"].search(FOREIGN.sub(lambda word: ENGLISH[word.group()], duration.lower()))
    if not match:
        return None
    length = OF_A_YEAR[match["of"]] if match["of"] else _days(match["unit"])
    return round(_count(match["high"] or match["count"]) * length, 4)


def route_of(route: str) -> str | None:
    """The route by its whole name: `oral` for `PO`, `by mouth`, `per os`."""
    return ROUTE_OF.get(re.sub(r"[.\s-]", "", route.lower()))


def way_of(form: str) -> str | None:
    """How a form is given: a tablet by mouth, an ampoule into the body; None for one that may be given in many ways."""
    return WAY_OF.get(form.lower().rpartition(" ")[2])


def amount_before(lowered: str, name: int) -> tuple[int, int] | None:
    """The span of what is taken at a time where that stands before the drug: `Take 1 tablet of metoprolol`."""
    asked = PRINTED["asked before"].search(lowered, max(0, name - 50), name)
    return asked.span("taken") if asked else None


def amount_at(lowered: str, start: int, limit: int, strength: re.Match | None) -> tuple[int, int] | None:
    """The span of what is taken at a time (`2 tablets`, `20 units`), apart from the strength of the drug."""
    first = None
    dose = strength.span() if strength else (limit, limit)
    for match in PRINTED["amount"].finditer(lowered, start, limit):
        at, end = match.span()
        if PRINTED["asked"].search(lowered, max(start, at - 12), at):
            return at, end  # `21 capsules. Take 1 capsule`: not what is dispensed
        large = at <= start + 1 and match["amount"].isdigit() and int(match["amount"]) >= 10  # `DOLO 650 TABLET`
        other = match["amount"] == "a" or lowered.endswith((" in ", " than "), start, at)  # `in 250 mL`
        if not (large or other or (at < dose[1] and dose[0] < end)):
            first = first or (at, end)
    mass = None if first else PRINTED["mass"].search(lowered, dose[1], limit)
    return mass.span("dose") if mass else first


@functools.lru_cache(20_000)
def amount_of(amount: str) -> tuple[float, str] | None:
    """How much at a time, and of what: (2, tablet) for `2 tabs`, `two tablets`; a range gives its most."""
    taken = f"take {amount.lower()} daily"  # `one` alone is an amount only so
    match = PRINTED["amount"].search(taken) or PRINTED["mass"].search(taken)
    if not match:
        return None
    most = re.split(r"\s?(?:-|to)\s?", match["amount"])[-1]
    form = (match["form"] or "").rstrip("s")
    return (NUMBERS.get(most) or number(most)), FORMS.get(form, form)
