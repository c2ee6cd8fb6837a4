"""Equal quantities in different units: 10*3/uL and 10*9/L, 0.5 g and 500 mg, and for monovalent ions mEq and mmol."""

import functools
import math
import re

from . import lexicon

PREFIXES = {"": 0, "k": 3, "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15}  # powers of ten
PIECE = re.compile(r"(?P<prefix>[kdcmunpf]?)(?P<base>\[IU\]|mol|eq|osm|g|L|U|kat|Pa|Bq)(?P<note>\{.*\})?")
POWER = re.compile(r"10\*(\d{1,2})")
MONOVALENT = {"Sodium", "Potassium", "Chloride", "Bicarbonate", "Anion gap"}


@functools.lru_cache(20_000)
def scale(code: str) -> tuple[int, str]:
    """A UCUM code as a power of ten and what it is of: `ng/mL` and `ug/L` are both (-6, "g/L").

    Pieces that are no metric unit (`min`, `{1.73_m2}`, `%`) stand for themselves.
    """
    power, pieces = 0, []
    for at, piece in enumerate(re.split(r"/(?![^({]*[)}])", code)):
        sign = -1 if at else 1
        if ten := POWER.fullmatch(piece):
            power += sign * int(ten.group(1))
            piece = ""
        elif metric := PIECE.fullmatch(piece):
            power += sign * PREFIXES[metric["prefix"]]
            piece = metric["base"] + (metric["note"] or "")
        pieces.append(piece)
    return power, "/".join([pieces[0], *sorted(pieces[1:])])


def of(code: str, name: str = "") -> tuple[int, str]:
    """`scale` of a unit beside a name: milliequivalents of a monovalent ion are millimoles."""
    if "eq" in code and lexicon.analytes().get(lexicon.squeeze(name)) in MONOVALENT:
        code = re.sub(r"\beq\b|(?<=m)eq\b", "mol", code)
    return scale(code)


def equal(quantity: tuple[float, str], other: tuple[float, str], name: str = "") -> bool:
    """Whether two values with UCUM units are one quantity: (12.0, "g/dL") and (120.0, "g/L")."""
    (power, dimension), (other_power, other_dimension) = of(quantity[1], name), of(other[1], name)
    same = dimension == other_dimension
    return same and math.isclose(quantity[0], other[0] * 10.0 ** (other_power - power), rel_tol=1e-9)
