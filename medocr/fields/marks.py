"""What a column may hold, read at an atom: numbers, ranges, bounds, flags, values in words."""

import re

from .text import Atoms, number
from .units import unit_at, unit_code
from .words import meanings, words

HIGH, LOW = "H", "L"
FLAGS = meanings("flag")
EMPHATIC = {"critical", "crit", "panic", "very", "critically", "extremely"}
SOMEWHAT = {"abnormal", "borderline", "slightly", "mildly", "abnormally", "markedly", "above", "below"}
FLAG_WORDS = FLAGS.keys() | EMPHATIC | SOMEWHAT
LEAD_IN = words("lead_words") | words("lead_in")
SEXES = {word: word[0].upper() for word in words("sexes")} | {"women": "F", "woman": "F"}
OPENERS = words("openers")
UPTO, FROM = ({word.replace(" ", "") for word in words(kind)} for kind in ("upto", "from"))
FOREIGN_OPENERS = {word.split()[0] for kind in ("upto", "from") for word in words(kind)}
OPENERS = OPENERS | FOREIGN_OPENERS
OF_OTHERS = words("quality")
QUALITIES = words("qualities") | {word for word in OF_OTHERS if " " not in word}
EARLIER = words("earlier")
TELLING = EARLIER | SEXES.keys() | OPENERS | LEAD_IN | FLAG_WORDS | QUALITIES | {"a", "b", "ab", "o"}  # and units
NOT_PROSE = TELLING | words("methods") | words("headings") | words("stops") | {"for", "comment", "result"}
NOT_PROSE |= {"reviewed", "verified", "signed", "printed", "reported"}
JOINED = words("joined") | {word.split()[0] for word in OF_OTHERS if " " in word}
AFTER_JOINED = words("after_joined") | {word.split()[1] for word in OF_OTHERS if " " in word}
STRONG = words("strong") | OF_OTHERS
REMARKS = {"end", "note", "notes", "comment", "comments", "please"}
PERIODS = {"h", "hr", "hrs", "hour", "hours", "min", "mins", "minutes", "day", "days", "weeks"}
BOUND = re.compile(
    r"upto|bis|below|under|above|over|(less|lower|more|greater|higher)than(orequalto)?|not?(above|morethan|"
    r"greaterthan)|atleast|atmost"
)
LINKS = {"-", "to", "and", "à", "bis"}  # between the ends of a range
THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}[.,]\d{3}(?![\d.,])")
GRADE = re.compile(r"[1-4]\+{1,2}|\+{1,4}|\([+-]\)")


def signed(atoms: Atoms, at: int) -> tuple[float, int] | None:
    """A number at an atom, with a sign that stands on it and not between two numbers."""
    kind, word, after = atoms.kinds[at], atoms.words[at], at + 1
    if kind == "num":
        return number(word), after
    if kind != "sym" or word not in "+-":
        return None
    glued = atoms.kinds[after] == "num" and atoms.starts[after] == atoms.ends[at]
    on_word = at and atoms.ends[at - 1] == atoms.starts[at] and atoms.words[at - 1] not in "(["
    if glued and (not on_word or atoms.kinds[at - 1] == "cell"):
        return number(atoms.words[after]) * (-1 if word == "-" else 1), at + 2
    return None


def range_at(atoms: Atoms, at: int) -> tuple[float | None, float | None, int] | None:
    """A two-sided range: `12.0-16.0`, `4.5 to 11.0`, `12.0 g/dL - 16.0 g/dL`; low, high and the index after it."""
    first = signed(atoms, at)
    return range_from(atoms, at, *first) if first else None


