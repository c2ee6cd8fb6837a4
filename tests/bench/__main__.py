"""`make bench`: how fast pages are drawn, transcribed and scored here; written to results/bench/data.json.

Figures of one machine at one time: what carries over is the ratios.
"""

import os
import time
from pathlib import Path

from medocr import metrics, schema, synthetic, transcribe

OUT = Path(__file__).parents[2] / "results/bench/data.json"
COUNTS = {"prescription": 120, "lab_report": 60, "receipt": 60, "invoice": 60}


def draw() -> list[dict]:
    """Pages drawn per second by one process and by two, starting them included."""
    rows = []
    for workers in (1, 2):
        started = time.perf_counter()
        drawn = sum(1 for _ in synthetic.pages(COUNTS, workers=workers))
        rows.append({"workers": workers, "pages": drawn, "pages_per_second": drawn / (time.perf_counter() - started)})
    return rows


def score() -> dict:
    """Page pairs scored per second by one core, each a lab report beside a copy with every tenth character lost."""
    texts = [page.truth for page in synthetic.pages({"lab_report": 60}, workers=1)] * 20
    pairs = [(text, "".join(c for i, c in enumerate(text) if i % 10)) for text in texts]
    started = time.perf_counter()
    for reference, prediction in pairs:
        metrics.score_page(reference, prediction)
    return {"pages": len(pairs), "pages_per_second": len(pairs) / (time.perf_counter() - started)}


def main() -> None:
    """Measure, print and keep."""
    reports = list(synthetic.pages({"lab_report": 24}, workers=1))
    found = {
        "cores": os.cpu_count(),
        "draw": draw(),
        "transcribe": transcribe.measure_speed(reports),
        "score": score(),
    }
    for name, value in found.items():
        print(name, value)
    schema.write_record(OUT, **found)


if __name__ == "__main__":
    main()
