"""Templates and issuers: what pages of one group share.

A group is an issuer with the template that it prints on. Ten issuers share a template (forms have each
their own), so that groups from different tens share nothing. Both come from the group's number alone,
whatever a run's seed is.
"""

import dataclasses
import random
import types

from . import words
from .draw import Look

ISSUERS_PER_TEMPLATE = {"form": 1}  # 10 for the other types


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
    return number // ISSUERS_PER_TEMPLATE.get(doc_type, 10)


def template(doc_type: str, number: int, options: dict[str, tuple]) -> types.SimpleNamespace:
    """One choice of each option for the template of group `number`; as many templates as choices use them all."""
    chosen = {}
    for name, choices in options.items():
        again, which = divmod(_template(doc_type, number), len(choices))
        chosen[name] = random.Random(f"{doc_type}/{name}/{again}").sample(choices, len(choices))[which]
    return types.SimpleNamespace(**chosen)


def issuer(doc_type: str, number: int, names: dict[str, tuple[str, ...]], looks: tuple[Look, ...]) -> Issuer:
    """The issuer of group `number`: its kind is a key of `names`, its name one of that kind's patterns filled in."""
    rng = random.Random(f"{doc_type}/issuer/{number}")
    kind = rng.choice(list(names))
    return Issuer(
        kind=kind,
        name=rng.choice(names[kind]).format(words.surname(rng)),
        street=words.street(rng),
        town=words.town(rng),
        phone=words.phone(rng),
        date_format=rng.choice(words.DATE_FORMATS),
        look=rng.choice(looks),
    )
