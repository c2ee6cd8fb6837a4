"""What a column may hold, read at an atom: numbers, ranges, bounds, flags, values in words."""

import re

from .text import Atom, number
from .units import unit_at
from .words import words

HIGH, LOW = "H", "L"
FLAGS = {
    "h": "H", "hi": "H", "high": "H", "abnormalhigh": "H", "elevated": "H", "raised": "H", "increased": "H",
    "l": "L", "lo": "L", "low": "L", "decreased": "L", "reduced": "L", "hh": "HH", "ll": "LL", "hc": "HH", "lc":
    "LL", "ch": "HH", "cl": "LL", "a": "A", "abn": "A", "abnormal": "A", "aa": "A", "n": "N", "normal": "N",
    "wnl": "N", "critical": "C", "crit": "C", "panic": "C", "borderline": "A",
}  # fmt: skip
EMPHATIC = {"critical", "crit", "panic", "very", "critically", "extremely"}
SOMEWHAT = {"abnormal", "borderline", "slightly", "mildly", "abnormally", "markedly"}
FLAG_WORDS = FLAGS.keys() | EMPHATIC | SOMEWHAT
LEAD_IN = words("lead_in")
SEXES = {
    "m": "M",
    "male": "M",
    "males": "M",
    "men": "M",
    "man": "M",
    "f": "F",
    "female": "F",
    "females": "F",
    "women": "F",
    "woman": "F",
}
OPENERS = {
    "upto",
    "bis",
    "below",
    "under",
    "above",
    "over",
    "up",
    "less",
    "more",
    "greater",
    "not",
    "at",
    "lower",
    "higher",
}
QUALITIES = words("qualities")
JOINED = words("joined")
AFTER_JOINED = words("after_joined")
STRONG = words("strong")
REMARKS = {"end", "note", "notes", "comment", "comments", "please"}
PERIODS = {"h", "hr", "hrs", "hour", "hours", "min", "mins", "minutes", "day", "days", "weeks"}
BOUND = re.compile(
    r"upto|bis|below|under|above|over|(less|lower|more|greater|higher)than(orequalto)?|not?(above|morethan|"
    r"greaterthan)|atleast|atmost"
)
GRADE = re.compile(r"[1-4]\+{1,2}|\+{1,4}|\([+-]\)")


def signed(atoms: list[Atom], at: int) -> tuple[float, int] | None:
    """A number at an atom, with a sign that stands on it and not between two numbers."""
    if at >= len(atoms):
        return None
    kind, word, start, end = atoms[at]
    if kind == "num":
        return number(word), at + 1
    if kind != "sym" or word not in "+-":
        return None
    glued = at + 1 < len(atoms) and atoms[at + 1][0] == "num" and atoms[at + 1][2] == end
    if glued and not (at and atoms[at - 1][3] == start and atoms[at - 1][1] not in "(["):
        return number(atoms[at + 1][1]) * (-1 if word == "-" else 1), at + 2
    return None


def range_at(atoms: list[Atom], at: int, text: str) -> tuple[float | None, float | None, int] | None:
    """A two-sided range: `12.0-16.0`, `4.5 to 11.0`, `12.0 g/dL - 16.0 g/dL`; low, high and the index after it."""
    first = signed(atoms, at)
    if not first:
        return None
    low, here = first
    if here < len(atoms) and atoms[here][0] in ("word", "power"):
        unit = unit_at(atoms, here, text)
        if unit and unit[1] < len(atoms) and atoms[unit[1]][1].lower() in ("-", "to"):
            here = unit[1]
    if here >= len(atoms) or atoms[here][1].lower() not in ("-", "to", "and", "à", "bis"):
        return None
    dash = atoms[here]
    if dash[1].lower() == "and" and atoms[at - 1][1].lower() != "between":
        return None
    if (
        here + 1 < len(atoms)
        and atoms[here + 1][1] == "-"
        and atoms[here + 1][3] < len(text)
        and dash[3] == atoms[here + 1][2]
    ):
        here += 1
    second = signed(atoms, here + 1)
    negative = atoms[at][0] == "sym" and second and atoms[here + 1][2] == dash[3] and atoms[here - 1][3] < dash[2]
    if not second or negative or second[0] < low or (second[0] == low and low):
        return None
    after = second[1]
    if (
        after < len(atoms)
        and atoms[after][1] == "-"
        and atoms[after][2] == atoms[after - 1][3]
        and signed(atoms, after + 1)
    ):
        return None  # 1-0-1, a telephone number, a date
    return low, second[0], after


