"""From stored answers to labels: what becomes of every page, worked out anew from the store each time."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from .. import metrics
from ..schema import Page, Rejection
from ..storage import batches
from . import cleaning, providers
from .agreement import WHOLLY, Agreement, compare, numbers
from .store import Answer, Provider, Store

TOGETHER = 256  # pages whose answers are looked up at once
GIVEN = ("annotation", "synthetic", "truth")  # labels that nobody had to read from the image


@dataclasses.dataclass
class Fate:
    """What became of one page: a page with text, or the reason why not; and how far two readers agreed, if two did."""

    source: Page  # as it came
    page: Page | Rejection
    compared: dict[str, float] | None = None
    readers: tuple[str, ...] = ()  # of both readings, and of the third where one settled it
    texts: tuple[str, ...] = ()

    @property
    def unlabelled(self) -> bool:
        """Whether nobody could read the page so far."""
        return isinstance(self.page, Rejection) and not self.compared

    @property
    def disputed(self) -> bool:
        """Whether two readers disagree on it."""
        return isinstance(self.page, Rejection) and self.compared is not None

    @property
    def read_once(self) -> bool:
        return isinstance(self.page, Page) and not self.compared


@dataclasses.dataclass
class Judge:
    """Decides by the store alone, so that a rerun decides the same. `failed` (id → fault) words the rejections."""

    readers: Sequence[Provider]  # the first with a usable answer gives the label
    store: Store
    agreement: Agreement
    least: float  # confidence that a reading must reach to become a label, where its reader gives one
    held: Collection[str]  # ids of pages of which a copy may hold health information: all copies stay here
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    expected: Mapping[str, float] = dataclasses.field(default_factory=dict)  # label_origin → mean agreement

    def protected(self, page: Page) -> Page:
        """A page that is taken to hold health information where a copy of it is."""
        return dataclasses.replace(page, contains_phi=True) if page.id in self.held else page

    def fates(self, pages: Iterable[Page]) -> Iterator[Fate]:
        """What becomes of each page, in their order; pages that have text pass as they are."""
        asked = [*self.readers, *([self.agreement.third] if self.agreement.third else [])]
        for batch in batches(pages, TOGETHER):
            ids = [page.id for page in batch if page.text is None]
            stored = [(reader, self.store.answers(reader, ids)) for reader in asked]
            for page in batch:
                answers = [(reader, of_reader[page.id]) for reader, of_reader in stored if page.id in of_reader]
                yield Fate(page, page) if page.text is not None else self._decide(page, answers)

    def _decide(self, page: Page, answers: list[tuple[Provider, Answer]]) -> Fate:
        read = [(reader, text(reader, answer), answer) for reader, answer in answers if not flaw(reader, answer)]
        usable = [entry for entry in read if entry[0] in self.readers]
        if not usable:
            return Fate(page, self._rejected(page, answers))
        if (sure := usable[0][2].confidence) is not None and sure < self.least:
            detail = f"{usable[0][0].label_origin} is {sure:.2f} sure, less than {self.least:g}"
            return Fate(page, Rejection(page.origin, page.source, "low_confidence", detail))
        if len(usable) < 2 or not self.agreement.drawn(page.id):
            return Fate(page, self._labelled(page, *usable[0]))
        first, second = usable[:2]
        compared = compare(first[1], second[1])
        names, texts = (first[0].label_origin, second[0].label_origin), (first[1], second[1])
        if self.agreement.holds(compared):
            return Fate(page, self._labelled(page, *first, compared), compared, names, texts)
        if third := next((entry for entry in read if entry[0] is self.agreement.third), None):
            settled = [entry for entry in (first, second) if numbers(entry[1]) == numbers(third[1])]
            if len(settled) != 1 and self.agreement.settles(*texts, third[1]):
                settled = [first]
            if len(settled) == 1:
                labelled = self._labelled(page, *settled[0], compared)
                return Fate(page, labelled, compared, (*names, third[0].label_origin), (*texts, third[1]))
        differing = [name for name in WHOLLY if compared[name] < 1]
        detail = ", ".join(f"{name} {compared[name]:.2f}" for name in ("text", *differing))
        rejected = Rejection(page.origin, page.source, "readers_disagree", f"{names[0]} and {names[1]}: {detail}")
        return Fate(page, rejected, compared, names, texts)

    def _labelled(
        self, page: Page, reader: Provider, transcript: str, answer: Answer, compared: dict | None = None
    ) -> Page:
        confidence = answer.confidence
        if confidence is None:
            agreed = min(compared["text"], compared["numbers"]) if compared else None
            confidence = self.expected.get(reader.label_origin) if agreed is None else agreed
        return dataclasses.replace(page, text=transcript, label_origin=reader.label_origin, confidence=confidence)

    def _rejected(self, page: Page, answers: list[tuple[Provider, Answer]]) -> Rejection:
        reason, detail = "transcription_failed", self.failed.get(page.id, "no provider answered")
        if answers:
            reader, answer = answers[0]
            reason, detail = flaw(reader, answer), f"{reader.label_origin} answered {len(answer.text):,} characters"
            return Rejection(page.origin, page.source, reason, detail)
        if page.id not in self.failed and not any(may_read(reader, self.protected(page)) for reader in self.readers):
            reason, detail = "not_disclosed", providers.refusal(self.readers)
        return Rejection(page.origin, page.source, reason, detail)


class Labelled:
    """The pages that have text, in order and as often as asked for; read and joined with their answers on the way."""

    def __init__(self, pages: Iterable[Page], judge: Judge) -> None:
        self._pages, self._judge = pages, judge

    def __iter__(self) -> Iterator[Page]:
        return (fate.page for fate in self._judge.fates(self._pages) if isinstance(fate.page, Page))


def may_read(reader: Provider, page: Page) -> bool:
    """Whether a reader may have a page: those on this machine may have all."""
    return reader.local or reader.may_read(page)


def text(reader: Provider, answer: Answer) -> str:
    """What the answer says of the page; only a model that is prompted wraps it in words of its own."""
    return cleaning.clean(answer.text) if reader.prompt else answer.text


def flaw(reader: Provider, answer: Answer) -> str:
    """Why an answer is no label, by name; nothing where it is one."""
    if reader.prompt:
        return cleaning.flaw(answer)
    if answer.finish != "stop":
        return "cut_off" if answer.finish == "length" else "transcription_failed"
    return "" if answer.text.strip() else "empty_transcript"


def label_quality(pages: Iterable[Page]) -> list[dict]:
    """How near the transcripts are to the truth: a row for each page that was read and whose text is known.

    `cer` and `wer` are shares of the truth's characters and words, `exact` is 1 for a page without a mistake.
    """
    rows = []
    for page in pages:
        if page.text is None or page.truth is None or page.label_origin in GIVEN:
            continue
        known = {"id": page.id, "origin": page.origin, "doc_type": page.doc_type, "confidence": page.confidence}
        scores = metrics.score_text(page.truth, page.text)
        rows.append({**known, **{name: scores[name] for name in ("cer", "wer", "exact")}})
    return rows
