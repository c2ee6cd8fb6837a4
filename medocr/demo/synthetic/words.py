"""Invented people, places, dates and numbers, and the tables of real things under data/."""

import datetime
import functools
import random
from pathlib import Path

from faker import Faker


def table(file: str) -> list[list[str]]:
    """The rows of a table under data/: cells between `|`; lines that begin with # are comments."""
    lines = (Path(__file__).parent / "data" / file).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.split("|")] for line in lines if not line.startswith("#")]


@functools.cache
def _pool(kind: str, longest: int) -> tuple[str, ...]:
    fake = Faker("en_US", use_weighting=False)
    fake.seed_instance(kind)
    drawn = {getattr(fake, kind)() for _ in range(600)}
    return tuple(sorted(word for word in drawn if word.isascii() and word.isalpha() and len(word) <= longest))


def surname(rng: random.Random) -> str:
    return rng.choice(_pool("last_name", 9))


def first_name(rng: random.Random, sex: str) -> str:
    return rng.choice(_pool("first_name_female" if sex == "F" else "first_name_male", 8))


def person(rng: random.Random, sex: str = "") -> str:
    return f"{first_name(rng, sex or rng.choice('FM'))} {surname(rng)}"


def town(rng: random.Random) -> str:
    return rng.choice(_pool("last_name", 6)) + rng.choice(("ville", "ton", "field", "burg", "port", "dale", "wood"))


def street(rng: random.Random) -> str:
    return f"{rng.randrange(1, 990)} {rng.choice(_pool('last_name', 7))} {rng.choice(('St', 'Ave', 'Rd', 'Ln', 'Dr'))}"


def digits(rng: random.Random, count: int) -> str:
    return str(rng.randrange(10 ** (count - 1), 10**count))


def phone(rng: random.Random) -> str:
    pattern = rng.choice(("({}) 555-{}", "{}-555-{}", "{} 555 {}", "{}.555.{}"))
    return pattern.format(digits(rng, 3), digits(rng, 4))


def day(rng: random.Random, first: int = 2021, last: int = 2026) -> datetime.date:
    start = datetime.date(first, 1, 1).toordinal()
    return datetime.date.fromordinal(rng.randrange(start, datetime.date(last + 1, 1, 1).toordinal()))


def clock(rng: random.Random) -> str:
    return f"{rng.randrange(7, 22):02}:{rng.randrange(60):02}"
