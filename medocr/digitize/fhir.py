"""A document's record as a FHIR R4 Bundle. What the page does not say is absent, and every code stands beside text.

Identifiers are made from the document's own, so that digitising twice gives the same Bundle.
"""

import base64
import uuid
from collections.abc import Mapping, Sequence

from ..review.decisions import Decision
from ..review.outcome import reviewed_fields
from . import dates
from .patient import header_of, patient_of, who_else
from .resources import NOT_BLOOD, TERMINOLOGY, medication_request, observation, stated

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:medocr:document")
# The system of the resources' identifiers. Their values are bare UUIDs and not `urn:uuid:…`: a server that takes in a
# transaction may write its own ids for every fullUrl that it finds, in identifiers as well, and never find them again.
IDENTITY = "urn:medocr:id"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
LABORATORY_REPORT = {"system": "http://loinc.org", "code": "11502-2", "display": "Laboratory report"}
LABORATORY = {"coding": [{"system": f"{TERMINOLOGY}/v2-0074", "code": "LAB", "display": "Laboratory"}]}
RECORD_NUMBER = {"coding": [{"system": f"{TERMINOLOGY}/v2-0203", "code": "MR"}], "text": "Medical record number"}
RELEASE = (
    "Mark all of the other patient's fields as not on the page, or split the file and digitise it again; "
    "correct a name, number or birth date that was misread."
)
MEDIA = {".png": "image/png", ".jpg": "image/jpeg"}


def bundle(record: Mapping, decisions: Sequence[Decision] = (), *, transaction: bool = False) -> dict | None:
    """The Bundle of a document, with what persons decided on its fields where they did.

    A collection, or a transaction that a server takes twice without holding anything twice. Numbers are Decimals with
    the digits that were printed: write it by `decimals.dumps`. None for a document in which two patients are named, as
    long as it is `held`.
    """
    if held(record, decisions):
        return None
    resources = _resources(record, decisions)
    again = bool(decisions) or record.get("read_again", False)  # a server may hold other contents of these resources
    if transaction and decisions:  # a server that took the Bundle before its review lets nothing go by itself
        left = {resource["id"] for resource in resources}
        gone = [made for made in _resources(record, ()) if made["id"] not in left]
        resources += [{**made, "status": "entered-in-error"} for made in gone]
    restricted = {"system": f"{TERMINOLOGY}/v3-Confidentiality", "code": "R", "display": "restricted"}
    drawn = {"system": f"{TERMINOLOGY}/v3-ActReason", "code": "HTEST", "display": "test health data"}
    security = [restricted] * record["contains_phi"] + [drawn] * record["synthetic"]
    meta = stated(tag=[{"system": "urn:medocr:document", "code": record["id"]}], security=security)
    identity = _identity(record, "Bundle")
    return {
        "resourceType": "Bundle",
        "id": identity,
        "meta": meta,
        "identifier": {"system": IDENTITY, "value": identity},
        "type": "transaction" if transaction else "collection",
        "entry": [_entry(record, {**resource, "meta": meta}, again, transaction) for resource in resources],
    }


def reference(record: Mapping, kind: str, key: str = "") -> str:
    """The name of a resource of a document: `urn:uuid:…`, the same every time."""
    return f"urn:uuid:{_identity(record, kind, key)}"


def _identity(record: Mapping, kind: str, key: str = "") -> str:
    return str(uuid.uuid5(NAMESPACE, f"{record['id']}/{kind}/{key}"))


def held(record: Mapping, decisions: Sequence[Decision]) -> str:
    """Why nothing may be made of a document in which a page names another patient; nothing once the review ended that.

    It ends when all headers name one patient on the pages of which any field is left: to say of another patient's name
    alone that it is not on the page does not make the results beside it this patient's.
    """
    left = {field["id"]: field for field in reviewed_fields(record, decisions)}
    pages = {field["page"] for field in left.values()}
    others = who_else(left.get(field["id"], field) for field in record["fields"] if field["page"] in pages)
    return f"{'; '.join(others)}. {RELEASE}" if record["stopped"] and others else ""


def settled(record: Mapping, decisions: Sequence[Decision]) -> list[dict]:
    """The fields that hold after what persons decided; those that a person or the risk rule has passed may be final.

    Of a document that was stopped, since a page names another patient, no result or order holds but what a person let
    stand.
    """
    fields = reviewed_fields(record, decisions)
    return [field for field in fields if not record["stopped"] or "reviewed" in field or field["kind"] == "header"]


def context(record: Mapping, fields: Sequence[Mapping]) -> dict:
    """What resources are made with: the document's references, header, order of dates, and whether it is of blood."""
    texts = [page["text"] for page in record["pages"]]
    refs = {kind: {"reference": reference(record, kind)} for kind in ("Patient", "DocumentReference", "Device")}
    blood = not any(map(NOT_BLOOD.search, texts))
    return {"refs": refs, "header": header_of(fields), "order": dates.order(texts), "blood": blood}


def is_whole(record: Mapping) -> bool:
    """Whether every page was read: nobody knows what else stands on one that was not."""
    return not any(page["error"] for page in record["pages"])


def clinical(fields: Sequence[Mapping], about: Mapping) -> list[tuple[Mapping, dict]]:
    """Each result with its Observation and each order that holds with its MedicationRequest, results first."""
    results = [(field, observation(field, about)) for field in fields if field["kind"] == "analyte"]
    orders = [(field, medication_request(field, about)) for field in fields if field["kind"] == "drug"]
    return [*results, *((field, order) for field, order in orders if order)]


