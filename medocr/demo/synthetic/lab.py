"""Lab reports: a patient, a panel, and rows of analytes with units, reference ranges and flags."""

import random
import types

from . import patient, words
from .analytes import ANALYTES, FINDINGS, PANELS, UCUM, Analyte, Finding
from .draw import Draft, Line, Look
from .issuers import issuer, template
from .patterns import line, names, row

FACILITIES = {
    "lab": ("{} Labs", "{} Diagnostics", "{} Pathology", "{} Clinical Lab"),
    "hospital": ("{} Hospital", "{} Medical Center", "{} Clinic", "St. {} Hospital"),
}
LOOKS = tuple(
    Look(family, (19, 18, 17, 16, 15), decor)
    for family in ("sans", "sans", "mono", "serif")
    for decor in ((), ("frame",), (), ("stamp",))
)

FLAGS = (  # as printed, by HL7 interpretation code
    {"H": "H", "L": "L", "A": "A"},
    {"H": "H", "L": "L", "A": "A", "HH": "HH", "LL": "LL"},
    {"H": "HIGH", "L": "LOW", "A": "ABN"},
    {"H": "(H)", "L": "(L)", "A": "(A)"},
    {"H": "↑", "L": "↓", "A": "*"},
    {"H": "High", "L": "Low", "A": "Abn", "HH": "Crit", "LL": "Crit"},
    {"H": "H", "L": "L", "A": "A", "N": "N"},
    {"A": "*"},
)
RANGES = (  # both limits, only a high one, only a low one
    ("{low}-{high}", "<{high}", ">{low}"),
    ("{low} - {high}", "< {high}", "> {low}"),
    ("({low}-{high})", "(<{high})", "(>{low})"),
    ("{low}–{high}", "≤{high}", "≥{low}"),
    ("{low} to {high}", "Up to {high}", "Over {low}"),
    ("[{low}-{high}]", "[<{high}]", "[>{low}]"),
)
STYLE = {
    "heading": ("c", "l", "l", "r"),
    "scale": (1.0, 1.15, 1.25),
    "title": ("", "", "LABORATORY REPORT", "Lab Report", "TEST RESULTS", "Final Report"),
    "who": patient.WHO,
    "sex": patient.SEX,
    "identifier": ("MRN: {mrn}|Acc: {accession}", "MRN {mrn}", "Lab No: {report}", "Accession {accession}",
                   "Report ID: {report}", "Specimen #{accession}"),
    "dates": ("Collected: {collected}", "Coll {collected}", "Reported: {reported}", "Date: {date}",
              "Received {received}", "Drawn {collected}"),
    "doctor": ("Dr. {doctor}", "Ordering: Dr. {doctor}", "Ref by: Dr. {doctor}", "Physician: {doctor}, MD"),
    "columns": ("{name}|{value}|{unit}|{range}|{flag}", "{name}|{value}|{flag}|{unit}|{range}",
                "{name}|{value}|{flag}|{range}|{unit}", "{name}|{value} {unit}|{range}|{flag}",
                "{name}|{flag}|{value}|{unit}|{range}", "{name}|{value} {flag}|{unit}|{range}",
                "{name}|{value} {flag}|{range} {unit}", "{name}|{range}|{unit}|{value}|{flag}",
                "{name}|{value}|{flag}|{previous}|{unit}|{range}"),
    "head": ({}, {"name": "Test", "value": "Result", "flag": "", "unit": "Units", "range": "Range", "previous": "Prev"},
             {"name": "TEST", "value": "RESULT", "flag": "FLAG", "unit": "UNIT", "range": "REF.", "previous": "PREV"},
             {"name": "Analyte", "value": "Value", "flag": "", "unit": "Unit", "range": "Normal", "previous": "Prior"}),
    "flag": FLAGS,
    "range": RANGES,
    "case": (str, str, str.upper),
    "closing": ("*** End of report ***", "Reviewed: Dr. {doctor}", "H = High  L = Low", "Verified: {doctor}, MD"),
    "shade": (False, True),
    "rule": ("", "above", "below"),
    "panel": (True, True, False),
}  # fmt: skip

PLAUSIBLE = {  # where a span beyond the range is not
    "pH": (4.5, 9.0),
    "Specific gravity": (1.001, 1.04),
    "Albumin": (1.5, 5.6),
    "HbA1c": (4.2, 14.0),
    "Chol/HDL ratio": (2.0, 9.0),
}
TRACES = {"Troponin I", "D-dimer", "CK-MB", "hs-CRP", "CRP", "PSA", "Procalcitonin", "Anti-TPO", "Rheumatoid factor"}


