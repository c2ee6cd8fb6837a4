"""Going through a queue: which field is shown, what is known of it, what a person's answer writes."""

import dataclasses
from pathlib import Path

from .columns import corrected_line, parsed, shown
from .decisions import Decision, Standing, decide, decisions_on, field_of, pages, read_decisions, readings, standing
from .folder import queue, read_document


@dataclasses.dataclass(frozen=True)
class View:
    """A field as a person sees it: `place` in the queue (from 0), and what holds for it now."""

    place: int
    document: dict
    field: dict
    page: dict
    standing: Standing
    warned: bool = False  # that a correction leaves the printed line as it was

    @property
    def columns(self) -> dict:
        """The columns as they stand: those of the last correction, else those that were read."""
        decision = self.standing.decision
        return decision.columns if decision and decision.columns is not None else self.field["columns"]

    @property
    def line(self) -> str:
        """The field's printed line as it stands, empty where it is not known."""
        return self.standing.line or ""


class Session:
    """One person's way through the queue of a folder. Everything is read from the folder, so it can be left any time.

    Raises ValueError where the folder holds no documents.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.queue = queue(folder)
        self._readings: dict[str, set[tuple[str, str]]] = {}  # of documents by their ids, so that none is read again

    def view(self, place: int) -> View:
        """The field at a place of the queue."""
        identity, name = self.queue[place]
        document = read_document(self.folder, identity)
        field = field_of(document, name)
        self._readings[identity] = readings(document)
        now = standing(document, field, decisions_on(self.folder, document))
        return View(place, document, field, pages(document)[field["page"]], now)

    def decided(self) -> list[bool]:
        """For each place of the queue whether somebody has decided it."""
        decided = set()
        for identity in {identity for identity, _ in self.queue}:
            if made := read_decisions(self.folder, identity):
                if identity not in self._readings:
                    self._readings[identity] = readings(read_document(self.folder, identity))
                held = self._readings[identity]
                decided |= {(identity, each.field) for each in made if (each.field, each.reading) in held}
        return [place in decided for place in self.queue]

    def next_open(self, after: int = -1) -> int | None:
        """The next place behind `after` that nobody has decided, after the last from the first on; None: all are."""
        decided = self.decided()
        order = [*range(after + 1, len(decided)), *range(min(after + 1, len(decided)))]
        return next((place for place in order if not decided[place]), None)

    def accept(self, view: View, by: str) -> None:
        """The page says what is shown. Raises DecidedMeanwhile, like the two below."""
        if view.columns == view.field["columns"]:
            self._decide(view, by, decision="accept")
        else:  # an earlier correction is what is accepted
            self._decide(view, by, decision="correct", columns=view.columns, text=view.standing.line)

    def absent(self, view: View, by: str) -> None:
        """The page does not say this."""
        self._decide(view, by, decision="absent")

    def correct(self, view: View, by: str, texts: dict[str, str], line: str) -> None:
        """The page says `texts` instead, in a line that reads `line`."""
        text = line if view.standing.line is not None else None
        self._decide(view, by, decision="correct", columns=parsed(texts, view.columns), text=text)

    def _decide(self, view: View, by: str, **answer) -> None:
        decide(self.folder, view.document, Decision(view.field["id"], by=by.strip(), **answer), view.standing)


def proposed_line(view: View, texts: dict[str, str]) -> str | None:
    """How the printed line reads with these columns; None where a person has to say so."""
    return corrected_line(view.line, shown(view.columns), texts)
