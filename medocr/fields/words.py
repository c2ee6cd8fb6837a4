"""The words and patterns of the parsers, kept apart from the code that uses them.

`data/languages` holds one table a language, which needs no code to grow; `data/words.txt` the English lists. The words
of all languages count on every page: names of tests are international enough, and a page may hold two.
"""

import functools
import re
import unicodedata
from pathlib import Path

PART = re.compile(r"\{([a-z][a-z0-9 ]*)\}")
DATA = Path(__file__).parent / "data"


@functools.cache
def _tables() -> dict[tuple[str, str], frozenset[str]]:
    """(kind, meaning) → words of all languages. Raises ValueError for a line that is none."""
    tables: dict[tuple[str, str], frozenset[str]] = {}
    for section in (DATA / "words.txt").read_text(encoding="utf-8").split("\n[")[1:]:
        name, _, body = section.partition("]")
        kind, _, meaning = name.partition(" ")
        tables[kind, meaning or "-"] = frozenset(word.replace("_", " ") for word in body.split())
    for path in sorted((DATA / "languages").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("#"):
                continue
            if line.count("\t") != 2:
                raise ValueError(
                    f"{path}: a line must be kind, meaning and words, parted by tabs; this is not: {line!r}"
                )
            kind, meaning, listed = line.split("\t")
            tables[kind, meaning] = tables.get((kind, meaning), frozenset()).union(listed.split("|"))
    return tables


def words(kind: str, meaning: str = "-") -> frozenset[str]:
    """The words of one kind and meaning: `words("analyte", "Iron")` → eisen, hierro, żelazo, …"""
    return _tables().get((kind, meaning), frozenset())


def meanings(kind: str) -> dict[str, str]:
    """Each word of a kind with what it means: of `flag`, `high` means H."""
    return {word: meaning for (of, meaning), listed in _tables().items() if of == kind for word in listed}


def pattern(kind: str, meaning: str = "-") -> str:
    """The words as alternatives of a regular expression; one that ends in a colon must be followed by one."""
    longest_first = sorted(words(kind, meaning), key=lambda word: (-len(word), word))
    escaped = (re.escape(word).replace(r"\ ", "[ ]") for word in longest_first)
    return "|".join(f"{word[:-1]}(?=[ ]?:)" if word.endswith(":") else word for word in escaped)


@functools.cache
def patterns(kind: str) -> dict[str, str]:
    """The regular expressions of one kind in `data/patterns.tsv`, by name, with the parts that they name filled in."""
    joined: dict[str, str] = {}
    parts = joined if kind == "part" else patterns("part")
    for line in (DATA / "patterns.tsv").read_text(encoding="utf-8").splitlines():
        of, name, regex = line.split("\t") if line[:1] != "#" else ("", "", "")
        if of == kind:
            regex = PART.sub(lambda part: parts.get(part[1]) or pattern(*part[1].split(" ")), regex)
            joined[name] = f"{joined[name]}|{regex}" if name in joined else regex
    return joined


@functools.cache
def compiled(kind: str) -> dict[str, re.Pattern]:
    """`patterns` of one kind, each compiled."""
    return {name: re.compile(regex) for name, regex in patterns(kind).items()}


def month_numbers() -> dict[str, int]:
    """Names of months with their numbers: `maart` is 3."""
    return {word: int(number) for word, number in meanings("month").items()}


def unaccented(word: str) -> str:
    """Without accents, as capitals are often printed: `TRIGLICERIDEOS`."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
