"""Why a person should look at a field: what the page itself says against it, apart from how surely it was read."""

import re
from collections.abc import Iterator, Mapping, Sequence

from ..fields import forms, lexicon, quantities, recognise_drug, unit_code
from ..fields.text import plain
from ..fields.words import words
from ..metrics import consistency
from ..review.columns import PLACES
from . import dates, printed

THOUSAND = 3  # as a power of ten
NOTE = re.compile(r"\{.*?\}")  # in a UCUM code: `{FEU}`
ASIDE = re.compile(  # the place of a row in a list, and how much is dispensed
    r"^\s*\(?\d{1,2}[.)](?!\d)|(?:#|\b(?:qty|quantity|disp\w*|refills?)\b)\W{0,3}\d+", re.IGNORECASE
)
LISTED = re.compile(r"\s*([1-9]\d?\.\d[\d.,/]*)")  # `1.20 mg`: a place and a dose run together, or a dose
SPAN = re.compile(r"\d[\d.,]* ?[-–] ?\d[\d.,]*")
EXPECTED = re.compile(  # a finding's reference
    r"(?<!\w)(?:negative|non-?reactive|none(?: seen)?|not (?:detected|seen)|undetected|absent|normal)(?!\w)",
    re.IGNORECASE,
)
BOX = re.compile(f"[{forms.TICKED}{forms.EMPTY}]")
UNLABELLED = re.compile(rf"{BOX.pattern}\s*{BOX.pattern}")
YES_NO = re.compile(r"\byes\W*no\b", re.IGNORECASE)
HAN = re.compile("[\u3400-\u9fff]")  # what the recogniser sees in a sign that it does not know, rare ones among them
WORD = re.compile(r"[^\W\d_]{2,}")
VERBS = words("verb")
SENTENCE = 6  # words on a line that has a verb
DATES = ("date_of_birth", "collected", "received", "reported", "date")  # fields of a header


def give(record: dict) -> None:
    """Fill in every field's reasons, from its own columns, its page and the document."""
    of_document = [*_of_document(record)]
    for page in record["pages"]:
        entries = [entry for entry in record["fields"] if entry["page"] == page["index"]]
        sums = {entry["name"]: entry["columns"]["value"] for entry in entries if entry["kind"] == "total"}
        disagreeing = consistency.contradictions({"receipt": sums})
        order = dates.order([page["text"]])
        boxes_first = any(BOX.search(line) and line.rstrip()[-1:].isalnum() for line in page["text"].split("\n"))
        beside: dict[tuple, list] = {}  # several fields may share a line
        for entry in entries:
            beside.setdefault((entry["line"], entry["text"]), []).append(entry)
        for entry in entries:
            row = entry["columns"]
            if entry["kind"] in ("analyte", "drug"):
                entry["reasons"] += _of_line(entry, beside[entry["line"], entry["text"]])
                entry["reasons"] += _of_prose(record, entry["text"])
            match entry["kind"]:
                case "analyte":
                    entry["reasons"] += _of_analyte(row, order, entry["text"])
                case "drug":
                    entry["reasons"] += _of_drug(row, entry["text"])
                case "header" if entry["name"] in DATES:
                    entry["reasons"] += _of_date(str(row["value"]), order)
                case "tick":
                    entry["reasons"] += _of_tick(row["label"], entry["text"], boxes_first)
                case "total":
                    entry["reasons"] += disagreeing
            entry["reasons"] += of_document


def _of_document(record: Mapping) -> Iterator[str]:
    if record["stopped"]:
        yield "another patient is named in this document"
    if failed := [page["index"] for page in record["pages"] if page["error"]]:
        yield f"page {', '.join(map(str, failed))} of the document was not read"


def _of_date(printed: str, order: str | None) -> Iterator[str]:
    if dates.iso(printed, order) is None:
        yield f"{printed} is not one day for certain, or none that has been"


def _of_line(entry: Mapping, beside: Sequence[Mapping]) -> Iterator[str]:
    """What is printed on a row's lines and in none of its columns: then something was lost, or taken for another."""
    if any(other["kind"] == "tick" for other in beside):
        yield "boxes to tick are on its line"
    if numbers := _left_over(entry["text"], [other["columns"] for other in beside]):
        yield f"numbers on its line are in no column: {', '.join(numbers)}"
    if HAN.search(entry["text"]) and not HAN.search(entry["name"]):
        yield "a sign on its line was not recognised"


