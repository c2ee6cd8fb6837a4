"""Per-page checks, each with a reason: is this value on this analyte's row, this drug there, this number absent?

In the manner of olmOCR's benchmark: small facts about a page that a reading either keeps or does not. They are made
from the page's fields, and tried on what `medocr.fields` reads from a prediction.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medocr import fields as medical
from medocr.metrics.text import NUMBER
from medocr.metrics.values import comparable, header, letters, rows

FAMILIES = {  # of checks, and what each asks
    "row": "an analyte's row: value, unit and range",
    "drug": "a drug with its strength",
    "header": "a header field under its label",
    "absent": "no number ten times too large or too small",
}
ROW = "name", ("value", "unit", "low", "high"), ("name", "value", "unit")  # the name, what must agree, what is shown
MOST_ROWS = 16  # of one name that are compared to say why none agrees
DRUG = "drug", ("dose", "unit"), ("drug", "dose", "unit")


@dataclass(frozen=True)
class Check:
    """One fact and whether a prediction keeps it: the family, what is asked, the answer, and why not."""

    family: str
    what: str
    passed: bool
    why: str = ""


def check_page(reference: str, prediction: str, fields: Mapping | None = None) -> list[Check]:
    """Every check that a page gives, tried on a prediction; `fields` as in `score_page`.

    `row`: an analyte's value with its unit and range on its row. `drug`: a drug with its strength. `header`: a header
    field's value under its label. `absent`: a value ten times too large or small, a number that the page does not hold,
    is not there.
    """
    fields = medical.read_fields(reference) if fields is None else fields
    return [
        *_facts("row", rows(fields, "analytes"), medical.read_analytes(prediction), *ROW),
        *_facts("drug", rows(fields, "drugs"), medical.read_drugs(prediction), *DRUG),
        *_header(header(fields), medical.read_header(prediction)),
        *_absent(fields, _numbers(reference), _numbers(prediction)),
    ]


def _facts(
    family: str, reference, prediction, name: str, columns: tuple[str, ...], shown: tuple[str, ...]
) -> Iterator[Check]:
    """A check for each row: one of the same `name` agrees in all `columns`."""
    by_name, exact = defaultdict(list), set()
    for row in map(vars, prediction):
        by_name[comparable(row, name)].append(row)
        exact.add(tuple(comparable(row, column) for column in (name, *columns)))
    for row in reference:
        there = tuple(comparable(row, column) for column in (name, *columns)) in exact
        why = "" if there else _nearest(row, by_name[comparable(row, name)][:MOST_ROWS], columns)
        yield Check(family, " ".join(str(row[part]) for part in shown if row.get(part) is not None), there, why)


def _nearest(reference: Mapping, candidates: list[Mapping], columns: tuple[str, ...]) -> str:
    """In what the row of the same name that comes nearest differs."""
    if not candidates:
        return "none of that name was read"
    wrong = [[name for name in columns if comparable(reference, name) != comparable(row, name)] for row in candidates]
    best = min(range(len(wrong)), key=lambda i: len(wrong[i]))
    differing = ((name, candidates[best].get(name), reference.get(name)) for name in wrong[best])
    return "; ".join(f"{name} is {_or_missing(read)}, not {_or_missing(right)}" for name, read, right in differing)


def _or_missing(value: object) -> object:
    return "missing" if value is None else value


def _header(reference: list[tuple], prediction: Mapping) -> Iterator[Check]:
    for name, value in reference:
        same = letters(value) == letters(prediction.get(name) or "")
        why = "" if same else f"read {prediction[name]!r}" if prediction.get(name) else "not read"
        yield Check("header", f"{name} {value}", same, why)


def _absent(fields: Mapping, known: set[float], read: set[float]) -> Iterator[Check]:
    values = [row.get("value") for row in rows(fields, "analytes")] + [row.get("dose") for row in rows(fields, "drugs")]
    for value in dict.fromkeys(abs(value) for value in values if isinstance(value, float | int) and value):
        for wrong in (round(value * 10, 9), round(value / 10, 9)):
            if wrong not in known:
                why = f"{wrong:g} was read" if wrong in read else ""
                yield Check("absent", f"no {wrong:g}, since the page says {value:g}", not why, why)


def _numbers(text: str) -> set[float]:
    """The numbers of a text; dates and the like, with several points, are none."""
    numbers = (number.replace(",", "") for number in NUMBER.findall(text))
    return {float(number) for number in numbers if number.count(".") < 2 and number.isascii()}
