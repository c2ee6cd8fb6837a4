"""Codes that others' systems ask for: LOINC of an analyte and RxNorm of an ingredient; '' where unknown.

`data/codes.tsv` holds the commonest alone. A site names a file of the same form in MEDOCR_CODES; its lines come first.
"""

import csv
import functools
import os
from pathlib import Path

from . import lexicon

SITE = "MEDOCR_CODES"
SYSTEMS = ("loinc", "rxnorm")


def loinc(name: str, unit: str | None = None) -> str:
    """The LOINC code of an analyte by a name that reports print: `Na` → 2951-2.

    Where the code depends on the unit (glucose in mg/dL and in mmol/L are two), the UCUM code must be given.
    """
    return _code("loinc", name, unit)


def rxnorm(ingredient: str) -> str:
    """The RxNorm number of an ingredient, salts apart: `Metformin HCl` → 6809. A brand has none here."""
    bare = [word for word in ingredient.lower().split() if word.strip("().") not in {"hcl", "hydrochloride", "sodium"}]
    return _code("rxnorm", ingredient, None) or _code("rxnorm", " ".join(bare), None)


def _code(system: str, name: str, unit: str | None) -> str:
    by_unit = _codes(os.environ.get(SITE, "")).get((system, lexicon.squeeze(name)), {})
    return by_unit.get("-") or by_unit.get(unit or "-", "")


@functools.lru_cache(maxsize=8)
def _codes(site: str) -> dict[tuple[str, str], dict[str, str]]:
    """(system, squeezed name) → UCUM unit, or `-` for any, → code. Raises ValueError where a file is wrong."""
    codes: dict[tuple[str, str], dict[str, str]] = {}
    for path in filter(None, (site, str(lexicon.DATA / "codes.tsv"))):
        for system, code, units, names in _rows(Path(path)):
            for name in _names(names):
                by_unit = codes.setdefault((system, name), {})
                for unit in units.split(" "):
                    by_unit.setdefault(unit, code)
    return codes


def _rows(path: Path) -> list[list[str]]:
    if not path.is_file():
        raise ValueError(f"{SITE} names {path}, which is no file: name a file of codes, or unset {SITE}")
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row and row[0][:1] != "#"]
    for row in rows:
        if len(row) != 4 or row[0] not in SYSTEMS:
            raise ValueError(
                f"{path}: a line must hold {' or '.join(SYSTEMS)}, a code, units or -, and names, parted by tabs; "
                f"this one does not: {row}"
            )
    return rows


def _names(names: str) -> list[str]:
    """Squeezed names of a line; `=Hematocrit` stands for all those of that analyte."""
    if names.startswith("="):
        return [alias for alias, analyte in lexicon.analytes().items() if analyte == names[1:]]
    return [lexicon.squeeze(name) for name in names.split("|")]
