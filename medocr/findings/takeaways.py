"""What to take away from the findings: the largest effects, what is undecided, and what it would take to decide it."""

from collections.abc import Iterator

import pandas as pd

from medocr.findings import claims, evidence
from medocr.findings.evidence import BETTER, FEWEST_SEEDS, UNSURE, WORSE, Measurement

MOST = 100  # times as many pages and seeds: beyond, runs like these will not tell


def takeaways(scores: pd.DataFrame) -> str:
    """A few sentences as a list in Markdown."""
    by_claim = {
        claim.says: [evidence.measure(scores, contrast) for contrast in claim.contrasts]
        for claim in claims.CLAIMS.values()
        if not claim.confounded
    }
    run = [measurement for measurements in by_claim.values() for measurement in measurements if measurement.seeds]
    sentences = [*_largest(run), *_undecided(by_claim)]
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _largest(measurements: list[Measurement]) -> Iterator[str]:
    """Of what is decided the largest effect, in smallest differences that matter: of tuning, and of how it is done."""
    clear = [m for m in measurements if m.outcome in (BETTER, WORSE)]
    of_tuning = [m for m in clear if claims.SIDES["base"] in (m.contrast.left, m.contrast.right)]
    for what, chosen in (
        ("effect of fine-tuning itself", of_tuning),
        ("difference between two ways to fine-tune", [m for m in clear if m not in of_tuning]),
    ):
        if chosen:
            times, largest = max(((abs(m.advantage) / m.contrast.matters, m) for m in chosen), key=lambda pair: pair[0])
            yield f"The largest {what}, {times:.0f} times the smallest that matters: {largest}."
        elif measurements:
            yield f"No {what} is established yet."


def _undecided(by_claim: dict[str, list[Measurement]]) -> Iterator[str]:
    """For claims that are undecided, the contrasts that leave them so and what would decide these."""
    parts = []
    for says, measurements in by_claim.items():
        if evidence.together(measurements) == UNSURE:
            needed = dict.fromkeys(needs(m) for m in measurements if m.contrast.decides and m.verdict == UNSURE)
            parts.append(f"*{says.rstrip('.')}* ({'; '.join(needed)})")
    if parts:
        yield f"Undecided, and what would decide it: {', '.join(parts)}."


def needs(undecided: Measurement) -> str:
    """What would decide an undecided contrast if its difference stays as it is."""
    if len(undecided.seeds) < FEWEST_SEEDS:
        return "more seeds than one"
    floor, least = undecided.contrast.limits
    at, ways = undecided.advantage, []
    if at > floor:
        ways.append((at - undecided.low) / (at - floor))
    if at < least:
        ways.append((undecided.high - at) / (least - at))
    times = min(ways, default=MOST) ** 2  # an interval's width goes with the root of what it rests on, or faster
    if times <= 1:
        return "seeds that agree"
    if times >= MOST:
        return "more than such runs can decide: the difference is too close to the limit"
    return f"at most about {times:.1f} times as many pages and seeds, if the difference stays the same"
