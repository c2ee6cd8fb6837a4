"""Forms with boxes to tick."""

import random
import types

from . import patient
from .draw import Draft, Line
from .templates import TEMPLATES, issuer, template

SEVERAL, ONE = TEMPLATES["form"]["several"], TEMPLATES["form"]["one"]


def form(rng: random.Random, number: int) -> Draft:
    """A form that somebody ticked, drawn for group `number`."""
    style, facility = template("form", number), issuer("form", number)
    values = patient.known(rng, facility, style.sex)
    lines, header = patient.header(facility, list(style.who), values, style.heading)
    lines.insert(1, Line((style.title,), style.heading, bold=True, shade=style.shade))
    multiple, single_count = rng.choice(((1, 1), (1, 2), (0, 3), (1, 0)))
    options = []
    single = [question for question in ONE if question != "Pregnant" or values["sex"][0] == "F"]
    for n, question in enumerate(rng.sample(list(SEVERAL), multiple) + rng.sample(single, single_count), 1):
        label = style.number.format(n=n) + style.question.format(question)
        answers = _answers(rng, question)
        lines += _question(label, answers, style, short=question in ONE)
        options += [{"question": question, "label": answer, "ticked": ticked} for answer, ticked in answers]
    return Draft(lines, {"header": header, "options": options}, facility.look)


def _answers(rng: random.Random, question: str) -> list[tuple[str, bool]]:
    if question in ONE:
        ticked = rng.choice((*ONE[question], None))
        return [(answer, answer == ticked) for answer in ONE[question]]
    return [(answer, rng.random() < 0.4) for answer in rng.sample(SEVERAL[question], rng.choice((2, 3, 4)))]


def _question(label: str, answers: list[tuple[str, bool]], style: types.SimpleNamespace, *, short: bool) -> list[Line]:
    """A question with short answers on one line; otherwise the answers below it."""
    boxes = [f"{'☑' if ticked else '☐'} {answer}" for answer, ticked in answers]
    if short:
        return [Line((" ".join([label, *boxes]),), rule=style.rule)]
    rows = [tuple(boxes[i : i + style.per_line]) for i in range(0, len(boxes), style.per_line)]
    padded = [cells + ("",) * (style.per_line - len(cells)) for cells in rows]
    return [Line((label,), bold=True)] + [Line(cells, "l" * len(cells), table=True) for cells in padded]
