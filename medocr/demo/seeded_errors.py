"""Can the safety counts be trusted? Errors of known kinds are put into exact texts and counted back."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence

import pandas as pd

from medocr import metrics
from medocr.demo import synthetic
from medocr.demo.synthetic.drugs import DRUGS
from medocr.fields import unit_code
from medocr.metrics import safety
from medocr.metrics.values import COMPARED
from medocr.schema import Page

RATES = {  # chance for each row or order that it gets an error of this kind, where it can have one
    "changed_digit": 0.06,
    "shifted_point": 0.06,
    "changed_unit": 0.06,
    "lost_unit": 0.06,
    "moved_limit": 0.06,
    "lost_flag": 0.2,
    "changed_drug": 0.1,
    "changed_frequency": 0.1,
    "changed_route": 0.2,
    "changed_duration": 0.1,
    "changed_amount": 0.2,
    "swapped_rows": 0.1,
}
UNITS = ("mg/dL", "mmol/L", "g/L", "ng/mL", "IU/L")


def count_back(pages: int = 500, seed: int = metrics.SEED) -> pd.DataFrame:
    """Seed errors into half as many lab reports and prescriptions each: kind, made, counted, where either is not 0."""
    rng, made, counted = random.Random(seed), Counter(), Counter()
    for page in synthetic.pages({"lab_report": pages // 2, "prescription": pages // 2}, seed, unlabelled=(), workers=1):
        text, added = corrupt(page, rng)
        made += added
        scores = metrics.score_fields(page.fields, text)
        counted += Counter({kind: int(scores.get(kind, 0)) for kind in safety.KINDS})
    kinds = [kind for kind in safety.KINDS if made[kind] or counted[kind]]
    return pd.DataFrame({"kind": kind, "made": made[kind], "counted": counted[kind]} for kind in kinds)


def answer(counts: pd.DataFrame) -> str:
    """What `count_back` says about the counts, in a sentence or two."""
    seeded = counts[counts["made"] > 0]
    made, right = seeded["made"].sum(), seeded[["made", "counted"]].min(axis=1).sum()
    extra = (counts["counted"] - counts["made"]).clip(lower=0).sum()
    untried = ", ".join(text for kind, text in safety.KINDS.items() if kind not in set(seeded["kind"]))
    return (
        f"Of {made:,} errors of {len(seeded)} kinds, {right / max(1, made):.0%} were counted as what they are; "
        f"{extra:,} were counted that nobody made. Not tried: {untried}."
    )


def corrupt(page: Page, rng: random.Random) -> tuple[str, Counter]:
    """A synthetic page's text with an error in some of its rows, and how many of each kind."""
    lines, made = page.text.split("\n"), Counter()
    rows = [*_places(lines, page.fields.get("analytes", ()), lambda row: (row["printed"]["name"], _value(row)))]
    if len(rows) > 1 and rng.random() < RATES["swapped_rows"] and _swap(lines, *rows[:2]):
        return "\n".join(lines), Counter(swapped_rows=2)
    orders = [*_places(lines, page.fields.get("drugs", ()), lambda row: (row["drug"], row["strength"]))]
    for (at, row), kinds in [(row, RESULT) for row in rows] + [(order, ORDER) for order in orders]:
        kind = next((kind for kind in kinds if rng.random() < RATES[kind]), None)
        for place in (at, at + 1) if kind in DIRECTIONS else (at,):  # directions may stand below the drug
            new = kinds[kind](lines[place], row, rng) if kind and place < len(lines) else None
            if new and new != lines[place]:
                lines[place] = new
                made[kind] += 1
                break
    return "\n".join(lines), made


def _places(lines: list[str], rows, printed):
    """Each row with the number of the line that it stands on."""
    for row in rows:
        name, value = printed(row)
        at = next((i for i, line in enumerate(lines) if name in line and value in line), None)
        if at is not None:
            yield at, row


def _value(row: dict) -> str:
    return row["printed"]["value"]


def _after(line: str, name: str, old: str, new: str) -> str:
    """The line with what stands behind a name replaced once."""
    start = line.index(name) + len(name)
    return line[:start] + line[start:].replace(old, new, 1)


