"""The columns of a result row: value, unit, reference range, flag, in any order."""

import dataclasses
import re

from .marks import LEAD_IN, QUALITIES, SEXES, bound_at, critical, flag_at, outside, quality_at, range_at, signed
from .text import Atom
from .units import unit_at, unit_code

DOSES = re.compile(
    r"\d{1,2}[ ]-[ ]\d{1,2}[ ]-[ ]\d{1,2}(?![\d.,/])"
)  # `1 - 0 - 1`: tablets in the morning, at noon, at night
EARLIER = {"prev", "previous", "prior", "earlier", "baseline"}


@dataclasses.dataclass(slots=True)
class Columns:
    """What stands beside a name. `ranges` holds (low, high, sex or "", printed)."""

    value: float | str | None = None
    printed: str = ""
    unit: str | None = None
    ranges: list[tuple[float | None, float | None, str, str]] = dataclasses.field(default_factory=list)
    flag: str | None = None
    bare: bool = True  # neither unit nor range nor flag
    quality: bool = False
    extra: int = 0  # numbers beyond the value
    repeated: bool = False  # a second value in words or titre: the reference
    at: int = 0  # index of the value's atom
    end: int = 0

    def complete(self) -> bool:
        return self.value is not None and self.unit is not None and bool(self.ranges) and self.flag is not None


def read_columns(atoms: list[Atom], at: int, text: str, names: list[int], range_first: bool = False) -> Columns:
    """Take what stands from an atom on as columns, until something is no column.

    `names` says for each atom whether a name starts there; `range_first` that the table's heading has the range before
    the result, which decides between two columns that look alike.
    """
    row = _Row(atoms, text, names, at, range_first)
    while row.here < len(atoms) and row.step():
        pass
    return row.settle()


