"""What looks like a result and is none: rules and aims, identifiers, times, solutions, names apart from values."""

import re
from typing import TYPE_CHECKING

from . import languages
from .marks import NOT_PROSE, PERIODS
from .sig import SALTS
from .text import lower
from .words import patterns, words

if TYPE_CHECKING:
    from .analytes import _Reader
    from .columns import Columns

STRONG = words("conditions") | set(languages.words("aim"))  # what follows is a rule or an aim, not a result
WEAK = words("weak_conditions") | set(languages.words("rule"))  # so only before a bound: `Hb when admitted 9.2`
CONDITION = re.compile(  # of `text.lower`, before a name
    rf"(?<![\w-])(?:(?P<strong>{'|'.join(sorted(STRONG))})|{'|'.join(sorted(WEAK))})(?![\w-])"
)
LIMITS = {"above", "more", "higher", "greater", "over", "below", "less", "lower"}  # `an HbA1c of 48 or above`
AMONG = {"and", "or", "to", ",", "-"}  # between times
CURRENCIES = {"rs", "rs.", "inr", "usd", "eur", "$", "£", "€", "₹"}
BARRED = {"least", "most", "should", "must", *CURRENCIES}  # `creatinine clearance of at least 60`, `TSH Rs 450`
IDENTIFIERS = {
    "street",
    "avenue",
    "road",
    "lane",
    "mrn",
    "id",
    "nhs",
    "dob",
    "phone",
    "tel",
    "fax",
    "npi",
    "accession",
    "account",
}
CODE = re.compile(r"(?<!\w)(?:code|ref(?:erence)?|no|number|id)[ ]?[.:#]{0,2}[ ]?$")  # right before a name
TELEPHONE = re.compile(r"(?<!\w)(?:phone|tel|telephone|fax|mobile|cell(?=[ ]?(?:phone|[:#]))|call)(?!\w)")
POSTCODE = re.compile(r",[ ]?[A-Z]{2}[ ]$")  # before its digits: `Iron Mountain, MI 49801`
RELATIVES = patterns("part")["relatives"].split("|")
RELATIVE = re.compile(rf"(?<!\w)(?:{'|'.join(RELATIVES)})(?:'s)?[ ][^.,;:\n]{{0,30}}$")  # before a name
CHANGES = ("rise", "increase", "decrease", "fall", "drop", "change", "reduction")
CHANGE = re.compile(rf"(?<!\w)(?:{'|'.join(CHANGES)})s?[ ](?:in|of)[ ](?:[a-z]{{2,10}}[ ])?$")
OPENING = {  # words without which a page has neither conditions nor results of others
    *(word.partition(" ")[0] for word in STRONG | WEAK),
    *(word + end for word in (*RELATIVES, *CHANGES) for end in ("", "s", "'s")),
}
YEAR = re.compile(r"(?:19|20)\d\d")
SOLUTION = re.compile(r"[ ]?%[^\n\d]{0,3}\d{1,4}[ ]?(?:ml|l|cc|g)\b")  # of `text.lower`: `50 % 25 mL`


def is_mention(page: "_Reader", here: int, after: int, columns: "Columns") -> bool:
    """Whether the columns after a name of the lexicon are no result of the page's patient."""
    between = page.lowered[after : columns.at]
    barred = bool(between) and not (BARRED.isdisjoint(between) and (columns.ranges or SALTS.isdisjoint(between)))
    return (
        barred
        or (columns.bare and len(between) > 1 and YEAR.fullmatch(columns.printed) is not None)
        or (page.has_rules and (is_condition(page, here, columns) or _is_of_others(page, here, between)))
        or (page.lowered[columns.end] == "or" and page.lowered[columns.end + 1] in LIMITS)
        or _is_identifier(page, here, after, columns)
        or _is_time(page, columns)
        or _is_apart(page, here, columns)
        or _is_given(page, here, columns)
        or _is_told(page, columns)
    )


