"""How far two readers of one page agree: the quality of a label that nobody can check against the truth."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence

from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

from .. import fields, metrics
from .store import Provider

FEW = 0.2  # share of a reading's numbers that a second reader may doubt, for a third look to settle them
LIKE = 50  # of 100: how alike two readings of a line are at least
WHOLLY = ("numbers", "units", "drugs", "rows")  # what two readings must share to the last


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Which pages are read twice, and how far both readings must agree for one of them to be a label.

    `share` of the pages, drawn by their id and `seed`, get a second reading: by another of the providers where two may
    have the page, else by `second`. They agree when their texts do to `threshold`, and their numbers, units, drug names
    and the values of the analytes that both name do wholly. Where they do not, `third` settles it if its numbers are
    those of one of the two, or confirm the few of the first that the second doubts; otherwise the page is set aside
    for a person.
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

    def settles(self, first: str, second: str, third: str) -> bool:
        """Whether a third look lets the first reading stand: it confirms every number that the second reader doubts.

        The doubted numbers must be few, and everything else agree with one of the other two.
        """
        lines, others = first.splitlines(), [second.splitlines(), third.splitlines()]
        few = sum(map(len, doubted(lines, others[0]))) <= FEW * numbers(first).total()
        compared = [compare(first, other) for other in (second, third)]
        best = {name: max(each[name] for each in compared) for name in compared[0]} | {"numbers": 1.0}
        return few and not any(doubted(lines, *others)) and self.holds(best)


def compare(first: str, second: str) -> dict[str, float]:
    """Agreement of two readings from 0 to 1, the same in both directions.

    `text` is 1 − Levenshtein distance ÷ the longer length, after `metrics.normalise`; `numbers`, `units` and `drugs`
    are twice what both hold ÷ what they hold together (the Sørensen–Dice coefficient of the multisets), 1 where
    neither holds any; `rows` is the share of the analytes named by both that have one value, which swapped rows lower.
    """
    texts = metrics.normalise(first), metrics.normalise(second)
    return {
        "text": Levenshtein.normalized_similarity(*texts),
        "numbers": _dice(*(numbers(text) for text in texts)),
        "units": _dice(*(Counter(filter(None, map(fields.unit_code, text.split()))) for text in texts)),
        "drugs": _dice(*(Counter(t.name for t in fields.read_terms(text) if t.kind == "drug") for text in texts)),
        "rows": _same_values(_values(first), _values(second)),
    }


def doubted(lines: Sequence[str], *others: Sequence[str]) -> list[list[str]]:
    """For each line of a reading, those of its numbers that none of the other readings has on the line most like it.

    Numbers are what a label must not have wrong, and two readers seldom misread one alike: measured in
    tests/bench/numbers.py.
    """
    counted = [numbers(line) for line in lines]
    left = [*counted]
    for other in others:
        if not other or not lines:
            continue
        likeness = process.cdist(lines, other, scorer=fuzz.ratio)
        for at, row in enumerate(likeness):
            beside = int(row.argmax())
            if left[at] and row[beside] >= LIKE:
                confirmed = numbers(other[beside]) & counted[at]
                left[at] = left[at] & (counted[at] - confirmed)
    return [sorted(rest.elements()) for rest in left]


def numbers(text: str) -> Counter[str]:
    """The numbers of a text as printed, but for the commas of thousands."""
    return Counter(number.replace(",", "") for number in metrics.NUMBER.findall(text))


def _values(text: str) -> dict[str, set]:
    values: dict[str, set] = {}
    for analyte in fields.read_analytes(text):
        values.setdefault("".join(filter(str.isalnum, analyte.name.casefold())), set()).add(analyte.value)
    return values


def _same_values(first: dict[str, set], second: dict[str, set]) -> float:
    shared = first.keys() & second.keys()
    return sum(first[name] == second[name] for name in shared) / len(shared) if shared else 1.0


def _dice(first: Counter, second: Counter) -> float:
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 1.0