class _Row:
    """The columns being read: where the reading is, and what has been found."""

    def __init__(self, atoms: list[Atom], text: str, names: list[int], at: int, range_first: bool) -> None:
        self.atoms, self.text, self.names, self.here = atoms, text, names, at
        self.range_first = range_first
        self.found = Columns(at=at)
        self.bounds: list[tuple[float | None, float | None, str, str, bool, int]] = []
        self.sex = ""
        self.star = False  # `7.9 * 10^3/uL`: a sign of multiplication, or a flag
        self.qualities = 0

    def step(self) -> bool:
        """Take the next column; False where the row ends."""
        kind, word, _, _ = self.atoms[self.here]
        found = self.found
        if kind in {"num", "word", "code"}:
            if self.names[self.here] and (found.printed or self.bounds or found.ranges):
                return False
            return self._numeric(kind, word) if kind == "num" else self._worded(kind, word)
        if kind in {"date", "time"}:
            return False
        if kind == "nl":
            return self._next_line()
        if kind == "cell":
            self.here += 1
            return True
        if kind in {"cmp", "titre"}:
            return self._numeric(kind, word)
        if kind != "sym":
            return self._worded(kind, word)
        if word in ")]}":
            self.here += 1
            return True
        return (word in "+-" and self._numeric(kind, word)) or self._sign(word)

    def _next_line(self) -> bool:
        last = self.here + 1
        while last < len(self.atoms) and self.atoms[last][0] != "nl" and last - self.here <= 8:
            last += 1
        line = self.atoms[self.here + 1 : last]
        columns = bool(line) and all(self._is_column(index) for index in range(self.here + 1, last))
        lone = len(line) == 1 and line[0][0] == "num"
        if not columns or len(line) > 7 or (lone and self.found.printed) or self.found.complete():
            return False
        self.here += 1
        return True

    def _is_column(self, index: int) -> bool:
        kind, word, _, _ = self.atoms[index]
        if kind in ("num", "cmp", "arrow", "power", "titre", "cell"):
            return True
        if kind == "sym":
            return word in "()[]%/-*:+^"
        lowered = word.lower()
        return kind == "word" and not self.names[index] and (
            lowered in QUALITIES or lowered in LEAD_IN or lowered in SEXES or flag_at(self.atoms, index) is not None
            or unit_code(word) is not None or lowered in ("to", "x", "up", "ul", "mm", "hr", "dl", "ml"))  # fmt: skip

    def _numeric(self, kind: str, word: str) -> bool:
        """A range, a bound, a titre or a number."""
        atoms, here, found = self.atoms, self.here, self.found
        if kind == "num" and self.text.startswith(" - ", atoms[here][3]) and DOSES.match(self.text, atoms[here][2]):
            return False
        if kind == "titre" or (kind == "cmp" and here + 1 < len(atoms) and atoms[here + 1][0] == "titre"):
            last = here + (kind == "cmp")
            return self._take(self.text[atoms[here][2] : atoms[last][3]], last + 1)
        if two := range_at(atoms, here, self.text):
            if len(found.ranges) >= 2 + bool(self.sex) or (
                found.ranges and found.printed and not (self.sex or found.ranges[-1][2])
            ):
                return False
            found.ranges.append((two[0], two[1], self.sex, self.text[atoms[here][2] : atoms[two[2] - 1][3]]))
            self.here, self.sex = two[2], ""
            return True
        if kind == "cmp":
            return self._bound()
        single = signed(atoms, here)
        return bool(single) and self._single(*single)

    def _single(self, value: float, after: int) -> bool:
        atoms, here, found = self.atoms, self.here, self.found
        following = atoms[after] if after < len(atoms) else ("nl", "", -1, -1)
        glued = following[2] == atoms[after - 1][3]
        if glued and following[0] == "word" and not (unit_at(atoms, after, self.text) or flag_at(atoms, after)):
            return False
        over = following[1] == "/" and after + 1 < len(atoms) and atoms[after + 1][0] == "num"
        if over and not unit_at(atoms, after, self.text):
            return False
        if following[1] == "-" and glued and after + 1 < len(atoms) and atoms[after + 1][0] == "num":
            return False
        if following[1] == "+" and glued and (grade := quality_at(atoms, here, self.text)):
            return self._take(*grade)
        if found.printed:
            return self._extra(following, after)
        found.value, found.printed, found.at = value, self.text[atoms[here][2] : atoms[after - 1][3]], here
        self.here = after
        return True

    def _extra(self, following: Atom, after: int) -> bool:
        """A second plain number: an earlier result or a laboratory's code. Skipped, where the row goes on after it."""
        self.found.extra += 1
        if self.found.extra > 2 or (
            following[0] in ("word", "code")
            and not (flag_at(self.atoms, after) or unit_at(self.atoms, after, self.text))
        ):
            return False
        self.here = after
        return True

    def _take(self, value: str, after: int) -> bool:
        """A value in words or a titre; a second one is the reference."""
        if self.found.printed or (self.bounds and not self.bounds[0][4] and not self.range_first):
            self.qualities += 1
            self.found.repeated = True
            if self.qualities > 2:
                return False
            if self.range_first and self.qualities == 1 and self.found.quality:
                self.found.value = self.found.printed = value
        else:
            self.found.value = self.found.printed = value
            self.found.at, self.found.quality = self.here, True
        self.here = after
        return True

    def _bound(self) -> bool:
        bound = bound_at(self.atoms, self.here)
        if not bound or len(self.bounds) > 2:
            return False
        low, high, after, said = bound
        printed = self.text[self.atoms[self.here][2] : self.atoms[after - 1][3]]
        if (self.bounds or self.found.ranges) and self.found.printed and not self.sex:
            return False
        self.bounds.append((low, high, self.sex, printed, said, self.here))
        self.here, self.sex = after, ""
        return True

    def _sign(self, word: str) -> bool:
        """Brackets, colons, commas and leaders between columns; `%` and `/uL` are units, `*` a flag."""
        found, here = self.found, self.here
        if (
            found.unit is None
            and (unit := unit_at(self.atoms, here, self.text))
            and (found.printed or found.ranges or self.bounds or "/" in unit[0] or unit[0] == "%")
        ):
            found.unit, self.here = unit
            return True
        if word == "*" and here + 1 < len(self.atoms) and self.atoms[here + 1][0] == "power":
            self.star, self.here = True, here + 1
            return True
        if word in ("*", "!") and (flag := flag_at(self.atoms, here)):
            found.flag, self.here = found.flag or flag[0], flag[1]
            return True
        if word == "+" and (grade := quality_at(self.atoms, here, self.text)):
            return self._take(*grade)
        if word in "([{:=,;-" or (word in "._" and not found.printed) or (word in "/%" and found.unit):
            self.here += 1
            return True
        return False

    def _worded(self, kind: str, word: str) -> bool:
        atoms, here, found = self.atoms, self.here, self.found
        if (
            kind in {"word", "power"}
            and (unit := unit_at(atoms, here, self.text))
            and (
                (started := found.printed or found.ranges or self.bounds)
                or "/" in unit[0]
                or unit[0] in {"fL", "{ratio}"}
            )
        ):
            if found.unit is None and (started or not unit[0].startswith("/")):
                found.unit = unit[0]
            self.here = unit[1]
            return True
        if kind == "arrow" or kind == "power":
            flag = flag_at(atoms, here)
            found.flag = found.flag or (flag and flag[0])
            self.here += 1
            return kind == "arrow"
        if kind == "code":
            return False
        lowered = word.lower()
        if lowered in EARLIER and found.printed:
            return self._pass_earlier()
        if lowered in SEXES and self._reaches(here + 1, 3):
            self.sex = SEXES[lowered]
            self.here += 1
            return True
        if bound_at(atoms, here):
            return self._bound()
        if lowered == "normal" and not found.printed and not self._labels(here):
            return self._take(word, here + 1)
        return self._flagged(lowered)

    def _pass_earlier(self) -> bool:
        """Leave out an earlier result: `(prev 10.4)`, `Previous: 154`."""
        after = self.here + 1
        while (
            after < len(self.atoms)
            and after - self.here < 4
            and self.atoms[after][1] in (":", "=", ".", "value", "result")
        ):
            after += 1
        self.found.extra += 1  # of several, the row ends at the third
        if after >= len(self.atoms) or self.atoms[after][0] != "num" or self.found.extra > 2:
            return False
        if range_at(self.atoms, after, self.text):
            return False
        self.here = after + 1
        return True

    def _flagged(self, lowered: str) -> bool:
        """A flag, a value in words, or words that lead to a range."""
        atoms, here, found = self.atoms, self.here, self.found
        ranged = bool(found.ranges or self.bounds)
        if lowered in LEAD_IN and not (ranged and found.printed and not self.sex) and self._reaches(here + 1, 6):
            self.here += 1
            return True
        if (flag := flag_at(atoms, here)) and found.flag is None and not self._labels(here):
            if lowered == "normal" and not found.printed:
                return self._take(self.text[atoms[here][2] : atoms[here][3]], here + 1)
            found.flag, self.here = flag
            return True
        if quality := quality_at(atoms, here, self.text):
            return self._take(*quality)
        return False

    def _labels(self, here: int) -> bool:
        """Whether a word only names a band of an interpretation: `High: >240`, `Borderline 200-239`."""
        after = here + 1
        if after < len(self.atoms) and self.atoms[after][1] in (":", "="):
            return True
        if len(self.atoms[here][1]) <= 2 or after >= len(self.atoms) or not (self.found.ranges or self.bounds):
            return False
        return bool(range_at(self.atoms, after, self.text) or bound_at(self.atoms, after))

    def _reaches(self, at: int, most: int) -> bool:
        """Whether a range follows, with nothing between but signs and words that lead to one."""
        for index in range(at, min(at + most, len(self.atoms))):
            kind, word, _, _ = self.atoms[index]
            if range_at(self.atoms, index, self.text) or bound_at(self.atoms, index):
                return True
            lowered = word.lower()
            if not (
                (kind == "sym" and word in "():[]=-.,") or lowered in LEAD_IN or lowered in SEXES or kind == "cell"
            ):
                return False
        return False

    def settle(self) -> Columns:
        """Decide what a lone bound or range is: the value where there is no other, else the reference."""
        found = self.found
        found.end = self.here
        bounds = list(self.bounds)
        if not found.printed and bounds and not bounds[0][4]:
            result = 1 if self.range_first and len(bounds) > 1 else 0
            found.at = bounds[result][5]
            found.value = found.printed = bounds.pop(result)[3]
        found.ranges += [bound[:4] for bound in bounds]
        if (
            not found.printed
            and found.ranges
            and (len(found.ranges) > 1 or found.unit in ("/[HPF]", "/[LPF]"))
            and not found.ranges[0][2]
        ):
            found.value = found.printed = found.ranges.pop(0)[3]
        if self.star and found.flag is None and found.ranges and outside(found.value, *found.ranges[0][:2]):
            found.flag = "A"
        if found.flag == "C":  # critical, in a direction that value and range tell
            found.flag = critical(found.value, *(found.ranges[0][:2] if found.ranges else (None, None)))
        found.bare = found.unit is None and not found.ranges and found.flag is None
        return found
