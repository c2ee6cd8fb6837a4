"""What makes all committed results: nothing twice from one commit, and no failure that stops the others."""

import json
import sys

import pytest

from medocr import storage
from tests.bench import __main__ as bench

STUB = """
import pathlib, sys
record, log, end = sys.argv[1:]
pathlib.Path(log).open("a").write(pathlib.Path(record).stem + " ")
pathlib.Path(record).write_text('{"commit": "abc"}')
sys.exit(end or 0)
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes the records `first` and `second`, one of which may fail after it was written; gives status and log."""
    monkeypatch.setattr(storage, "commit", lambda: "abc")

    def called(**ends: str) -> tuple[int, list[str]]:
        log = tmp_path / "log.txt"
        log.write_text("")
        stub = [sys.executable, "-S", "-c", STUB]
        commands = {name: [*stub, str(tmp_path / f"{name}.json"), str(log), end] for name, end in ends.items()}
        return bench.make(commands, tmp_path, tmp_path / "marks"), log.read_text().split()

    return called


def test_a_failure_is_named_at_the_end_and_stops_no_other(make, capsys):
    assert make(first="no card here", second="") == (1, ["first", "second"])
    assert capsys.readouterr().out.splitlines()[-2:] == ["1 of 2 are recorded", "first: no card here"]


def test_an_interrupted_call_goes_on_with_what_is_not_recorded_whole_from_this_commit(make, tmp_path):
    make(first="interrupted", second="")
    assert make(first="", second="") == (0, ["first"])
    assert make(first="", second="") == (0, [])
    (tmp_path / "second.json").write_text(json.dumps({"commit": "older"}))
    assert make(first="", second="") == (0, ["second"])


def test_every_committed_record_of_a_benchmark_is_made_anew():
    recorded = {f"bench/{path.stem}" for path in (bench.ROOT / "results/bench").glob("*.json")}
    assert recorded <= bench.commands(runs=False).keys()
    assert set(bench.SHORTEST_FIRST) <= set(bench.BENCHES)
