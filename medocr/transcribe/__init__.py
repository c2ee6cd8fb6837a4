"""Text for the pages that came without: a provider reads them, the store keeps its answers, the report counts them."""

import dataclasses
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from tqdm import tqdm

from .. import metrics
from ..schema import Page, Rejection
from .rapid import RapidOcr
from .store import Answer, Provider, Store

__all__ = ["Answer", "Provider", "RapidOcr", "Store", "label_quality", "measure_speed", "transcribe"]

GIVEN = ("annotation", "synthetic", "truth")  # labels that nobody had to read from the image


def transcribe(
    pages: Iterable[Page], providers: Sequence[Provider], store: Store, *, progress: bool = True
) -> tuple[list[Page], dict]:
    """Give text to the pages that have none; returns the pages with text, and a report.

    Pages that already have text pass through as they are, and the order is kept. The first provider is
    asked for what `store` does not hold yet, a further one for what the one before failed on. A page
    without an answer is set aside under a name in `report["set_aside"]`, and asked for again on a rerun;
    one whose answer is empty is set aside as well, and not asked for again.

    Raises ValueError when a provider would send pages away from this machine, or when pages need one and
    there is none.
    """
    pages = list(pages)
    unread = {page.id: page for page in pages if page.text is None}
    _check(providers, unread)
    labels: dict[str, tuple[Provider, Answer]] = {}
    failures: dict[str, Answer] = {}
    rows = []
    for provider in providers:
        todo = [page for page in unread.values() if page.id not in labels]
        rows.append(_ask(provider, todo, store, labels, failures, progress))
    kept, set_aside = [], []
    for page in pages:
        found = page if page.text is not None else _label(page, labels, failures)
        (kept if isinstance(found, Page) else set_aside).append(found)
    return kept, _report(pages, kept, set_aside, rows)


def _check(providers: Sequence[Provider], unread: dict[str, Page]) -> None:
    for provider in providers:
        if not provider.local:
            raise ValueError(f"{provider.name} is not on this machine: pages are read by local providers only")
    if unread and not providers:
        raise ValueError(f"{len(unread)} pages have no text and no provider is named to read them: add RapidOcr()")


def _ask(provider: Provider, pages: list[Page], store: Store, labels, failures, progress: bool) -> dict:
    """Have one provider read what the store lacks; adds to `labels` and `failures`, returns its row of the report."""
    missing = set(store.missing(provider, [page.id for page in pages]))
    started = time.perf_counter()
    images = ((page.id, page.image) for page in pages if page.id in missing)
    answers = tqdm(
        provider.answers(images), provider.name, len(missing), unit="page", leave=False, disable=not progress
    )
    finishes: Counter[str] = Counter()
    for image, answer in answers:
        finishes[answer.finish] += 1
        if answer.finish == "error":
            failures[image] = answer
        else:
            store.put(provider, image, answer)
    seconds = time.perf_counter() - started
    for page in pages:
        answer = store.get(provider, page.id)
        if answer:
            labels[page.id] = provider, answer
    return {
        "provider": provider.label_origin,
        "read": len(missing),
        "from_store": len(pages) - len(missing),
        "failed": finishes["error"],
        "seconds": seconds,
        "pages_per_second": len(missing) / seconds if missing else None,
    }


def _label(page: Page, labels, failures) -> Page | Rejection:
    if page.id not in labels:
        detail = failures[page.id].detail if page.id in failures else "no provider answered"
        return Rejection(page.origin, page.source, "transcription_failed", detail)
    provider, answer = labels[page.id]
    if answer.finish != "stop":
        return Rejection(page.origin, page.source, "transcription_failed", f"the answer ended in {answer.finish!r}")
    if not answer.text.strip():
        return Rejection(page.origin, page.source, "empty_transcript", f"{provider.name} found no text")
    return dataclasses.replace(
        page, text=answer.text, label_origin=provider.label_origin, confidence=answer.confidence
    )  # fmt: skip


def _report(pages: list[Page], kept: list[Page], set_aside: list[Rejection], rows: list[dict]) -> dict:
    seconds = sum(row["seconds"] for row in rows)
    read = sum(row["read"] for row in rows)
    labelled = Counter(page.label_origin or "unknown" for page in kept)
    return {
        "pages": len(pages),
        "had_text": sum(page.text is not None for page in pages),
        "labelled": sum(page.text is None for page in pages) - len(set_aside),
        "read": read,
        "from_store": sum(row["from_store"] for row in rows),
        "seconds": seconds,
        "pages_per_second": read / seconds if read else None,
        "label_origins": dict(labelled),
        "reasons": dict(Counter(rejection.reason for rejection in set_aside)),
        "set_aside": [dataclasses.asdict(rejection) for rejection in set_aside],
        "providers": rows,
    }


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


def measure_speed(pages: Sequence[Page], processes: Sequence[int] = (1, 2)) -> list[dict]:
    """How fast RapidOCR reads these pages in so many processes, not counting the time they take to start."""
    images = [page.image for page in pages]
    if not images:
        raise ValueError("there are no pages to measure the speed of reading with")
    rows = []
    for count in processes:
        with RapidOcr(count) as reader:
            reader.read(images[:1] * 8)  # starts the processes and loads the models
            started = time.perf_counter()
            reader.read(images)
            seconds = time.perf_counter() - started
        rows.append({"processes": count, "pages": len(images), "seconds": seconds})
    for row in rows:
        row["pages_per_second"] = row["pages"] / row["seconds"]
        row["speed_up"] = rows[0]["seconds"] / row["seconds"]
    return rows
