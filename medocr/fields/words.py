"""The word lists of the parsers, kept apart from the code that uses them."""

import functools
import re
from pathlib import Path

from . import languages

PART = re.compile(r"\{([a-z][a-z0-9 ]*)\}")
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


def meanings(kind: str) -> dict[str, str]:
    """Each word of the lists of a kind with what it means: of `[flag H]` and its neighbours, `high` means H."""
    named = {name.removeprefix(f"{kind} "): listed for name, listed in _lists().items() if name.startswith(f"{kind} ")}
    return {word: meaning for meaning, listed in named.items() for word in listed}


@functools.cache
def patterns(kind: str) -> dict[str, str]:
    """The regular expressions of one kind in `data/patterns.tsv`, by name, with the parts that they name filled in."""
    joined: dict[str, str] = {}
    parts = joined if kind == "part" else patterns("part")
    for line in (DATA / "patterns.tsv").read_text(encoding="utf-8").splitlines():
        of, name, regex = line.split("\t") if line[:1] != "#" else ("", "", "")
        if of == kind:
            regex = PART.sub(lambda part: parts.get(part[1]) or languages.pattern(*part[1].split(" ")), regex)
            joined[name] = f"{joined[name]}|{regex}" if name in joined else regex
    return joined


@functools.cache
def compiled(kind: str) -> dict[str, re.Pattern]:
    """`patterns` of one kind, each compiled."""
    return {name: re.compile(regex) for name, regex in patterns(kind).items()}
