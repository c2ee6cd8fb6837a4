"""Prescriptions: drug, strength, form, directions and duration under a doctor's letterhead."""

import dataclasses
import random
import types

from . import patient
from .draw import Draft, Line
from .templates import TEMPLATES, issuer, line, names, row, template
from .words import table

CHOICES = TEMPLATES["prescription"]
TIMINGS = ("1", "2", "3", "4", "n", "p", "w")  # in the order of a template's frequencies


@dataclasses.dataclass(frozen=True)
class Drug:
    """A medicine in one form, as prescribed to adults: `timing` holds keys of TIMINGS, `days` usual courses."""

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
CASES = {
    "": str,
    "upper": str.upper,
    "capitalized": str.capitalize,
    "long": lambda form: CHOICES["long_forms"].get(form, form),
}


def prescription(rng: random.Random, number: int) -> Draft:
    """A prescriber's order, drawn for group `number`."""
    style, facility = template("prescription", number), issuer("prescription", number)
    values = patient.known(rng, facility, style.sex) | _notes(rng)
    opening = [style.doctor] * (rng.random() < 0.4) + [*style.who]
    opening += [style.date] * (rng.random() < 0.4) + [style.note] * (rng.random() < 0.2)
    lines, header = patient.header(facility, opening, values, style.heading, scale=style.scale)
    if style.rx:
        lines.append(Line((style.rx,), bold=True, rule="above" * (style.rule == "above")))
    drawn = {drug.name: drug for drug in rng.sample(DRUGS, rng.choice((1, 1, 2, 2, 3)))}
    orders = [_order(rng, drug, style, n) for n, drug in enumerate(drawn.values(), 1)]
    for order in orders:
        lines += _order_lines(style.orders, order)
    if rng.random() < 0.35:
        lines.append(line(style.closing, values))
        header |= {name: values[name] for name in names([style.closing])}
    return Draft(lines, {"header": header, "drugs": [_meant(order, style.orders) for order in orders]}, facility.look)


def _notes(rng: random.Random) -> dict[str, str]:
    return {
        "diagnosis": rng.choice(CHOICES["notes"]["diagnosis"]),
        "allergy": rng.choice(CHOICES["notes"]["allergy"]),
        "pressure": f"{rng.randrange(96, 182)}/{rng.randrange(56, 108)}",
        "weight": str(rng.randrange(45, 118)),
        "refills": str(rng.randrange(6)),
        "weeks": str(rng.choice((1, 2, 4, 6, 12))),
    }


def _order(rng: random.Random, drug: Drug, style: types.SimpleNamespace, n: int) -> dict:
    """One drug as printed, by placeholder."""
    route, amount = CHOICES["routes"][drug.form]
    dose, timing, days = rng.choice(drug.strengths), rng.choice(drug.timing), rng.choice(drug.days)
    course = _course(days, style.days)
    tight = drug.unit == "%" or rng.random() < 0.1
    return {
        "n": n,
        "drug": drug.name,
        "dose": dose,
        "unit": drug.unit,
        "strength": f"{dose}{drug.unit}" if tight else f"{dose} {drug.unit}",
        "form": CASES[style.form](drug.form),
        "route": route,
        "amount": amount,
        "frequency": style.frequency[TIMINGS.index(timing)],
        "course": course,
        "duration": style.duration.format(course),
        "count": days * int(timing) if timing.isdigit() else days,
    }


def _course(days: int, style: str) -> str:
    if style == "weeks":
        count, style = (days // 7, "{} weeks") if days % 7 == 0 else (days, "{} days")
    else:
        count = days
    text = style.format(count)
    return text.removesuffix("s") if count == 1 else text


def _order_lines(patterns: tuple[str, ...], order: dict) -> list[Line]:
    if len(patterns) == 1:
        return [row(patterns[0], order)]
    return [line(text, order, bold=not i) for i, text in enumerate(patterns)]


def _meant(order: dict, patterns: tuple[str, ...]) -> dict:
    """The order's fields; None where the page does not print one."""
    printed = {*names(patterns)}
    dose = float(order["dose"]) if "/" not in order["dose"] else order["dose"]
    meant = {"drug": order["drug"], "dose": dose, "unit": order["unit"], "strength": order["strength"]}
    meant |= {name: order[name] if name in printed else None for name in ("form", "route", "frequency")}
    before, _, _ = (meant["form"] or "").rpartition(" ")  # `SL tab`: a form that is printed with its route
    if before.upper() == order["route"]:
        meant["route"] = before
    counted = "amount" in printed and order["amount"][:1].isdigit()  # `inject` and `apply` say no amount
    meant["amount"] = order["amount"] if counted else None
    return meant | {"duration": order["course"] if "duration" in printed else None}
