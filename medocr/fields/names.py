"""Names of analytes in a text: where one of the lexicon's starts and ends, and how it is printed."""

import functools
import itertools
import re

from . import lexicon
from .marks import FLAGS, FOREIGN_OPENERS, QUALITIES, flag_at, quality_at, range_at
from .text import AHEAD, atoms, plain
from .units import unit_code
from .words import words

BEFORE = words("before")  # words that stand before a name of the lexicon and belong to it
LINKS = words("link")
METHODS = words("methods")
NEVER = words("never")  # words that make what follows no result: headings of columns, contact, money, vital signs, time
HEADINGS = words("headings")
STOPS = words("stops")
ARTICLES = words("article")
# At a name's end they are none of it:
LOOSE = METHODS | LINKS | {*words("preposition"), "-", ",", "(", ".", ":", "by", "/", "*"}
NO_NAME = NEVER | HEADINGS | LINKS | ARTICLES
FLAG_LETTERS = {"H", "L", "A", "HH", "LL"}  # of a line that they open
HOURS = {"h", "hr", "hrs", "hour", "hours", "min", "mins", "minutes"}
NOT_BRACKETED = {"nl", "cell", "cmp", "date", "arrow"}  # in a name
GOES_ON = {"sensitivity", "sensitive", "sens", "density", "molecular", "at"}  # after `high`, which is no flag then
JOINERS = {"/", "-", ",", "(", "&", "+"}
GLUED = re.compile(r"([A-Za-z](?<![\w-].)[A-Za-z0-9]{0,11})[-–](?=\d)")
CODE = re.compile(r"\d{3,5}-\d(?=[)\]])")  # LOINC's, in brackets
SYSTEM = re.compile(r";(?:P|B|S|U|F?P|Pt|Csv)(?=[ (])")  # what is measured in, after a Danish name: `Kalium;P`
NUMBERED = re.compile(  # a part of the name, not a value: `eGFR/1.73 m*2 82`, `Vitamin D 25(OH) 17.4`
    r"/1\.73[ ]?m[*^]?[2²](?=[ ]{2,}|[ ]\d)|25[ -]?\(?OH\)?D?\d?(?!\w)"
)
INTERVAL = re.compile(r"q\d{1,2}h|q[aph]m|b\.?i\.?d|t\.?i\.?d")  # of a test that is ordered: `Lactate q6h x 2`
COLUMN_WORDS = FOREIGN_OPENERS | words("column_words")


