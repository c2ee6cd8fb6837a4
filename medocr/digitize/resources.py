"""Fields as FHIR resources: a result row as an Observation, a drug order as a MedicationRequest."""

import contextlib
import re
from collections.abc import Mapping
from decimal import Decimal

from ..fields import codes, directions
from ..fields.text import number as parsed
from . import dates, printed
from .reasons import is_known

UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
CATEGORY = {"coding": [{"system": f"{TERMINOLOGY}/observation-category", "code": "laboratory"}]}
MEANING = f"{TERMINOLOGY}/v3-ObservationInterpretation"
FLAGS = ("H", "L", "HH", "LL", "A", "AA", "N")
BOUND = re.compile(r"\s*(<=|>=|<|>|≤|≥)\s*(\d[\d.,' ]*)\s*")
COMPARATOR = {"≤": "<=", "≥": ">="}
NOT_BLOOD = re.compile(r"\b(?:urin|csf\b|cerebrospinal|fluid|stool|fa?eces|saliva|semen)", re.IGNORECASE)
EVERY_HOURS = re.compile(r"(?:q|every)\s?(\d{1,2})(?:\s?(?:-|to)\s?(\d{1,2}))?\s?-?(?:h|hourly|hours?|hrs?|hrly)\b")
SPAN = re.compile(r"\d\s?(?:-|to)\s?\d")
RANGE = re.compile(r"(\d+(?:\.\d+)?)\s?[-–]\s?(\d+(?:\.\d+)?)")  # of cells seen in a field


def stated(**elements) -> dict:
    """A resource, or a part of one, without the elements that the page does not state."""
    return {name: value for name, value in elements.items() if value}


def observation(field: Mapping, about: Mapping) -> dict:
    """The Observation of an analyte field; `about` is the document's `fhir.context`."""
    row, text = field["columns"], field["text"]
    facility = about["header"].get("facility")
    # The map's codes are of blood: where a document speaks of another fluid, nobody knows whose value this is.
    code = codes.loinc(field["name"], row.get("unit")) if about["blood"] else ""
    return stated(
        resourceType="Observation",
        status="final" if field["status"] == "passed" else "preliminary",
        category=[CATEGORY],
        code=stated(coding=code and [{"system": "http://loinc.org", "code": code}], text=field["name"]),
        subject=about["refs"]["Patient"],
        effectiveDateTime=dates.iso(row.get("date") or about["header"].get("collected", ""), about["order"]),
        performer=[{"display": facility}] if facility else [],
        **_value(row, text),
        interpretation=row.get("flag") in FLAGS and [{"coding": [{"system": MEANING, "code": row["flag"]}]}],
        referenceRange=_range(row, text),
        derivedFrom=[about["refs"]["DocumentReference"]],
    )


def _value(row: Mapping, text: str) -> dict:
    value, unit = row.get("value"), row.get("unit")
    if isinstance(value, int | float):
        return {"valueQuantity": {"value": printed.number(value, text), **quantity_unit(unit, text)}}
    value = str(value or "").strip()
    if bound := BOUND.fullmatch(value):
        with contextlib.suppress(ValueError):  # `<1.2.5` is no number
            number, sign = printed.number(parsed(bound[2].strip()), value), COMPARATOR.get(bound[1], bound[1])
            return {"valueQuantity": {"value": number, "comparator": sign, **quantity_unit(unit, text)}}
    if re.fullmatch(r"-?\d+(?:\.\d+)?", value):  # as a person typed it
        return {"valueQuantity": {"value": Decimal(value), **quantity_unit(unit, text)}}
    if not value:
        return {"dataAbsentReason": {"coding": [{"system": f"{TERMINOLOGY}/data-absent-reason", "code": "unknown"}]}}
    limits = [Decimal(limit) for limit in RANGE.fullmatch(value).groups()] if RANGE.fullmatch(value) else []
    if limits and limits == sorted(limits):
        low, high = ({"value": limit, **quantity_unit(unit, text)} for limit in limits)
        return {"valueRange": {"low": low, "high": high}}
    return {"valueString": f"{value} {quantity_unit(unit, text).get('unit', '')}".strip()}


