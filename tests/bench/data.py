"""`python -m tests.bench.data`: how fast pages are drawn and transcribed here; written to results/bench/data.json.

Figures of one machine at one time: what carries over is the ratios.
"""

import os
import time
from pathlib import Path

from medocr import storage, transcribe
from medocr.demo import synthetic

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


def main() -> None:
    """Measure, print and keep."""
    reports = list(synthetic.pages({"lab_report": 24}, workers=1))
    found = {
        "cores": os.cpu_count(),
        "draw": draw(),
        "transcribe": transcribe.measure_speed(reports),
    }
    for name, value in found.items():
        print(name, value)
    storage.write_record(OUT, **found)


if __name__ == "__main__":
    main()