class Names:
    """A cleaned text's atoms, and the names of analytes among them."""

    def __init__(self, text: str) -> None:
        self.text, self.plain = text, plain(text)
        separated = GLUED.sub(_separate, text) if "-" in self.plain else text
        self.atoms = atoms(separated, self.plain)
        self.kinds, self.words, self.lowered = self.atoms.kinds, self.atoms.words, self.atoms.lowered
        self.starts, self.ends = self.atoms.starts, self.atoms.ends
        # For each atom the index after the longest name of the lexicon that starts there; 0 where none does.
        self.after = [0] * (self.atoms.count + AHEAD)
        for at in itertools.compress(range(self.atoms.count), map(_opens_name, self.words)):
            if self.kinds[at] != "sym":
                self.after[at] = self._find_name(at)

    def _find_name(self, at: int) -> int:
        known, starts, after, squeezed = lexicon.analytes(), lexicon.analyte_starts(), 0, ""
        for index, kind in enumerate(self.kinds[at : at + 14], at):
            if kind == "sym":
                tied = self.ends[index - 1] == self.starts[index] and self.ends[index] == self.starts[index + 1]
                if self.words[index] in ":;=|!?" and squeezed != "a" and not tied:  # `A : G ratio`, `cholesterol:HDL`
                    break
                continue
            if kind in {"nl", "cell", "time", "cmp", "arrow", "end"}:
                break
            squeezed += lexicon.squeeze(self.words[index])
            if squeezed not in starts:
                break
            if squeezed in known and self._ends_name(at, index, squeezed):
                after = index + 1
        return after

    def _ends_name(self, at: int, last: int, squeezed: str) -> bool:
        """Short names need their usual case and a value after them."""
        if len(squeezed) > 2:
            return True
        short = "".join(self.lowered[at : last + 1]) in lexicon.short_names()  # `Na` is, `N/A` is not
        if not short or not (self.words[last][0].isupper() or squeezed == "ph"):
            return False
        after = last + 1
        while after < last + 7 and (
            self.kinds[after] in ("sym", "cell")
            or self.lowered[after] in ("was", "is", "of", "level", "at")
            or (self.words[after - 1] == "(" and unit_code(self.words[after]) is not None)
        ):
            after += 1
        if self.kinds[after] in ("num", "cmp", "titre", "nl"):
            return True
        return after < self.atoms.count and bool(flag_at(self.atoms, after) or quality_at(self.atoms, after))

    def extend(self, here: int, after: int) -> tuple[int, int]:
        """From a name of the lexicon on: the index after the printed name's last atom, and that of the first column."""
        end, at, open_, closed = after, after, False, False
        name = self.lowered[here:after]
        if "(" in name and ")" not in name and (last := self._closing(after - 1)):
            end = at = last + 1
        while at < self.atoms.count and at - after <= 12:
            kind, word, start = self.kinds[at], self.words[at], self.starts[at]
            lowered = self.lowered[at]
            if kind == "num" and self._times(at):
                end, at = (end, at + 2) if closed else (at + 2, at + 2)
                continue
            if word in ("/", "25") and (part := NUMBERED.match(self.plain, start)):
                end = at = at + sum(end <= part.end() for end in self.ends[at : at + 6])
                continue
            if kind in {"num", "cmp", "titre", "power", "arrow", "nl"} or (
                kind == "sym" and not open_ and (word in "*%/" or (word == "+" and self._is_grade(at)))
            ):
                return end, at
            if kind in ("date", "time") or lowered in STOPS or INTERVAL.fullmatch(lowered):
                return end, -1
            if kind == "sym":
                if word == "." and self.ends_sentence(at):
                    return end, -1
                if at == after and self._is_charge(at):
                    end = at + 1  # K+, Cl-
                elif word in "([":
                    if self._columns_in_bracket(at):
                        return end, at
                    if last := self._closing(at):
                        end, at = (end if closed else last + 1), last + 1
                        continue
                    open_ = True
                elif word in ")]":
                    open_ = False
                    end = end if closed else at + 1
                closed = closed or word in ":=;^" or (word == "." and start > self.ends[at - 1])
            elif kind == "cell":
                closed = True
            elif not open_ and self._starts_column(at, at == after):
                return end, at
            elif not open_ and self.lowered[at - 1] not in JOINERS and self.after[at]:
                return end, -1
            else:
                closed = closed or (lowered in LINKS and self.lowered[at + 1] != "sensitivity")
                end = end if closed else at + 1
            at += 1
        return end, -1

    def ends_sentence(self, at: int) -> bool:
        """Whether a stop ends a sentence and not a short word: `LDL above goal. Consider …`, but `Leuk. esterase`."""
        return len(self.lowered[at - 1]) > 4 and self.kinds[at - 1] == "word" and self.words[at + 1][:1].isupper()

    def _times(self, at: int) -> bool:
        """Whether a number is part of a name: `Glucose, 2 h 81`, `Cortisol 30 min 18.2`."""
        if self.lowered[at + 1] not in HOURS or self.words[at + 1] == "H":
            return False
        return "num" in self.kinds[at + 2 : at + 6]

    def _starts_column(self, at: int, first: bool) -> bool:
        word, lowered = self.words[at], self.lowered[at]
        if self.lowered[at + 1] in GOES_ON:
            return False
        value = self.kinds[at + 1] in ("num", "cmp", "titre") or self.lowered[at + 1] in QUALITIES
        if first and value and word in ("A", "N"):  # a flag, where `Influenza A` is a name
            return True
        flag = lowered in FLAGS and (len(word) > 2 or (word.isupper() and word not in ("A", "N", "CH")))
        if lowered in COLUMN_WORDS or (flag and (first or self.lowered[at - 1] != "factor")):
            return True
        unit = unit_code(word) is not None and ("/" in word or "%" in word or lowered == "fl")
        return unit or quality_at(self.atoms, at) is not None

    def _is_grade(self, at: int) -> bool:
        """Whether pluses are no part of a name: the value at the row's end (`Protein  ++`), a mark before the value."""
        grade = quality_at(self.atoms, at)
        if not grade or (self.kinds[at - 1] != "cell" and self.starts[at] == self.ends[at - 1]):
            return False
        cell = self.kinds[grade[1]] == "cell"
        return self.kinds[grade[1] + cell] in (("num", "word", "nl", "end") if cell else ("nl", "end"))

    def _is_charge(self, at: int) -> bool:
        """Whether a sign stands on a name and before a gap: `K+`, `Cl-`."""
        glued = self.words[at] in "+-" and self.starts[at] == self.ends[at - 1]
        return glued and self.plain[self.ends[at] : self.ends[at] + 1] in (" ", "|", ":", "")

    def _closing(self, at: int) -> int:
        """The bracket that closes the one at an atom, where what is between belongs to a name: `(CKD-EPI 2021)`."""
        for index in range(at + 1, min(at + 9, self.atoms.count)):
            if self.words[index] in ")]":
                return index
            number = self.kinds[index] == "num" and not CODE.match(self.plain, self.starts[index])  # LOINC's `2345-7`
            if self.kinds[index] in NOT_BRACKETED or (number and range_at(self.atoms, index)):
                return 0
        return 0

    def _columns_in_bracket(self, at: int) -> bool:
        inside = at + 1
        kind, word, following = self.kinds[inside], self.words[inside], self.lowered[inside + 1]
        load = following in ("g", "gm") and self.words[inside + 2] == ")"  # `(50G)`
        if CODE.match(self.plain, self.starts[inside]) or (kind == "num" and (load or following in HOURS)):
            return False
        if kind in ("num", "cmp", "power", "arrow") or word in ("%", "/", "*"):
            return True
        unit = unit_code(word) is not None and ("/" in word or word == "fL")
        return kind == "word" and (unit or self.lowered[inside] in ("h", "l", "hh", "ll"))

    def start(self, here: int, begin: int) -> int:
        """Where a printed name starts that holds a name of the lexicon at an atom."""
        at = here
        while at > begin and (
            self.lowered[at - 1] in BEFORE or (self.lowered[at - 1] in ".-,(" and self.lowered[at - 2] in BEFORE)
        ):
            at -= 1
        if at > begin and self.lowered[at] in HOURS and self.kinds[at - 1] == "num":  # `2 hr post prandial glucose`
            at -= 1
        opened = begin == 0 or self.kinds[begin - 1] == "nl"
        first = begin + (self.words[begin] in FLAG_LETTERS)
        named = (
            opened
            and first < here <= begin + 7
            and all(self.kinds[i] == "word" or self.words[i] in "-,./&()" for i in range(first, here))
            and NO_NAME.isdisjoint(self.lowered[begin:here])
            # not `LIPIDS Cholesterol 205`: words in capitals before a name that is not
            and not (self.words[first].isupper() and len(self.words[first]) > 3 and not self.words[here].isupper())
        )
        return first if named else at

    def back(self, end: int, begin: int, signs: str, most: int, stops: frozenset[str]) -> int:
        """Where the words and signs before an atom begin, `most` at most, none of them among `stops`."""
        at = end
        while at > max(begin, end - most) and (self.kinds[at - 1] in ("word", "code") or self.lowered[at - 1] in signs):
            if self.lowered[at - 1] in stops:
                break
            at -= 1
        return at

    def _is_lettered(self, at: int) -> bool:
        """Whether a letter or a dash is of the name: `Influenza A`, `Cl-`, `HCO3-`."""
        dash = self.words[at] == "-" and self.ends[at - 1] == self.starts[at] and len(self.words[at - 1]) < 5
        return dash or (self.words[at].isupper() and len(self.words[at]) == 1)

    def printed(self, begin: int, end: int, core: int) -> str:
        """The printed name of a span of atoms, without methods and loose signs at its end."""
        while end - 1 > core and self.lowered[end - 1] in LOOSE and not self._is_lettered(end - 1):
            end -= 1
        name = " ".join(self.text[self.starts[begin] : self.ends[end - 1]].replace("|", " ").split())
        behind = self.plain[self.ends[end - 1] : self.ends[end - 1] + 2]
        if behind[:1] == "." and behind[1:] != "." and len(self.lowered[end - 1]) <= 5:
            name += "."
        if system := SYSTEM.match(self.plain, self.ends[end - 1]):
            return name + system.group()
        if name.count("(") > name.count(")"):
            name = name + ")" if behind[:1] == ")" else name.rpartition("(")[0].rstrip()
        return name.rstrip(") ") if name.count(")") > name.count("(") else name


@functools.lru_cache(maxsize=20_000)
def _opens_name(word: str) -> bool:
    return lexicon.squeeze(word) in lexicon.analyte_starts()


def _separate(match: re.Match) -> str:
    """`Hb-9.8` → `Hb:9.8`, but `CA-125` and `IL-6` stay."""
    name = lexicon.squeeze(match.group(1))
    digit = match.string[match.end()]
    known = name in lexicon.analytes() and name + digit not in lexicon.analyte_starts()
    return match.group(1) + (":" if known else "-")
