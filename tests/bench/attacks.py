"""`python -m tests.bench.attacks [TOPIC…]`: every attack of attacks.toml, each performed in a folder of its own.

Kept in results/bench/attacks.json: what was tried, whether it was survived, and what came of it. An attack that cannot
be tried on this machine (no browser, no network) says why. Topics that are named are tried anew, and the rest is kept.
"""

import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from medocr import storage

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results/bench/attacks.json"


class Outcomes:
    """What became of each test: node id → "" where it passed, else what it failed by, or why it was not tried."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.seen: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "setup":
            self.seen.append(report.nodeid)
        if report.failed:
            self.failed[report.nodeid] = str(getattr(report.longrepr, "reprcrash", report.longrepr)).splitlines()[0]
        elif report.skipped:
            self.skipped[report.nodeid] = str(report.longrepr[2]).removeprefix("Skipped: ")


def listed() -> list[tuple[str, str, str, str]]:
    """(topic, what is tried, what has to come of it, test) of every attack."""
    topics = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    return [(topic, tried, *one) for topic, attacks in topics.items() for tried, one in attacks.items()]


def main(topics: Sequence[str] = ()) -> None:
    """Perform the attacks of these topics; of all where none is named."""
    attacks, outcomes = [one for one in listed() if not topics or one[0] in topics], Outcomes()
    tests = [str(ROOT / "tests" / test) for *_, test in attacks]
    pytest.main(["-q", "-o", "addopts=", "-p", "no:cacheprovider", f"--rootdir={ROOT}", *tests], plugins=[outcomes])
    rows = [row for attack in attacks for row in _rows(outcomes, *attack)]
    rows += _kept(topics)
    tried = [row for row in rows if row["survived"] is not None]
    survived = sum(row["survived"] for row in tried)
    storage.write_record(OUT, attacks=len(rows), tried=len(tried), survived=survived, rows=rows)
    print(f"{survived} of {len(tried)} attacks survived, {len(rows) - len(tried)} not tried")


def _kept(topics: Sequence[str]) -> list[dict]:
    """What the file holds of the other topics."""
    earlier = json.loads(OUT.read_text())["rows"] if topics and OUT.exists() else []
    return [row for row in earlier if row["topic"] not in topics]


def _rows(outcomes: Outcomes, topic: str, tried: str, outcome: str, test: str) -> list[dict]:
    """A row for each case of a test. Raises ValueError where there is none: the list is out of date."""
    cases = [node for node in outcomes.seen if node == f"tests/{test}" or node.startswith(f"tests/{test}[")]
    if not cases:
        raise ValueError(f"{test} did not run: bring attacks.toml up to date")
    return [_row(outcomes, node, topic, tried, outcome) for node in cases]


def _row(outcomes: Outcomes, node: str, topic: str, tried: str, outcome: str) -> dict:
    case = node.partition("[")[2].removesuffix("]")
    what = {"topic": topic, "tried": f"{tried}: {case[:60]}" if case else tried}
    if node in outcomes.skipped:
        return {**what, "survived": None, "outcome": f"not tried: {outcomes.skipped[node]}"}
    if node in outcomes.failed:
        return {**what, "survived": False, "outcome": f"it got through: {outcomes.failed[node][:200]}"}
    return {**what, "survived": True, "outcome": outcome}


if __name__ == "__main__":
    main(sys.argv[1:])
