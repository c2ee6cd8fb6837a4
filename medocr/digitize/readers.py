"""Who reads: a merged model folder, RapidOCR, or a server of the OpenAI protocol; with its name and hash."""

import contextlib
import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .. import read, storage
from ..read import PageRecord
from ..schema import Page, Rejection
from ..transcribe import OpenAIProvider, Store, Tesseract, cleaning, tesseract
from ..transcribe.agreement import doubted
from ..transcribe.single import FIRST_LISTED, first_listed, read_page
from ..transcribe.store import Answer

Item = Page | Rejection
Read = tuple[Item, PageRecord | str | None]  # what was read: a record, `reason: detail`, or None for a rejection
STORE = "answers.sqlite"
PARTIAL = {"cut_off": "length", "repetition_loop": "loop"}  # flaws of an answer that has read a part of the page
WITH_TESSERACT = "+tesseract"  # behind a reader's name: its numbers are read again
TOGETHER = 64  # pages that a model is given at once
DOUBTED = "read otherwise by Tesseract"
CEILING = 0.5  # of the confidence of a line with a doubted number


@dataclasses.dataclass(frozen=True)
class Reader:
    """Something that reads pages: as `read.reader`, items in, pairs of each and what was read on it out.

    `hash` tells one model from another: what was calibrated for one holds for no other. `sent_to` is the address that
    pages go to, None where they stay in this process.
    """

    name: str
    hash: str
    read: Callable[[Iterable[Item]], Iterable[Read]]
    sent_to: str | None = None

    @property
    def about(self) -> dict[str, str]:
        return {"name": self.name, "hash": self.hash}


def open_reader(name: str, jobs: int = 1, *, store: str | Path = "", **server) -> Reader:
    """A reader by the folder of a merged model, a Hub name, `tiny`, `rapidocr`, or an http(s) address.

    With `+tesseract` behind it, Tesseract reads every page's numbers again (`checked`).

    `server` holds settings of an address's `transcribe.OpenAIProvider` (model, may_receive, phi_agreement,
    key_variable); its answers are kept in `store`, so that no page is sent twice. Raises ValueError where there is no
    such model, or settings are given that do not fit.
    """
    if name.endswith(WITH_TESSERACT):
        return checked(open_reader(name.removesuffix(WITH_TESSERACT), jobs, store=store, **server))
    server = {setting: value for setting, value in server.items() if value}
    if name.startswith(("http://", "https://")):
        return _server(name, jobs, Path(store or STORE), server)
    if server:
        raise ValueError(f"{', '.join(sorted(server))} is for the address of a server; {name} reads here")
    if not read.is_rapidocr(name) and jobs != 1:
        raise ValueError("--jobs is for rapidocr: a model uses all cores by itself")
    return Reader(Path(name).name if Path(name).is_dir() else name, read.identity(name), read.reader(name, jobs))


def model_reader(folder: str | Path, *, device: str = "auto", max_new_tokens: int, batch_size: int) -> Reader:
    """A reader by a merged model's folder, of pages that are known to stand upright, as drawn ones do."""
    from .. import model as models

    model, processor = models.load(folder, device=device)
    options = {"max_new_tokens": max_new_tokens, "batch_size": batch_size}
    pages = read.reading_by(model, processor, lambda page: (page, None), TOGETHER, **options)
    return Reader(Path(folder).name, storage.model_hash(folder), pages)


def seconded(first: Reader, second: Reader) -> Reader:
    """The first reader, whose fields the second is asked about as well: what both read alike needs no person sooner.

    A model that `open_reader` opens is seconded by RapidOCR anyway, which looks at each page to see which way up it is.
    """

    def pages(items: Iterable[Item]) -> Iterator[Read]:
        for_first, for_second = itertools.tee(items)
        for (item, record), (_, seen) in zip(first.read(for_first), second.read(for_second), strict=True):
            both = isinstance(record, PageRecord) and isinstance(seen, PageRecord) and record.turn == seen.turn
            yield item, dataclasses.replace(record, seen=seen.lines) if both else record

    return dataclasses.replace(first, read=pages)


