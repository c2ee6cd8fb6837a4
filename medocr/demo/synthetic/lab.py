"""Lab reports: a patient, a panel, and rows of analytes with units, reference ranges and flags."""

import dataclasses
import random
import types

from . import patient, words
from .draw import Draft, Line
from .templates import TEMPLATES, issuer, line, names, row, template
from .words import table

PLAUSIBLE = TEMPLATES["lab_report"]["plausible"]
TRACES = {"Troponin I", "D-dimer", "CK-MB", "hs-CRP", "CRP", "PSA", "Procalcitonin", "Anti-TPO", "Rheumatoid factor"}
UCUM = dict(table("units.txt"))
PANELS = {panel: tuple(headings.split("; ")) for panel, headings in table("panels.txt")}


@dataclasses.dataclass(frozen=True)
class Analyte:
    """`ranges` by sex, F then M: (low, high) as printed, either empty."""

    panel: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    decimals: int
    ranges: dict[str, tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Finding:
    """A test whose result is a word: the normal one first."""

    panel: str
    names: tuple[str, ...]
    results: tuple[str, ...]


def _limits(text: str) -> tuple[str, str]:
    if text[0] == "<":
        return "", text[1:]
    if text[0] == ">":
        return text[1:], ""
    low, high = text.split("-")
    return low, high


def _analyte(panel: str, names: str, units: str, women: str, *men: str) -> Analyte:
    texts = {"F": women, "M": men[0] if men else women}
    ranges = {sex: _limits(text) for sex, text in texts.items() if text}
    decimals = max(len(limit.partition(".")[2]) for limits in ranges.values() for limit in limits)
    return Analyte(panel, tuple(names.split("; ")), tuple(units.split()), decimals, ranges)


ANALYTES = tuple(_analyte(*cells) for cells in table("analytes.txt"))
FINDINGS = tuple(
    Finding(panel, tuple(names.split("; ")), tuple(results.split("; ")))
    for panel, names, results in table("findings.txt")
)


def lab_report(rng: random.Random, number: int) -> Draft:
    """A laboratory's report, drawn for group `number`."""
    style, facility = template("lab_report", number), issuer("lab_report", number)
    if style.columns.startswith("{name}|{range}"):  # nobody could tell a word's reference from its result
        style.head = style.head or TEMPLATES["lab_report"]["style"]["head"][1]
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
        reach, *abnormal = map(str.upper if style.case else str, test.results)
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
