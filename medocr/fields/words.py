"""The word lists of the parsers, kept apart from the code that uses them."""

import functools
from pathlib import Path

DATA = Path(__file__).parent / "data"


@functools.cache
def _lists() -> dict[str, frozenset[str]]:
    lists: dict[str, frozenset[str]] = {}
    for section in (DATA / "words.txt").read_text(encoding="utf-8").split("\n[")[1:]:
        name, _, body = section.partition("]")
        lists[name] = frozenset(word.replace("_", " ") for word in body.split())
    return lists


def words(name: str) -> frozenset[str]:
    """A list by its name in `data/words.txt`."""
    return _lists()[name]


def patterns(kind: str) -> dict[str, str]:
    """The regular expressions of one kind in `data/patterns.tsv`, by name."""
    joined: dict[str, str] = {}
    for line in (DATA / "patterns.tsv").read_text(encoding="utf-8").splitlines():
        of, name, regex = line.split("\t") if line[:1] != "#" else ("", "", "")
        if of == kind:
            joined[name] = f"{joined[name]}|{regex}" if name in joined else regex
    return joined
