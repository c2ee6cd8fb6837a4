"""The columns of a result row: value, unit, reference range, flag, in any order."""

import re

from . import settle
from .marks import (
    EARLIER,
    LEAD_IN,
    SEXES,
    TELLING,
    bound_at,
    flag_at,
    is_column,
    names_band,
    opens_prose,
    outside,
    quality_at,
    range_from,
    reaches,
    signed,
)
from .text import Atoms
from .units import LIKE_UNIT, unit_at
from .words import words

CHANGED = words("changed")
DATED = {"on", "le", "du", "vom", "am", "del", "dal", "em", "op", "z", "den"}  # between an earlier result and its date
CODE = re.compile(r"0\d+")  # a laboratory's: `WBC 01   3.1   4.2`
NO_RESULT = re.compile(  # `1 - 0 - 1`, tablets in the morning, at noon, at night; `217) 555-1212`, a telephone number
    r"\d{1,2}[ ]-[ ]\d{1,2}[ ]-[ ]\d{1,2}(?![\d.,/])|\d{3}(?:\)[ ]?|[ .-])\d{3}[ .-]\d{4}(?!\d)"
)


def read_columns(atoms: Atoms, at: int, names: list[int], range_first: bool = False) -> "Columns":
    """Take what stands from an atom on as columns, until something is no column.

    `names` says for each atom whether a name starts there; `range_first` that the table's heading has the range before
    the result, which decides between two columns that look alike.
    """
    row = Columns(atoms, names, at, range_first)
    while (take := STEPS.get(row.kinds[row.here])) and not names[row.here] and take(row):
        pass
    settle.settle(row)
    return row


