"""A document's record as a FHIR R4 Bundle. What the page does not say is absent, and every code stands beside text.

Identifiers are made from the document's own, so that digitising twice gives the same Bundle.
"""

import base64
import uuid
from collections.abc import Mapping, Sequence

from . import dates
from .observation import observation
from .order import medication_request
from .patient import patient_of
from .settle import Settled, decided_at, reviewers, settled

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:medocr:document")
URI = "urn:ietf:rfc:3986"  # the system of identifiers that are URIs themselves
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
LABORATORY_REPORT = {"system": "http://loinc.org", "code": "11502-2", "display": "Laboratory report"}
LABORATORY = {"coding": [{"system": f"{TERMINOLOGY}/v2-0074", "code": "LAB", "display": "Laboratory"}]}
RECORD_NUMBER = {"coding": [{"system": f"{TERMINOLOGY}/v2-0203", "code": "MR"}], "text": "Medical record number"}
MEDIA = {".png": "image/png", ".jpg": "image/jpeg"}


def bundle(
    record: Mapping, decisions: Mapping[str, Mapping] | None = None, *, transaction: bool = False
) -> dict | None:
    """The Bundle of a document, with what persons decided on its fields (field → decision) where they did.

    A collection, or a transaction that a server takes twice without holding anything twice. Numbers are Decimals with
    the digits that were printed: write it by `decimals.dumps`. None for a document that is stopped since a page names
    another patient, until a person has decided on a field of it.
    """
    decisions = decisions or {}
    if record["stopped"] and not decisions:
        return None
    fields = settled(record, decisions)
    resources = _resources(record, fields, decisions)
    meta = {"tag": [{"system": "urn:medocr:document", "code": record["id"]}]}
    security = _security(record)
    for resource in resources:
        resource["meta"] = {**meta, **({"security": security} if security else {})}
    identity = reference(record, "Bundle")
    return {
        "resourceType": "Bundle",
        "id": identity.removeprefix("urn:uuid:"),
        "meta": resources[0]["meta"],
        "identifier": {"system": URI, "value": identity},
        "type": "transaction" if transaction else "collection",
        "entry": [_entry(record, resource, bool(decisions), transaction) for resource in resources],
    }


def reference(record: Mapping, kind: str, key: str = "") -> str:
    """The name of a resource of a document: `urn:uuid:…`, the same every time."""
    return uuid.uuid5(NAMESPACE, f"{record['id']}/{kind}/{key}").urn


def _security(record: Mapping) -> list[dict]:
    restricted = {"system": f"{TERMINOLOGY}/v3-Confidentiality", "code": "R", "display": "restricted"}
    drawn = {"system": f"{TERMINOLOGY}/v3-ActReason", "code": "HTEST", "display": "test health data"}
    return [restricted] * bool(record["contains_phi"]) + [drawn] * bool(record["synthetic"])


def _resources(record: Mapping, fields: Sequence[Settled], decisions: Mapping) -> list[dict]:
    """All resources, each with its identifier; the Provenance, which points to the others, last."""
    header = {field.name: str(field.columns.get("value") or "") for field in reversed(fields) if field.kind == "header"}
    refs = {kind: {"reference": reference(record, kind)} for kind in ("Patient", "DocumentReference", "Device")}
    order = dates.order([page["text"] for page in record["pages"]])
    about = {"refs": refs, "header": header, "order": order, "text": "\n".join(p["text"] for p in record["pages"])}
    results = [(f, observation(f, about)) for f in fields if f.kind == "analyte"]
    orders = [(f, medication_request(f, about)) for f in fields if f.kind == "drug"]
    made = [("", _patient(record, fields, header)), ("", _document(record, fields, refs)), ("", _device(record))]
    rows = [(field.id, resource) for field, resource in [*results, *orders] if resource]
    if results:
        names = [{"reference": reference(record, "Observation", field.id)} for field, _ in results]
        made.append(("", _report(results, names, about)))
    resources = [_identified(record, resource, key) for key, resource in [*made, *rows]]
    return [*resources, _provenance(record, resources, refs, decisions)]


def _identified(record: Mapping, resource: dict, key: str) -> dict:
    name = reference(record, resource["resourceType"], key)
    identifier = [{"system": URI, "value": name}, *resource.pop("identifier", [])]
    return {
        "resourceType": resource.pop("resourceType"),
        "id": name.removeprefix("urn:uuid:"),
        "identifier": identifier,
        **resource,
    }


