"""What to take away from the findings: the largest effects, what is undecided, and what it would take to decide it."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from medocr.findings import benchmarks, claims, evidence
from medocr.findings.evidence import BETTER, FEWEST_SEEDS, MISSING, UNSURE, UNTESTED, WORSE, Contrast

MOST = 100  # times as many pages and seeds: beyond, runs like these will not tell


def takeaways(scores: pd.DataFrame, results: Path) -> str:
    """A few sentences as a list in Markdown."""
    by_claim = {claim.says: claims.measured(scores, claim.contrasts) for claim in claims.CLAIMS.values()}
    run = [(contrast, figures) for rows in by_claim.values() for contrast, figures in rows if figures]
    sentences = [*_largest(run), *_undecided(by_claim), *_untested(by_claim, results)]
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _largest(measurements: list[tuple[Contrast, dict]]) -> Iterator[str]:
    """Of what is decided the largest effect, in smallest differences that matter: of tuning, and of how it is done."""
    clear = [(c, m) for c, m in measurements if evidence.outcome(c, m) in (BETTER, WORSE)]
    of_tuning = [row for row in clear if claims.BASE in (row[0].left, row[0].right)]
    for what, chosen in (
        ("effect of fine-tuning itself", of_tuning),
        ("difference between two ways to fine-tune", [row for row in clear if row not in of_tuning]),
    ):
        if chosen:
            contrast, figures = max(chosen, key=_times)
            times, described = _times((contrast, figures)), evidence.describe(contrast, figures)
            yield f"The largest {what}, {times:.0f} times the smallest that matters: {described}."
        elif measurements:
            yield f"No {what} is established yet."


def _times(measurement: tuple[Contrast, dict]) -> float:
    """How many times the smallest difference that matters a difference is."""
    return abs(measurement[1]["advantage"]) / measurement[0].matters


def _undecided(by_claim: dict[str, list[tuple[Contrast, dict | None]]]) -> Iterator[str]:
    """For claims that are undecided, the contrasts that leave them so and what would decide these."""
    parts = []
    for says, rows in by_claim.items():
        if claims.decide(rows) == UNSURE:
            needed = dict.fromkeys(needs(c, m) for c, m in rows if c.decides and m and m["verdict"] == UNSURE)
            parts.append(f"*{says.rstrip('.')}* ({'; '.join(needed)})")
    if parts:
        yield f"Undecided, and what would decide it: {', '.join(parts)}."


def needs(contrast: Contrast, figures: dict) -> str:
    """What would decide an undecided contrast if its difference stays as it is."""
    if len(figures["seeds"]) < FEWEST_SEEDS:
        return "more seeds than one"
    floor, least = evidence.limits(contrast)
    at, ways = figures["advantage"], []
    if at > floor:
        ways.append((at - figures["low"]) / (at - floor))
    if at < least:
        ways.append((figures["high"] - at) / (least - at))
    times = min(ways, default=MOST) ** 2  # an interval's width goes with the root of what it rests on
    if times <= 1:
        return "seeds that agree"
    if times >= MOST:
        return "more than such runs can decide: the difference is too close to the limit"
    return f"about {times:.1f} times as many pages and seeds, if the difference stays the same"


def _untested(by_claim: dict[str, list[tuple[Contrast, dict | None]]], results: Path) -> Iterator[str]:
    """The claims that nothing here has put to a test yet."""
    judged = {key: verdict for key, (verdict, _) in benchmarks.judged(results).items()}
    came_out = {says: claims.decide(rows) for says, rows in by_claim.items()}
    came_out |= {benchmarks.SAYS[key]: verdict for key, verdict in judged.items()}
    for verdict in (UNTESTED, MISSING):
        names = [f"*{says.rstrip('.')}*" for says in came_out if came_out[says] == verdict]
        if names:
            yield f"{verdict.capitalize()}: {', '.join(names)}."
    keys = [key for key, verdict in judged.items() if verdict in (UNTESTED, MISSING)]
    if keys:
        yield "What these would take: " + "; ".join(benchmarks.TAKES[key] for key in keys) + "."
