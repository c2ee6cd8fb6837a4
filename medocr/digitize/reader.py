"""Something that reads pages, with its name and its hash."""

import dataclasses
from collections.abc import Callable, Iterable

from ..read import PageRecord
from ..schema import Page, Rejection

Item = Page | Rejection


@dataclasses.dataclass(frozen=True)
class Reader:
    """Something that reads pages: as `read.reader`, items in, pairs of each and what was read on it out.

    `hash` tells one model from another: what was calibrated for one holds for no other. `sent_to` is the address that
    pages go to, None where they stay in this process.
    """

    name: str
    hash: str
    read: Callable[[Iterable[Item]], Iterable[tuple[Item, PageRecord | str | None]]]
    sent_to: str | None = None

    @property
    def about(self) -> dict[str, str]:
        return {"name": self.name, "hash": self.hash}
