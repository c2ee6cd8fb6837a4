"""How well documents are digitised whose fields are known: field by field, and resource by resource."""

import dataclasses
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path

import pandas as pd

from ..fields import directions, unit_code
from ..metrics.values import letters, plain, rows
from ..review.columns import LISTS, NAMED_BY
from ..schema import Page
from . import Document, Reader, digitize_documents, fhir, keys
from .confidence import NOBODY, Rule, checked_field
from .output import Output
from .resources import medication_request, observation

PARTICULARS = re.compile(
    r"^.*(?= is (?:not? a? ?unit|not one day|flagged|outside|no analyte))|(?<=flagged ).*|(?<=it has ).*"
    r"|(?<=by Tesseract: |in no column: ).*|(?<=outside ).*(?= but not flagged)|(?<=not certain whether )\S+"
)
RESOURCES = ("Observation", "MedicationRequest")
COMPARED = {"named": itemgetter(0), "value": itemgetter(0, 1), "unit": itemgetter(0, 2), "right": tuple}  # of facts
NOTHING = {"refs": defaultdict(dict), "header": {}, "order": None, "blood": True}  # what resources are made with


@dataclasses.dataclass(frozen=True)
class Trial:
    """How a reader digitised pages whose fields are known: `right`'s fields, `resources`, seconds, and the folder."""

    fields: pd.DataFrame
    resources: pd.DataFrame
    seconds: float
    output: Output


def trial(reader: Reader, pages: Sequence[Page], folder: Path, rule: Rule = NOBODY) -> Trial:
    """Digitise drawn pages, each a document, into a folder, and hold them against what their source knows."""
    output, start = Output(folder), time.perf_counter()
    documents = [Document(page.origin, (page,)) for page in pages]
    digitize_documents(reader, documents, output, synthetic=True, phi=False, rule=rule)
    seconds = time.perf_counter() - start
    known = {page.origin: page.fields or {} for page in pages}
    records = [record for record in output.records() if record["source"] in known]
    judged = [right(record, known[record["source"]]) for record in records]
    made = resources((fhir.bundle(record), known[record["source"]]) for record in records)
    return Trial(pd.concat(judged, ignore_index=True) if judged else pd.DataFrame(), made, seconds, output)


def why(output: Output) -> pd.DataFrame:
    """The reasons for which fields of a folder wait for a person, names and numbers left out, with their number."""
    waiting = [
        {"kind": field["kind"], "reason": PARTICULARS.sub("…", reason)}
        for record in output.records()
        for field in record["fields"]
        if field["status"] == "review"
        for reason in field["reasons"] or ["not read surely enough"]
    ]
    counted = pd.DataFrame(waiting, columns=["kind", "reason"]).value_counts()
    return counted.rename("fields").reset_index()


def right(record: Mapping, known: Mapping) -> pd.DataFrame:
    """Whether each field of a document of one page is as its source knows it, a row each for `confidence.fit`.

    `known` are the page's fields in the form of `fields.read_fields`. A row of a table is right where all its columns
    are; each of the source's rows makes one field right.
    """
    left = keys.keys(known)
    return pd.DataFrame(
        checked_field(record, field, keys.take(left, field["kind"], field["name"], field["columns"]))
        | {"status": field["status"], "document": record["id"], "field": field["id"]}
        for field in record["fields"]
    )


def resources(bundles: Iterable[tuple[Mapping | None, Mapping]]) -> pd.DataFrame:
    """A row per kind of resource: how many the sources know and the Bundles hold, precision, recall, and of those of
    a known name how often value and unit are right.

    `bundles` are pairs of a document's Bundle and what its source knows. A resource is right where name, value and
    unit are (of an order: drug, dose with its unit, frequency and route).
    """
    counts = {kind: Counter() for kind in RESOURCES}
    for bundle, known in bundles:
        sides = [*_expected(known)], [entry["resource"] for entry in (bundle or {}).get("entry", ())]
        for kind, count in counts.items():
            expected, read = ([_facts(r) for r in side if r["resourceType"] == kind] for side in sides)
            count.update(known=len(expected), read=len(read))
            for name, compared in COMPARED.items():
                same = Counter(map(compared, expected)) & Counter(map(compared, read))
                count[name] += same.total()
    return pd.DataFrame([_shares(kind, count) for kind, count in counts.items()])


def _expected(known: Mapping) -> Iterator[dict]:
    """The resources that would be made of a page's fields as its source knows them."""
    for kind, make in (("analyte", observation), ("drug", medication_request)):
        for row in rows(known, LISTS[kind]):
            field = {"name": str(row[NAMED_BY[kind]]), "columns": dict(row), "text": "", "status": "review"}
            if made := make(field, NOTHING):
                yield made


def _facts(resource: Mapping) -> tuple:
    """What is compared of a resource: its name, value, unit and the rest."""
    if resource["resourceType"] == "Observation":
        value, unit = _measured(resource)
        return letters(resource["code"]["text"]), value, unit, None
    (dosage,) = resource["dosageInstruction"]
    dose = next((rate["doseQuantity"] for rate in dosage.get("doseAndRate", ())), {})
    timing, route = dosage.get("timing", {}), dosage.get("route", {}).get("text", "")
    repeat = {name: float(value) for name, value in timing.get("repeat", {}).items() if name in ("frequency", "period")}
    often = repeat.get("frequency", 0) / repeat["period"] if repeat.get("period") else None
    hours = timing.get("repeat", {}).get("periodUnit") == "h"
    rest = (often and round(often * 24 if hours else often, 3), directions.route_of(route) or letters(route))
    value = float(dose["value"]) if dose else None
    return letters(resource["medicationCodeableConcept"]["text"]), value, _unit(dose), rest


def _measured(resource: Mapping) -> tuple[object, str | None]:
    """An Observation's value and unit; a unit at the end of a value in words by its UCUM code."""
    if quantity := resource.get("valueQuantity"):
        return (quantity.get("comparator"), float(quantity["value"])), _unit(quantity)
    if limits := resource.get("valueRange"):
        return tuple(float(limit["value"]) for limit in limits.values()), _unit(limits["low"])
    words, _, last = resource.get("valueString", "").rpartition(" ")
    code = unit_code(last) if words else None
    return plain(words if code else resource.get("valueString")), code


def _unit(quantity: Mapping) -> str | None:
    return quantity.get("code") or quantity.get("unit")


def _shares(kind: str, count: Counter) -> dict:
    shares = {"precision": ("right", "read"), "recall": ("right", "known")}
    shares |= {"value right": ("value", "named"), "unit right": ("unit", "named")}
    about = {"resource": kind, "known": count["known"], "read": count["read"]}
    return about | {name: count[part] / count[of] if count[of] else None for name, (part, of) in shares.items()}