def lab_report(rng: random.Random, number: int) -> Draft:
    """A laboratory's report, drawn for group `number`."""
    style = template("lab_report", number, STYLE)
    facility = issuer("lab_report", number, FACILITIES, LOOKS)
    if style.columns.startswith("{name}|{range}"):  # nobody could tell a word's reference from its result
        style.head = style.head or STYLE["head"][1]
    if facility.look.family == "mono" or rng.random() < 0.3:  # no room, or nothing earlier
        style.columns = style.columns.replace("{previous}|", "")
    values = patient.known(rng, facility, style.sex)
    sex = values["sex"][0]
    sometimes = [text for text in (style.identifier, style.dates, style.doctor) if rng.random() < 0.4]
    lines, header = patient.header(facility, [*style.who, *sometimes], values, style.heading, scale=style.scale)
    if style.title and len(lines) < 4:
        lines.insert(1, Line((style.title,), style.heading))
    panel = rng.choice(ANALYTES + FINDINGS).panel
    if style.panel:
        lines.append(Line((rng.choice(PANELS[panel]),), bold=True))
    earlier = words.day(rng, 2019, 2020).strftime("%d/%m/%y")  # short, since rows are wide
    rows = [_result(rng, test, style, sex, earlier) for test in _tests(rng, panel, sex)]
    if style.head:
        lines.append(row(style.columns, style.head, bold=True, shade=style.shade, rule=style.rule))
    lines += [row(style.columns, printed) for printed, _ in rows]
    if rng.random() < 0.25 and "doctor" not in header:
        lines.append(line(style.closing, values))
        header |= {name: values[name] for name in names([style.closing])}
    return Draft(lines, {"header": header, "analytes": [analyte for _, analyte in rows]}, facility.look)


def _tests(rng: random.Random, panel: str, sex: str) -> list[Analyte | Finding]:
    tests = [test for test in ANALYTES if test.panel == panel and sex in test.ranges]
    tests += [test for test in FINDINGS if test.panel == panel]
    drawn = {test.names[0]: test for test in rng.sample(tests, min(len(tests), rng.choice((2, 3, 3, 3, 4, 4))))}
    return list(drawn.values())


def _result(
    rng: random.Random, test: Analyte | Finding, style: types.SimpleNamespace, sex: str, earlier: str
) -> tuple[dict, dict]:
    """A row as printed, by column, and as it is meant; `earlier` is the date of previous results."""
    previous = ""
    if isinstance(test, Finding):
        reach, *abnormal = map(style.case, test.results)
        value = text = rng.choices((reach, *abnormal), [5] + [1] * len(abnormal))[0]
        unit, low, high, code = "", None, None, "N" if text == reach else "A"
    else:
        limits = test.ranges[sex]
        low, high = (float(limit) if limit else None for limit in limits)
        text, code = _number(rng, test, low, high)
        unit = rng.choice(test.units or ("",))
        reach = _range(style.range, *limits)
        value = float(text) if text[0] != "<" else text
        previous = _number(rng, test, low, high)[0] if "{previous}" in style.columns else ""
    code = next((c for c in (code, code[0], "A" * (code != "N")) if c in style.flag), None)
    tries = 9 if "{previous}" in style.columns else 2  # a row with a previous result has room for a short name alone
    printed = {"name": min(rng.choices(test.names, k=tries), key=len), "value": text, "unit": unit, "range": reach}
    printed["flag"] = style.flag[code] if code else ""
    printed["previous"] = f"{previous} {earlier}" if previous[:1].isdigit() and isinstance(value, float) else ""
    meant = {"name": printed["name"], "value": value, "unit": UCUM.get(unit, unit) or None}
    meant |= {"low": low, "high": high, "flag": code, "printed": printed}
    if printed["previous"]:
        meant |= {"previous": float(previous), "previous_date": earlier}
    return printed, meant


def _range(style: tuple[str, str, str], low: str, high: str) -> str:
    return style[0 if low and high else 1 if high else 2].format(low=low, high=high)


def _number(rng: random.Random, test: Analyte, low: float | None, high: float | None) -> tuple[str, str]:
    """A plausible value as printed, and its HL7 interpretation code: N, H, L, HH, LL."""
    span = high - low if low is not None and high is not None else 0.6 * (high or low)
    bottom, top = (high - span if low is None else low), (low + span if high is None else high)
    if test.names[0] in TRACES and rng.random() < 0.25:  # below what the method detects
        return f"<{max(0.2 * high, 10.0**-test.decimals):.{test.decimals}f}", "N"
    below = (max(low - 0.8 * span, 0.35 * low), low) if low else None
    above = (high, high + 0.9 * span) if high else None
    spread = rng.choices(((bottom, top), below or (bottom, top), above or (bottom, top)), (62, 17, 21))[0]
    least, most = PLAUSIBLE.get(test.names[0], (0, float("inf")))
    while True:
        text = f"{rng.uniform(max(spread[0], least), min(spread[1], most)):.{test.decimals}f}"
        if float(text) not in (low, high):
            break
    value = float(text)
    if high is not None and value > high:
        return text, "HH" if value > high + 0.6 * span else "H"
    if low is not None and value < low:
        return text, "LL" if value < low - 0.5 * span else "L"
    return text, "N"
