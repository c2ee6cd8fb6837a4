"""The parts of a drug order: patterns of form, route, frequency, duration and strength, and what a strength amounts to.

Patterns are of `text.lower`, but that of a form before the drug; their words are in `data/patterns.tsv`.
"""

import re

from .text import lower, number
from .units import unit_code
from .words import compiled, patterns, words

ORDER = compiled("order")
PART = patterns("part")
SLOT_WORDS = PART["times of day"].split("|")
NOT_EVERY = "".join(f"(?<!{word} )" for word in words("every"))  # `every 21 days` is a frequency
DURATION = re.compile(rf"(?<![\w.,/-])(?:{PART['marked']}|{NOT_EVERY}{PART['bare']})(?!\w)")
COUNT_UNITS = {"puff": "{puff}", "drop": "[drp]", "gtt": "[drp]", "spray": "{spray}", "tsp": "[tsp_us]"}
COUNT_UNITS |= {"teaspoon": "[tsp_us]", "tbsp": "[tbs_us]"}
SALTS = words("salts")
TAGS = words("tags")
NUTRIENTS = words("nutrients")
NOT_DRUGS = words("not_drugs") | words("contains")
LONGEST = 240  # characters that an order may go on for
PER = {"ml": "mL", "g": "g", "gm": "g", "h": "h", "hr": "h", "hour": "h", "kg": "kg", "day": "d", "min": "min"}
PER |= {"m2": "m2", "m²": "m2"}
UNITS = {"milligram": "mg", "milligrams": "mg", "mgs": "mg", "microgram": "ug", "micrograms": "ug", "cc": "mL"}
UNITS |= {"unit": "units", "i.u": "iu", "ie": "iu", "ui": "iu", "i.e": "iu"}
LONGEST_LEAD = 24  # characters of a dose before its drug


def changed_at(lowered: str, start: int, limit: int) -> int:
    """Where a drug's new strength starts: after `from 10 mg to`, `was increased to`, else at `start`."""
    match = ORDER["changed"].match(lowered, start, limit) or ORDER["changed since"].search(lowered, start, limit)
    return match.end() if match and ORDER["strength"].match(lowered, match.end()) else start


def dose_before(lowered: str, begin: int, last: int, led: bool) -> int | None:
    """Where a dose right before a drug starts (`500 mg metformin`, `40 mg of furosemide`); None where none does.

    `last` is the offset after the drug before, whose own dose it is when it stands right after that one
    (`metformin 500 mg glipizide`), unless that one has its dose before it too (`led`).
    """
    gap = ORDER["leading"].search(lowered, max(last, begin - 4), begin)
    if not gap:
        return None
    for match in ORDER["strength"].finditer(lowered, max(last, begin - LONGEST_LEAD), begin):
        if match.end() == gap.start() and match["unit"] not in ("ml", "cc"):
            return match.start() if led or not last or lowered[last : match.start()].strip() else None
    return None


def strength(flat: str, start: int, limit: int) -> tuple[float | str | None, str | None]:
    """The strength, or else the counted dose, or else a bare number right after the name (`Dolo 650`)."""
    lowered = lower(flat)
    if match := solid(lowered, start, limit):
        return _amount(match)
    bare = ORDER["bare number"].match(lowered, start)
    if bare and bare.end() <= limit and "/" in bare.group(1):
        return bare.group(1), None
    if counted := ORDER["counted"].search(lowered, start, limit):
        return number(counted.group("number")), COUNT_UNITS[counted.group("unit").rstrip("s")]
    if volume := ORDER["strength"].search(lowered, start, limit):
        return _amount(volume)
    return (number(bare.group(1)) if bare and bare.end() <= limit else None), None


def solid(lowered: str, start: int, limit: int) -> re.Match | None:
    """The first strength that is no volume."""
    return next((m for m in ORDER["strength"].finditer(lowered, start, limit) if m["unit"] not in ("ml", "cc")), None)


def _amount(match: re.Match) -> tuple[float | str, str | None]:
    low, high, unit = match.group("low"), match.group("high"), match.group("unit").rstrip(".")
    unit = UNITS.get(unit, unit)
    factor = 1.0
    for word, size in (("lakh ", 1e5), ("million ", 1e6), ("k ", 1e3)):
        if unit.startswith(word):
            unit, factor = unit.removeprefix(word), size
    code = unit_code("units" if unit == "unit" else unit)
    if match.group("per"):
        per = PER.get(match.group("per"), "{" + match.group("per") + "}")
        count = match.group("count")
        code = f"{code}/({count}.{per})" if count and count != "1" else f"{code}/{per}"
    if each := match.group("each"):
        code = f"{code}/{PER.get(each, f'{{{each}}}')}"  # `mcg/kg/min`
    amount = f"{low}{match.group('and')}{high}" if high else number(low) * factor
    return amount, code