def _of_prose(record: Mapping, text: str) -> Iterator[str]:
    """What may be nobody's: a sentence speaks of aims, relatives and plans as well, a page without a patient of any."""
    if not record["patient"].keys() & {"name", "ids"}:
        yield "no patient is named in this document"
    printed_words = WORD.findall(text.lower())
    if len(printed_words) >= SENTENCE and not VERBS.isdisjoint(printed_words):
        yield "it stands in a sentence"


def _left_over(text: str, rows: Sequence[Mapping]) -> list[str]:
    """The numbers of a text that no column of these rows holds."""
    text = plain(ASIDE.sub(" ", text))
    values = [value for row in rows for name, value in row.items() if name not in PLACES]
    units = [printed.unit(row["unit"], text) for row in rows if row.get("unit")]
    in_rows = " ".join([*units, *(plain(value) for value in values if isinstance(value, str))])
    known = set(printed.UNSPACED.findall(in_rows))
    numbers = [value for value in values if isinstance(value, float)]
    for value in numbers:
        text = text.replace(f"{value:,.0f}".replace(",", " "), " ") if value >= 1000 else text  # `231 000`
    left = (number for number in printed.UNSPACED.findall(text) if number not in known)
    return [number for number in left if not any(printed.stands_in(value, number) for value in numbers)]


def _of_analyte(row: Mapping, order: str | None, text: str) -> Iterator[str]:
    if row.get("date"):
        yield from _of_date(row["date"], order)
    yield from consistency.of_row(row, flagged=True)  # a page without flags may be one whose flags were not read
    low, high = row.get("low"), row.get("high")
    if isinstance(row["value"], str) and (low, high, row.get("flag")) == (None, None, None):
        yield from _of_finding(row["name"], row["value"], text)
    if None not in (low, high) and low > high:
        yield f"the range is upside down: {low:g} to {high:g}"
    unit, known = row.get("unit"), lexicon.analytes().get(lexicon.squeeze(row["name"]))
    usual = lexicon.units_of(known or "")  # of a pH, a ratio, an INR none
    if unit is None:
        if isinstance(row["value"], float) and (known is None or usual):
            yield "no unit is printed"
    elif not is_known(unit):
        yield f"{unit} is not a unit that the lexicon knows"
    elif usual and not _is_near(row["name"], unit, usual):
        yield f"{unit} is not a unit of {row['name']}, which is reported in {' or '.join(usual)}"
    if known is None:
        yield "the lexicon does not know the name"


def _of_tick(label: str, text: str, boxes_first: bool) -> Iterator[str]:
    if label == "0":
        yield "its label may be the letter O"
    if UNLABELLED.search(text) or (boxes_first and BOX.match(text.rstrip()[-1:])):
        yield "a box on its line has no label"
    if YES_NO.search(label):
        yield "a box on its line was not read"


def _of_finding(name: str, value: str, text: str) -> Iterator[str]:
    """A result without range and flag: one of both may not have been read."""
    if SPAN.fullmatch(value):
        yield f"it is not certain whether {value} is the value or the range"
    expected = EXPECTED.search(text.replace(name, "").replace(value, "", 1))
    if expected and not EXPECTED.fullmatch(value):
        yield f"{name} {value} is outside {expected[0]} but not flagged"


def is_known(unit: str) -> bool:
    """Whether a unit is a UCUM code of the lexicon's: `mg/dL`, not `7mg/dl` or `m9/dl`."""
    return unit in lexicon.usual_units() or unit_code(unit) == unit


def _is_near(name: str, unit: str, usual: Sequence[str]) -> bool:
    """Whether a unit is near one that the analyte is usually reported in: a misread `µ` is a million times off."""
    (power, dimension), *near = (quantities.of(NOTE.sub("", code), name) for code in (unit, *usual))
    return any(of == dimension and abs(power - other) < THOUSAND for other, of in near)


def _of_drug(row: Mapping, text: str) -> Iterator[str]:
    if row.get("status", "active") != "active":
        yield f"the page says that it is {row['status']}"
    if row.get("dose") is None:
        yield "no strength is printed"
    elif row.get("unit") is None:
        yield "no unit is printed"
    if row.get("frequency") is None:
        yield "no frequency is printed"
    dose, start = row.get("dose"), LISTED.match(text)
    if start and (dose == start[1] or (isinstance(dose, float) and printed.stands_in(dose, start[1]))):
        yield f"it is not certain whether {start[1]} is a dose or a place in a list and a dose"
    known = recognise_drug(row["drug"].split()[0])
    if known is None or not known[1]:
        yield f"the lexicon does not know the name{f'; it has {known[0]}' if known else ''}"