def quantity_unit(unit: str | None, text: str) -> dict:
    """A Quantity's unit: as printed, with its UCUM code where the lexicon has one."""
    if not unit:
        return {}
    if not is_known(unit):
        return {"unit": unit}
    return {"unit": printed.unit(unit, text), "system": UCUM, "code": unit}


def _range(row: Mapping, text: str) -> list[dict]:
    """The reference range; one that is upside down is no range."""
    limits = {name: row.get(name) for name in ("low", "high")}
    limits = {name: printed.number(value, text) for name, value in limits.items() if value is not None}
    if not limits or (len(limits) == 2 and limits["low"] > limits["high"]):
        return []
    unit = quantity_unit(row.get("unit"), text)
    return [{name: {"value": value, **unit} for name, value in limits.items()}]


def medication_request(field: Mapping, about: Mapping) -> dict | None:
    """The MedicationRequest of a drug field: a draft and a proposal, whoever checked it, for a prescriber to sign.

    None where the page says that the drug is stopped, or was denied."""
    row = field["columns"]
    if row.get("status", "active") != "active":
        return None
    code = codes.rxnorm(field["name"])
    coding = [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}] if code else []
    doctor = about["header"].get("doctor")
    return stated(
        resourceType="MedicationRequest",
        status="draft",
        intent="proposal",
        medicationCodeableConcept=stated(coding=coding, text=field["name"]),
        subject=about["refs"]["Patient"],
        supportingInformation=[about["refs"]["DocumentReference"]],
        authoredOn=dates.iso(about["header"].get("date", ""), about["order"]),
        requester=doctor and {"display": doctor},
        dosageInstruction=[_dosage(row, field["text"])],
    )


def _dosage(row: Mapping, text: str) -> dict:
    """How it is taken, so far as the order says; its text always."""
    frequency, duration = (str(row.get(name) or "") for name in ("frequency", "duration"))
    days, dose = directions.days(duration), _dose(row, text)
    exactly = days is not None and not SPAN.search(duration)
    bounds = exactly and {"value": printed.number(days, ""), "unit": "d", "system": UCUM, "code": "d"}
    repeat = stated(boundsDuration=bounds, **_repeat(frequency.lower()))
    return stated(
        text=text,
        timing=stated(repeat=repeat, code=frequency and {"text": frequency}),
        asNeededBoolean=directions.is_as_needed(frequency),
        route=row.get("route") and {"text": str(row["route"])},
        doseAndRate=dose and [{"doseQuantity": dose}],
    )


def _repeat(frequency: str) -> dict:
    """So many times in a period; nothing where the frequency does not say it in whole numbers."""
    if every := EVERY_HOURS.search(frequency):
        longest = {"periodMax": Decimal(every[2])} if every[2] else {}
        possible = 0 < int(every[1]) <= int(every[2] or every[1])  # no misread `q0h`
        return {"frequency": 1, "period": Decimal(every[1]), **longest, "periodUnit": "h"} if possible else {}
    times = directions.times_a_day(frequency) if frequency else None
    if not times:
        return {}
    if times >= 1:
        return {"frequency": int(times), "period": Decimal(1), "periodUnit": "d"} if times == int(times) else {}
    period = round(1 / times)
    return {"frequency": 1, "period": Decimal(period), "periodUnit": "d"} if abs(period * times - 1) < 0.01 else {}


def _dose(row: Mapping, text: str) -> dict:
    """What is taken at a time: the amount where it is printed, else the strength; never a concentration."""
    amount = directions.amount_of(str(row.get("amount") or ""))
    if amount:
        return {} if SPAN.search(str(row["amount"])) else {"value": printed.number(amount[0], text), "unit": amount[1]}
    dose, unit = row.get("dose"), row.get("unit")
    if isinstance(dose, int | float) and unit and "/" not in unit and unit != "%":
        return {"value": printed.number(dose, text), **quantity_unit(unit, text)}
    return {}
