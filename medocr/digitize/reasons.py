"""Why a person should look at a field: what the page itself says against it, apart from how surely it was read."""

import re
from collections.abc import Iterator, Mapping

from ..fields import lexicon, quantities, recognise_drug, unit_code
from ..metrics import consistency
from . import dates

THOUSAND = 3  # as a power of ten
NOTE = re.compile(r"\{.*?\}")  # in a UCUM code: `{FEU}`
DATES = ("date_of_birth", "collected", "received", "reported", "date")  # fields of a header


def give(record: dict) -> None:
    """Fill in every field's reasons, from its own columns, its page and the document."""
    for page in record["pages"]:
        entries = [entry for entry in record["fields"] if entry["page"] == page["index"]]
        rows = [entry["columns"] for entry in entries if entry["kind"] == "analyte"]
        flagged = any(row.get("flag") in consistency.HIGH + consistency.LOW for row in rows)
        sums = {entry["name"]: entry["columns"]["value"] for entry in entries if entry["kind"] == "total"}
        disagreeing = consistency.contradictions({"receipt": sums})
        order = dates.order([page["text"]])
        for entry in entries:
            row = entry["columns"]
            match entry["kind"]:
                case "analyte":
                    entry["reasons"] += _of_analyte(row, flagged, order)
                case "drug":
                    entry["reasons"] += _of_drug(row)
                case "header" if entry["name"] in DATES:
                    entry["reasons"] += _of_date(str(row["value"]), order)
                case "total":
                    entry["reasons"] += disagreeing
            entry["reasons"] += _of_document(record)


def _of_document(record: Mapping) -> Iterator[str]:
    if record["stopped"]:
        yield "another patient is named in this document"
    if failed := [page["index"] for page in record["pages"] if page["error"]]:
        yield f"page {', '.join(map(str, failed))} of the document was not read"


def _of_date(printed: str, order: str | None) -> Iterator[str]:
    if dates.iso(printed, order) is None:
        yield f"{printed} is not one day for certain"


def _of_analyte(row: Mapping, flagged: bool, order: str | None) -> Iterator[str]:
    if row.get("date"):
        yield from _of_date(row["date"], order)
    yield from consistency.of_row(row, flagged)
    low, high = row.get("low"), row.get("high")
    if None not in (low, high) and low > high:
        yield f"the range is upside down: {low:g} to {high:g}"
    if row.get("unit") is None and isinstance(row["value"], float) and not is_unitless(row["name"]):
        yield "no unit is printed"
    elif row.get("unit") is not None and not is_known(row["unit"]):
        yield f"{row['unit']} is not a unit that the lexicon knows"
    elif row.get("unit") is not None and (usual := _other_units(row["name"], row["unit"])):
        yield f"{row['unit']} is not a unit of {row['name']}, which is reported in {' or '.join(usual)}"
    if lexicon.squeeze(row["name"]) not in lexicon.analytes():
        yield "the lexicon does not know the name"


def is_known(unit: str) -> bool:
    """Whether a unit is a UCUM code of the lexicon's: `mg/dL`, not `7mg/dl` or `m9/dl`."""
    return unit in lexicon.usual_units() or unit_code(unit) == unit


def _other_units(name: str, unit: str) -> tuple[str, ...]:
    """The units an analyte is usually reported in, where none of them is near: a misread `µ` is a million times off."""
    usual = lexicon.units_of(lexicon.analytes().get(lexicon.squeeze(name), ""))
    (power, dimension), *near = (quantities.of(NOTE.sub("", code), name) for code in (unit, *usual))
    return () if any(of == dimension and abs(power - other) < THOUSAND for other, of in near) else usual


def is_unitless(name: str) -> bool:
    """Whether the lexicon has no usual unit for an analyte: a pH, a ratio, an INR."""
    known = lexicon.analytes().get(lexicon.squeeze(name))
    return known is not None and not lexicon.units_of(known)


def _of_drug(row: Mapping) -> Iterator[str]:
    if row.get("status", "active") != "active":
        yield f"the page says that it is {row['status']}"
    if row.get("dose") is None:
        yield "no strength is printed"
    elif row.get("unit") is None:
        yield "no unit is printed"
    known = recognise_drug(row["drug"].split()[0])
    if known is None or not known[1]:
        yield f"the lexicon does not know the name{f'; it has {known[0]}' if known else ''}"
