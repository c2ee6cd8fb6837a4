"""Templates and issuers, which the pages of a group share, and the lines of text that a template's patterns make.

A group is an issuer with the template that it prints on. Ten issuers share a template (forms have each
their own), so that groups from different tens share nothing. Both come from the group's number alone,
whatever a run's seed is. What they choose from is in `data/templates.toml`.

A pattern such as `"{item}|{amount}"` is a line of two cells, filled in with known values.
"""

import dataclasses
import itertools
import random
import string
import tomllib
import types
from collections.abc import Iterable
from pathlib import Path

from ...schema import DOMAIN_OF
from . import words
from .draw import Line, Look

DATA = Path(__file__).parent / "data"
TEMPLATES = tomllib.loads((DATA / "templates.toml").read_text(encoding="utf-8"))
LEFT = {"name", "item", "unit", "range", "drug", "frequency", "duration", "form", "flag"}  # the rest are figures
DATE_FORMATS = ("%m/%d/%Y", "%Y-%m-%d", "%d %b %Y", "%d/%m/%Y", "%d-%b-%Y", "%b %d, %Y", "%d.%m.%Y")


@dataclasses.dataclass(frozen=True)
class Issuer:
    """Who prints a page: the same on all pages of a group."""

    kind: str
    name: str
    street: str
    town: str
    phone: str
    date_format: str
    look: Look


def group(doc_type: str, number: int) -> str:
    """The group's name: type, template, issuer."""
    return f"{doc_type}/t{_template(doc_type, number):02}/i{number:03}"


def _template(doc_type: str, number: int) -> int:
    return number if doc_type == "form" else number // 10


def template(doc_type: str, number: int) -> types.SimpleNamespace:
    """One choice of each option for the template of group `number`; as many templates as choices use them all."""
    chosen = {}
    for name, choices in (TEMPLATES[DOMAIN_OF[doc_type]] | TEMPLATES[doc_type]["style"]).items():
        again, which = divmod(_template(doc_type, number), len(choices))
        chosen[name] = random.Random(f"{doc_type}/{name}/{again}").sample(choices, len(choices))[which]
    return types.SimpleNamespace(**chosen)


def issuer(doc_type: str, number: int) -> Issuer:
    """The issuer of group `number`; its name is one of its kind's patterns filled in."""
    rng = random.Random(f"{doc_type}/issuer/{number}")
    looks, names = TEMPLATES[doc_type]["looks"], TEMPLATES[doc_type]["issuers"]
    kind = rng.choice(list(names))
    return Issuer(
        kind=kind,
        name=rng.choice(names[kind]).format(words.surname(rng)),
        street=words.street(rng),
        town=words.town(rng),
        phone=words.phone(rng),
        date_format=rng.choice(DATE_FORMATS),
        look=Look(*rng.choice(list(itertools.product(looks["families"], [looks["sizes"]], looks["decor"])))),
    )


def names(patterns: Iterable[str]) -> list[str]:
    """The placeholders of some patterns, in order."""
    return [name for text in patterns for _, name, _, _ in string.Formatter().parse(text) if name]


def line(text: str, known: dict, **looks) -> Line:
    """A line of its own: one cell to the left, or two at either side."""
    cells = tuple(cell.strip() for cell in text.format_map(known).split("|"))
    return Line(cells, "lr" if len(cells) == 2 else "l", **looks)


def row(text: str, known: dict, **looks) -> Line:
    """A row of a table: words to the left, figures to the right."""
    patterns = text.split("|")
    columns = "".join("l" if not i or LEFT & {*names([cell])} else "r" for i, cell in enumerate(patterns))
    return Line(tuple(cell.format_map(known).strip() for cell in patterns), columns, table=True, **looks)


def shown(patterns: Iterable[str], known: dict) -> dict[str, str]:
    """The known values that these patterns print."""
    return {name: known[name] for name in names(patterns) if known[name]}
