"""What a second reader says of a page: where a line stands, and whether it reads a field alike."""

from collections.abc import Mapping, Sequence

from rapidfuzz import fuzz, process

from .. import fields
from . import keys

ALIKE = 75  # of 100: how much of a field's text a line must hold to be where it stands
OTHERWISE = "a second reader (RapidOCR) does not read the same"


class Second:
    """The lines that another reader saw on a page; without any it says nothing."""

    def __init__(self, seen: Sequence[Mapping], doc_type: str) -> None:
        self.seen = seen
        text = "\n".join(line["text"] for line in seen)
        self.left = keys.keys(fields.read_fields(text, doc_type)) if seen else {}

    def boxes(self, text: str) -> list:
        """The box of the line that holds most of a text; none where no line does."""
        texts = [line["text"] for line in self.seen]
        best = process.extractOne(text, texts, scorer=fuzz.partial_ratio, score_cutoff=ALIKE) if texts else None
        return [list(self.seen[best[2]]["box"])] if best and self.seen[best[2]]["box"] else []

    def objections(self, kind: str, name: str, columns: Mapping) -> list[str]:
        """A reason to look at a field that this reader does not have; each of its fields speaks for one."""
        if not self.seen:
            return []
        return [] if keys.take(self.left, kind, name, columns) else [OTHERWISE]
