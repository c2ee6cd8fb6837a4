"""How far two readers of one page agree: the quality of a label that nobody can check against the truth."""

import dataclasses
import hashlib
from collections import Counter

from rapidfuzz.distance import Levenshtein

from .. import fields, metrics
from .store import Provider

WHOLLY = ("numbers", "units", "drugs", "rows")  # what two readings must share to the last


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Which pages are read twice, and how far both readings must agree for one of them to be a label.

    `share` of the pages, drawn by their id and `seed`, get a second reading: by another of the providers where two may
    have the page, else by `second`. They agree when their texts do to `threshold`, and their numbers, units, drug names
    and the values of the analytes that both name do wholly. Where they do not, `third` settles it if its numbers are
    those of one of the two; otherwise the page is set aside for a person.
    """

    share: float = 0.1
    threshold: float = 0.95
    second: Provider | None = None
    third: Provider | None = None
    seed: int = 3407

    def __post_init__(self) -> None:
        for name in ("share", "threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"agreement: {name} is {getattr(self, name)}: a share from 0 to 1")
        if self.third and self.second and self.third.name == self.second.name:
            raise ValueError(f"agreement: {self.third.name} cannot settle what it has read itself: name another third")

    def drawn(self, page_id: str) -> bool:
        """Whether a page is one of those that are read twice; the same pages in every run."""
        digest = hashlib.sha256(f"{self.seed}/{page_id}".encode()).digest()
        return int.from_bytes(digest[:8]) < self.share * 2**64

    def holds(self, compared: dict[str, float]) -> bool:
        """Whether two readings agree well enough. One wrong digit is too much, in however long a text."""
        return compared["text"] >= self.threshold and all(compared[name] == 1 for name in WHOLLY)


def compare(one: str, other: str) -> dict[str, float]:
    """Agreement of two readings from 0 to 1, the same in both directions.

    `text` is 1 − Levenshtein distance ÷ the longer length, after `metrics.normalise`; `numbers`, `units` and `drugs`
    are twice what both hold ÷ what they hold together (the Sørensen–Dice coefficient of the multisets), 1 where
    neither holds any; `rows` is the share of the analytes named by both that have one value, which swapped rows lower.
    """
    texts = metrics.normalise(one), metrics.normalise(other)
    return {
        "text": Levenshtein.normalized_similarity(*texts),
        "numbers": _dice(*(numbers(text) for text in texts)),
        "units": _dice(*(_units(text) for text in texts)),
        "drugs": _dice(*(_drugs(text) for text in texts)),
        "rows": _same_values(*(_values(text) for text in (one, other))),
    }


def numbers(text: str) -> Counter[str]:
    """The numbers of a text as printed, but for the commas of thousands."""
    return Counter(number.replace(",", "") for number in metrics.NUMBER.findall(text))


def _units(text: str) -> Counter[str]:
    return Counter(code for word in text.split() if (code := fields.unit_code(word)))


def _drugs(text: str) -> Counter[str]:
    return Counter(term.name for term in fields.read_terms(text) if term.kind == "drug")


def _values(text: str) -> dict[str, set]:
    values: dict[str, set] = {}
    for analyte in fields.read_analytes(text):
        values.setdefault("".join(filter(str.isalnum, analyte.name.casefold())), set()).add(analyte.value)
    return values


def _same_values(one: dict[str, set], other: dict[str, set]) -> float:
    shared = one.keys() & other.keys()
    return sum(one[name] == other[name] for name in shared) / len(shared) if shared else 1.0


def _dice(one: Counter, other: Counter) -> float:
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0