def range_from(atoms: Atoms, at: int, low: float, link: int) -> tuple[float | None, float | None, int] | None:
    """The range that starts at an atom with a number, which ends before the atom `link`."""
    if atoms.lowered[link] not in LINKS and atoms.words[link] != "a":  # `12,0 a 16,0`; `A` is a flag
        unit = unit_at(atoms, link) if atoms.kinds[link] in {"word", "power"} or atoms.words[link] == "%" else None
        if not unit or atoms.lowered[unit[1]] not in {"-", "to"}:
            return None
        link = unit[1]
    if atoms.lowered[link] == "and" and atoms.lowered[at - 1] != "between":
        return None
    here = link + 1
    if atoms.words[here] == "-" and atoms.ends[link] == atoms.starts[here]:
        here += 1
    second = signed(atoms, here)
    if not second or second[0] < low or (second[0] == low and low):
        return None
    apart = atoms.starts[here] == atoms.ends[link] and atoms.ends[here - 2] < atoms.starts[link]
    if atoms.kinds[at] == "sym" and apart:
        return None  # `-5 -3`: the dash is the second number's sign
    after = second[1]
    if atoms.words[after] == "-" and atoms.starts[after] == atoms.ends[after - 1] and signed(atoms, after + 1):
        return None  # 1-0-1, a telephone number, a date
    return low, second[0], after


def bound_at(atoms: Atoms, at: int) -> tuple[float | None, float | None, int, bool] | None:
    """A one-sided bound: low, high, the index after it, and whether in words (`Up to 40`, `40 or less`)."""
    in_words = atoms.kinds[at] != "cmp"
    if in_words:
        if atoms.lowered[at] not in OPENERS or atoms.kinds[at] != "word":
            return None
        after = at + 1
        while after < at + 5 and atoms.kinds[after] == "word":
            after += 1
        phrase = "".join(atoms.lowered[at:after])
        if not (BOUND.fullmatch(phrase) or phrase in UPTO or phrase in FROM):
            return None
        least = phrase.startswith(("above", "over", "more", "greater", "higher", "atleast")) or phrase in FROM
    else:
        phrase, after = atoms.words[at], at + 1 + (atoms.words[at + 1] == "=")
        least = phrase[0] in ">≥" or phrase == "=>"
    amount = signed(atoms, after)
    if not amount or (phrase == "over" and atoms.lowered[amount[1]] in PERIODS):  # `over 8 hours`
        return None
    return (amount[0], None, amount[1], in_words) if least else (None, amount[0], amount[1], in_words)


def flag_at(atoms: Atoms, at: int) -> tuple[str, int] | None:
    """A flag at an atom: its HL7 code and the index after it."""
    kind, word, after = atoms.kinds[at], atoms.words[at], at + 1
    if kind == "arrow":
        code = HIGH if word[0] == "↑" else LOW
        return (code * min(2, len(word))), after
    if word in {"*", "!"}:
        return _starred(atoms, at)
    lowered = atoms.lowered[at]
    if lowered not in FLAG_WORDS or kind != "word":
        return None
    following = atoms.lowered[after]
    if lowered in EMPHATIC and following in ("high", "low", "h", "l"):
        return ("HH" if following[0] == "h" else "LL"), at + 2
    if lowered in SOMEWHAT and following in ("high", "low"):
        return ("H" if following[0] == "h" else "L"), at + 2
    code = FLAGS.get(lowered)
    if not code or (len(word) < 3 and not word.isupper()):
        return None
    return code, after


def is_column(atoms: Atoms, at: int) -> bool:
    """Whether an atom can be a part of a column, so that a row may go on with it on the next line."""
    kind, word, lowered = atoms.kinds[at], atoms.words[at], atoms.lowered[at]
    if kind != "word":
        return kind in ("num", "cmp", "arrow", "power", "titre", "cell") or (kind == "sym" and word in "()[]%/-*:+^")
    told = lowered in QUALITIES or lowered in LEAD_IN or lowered in SEXES or flag_at(atoms, at) is not None
    return told or unit_code(word) is not None or lowered in ("to", "x", "up", "flag", "ul", "mm", "hr", "dl", "ml")


