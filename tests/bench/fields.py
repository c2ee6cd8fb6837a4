"""`python -m tests.bench.fields`: what the parser makes of perfect text, per source of text, and how fast it reads.

`drawn` are the pages that medocr draws, against the fields they were drawn with; `by_others` the hand-written texts of
tests/, which the parser was mended on; `held_out` and its followers texts in the shapes of public reports, written
before the parser was looked at. The parser is mended on them later, so their first reading, kept under
`first_readings` with the code that made it, is the estimate for texts not seen before. Written to
results/bench/fields.json. Speed is pages a second of one core, of its own CPU time, over full reports of 26 results.
"""

import json
import random
import statistics
import time
from pathlib import Path

from medocr import fields, metrics, storage
from medocr.demo import synthetic
from tests.bench import fields_cases
from tests.bench.metrics import full, misread

OUT = Path(__file__).parents[2] / "results/bench/fields.json"
DRAWN = {"lab_report": 200, "prescription": 100, "form": 50, "receipt": 50}
SHOWN = ("header_recall", "test_row_f1", "order_f1", "option_f1", "field_recall")
TEXTS = {
    "by_others": "fields_by_others",
    "held_out": "held_out_fields",
    "held_out_2": "held_out_fields_2",
    "held_out_3": "held_out_fields_3",
    "held_out_4": "held_out_fields_4",
    "held_out_5": "held_out_fields_5",
    "held_out_6": "held_out_fields_6",
    "held_out_7": "held_out_fields_7",
    "held_out_8": "held_out_fields_8",
    "statements": "held_out_statements",
}
PROSE = {"prose": "held_out_prose", "prose_2": "held_out_prose_2"}


def drawn() -> dict[str, dict[str, float]]:
    """The mean of each score of perfect text, per type of page: what is missing is the parser's own error."""
    by_type: dict[str, dict[str, list[float]]] = {}
    for page in synthetic.pages(DRAWN, unlabelled=(), workers=1):
        scores = metrics.score_fields(page.fields, page.text)
        for name in scores.keys() & set(SHOWN):
            by_type.setdefault(page.doc_type, {}).setdefault(name, []).append(scores[name])
    return {
        kind: {name: round(statistics.mean(scores[name]), 4) for name in SHOWN if name in scores}
        for kind, scores in by_type.items()
    }


def written(name: str) -> dict[str, float]:
    """Shares of columns right and rows whole, and rows invented, of a file of hand-written texts."""
    cases = fields_cases.load(f"{TEXTS[name]}.jsonl")
    score = fields_cases.score(cases)
    prose = [case for case in cases if not case["right"]]
    return {
        "texts": score["texts_of"],
        "columns_right": round(score["columns"] / score["columns_of"], 4),
        "rows_whole": round(score["rows"] / score["rows_of"], 4),
        "texts_whole": round(score["texts"] / score["texts_of"], 4),
        "rows_invented": score["invented"],
        "texts_without_results": len(prose),
        "rows_invented_in_them": fields_cases.score(prose).get("invented", 0),
    }


def prose(name: str) -> dict[str, int]:
    """What is read in prose without a result or a current order, dense with aims, studies and relatives."""
    texts = [case["text"] for case in fields_cases.load(f"{name}.jsonl")]
    orders = [order for text in texts for order in fields.read_drugs(text) if order.status == "active"]
    rows = [fields.read_analytes(text) for text in texts]
    return {"texts": len(texts), "rows_invented": sum(map(len, rows)), "orders_invented": len(orders)}


def first_readings(scores: dict[str, dict]) -> dict[str, dict]:
    """Each set's scores the first time that it was read, with the code that read it; what is kept does not change."""
    kept = json.loads(OUT.read_text(encoding="utf-8"))["first_readings"]
    return {name: kept.get(name) or {**scores[name], "commit": storage.commit()} for name in (*kept, "held_out_8")}


def speed() -> dict[str, float]:
    """Full pages read, and scored in all families, a second: the fastest of 25 turns, as other work slows the rest."""
    pages = list(synthetic.pages({"lab_report": 60}, unlabelled=(), workers=1))
    reports = [full(pages, at) for at in range(len(pages))]
    rng = random.Random(0)
    pairs = [(text, misread(text, rng), known) for text, known in reports]
    return {
        "results_per_page": round(statistics.mean(len(known["analytes"]) for _, known in reports), 1),
        "pages_read_per_second": _per_second([lambda text=text: fields.read_fields(text) for text, _ in reports]),
        "pages_scored_per_second": _per_second([lambda pair=pair: metrics.score_page(*pair) for pair in pairs]),
    }


def _per_second(calls: list) -> float:
    turns = []
    for _ in range(25):
        started = time.process_time()
        for call in calls:
            call()
        turns.append(len(calls) / (time.process_time() - started))
    return round(max(turns), 1)


def main() -> None:
    """Measure, print and keep."""
    texts = {name: written(name) for name in TEXTS}
    texts |= {name: prose(file) for name, file in PROSE.items()}
    scores = {"first_readings": first_readings(texts), "drawn": drawn(), **texts, "speed": speed()}
    for name, row in scores.items():
        print(name, row)
    storage.write_record(OUT, command="python -m tests.bench.fields", **scores)


if __name__ == "__main__":
    main()
