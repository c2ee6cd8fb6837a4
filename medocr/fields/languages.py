"""Words of reports in other languages, from `data/languages`: one table a language, which needs no code to grow.

The words of all languages count on every page: names of tests are international enough, and a page may hold two.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "languages"


@functools.cache
def _tables() -> dict[tuple[str, str], list[str]]:
    """(kind, meaning) → words of all languages, the longest first. Raises ValueError for a line that is none."""
    tables: dict[tuple[str, str], dict[str, None]] = {}
    for path in sorted(FOLDER.glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("#"):
                continue
            if line.count("\t") != 2:
                raise ValueError(
                    f"{path}: a line must be kind, meaning and words, parted by tabs; this is not: {line!r}"
                )
            kind, meaning, words = line.split("\t")
            tables.setdefault((kind, meaning), {}).update(dict.fromkeys(words.split("|")))
    return {key: sorted(words, key=len, reverse=True) for key, words in tables.items()}


def words(kind: str, meaning: str = "-") -> list[str]:
    """The words of one kind and meaning: `words("analyte", "Iron")` → eisen, hierro, żelazo, …"""
    return _tables().get((kind, meaning), [])


def pattern(kind: str, meaning: str = "-") -> str:
    """The words as alternatives of a regular expression; one that ends in a colon must be followed by one."""
    escaped = (re.escape(word).replace(r"\ ", "[ ]") for word in words(kind, meaning))
    return "|".join(f"{word[:-1]}(?=[ ]?:)" if word.endswith(":") else word for word in escaped)


def meanings(kind: str) -> Iterator[tuple[str, str]]:
    """(word, meaning) of every word of a kind."""
    return ((word, meaning) for (of, meaning), listed in _tables().items() if of == kind for word in listed)


def month_numbers() -> dict[str, int]:
    """Names of months with their numbers: `maart` is 3."""
    return {word: int(number) for word, number in meanings("month")}


def unaccented(word: str) -> str:
    """Without accents, as capitals are often printed: `TRIGLICERIDEOS`."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
