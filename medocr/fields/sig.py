"""Patterns of the parts of a drug order: form, route, frequency, duration, strength; all but a form before the drug
and a bare number are of `text.lower`. Their words are in `data/patterns.tsv`."""

import re

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
