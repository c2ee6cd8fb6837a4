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
    results = _placed(lines, [row["printed"] for row in page.fields.get("analytes", ())])
    if len(results) > 1 and rng.random() < RATES["swapped_rows"] and _swap(lines, *results[:2]):
        return "\n".join(lines), Counter(swapped_rows=2)
    drugs = [{**row, "name": row["drug"], "value": row["strength"]} for row in page.fields.get("drugs", ())]
    rows = [(*row, RESULT) for row in results] + [(*row, ORDER) for row in _placed(lines, drugs)]
    for at, row, kinds in rows:
        kind = next((kind for kind in kinds if rng.random() < RATES[kind]), None)
        if kind is None:
            continue
        column, change = kinds[kind]
        new = change(row[column], rng) if row[column] else None
        for place in (at, at + 1) if kind in DIRECTIONS else (at,):  # directions may stand below the drug
            if new is not None and place < len(lines) and (line := _replaced(lines[place], row, column, new)):
                lines[place] = line
                made[kind] += 1
                break
    return "\n".join(lines), made


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


def _other_limit(printed: str, rng: random.Random) -> str | None:
    """The last digit of the range is another: the first might turn the range upside down, which is not read at all."""
    return re.sub(r"\d(?=\D*$)", lambda digit: _digit_but(digit[0], rng), printed)


def _other(names: Sequence[str], meaning: Callable[[str], object] = str) -> Callable[[str, random.Random], str]:
    """A function that takes one of these that means something else than what is printed."""
    return lambda printed, rng: rng.choice([name for name in names if meaning(name) != meaning(printed)])


# Kind of error → the column of a row or an order, and what stands in it instead of what is printed, or None.
RESULT = {
    "changed_digit": ("value", lambda printed, rng: _other_digit(printed, rng) if _is_number(printed) else None),
    "lost_unit": ("unit", lambda *_: ""),
    "moved_limit": ("range", _other_limit),
    "shifted_point": ("value", lambda printed, _: f"{float(printed) * 10:.10g}" if _is_number(printed) else None),
    "changed_unit": ("unit", _other(("mg/dL", "mmol/L", "g/L", "ng/mL", "IU/L"), unit_code)),
    "lost_flag": ("flag", lambda printed, _: "" if printed != "N" else None),
}
DIRECTIONS = {
    f"changed_{column}": (column, _other(names, COMPARED[column]))
    for column, names in {
        "frequency": ("BID", "TID", "once weekly", "q4h"),
        "route": ("PO", "IV", "IM", "SL"),
        "duration": ("3 days", "70 days", "12 weeks"),
    }.items()
} | {"changed_amount": ("amount", _other_digit)}
ORDER = {
    "changed_digit": ("value", lambda printed, rng: _other_digit(printed, rng) if "/" not in printed else None),
    "changed_drug": ("name", _other([drug.name for drug in DRUGS])),
    **DIRECTIONS,
}
