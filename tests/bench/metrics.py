"""`python -m tests.bench.metrics`: page pairs scored per second by one core, and CER beside rapidfuzz's own time.

10,000 pairs of lab reports, each beside a copy with an error in every tenth word; all families, against the fields that
the source knows. Written to results/bench/metrics.json.
"""

import random
import statistics
import time
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from medocr import metrics, schema, synthetic

OUT = Path(__file__).parents[2] / "results/bench/metrics.json"
PAIRS = 10_000
DRAWN = 200  # different reports


def pairs() -> list[tuple]:
    """(reference, prediction, fields) of DRAWN lab reports."""
    rng = random.Random(0)
    drawn = []
    for page in synthetic.pages({"lab_report": DRAWN}, workers=1):
        words = page.truth.split()
        wrong = [word[:-1] + rng.choice("0123456789ae") if rng.random() < 0.1 else word for word in words]
        drawn.append((page.truth, " ".join(wrong), page.fields))
    return drawn


def seconds(score, drawn: list[tuple], rounds: int) -> float:
    started = time.process_time()
    for _ in range(rounds):
        for reference, prediction, fields in drawn:
            score(reference, prediction, fields)
    return time.process_time() - started


def main() -> None:
    """Measure, print and keep."""
    drawn = pairs()
    whole = seconds(metrics.score_page, drawn, PAIRS // DRAWN)
    text = seconds(
        lambda reference, prediction, fields: metrics.score_text(reference, prediction), drawn, PAIRS // DRAWN
    )
    ratios = []
    for _ in range(7):  # in turn, so that both see the same machine
        own = seconds(lambda reference, prediction, fields: Levenshtein.distance(reference, prediction), drawn, 50)
        ours = seconds(lambda reference, prediction, fields: metrics.cer(reference, prediction), drawn, 50)
        ratios.append(ours / own)
    found = {
        "pairs": PAIRS,
        "characters_per_page": round(statistics.mean(len(reference) for reference, _, _ in drawn), 1),
        "pages_per_second": round(PAIRS / whole, 1),
        "text_pages_per_second": round(PAIRS / text, 1),
        "cer_over_rapidfuzz": round(statistics.median(ratios), 3),
    }
    print(found)
    schema.write_record(OUT, **found)


if __name__ == "__main__":
    main()
