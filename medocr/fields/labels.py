"""Labels of header fields, the patterns of their values, and words that end a name."""

import re

from . import languages
from .text import DATE, MONTH_FIRST
from .words import patterns, words

LABELS = {name: f"{languages.pattern('label', name)}|{regex}".strip("|") for name, regex in patterns("label").items()}
LABEL = re.compile(  # of `text.lower`; no label starts with another letter than those
    r"(?=[a-il-pr-wzâéü])(?<![\w./'-])(?:"
    + "|".join(f"(?P<{name}>{pattern})" for name, pattern in LABELS.items())
    + r")(?![\w'])[ ]?\.?(?:on\b|at\b|by\b)?(?:[ ]?[(/][ ]?(?:time|yrs?|years?|dd/mm/yyyy)[ ]?\)?)?"
)
HEADER = patterns("header")
SEPARATOR = re.compile(r"[ \t]*(?P<mark>[:#=|]|-(?=[ ]))?[ \t:|.]*(?P<break>\n)?[ ]*")
LONG_DATE = rf"\d{{1,2}}\.?[ ](?:de[ ])?(?:{'|'.join(languages.month_numbers())})[ ](?:de[ ])?\d{{4}}"
DATE_VALUE = re.compile(rf"(?=[\djfmasond])(?:{DATE}|{MONTH_FIRST}|{LONG_DATE})")  # of `text.lower`
AGE_VALUE = re.compile(
    r"(\d{1,3})(?![\d./-]\d)(?:[ ]?(?P<unit>years?|yrs?|y(?:/?o)?|months?|mos?|days?|weeks?)\b\.?(?:[ ]?old)?)?",
    re.IGNORECASE,
)
SEX_VALUE = re.compile(
    rf"({languages.pattern('sex')}|male|female|m|f|man|woman|other|transgender|non-binary|nonbinary|unknown|u|x)(?![\w/'])",
    re.IGNORECASE,
)
SEX_AFTER = re.compile(r"[ ,/|(-]{1,3}(male|female|m|f)(?![\w/'.])", re.IGNORECASE)
AGE_SEX = re.compile(HEADER["age and sex"], re.IGNORECASE)
ID_VALUE = re.compile(r"[A-Za-z]{0,6}[ ]?[-/]?\d[\w/-]{0,24}|[A-Z][\w-]{0,6}[-/][\w-]{0,12}\d[\w-]{0,12}")
NHS = re.compile(r"\d{3}[ ]\d{3}[ ]\d{4}")
NAME_WORD = re.compile(r"[^\W\d_][\w'’.-]*")
PARTICLES = words("particles")
TITLES = words("titles")
DEGREES = words("degrees")
STOP_WORDS = words("stop_words")
SURNAMES = words("surnames")  # that are also analytes: anti-Smith antibodies
FACILITY = re.compile(rf"(?<![\w'])(?:{HEADER['facility']})(?![\w'])", re.IGNORECASE)
TITLE = re.compile(HEADER["title"], re.IGNORECASE)
PAGE_TITLE = re.compile(HEADER["page title"], re.IGNORECASE)
PLACE = re.compile(r"[^\n|:]{3,80}")
ENDS_CELL = re.compile(r"[ ]?(?:$|\n|\||[ ]{2})")
AFTER_NAME = re.compile(r"[ ,|()/-]{0,4}")
BETWEEN_NAMES = re.compile(r",?[ ]?")
INITIAL_AT_END = re.compile(r"[ ][A-Z]\.?$")
SMALL_LETTER = re.compile(r"\.?[ ][a-z]")
LETTER_AT_END = re.compile(r"(?<!\w)\w\.$")
HEAD = re.compile(r"[^:|#\d]{0,70}")
MORE = "|".join(sorted((re.escape(word.strip(",")) for word in words("more_facility")), key=len, reverse=True))
REST_OF_PLACE = re.compile(rf"(?:[ ](?!{TITLE.pattern})(?:{MORE})[.,]*(?![\w&'-]))*", re.IGNORECASE)
NUMBERED = re.compile(r"[ ]\((?:MRN|ID)\b")  # after a patient's name
AGED = re.compile(r",[ ]\d{1,3}[ ]?(?:y|yrs?|years?)\b", re.IGNORECASE)
DEGREED = re.compile(r",[ ]?(?:MD|M\.D\.?|DO|MBBS|NP|PA-C|FRCP|MRCP)(?![\w])")
GIVEN_NAMES = re.compile(r",[ ]?(?P<given>[A-Z][\w'-]+(?:[ ][A-Z][\w'.-]*)?)(?=[ ]?(?:\n|$|[,|]|[ ]{2}))")
OF_A_FIELD = re.compile(r"log|medi|surg|chir|card|pr[aá][ck]ti|hosp|clin", re.IGNORECASE)
UNLABELLED_DOCTOR = re.compile(r"(?:Dr|DR|dr)(?<![\w']..)(?:\.[ ]?|[ ])(?=[A-Z])")
