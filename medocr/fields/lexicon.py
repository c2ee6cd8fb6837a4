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
    printed = WORD.findall(text)
    words = list(map(str.lower, printed))
    several, terms, end = drug_starts(), [], 0
    for at in itertools.compress(itertools.count(), map(_opens_term, words)):
        if at >= end:
            drug = _drug_of_words(words, at) if words[at] in several else None
            term, end = drug or _analyte_at(words, at) or (_term(printed[at]), at + 1)
            if term:
                terms.append(term)
    return terms


@functools.lru_cache(maxsize=50_000)
def _opens_term(word: str) -> bool:
    """Whether any term may start with a word: most words of a page are told off here."""
    names = squeeze(word) in analyte_starts() or word in drugs() or word in drug_starts()
    return names or word.replace(".", "") in abbreviations()


@functools.lru_cache(maxsize=50_000)
def _term(printed: str) -> Term | None:
    """The drug or the abbreviation that a word is; abbreviations of two letters are printed in capitals."""
    lowered, bare = printed.lower(), printed.replace(".", "")
    if lowered in drugs():
        return Term("drug", lowered)
    known = bare.lower() in abbreviations() and (len(bare) > 2 or bare.isupper())
    return Term("abbreviation", bare.lower()) if known else None


def _drug_of_words(words: list[str], at: int) -> tuple[Term, int] | None:
    """A drug of several words that start at one, and the index after them."""
    for length in (3, 2):
        name = " ".join(words[at : at + length])
        if name in drugs():
            return Term("drug", name), at + length
    return None


def _analyte_at(words: list[str], at: int) -> tuple[Term, int] | None:
    """The longest alias of three letters or more that starts at a word and takes up to five, and the index after it."""
    known, starts, alias, term = analytes(), analyte_starts(), "", None
    for here, word in enumerate(words[at : at + 5], at + 1):
        alias += squeeze(word)
        if alias not in starts:
            break
        if alias in known and len(alias) > 2:
            term = Term("analyte", alias), here
    return term


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
