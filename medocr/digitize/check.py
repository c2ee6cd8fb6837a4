"""Is a Bundle sound? By fhir.resources and, where that takes it, by the rules that it does not look at.

fhir.resources holds types, cardinalities and names. It accepts a status `finalx`, a subject that is a Device, a unit
`7mg/dl` and a LOINC code with a wrong check digit: those, and what else a page's reading can spoil, are held here.
"""

import datetime
import re
from collections.abc import Iterator, Mapping

from . import dates, decimals
from .reasons import is_known

STATUSES = {
    "Observation": "registered preliminary final amended corrected cancelled entered-in-error unknown",
    "DiagnosticReport": "registered partial preliminary final amended corrected appended cancelled entered-in-error "
    "unknown",
    "MedicationRequest": "draft entered-in-error",  # of an order that was read from a page
    "DocumentReference": "current superseded entered-in-error",
    "Device": "active inactive entered-in-error unknown",
}
CODED = {  # an element's name → the codes that its required value set has
    "intent": "proposal",  # and no more: a prescriber has not signed it
    "docStatus": "preliminary final amended entered-in-error",
    "gender": "male female other unknown",
    "comparator": "< <= >= >",
    "periodUnit": "s min h d wk mo a",
    "method": "GET HEAD POST PUT DELETE PATCH",
    "role": "derivation revision quotation source removal",
}
INTERPRETATIONS = "A AA HH LL H L N HU LU HX LX < > POS NEG IND ND DET"
TARGETS = {  # an element that refers → what it may refer to
    "subject": ("Patient",),
    "derivedFrom": ("DocumentReference", "Observation"),
    "result": ("Observation",),
    "what": ("DocumentReference",),
    "supportingInformation": ("DocumentReference",),
}
NEEDED = {  # what every resource of a kind has here
    "Observation": ("code", "subject", "derivedFrom"),
    "DiagnosticReport": ("code", "subject", "result"),
    "MedicationRequest": ("medicationCodeableConcept", "subject", "dosageInstruction"),
    "DocumentReference": ("content",),
    "Provenance": ("target", "agent"),
}
DATES = ("birthDate", "effectiveDateTime", "authoredOn")


def problems(bundle: Mapping) -> list[str]:
    """What is wrong with a Bundle, a sentence each; none where it may be sent."""
    return [*_of_shape(bundle)] or [*_of_entries(bundle)]


def _of_shape(bundle: Mapping) -> Iterator[str]:
    from fhir.resources.R4B.bundle import Bundle
    from pydantic import ValidationError

    try:
        Bundle.model_validate_json(decimals.dumps(bundle, indent=None))
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            yield f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def _of_entries(bundle: Mapping) -> Iterator[str]:
    entries = [entry for entry in bundle.get("entry", ()) if "resource" in entry]
    kinds = {entry.get("fullUrl"): entry["resource"]["resourceType"] for entry in entries}
    if len(kinds) < len(entries):
        yield "two entries have one fullUrl, or none"
    if bundle.get("type") == "transaction" and not all(entry.get("request") for entry in entries):
        yield "an entry of the transaction has no request"
    for entry in entries:
        resource = entry["resource"]
        kind = resource["resourceType"]
        faults = [*_of_resource(kind, resource), *_of_elements(resource, kinds)]
        yield from (f"{kind}/{resource.get('id', entry.get('fullUrl'))}: {problem}" for problem in faults)


def _of_resource(kind: str, resource: Mapping) -> Iterator[str]:
    """Rules of one kind of resource."""
    yield from (f"{name} is missing" for name in NEEDED.get(kind, ()) if not resource.get(name))
    if "status" in resource and resource["status"] not in STATUSES.get(kind, "").split():
        yield f"status {resource['status']!r} is none of {kind}'s here: {STATUSES.get(kind)}"
    if not all(dosage.get("text") for dosage in resource.get("dosageInstruction", ())):
        yield "a dosage instruction has no text"
    values = [name for name in resource if name.startswith("value")]
    if kind == "Observation" and len(values) + ("dataAbsentReason" in resource) != 1:
        yield f"it has {len(values)} values{' and says that there is none' if 'dataAbsentReason' in resource else ''}"
    for limits in resource.get("referenceRange", ()):
        low, high = (limits.get(name, {}).get("value") for name in ("low", "high"))
        if low is None and high is None and not limits.get("text"):
            yield "a reference range has neither low nor high nor text"
        elif None not in (low, high) and low > high:
            yield f"a reference range is upside down: {low} to {high}"
    for coding in (coding for meaning in resource.get("interpretation", ()) for coding in meaning.get("coding", ())):
        if coding.get("code") not in INTERPRETATIONS.split():
            yield f"interpretation {coding.get('code')!r} is no code of v3-ObservationInterpretation"


def _of_elements(element: object, kinds: Mapping, name: str = "") -> Iterator[str]:
    """Rules of single elements, wherever they stand in a resource."""
    if isinstance(element, list):
        for item in element:
            yield from _of_elements(item, kinds, name)
    elif isinstance(element, Mapping):
        yield from _of_reference(element, kinds, name)
        yield from _of_code(element, str(element.get("code")))
        for key, value in element.items():
            yield from _of_elements(value, kinds, key)
    elif name in CODED and element not in CODED[name].split():
        yield f"{name} {element!r} is none of {', '.join(CODED[name].split())}"
    elif name in DATES and not dates.has_been(datetime.date(*[*map(int, element[:10].split("-")), 1, 1][:3])):
        yield f"{name} {element!r} is no date that has been"


def _of_reference(element: Mapping, kinds: Mapping, name: str) -> Iterator[str]:
    target = element.get("reference")
    if target is None:
        return
    if target not in kinds:
        yield f"{name} refers to {target}, which is not in the Bundle"
    elif name in TARGETS and kinds[target] not in TARGETS[name]:
        yield f"{name} refers to a {kinds[target]}, not to a {' or '.join(TARGETS[name])}"


def _of_code(element: Mapping, code: str) -> Iterator[str]:
    match element.get("system"):
        case None if "value" in element and "code" in element:
            yield f"the code {code!r} of a quantity has no system"
        case "http://unitsofmeasure.org":
            if not is_known(code) and code not in CODED["periodUnit"].split():
                yield f"{code!r} is no UCUM code of a unit that laboratories report in"
            if not element.get("unit"):
                yield f"the code {code!r} stands without its unit in words"
        case "http://loinc.org" if not is_loinc(code):
            yield f"{code!r} is no LOINC code: its check digit is wrong"
        case "http://www.nlm.nih.gov/research/umls/rxnorm" if not re.fullmatch(r"\d{1,8}", code):
            yield f"{code!r} is no RxNorm number"
    if element.get("coding") == []:
        yield "a list of codings is empty"


def is_loinc(code: str) -> bool:
    """Whether a code has LOINC's form and check digit (modulus 10, as in the LOINC Users' Guide, appendix C)."""
    if not re.fullmatch(r"\d{1,7}-\d", code):
        return False
    digits = [int(digit) for digit in reversed(code.replace("-", ""))]
    return sum(sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(digits)) % 10 == 0