def bound_at(atoms: list[Atom], at: int) -> tuple[float | None, float | None, int, bool] | None:
    """A one-sided bound: low, high, the index after it, and whether in words (`Up to 40`, `40 or less`)."""
    kind, word, _, _ = atoms[at]
    if kind == "cmp":
        found = signed(atoms, at + 1 + (at + 1 < len(atoms) and atoms[at + 1][1] == "="))
        return found and ((None, found[0]) if word[0] in "<≤=" and word != "=>" else (found[0], None)) + (
            found[1],
            False,
        )
    if kind != "word" or (lowered := word.lower()) not in OPENERS:
        return None
    words = [lowered]
    while len(words) < 5 and at + len(words) < len(atoms) and atoms[at + len(words)][0] == "word":
        words.append(atoms[at + len(words)][1].lower())
    found = signed(atoms, at + len(words))
    said = "".join(words)
    if not found or not BOUND.fullmatch(said):
        return None
    if said == "over" and found[1] < len(atoms) and atoms[found[1]][1].lower() in PERIODS:  # `over 8 hours`
        return None
    least = said.startswith(("above", "over", "more", "greater", "higher", "atleast"))
    return ((found[0], None) if least else (None, found[0])) + (found[1], True)


def flag_at(atoms: list[Atom], at: int) -> tuple[str, int] | None:
    """A flag at an atom: its HL7 code and the index after it."""
    kind, word, _, end = atoms[at]
    if kind == "arrow":
        code = HIGH if word[0] == "↑" else LOW
        return (code * min(2, len(word))), at + 1
    if word in {"*", "!"}:
        after = at + 1
        while after < len(atoms) and atoms[after][1] in ("*", "!") and atoms[after][2] == atoms[after - 1][3]:
            after += 1
        if after - at > 2 or (after < len(atoms) and atoms[after][1].lower() in REMARKS):
            return None  # *** opens a remark
        inner = (
            flag_at(atoms, after)
            if after < len(atoms) and atoms[after][2] == atoms[after - 1][3] and atoms[after][0] == "word"
            else None
        )
        return inner or ("A", after)
    if kind != "word":
        return None
    lowered = word.lower()
    if lowered not in FLAG_WORDS:
        return None
    following = atoms[at + 1] if at + 1 < len(atoms) else ("", "", 0, 0)
    if lowered in EMPHATIC and following[1].lower() in ("high", "low", "h", "l"):
        return ("HH" if following[1][0] in "hH" else "LL"), at + 2
    if lowered in SOMEWHAT and following[1].lower() in ("high", "low"):
        return ("H" if following[1][0] in "hH" else "L"), at + 2
    code = FLAGS.get(lowered)
    if not code or (len(word) < 3 and not word.isupper()):
        return None
    if len(code) == 1 and following[1] == "!" and following[2] == end:
        return code * 2 if code in "HL" else code, at + 2
    if following[1] == "*" and following[2] == end:
        return code, at + 2
    return code, at + 1


def quality_at(atoms: list[Atom], at: int, text: str) -> tuple[str, int] | None:
    """A value in words: `Negative`, `Not Detected`, `Pale yellow`, `O Positive`, `2+`, as printed."""
    kind, word, start, end = atoms[at]
    nexts = atoms[at + 1] if at + 1 < len(atoms) else ("", "", -1, -1)
    if text[start] in "1234+(" and (found := GRADE.match(text, start)):
        last = at
        while last + 1 < len(atoms) and atoms[last + 1][3] <= found.end():
            last += 1
        return found.group(), last + 1
    if kind != "word":
        return None
    lowered = word.lower()
    if word in {"A", "B", "AB", "O"}:
        rh = at + 1 + (nexts[1].lower() == "rh") + (at + 2 < len(atoms) and atoms[at + 2][1].lower() in ("d", "(d)"))
        if rh < len(atoms) and (atoms[rh][1].lower() in ("positive", "negative", "pos", "neg") or atoms[rh][1] in "+-"):
            return text[start : atoms[rh][3]], rh + 1
        return None
    if lowered not in QUALITIES or nexts[1].lower() == "of":  # `plenty of fluids`
        return None
    if lowered in JOINED and nexts[1].lower() in AFTER_JOINED:
        return text[start : nexts[3]], at + 2
    return (
        None
        if lowered in ("no", "not", "non", "light", "dark", "seen", "slightly", "weakly", "strongly")
        else (text[start:end], at + 1)
    )


def outside(value: float | str | None, low: float | None, high: float | None) -> bool:
    """Whether a number is outside a range."""
    return isinstance(value, float) and ((low is not None and value < low) or (high is not None and value > high))


def critical(value: float | str | None, low: float | None, high: float | None) -> str:
    """The code of a critical value whose direction only its range tells."""
    if isinstance(value, float) and high is not None and value > high:
        return "HH"
    return "LL" if isinstance(value, float) and low is not None and value < low else "A"
