"""Patterns of the parts of a drug order: form, route, frequency, duration, strength; all but a form before the drug
and a bare number are of `text.lower`."""

import re

from . import languages
from .languages import pattern
from .words import patterns, words

ORDER = patterns("order")
FORM = "|".join(pattern("form", of) for of in ("tablet", "capsule", "drop")) + f"|{ORDER['form']}"
PREFIX = re.compile(ORDER["form before"], re.IGNORECASE)
FORMS = re.compile(rf"(?<![\w/])({FORM})(?![\w/])")
ROUTES = re.compile(rf"(?<![\w/.])({ORDER['route']})(?![\w/])\.?")
DOSES_A_DAY = (
    r"(?:\d{1,2}(?:[./]\d)?|½|¼|x)(?:[ ]?[-+][ ]?(?:\d{1,2}(?:[./]\d)?|½|¼|x)){2,3}(?![\d./-]|"
    r"[ ]?[-+][ ]?\d)|(?:[0-4]|½)(?:[ ]?\|[ ]?(?:[0-4]|½)){3}(?=[ ]?\|)"
)
TIMES = r"(?:once|twice|thrice|(?:one|two|three|four|five|six|[1-6])[ ]?(?:times|x))"
PERIOD = (
    r"(?:daily|nightly|weekly|monthly|(?:a|per|each|every|in a)[ ](?:day|night|week|month)|/[ ]?(?:day|d|"
    r"week)\b)"
)
SLOT = rf"mane|nocte|morning|evening|night|{pattern('slot')}"
COUNT = r"(?:(?:\d(?:\.\d)?|½)[ ]?(?:po[ ]|tab[a-z]{0,4}[ ]|cap[a-z]{0,5}[ ])?)?"
SEVERAL_SLOTS = re.compile(  # `2 PO mane 1 PO nocte`, `matin et soir`
    rf"(?<![\w.,/-])(?:each[ ])?{COUNT}(?:{SLOT})"
    rf"(?:[ ,]{{1,2}}(?:(?:and|{pattern('and')})[ ])?{COUNT}(?:{SLOT})){{1,2}}(?!\w)"
)
SLOT_WORDS = SLOT.split("|")
MEALS = re.compile(r"(?<!\w)(?:with|before|after) (?:each meal|meals)(?!\w)")
FREQUENCY = re.compile(
    rf"(?<![\w.,/-])(?:{DOSES_A_DAY}|"
    rf"each[ ](?:morning|noon)[ ]and[ ](?:noon|evening|night)|{TIMES}[ ]?{PERIOD}|{TIMES}[ ]in[ ]\d{{1,2}}[ ]days"
    r"|every[ ](?:\d{1,2}(?:[ ]?(?:-|to)[ ]?\d{1,2})?[ ]?(?:hours?|hrs?|h|days?|weeks?|months?)|(?:other|"
    r"alternate|alternative)[ ](?:day|night|week)|"
    r"day|week|month|morning|evening|night|four hours|six hours|eight hours|twelve hours|bedtime)"
    r"|q\.?[ ]?\d{1,2}(?:[ ]?(?:-|to)[ ]?\d{1,2})?[ ]?(?:hours?|hrs?|hourly|hrly|h|days?|d|weeks?|wks?|wk|"
    r"months?|min)"
    r"|\d{1,2}[ ]?(?:-[ ]?)?(?:hourly|hrly)|(?:at|before)[ ](?:bed[ ]?time|night|noon)|(?:in the|"
    r"each)[ ](?:morning|evening|afternoon)|on alternate days|alternate days?"
    r"|as[ ](?:needed|required)|(?:if|when) (?:needed|required)|every[ ](?:two|three|four|six)[ ](?:days|weeks|months)"
    rf"|\d{{1,2}}[ ]?(?:x|{pattern('times')})[ ]?(?:{pattern('day')})"
    rf"|(?:{pattern('every')})[ ]\d{{1,2}}[ ](?:{pattern('hour')}|{pattern('days')})"
    rf"|c/[ ]?\d{{1,2}}[ ]?(?:h|{pattern('hour')})|(?:x[ ]?)?\d[ ]?/[ ]?(?:{pattern('per')})|{pattern('weekly')}"
    rf"|{pattern('day')}"
    r"|(?:alle[ ])?ore[ ]\d{1,2}(?:[:.]\d\d)?"
    rf"|(?:de[ ])?(?P<each>\d{{1,2}})[ ]?(?:em|/)[ ]?(?P=each)[ ]?(?:h|{pattern('hour')})|{pattern('slot')}"
    r"|(?:[ap]\.?c\.?[ ])?(?:morning|evening)(?![ ](?:stiffness|sickness))"
    r"|with each meal|once(?=[ ]at|[ ]weekly)|(?:once|"
    r"twice)(?=[ ]?(?:x|for)\b)"
    r"|b\.?i\.?d|t\.?i\.?d|t\.?d\.?s|q\.?i\.?d|q\.?d\.?s|q\.?a\.?m|q\.?p\.?m|q\.?h\.?s|q\.?o\.?d|q\.?[ ]?week|q\.?wk?|"
    r"b\.?d|o\.?d|q\.?d|h\.?s|p\.?r\.?n|s\.?o\.?s|"
    r"stat|mane|nocte|daily|nightly|weekly|monthly|bedtime|o\.?n|o\.?m|qday|qhs|qac)(?![\w/-])\.?",
)
NOT_EVERY = "".join(f"(?<!{word} )" for word in ("every", *languages.words("every")))  # `every 21 days` is a frequency
THEN = re.compile(rf"[ ]?[,;.]?\s(?:and )?(?:then|{pattern('then')})[ ]")  # before the next step of a course
DURATION = re.compile(
    rf"(?<![\w.,/-])(?:(?:x|for|mitte:?|{pattern('for')})[ ]?(?:the next )?"
    r"(?P<marked>\d{1,3}(?:[ ]?(?:-|"
    r"to)[ ]?\d{1,3})?[ ]?-?[ ]?(?:days?|weeks?|months?|mths?|years?|hours?|hrs|wks?|mos?|d|w|m|"
    rf"{pattern('days')}|{pattern('weeks')}|"
    r"/[ ]?(?:7|52|12)))"
    rf"|{NOT_EVERY}(?P<bare>\d{{1,3}}(?:[ ]?(?:-|to)[ ]?\d{{1,3}})?[ ]?(?:days?|(?<=\d)d|weeks?|wks?|months?|"
    rf"{pattern('days')}|{pattern('weeks')}|"
    r"/[ ]?(?:7|52)(?!\d))))(?![\w])",
)
AMOUNT = r"(?:\d{1,3}(?:,\d{2,3}){1,3}|\d{1,8}(?:\.\d{1,4})?|\.\d{1,3})"
STRENGTH = re.compile(
    rf"(?<![\d.,/+-])(?P<low>{AMOUNT})(?:[ ]?mg(?=[ ]?[-/+][ ]?[\d.]{{1,8}}[ ]?mg))?"
    rf"(?:[ ]?(?P<and>[-/+])[ ]?(?P<high>{AMOUNT})(?:[ ]?[/+][ ]?{AMOUNT})?(?![ ]?-[ ]?\d))?[ ]?"
    r"(?P<unit>(?:lakh |million |k )?(?:iu|ie|ui|i\.[ue]|units?)|mcg|ug|mgs?|milligrams?|micrograms?|grams?|gms?|g|u|"
    r"meq|mmol|ml|cc|%|mg)(?![a-z])\.?"
    r"(?:[ ]?/[ ]?(?P<count>\d{0,3}(?:\.\d)?)[ ]?(?P<per>ml|g|gm|hour|hr?|kg|m[2²]|puff|dose|actuation|spray|day|"
    r"tab(?:let)?|min)(?![a-z]))?(?![ ]?/[ ]?d?l\b)",
)
BARE_NUMBER = re.compile(
    r"[ ]?(?:(?:mdi|accuhaler|evohaler|turbuhaler)[ ])?[-–]?[ ]?"
    r"(\d{2,4}(?:\.\d)?/\d{1,4}(?:\.\d)?(?![\w./+-])|\d{2,4}(?=[ ](?:tablet|tab|capsule|cap)\b)"
    r"|\d{1,4}(?:\.\d{1,3})?(?![\w./+-]|,\d|[ ]?[-+/][ ]?\d"
    r"|[ ]?(?:x|d|days?|weeks?|months?|hour\w*|hrs?|times|tab\w*|cap\w*|puff\w*|drop\w*|ml)\b))"
)
COUNTED = re.compile(
    rf"(?<![\w.,/-])(?P<number>{AMOUNT})[ ]?(?P<unit>puffs?|drops?|gtts?|sprays?|tsp|teaspoons?|tbsp)(?!\w)",
)
COUNT_UNITS = {"puff": "{puff}", "drop": "[drp]", "gtt": "[drp]", "spray": "{spray}", "tsp": "[tsp_us]"}
COUNT_UNITS |= {"teaspoon": "[tsp_us]", "tbsp": "[tbs_us]"}
SALTS = words("salts")
TAGS = words("tags")
NUTRIENTS = words("nutrients")
STOPS = re.compile(
    r"\n[ ]*\n|(?<!\w)(?:follow|review|advice|advised|f/u|next visit|return|signature|signed|physician|doctor|"
    r"diagnosis|investigations?|phone|allerg\w{0,6}|"
    r"contains|composition|date|refills?|disp(?:ense)?|qty|quantity|npi|dr)(?!\w)|(?:^|\n)[ ]*(?:bp|pulse|c/o|adv)\b",
)
NOT_DRUGS = words("not_drugs")
LONGEST = 240  # characters that an order may go on for
