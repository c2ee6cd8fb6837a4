"""`python -m tests.bench.metrics`: page pairs scored per second by one core, and CER beside rapidfuzz's own time.

10,000 pairs of lab reports, each beside a copy with an error in every tenth word, at two lengths: as they are drawn for
the embedded model, and with 25 results, as a full page has. No two copies have the same errors, so that little of what
is remembered of one serves the next. All families, against the fields that the source knows. Written to
results/bench/metrics.json; what carries over to another machine is the ratios.

`cer_over_rapidfuzz` is CER's time over that of `Levenshtein.distance` on the same pairs as they are;
`cer_over_ready` on pairs normalised before; `cer_over_normalised` with the same normalisation in the plain way (NFC,
then split and join), which anyone has to do who compares text as medocr does.
"""

import itertools
import random
import statistics
import time
import unicodedata
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from medocr import metrics, storage
from medocr.demo import synthetic

OUT = Path(__file__).parents[2] / "results/bench/metrics.json"
PAIRS = 10_000
DRAWN = 200  # different reports
RESULTS = 25  # of a full report


def reports() -> dict[str, list[tuple]]:
    """PAIRS of (reference, prediction, fields) of each length, from DRAWN lab reports."""
    pages = list(synthetic.pages({"lab_report": DRAWN}, unlabelled=(), workers=1))
    short = [(page.text, page.fields) for page in pages]
    rng = random.Random(0)
    return {
        name: [(text, misread(text, rng), fields) for text, fields in itertools.islice(itertools.cycle(drawn), PAIRS)]
        for name, drawn in (("drawn", short), ("full", [full(pages, at) for at in range(DRAWN)]))
    }


def full(pages: list, at: int) -> tuple[str, dict]:
    """A report with RESULTS results: the page at an index, and the rows of those that follow it."""
    text, header, analytes = pages[at].text, pages[at].fields["header"], list(pages[at].fields["analytes"])
    while len(analytes) < RESULTS:
        at = (at + 1) % len(pages)
        rows = pages[at].fields["analytes"]
        text += "".join(f"\n{line}" for line in pages[at].text.split("\n") if any(_names(row, line) for row in rows))
        analytes += rows
    return text, {"header": header, "analytes": analytes}


def _names(row: dict, line: str) -> bool:
    return line.startswith(row["printed"]["name"])


def misread(text: str, rng: random.Random) -> str:
    """A continuous copy with another last character in every tenth word."""
    return " ".join(word[:-1] + rng.choice("0123456789ae") if rng.random() < 0.1 else word for word in text.split())


def seconds(score, pairs: list[tuple], rounds: int) -> float:
    started = time.process_time()
    for _ in range(rounds):
        for reference, prediction, fields in pairs:
            score(reference, prediction, fields)
    return time.process_time() - started


def plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def ratios(pairs: list[tuple]) -> dict[str, float]:
    """CER's time over rapidfuzz's: as they are, normalised already, with their normalisation; medians of 9 turns."""
    pairs = pairs[:DRAWN]
    ready = [(metrics.normalise(reference), metrics.normalise(prediction), None) for reference, prediction, _ in pairs]
    turns = [_turn(pairs, ready) for _ in range(9)]  # all in one turn, so that they see the same machine
    names = ("cer_over_rapidfuzz", "cer_over_ready", "cer_over_normalised")
    return {name: round(statistics.median(turn[i] for turn in turns), 3) for i, name in enumerate(names)}


def _turn(pairs: list[tuple], ready: list[tuple]) -> tuple[float, float, float]:
    ours = seconds(lambda reference, prediction, _: metrics.cer(reference, prediction), pairs, 10)
    plainly = seconds(lambda reference, prediction, _: Levenshtein.distance(reference, prediction), pairs, 10)
    distance = seconds(lambda reference, prediction, _: Levenshtein.distance(reference, prediction), ready, 10)
    whole = seconds(lambda one, other, _: Levenshtein.distance(plain(one), plain(other)), pairs, 10)
    return ours / plainly, ours / distance, ours / whole


def measure(pairs: list[tuple]) -> dict[str, float]:
    whole = seconds(metrics.score_page, pairs, 1)
    text = seconds(lambda reference, prediction, _: metrics.score_text(reference, prediction), pairs, 1)
    return {
        "characters_per_page": round(statistics.mean(len(reference) for reference, _, _ in pairs), 1),
        "results_per_page": round(statistics.mean(len(fields["analytes"]) for _, _, fields in pairs), 1),
        "pages_per_second": round(PAIRS / whole, 1),
        "text_pages_per_second": round(PAIRS / text, 1),
        **ratios(pairs),
    }


def main() -> None:
    """Measure, print and keep."""
    found = {name: measure(pairs) for name, pairs in reports().items()}
    for name, row in found.items():
        print(name, row)
    storage.write_record(OUT, pairs=PAIRS, **found)


if __name__ == "__main__":
    main()