class Columns:
    """What stands beside a name. `ranges` holds (low, high, sex or "", printed)."""

    value: float | str | None = None
    printed = ""
    unit: str | None = None
    flag: str | None = None
    bare = True  # neither unit nor range nor flag
    quality = False
    extra = 0  # numbers beyond the value
    repeated = False  # a second value in words or titre: the reference
    previous: float | str | None = None
    previous_date: str | None = None
    end = 0
    # While they are read:
    sex = ""  # whose range comes next
    further: float | str | None = None  # the last number beyond the value, and where it stands
    further_at = flagged = -1  # and where the flag does
    sign = ""  # `1,34 +`: the laboratory's mark for above or below its range

    def __init__(self, atoms: Atoms, names: list[int], at: int, range_first: bool) -> None:
        self.atoms, self.names, self.range_first = atoms, names, range_first
        self.kinds, self.words, self.lowered = atoms.kinds, atoms.words, atoms.lowered
        self.here = self.at = at  # where the reading is; the value's atom
        self.ranges: list[tuple[float | None, float | None, str, str]] = []
        self.bounds: list[tuple[float | None, float | None, str, str, bool, int]] = []
        self.extras: list[float] = []  # numbers beyond the value

    def _printed(self, at: int, after: int) -> str:
        """What is printed from one atom up to another."""
        return self.atoms.text[self.atoms.starts[at] : self.atoms.ends[after - 1]]

    def started(self) -> bool:
        """Whether there are columns, so that a name is the next row's."""
        return bool(self.printed) or self._ranged()

    def _ranged(self) -> bool:
        return bool(self.ranges or self.bounds)

    def _below(self) -> bool:
        """Whether the value is below a range that is printed before."""
        return any(outside(self.value, low, None) for low, *_ in (*self.ranges, *self.bounds))

    def _line(self) -> bool:
        """Go on to the next line, where it holds columns alone."""
        at = after = self.here + 1
        while self.kinds[after] not in {"nl", "end"} and after - at < 8:
            after += 1
        lone = self.kinds[at] == "num" and (after - at == 1 or (after - at == 2 and flag_at(self.atoms, at + 1)))
        if lone and self.printed:  # an earlier result, where its date has the next line
            lone = self.kinds[after + 1] != "date" or self.further is not None
            return not lone and self._skip()
        if self.printed and not self._ranged() and self.lowered[at] in LEAD_IN and reaches(self.atoms, at + 1, 6):
            return self._skip()  # `Valores de referência: 0,60 a 1,20 mg/dL`, below the result
        if after == at or after - at > 7:
            return False
        if self.kinds[at] == "date" and self.further is not None:
            return after - at == 1 and self._skip()
        return all(not self.names[i] and is_column(self.atoms, i) for i in range(at, after)) and self._skip()

    def _skip(self) -> bool:
        self.here += 1
        return True

    def _titre(self) -> bool:
        return self._take(self._printed(self.here, self.here + 1), self.here + 1)

    def _compared(self) -> bool:
        """A bound, of a number or a titre."""
        after = self.here + 2
        if self.words[self.here] == "<" and self.words[self.here + 1] == "-":  # an arrow: `<-- LOW`
            return self._skip()
        if self.words[self.here] == ">" and self.lowered[self.here - 1] == "-" and self.printed:
            return settle.moved(self)
        return self._take(self._printed(self.here, after), after) if self.kinds[after - 1] == "titre" else self._bound()

    def _number(self) -> bool:
        atoms, here = self.atoms, self.here
        if self.lowered[here - 1] == "from" and self.lowered[here + 1] == "to" and self.lowered[here - 2] in CHANGED:
            return settle.changed(self)
        other = len(self.words[here]) < 4 and NO_RESULT.match(atoms.text, atoms.starts[here])
        return not other and self._amount()

    def _amount(self) -> bool:
        """A range or a number."""
        atoms, here = self.atoms, self.here
        if not (single := signed(atoms, here)):
            return False
        if two := range_from(atoms, here, *single):
            self.ranges.append((two[0], two[1], self.sex, self._printed(here, two[2])))
            self.here, self.sex = two[2], ""
            return True
        return self._single(*single)

    def _single(self, value: float, after: int) -> bool:
        atoms, here = self.atoms, self.here
        kind, word = self.kinds[after], self.words[after]
        if atoms.starts[after] == atoms.ends[after - 1]:  # glued
            if kind == "word" and not (unit_at(atoms, after) or flag_at(atoms, after)):
                return False
            if word == "-" and self.kinds[after + 1] == "num":
                return False
            if word == "+" and (grade := quality_at(atoms, here)):
                return self._take(*grade)
        if word == "/" and self.kinds[after + 1] == "num" and not unit_at(atoms, after):
            return False
        if self.printed:
            return self._extra(value, after)
        if (
            self.words[here][0] == "0"
            and CODE.fullmatch(self.words[here])
            and self.kinds[after + (self.kinds[after] == "cell")] == "num"
        ):
            self.here = after
            return True
        self.value, self.printed, self.at = value, self._printed(here, after), here
        self.here = after
        return True

    def _extra(self, value: float, after: int) -> bool:
        """A second plain number: an earlier result or a laboratory's code. Skipped, where the row goes on after it."""
        unit = unit_at(self.atoms, after)
        glued = self.atoms.starts[after] == self.atoms.ends[after - 1]
        if unit and glued and self.unit is None and len(self._printed(self.here, after)) == 1:
            self.unit, self.here = self._printed(self.here, unit[1]), unit[1]  # `105 7mg/dl`, a sign read as a digit
            return True
        self.extra += 1
        after += self.lowered[after] in DATED and self.kinds[after + 1] == "date"
        if not CODE.fullmatch(self.words[self.here]):
            self.further, self.further_at = value, self.here
            self.extras.append(value)
        self.here = after
        return True

    def _take(self, value: str, after: int) -> bool:
        """A value in words or a titre; a second one is the reference."""
        if self.printed or (self.bounds and not self.bounds[0][4] and not self.range_first):
            if self.range_first and self.quality and not self.repeated:
                self.value = self.printed = value
            self.repeated = True
        else:
            self.value = self.printed = value
            self.at, self.quality = self.here, True
        self.here = after
        return True

    def _bound(self) -> bool:
        bound = bound_at(self.atoms, self.here)
        if not bound or (self._ranged() and self.printed and not self.sex):
            return False
        low, high, after, in_words = bound
        self.bounds.append((low, high, self.sex, self._printed(self.here, after), in_words, self.here))
        self.here, self.sex = after, ""
        return True

    def _sign(self) -> bool:
        """Brackets, colons, commas and leaders between columns; `%` and `/uL` are units, `*` a flag."""
        here, word = self.here, self.words[self.here]
        if word in ")]}":
            return self._skip()
        if word in "+-" and self._amount():
            return True
        if word == "→" and self.printed:
            return settle.moved(self)
        unit = unit_at(self.atoms, here) if self.unit is None else None
        if unit and (self.started() or "/" in unit[0] or unit[0] == "%"):
            self.unit, self.here = unit
            return True
        multiplies = word == "*" and self.kinds[here + 1] == "power"  # `7.9 * 10^3/uL`
        if word in ("*", "!") and not multiplies and (flag := flag_at(self.atoms, here)):
            return self._mark(*flag)
        leading = word == "+" and not self.printed and "num" in (self.kinds[here + 1], self.kinds[here + 2])
        if leading or (isinstance(self.value, float) and self._is_mark(here)):
            self.sign = word  # `1,34 + mg/dl`, `+  1,34 mg/dl`
            return self._skip()
        if word == "+" and (grade := quality_at(self.atoms, here)):
            return self._take(*grade)
        leads = (
            multiplies
            or word in "([{:=,;-"
            or (word == "#" and flag_at(self.atoms, here + 1))
            or (word in "._" and (not self.printed or self.lowered[here - 1] in LEAD_IN))
            or (word == "." and "." in (self.words[here - 1], self.words[here + 1]))
            or (word in "/%" and self.unit)
        )
        return bool(leads) and self._skip()

    def _is_mark(self, here: int) -> bool:
        """Whether a plus or a minus stands for a flag: between value and unit, or at the end of the row."""
        apart = self.kinds[here - 1] == "cell" or self.atoms.starts[here] > self.atoms.ends[here - 1]
        ends = self.kinds[here + 1] in ("nl", "end", "cell") or unit_at(self.atoms, here + 1) is not None
        return self.words[here] in "+-" and apart and ends

    def _power(self) -> bool:
        """A power that is a unit's; any other ends the row after it."""
        if (unit := unit_at(self.atoms, self.here)) and self._unit(*unit):
            return True
        self.here += 1
        return False

    def _mark(self, flag: str, after: int) -> bool:
        if self.flag is None:
            self.flag, self.flagged = flag, self.here
        self.here = after
        return True

    def _unit(self, code: str, after: int) -> bool:
        """A unit; before any other column only one that cannot be a word."""
        started = self.started()
        if not (started or "/" in code or code in {"fL", "{ratio}"}):
            return False
        if self.unit is None and (started or not code.startswith("/")):
            self.unit = code
        self.here = after
        return True

    def _word(self) -> bool:
        atoms, here = self.atoms, self.here
        if (unit := unit_at(atoms, here)) and self._unit(*unit):
            return True
        lowered = self.lowered[here]
        if lowered in ("soit", "flag") and self.printed:  # `13,2 mg/L soit 117 µmol/L`, `Flag: L`
            return self._skip()
        if lowered not in TELLING:
            return self._misread_unit(here)
        if lowered in EARLIER and self.printed:
            return settle.named(self)
        if lowered in SEXES and reaches(self.atoms, here + 1, 3):
            self.sex = SEXES[lowered]
            return self._skip()
        if bound_at(atoms, here):
            return self._bound()
        heading = self.lowered[here + 1] in ("range", "ranges", "values", "limits")
        if lowered == "normal" and not self.printed and not heading and not names_band(atoms, here, self._ranged()):
            return self._take(self.words[here], here + 1)
        return self._flagged(lowered)

    def _misread_unit(self, here: int) -> bool:
        """Something like a unit right after the value: the row goes on, with the unit as printed."""
        right_after = self.printed and self.unit is None and isinstance(self.value, float)
        if not right_after or not LIKE_UNIT.fullmatch(self.words[here]):
            return False
        self.unit = self.words[here]
        return self._skip()

    def _flagged(self, lowered: str) -> bool:
        """A flag, a value in words, or words that lead to a range."""
        atoms, here = self.atoms, self.here
        ranged = self._ranged()
        if lowered == "n" and self.words[here - 1] == "(" and reaches(atoms, here + 1, 3):  # `(N : 30 à 400)`
            return self._skip()
        if lowered in LEAD_IN and not (ranged and self.printed and not self.sex) and reaches(self.atoms, here + 1, 6):
            return self._skip()
        ended = self.words[here - 1] == "." != self.words[here - 2]  # `6,9 mUI/L. A creatinina …`
        low = ("L", here + 1) if self.words[here] == "B" and self._below() else None  # `(22 - 322)  B`: bas
        if (
            (flag := flag_at(atoms, here) or low)
            and self.flag is None
            and not ended
            and not names_band(atoms, here, ranged)
        ):
            if not ranged and opens_prose(atoms, flag[1], self.names):
                return False
            return self._mark(*flag)
        if flag and self.flag and (self.further_at == here - 1 or flag[0] == self.flag):
            return self._skip()  # that of the earlier result, or the same again: `▲ (H)`
        quality = quality_at(atoms, here)
        return quality is not None and self._take(*quality)


STEPS = {  # how an atom of each kind is taken; others end the row
    "num": Columns._number,
    "word": Columns._word,
    "sym": Columns._sign,
    "cmp": Columns._compared,
    "titre": Columns._titre,
    "power": Columns._power,
    "arrow": lambda row: row._mark(*flag_at(row.atoms, row.here)),
    "cell": Columns._skip,
    "nl": Columns._line,
    "date": settle.dated,
}