def opens_prose(atoms: Atoms, at: int, names: list[int]) -> bool:
    """Whether a sentence goes on after a word such as HIGH to its line's end: `HIGH BLEEDING RISK`."""
    if atoms.kinds[at] != "word" or unit_at(atoms, at) or atoms.lowered[at] in NOT_PROSE:
        return False
    if atoms.words[at + 1] == ":":  # a label: `1+ A Checked: Dr. Brady`
        return False
    first = at
    while at - first < 30 and atoms.kinds[at] in ("word", "sym", "code") and atoms.lowered[at] not in QUALITIES:
        at += 1
    return atoms.kinds[at] in ("nl", "end") and (at - first > 1 or not names[first])


def names_band(atoms: Atoms, at: int, ranged: bool) -> bool:
    """Whether a word only names a band of an interpretation: `High: >240`, `Borderline 200-239`."""
    after = at + 1
    if atoms.words[after] in (":", "="):
        return True
    return len(atoms.words[at]) > 2 and ranged and bool(range_at(atoms, after) or bound_at(atoms, after))


def _starred(atoms: Atoms, at: int) -> tuple[str, int] | None:
    """A flag of stars: `*`, `*H`; but `***` opens a remark."""
    after = at + 1
    while atoms.words[after] in {"*", "!"} and atoms.starts[after] == atoms.ends[after - 1]:
        after += 1
    if after - at > 2 or atoms.lowered[after] in REMARKS:
        return None
    glued = atoms.starts[after] == atoms.ends[after - 1] and atoms.kinds[after] == "word"
    return (flag_at(atoms, after) if glued else None) or ("A", after)


def quality_at(atoms: Atoms, at: int) -> tuple[str, int] | None:
    """A value in words: `Negative`, `Not Detected`, `Pale yellow`, `O Positive`, `2+`, as printed."""
    text, start, after = atoms.text, atoms.starts[at], at + 1
    if text[start] in "1234+(" and (match := GRADE.match(text, start)):
        while atoms.ends[after] <= match.end():
            after += 1
        return match.group(), after
    if atoms.kinds[at] != "word":
        return None
    lowered, following = atoms.lowered[at], atoms.lowered[after]
    if atoms.words[at] in {"A", "B", "AB", "O"}:
        rh = after + (following == "rh") + (atoms.lowered[at + 2] in ("d", "(d)"))
        if atoms.lowered[rh] in {"positive", "negative", "pos", "neg", "+", "-"}:
            return text[start : atoms.ends[rh]], rh + 1
        return None
    if lowered not in QUALITIES or following == "of":  # `plenty of fluids`
        return None
    if lowered in JOINED and following in AFTER_JOINED:
        return text[start : atoms.ends[after]], at + 2
    alone = lowered not in ("no", "not", "non", "light", "dark", "seen", "slightly", "weakly", "strongly")
    return (text[start : atoms.ends[at]], after) if alone else None


def outside(value: float | str | None, low: float | None, high: float | None) -> bool:
    """Whether a number is outside a range."""
    return isinstance(value, float) and ((low is not None and value < low) or (high is not None and value > high))


def counted(value: float | str | None, printed: str) -> float | str | None:
    """A count per volume, which has no fraction: the points of `6.540 /mm³` and `4.000 - 11.000` part thousands."""
    apart = isinstance(value, float) and value < 1000 and THOUSANDS.search(printed)
    return round(value * 1000, 3) if apart else value


def critical(value: float | str | None, low: float | None, high: float | None) -> str:
    """The code of a critical value whose direction only its range tells."""
    return "HH" if outside(value, None, high) else "LL" if outside(value, low, None) else "A"


def reaches(atoms: Atoms, at: int, most: int) -> bool:
    """Whether a range follows, with nothing between but signs and words that lead to one."""
    for index in range(at, at + most):
        if range_at(atoms, index) or bound_at(atoms, index):
            return True
        kind, word, lowered = atoms.kinds[index], atoms.words[index], atoms.lowered[index]
        if not ((kind == "sym" and word in "():[]=-.,") or lowered in LEAD_IN or lowered in SEXES or kind == "cell"):
            return False
    return False
