"""Pages drawn with known text and fields: the embedded source.

Every page comes from a random state of its own, seeded by run seed, document type and index, so a page
is the same whoever draws it and whatever else is drawn.

`Page.fields` holds what the page says, as printed unless said otherwise:
- lab_report: `header`; `analytes` of name, value (float, or the word), unit (UCUM or None), low, high (floats or
  None), flag (HL7 interpretation code or None), and `printed`, the same row as the page shows it;
- prescription: `header`; `drugs` of drug, dose (float, or "500/125"), unit, strength, form, route, frequency,
  duration, amount (at a time), None where the page does not print one;
- form: `header`; `options` of question, label, ticked;
- receipt, invoice: issuer, date, number, …; `items`; subtotal, tax_rate, tax, total, currency.
"""

import io
import itertools
import multiprocessing
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from ...schema import Page
from . import form, general, lab, prescription
from .draw import Draft, arrange, paint, scan
from .templates import group

RECIPE = {"prescription": 1000, "lab_report": 426, "form": 36, "receipt": 500, "invoice": 500}

DRAWN_BY = {
    "prescription": prescription.prescription,
    "lab_report": lab.lab_report,
    "form": form.form,
    "receipt": general.receipt,
    "invoice": general.invoice,
}

RUN_GROUPS = range(120)  # what a run draws from
HELD_OUT_GROUPS = range(1120, 2000, 22)  # to test on: forty issuers, each with a template of its own

MOST_DRAFTS = 200
FORMS_APART = 1000  # forms beyond the groups asked for go on this much further up


def pages(
    counts: dict[str, int],
    seed: int = 3407,
    *,
    groups: Sequence[int] = RUN_GROUPS,
    unlabelled: Sequence[str] = ("lab_report", "form"),
    workers: int = 2,
) -> Iterator[Page]:
    """Draw `counts[doc_type]` pages of each type, in the order of `counts`.

    `groups` are the numbers of the template × issuer groups to draw from: pages from disjoint numbers
    share no group, and from different tens no template either. Each form is a group of its own, so that
    of their numbers the last three digits have to differ. Types in `unlabelled` come without `text` (as
    scans do), all with `truth` and `fields`. The pages do not depend on `workers`.

    Raises ValueError for an unknown type, a count below 0 or not whole, or an empty `groups`.
    """
    _check(counts, groups, unlabelled)
    plan = [
        (seed, doc_type, index, number, doc_type not in unlabelled)
        for doc_type, count in counts.items()
        for index, number in enumerate(_groups(doc_type, count, seed, groups))
    ]
    if workers < 2 or len(plan) < 64:
        yield from itertools.starmap(page, plan)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(page, *zip(*plan, strict=True), chunksize=32)


def page(seed: int, doc_type: str, index: int, number: int, labelled: bool = True) -> Page:
    """Draw one page for group `number`."""
    rng = random.Random(f"{seed}/{doc_type}/{index}/{number}")
    draft, image = _draw(doc_type, rng, number)
    return Page(
        image=image,
        origin=f"synthetic@{seed}#{doc_type}/{index}",
        source="synthetic",
        doc_type=doc_type,
        text=draft.text if labelled else None,
        truth=draft.text,
        fields=draft.fields,
        label_origin="synthetic" if labelled else None,
        group=group(doc_type, number),
        language="en",
        licence="CC0-1.0",
    )


def _draw(doc_type: str, rng: random.Random, number: int) -> tuple[Draft, bytes]:
    """Draw drafts until one fits, then paint and scan it as PNG."""
    for _ in range(MOST_DRAFTS):
        draft = DRAWN_BY[doc_type](rng, number)
        if sheet := arrange(draft):
            break
    else:
        raise RuntimeError(f"{group(doc_type, number)}: none of {MOST_DRAFTS} drafts fits a page: shorten its texts")
    clean = paint(sheet, ink=rng.randrange(0, 80), paper=rng.randrange(232, 256))
    file = io.BytesIO()
    scan(clean, rng).save(file, "PNG", compress_level=4)
    return draft, file.getvalue()


def _groups(doc_type: str, count: int, seed: int, groups: Sequence[int]) -> Iterator[int]:
    if doc_type == "form":
        return (groups[i % len(groups)] + FORMS_APART * (i // len(groups)) for i in range(count))
    shuffled = random.Random(f"{seed}/{doc_type}/groups").sample(groups, len(groups))
    return itertools.islice(itertools.cycle(shuffled), count)


def _check(counts: dict[str, int], groups: Sequence[int], unlabelled: Sequence[str]) -> None:
    for doc_type in (*counts, *unlabelled):
        if doc_type not in DRAWN_BY:
            raise ValueError(f"synthetic pages of type {doc_type!r} are unknown: choose from {', '.join(DRAWN_BY)}")
    for doc_type, count in counts.items():
        if not isinstance(count, int) or count < 0:
            raise ValueError(f"{doc_type}: {count!r} pages were asked for; the count must be a whole number, 0 or more")
    if not groups:
        raise ValueError("groups is empty: give the group numbers to draw from, such as range(120)")
