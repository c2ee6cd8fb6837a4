"""A drug order as a FHIR MedicationRequest: a draft and a proposal, whoever checked it, for a prescriber to sign."""

import re
from collections.abc import Mapping
from decimal import Decimal

from ..fields import codes, directions
from . import dates
from .observation import UCUM, exact, quantity_unit, stated

EVERY_HOURS = re.compile(r"(?:q|every)\s?(\d{1,2})(?:\s?(?:-|to)\s?(\d{1,2}))?\s?-?(?:h|hourly|hours?|hrs?|hrly)\b")
RANGE = re.compile(r"\d\s?(?:-|to)\s?\d")


def medication_request(field: Mapping, about: Mapping) -> dict | None:
    """The MedicationRequest of a drug field; None where the page says that the drug is stopped, or was denied."""
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
    frequency = str(row.get("frequency") or "")
    repeat = {**_bounds(str(row.get("duration") or "")), **_repeat(frequency.lower())}
    dose = _dose(row, text)
    return stated(
        text=text,
        timing=stated(repeat=repeat, code=frequency and {"text": frequency}),
        asNeededBoolean=directions.is_as_needed(frequency),
        route=row.get("route") and {"text": str(row["route"])},
        doseAndRate=dose and [{"doseQuantity": dose}],
    )


def _bounds(duration: str) -> dict:
    days = directions.days(duration)
    if days is None or RANGE.search(duration):
        return {}
    return {"boundsDuration": {"value": exact(days, ""), "unit": "d", "system": UCUM, "code": "d"}}


def _repeat(frequency: str) -> dict:
    """So many times in a period; nothing where the frequency does not say it in whole numbers."""
    if every := EVERY_HOURS.search(frequency):
        longest = {"periodMax": Decimal(every[2])} if every[2] else {}
        return {"frequency": 1, "period": Decimal(every[1]), **longest, "periodUnit": "h"}
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
        return {} if RANGE.search(str(row["amount"])) else {"value": exact(amount[0], text), "unit": amount[1]}
    dose, unit = row.get("dose"), row.get("unit")
    if isinstance(dose, int | float) and unit and "/" not in unit and unit != "%":
        return {"value": exact(dose, text), **quantity_unit(unit, text)}
    return {}
