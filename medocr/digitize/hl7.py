"""A document's record as an HL7 version 2.5 message, ORU^R01, for sites without FHIR: the same fields, no others.

Results are OBX segments of a first order; drug orders, which ORU has no segments for, are the text of a second. hl7apy,
of the extra `digitize`, holds every message against the standard's structure and data types.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import ModuleType

from ..fields import codes
from ..fields.text import number as parsed
from . import dates, printed
from .observation import BOUND, COMPARATOR, NOT_BLOOD, exact
from .patient import patient_of
from .reasons import is_known
from .settle import Settled, settled

SEXES = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
SPECIAL = re.compile(r"[\\|^&~\x00-\x1f\x7f]")
LABORATORY_REPORT = "11502-2^Laboratory report^LN"
MEDICATIONS = "10160-0^History of medication use^LN"


def message(record: Mapping, decisions: Mapping | None = None, *, at: str) -> str:
    """The message of a document, its segments parted by carriage returns; `at` is its time, `YYYYMMDDHHMMSS+0000`.

    Raises ValueError where hl7apy is not installed, or the message is not what the standard allows; and for a document
    that is stopped since a page names another patient, while nobody has decided on it.
    """
    if record["stopped"] and not decisions:
        raise ValueError(f"{record['source']}: a page names another patient: a person has to look at it first")
    fields = settled(record, decisions or {})
    header = {field.name: str(field.columns.get("value") or "") for field in reversed(fields) if field.kind == "header"}
    order = dates.order([page["text"] for page in record["pages"]])
    text = "\n".join(page["text"] for page in record["pages"])
    lines = [_msh(record, header, at), _pid(record, fields, header), *_results(record, fields, header, order, text)]
    return _checked("\r".join(lines) + "\r")


def parser() -> ModuleType:
    """hl7apy's parser. Raises ValueError where hl7apy is not installed."""
    try:
        from hl7apy import parser
    except ImportError:
        raise ValueError("HL7 version 2 needs one more package: pip install 'medocr[digitize]'") from None
    return parser


def _checked(text: str) -> str:
    parse = parser().parse_message
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.exceptions import HL7apyException

    try:
        parse(text, validation_level=VALIDATION_LEVEL.STRICT)
    except HL7apyException as error:
        raise ValueError(f"no HL7 message: {error}") from None
    return text


def escape(text: object) -> str:
    """Text as a field may hold it: delimiters and control characters as escape sequences."""
    return SPECIAL.sub(lambda found: ESCAPES.get(found.group(), f"\\X{ord(found.group()):02X}\\"), str(text))


def unescape(text: str) -> str:
    """What `escape` was given."""
    back = {sequence: sign for sign, sequence in ESCAPES.items()}
    pieces = re.compile(r"\\(?:[EFSTR]|X(?P<hex>[0-9A-F]{2}))\\")
    return pieces.sub(lambda found: chr(int(found["hex"], 16)) if found["hex"] else back[found.group()], text)


def _segment(name: str, places: Mapping[int, str]) -> str:
    """A segment with fields at the places that are given."""
    return "|".join([name, *(places.get(place, "") for place in range(1, max(places) + 1))])


def _msh(record: Mapping, header: Mapping, at: str) -> str:
    processing = "T" if record["synthetic"] else "P"
    facility = escape(header.get("facility", ""))
    return "|".join(
        ["MSH", "^~\\&", "medocr", facility, "", "", at, "", "ORU^R01^ORU_R01", record["id"], processing, "2.5"]
    )


def _pid(record: Mapping, fields: Sequence[Settled], header: Mapping) -> str:
    """The patient, so far as the document names one; the name is not parted into family and given, for nobody knows."""
    entries = [{"kind": field.kind, "name": field.name, "columns": field.columns} for field in fields]
    known = patient_of(entries, [page["text"] for page in record["pages"]])
    issuer = f"^^^{escape(header.get('facility', ''))}^MR"
    numbers = [*(f"{escape(number)}{issuer}" for number in known.get("ids", [])), f"{record['id']}^^^medocr^U"]
    places = {1: "1", 3: "~".join(numbers)}
    places |= {5: escape(known.get("name", "")), 7: known.get("birth_date", "").replace("-", "")}
    return _segment("PID", {**places, 8: SEXES.get(known.get("sex", ""), "")})


def _results(
    record: Mapping, fields: Sequence[Settled], header: Mapping, order: str | None, text: str
) -> Iterator[str]:
    collected = (dates.iso(header.get("collected", ""), order) or "").replace("-", "")
    rows = [field for field in fields if field.kind == "analyte"]
    orders = [field for field in fields if field.kind == "drug" and field.columns.get("status", "active") == "active"]
    groups = ((LABORATORY_REPORT, rows, lambda field: _result(field, order, text)), (MEDICATIONS, orders, _order))
    for number, (code, held, write) in enumerate([group for group in groups if group[1]], 1):
        state = "F" if all(field.final for field in held) else "P"
        yield _segment("OBR", {1: str(number), 3: f"{record['id']}-{number}^medocr", 4: code, 7: collected, 25: state})
        for place, field in enumerate(held, 1):
            yield _segment("OBX", {1: str(place), 11: "F" if field.final else "P", **write(field)})


def _result(field: Settled, order: str | None, text: str) -> dict[int, str]:
    row = field.columns
    unit, code = row.get("unit"), "" if NOT_BLOOD.search(text) else codes.loinc(field.name, row.get("unit"))
    kind, value = _value(row, field.text)
    return {
        2: kind,
        3: f"{code}^{escape(field.name)}^LN" if code else f"^{escape(field.name)}",
        5: value,
        6: _unit(unit, field.text),
        7: _range(row, field.text),
        8: escape(row.get("flag") or ""),
        14: (dates.iso(row.get("date") or "", order) or "").replace("-", ""),
    }


def _order(field: Settled) -> dict[int, str]:
    code = codes.rxnorm(field.name)
    return {
        2: "TX",
        3: f"{code}^{escape(field.name)}^RXNORM" if code else f"^{escape(field.name)}",
        5: escape(field.text),
    }


def _value(row: Mapping, text: str) -> tuple[str, str]:
    """A value's type (NM number, SN number with a sign before it, ST words) and the value."""
    value = row.get("value")
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return "NM", f"{exact(value, text):f}"
    words = str(value or "").strip()
    if re.fullmatch(r"-?[0-9]+(?:\.[0-9]+)?", words):
        return "NM", words
    if bound := BOUND.fullmatch(words):
        number = printed.number(parsed(bound[2].strip()), words)
        return "SN", f"{COMPARATOR.get(bound[1], bound[1])}^{number:f}"
    return "ST", escape(words)


def _unit(unit: str | None, text: str) -> str:
    if not unit:
        return ""
    return f"{escape(unit)}^{escape(printed.unit(unit, text))}^UCUM" if is_known(unit) else f"^{escape(unit)}"


def _range(row: Mapping, text: str) -> str:
    low, high = (None if row.get(name) is None else f"{exact(row[name], text):f}" for name in ("low", "high"))
    if low is not None and high is not None:
        return f"{low}-{high}"
    return f">{low}" if low is not None else f"<{high}" if high is not None else ""
