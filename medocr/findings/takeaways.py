"""What to take away from the findings: the largest effects, what is undecided, and what it would take to decide it."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from medocr.findings import benchmarks, claims, evidence
from medocr.findings.evidence import BETTER, FEWEST_SEEDS, MISSING, UNSURE, UNTESTED, WORSE, Contrast

MOST = 100  # times as many pages and seeds: beyond, runs like these will not tell


def takeaways(scores: pd.DataFrame, results: Path) -> str:
    """A few sentences as a list in Markdown."""
    found = {claim.says: claims.measured(scores, claim.contrasts) for claim in claims.CLAIMS.values()}
    known = [one for own in found.values() for one in own if one[1]]
    sentences = [*_largest(known), *_undecided(found), *_untested(found, results)]
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _largest(found: list[tuple[Contrast, dict]]) -> Iterator[str]:
    """Of what is decided the largest effect, in differences of account, of tuning at all and of how it is done."""
    clear = [(c, m) for c, m in found if evidence.outcome(c, m) in (BETTER, WORSE)]
    of_tuning = [one for one in clear if claims.BASE in (one[0].left, one[0].right)]
    for what, chosen in (
        ("effect of fine-tuning itself", of_tuning),
        ("difference between two ways to fine-tune", [one for one in clear if one not in of_tuning]),
    ):
        if chosen:
            largest = max(chosen, key=lambda one: abs(one[1]["advantage"]) / one[0].matters)
            yield f"The largest {what}: {evidence.told(*largest)}."
        elif found:
            yield f"No {what} is sure yet."


def _undecided(found: dict[str, list[tuple[Contrast, dict | None]]]) -> Iterator[str]:
    """For claims that are undecided, the contrasts that leave them so and what would decide these."""
    parts = []
    for says, own in found.items():
        if claims.decide(own) == UNSURE:
            needed = dict.fromkeys(needs(c, m) for c, m in own if c.decides and m["verdict"] == UNSURE)
            parts.append(f"*{says.rstrip('.')}* ({'; '.join(needed)})")
    if parts:
        yield f"Undecided, and what would decide it: {', '.join(parts)}."


def needs(contrast: Contrast, found: dict) -> str:
    """What would decide an undecided contrast if its difference stays as it is."""
    if len(found["seeds"]) < FEWEST_SEEDS:
        return "more seeds than one"
    floor, least = evidence.limits(contrast)
    at, ways = found["advantage"], []
    if at > floor:
        ways.append((at - found["low"]) / (at - floor))
    if at < least:
        ways.append((found["high"] - at) / (least - at))
    times = min(ways, default=MOST) ** 2  # an interval's width goes with the root of what it rests on
    if times <= 1:
        return "seeds that agree"
    if times >= MOST:
        return "more than such runs can tell, so near is the difference to the limit"
    return f"about {times:.1f} times as many pages and seeds, if the difference stays as it is"


def _untested(found: dict[str, list[tuple[Contrast, dict | None]]], results: Path) -> Iterator[str]:
    """The claims that nothing here has put to a test yet."""
    judged = {key: verdict for key, (verdict, _) in benchmarks.judged(results).items()}
    came_out = {says: claims.decide(own) for says, own in found.items()}
    came_out |= {benchmarks.SAYS[key]: verdict for key, verdict in judged.items()}
    for verdict in (UNTESTED, MISSING):
        names = [f"*{says.rstrip('.')}*" for says, own in came_out.items() if own == verdict]
        if names:
            yield f"{verdict.capitalize()}: {', '.join(names)}."
    keys = [key for key, verdict in judged.items() if verdict in (UNTESTED, MISSING)]
    if keys:
        yield "What these would take: " + "; ".join(benchmarks.TAKES[key] for key in keys) + "."
