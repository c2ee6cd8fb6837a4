"""Who a document is about: what its headers say, and whether a page says that it is somebody else."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from rapidfuzz import fuzz

from ..metrics.values import letters
from . import dates

SEXES = {"m": "male", "male": "male", "man": "male", "f": "female", "female": "female", "woman": "female"}
SEXES |= {"other": "other", "unknown": "unknown"}
IDENTIFYING = {"patient": "name", "mrn": "number", "date_of_birth": "birth date"}
WHOLE = "a person has to look at the whole document"
SAME_NAME = 80  # of 100: a misread letter makes nobody another person


def patient_of(header: Mapping[str, str], order: str | None) -> dict:
    """Name, birth date (ISO 8601), sex (FHIR's word) and identifiers, so far as a document's header has them.

    A birth date that may be two days, with `order` of days and months, is left out: the header has it as it is printed.
    """
    known = {
        "name": header.get("patient"),
        "birth_date": dates.iso(header.get("date_of_birth", ""), order),
        "sex": SEXES.get(header.get("sex", "").casefold()),
        "ids": [header["mrn"]] if "mrn" in header else None,
    }
    return {name: value for name, value in known.items() if value}


def header_of(entries: Iterable[Mapping]) -> dict[str, str]:
    """The header that holds for the document: of each field what the first page says that prints it."""
    header: dict[str, str] = {}
    for entry in entries:
        if entry["kind"] == "header":
            header.setdefault(entry["name"], str(entry["columns"].get("value") or ""))
    return {name: value for name, value in header.items() if value}


def who_else(entries: Iterable[Mapping]) -> list[str]:
    """A warning for each page whose patient is not that of the pages before: another name, number or birth date."""
    by_page: dict[int, dict[str, str]] = defaultdict(dict)
    for entry in entries:
        if entry["kind"] == "header" and entry["name"] in IDENTIFYING:
            by_page[entry["page"]][entry["name"]] = str(entry["columns"]["value"])
    warnings, known = [], {}
    for page, header in sorted(by_page.items()):
        differing = _differing({name: (value, known[name]) for name, value in header.items() if name in known})
        if differing:
            what = " and ".join(IDENTIFYING[name] for name in differing)
            warnings.append(f"another patient's {what} stands on page {page}: {WHOLE}")
        known = {**header, **known}
    return warnings


def _differing(both: Mapping[str, tuple[str, str]]) -> list[str]:
    """The names of the headers that differ between two pages. A misread letter makes nobody another person where number
    or birth date agree; where neither is on both pages, Mario is not Maria."""
    differing = [name for name, (value, other) in both.items() if name != "patient" and not _same(name, value, other)]
    alike = SAME_NAME if len(both) - len(differing) > 1 else 100
    if name := both.get("patient"):
        words = fuzz.token_sort_ratio(*(each.replace(",", " ").casefold() for each in name))
        if not (words >= alike or _initials(*name) or _initials(*name[::-1])):
            differing.append("patient")
    return differing


def _same(name: str, value: str, other: str) -> bool:
    days = dates.iso(value), dates.iso(other)
    if name == "date_of_birth" and None not in days:
        return days[0] == days[1]
    return letters(value) == letters(other)


def _initials(short: str, full: str) -> bool:
    """Whether a name is another one with first names cut to initials or left out: `J. Smith`, `Smith`, `John Smith`."""
    left = [word.strip(".,").casefold() for word in full.split()]
    for word in (word.strip(".,").casefold() for word in short.split()):
        match = next((other for other in left if other == word or (len(word) == 1 and other.startswith(word))), None)
        if match is None:
            return False
        left.remove(match)
    return True