def _swap(lines: list[str], first: tuple[int, dict], second: tuple[int, dict]) -> bool:
    (i, row), (j, beside) = first, second
    if not all(isinstance(r["value"], float) for r in (row, beside)) or row["value"] == beside["value"] or i == j:
        return False
    lines[i] = _after(lines[i], row["printed"]["name"], _value(row), _value(beside))
    lines[j] = _after(lines[j], beside["printed"]["name"], _value(beside), _value(row))
    return True


def _other_digit(number: str, rng: random.Random) -> str:
    """The number with its first digit that is not zero changed to another that is not zero."""
    at = next(i for i, character in enumerate(number) if character in "123456789")
    return number[:at] + rng.choice([c for c in "123456789" if c != number[at]]) + number[at + 1 :]


def _result_digit(line: str, row: dict, rng: random.Random) -> str | None:
    if isinstance(row["value"], float) and row["value"]:
        return _after(line, row["printed"]["name"], _value(row), _other_digit(_value(row), rng))
    return None


def _result_point(line: str, row: dict, rng: random.Random) -> str | None:
    if isinstance(row["value"], float) and row["value"]:
        return _after(line, row["printed"]["name"], _value(row), f"{row['value'] * 10:.10g}")
    return None


def _result_unit(line: str, row: dict, rng: random.Random) -> str | None:
    if row["unit"]:
        other = rng.choice([unit for unit in UNITS if unit_code(unit) != row["unit"]])
        return _after(line, row["printed"]["name"], row["printed"]["unit"], other)
    return None


def _result_without_unit(line: str, row: dict, rng: random.Random) -> str | None:
    unit = row["printed"]["unit"]
    return " ".join(line.replace(unit, " ", 1).split()) if unit and line.count(unit) == 1 else None


def _result_flag(line: str, row: dict, rng: random.Random) -> str | None:
    flag = row["printed"]["flag"]
    if not flag or row["flag"] in (None, "N"):
        return None
    words = line.split()
    if words.count(flag) != 1:
        return None
    words.remove(flag)
    return " ".join(words)


def _order_digit(line: str, row: dict, rng: random.Random) -> str | None:
    if isinstance(row["dose"], float):
        return _after(line, row["drug"], row["strength"], _other_digit(row["strength"], rng))
    return None


def _order_drug(line: str, row: dict, rng: random.Random) -> str:
    return line.replace(row["drug"], rng.choice([drug.name for drug in DRUGS if drug.name != row["drug"]]), 1)


def _result_limit(line: str, row: dict, rng: random.Random) -> str | None:
    """The last digit of the range is another: the first might turn the range upside down, which is not read at all."""
    printed = row["printed"]["range"]
    digits = [at for at, character in enumerate(printed) if character.isdecimal()]
    if not digits or line.count(printed) != 1:
        return None
    at = digits[-1]
    other = rng.choice([digit for digit in "123456789" if digit != printed[at]])
    return line.replace(printed, printed[:at] + other + printed[at + 1 :])


def _directed(column: str, others: Sequence[str]) -> Callable:
    """A function that puts another of `others` in place of what an order says in one column."""

    def change(line: str, row: dict, rng: random.Random) -> str | None:
        printed, meaning = row.get(column), COMPARED[column]
        if not printed or not re.search(rf"(?<!\w){re.escape(printed)}(?!\w)", line):
            return None
        different = [other for other in others if meaning(other) != meaning(printed)]
        return re.sub(rf"(?<!\w){re.escape(printed)}(?!\w)", rng.choice(different), line, count=1)

    return change


def _order_amount(line: str, row: dict, rng: random.Random) -> str | None:
    printed = row.get("amount")
    return line.replace(printed, _other_digit(printed, rng), 1) if printed and line.count(printed) == 1 else None


RESULT = {
    "changed_digit": _result_digit,
    "lost_unit": _result_without_unit,
    "moved_limit": _result_limit,
    "shifted_point": _result_point,
    "changed_unit": _result_unit,
    "lost_flag": _result_flag,
}
DIRECTIONS = {
    "changed_frequency": _directed("frequency", ("BID", "TID", "once weekly", "q4h")),
    "changed_route": _directed("route", ("PO", "IV", "IM", "SL")),
    "changed_duration": _directed("duration", ("3 days", "70 days", "12 weeks")),
    "changed_amount": _order_amount,
}
ORDER = {"changed_digit": _order_digit, "changed_drug": _order_drug, **DIRECTIONS}