def _resources(record: Mapping, decisions: Sequence[Decision]) -> list[dict]:
    """All resources, each with its identifier; the Provenance, which points to the others, last."""
    fields = settled(record, decisions)
    about = context(record, fields)
    rows = clinical(fields, about)
    results = [(field, resource) for field, resource in rows if resource["resourceType"] == "Observation"]
    made = [("", patient(about)), ("", _document(record, fields, about)), ("", _device(record))]
    if results:
        names = [{"reference": reference(record, "Observation", field["id"])} for field, _ in results]
        made.append(("", _report(record, {resource["status"] for _, resource in results}, names, about)))
    made += [(field["id"], resource) for field, resource in rows]
    resources = [_identified(record, resource, key) for key, resource in made]
    return [*resources, _provenance(record, resources, about["refs"], decisions)]


def _identified(record: Mapping, resource: dict, key: str) -> dict:
    name = _identity(record, resource["resourceType"], key)
    identifier = [{"system": IDENTITY, "value": name}, *resource.get("identifier", [])]
    first = {"resourceType": resource["resourceType"], "id": name, "identifier": identifier}
    return first | resource | first


def _entry(record: Mapping, resource: dict, again: bool, transaction: bool) -> dict:
    kind, identity = resource["resourceType"], resource["id"]
    entry = {"fullUrl": f"urn:uuid:{identity}", "resource": resource}
    if not transaction:
        return entry
    query = f"identifier={IDENTITY}|{identity}"
    if kind == "Provenance":  # which has no identifier
        query = f"_tag=urn:medocr:document|{record['id']}"
    resource.pop("id")  # the server gives its own
    if again:
        return {**entry, "request": {"method": "PUT", "url": f"{kind}?{query}"}}
    return {**entry, "request": {"method": "POST", "url": kind, "ifNoneExist": query}}


def patient(about: Mapping) -> dict:
    """The Patient, so far as the document names one."""
    known = patient_of(about["header"], about["order"])
    facility = about["header"].get("facility")
    issuer = {"assigner": {"display": facility}} if facility else {}
    return stated(
        resourceType="Patient",
        identifier=[{"type": RECORD_NUMBER, "value": number, **issuer} for number in known.get("ids", [])],
        name=[{"text": known["name"]}] if "name" in known else [],
        gender=known.get("sex"),
        birthDate=known.get("birth_date"),
    )


def _document(record: Mapping, fields: Sequence[Mapping], about: Mapping) -> dict:
    final = bool(fields) and all(field["status"] == "passed" for field in fields) and is_whole(record)
    hashes = [page["sha256"] for page in record["pages"] if page["sha256"]]
    return {
        "resourceType": "DocumentReference",
        "identifier": [{"system": "urn:medocr:sha256", "value": value} for value in dict.fromkeys(hashes)],
        "status": "current",
        "docStatus": "final" if final else "preliminary",
        "subject": about["refs"]["Patient"],
        "description": record["title"],
        "content": [{"attachment": _attachment(record, page)} for page in record["pages"]],
    }


def _attachment(record: Mapping, page: Mapping) -> dict:
    """A page's title and hash: FHIR's is the SHA-1, in base64."""
    several = len(record["pages"]) > 1
    return stated(
        title=f"{record['title']}, page {page['index']}" if several else record["title"],
        contentType=page["image"] and MEDIA[page["image"][-4:]],
        hash=base64.b64encode(bytes.fromhex(page.get("sha1") or "")).decode(),
    )


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


def _report(record: Mapping, states: set[str], names: list[dict], about: Mapping) -> dict:
    facility = about["header"].get("facility")
    return stated(
        resourceType="DiagnosticReport",
        status=states.pop() if len(states) == 1 and is_whole(record) else "partial",
        category=[LABORATORY],
        code={"coding": [LABORATORY_REPORT], "text": "Laboratory report"},
        subject=about["refs"]["Patient"],
        effectiveDateTime=dates.iso(about["header"].get("collected", ""), about["order"]),
        performer=[{"display": facility}] if facility else [],
        result=names,
    )


def _provenance(record: Mapping, resources: Sequence[Mapping], refs: Mapping, decisions: Sequence[Decision]) -> dict:
    """Who made the resources: the software and, where persons decided, they.

    A reading's time stands in audit.jsonl and not here, or the same scan would give another Bundle each time.
    """
    last = {decision.field: decision for decision in decisions}.values()
    at = max((decision.at for decision in last), default="")
    absent = {"_recorded": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}}
    role = f"{TERMINOLOGY}/provenance-participant-type"
    assembler = {"type": {"coding": [{"system": role, "code": "assembler"}]}, "who": refs["Device"]}
    verifier = {"type": {"coding": [{"system": role, "code": "verifier"}]}}
    made = [resource["id"] for resource in resources if resource["resourceType"] != "Device"]
    reviewers = dict.fromkeys(decision.by for decision in last)
    return {
        "resourceType": "Provenance",
        "id": _identity(record, "Provenance"),
        "target": [{"reference": f"urn:uuid:{identity}"} for identity in made],
        **({"recorded": at} if at else absent),
        "agent": [assembler, *({**verifier, "who": {"display": name}} for name in reviewers)],
        "entity": [{"role": "source", "what": refs["DocumentReference"]}],
    }
