"""The lexicon: drug names, analyte names with usual units, abbreviations. Read once, looked up in sets."""

import functools
import itertools
import re
from typing import NamedTuple

from .words import DATA, unaccented, words

SQUEEZED = re.compile(r"[\W_]+")
MISSPELT = range(6, 25)  # letters of a drug's name that is known for what it is when misspelt
WORD = re.compile(r"[^\W\d_][^\W_]*(?:[.\-/][^\W_]+)*")


class Term(NamedTuple):
    """A medical term found in a text: its kind (drug, analyte or abbreviation) and the name in lower case."""

    kind: str
    name: str


@functools.lru_cache(maxsize=50_000)
def squeeze(name: str) -> str:
    """Lower case without white space and signs: how names are looked up, so that `Protein, Total` is `proteintotal`."""
    return SQUEEZED.sub("", name).lower()


@functools.cache
def analytes() -> dict[str, str]:
    """Squeezed alias → the analyte it names."""
    return {squeeze(alias): name for name, _, aliases in _analyte_rows() for alias in aliases}


@functools.cache
def analyte_starts() -> frozenset[str]:
    """Every beginning of an alias: a quick way to say no."""
    return frozenset(alias[:length] for alias in analytes() for length in range(1, len(alias) + 1))


@functools.cache
def short_names() -> frozenset[str]:
    """Aliases of one or two letters as they are printed, lower case: `k`, `na`, `a/g`."""
    return frozenset(alias for _, _, aliases in _analyte_rows() for alias in aliases if len(squeeze(alias)) <= 2)


@functools.cache
def usual_units() -> frozenset[str]:
    """UCUM codes that analytes are usually reported in."""
    return frozenset(unit for _, units, _ in _analyte_rows() for unit in units)


@functools.cache
def units_of(analyte: str) -> tuple[str, ...]:
    """UCUM codes that an analyte of the lexicon is usually reported in; none for a ratio or a word."""
    return next((units for name, units, _ in _analyte_rows() if name == analyte), ())


@functools.cache
def drugs() -> frozenset[str]:
    """Drug names, generics and brands, lower case; some of two or three words."""
    return frozenset(_lines("drugs.txt")) | frozenset(word for line in _lines("brands.txt") for word in line.split())


@functools.cache
def drug_starts() -> frozenset[str]:
    """First words of drug names of several words."""
    return frozenset(name.split()[0] for name in drugs() if " " in name)


@functools.cache
def abbreviations() -> frozenset[str]:
    """Clinical abbreviations, lower case, without full stops."""
    return frozenset(word for line in _lines("abbreviations.txt") for word in line.split())


def recognise_drug(word: str) -> tuple[str, bool] | None:
    """The lexicon's drug for a printed name, and whether it is spelled so: `Amoxicilin` → ("amoxicillin", False).

    None where nothing is near: one edit for a name of 6 or 7 letters, two for a longer one.
    """
    name = word.lower().strip(".,;:()")
    return (name, True) if name in drugs() else _nearest(unaccented(name))


@functools.lru_cache(maxsize=4096)
def _nearest(name: str) -> tuple[str, bool] | None:
    from rapidfuzz import process  # only for the few words that stand where a drug does
    from rapidfuzz.distance import OSA

    if len(name) not in MISSPELT or not name.isalpha():
        return None
    most = 1 if len(name) < 8 else 2
    match = process.extractOne(name, _by_length(len(name)), scorer=OSA.distance, score_cutoff=most)
    return (match[0], False) if match else None


@functools.cache
def _by_length(length: int) -> list[str]:
    return sorted(drug for drug in drugs() if abs(len(drug) - length) <= 2 and len(drug) >= 6 and " " not in drug)


def read_terms(text: str) -> list[Term]:
    """The lexicon's terms in a text, in order, each as often as it stands there. The longest name wins."""
    printed, terms, end = WORD.findall(text), [], 0
    for at in itertools.compress(itertools.count(), map(_opens_term, printed)):
        for length in range(5, 0, -1) if at >= end else ():
            if term := _term(" ".join(printed[at : at + length])):
                terms.append(term)
                end = at + length
                break
    return terms


@functools.lru_cache(maxsize=50_000)
def _opens_term(word: str) -> bool:
    """Whether any term may start with a word: most words of a page are told off here."""
    lowered = word.lower()
    names = squeeze(word) in analyte_starts() or lowered in drugs() or lowered in drug_starts()
    return names or lowered.replace(".", "") in abbreviations()


@functools.lru_cache(maxsize=50_000)
def _term(printed: str) -> Term | None:
    """What some words are together; a name of an analyte has three letters, an abbreviation of two is in capitals."""
    lowered, bare, alias = printed.lower(), printed.replace(".", ""), squeeze(printed)
    analyte = alias in analytes() and len(alias) > 2
    if lowered in drugs() and (" " in lowered or not analyte):
        return Term("drug", lowered)
    known = bare.lower() in abbreviations() and (len(bare) > 2 or bare.isupper())
    return Term("analyte", alias) if analyte else Term("abbreviation", bare.lower()) if known else None


@functools.cache
def _analyte_rows() -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    rows = (line.split("\t") for line in _lines("analytes.tsv"))
    return tuple(
        (name, tuple(filter(None, units.split(","))), _aliases(name, aliases)) for name, units, aliases in rows
    )


def _aliases(name: str, english: str) -> tuple[str, ...]:
    others = words("analyte", name)
    return (*english.split("|"), *others, *map(unaccented, others))


def _lines(file: str) -> list[str]:
    text = (DATA / file).read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line and not line.startswith("#")]
