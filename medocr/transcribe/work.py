"""One call of `transcribe`: who is asked for what, and what came of it."""

import dataclasses
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import fmean

import numpy as np
from tqdm import tqdm

from ..schema import Page, Rejection
from ..storage import bare, batches
from . import batch, dispatch, labelling
from .client import Fault
from .labelling import Fate, Judge, Labelled, label_quality
from .store import Answer, Provider

MOST_SHOWN = 200  # pages set aside by disagreement whose texts the report keeps, to be looked at


@dataclasses.dataclass
class Work:
    """The pages of one call, and what is known of them so far."""

    pages: Iterable[Page]
    judge: Judge
    progress: bool
    rows: dict[str, dict] = dataclasses.field(default_factory=dict)
    new: set[str] = dataclasses.field(default_factory=set)  # read in this call
    seconds: float = 0.0

    def unread(self) -> Iterator[Page]:
        """The pages without text, without their images where these would have to be read from a file."""
        return (page for page in bare(self.pages) if page.text is None)

    def ask(self, asked: Sequence[Provider], which: Callable[[Fate], bool] | None = None) -> None:
        """Get the answers that pages lack of these providers into the store; only of those that `which` is true of."""
        if not asked:
            return
        for provider in asked:
            self.rows.setdefault(provider.name, _row(provider))
        jobs = {job.id: job for job in self._lacking(asked)}
        if jobs and which:
            chosen = {fate.source.id for fate in self.judge.fates(self.unread()) if which(fate)}
            jobs = {page_id: job for page_id, job in jobs.items() if page_id in chosen}
        if not jobs:
            return
        started = time.perf_counter()
        bar = tqdm(
            total=sum(job.needed for job in jobs.values()),
            desc=" + ".join(provider.name for provider in asked),
            unit="page",
            leave=False,
            disable=not self.progress,
        )
        with bar:
            self._read(asked, self._with_images(jobs), bar)
        seconds = time.perf_counter() - started
        self.seconds += seconds
        for provider in asked:
            self.rows[provider.name]["seconds"] += seconds

    def _lacking(self, asked: Sequence[Provider]) -> Iterator[dispatch.Job]:
        """The pages that want (further) answers of these providers, still without their images."""
        store, agreement = self.judge.store, self.judge.agreement
        for part in batches(self.unread(), labelling.TOGETHER):
            ids = [page.id for page in part]
            lacking = {provider.name: set(store.missing(provider, ids)) for provider in asked}
            for page in part:
                page = self.judge.protected(page)
                allowed = {provider.name for provider in asked if labelling.may_read(provider, page)}
                left = {name for name in allowed if page.id in lacking[name]}
                stored = sum(page.id not in of_provider for of_provider in lacking.values())
                needed = 2 if len(allowed) > 1 and agreement.drawn(page.id) else 1
                if left and stored < needed:
                    yield dispatch.Job(page.id, b"", left, needed - stored)

    def _with_images(self, jobs: dict[str, dispatch.Job]) -> Iterator[dispatch.Job]:
        for page in self.pages:
            if job := jobs.pop(page.id, None):
                yield dataclasses.replace(job, image=page.image)

    def _read(self, asked: Sequence[Provider], jobs: Iterator[dispatch.Job], bar: tqdm) -> None:
        def seen(provider: Provider, image: str, answer: Answer | Fault) -> None:
            row = self.rows[provider.name]
            paid = answer.paid if isinstance(answer, Fault) else answer
            for name in ("prompt_tokens", "answer_tokens", "cost"):
                row[name] += getattr(paid, name, None) or 0
            if isinstance(answer, Fault):
                row["faults"][answer.kind] += 1
                return
            self.new.add(image)
            row["read"] += 1
            row["latencies"].append(answer.seconds or 0.0)
            if reason := labelling.flaw(provider, answer):
                row["unusable"][reason] += 1
            spent = sum(of_provider["cost"] for of_provider in self.rows.values())
            bar.set_postfix_str(f"cost {spent:.2f}" if spent else "", refresh=False)
            bar.update()

        provider = asked[0]
        if provider.local:
            self._read_here(provider, jobs, seen)
        elif provider.batch:
            failed, dropped = batch.read(jobs, provider, self.judge.store, seen)
            self.judge.failed |= failed
            self.rows[provider.name]["dropped"] = dropped
        else:
            clients, failed = dispatch.read(jobs, asked, self.judge.store, seen)
            self.judge.failed |= failed
            for client in clients:
                self.rows[client.provider.name] |= {"dropped": client.dropped, "most_in_flight": client.window.peak}

    def _read_here(self, provider: Provider, jobs: Iterator[dispatch.Job], seen: Callable) -> None:
        for image, answer in provider.answers((job.id, job.image) for job in jobs):
            if answer.finish == "error":
                self.judge.failed[image] = f"{provider.name}: {answer.detail}"
                seen(provider, image, Fault("error", "it could not read the page"))
            else:
                self.judge.store.put(provider, image, answer)
                seen(provider, image, answer)

    def result(self) -> tuple[Labelled, dict]:
        """The labelled pages, and the report."""
        judge = self.judge
        judge.expected = _expected(judge.fates(page for page in self.unread() if judge.agreement.drawn(page.id)))
        counts = {"pages": 0, "had_text": 0, "from_store": 0, "label_origins": Counter(), "reasons": Counter()}
        listed = {"set_aside": [], "agreement": [], "disagreements": []}
        scored = []
        for fate in judge.fates(bare(self.pages)):
            self._count(fate, counts, listed)
            if fate.source.text is None and isinstance(fate.page, Page):
                scored += label_quality([fate.page])
        rows = [_finished(row) for row in self.rows.values()]
        read = sum(row["read"] for row in rows)
        report = {
            **counts,
            "labelled": counts["pages"] - counts["had_text"] - len(listed["set_aside"]),
            "read": read,
            "seconds": self.seconds,
            "pages_per_second": read / self.seconds if read else None,
            "cost": sum(row["cost"] for row in rows),
            "quality": {"pages": len(scored)} | {name: _mean(scored, name) for name in ("cer", "exact")},
            **listed,
            "providers": rows,
        }
        return Labelled(self.pages, judge), report

    def _count(self, fate: Fate, counts: dict, listed: dict[str, list]) -> None:
        page, made = fate.source, fate.page
        counts["pages"] += 1
        counts["had_text"] += page.text is not None
        if isinstance(made, Page):
            counts["label_origins"][made.label_origin or "unknown"] += 1
            counts["from_store"] += page.text is None and page.id not in self.new
        else:
            counts["reasons"][made.reason] += 1
            listed["set_aside"].append({"id": page.id, **dataclasses.asdict(made)})
        if fate.compared:
            outcome = "settled" if len(fate.readers) > 2 else "agreed"
            outcome = "set aside" if isinstance(made, Rejection) else outcome
            known = {"id": page.id, "origin": page.origin, "doc_type": page.doc_type, "outcome": outcome}
            listed["agreement"].append({**known, **fate.compared})
            if outcome == "set aside" and len(listed["disagreements"]) < MOST_SHOWN:
                listed["disagreements"].append({"id": page.id, "readers": fate.readers, "texts": fate.texts})


