"""Forms with boxes to tick."""

import random
import types

from . import patient
from .draw import Draft, Line, Look
from .issuers import issuer, template

FACILITIES = {
    "practice": ("{} Clinic", "{} Family Clinic", "{} Health Center", "{} Dental"),
    "hospital": ("{} Hospital", "St. {} Hospital", "{} Medical Center", "{} Surgery"),
}
LOOKS = tuple(
    Look(family, (20, 19, 18, 17), decor)
    for family in ("sans", "serif", "mono")
    for decor in ((), ("frame", "pen"), ("pen",), ("frame",))
)

SEVERAL = {  # questions with any number of answers
    "Allergies": ("Penicillin", "Latex", "Sulfa", "Aspirin", "Iodine", "Peanuts", "None known"),
    "Medical history": ("Diabetes", "Asthma", "Hypertension", "Cancer", "Stroke", "Epilepsy", "Anemia"),
    "Symptoms": ("Fever", "Cough", "Nausea", "Headache", "Fatigue", "Rash", "Dizziness", "Chest pain"),
    "Vaccines": ("Influenza", "Tetanus", "MMR", "Hepatitis B", "COVID-19", "HPV"),
    "Family history": ("Heart disease", "Diabetes", "Cancer", "Stroke", "Gout", "Glaucoma"),
    "Tests ordered": ("CBC", "BMP", "TSH", "HbA1c", "Lipids", "X-ray", "ECG", "Urinalysis"),
    "Implants": ("Pacemaker", "Stent", "Hip", "Knee", "Lens", "Hearing aid"),
}
ONE = {  # questions with one answer
    "Smoker": ("Yes", "No"),
    "Pregnant": ("Yes", "No"),
    "Alcohol": ("Never", "Weekly", "Daily"),
    "Pain": ("None", "Mild", "Severe"),
    "Consent": ("Yes", "No"),
    "Exercise": ("Rarely", "Weekly", "Daily"),
    "Fasting": ("Yes", "No"),
    "Insulin": ("Yes", "No"),
    "Blood type": ("A", "B", "AB", "O"),
    "Visit": ("New", "Follow-up"),
    "Diabetic": ("Yes", "No"),
    "Referred": ("GP", "Self", "ER"),
}
STYLE = {
    "heading": ("c", "l", "c"),
    "title": ("PATIENT INTAKE FORM", "Health Questionnaire", "Consent Form", "Symptom Checklist", "PRE-OP CHECKLIST",
              "Vaccination Record", "MEDICAL HISTORY", "Lab Requisition"),
    "who": patient.WHO,
    "sex": patient.SEX,
    "question": ("{}:", "{}", "{}?"),
    "per_line": (1, 2, 2),
    "number": ("", "", "{n}. "),
    "rule": ("", "above"),
    "shade": (False, True),
}  # fmt: skip


def form(rng: random.Random, number: int) -> Draft:
    """A form that somebody ticked, drawn for group `number`."""
    style = template("form", number, STYLE)
    facility = issuer("form", number, FACILITIES, LOOKS)
    values = patient.known(rng, facility, style.sex)
    lines, header = patient.header(facility, list(style.who), values, style.heading)
    lines.insert(1, Line((style.title,), style.heading, bold=True, shade=style.shade))
    multiple, single_count = rng.choice(((1, 1), (1, 2), (0, 3), (1, 0)))
    options = []
    single = [question for question in ONE if question != "Pregnant" or values["sex"][0] == "F"]
    for n, question in enumerate(rng.sample(list(SEVERAL), multiple) + rng.sample(single, single_count), 1):
        label = style.number.format(n=n) + style.question.format(question)
        answers = _answers(rng, question)
        lines += _question(label, answers, style)
        options += [{"question": question, "label": answer, "ticked": ticked} for answer, ticked in answers]
    return Draft(lines, {"header": header, "options": options}, facility.look)


def _answers(rng: random.Random, question: str) -> list[tuple[str, bool]]:
    if question in ONE:
        ticked = rng.choice((*ONE[question], None))
        return [(answer, answer == ticked) for answer in ONE[question]]
    return [(answer, rng.random() < 0.4) for answer in rng.sample(SEVERAL[question], rng.choice((2, 3, 4)))]


def _question(label: str, answers: list[tuple[str, bool]], style: types.SimpleNamespace) -> list[Line]:
    """A question with short answers on one line; otherwise the answers below it."""
    boxes = [f"{'☑' if ticked else '☐'} {answer}" for answer, ticked in answers]
    if label.rstrip(":?").split(". ")[-1] in ONE:
        return [Line((" ".join([label, *boxes]),), rule=style.rule)]
    rows = [tuple(boxes[i : i + style.per_line]) for i in range(0, len(boxes), style.per_line)]
    padded = [cells + ("",) * (style.per_line - len(cells)) for cells in rows]
    return [Line((label,), bold=True)] + [Line(cells, "l" * len(cells), table=True) for cells in padded]
