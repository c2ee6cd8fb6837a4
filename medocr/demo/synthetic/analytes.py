"""Blood and urine tests with units and adult reference ranges as laboratories print them."""

import dataclasses

from .words import table

UCUM = dict(table("units.txt"))
PANELS = {panel: tuple(headings.split("; ")) for panel, headings in table("panels.txt")}


@dataclasses.dataclass(frozen=True)
class Analyte:
    """`ranges` by sex, F then M: (low, high) as printed, either empty."""

    panel: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    decimals: int
    ranges: dict[str, tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Finding:
    """A test whose result is a word: the normal one first."""

    panel: str
    names: tuple[str, ...]
    results: tuple[str, ...]


def _limits(text: str) -> tuple[str, str]:
    if text[0] == "<":
        return "", text[1:]
    if text[0] == ">":
        return text[1:], ""
    low, high = text.split("-")
    return low, high


def _analyte(panel: str, names: str, units: str, women: str, *men: str) -> Analyte:
    texts = {"F": women, "M": men[0] if men else women}
    ranges = {sex: _limits(text) for sex, text in texts.items() if text}
    decimals = max(len(limit.partition(".")[2]) for limits in ranges.values() for limit in limits)
    return Analyte(panel, tuple(names.split("; ")), tuple(units.split()), decimals, ranges)


ANALYTES = tuple(_analyte(*cells) for cells in table("analytes.txt"))
FINDINGS = tuple(
    Finding(panel, tuple(names.split("; ")), tuple(results.split("; ")))
    for panel, names, results in table("findings.txt")
)
