"""Units as printed → UCUM codes.

A unit is looked up in a table of spellings first; what is not there is put together from its numerator
and denominators (`ng/mL`, `mg/24h`), each a prefix and a base that UCUM knows.
"""

import functools
import re
from pathlib import Path

from .text import Atoms
from .words import words


def _table(kind: str) -> dict[str, str]:
    """The spellings of one kind in `data/units.tsv`, each with its code."""
    text = (Path(__file__).parent / "data" / "units.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.split("\n") if line.startswith(kind + "\t"))
    return {
        spelling.replace("-", ""): code.replace("-", "")
        for _, code, spellings in rows
        for spelling in spellings.split(" ")
    }


SPELLINGS, BASES, PREFIXES = _table("unit"), _table("base"), _table("prefix")
COUNTS, VOLUMES, DENOMINATORS = _table("count"), _table("volume"), _table("per")
NOT_UNITS = frozenset(_table("never"))
CASED = {"G/L": "10*9/L", "T/L": "10*12/L", "Gpt/L": "10*9/L", "Tpt/L": "10*12/L", "Mpt/L": "10*6/L"}  # or `/l`
CODES = {*SPELLINGS.values(), *CASED.values()}
CODES |= words("codes") | {"mL/min/{1.73_m2}"}
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
# Words that may open a unit: keeps the search for one out of the way of names.
OPENERS = (
    {key.split("/")[0] for key in SPELLINGS}
    | set(COUNTS)
    | {"mm", "e.u", "i.u", "%", "/", "per", "x", "*", "cu", "[", "mg", "ng", "pg"}
)
MOST_ATOMS, LONGEST = 8, 40  # of a unit: atoms, characters
NO_UNIT = {"nl", "cell", "date", "cmp", "arrow", "end"}  # kinds of atoms
BEFORE_NUMBER = {"/", "mm", "in", "at", "^", "*", "x", "m", "of", "after", "-"}  # that a unit holds: `/1.73 m2`
BARE = words("amounts")  # amounts: of drugs, not of analytes
DOSES = words("doses")


# What stands in a unit's place and looks like one, misread (`m9/dl`, `mmoI/L`) or in no table: kept as printed.
LIKE_UNIT = re.compile(
    r"(?=.{0,14}[A-Za-zµ%])[\w^*.%µÂ]{1,14}/(?:[dmuµnpfÂ]{0,2}[lL1I|]|mm\^?[3³]?|cumm|\d{0,2}h|kg|g|[hl]pf|mol|mmol)"
)


@functools.lru_cache(maxsize=20_000)
def unit_code(printed: str) -> str | None:
    """The UCUM code of a printed unit, or None: `K/uL` → `10*3/uL`, `µIU/mL` → `u[IU]/mL`, `gm%` → `g/dL`."""
    if len(printed) > LONGEST:
        return None
    if printed in CODES:
        return printed
    squeezed = "".join(printed.split()).replace("µ", "u").replace("μ", "u").replace("\\", "/").replace("/1,73", "/1.73")
    bare = squeezed.strip("()[],;:.")
    if bare[-1:] in ("l", "L") and (cased := CASED.get(bare[:-1] + "L")):
        return cased
    key = squeezed.lower().strip("()[],;:") if squeezed[:1] != "[" else squeezed.lower()
    key = key.replace("per", "/", 1) if key.startswith(("mgper", "gper", "cellsper")) else key
    return SPELLINGS.get(key) or SPELLINGS.get(key.rstrip(".")) or _counted(key.rstrip(".")) or _divided(key)


def unit_at(atoms: Atoms, at: int) -> tuple[str, int] | None:
    """The longest unit that starts at an atom: its UCUM code and the index after it."""
    if at not in atoms.units:
        atoms.units[at] = _unit_at(atoms, at)
    return atoms.units[at]


def _unit_at(atoms: Atoms, at: int) -> tuple[str, int] | None:
    kind, word, start = atoms.kinds[at], atoms.words[at], atoms.starts[at]
    if kind == "word":
        if not _opens_unit(word):
            return None
    elif kind != "power" and (kind != "sym" or word not in "%/[#"):
        return None
    unit = None
    for last in range(at, at + MOST_ATOMS):
        end = atoms.ends[last]
        if atoms.kinds[last] in NO_UNIT or end - start > LONGEST or (last > at and _ends_unit(atoms, last)):
            break
        if code := unit_code(atoms.text[start:end]):
            unit = code, last + 1
    return unit


@functools.lru_cache(maxsize=20_000)
def _opens_unit(word: str) -> bool:
    return word.lower().partition("/")[0] in OPENERS or unit_code(word) is not None


def _ends_unit(atoms: Atoms, last: int) -> bool:
    """Whether an atom cannot go on with a unit: a bracket after a space, or a number other than `1.73`."""
    kind = atoms.kinds[last]
    if kind == "num":
        return atoms.ends[last - 1] != atoms.starts[last] and atoms.words[last - 1] not in BEFORE_NUMBER
    return kind == "sym" and atoms.words[last] in "([,;:" and atoms.starts[last] > atoms.ends[last - 1]


def _counted(key: str) -> str | None:
    """A count per volume: `x10^3/ul`, `thou/cumm`, `10e9/l`, `/ul`, `cells/ul`."""
    top, slash, bottom = key.partition("/")
    if not slash or bottom not in VOLUMES:
        return None
    top = top.translate(SUPERSCRIPTS)
    per = VOLUMES[bottom]
    for word in ("cells", "cell"):
        top = top[: -len(word)] if top.endswith(word) and top != word else top
    if top in COUNTS and not (per == "L" and top in ("g", "m")) and not (per == "mL" and top in ("g", "m", "k")):
        return f"{COUNTS[top]}/{per}"
    if power := re.fullmatch(r"x?e\s?(3|6|9|12)", top):
        return f"10*{power.group(1)}/{per}"
    digits = top.lstrip("x*").removeprefix("10").lstrip("^*xe(").rstrip(")")
    if top.lstrip("x*").startswith("10") and digits in ("3", "4", "5", "6", "9", "12"):
        return f"10*{digits}/{per}"
    return None


def _divided(key: str) -> str | None:
    """`numerator/denominator[/denominator]` of known pieces; a bare numerator is left to the table of spellings."""
    top, *bottoms = key.replace("per", "/").split("/") if "/" in key or "per" in key else (key,)
    if not bottoms or len(bottoms) > 2:
        return None
    codes = [_based(top), *(DENOMINATORS.get(bottom) or _based(bottom) or _portion(bottom) for bottom in bottoms)]
    return "/".join(codes) if all(codes) else None


def _portion(piece: str) -> str | None:
    """`5ml` of `mg/5ml`: `(5.mL)`, as UCUM writes it."""
    piece = piece.strip("()")
    digits = piece[: len(piece) - len(piece.lstrip("0123456789."))]
    base = digits and _based(piece[len(digits) :])
    return f"({digits.rstrip('.')}.{base})" if base else None


def _based(piece: str) -> str | None:
    """A prefix and a base: `mg`, `mcg`, `uiu`, `mosm`, `mmoles`."""
    piece = piece.rstrip(".") or piece
    if not piece or piece in NOT_UNITS or len(piece) > 12:
        return None
    for length in (5, 4, 2, 1, 0):
        prefix, base = piece[:length], piece[length:]
        if prefix in PREFIXES and base in BASES:
            return PREFIXES[prefix] + BASES[base]
    return None
