"""What looks like a result and is none: rules and aims, identifiers, times, solutions, names apart from values."""

import re
from typing import TYPE_CHECKING

from .forms import EMPTY, TICKED
from .marks import FLAG_WORDS, LEAD_IN, NOT_PROSE, PERIODS
from .names import ARTICLES, BEFORE, LOOSE
from .scopes import WOULD
from .sig import SALTS
from .text import lower
from .words import words

if TYPE_CHECKING:
    from .analytes import _Reader
    from .columns import Columns

# Between a name and its value in a sentence:
STATING = LOOSE | BEFORE | ARTICLES | LEAD_IN | FLAG_WORDS | words("stating")
EQUAL = {"=", "equals"}
LIMITS = {"above", "better", "more", "higher", "greater", "over", "below", "less", "lower"}  # `an HbA1c of 48 or above`
AMONG = {"and", "or", "to", ",", "-"}  # between times
CURRENCIES = {"rs", "rs.", "inr", "usd", "eur", "$", "£", "€", "₹"}  # `TSH Rs 450`
BEHIND = WOULD | CURRENCIES - {"inr"}  # a test too
SALT = SALTS - ARTICLES  # `Sodium bicarbonate 8.4`, but `la CRP à la sortie`
BOXES = {*TICKED, *EMPTY}  # an option of a form: `Blood type: ☐ A ☑ 0`
IDENTIFIERS = words("identifiers")
CODE = re.compile(r"(?<!\w)(?:code|ref(?:erence)?|no|number|id)[ ]?[.:#]{0,2}[ ]?$")  # right before a name
TELEPHONE = re.compile(r"(?<!\w)(?:phone|tel|telephone|fax|mobile|cell(?=[ ]?(?:phone|[:#]))|call)(?!\w)")
POSTCODE = re.compile(r",[ ]?[A-Z]{2}[ ]$")  # before its digits: `Iron Mountain, MI 49801`
CHANGES = {"rise", "increase", "decrease", "fall", "drop", "change", "reduction", "rises", "increases", "changes"}
YEAR = re.compile(r"(?:19|20)\d\d")
SOLUTION = re.compile(r"[ ]?%[^\n\d]{0,3}\d{1,4}[ ]?(?:ml|l|cc|g)\b")  # of `text.lower`: `50 % 25 mL`


def bounded(columns: "Columns") -> bool:
    """Whether a value is a bound: `< 7`, `less than 1.8`."""
    return isinstance(columns.value, str) and not columns.quality


def is_mention(page: "_Reader", here: int, after: int, columns: "Columns") -> bool:
    """Whether the columns after a name of the lexicon are no result of the page's patient."""
    lowered, end = page.lowered, columns.end
    return (
        (columns.at > after and _is_parted(page, here, after, columns))
        or (page.scopes.tells and _is_talk(page, here, after, columns))
        or (lowered[end] == "or" and lowered[end + 1] in LIMITS)
        or lowered[end] in BEHIND
        or (columns.value == 1 and not columns.ranges and _is_converted(page, columns))
        or (columns.bare and (_is_identifier(page, here, after, columns) or _is_time(page, columns)))
        or (columns.bare and _is_apart(page, here, columns))
        or (columns.unit == "%" and not columns.ranges and _is_given(page, here, columns))
        or (columns.quality and _is_told(page, columns))
    )


def _is_converted(page: "_Reader", columns: "Columns") -> bool:
    """Whether a line says what one of a unit is in another: `1 mmol/L = 18 mg/dL`, but not `1 mg/dL (= 17 µmol/L)`."""
    signs = (at for at in range(columns.at, columns.end + 1) if page.lowered[at] in EQUAL)
    return any(page.words[at - 1] != "(" for at in signs)


def _is_parted(page: "_Reader", here: int, after: int, columns: "Columns") -> bool:
    """Whether what stands between name and value makes it no result: a rule, a box to tick, a salt, a change."""
    between = page.lowered[after : columns.at]
    return (
        not (CURRENCIES.isdisjoint(between) and (columns.ranges or SALT.isdisjoint(between)))
        or not BOXES.isdisjoint(between)
        or (columns.bare and len(between) > 1 and YEAR.fullmatch(columns.printed) is not None)
        or "by" in between[-2:]  # `raises haemoglobin by about 10`
        or ("of" in between and not CHANGES.isdisjoint(page.lowered[max(0, here - 3) : here]))  # `a rise in … of 26`
    )


def _is_talk(page: "_Reader", here: int, after: int, columns: "Columns") -> bool:
    """Whether a sentence does not state a value as the patient's: cues tell of others, or there are other words
    between name and value than those that state a result (`INR dépasse 1,5`)."""
    if page.scopes.bars(here, columns.at, bounded=bounded(columns)):
        return True
    words = (page.lowered[at] for at in range(after, columns.at) if page.kinds[at] == "word")
    return page.scopes.is_prose(here, columns.at) and any(
        word not in STATING and not word.endswith("ly") for word in words
    )


def _is_told(page: "_Reader", columns: "Columns") -> bool:
    """Whether a sentence goes on after a word that looks like a value: `any confirmed COVID-19 positive patients?`."""
    at = columns.end
    remark = page.words[at - 1] == "("  # `Detected (Ct 22)`
    plain = columns.bare and not columns.repeated and columns.printed[0].isalpha() and not remark
    return plain and page.kinds[at] == "word" and not page.after[at] and page.lowered[at] not in NOT_PROSE


def _is_given(page: "_Reader", here: int, columns: "Columns") -> bool:
    """Whether a percentage is the strength of a solution (`Glucose 50 % 25 mL`) or the patient's oxygen saturation."""
    end = page.starts[columns.at] + len(columns.printed)
    share = page.lowered[columns.end] == "of"  # `affects 40 % of people`
    oxygen = page.lowered[here] == "saturation" and page.lowered[here - 1] in ("oxygen", "o2")
    return oxygen or share or SOLUTION.match(lower(page.plain), end) is not None


def _is_identifier(page: "_Reader", here: int, after: int, columns: "Columns") -> bool:
    """Whether a bare number is an identifier or a postcode: `PT-8827364`, `Any Town, CA 92126`."""
    if not columns.printed.isdigit():
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
    alone = page.kinds[columns.at - 1] == "nl" == page.kinds[columns.end]
    return alone and page.kinds[columns.end + 1] == "num" and page.kinds[here - 2] != "num"


def _is_time(page: "_Reader", columns: "Columns") -> bool:
    """Whether a bare number is the first of several hours or days: `draws at 0 and 3 hours`."""
    at = columns.end
    while at < columns.end + 5 and (page.kinds[at] == "num" or page.lowered[at] in AMONG):
        at += 1
    return at > columns.end and page.lowered[at] in PERIODS
