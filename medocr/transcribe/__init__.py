"""Text for the pages that came without: providers read them, the store keeps their answers, two readers check one
another, and the report counts it all.

`dispatch` gets the answers into the store; `labelling` decides from the store alone what becomes of each page; `work`
joins the two.
"""

from collections.abc import Iterable, Sequence

from ..schema import Page
from ..storage import bare
from .agreement import Agreement, compare
from .labelling import Judge, Labelled, label_quality
from .providers import OpenAIProvider, named
from .rapid import RapidOcr, annotator, measure_speed
from .single import FIRST_LISTED, read_page
from .store import Answer, Provider, Store
from .tesseract import Tesseract, checkers
from .work import Work

__all__ = [
    "FIRST_LISTED",
    "Agreement",
    "Answer",
    "Labelled",
    "OpenAIProvider",
    "Provider",
    "RapidOcr",
    "Store",
    "Tesseract",
    "annotator",
    "checkers",
    "compare",
    "label_quality",
    "measure_speed",
    "named",
    "read_page",
    "transcribe",
]


def transcribe(
    pages: Iterable[Page],
    providers: Sequence[Provider],
    store: Store,
    *,
    agreement: Agreement | None = None,
    min_confidence: float = 0.0,
    progress: bool = True,
) -> tuple[Labelled, dict]:
    """Give text to the pages that have none; returns the pages with text, and a report.

    Pages that already have text pass through as they are, and the order is kept. Providers elsewhere share one queue;
    those on this machine read, in their order, what is left: pages that no other may have, or could read. Only what
    `store` lacks is asked for. A page without a usable answer is set aside by name in `report["set_aside"]`; one whose
    request failed is asked for again on a rerun, one whose answer is refused, cut off or empty is not.

    A reading less sure than `min_confidence`, where its reader says how sure it is, is set aside as `low_confidence`.

    `pages` is gone through several times: a list, or what `storage.read` returns, which holds no more than a few pages
    in memory at once. Raises ValueError when pages need a provider and there is none, or when a key is missing.
    """
    if iter(pages) is pages:
        pages = list(pages)
    agreement = agreement or Agreement(share=0.0)
    second = [agreement.second] if agreement.second and agreement.second not in providers else []
    third = [agreement.third] if agreement.third else []
    readers = [*providers, *second]
    names = [reader.name for reader in (*readers, *third)]
    if len(set(names)) < len(names):
        raise ValueError(f"each reader needs a name of its own, and a third none of the others': {', '.join(names)}")
    held = {page.id for page in bare(pages) if page.text is None and page.contains_phi is not False}
    work = Work(pages, Judge(readers, store, agreement, min_confidence, held), progress)
    if not providers and any(work.unread()):
        raise ValueError("there are pages without text and no provider is named to read them: add RapidOcr()")
    for reader in (*readers, *third):
        if not reader.local and reader.may_receive is True:
            reader.key()
    pool = [provider for provider in providers if not provider.local and provider.may_receive is True]
    work.ask([provider for provider in pool if not provider.batch])
    for provider in (*(p for p in pool if p.batch), *(p for p in providers if p.local)):
        work.ask([provider], lambda fate: fate.unlabelled)
    work.ask(second, lambda fate: fate.read_once and agreement.drawn(fate.source.id))
    work.ask(third, lambda fate: fate.disputed)
    return work.result()
