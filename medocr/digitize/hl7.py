"""A document's record as an HL7 version 2.5 message, ORU^R01, for sites without FHIR: the same fields, no others.

Results are OBX segments of a first order; drug orders, which ORU has no segments for, are the text of a second. hl7apy,
of the extra `digitize`, holds every message against the standard's structure and data types.
"""

import hashlib
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType

from ..review.decisions import Decision
from . import dates, fhir
from .resources import quantity_unit

SEXES = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
SPECIAL = re.compile(r"[\\|^&~\x00-\x1f\x7f]")
LABORATORY_REPORT = "11502-2^Laboratory report^LN"
MEDICATIONS = "10160-0^History of medication use^LN"
Row = tuple[str, dict[int, str]]  # the code of the order that it belongs to, and the fields of its OBX


def message(record: Mapping, decisions: Sequence[Decision] = (), *, at: str) -> str:
    """The message of a document, its segments parted by carriage returns; `at` is its time, `YYYYMMDDHHMMSS+0000`.

    Raises ValueError where hl7apy is not installed, or the message is not what the standard allows; and for a document
    in which two patients are named, as long as it is held (`fhir.held`).
    """
    if reason := fhir.held(record, decisions):
        raise ValueError(reason)
    fields = fhir.settled(record, decisions)
    about = fhir.context(record, fields)
    rows = [*_rows(fields, about)]
    left, before = {(places[3], places[4]) for _, places in rows}, _rows(fhir.settled(record, ()), about)
    gone = [(code, places) for code, places in before if (places[3], places[4]) not in left]
    rows += [(code, {3: places[3], 4: places[4], 11: "D"}) for code, places in gone]  # which an earlier message held
    lines = [_pid(record, fhir.patient(about), about["header"])]
    lines += _results(record, rows, _day(about["header"].get("collected", ""), about))
    text = "\r".join([_msh(record, about["header"], at, lines), *lines]) + "\r"
    parse = parser().parse_message
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.exceptions import HL7apyException

    try:
        parse(text, validation_level=VALIDATION_LEVEL.STRICT)
    except HL7apyException as error:
        raise ValueError(f"no HL7 message: {error}") from None
    return text


def parser() -> ModuleType:
    """hl7apy's parser. Raises ValueError where hl7apy is not installed."""
    try:
        from hl7apy import parser
    except ImportError:
        raise ValueError("HL7 version 2 needs one more package: pip install 'medocr[digitize]'") from None
    return parser


def escape(text: object) -> str:
    """Text as a field may hold it: delimiters and control characters as escape sequences."""
    return SPECIAL.sub(lambda sign: ESCAPES.get(sign[0], f"\\X{ord(sign[0]):02X}\\"), str(text))


def _segment(name: str, places: Mapping[int, str]) -> str:
    """A segment with fields at the places that are given."""
    return "|".join([name, *(places.get(place, "") for place in range(1, max(places) + 1))])


def _msh(record: Mapping, header: Mapping, at: str, lines: Sequence[str]) -> str:
    """The first segment; its control id is of the content: a receiver takes a second message of one id for the same."""
    processing = "T" if record["synthetic"] else "P"
    facility = escape(header.get("facility", ""))
    content = "\r".join([record["id"], facility, *lines])
    control = hashlib.sha256(content.encode()).hexdigest()[:20]
    signs = [] if content.isascii() else [""] * 5 + ["UNICODE UTF-8"]
    return "|".join(
        ["MSH", "^~\\&", "medocr", facility, "", "", at, "", "ORU^R01^ORU_R01", control, processing, "2.5", *signs]
    )


def _pid(record: Mapping, patient: Mapping, header: Mapping) -> str:
    """The patient, so far as the document names one; the name is not parted into family and given, for nobody knows."""
    issuer = f"^^^{escape(header.get('facility', ''))}^MR"
    numbers = [f"{escape(number['value'])}{issuer}" for number in patient.get("identifier", [])]
    name = patient["name"][0]["text"] if "name" in patient else ""
    places = {1: "1", 3: "~".join([*numbers, f"{record['id']}^^^medocr^U"]), 5: escape(name)}
    born = patient.get("birthDate", "").replace("-", "")
    return _segment("PID", {**places, 7: born, 8: SEXES.get(patient.get("gender", ""), "")})


def _rows(fields: Sequence[Mapping], about: Mapping) -> Iterator[Row]:
    """Each result and order that holds; a field's id tells apart the rows of one name."""
    for field, made in fhir.clinical(fields, about):
        state = {4: field["id"], 11: "F" if field["status"] == "passed" else "P"}
        if field["kind"] == "analyte":
            yield LABORATORY_REPORT, _result(field, made, about) | state
        else:
            name = _coded(made["medicationCodeableConcept"], "RXNORM")
            yield MEDICATIONS, {2: "TX", 3: name, 5: escape(field["text"])} | state


def _results(record: Mapping, rows: Sequence[Row], collected: str) -> Iterator[str]:
    """The orders' segments; an order's state is X where all that it held is deleted."""
    groups = [(code, [places for of, places in rows if of == code]) for code in (LABORATORY_REPORT, MEDICATIONS)]
    for number, (code, held) in enumerate(filter(operator.itemgetter(1), groups), 1):
        states = {places[11] for places in held} - {"D"}
        state = "F" if states == {"F"} and fhir.is_whole(record) else "P" if states else "X"
        yield _segment("OBR", {1: str(number), 3: f"{record['id']}-{number}^medocr", 4: code, 7: collected, 25: state})
        yield from (_segment("OBX", {1: str(place), **places}) for place, places in enumerate(held, 1))


def _day(printed: str, about: Mapping) -> str:
    return (dates.iso(printed, about["order"]) or "").replace("-", "")


def _result(field: Mapping, observation: Mapping, about: Mapping) -> dict[int, str]:
    row = field["columns"]
    kind, value = _value(observation, row)
    unit = quantity_unit(row.get("unit"), field["text"])
    return {
        2: kind,
        3: _coded(observation["code"], "LN"),
        5: value,
        6: f"{escape(unit.get('code', ''))}^{escape(unit['unit'])}{'^UCUM' if 'code' in unit else ''}" if unit else "",
        7: _range(*observation.get("referenceRange", ())),
        8: escape(row.get("flag") or ""),
        14: _day(row.get("date") or "", about),
    }


def _coded(concept: Mapping, system: str) -> str:
    """A concept by its text, after its code where there is one."""
    name = escape(concept["text"])
    return f"{concept['coding'][0]['code']}^{name}^{system}" if "coding" in concept else f"^{name}"


def _value(observation: Mapping, row: Mapping) -> tuple[str, str]:
    """A value's type (NM number, SN number with a sign before it or two of them, ST words) and the value."""
    if limits := observation.get("valueRange"):
        return "SN", f"^{limits['low']['value']:f}^-^{limits['high']['value']:f}"
    quantity = observation.get("valueQuantity")
    if not quantity:
        return "ST", escape(row.get("value") or "")
    number = f"{quantity['value']:f}"
    return ("SN", f"{quantity['comparator']}^{number}") if "comparator" in quantity else ("NM", number)


def _range(limits: Mapping | None = None) -> str:
    low, high = (f"{limits[name]['value']:f}" if limits and name in limits else "" for name in ("low", "high"))
    if low and high:
        return f"{low}-{high}"
    return f">{low}" if low else f"<{high}" if high else ""
