"""Medical letterheads and what they know of a patient; all invented."""

import datetime
import random

from . import words
from .draw import Line
from .templates import Issuer, line, shown


def known(rng: random.Random, facility: Issuer, sexes: dict[str, str]) -> dict[str, str]:
    """Everything that a header may print, by placeholder."""
    sex = rng.choice("FM")
    seen = words.day(rng)
    born = words.day(rng, 1938, 2004)
    show = facility.date_format
    return {
        "facility": facility.name,
        "patient": words.person(rng, sex),
        "sex": sexes[sex],
        "age": str((seen - born).days * 400 // 146097),  # 146,097 days in 400 years
        "date_of_birth": born.strftime(show),
        "mrn": words.digits(rng, 7),
        "accession": rng.choice("ABCHLS") + words.digits(rng, 6),
        "report": words.digits(rng, 4) + "-" + words.digits(rng, 3),
        "npi": "1" + words.digits(rng, 9),
        "doctor": rng.choice((words.person, lambda r: words.surname(r)))(rng),
        "date": seen.strftime(show),
        "collected": seen.strftime(show),
        "received": seen.strftime(show),
        "reported": (seen + datetime.timedelta(rng.randrange(3))).strftime(show),
    }


def header(facility: Issuer, patterns: list[str], values: dict, heading: str, **looks) -> tuple[list[Line], dict]:
    """The letterhead and these header lines; and the fields that they print."""
    top = Line((facility.name,), heading, bold=True, **looks)
    return [top, *(line(text, values) for text in patterns)], {"facility": facility.name, **shown(patterns, values)}
