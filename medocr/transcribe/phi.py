"""Health information found on pages that their source takes to hold none: more pages stay here, never fewer.

The pages are read on this machine first. What tells is a header that names a patient or a number of theirs, a mail
address, and, where `presidio-analyzer` is installed (the extra `phi`), what its pattern recognisers find: telephone and
social security numbers and the like. Names in running text need presidio's language model, which is not used here.
"""

import dataclasses
import functools
import importlib.util
import re
from collections.abc import Iterable, Iterator

from .. import fields
from ..schema import Page
from ..storage import bare
from .store import Provider, Store

TELLING = ("patient", "date_of_birth", "mrn", "accession")  # header fields
PATTERNS = frozenset(["PHONE_NUMBER", "US_SSN", "US_ITIN", "UK_NHS", "MEDICAL_LICENSE", "CREDIT_CARD", "IBAN_CODE"])
MAIL = re.compile(r"[^\s@]{1,64}@[^\s@.]{1,63}\.[^\s@]{2,}")  # presidio's own asks the network which endings there are
SURE = 0.4  # of presidio's score from 0 to 1; its weak patterns, bare digits, stay under it


@dataclasses.dataclass
class Marked:
    """Pages of which some are now taken to hold health information; `kinds` says what told: id → kinds."""

    pages: Iterable[Page]
    kinds: dict[str, list[str]]

    def bare(self) -> "Marked":
        """The same without images, where the pages come from a file."""
        return Marked(bare(self.pages), self.kinds)

    def __iter__(self) -> Iterator[Page]:
        for page in self.pages:
            yield dataclasses.replace(page, contains_phi=True) if page.id in self.kinds else page


def mark(pages: Iterable[Page], reader: Provider, store: Store) -> Marked:
    """Read, on this machine, the pages without text that are not yet taken to hold health information, and look.

    What `reader` reads goes into `store`, where it also counts as a reading of the page.
    """
    ids = [page.id for page in bare(pages) if page.text is None and page.contains_phi is False]
    missing = set(store.missing(reader, ids))
    for page_id, answer in reader.answers((page.id, page.image) for page in pages if page.id in missing):
        if answer.finish != "error":
            store.put(reader, page_id, answer)
    # a page on which nothing could be read has been looked at by nobody, and stays
    read = {key: answer.text for key, answer in store.answers(reader, ids).items() if answer.finish == "stop"}
    kinds_of = {key: find(read[key]) if read.get(key, "").strip() else ["unreadable"] for key in ids}
    return Marked(pages, {key: kinds for key, kinds in kinds_of.items() if kinds})


def find(text: str) -> list[str]:
    """The kinds of health information in a text, sorted; none where none is found."""
    header = fields.read_header(text)
    kinds = {name for name in TELLING if header.get(name)}
    if MAIL.search(text):
        kinds.add("email_address")
    for recogniser in _recognisers():
        for result in recogniser.analyze(text, recogniser.supported_entities, None) or []:
            if result.entity_type in PATTERNS and result.score >= SURE:
                kinds.add(result.entity_type.lower())
    return sorted(kinds)


@functools.cache
def _recognisers() -> tuple:
    if not importlib.util.find_spec("presidio_analyzer"):
        return ()
    from presidio_analyzer import predefined_recognizers as known

    names = ("Phone", "UsSsn", "NhsRecognizer", "MedicalLicense", "CreditCard", "Iban", "UsItin")
    recognisers = [getattr(known, name if name.endswith("Recognizer") else f"{name}Recognizer") for name in names]
    return tuple(recogniser() for recogniser in recognisers)
