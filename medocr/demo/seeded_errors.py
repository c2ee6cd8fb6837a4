"""Can the safety counts be trusted? Errors of known kinds are put into exact texts and counted back."""

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence

import pandas as pd

from medocr import metrics
from medocr.demo import synthetic
from medocr.demo.synthetic.lab import ANALYTES
from medocr.demo.synthetic.prescription import DRUGS
from medocr.fields import directions, lexicon, unit_code
from medocr.metrics import safety
from medocr.metrics.values import duration, frequency, route
from medocr.schema import Page

SWAPPED_ROWS, CHANGED_IDENTITY = (
    0.1,
    0.1,
)  # chances, of a page and of a header field; those of rows are in the tables below


def count_back(pages: int = 500, seed: int = metrics.SEED) -> pd.DataFrame:
    """Seed errors into half as many lab reports and prescriptions each: kind, made, counted, and counted but not made.

    Errors are compared page by page, so that one kind counted on one page makes up for none missed on another.
    """
    rng, made, counted, extra = random.Random(seed), Counter(), Counter(), Counter()
    for page in synthetic.pages({"lab_report": pages // 2, "prescription": pages // 2}, seed, unlabelled=(), workers=1):
        text, added = corrupt(page, rng)
        scores = metrics.score_fields(page.fields, text)
        seen = Counter({kind: int(scores.get(kind, 0)) for kind in safety.KINDS})
        made, counted, extra = made + added, counted + (seen & added), extra + (seen - added)
    kinds = [kind for kind in safety.KINDS if made[kind] or extra[kind]]
    return pd.DataFrame(
        {"kind": kind, "made": made[kind], "counted": counted[kind], "not made": extra[kind]} for kind in kinds
    )


def answer(counts: pd.DataFrame) -> str:
    """What `count_back` says about the counts, in a sentence or two."""
    seeded = counts[counts["made"] > 0]
    made, right, extra = seeded["made"].sum(), seeded["counted"].sum(), counts["not made"].sum()
    untried = ", ".join(text for kind, text in safety.KINDS.items() if kind not in set(seeded["kind"]))
    least = (seeded["counted"] / seeded["made"]).min() if len(seeded) else 0.0
    return (
        f"Of {made:,} errors of {len(seeded)} of {len(safety.KINDS)} kinds, {right:,} were counted as what they are, "
        f"of each kind at least {math.floor(100 * least)}%; {extra:,} {'was' if extra == 1 else 'were'} counted that "
        "nobody made."
    ) + (f" Not tried: {untried}." if untried else "")


def corrupt(page: Page, rng: random.Random) -> tuple[str, Counter]:
    """A synthetic page's text with an error in some of its rows, and how many of each kind."""
    lines = page.text.split("\n")
    made = _misread_header(lines, page.fields.get("header", {}), rng)
    results = _placed(lines, [row["printed"] for row in page.fields.get("analytes", ())])
    if len(results) > 1 and rng.random() < SWAPPED_ROWS and _swap(lines, *results[:2]):
        return "\n".join(lines), made + Counter(swapped_rows=2)
    drugs = [{**row, "name": row["drug"], "value": row["strength"]} for row in page.fields.get("drugs", ())]
    rows = [(*row, RESULT) for row in results] + [(*row, ORDER) for row in _placed(lines, drugs)]
    for at, row, kinds in rows:
        kind, _, column, change = next((choice for choice in kinds if rng.random() < choice[1]), (None,) * 4)
        if kind is None or (kind == "invented_value" and at != rows[0][0]):
            continue
        new = change(row[column], rng) if row[column] else None
        for place in (at, at + 1) if column in safety.DIRECTIONS else (at,):  # directions may stand below the drug
            if new is not None and place < len(lines) and (line := _replaced(lines[place], row, column, new)):
                lines[place] = f"{line}\n{lines[place]}" if kind == "invented_value" else line
                made[kind] += 1
                if kind == "invented_value":  # alone on its page: beside another drug nobody could tell which is which
                    return "\n".join(lines), made
                break
    return "\n".join(lines), made


def _misread_header(lines: list[str], header: dict, rng: random.Random) -> Counter:
    """Misread what says whose page it is, where that stands in one place, and say how often."""
    made = Counter()
    for name in safety.IDENTITY:
        value = header.get(name, "")
        places = [i for i, line in enumerate(lines) if value and value in line]
        if len(places) == 1 and rng.random() < CHANGED_IDENTITY:
            new = value[:-1] + "x" if name == "patient" else _other_year(value, rng)
            made["changed_identity"] += new != value
            lines[places[0]] = lines[places[0]].replace(value, new)
    return made


def _other_year(printed: str, rng: random.Random) -> str:
    """A number or date with its fourth digit in a row changed, so that a date remains one."""
    return re.sub(r"(\d{3})(\d)", lambda digits: digits[1] + _digit_but(digits[2], rng), printed, count=1)


def _placed(lines: list[str], rows: Sequence[dict]) -> list[tuple[int, dict]]:
    """The rows, each with the number of the line that it stands on; not those that stand on none."""
    at = [next((i for i, line in enumerate(lines) if row["name"] in line and row["value"] in line), -1) for row in rows]
    return [(i, row) for i, row in zip(at, rows, strict=True) if i >= 0]


def _replaced(line: str, row: dict, column: str, new: str) -> str | None:
    """The line with what a row prints in a column replaced; None unless that stands in one place behind the name."""
    name, start = row["name"], 0
    if name in line and column != "name":
        start = line.index(name) + len(name)
    parts = re.split(rf"(?<![\w.]){re.escape(row[column])}(?![\w.])", line[start:])
    if len(parts) != 2:
        return None
    changed = " ".join(f"{line[:start]}{parts[0]}{new}{parts[1]}".split())
    return changed if changed != line else None


def _swap(lines: list[str], first: tuple[int, dict], second: tuple[int, dict]) -> bool:
    """Give two rows each other's value, if both are numbers."""
    (i, row), (j, beside) = first, second
    if i == j or not all(map(_is_number, (row["value"], beside["value"]))):
        return False
    swapped = _replaced(lines[i], row, "value", beside["value"]), _replaced(lines[j], beside, "value", row["value"])
    if None in swapped:
        return False
    lines[i], lines[j] = swapped
    return True


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.\d+)?", text)) and float(text) > 0


def _other_digit(number: str, rng: random.Random) -> str | None:
    """The number with its first digit that is not zero changed to another that is not zero."""
    at = re.search("[1-9]", number)
    return at and number[: at.start()] + _digit_but(at[0], rng) + number[at.end() :]


def _digit_but(digit: str, rng: random.Random) -> str:
    return rng.choice([other for other in "123456789" if other != digit])


def _other_range(printed: str, rng: random.Random) -> str | None:
    """The range lost, its bound turned, or its last digit another; None where it is a word."""
    if not any(map(str.isdigit, printed)):
        return None
    turned = printed.translate(str.maketrans("<>≤≥", "><≥≤"))
    return rng.choice(["", *[turned] * (turned != printed), _last_digit(printed, rng)])


def _last_digit(printed: str, rng: random.Random) -> str:
    return re.sub(r"\d(?=\D*$)", lambda digit: _digit_but(digit[0], rng), printed)


def _other(names: Sequence[str], meaning: Callable[[str], object] = str) -> Callable[[str, random.Random], str]:
    """A function that takes one of these that means something else than what is printed."""
    return lambda printed, rng: rng.choice([name for name in names if meaning(name) != meaning(printed)])


def _other_result(printed: str, rng: random.Random) -> str | None:
    if _is_number(printed):
        return rng.choice("<>") + printed
    return None if any(map(str.isdigit, printed)) else "Positive" if printed.lower() != "positive" else "Negative"


TESTS = [name for analyte in ANALYTES for name in analyte.names if lexicon.squeeze(name) in lexicon.analytes()]
MEDICINES = [drug.name for drug in DRUGS if drug.name.lower() in lexicon.drugs()]
# Kind of error; its chance for each row or order that can have one; the column; what stands there instead, or None.
RESULT = [
    ("changed_digit", 0.06, "value", lambda printed, rng: _other_digit(printed, rng) if _is_number(printed) else None),
    ("lost_unit", 0.06, "unit", lambda *_: ""),
    ("moved_limit", 0.1, "range", _other_range),
    ("shifted_point", 0.06, "value", lambda printed, _: f"{float(printed) * 10:.10g}" if _is_number(printed) else None),
    ("changed_unit", 0.06, "unit", _other(("mg/dL", "mmol/L", "g/L", "ng/mL", "IU/L"), unit_code)),
    ("lost_flag", 0.2, "flag", lambda printed, _: "" if printed != "N" else None),
    ("invented_flag", 0.2, "flag", lambda printed, _: {"N": "H", "H": "HH", "L": "LL"}.get(printed)),
    ("changed_result", 0.06, "value", _other_result),
    ("changed_analyte", 0.06, "name", _other(TESTS, lambda name: lexicon.analytes().get(lexicon.squeeze(name)))),
    ("invented_value", 0.08, "name", _other(TESTS, lambda name: lexicon.analytes().get(lexicon.squeeze(name)))),
]
ORDER = [
    ("changed_digit", 0.06, "value", lambda printed, rng: _other_digit(printed, rng) if "/" not in printed else None),
    ("changed_drug", 0.1, "name", _other(MEDICINES)),
    ("changed_unit", 0.06, "value", lambda printed, _: f"{printed[:-2]}mcg" if printed.endswith("mg") else None),
    ("lost_value", 0.1, "value", lambda printed, _: "" if printed.endswith("mg") else None),
    ("changed_status", 0.1, "value", lambda printed, _: f"{printed} (stopped)"),
    ("invented_value", 0.08, "name", _other(MEDICINES)),
    (
        "changed_frequency",
        0.2,
        "frequency",
        _other(("BID", "once weekly", "q4h", "HS", "mane", "TID PRN", ""), frequency),
    ),
    ("changed_route", 0.2, "route", _other(("PO", "IV", "IM", "SL", ""), route)),
    ("changed_route", 0.2, "form", lambda printed, _: "inj" if directions.way_of(printed) == "by mouth" else None),
    ("changed_duration", 0.15, "duration", _other(("3 days", "70 days", "12 weeks", ""), duration)),
    ("changed_amount", 0.2, "amount", lambda printed, rng: rng.choice(["", _other_digit(printed, rng)])),
]
