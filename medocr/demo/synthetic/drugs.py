"""Medicines in the forms, strengths and courses in which they are prescribed to adults."""

import dataclasses

from .words import table

ROUTES = {  # form: (route, a dose of it); the route as prescriptions abbreviate it
    "tab": ("PO", "1 tab"),
    "cap": ("PO", "1 cap"),
    "susp": ("PO", "5 mL"),
    "syrup": ("PO", "10 mL"),
    "inh": ("INH", "2 puffs"),
    "spray": ("NAS", "1 spray"),
    "cream": ("TOP", "apply"),
    "oint": ("TOP", "apply"),
    "gel": ("TOP", "apply"),
    "drops": ("OU", "1 drop"),
    "patch": ("TD", "1 patch"),
    "inj": ("SC", "inject"),
    "SL tab": ("SL", "1 tab"),
}


@dataclasses.dataclass(frozen=True)
class Drug:
    """`timing` holds keys of prescription.FREQUENCIES; `days` the usual lengths of a course."""

    name: str
    form: str
    strengths: tuple[str, ...]
    unit: str
    timing: tuple[str, ...]
    days: tuple[int, ...]


def _drug(name: str, form: str, strengths: str, timing: str, days: str) -> Drug:
    *doses, unit = strengths.split()
    return Drug(name, form, tuple(doses), unit, tuple(timing.split()), tuple(map(int, days.split())))


DRUGS = tuple(_drug(*cells) for cells in table("drugs.txt"))