def remembering(reader: Reader) -> Reader:
    """A reader that reads no page twice: for one that reads by itself and seconds another."""
    known: dict[str, PageRecord | str | None] = {}

    def pages(items: Iterable[Item]) -> Iterator[Read]:
        items = list(items)
        new = [item for item in items if isinstance(item, Page) and item.id not in known]
        known.update((item.id, result) for item, result in reader.read(new))
        yield from ((item, known.get(getattr(item, "id", ""))) for item in items)

    return dataclasses.replace(reader, read=pages)


def checked(reader: Reader) -> Reader:
    """A reader whose numbers Tesseract reads again, twice, at two sizes. Raises ValueError where it is not installed.

    A line with a number that Tesseract does not read alike is not sure and says so, and so do the fields on it.
    RapidOCR is not asked again: it misreads alike at every size (results/bench/numbers.json).
    """
    named = f"{reader.hash} {Tesseract().label_origin}"

    def pages(items: Iterable[Item]) -> Iterator[Read]:
        for item, result in reader.read(items):
            yield item, _checked(item, result) if isinstance(result, PageRecord) and isinstance(item, Page) else result

    digest = hashlib.sha256(named.encode()).hexdigest()
    return dataclasses.replace(reader, name=f"{reader.name}{WITH_TESSERACT}", hash=digest, read=pages)


def _checked(item: Page, record: PageRecord) -> PageRecord:
    page = item.open()
    page = page.rotate(-record.turn, expand=True) if record.turn else page
    lines, looks = [line["text"] for line in record.lines], []
    doubts = doubted(lines)
    for scale in (1.0, tesseract.THIRD_SIZE):
        if any(doubts):
            with contextlib.suppress(ValueError):  # where Tesseract fails, it confirms nothing
                looks.append(tesseract.read_page(page, scale).splitlines())
            doubts = doubted(lines, *looks)
    marked = []
    for line, left in zip(record.lines, doubts, strict=True):
        sure, mark = line["confidence"], line.get("mark") or f"{DOUBTED}: {', '.join(dict.fromkeys(left))}"
        marked.append(line | {"confidence": sure and min(sure, CEILING), "mark": mark} if left else line)
    return dataclasses.replace(record, lines=marked)


def _server(address: str, jobs: int, store: Path, settings: dict) -> Reader:
    provider = OpenAIProvider(**{"name": "server", "model": FIRST_LISTED, **settings}, base_url=address)
    if jobs != 1:
        raise ValueError("--jobs is for rapidocr: a server reads one page after another here")
    failure = ""
    if provider.model == FIRST_LISTED and (provider.on_this_machine or provider.may_receive):
        try:  # by now, since its name is a part of what the reader is known by
            provider = dataclasses.replace(provider, model=first_listed(provider))
        except ValueError as error:
            failure = f"no_answer: {error}"
    named = hashlib.sha256(f"{address} {provider.model}".encode()).hexdigest()

    def pages(items: Iterable[Item]) -> Iterator[Read]:
        store.parent.mkdir(parents=True, exist_ok=True)
        with Store(store) as answers:
            store.chmod(0o600)
            for item in items:
                yield item, None if isinstance(item, Rejection) else failure or _ask(item, provider, answers)

    name = provider.model if provider.model != FIRST_LISTED else "server"
    return Reader(name, named, pages, None if provider.on_this_machine else address)


def _ask(page: Page, provider: OpenAIProvider, answers: Store) -> PageRecord | str:
    """A page's answer, kept or asked for; `reason: detail` where there is none."""
    answer = answers.get(provider, page.id)
    if answer is None:
        try:
            answer = read_page(page, provider)
        except ValueError as error:
            return f"no_answer: {error}"
        answers.put(provider, page.id, answer)
    return _record(answer)


def _record(answer: Answer) -> PageRecord | str:
    """What an answer says of the page, without a model's own words; of a refusal and the like, its name."""
    flaw = cleaning.flaw(answer)
    if flaw and flaw not in PARTIAL:
        return f"{flaw}: {answer.detail or 'the server gave no reading of this page'}"
    text = cleaning.clean(answer.text)
    lines = [{"text": line, "box": None, "confidence": None} for line in text.splitlines() if line.strip()]
    finish = PARTIAL.get(flaw, "stop")
    return PageRecord(text, lines, 0, answer.confidence, answer.lowest, finish, answer.seconds or 0.0)
