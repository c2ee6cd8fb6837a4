"""Prescriptions: drug, strength, form, directions and duration under a doctor's letterhead."""

import random
import types

from . import patient
from .draw import Draft, Line, Look
from .drugs import DRUGS, ROUTES, Drug
from .issuers import issuer, template
from .patterns import line, names, row

FACILITIES = {
    "practice": ("{} Clinic", "{} Family Clinic", "{} Medical", "{} Health Center", "Dr. {}'s Practice"),
    "hospital": ("{} Hospital", "St. {} Hospital", "{} Medical Center", "{} Urgent Care"),
}
LOOKS = tuple(
    Look(family, (20, 19, 18, 17, 16), decor)
    for family in ("sans", "sans", "serif", "mono", "italic", "oblique")
    for decor in ((), ("frame",), ("signature",), ("stamp",))
)

FREQUENCIES = (  # how a prescriber writes once … four times a day, at night, when needed, weekly
    {"1": "OD", "2": "BID", "3": "TID", "4": "QID", "n": "HS", "p": "PRN", "w": "weekly"},
    {"1": "daily", "2": "BID", "3": "TID", "4": "QID", "n": "QHS", "p": "q6h PRN", "w": "weekly"},
    {"1": "o.d.", "2": "b.i.d.", "3": "t.i.d.", "4": "q.i.d.", "n": "h.s.", "p": "p.r.n.", "w": "weekly"},
    {"1": "q24h", "2": "q12h", "3": "q8h", "4": "q6h", "n": "qHS", "p": "q8h PRN", "w": "q week"},
    {"1": "1-0-0", "2": "1-0-1", "3": "1-1-1", "4": "1-1-1-1", "n": "0-0-1", "p": "SOS", "w": "weekly"},
    {"1": "mane", "2": "mane and nocte", "3": "8 hourly", "4": "6 hourly", "n": "nocte", "p": "6 hourly PRN",
     "w": "once a week"},
    {"1": "every morning", "2": "every 12 hours", "3": "every 8 hours", "4": "every 6 hours", "n": "every night",
     "p": "when required", "w": "every week"},
    {"1": "once daily", "2": "twice daily", "3": "3 times daily", "4": "4 times daily", "n": "at bedtime",
     "p": "as needed", "w": "once weekly"},
)  # fmt: skip
LONG_FORMS = {"tab": "tablet", "cap": "capsule", "inh": "inhaler", "oint": "ointment"}
STYLE = {
    "heading": ("c", "l", "c", "r"),
    "scale": (1.0, 1.1, 1.2),
    "doctor": ("Dr. {doctor}, MD", "Dr. {doctor}|NPI {npi}", "{doctor}, MD", "Prescriber: {doctor}", "Dr. {doctor}"),
    "who": patient.WHO,
    "sex": patient.SEX,
    "date": ("Date: {date}", "Date {date}", "{date}", "Issued: {date}", "Dated: {date}|MRN {mrn}"),
    "rx": ("Rx", "Rx:", "Rx", "PRESCRIPTION", "R/", ""),
    "orders": (
        ("{n}. {drug} {strength} {form}", "{amount} {route} {frequency} {duration}"),
        ("{form} {drug} {strength}", "{frequency} {duration}"),
        ("{drug} {strength} {form}", "Sig: {amount} {frequency}|{duration}"),
        ("{n}) {drug} {strength} {form}", "{route} {frequency} {duration}"),
        ("{drug} {strength}|{frequency}|{duration}",),
        ("{drug}|{strength}|{frequency}|{duration}",),
        ("{n}. {drug} {strength}", "{amount} {frequency} {duration}"),
        ("{form} {drug} {strength}|{frequency}",),
        ("{drug} {strength} {form} #{count}", "Sig: {amount} {route} {frequency}"),
        ("- {drug} {strength} {form} {frequency}",),
        ("{strength} {drug}", "{amount} {frequency} {duration}"),
        ("{n}. {strength} {drug} {frequency}",),
        ("{drug} {strength}", "Take {amount} {frequency}|{duration}"),
    ),
    "form": (str, str, str.upper, str.capitalize, lambda form: LONG_FORMS.get(form, form)),
    "frequency": FREQUENCIES,
    "duration": ("x {}", "{}", "for {}", "x {}"),
    "days": ("{} days", "{} days", "{}d", "weeks"),
    "note": ("Dx: {diagnosis}", "Allergies: {allergy}", "Diagnosis: {diagnosis}", "BP {pressure}", "Wt: {weight} kg"),
    "closing": ("Refills: {refills}", "Signature:", "Refill x {refills}", "Review in {weeks} weeks", "Sign:"),
    "rule": ("", "above", "below"),
}  # fmt: skip

DIAGNOSES = (
    "Hypertension", "Type 2 diabetes", "Asthma", "Pharyngitis", "Otitis media", "UTI", "GERD", "Migraine", "Bronchitis",
    "Sinusitis", "Back pain", "Gout", "Anemia", "Hypothyroidism", "Dyslipidemia", "Insomnia", "Depression", "COPD",
    "Cellulitis", "Osteoarthritis", "Allergic rhinitis", "Eczema", "CHF", "Atrial fibrillation",
)  # fmt: skip
ALLERGIES = ("NKDA", "None", "Penicillin", "Sulfa", "Latex", "Codeine", "NSAIDs")


def prescription(rng: random.Random, number: int) -> Draft:
    """A prescriber's order, drawn for group `number`."""
    style = template("prescription", number, STYLE)
    facility = issuer("prescription", number, FACILITIES, LOOKS)
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
        "diagnosis": rng.choice(DIAGNOSES),
        "allergy": rng.choice(ALLERGIES),
        "pressure": f"{rng.randrange(96, 182)}/{rng.randrange(56, 108)}",
        "weight": str(rng.randrange(45, 118)),
        "refills": str(rng.randrange(6)),
        "weeks": str(rng.choice((1, 2, 4, 6, 12))),
    }


def _order(rng: random.Random, drug: Drug, style: types.SimpleNamespace, n: int) -> dict:
    """One drug as printed, by placeholder."""
    route, amount = ROUTES[drug.form]
    dose, timing, days = rng.choice(drug.strengths), rng.choice(drug.timing), rng.choice(drug.days)
    course = _course(days, style.days)
    tight = drug.unit == "%" or rng.random() < 0.1
    return {
        "n": n,
        "drug": drug.name,
        "dose": dose,
        "unit": drug.unit,
        "strength": f"{dose}{drug.unit}" if tight else f"{dose} {drug.unit}",
        "form": style.form(drug.form),
        "route": route,
        "amount": amount,
        "frequency": style.frequency[timing],
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