def _entry(record: Mapping, resource: dict, reviewed: bool, transaction: bool) -> dict:
    kind = resource["resourceType"]
    entry = {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}
    if not transaction:
        return entry
    query = f"identifier={URI}|urn:uuid:{resource['id']}"
    if kind == "Provenance":  # which has no identifier
        query = f"_tag=urn:medocr:document|{record['id']}"
    resource.pop("id")  # the server gives its own
    if reviewed:
        return {**entry, "request": {"method": "PUT", "url": f"{kind}?{query}"}}
    return {**entry, "request": {"method": "POST", "url": kind, "ifNoneExist": query}}


def _patient(record: Mapping, fields: Sequence[Settled], header: Mapping) -> dict:
    entries = [{"kind": field.kind, "name": field.name, "columns": field.columns} for field in fields]
    known = patient_of(entries, [page["text"] for page in record["pages"]])
    issuer = {"assigner": {"display": header["facility"]}} if header.get("facility") else {}
    numbers = [{"type": RECORD_NUMBER, "value": number, **issuer} for number in known.get("ids", [])]
    return {
        "resourceType": "Patient",
        "identifier": numbers,
        **({"name": [{"text": known["name"]}]} if "name" in known else {}),
        **({"gender": known["sex"]} if "sex" in known else {}),
        **({"birthDate": known["birth_date"]} if "birth_date" in known else {}),
    }


def _document(record: Mapping, fields: Sequence[Settled], refs: Mapping) -> dict:
    final = bool(fields) and all(field.final for field in fields)
    hashes = [page["sha256"] for page in record["pages"] if page["sha256"]]
    return {
        "resourceType": "DocumentReference",
        "identifier": [{"system": "urn:medocr:sha256", "value": value} for value in dict.fromkeys(hashes)],
        "status": "current",
        "docStatus": "final" if final else "preliminary",
        "subject": refs["Patient"],
        "description": record["title"],
        "content": [{"attachment": _attachment(record, page)} for page in record["pages"]],
    }


def _attachment(record: Mapping, page: Mapping) -> dict:
    """A page's title and hash: FHIR's is the SHA-1, in base64."""
    several = len(record["pages"]) > 1
    attachment = {"title": f"{record['title']}, page {page['index']}" if several else record["title"]}
    if page["image"]:
        attachment |= {"contentType": MEDIA[page["image"][-4:]]}
    if page.get("sha1"):
        attachment |= {"hash": base64.b64encode(bytes.fromhex(page["sha1"])).decode()}
    return attachment


def _device(record: Mapping) -> dict:
    reader = record["reader"]
    return {
        "resourceType": "Device",
        "status": "active",
        "deviceName": [{"name": f"medocr with {reader['name']}", "type": "model-name"}],
        "version": [
            {"type": {"text": "software"}, "value": f"medocr {record['medocr']}"},
            {"type": {"text": "reader"}, "value": reader["name"]},
            {"type": {"text": "model hash"}, "value": reader["hash"]},
        ],
    }


def _report(results: Sequence, names: list[dict], about: Mapping) -> dict:
    states = {resource["status"] for _, resource in results}
    status = states.pop() if len(states) == 1 else "partial"
    collected = dates.iso(about["header"].get("collected", ""), about["order"])
    facility = about["header"].get("facility")
    return {
        "resourceType": "DiagnosticReport",
        "status": status,
        "category": [LABORATORY],
        "code": {"coding": [LABORATORY_REPORT], "text": "Laboratory report"},
        "subject": about["refs"]["Patient"],
        **({"effectiveDateTime": collected} if collected else {}),
        **({"performer": [{"display": facility}]} if facility else {}),
        "result": names,
    }


def _provenance(record: Mapping, resources: Sequence[Mapping], refs: Mapping, decisions: Mapping) -> dict:
    """Who made the resources: the software and, where persons decided, they.

    A reading's time stands in audit.jsonl and not here, or the same scan would give another Bundle each time.
    """
    at = decided_at(decisions)
    absent = {"_recorded": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}}
    role = f"{TERMINOLOGY}/provenance-participant-type"
    assembler = {"type": {"coding": [{"system": role, "code": "assembler"}]}, "who": refs["Device"]}
    verifier = {"type": {"coding": [{"system": role, "code": "verifier"}]}}
    return {
        "resourceType": "Provenance",
        "id": reference(record, "Provenance").removeprefix("urn:uuid:"),
        "target": [
            {"reference": f"urn:uuid:{resource['id']}"}
            for resource in resources
            if resource["resourceType"] != "Device"
        ],
        **({"recorded": at} if at else absent),
        "agent": [assembler, *({**verifier, "who": {"display": name}} for name in reviewers(decisions))],
        "entity": [{"role": "source", "what": refs["DocumentReference"]}],
    }
