"""The parts of a drug order: patterns of form, route, frequency, duration and strength, and what a strength amounts to.

Patterns are of `text.lower`, but that of a form before the drug; their words are in `data/patterns.tsv`.
"""

import re

from .text import lower, number
from .units import unit_code
from .words import pattern, patterns, words

ORDER = patterns("order")
PREFIX = re.compile(ORDER["form before"], re.IGNORECASE)
FORMS = re.compile(rf"(?<![\w/])({ORDER['form']})(?![\w/])")
ROUTES = re.compile(rf"(?<![\w/.])({ORDER['route']})(?![\w/])\.?")
ROUTE_BEFORE = re.compile(rf"{ROUTES.pattern}[ ]\Z")  # right before a drug or its form: `IV ceftriaxone`, `SL tab …`
SLOT = patterns("part")["times of day"]
SEVERAL_SLOTS = re.compile(rf"(?<![\w.,/-]){ORDER['several slots']}(?!\w)")  # `2 PO mane 1 PO nocte`, `matin et soir`
SLOT_WORDS = SLOT.split("|")
MEALS = re.compile(rf"(?<!\w)(?:{ORDER['meals']})(?!\w)")  # where no other frequency is printed
FREQUENCY = re.compile(rf"(?<![\w.,/-])(?:{ORDER['frequency']})(?![\w/-])\.?")
NOT_EVERY = "".join(f"(?<!{word} )" for word in words("every"))  # `every 21 days` is a frequency
NEXT_MEAL = r",[ ](?=\d{1,3}[ ]?(?:units?|u|iu)[ ](?:[a-z]{2,6}[ ])?(?:lunch|dinner|supper))"
THEN = re.compile(rf"[ ]?[,;.]?\s(?:and )?(?:then|{pattern('then')})[ ]|{NEXT_MEAL}")  # before a course's next step
DURATION = re.compile(
    rf"(?<![\w.,/-])(?:(?:x|for|mitte:?|{pattern('for')})[ ]?(?:the next )?(?P<marked>{ORDER['marked duration']})"
    rf"|{NOT_EVERY}(?P<bare>{ORDER['bare duration']}))(?![\w])"
)
STRENGTH = re.compile(rf"(?<![\d.,/+-]){ORDER['strength']}")
BARE_NUMBER = re.compile(rf"[ ]?(?:(?:mdi|accuhaler|evohaler|turbuhaler)[ ])?[-–]?[ ]?({ORDER['bare number']})")
COUNTED = re.compile(rf"(?<![\w.,/-])(?P<number>{patterns('part')['count']})[ ]?(?P<unit>{ORDER['counted']})(?!\w)")
COUNT_UNITS = {"puff": "{puff}", "drop": "[drp]", "gtt": "[drp]", "spray": "{spray}", "tsp": "[tsp_us]"}
COUNT_UNITS |= {"teaspoon": "[tsp_us]", "tbsp": "[tbs_us]"}
SALTS = words("salts")
TAGS = words("tags")
NUTRIENTS = words("nutrients")
STOPS = re.compile(rf"\n[ ]*\n|(?<!\w)(?:{ORDER['stop']})(?!\w)|(?:^|\n)[ ]*(?:bp|pulse|c/o|adv)\b")
NO_ORDER_AFTER = re.compile(ORDER["no order after"])  # a drug's name: `morphine equivalents`
NOT_DRUGS = words("not_drugs") | words("contains")
LONGEST = 240  # characters that an order may go on for
CHANGED = re.compile(r"[ ]?(?:[a-z]{2,12}[ ]){0,2}?from[ ][^\n]{1,24}?[ ]to[ ]")  # of `text.lower`
CHANGED_SINCE = re.compile(r"(?<!be )(?:(?:in|de)creased|reduced|raised|changed|titrated|uptitrated)[ ]to[ ]")
LEADING = re.compile(r"[ ](?:of[ ])?$")
PER = {"ml": "mL", "g": "g", "gm": "g", "h": "h", "hr": "h", "hour": "h", "kg": "kg", "day": "d", "min": "min"}
PER |= {"m2": "m2", "m²": "m2"}
UNITS = {"milligram": "mg", "milligrams": "mg", "mgs": "mg", "microgram": "ug", "micrograms": "ug", "cc": "mL"}
UNITS |= {"unit": "units", "i.u": "iu", "ie": "iu", "ui": "iu", "i.e": "iu"}
LONGEST_LEAD = 24  # characters of a dose before its drug


def changed_at(lowered: str, start: int, limit: int) -> int:
    """Where a drug's new strength starts: after `from 10 mg to`, `was increased to`, else at `start`."""
    match = CHANGED.match(lowered, start, limit) or CHANGED_SINCE.search(lowered, start, limit)
    return match.end() if match and STRENGTH.match(lowered, match.end()) else start


def dose_before(lowered: str, begin: int, last: int, led: bool) -> int | None:
    """Where a dose right before a drug starts (`500 mg metformin`, `40 mg of furosemide`); None where none does.

    `last` is the offset after the drug before, whose own dose it is when it stands right after that one
    (`metformin 500 mg glipizide`), unless that one has its dose before it too (`led`).
    """
    gap = LEADING.search(lowered, max(last, begin - 4), begin)
    if not gap:
        return None
    for match in STRENGTH.finditer(lowered, max(last, begin - LONGEST_LEAD), begin):
        if match.end() == gap.start() and match["unit"] not in ("ml", "cc"):
            return match.start() if led or not last or lowered[last : match.start()].strip() else None
    return None


def strength(flat: str, start: int, limit: int) -> tuple[float | str | None, str | None]:
    """The strength, or else the counted dose, or else a bare number right after the name (`Dolo 650`)."""
    lowered = lower(flat)
    if match := solid(lowered, start, limit):
        return _amount(match)
    bare = BARE_NUMBER.match(lowered, start)
    if bare and bare.end() <= limit and "/" in bare.group(1):
        return bare.group(1), None
    if counted := COUNTED.search(lowered, start, limit):
        return number(counted.group("number")), COUNT_UNITS[counted.group("unit").rstrip("s")]
    if volume := STRENGTH.search(lowered, start, limit):
        return _amount(volume)
    return (number(bare.group(1)) if bare and bare.end() <= limit else None), None


def solid(lowered: str, start: int, limit: int) -> re.Match | None:
    """The first strength that is no volume."""
    return next((m for m in STRENGTH.finditer(lowered, start, limit) if m["unit"] not in ("ml", "cc")), None)


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
