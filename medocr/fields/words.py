"""The word lists of the parsers, kept apart from the code that uses them."""

import functools
from pathlib import Path

FILE = Path(__file__).parent / "data" / "words.txt"


@functools.cache
def _lists() -> dict[str, frozenset[str]]:
    lists: dict[str, frozenset[str]] = {}
    for section in FILE.read_text(encoding="utf-8").split("\n[")[1:]:
        name, _, body = section.partition("]")
        lists[name] = frozenset(word.replace("_", " ") for word in body.split())
    return lists


def words(name: str) -> frozenset[str]:
    """A list by its name in `data/words.txt`."""
    return _lists()[name]
