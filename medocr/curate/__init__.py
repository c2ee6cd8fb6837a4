"""Which pages are fit for training: gates with named reasons, then the balance of medical and general pages.

Every item that goes in comes out as a kept page or as a `Rejection`. Reasons given here: `empty`,
`unreadable`, `truncated`, `bomb`, `too_small`, `too_narrow`, `blank`, `label_empty`, `label_too_long`,
`label_markers`, `exact_duplicate`, `near_duplicate`, `balance`. Sources add reasons of their own.
"""

import dataclasses
import io
import random
import typing
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from .. import ocr, storage
from ..schema import Page, Rejection, check_types
from . import duplicates, gates
from .gates import Limits

IN_FLIGHT = 64  # pages decoded ahead of the reader
DOMAINS = ("medical", "general")
BALANCE_TOLERANCE = 0.01  # of the medical share


@dataclasses.dataclass(frozen=True)
class Curated:
    """What came of the inputs.

    `counts` holds `inputs`, `kept`, `rejected` (reason → n) and `table`: rows of source, doc_type, outcome
    (`kept` or a reason) and n, which add up to `inputs`; doc_type is empty for what never became a page.
    """

    kept: list[Page]
    rejected: list[Rejection]
    counts: dict

    def require_pages(self) -> "Curated":
        """This, or ValueError with the reasons when no page is left."""
        if not self.kept:
            reasons = ", ".join(f"{n} {reason}" for reason, n in self.counts["rejected"].items())
            raise ValueError(
                f"no page left: {self.counts['inputs']} inputs, {len(self.rejected)} rejected ({reasons or 'none'}). "
                "Look at the rejections for each one's reason"
            )
        return self


def curate(
    items: Iterable[Page | Rejection],
    *,
    medical_share: float | None = 0.6,
    keep_copies: bool = False,
    turn_upright: bool = False,
    seed: int = 3407,
    workers: int = 2,
    **limits,
) -> Curated:
    """Take pages through the gates of `gates.Limits` (whose fields are the further options), then balance.

    Of pages that are there twice the first is kept, or the labelled one; all of them with `keep_copies`. The balance
    draws, by `seed`, from the domain that exceeds its share until medical pages are `medical_share` of medical and
    general ones. It drops nothing when the share is within BALANCE_TOLERANCE already, when a domain is missing
    altogether, or when `medical_share` is None; pages of unknown domain stay and do not count.

    With `turn_upright`, pages that lie on their side or stand on their head are turned, and kept so: RapidOCR decides,
    which takes about a second a page.

    Raises ValueError for an unknown or impossible option.
    """
    limits = _limits(limits)
    if medical_share is not None and not 0 < medical_share < 1:
        raise ValueError(f"medical_share is {medical_share}: give a share between 0 and 1, or None for no balance")
    pages, hashes, outcomes, rejected = [], [], [], []
    looked_at = _looked_at(items, limits, workers, turn_upright)
    for item, look in tqdm(looked_at, "turned upright", unit="page", leave=False, disable=not turn_upright):
        if isinstance(item, Rejection):
            rejected.append(item)
            outcomes.append((item.source, "", item.reason))
        elif look.problem:
            rejected.append(Rejection(item.origin, item.source, *look.problem))
            outcomes.append((item.source, item.doc_type, look.problem[0]))
        else:
            pages.append(item)
            hashes.append(look.hash)
    dropped = {} if keep_copies else _duplicates(pages, hashes, limits.max_hash_distance_bits)
    dropped |= _balance(pages, dropped, medical_share, seed)
    for i, page in enumerate(pages):
        if i in dropped:
            rejected.append(Rejection(page.origin, page.source, *dropped[i]))
        outcomes.append((page.source, page.doc_type, dropped[i][0] if i in dropped else "kept"))
    kept = [page for i, page in enumerate(pages) if i not in dropped]
    return Curated(kept, rejected, _counts(outcomes))


def _limits(options: dict) -> Limits:
    names = [field.name for field in dataclasses.fields(Limits)]
    for name, value in options.items():
        if name not in names:
            raise ValueError(f"curate has no limit {name!r}: it knows {', '.join(names)}")
        check_types({name: value}, typing.get_type_hints(Limits))
        if value < 0:
            raise ValueError(f"{name} is {value}: give 0 or more")
    return Limits(**options)


def _looked_at(
    items: Iterable[Page | Rejection], limits: Limits, workers: int, turn_upright: bool
) -> Iterator[tuple[Page | Rejection, gates.Look | None]]:
    """Each item, upright where asked for, with what its page looks like, in order; the work runs in threads."""

    def look(item: Page | Rejection) -> tuple[Page | Rejection, gates.Look | None]:
        if isinstance(item, Rejection):
            return item, None
        seen = gates.look(item, limits)
        if turn_upright and not seen.problem and (turned := _turned(item)) is not item:
            return turned, gates.look(turned, limits)
        return item, seen

    with ThreadPoolExecutor(workers) as pool:
        for batch in storage.batches(items, IN_FLIGHT):
            yield from pool.map(look, batch)


def _turned(page: Page) -> Page:
    """The page as it is to be read; the very same where it stands upright."""
    image, turn = ocr.upright(page.open())
    if not turn:
        return page
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return dataclasses.replace(page, image=buffer.getvalue(), turn=turn, id="")


def _duplicates(pages: list[Page], hashes: list[np.ndarray], max_bits: int) -> dict[int, gates.Problem]:
    """Index → problem of every page that repeats another."""
    copies = duplicates.exact(pages)
    problems = {}
    for i, first in copies.items():
        other = "; its label differs" if pages[i].text not in (None, pages[first].text) else ""
        problems[i] = ("exact_duplicate", f"the same bytes as {pages[first].origin}{other}")
    rest = [i for i in range(len(pages)) if i not in copies]
    if len(rest) > 1:
        repeats = duplicates.near([pages[i] for i in rest], np.stack([hashes[i] for i in rest]), max_bits)
        for i, first in repeats.items():
            problems[rest[i]] = ("near_duplicate", f"the same page as {pages[rest[first]].origin}")
    return problems


def _balance(pages: list[Page], dropped: dict, share: float | None, seed: int) -> dict[int, gates.Problem]:
    """Index → problem of the pages that exceed their domain's share."""
    of = {name: [i for i, p in enumerate(pages) if i not in dropped and p.domain == name] for name in DOMAINS}
    medical, general = of["medical"], of["general"]
    if share is None or not medical or not general:
        return {}
    present = len(medical) / (len(medical) + len(general))
    if abs(present - share) <= BALANCE_TOLERANCE:
        return {}
    if present > share:
        surplus, target = medical, round(len(general) * share / (1 - share))
    else:
        surplus, target = general, round(len(medical) * (1 - share) / share)
    drawn = random.Random(seed).sample(surplus, max(len(surplus) - max(target, 1), 0))
    detail = f"{present:.1%} of the pages were medical, {share:.0%} are wanted"
    return dict.fromkeys(drawn, ("balance", detail))


def _counts(outcomes: list[tuple[str, str, str]]) -> dict:
    table = Counter(outcomes)
    reasons = Counter(outcome for _, _, outcome in outcomes)
    kept = reasons.pop("kept", 0)
    return {
        "inputs": len(outcomes),
        "kept": kept,
        "rejected": dict(reasons.most_common()),
        "table": [
            {"source": source, "doc_type": doc_type, "outcome": outcome, "n": n}
            for (source, doc_type, outcome), n in sorted(table.items())
        ],
    }
