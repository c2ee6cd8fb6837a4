"""Scores `medocr.fields` on texts with right values: columns right, rows whole, rows invented.

A case is a JSON line with `kind`, `reader`, `text` and `right`. A list in place of a column's value holds the
readings that are all right: a duration with or without its preposition. `unread` marks one that the parser fails on.
"""

import collections
import json
import re
from pathlib import Path

from medocr import fields

COLUMNS = {
    "analytes": ("name", "value", "unit", "low", "high", "flag"),
    "drugs": ("drug", "dose", "unit", "route", "frequency", "duration", "amount", "status"),
}
NEXT_TO = Path(__file__).parent.parent


def load(name: str) -> list[dict]:
    """The cases of a file in tests/."""
    return [json.loads(line) for line in (NEXT_TO / name).read_text(encoding="utf-8").splitlines()]


def score(cases: list[dict]) -> dict:
    """Sums over cases: `columns` right of `columns_of`, `rows` whole of `rows_of`, `texts` whole, `invented` rows."""
    total: collections.Counter = collections.Counter(columns=0, rows=0, texts=0, invented=0)
    for case in cases:
        part = score_case(case)
        total.update({key: part[key] for key in ("columns", "columns_of", "rows", "rows_of", "invented")})
        total.update(texts=not part["wrong"], texts_of=1)
    return dict(total)


def score_case(case: dict) -> dict:
    """One case's counts, and under `wrong` each thing misread, for a reader of the report."""
    reference, prediction = case["right"], read(case)
    if isinstance(reference, dict):
        rows = [({"value": value}, {"value": prediction.get(name)}) for name, value in reference.items()]
        return _count(rows, ("value",), 0, list(reference))
    extra = [name for name in ("previous", "previous_date") if any(name in row for row in reference)]
    columns = (*COLUMNS[case["reader"]], *extra)
    rows, left = [], list(prediction)
    for row in reference:
        match = next((other for other in left if same(row[columns[0]], other[columns[0]])), None)
        match = match or next((other for other in left if same(row[columns[1]], other[columns[1]])), {})
        rows.append((row, match))
        left = [other for other in left if other is not match]
    return _count(rows, columns, len(left), [row[columns[0]] for row in reference] + left)


def read(case: dict) -> list[dict] | dict:
    """What the case's reader makes of its text, as plain rows or one record."""
    got = getattr(fields, f"read_{case['reader']}")(case["text"])
    if case["reader"] == "options":
        return {name: option.ticked for option in got for name in _labels(option, case["right"])}
    if case["reader"] == "drugs" and not case["right"]:
        got = [order for order in got if order.status == "active"]
    return [dict(vars(row)) for row in got] if isinstance(got, list) else got if isinstance(got, dict) else vars(got)


def _labels(option: fields.Option, right: dict) -> list[str]:
    """The names that an option has among the right ones: `Metal in your eyes/Yes` is not its `No`."""
    asked, label = (option.question or "").casefold(), option.label.casefold()
    parts = {name: name.casefold().rpartition("/") for name in right}
    return [
        name
        for name, (question, stroke, part) in parts.items()
        if (question in asked and part in label if stroke else part in f"{asked}/{label}")
    ]


def _count(rows: list[tuple[dict, dict]], columns: tuple[str, ...], invented: int, labels: list) -> dict:
    wrong, right, whole = [], 0, 0
    for label, (reference, prediction) in zip(labels, rows, strict=False):
        bad = [name for name in columns if not same(reference.get(name, DEFAULT.get(name)), prediction.get(name))]
        right += len(columns) - len(bad)
        whole += not bad
        wrong += [f"{label}: {name} {prediction.get(name)!r} for {reference.get(name)!r}" for name in bad]
    wrong += [f"invented: {row}" for row in labels[len(rows) :]]
    return {
        "columns": right,
        "columns_of": len(rows) * len(columns),
        "rows": whole,
        "rows_of": len(rows),
        "invented": invented,
        "wrong": wrong,
    }


DEFAULT = {"status": "active"}


def same(reference: object, prediction: object) -> bool:
    """Whether a reading is one of the right ones: numbers by value, words without regard to case and signs."""
    if isinstance(reference, list):
        return any(same(value, prediction) for value in reference)
    if isinstance(reference, str) and isinstance(prediction, str):
        return _letters(reference) == _letters(prediction)
    return reference == prediction


def _letters(text: str) -> str:
    return re.sub(r"[^\w%*/<>=.]", "", text.casefold()).strip(".")
