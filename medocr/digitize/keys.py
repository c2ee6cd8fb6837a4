"""What makes two fields the same, whoever read them; and what a second reader says of a page."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rapidfuzz import fuzz, process

from .. import fields
from ..metrics.ceiling import COLUMNS
from ..metrics.values import comparable, header, letters, plain, rows
from ..review.columns import LISTS

ALIKE = 75  # of 100: how much of a field's text a line must hold to be where it stands
OTHERWISE = "a second reader (RapidOCR) does not read the same"


def take(left: dict[str, Counter], kind: str, name: str, columns: Mapping) -> bool:
    """Whether a field is among those of `keys` that no other field has taken; it is taken from there."""
    looked_for = key(kind, name, columns)
    there = left[kind][looked_for] > 0
    left[kind][looked_for] -= there
    return there


def key(kind: str, name: str, columns: Mapping) -> tuple:
    """A field's columns, numbers as numbers, units by their code, directions by what they mean."""
    if kind in LISTS:
        return tuple(comparable(columns, column) for column in COLUMNS[LISTS[kind]])
    value = columns.get("value")
    return name, letters(value) if kind == "header" else plain(value)


def keys(read: Mapping) -> dict[str, Counter]:
    """The keys of all fields in what `fields.read_fields` gives, or a source knows, by kind."""
    sums = read.get("receipt") or read
    totals = [(name, sums[name]) for name in ("subtotal", "tax", "total") if sums.get(name)]
    single = {"header": header(read), "total": totals}
    found = {kind: Counter(key(kind, "", row) for row in rows(read, listed)) for kind, listed in LISTS.items()}
    return found | {k: Counter(key(k, name, {"value": value}) for name, value in v) for k, v in single.items()}


class Second:
    """The lines that another reader saw on a page; without any it says nothing."""

    def __init__(self, seen: Sequence[Mapping], doc_type: str) -> None:
        self.seen = seen
        text = "\n".join(line["text"] for line in seen)
        self.left = keys(fields.read_fields(text, doc_type)) if seen else {}

    def boxes(self, text: str) -> list:
        """The box of the line that holds most of a text; none where no line does."""
        texts = [line["text"] for line in self.seen]
        best = process.extractOne(text, texts, scorer=fuzz.partial_ratio, score_cutoff=ALIKE) if texts else None
        return [list(self.seen[best[2]]["box"])] if best and self.seen[best[2]]["box"] else []

    def objections(self, kind: str, name: str, columns: Mapping) -> list[str]:
        """A reason to look at a field that this reader does not have; each of its fields speaks for one."""
        return [OTHERWISE] if self.seen and not take(self.left, kind, name, columns) else []