def _mean(rows: list[dict], name: str) -> float | None:
    return round(fmean(row[name] for row in rows), 6) if rows else None


def _finished(row: dict) -> dict:
    """A provider's row as it is kept: rates and latencies in place of each request's seconds."""
    latencies = row.pop("latencies")
    row["failed"] = sum(row["faults"].values())
    row["pages_per_second"] = row["read"] / row["seconds"] if row["seconds"] else None
    for name, share in (("median", 50), ("p95", 95)):
        row[f"latency_{name}_s"] = float(np.percentile(latencies, share)) if latencies else None
    return row


def _row(provider: Provider) -> dict:
    counts = dict.fromkeys(("read", "seconds", "prompt_tokens", "answer_tokens", "cost"), 0)
    named = {"provider": provider.name, "label_origin": provider.label_origin}
    return {**named, **counts, "faults": Counter(), "unusable": Counter(), "dropped": "", "latencies": []}


def _expected(fates: Iterable[Fate]) -> dict[str, float]:
    """Mean agreement of each origin's labels: the confidence of those of its pages that were read once."""
    agreements = defaultdict(list)
    for fate in fates:
        if fate.compared:
            for origin in fate.readers[:2]:
                agreements[origin].append(min(fate.compared["text"], fate.compared["numbers"]))
    return {origin: fmean(values) for origin, values in agreements.items()}