def _is_of_others(page: "_Reader", here: int, between: list[str]) -> bool:
    """Whether a value is a relative's or a change: `her mother's cholesterol was 9.2`, `a rise in creatinine of 26`."""
    before = lower(page.plain)[max(0, page.starts[here] - 50) : page.starts[here]].rpartition("\n")[2]
    return RELATIVE.search(before) is not None or ("of" in between and CHANGE.search(before) is not None)


def _is_told(page: "_Reader", columns: "Columns") -> bool:
    """Whether a sentence goes on after a word that looks like a value: `any confirmed COVID-19 positive patients?`."""
    at = columns.end
    plain = columns.quality and columns.bare and not columns.repeated and columns.printed[0].isalpha()
    return plain and page.kinds[at] == "word" and not page.after[at] and page.lowered[at] not in NOT_PROSE


def _is_given(page: "_Reader", here: int, columns: "Columns") -> bool:
    """Whether a percentage is the strength of a solution (`Glucose 50 % 25 mL`) or the patient's oxygen saturation."""
    if columns.unit != "%" or columns.ranges:
        return False
    end = page.starts[columns.at] + len(columns.printed)
    share = page.lowered[columns.end] == "of"  # `affects 40 % of people`
    oxygen = page.lowered[here] == "saturation" and page.lowered[here - 1] in ("oxygen", "o2")
    return oxygen or share or SOLUTION.match(lower(page.plain), end) is not None


def is_condition(page: "_Reader", at: int, columns: "Columns") -> bool:
    """Whether the words before a name make its number a rule or an aim: `Hold until ANC > 1500`, `Target Hb > 8`."""
    if not page.has_rules:
        return False
    link = page.lowered[columns.at - 1]
    if link in STRONG or (link in WEAK and page.kinds[columns.at] == "cmp"):
        return True  # `LDL target 1.4`, `Replace potassium when < 3.5`
    until = page.starts[at] if at < page.atoms.count else len(page.plain)
    before = lower(page.plain)[max(0, until - 60) : until].rpartition("\n")[2]
    before = before.replace(";", ".").rpartition(". ")[2]
    bound = str(columns.value)[:1] in "<>≤≥"
    return any(bound or match["strong"] for match in CONDITION.finditer(before)) and "egfr" not in before


def _is_identifier(page: "_Reader", here: int, after: int, columns: "Columns") -> bool:
    """Whether a bare number is an identifier or a postcode: `PT-8827364`, `Any Town, CA 92126`."""
    if not columns.bare or not columns.printed.isdigit():
        return False
    line = page.plain.rfind("\n", 0, page.starts[here]) + 1
    before = lower(page.plain)[max(line, page.starts[here] - 40) : page.starts[here]]
    if IDENTIFIERS & set(page.lowered[after : columns.at]) or TELEPHONE.search(before) or CODE.search(before):
        return True
    short = page.ends[after - 1] - page.starts[here] <= 2 or POSTCODE.search(page.plain[line : page.starts[columns.at]])
    zero = columns.printed[0] == "0" and len(columns.printed) > 1  # of a telephone number
    return zero or len(columns.printed) >= (5 if short else 7)


def _is_apart(page: "_Reader", here: int, columns: "Columns") -> bool:
    """Whether names stand in one block and bare numbers in another, so that nobody knows which is whose."""
    if not columns.bare or page.kinds[columns.at - 1] != "nl":
        return False
    if page.kinds[columns.end] != "nl" or page.kinds[columns.end + 1] != "num":
        return False
    breaks = [at for at in range(max(0, here - 24), here) if page.kinds[at] == "nl"]  # before this line and the last
    above = breaks[-2] + 1 if len(breaks) > 1 else 0
    return bool(breaks) and page.after[above] > 0 and "num" not in page.kinds[above : breaks[-1]]


def _is_time(page: "_Reader", columns: "Columns") -> bool:
    """Whether a bare number is the first of several hours or days: `draws at 0 and 3 hours`."""
    at = columns.end
    while at < columns.end + 5 and (page.kinds[at] == "num" or page.lowered[at] in AMONG):
        at += 1
    return columns.bare and at > columns.end and page.lowered[at] in PERIODS
