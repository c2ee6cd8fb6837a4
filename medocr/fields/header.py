"""Header fields: facility, patient, age, sex, birth date, identifiers, doctor and dates, by their usual"""

import re

from . import lexicon
from .text import DATE, MONTH_FIRST, clean, lower, plain
from .words import compiled, month_numbers, pattern, patterns, words

LABELS = {name: f"{pattern('label', name)}|{regex}".strip("|") for name, regex in patterns("label").items()}
LABEL = re.compile(  # of `text.lower`; no label starts with another letter than those
    r"(?=[a-il-pr-wzâéü][\w.'°º])(?<![\w./'-])(?:"
    + "|".join(f"(?P<{name}>{pattern})" for name, pattern in LABELS.items())
    + r")(?![\w'])[ ]?\.?(?:on\b|at\b|by\b)?(?:[ ]?[(/][ ]?(?:time|yrs?|years?|dd/mm/yyyy)[ ]?\)?)?"
)
PRINTED = compiled("header")
LONG_DATE = rf"\d{{1,2}}\.?[ ](?:de[ ])?(?:{'|'.join(month_numbers())})[ ](?:de[ ])?\d{{4}}"
DATE_VALUE = re.compile(rf"(?=[\djfmasond])(?:{DATE}|{MONTH_FIRST}|{LONG_DATE})")  # of `text.lower`
PARTICLES, TITLES, DEGREES, STOP_WORDS = map(words, ("particles", "titles", "degrees", "stop_words"))
SURNAMES = words("surnames")  # that are also analytes: anti-Smith antibodies
MORE = "|".join(sorted((re.escape(word.strip(",")) for word in words("more_facility")), key=len, reverse=True))
REST_OF_PLACE = re.compile(rf"(?:[ ](?!{PRINTED['title'].pattern})(?i:{MORE})[.,]*(?![\w&'-]))*")


def read_header(text: str) -> dict:
    """The header fields found, each as printed, without titles (`Dr.`) and times of day.

    Keys: facility, patient, age, sex, date_of_birth, mrn, accession, report, npi, doctor, collected, received,
    reported, date. What is not in the text is not in the result.
    """
    original = clean(text)
    flat = plain(original)
    values: dict[str, str] = {}
    printed = list(LABEL.finditer(lower(flat)))
    others = [_of_another(flat, printed, index) for index in range(len(printed))]
    for index in sorted(range(len(printed)), key=others.__getitem__):
        label = printed[index]
        if others[index] and "patient" in values:
            continue
        following = (
            other for other in printed[index + 1 : index + 6] if not other.lastgroup == label.lastgroup == "facility"
        )
        limit = next((other.start() for other in following), len(flat))
        _take(values, label, flat, original, min(limit, label.end() + 120))
    for one, other in (("surname", "forename"), ("forename", "surname")):
        if one in values and other not in values and " " not in values.get("patient", " "):
            values[other] = values.pop("patient")  # `Cognome: Bianchi  Nome: Luca`, `Nom : DUPONT  Prénom : Marie`
    names = [values.pop(name) for name in ("forename", "surname") if name in values]
    if len(names) > 1 or (names and "patient" not in values):
        values["patient"] = " ".join(names)
    _take_unlabelled(values, flat, original, printed)
    return {name: values[name] for name in (*LABELS, "facility") if name in values}


def _of_another(flat: str, printed: list[re.Match], index: int) -> bool:
    """Whether a label of a first or last name is another person's than the patient: `Owner first name: Ann`."""
    label = printed[index]
    if label.lastgroup not in ("forename", "surname"):
        return False
    before = flat[flat.rfind("\n", 0, label.start()) + 1 : label.start()]
    last = printed[index - 1] if index and printed[index - 1].start() >= label.start() - len(before) else None
    if last is None:
        return any(map(str.isalpha, before))
    return last.lastgroup in ("doctor", "verified") and not flat[last.end() : label.start()].strip()


def _take(values: dict[str, str], label: re.Match, flat: str, text: str, limit: int) -> None:
    """Read the value after a label into `values`, unless the field is known already."""
    name = label.lastgroup
    if name == "facility" and label.start() and flat[label.start() - 1] not in "\n|":
        if not label.group().rstrip(" .").endswith("name"):
            return
        name = "patient"  # `Northside Clinic Name: …`
    separator = PRINTED["separator"].match(flat, label.end())
    start = separator.end()
    marked = bool(separator.group("mark"))
    above = flat[flat.rfind("\n", 0, label.start()) + 1 : label.start()].strip(" |*-")
    if start >= len(flat) or (separator.group("break") and not marked and above):  # the value of another line
        return
    if name in ("collected", "received", "reported", "date_of_birth", "date"):
        if value := DATE_VALUE.match(lower(flat), start):
            values.setdefault(name, text[slice(*value.span())].strip(" .,"))
            sex = PRINTED["sex after"].match(flat, value.end())
            if sex and name == "date_of_birth":
                values.setdefault("sex", sex.group(1))
    elif name == "sex":
        if sex := PRINTED["sex"].match(flat, start):
            values.setdefault("sex", sex.group(1))
    elif name in ("age_sex", "age"):
        if not _take_age_and_sex(values, flat, start) and (age := PRINTED["age"].match(flat, start)):
            years = (age["unit"] or "y").lower().startswith("y")
            values.setdefault("age", age.group(1) if years else age.group().strip(" ."))
    elif name in ("mrn", "accession", "report", "npi"):
        value = PRINTED["identifier"].match(flat, start)
        if value and not DATE_VALUE.match(lower(flat), start) and (marked or value.group().strip()[0].isalnum()):
            values.setdefault(name, value.group().strip(" -/"))
    elif name in ("patient", "surname", "forename", "doctor", "verified"):
        _take_name(values, name, flat, text, start, limit, marked)
    elif name == "facility" and marked and (line := PRINTED["place"].match(flat, start)):
        values.setdefault(name, text[start : min(line.end(), limit)].strip(" ,.-"))


def _take_name(values: dict[str, str], name: str, flat: str, text: str, start: int, limit: int, marked: bool) -> None:
    doctor = name in ("doctor", "verified")
    end = _name_end(flat, start, max(limit, start), doctor)
    given = PRINTED["given names"].match(flat, end) if doctor and " " not in flat[start:end] else None
    other = given and (PRINTED["of a field"].search(given["given"]) or given["given"].lower().strip(".") in DEGREES)
    if given and not other:
        end = given.end()  # `Ferrante, Luis, MD`
    person = _untitled(text[start:end])
    if person and name not in values and (marked or " " in person or doctor):
        values[name] = person
        if name == "patient":
            _take_age_and_sex(values, flat, end)


def _take_age_and_sex(values: dict[str, str], flat: str, at: int) -> bool:
    """`33 y, M`, after a label or a patient's name."""
    both = PRINTED["age and sex"].match(flat, at)
    if both:
        values.setdefault("age", both["age"] or both["age2"])
        values.setdefault("sex", both["sex"] or both["sex2"])
    return both is not None


def _name_end(flat: str, start: int, limit: int, doctor: bool) -> int:
    """Where a person's name that starts at an offset ends: before a digit, a line's end, a word that names nobody."""
    at, end, words, shouting = start, start, 0, False
    while words < 5 and at < limit:
        match = PRINTED["name word"].match(flat, at, limit)
        if not match:
            break
        word = match.group()
        lowered = word.lower().rstrip(".")
        if _no_name(word, lowered, words):
            break
        shouted = word.isupper() and len(lowered) > 2 and not PRINTED["cell's end"].match(flat, match.end())
        if words == 0:
            shouting = word.isupper() and len(word) > 2
        elif words and shouted and not shouting and lowered not in DEGREES:
            break
        at, end, words = match.end(), match.end(), words + (lowered not in TITLES)
        if lowered in DEGREES and words > 1:
            break
        gap = PRINTED["between names"].match(flat, at)
        following = flat[gap.end() : gap.end() + 5].split(" ")[0].split("\n")[0].lower().strip(".,")
        if not gap.group() or (doctor and "," in gap.group() and following not in DEGREES):
            break
        at = gap.end()
    initial = PRINTED["initial at the end"].search(flat, start, end)
    return initial.start() if initial and PRINTED["small letter"].match(flat, end) else end


def _no_name(word: str, lowered: str, words: int) -> bool:
    if (lowered in STOP_WORDS and word != "R.") or (not word[0].isupper() and lowered not in PARTICLES):
        return True
    if words == 0 or len(lowered) <= 2 or lowered in SURNAMES:
        return False
    return lowered in lexicon.drugs() or lexicon.squeeze(lowered) in lexicon.analytes()


def _untitled(name: str) -> str:
    """A name without `Dr.` before and degrees after."""
    words = name.split()
    while words and words[0].lower().strip(".,") in ("dr", "dra", "prof", "doctor", "med", "dott", "lek"):
        del words[0]
    while len(words) > 1 and words[-1].lower().strip(".,") in DEGREES:
        del words[-1]
    joined = " ".join(words).strip(" ,-")
    return joined if PRINTED["letter at the end"].search(joined) else joined.rstrip(".")


def _take_unlabelled(values: dict[str, str], flat: str, text: str, printed: list[re.Match]) -> None:
    """A facility at the head; a patient before `DOB` or `, 33 y, M`; a doctor after `Dr.`."""
    if "facility" not in values and (facility := _facility(flat, text)):
        values["facility"] = facility
    if "patient" not in values:
        _unlabelled_patient(values, flat, text, printed)
    verified = values.pop("verified", None)
    if "doctor" not in values and (doctor := _titled(flat, text) or _degreed(flat, text) or verified):
        values["doctor"] = doctor
    for date in DATE_VALUE.finditer(lower(flat), 0, 3000):  # the first that is nobody's birth date
        if values.keys() & {"date", "collected", "received", "reported"}:
            break
        value = text[slice(*date.span())].strip(" .,")
        if value != values.get("date_of_birth") and (not date.start() or flat[date.start() - 1] in " \n\t|("):
            values["date"] = value


def _titled(flat: str, text: str) -> str | None:
    """A name after `Dr.` that is no practice's."""
    for title in list(PRINTED["doctor"].finditer(flat, 0, 2000))[:4]:
        end = _name_end(flat, title.end(), min(len(flat), title.end() + 60), True)
        name = flat[title.end() : end]
        after = PRINTED["facility"].match(flat[end : end + 24].lstrip(" "))
        place = after or PRINTED["facility"].search(name) or name.lower().endswith("'s")
        if name and not place:
            return _untitled(text[title.end() : end])
    return None


def _words_before(flat: str, end: int, reach: int, most: int) -> list[re.Match]:
    """The last words of a line before an offset that may be a name; those before a word that is none are left out."""
    start = max(flat.rfind("\n", max(0, end - reach), end) + 1, end - reach, 0)
    words = list(PRINTED["name word"].finditer(flat, start, end))[-most:]
    for at in range(len(words) - 1, -1, -1):
        word = words[at].group().rstrip(".")
        if PRINTED["facility"].fullmatch(word) or _no_name(word, word.lower(), 1) or flat[words[at].end()] == ":":
            return words[at + 1 :]
    return words


def _degreed(flat: str, text: str) -> str | None:
    """A name before `, MD` near the head, that is no label's value."""
    degree = PRINTED["degree"].search(flat, 0, 400)
    words = _words_before(flat, degree.start(), 40, 2) if degree else []
    labelled = words and flat[max(0, words[0].start() - 2) : words[0].start()] == ": "
    return text[words[0].start() : words[-1].end()] if words and not labelled else None


def _facility(flat: str, text: str) -> str | None:
    """Words up to one that names a place of care, at the head of the page."""
    at = 0
    for line in flat[:600].split("\n")[:4]:
        start, at = at, at + len(line) + 1
        head = PRINTED["head"].match(line).group()
        titled = PRINTED["title"].match(line)
        place = next((word for word in PRINTED["facility"].finditer(head) if word.start() or not titled), None)
        end = REST_OF_PLACE.match(line, place.end()).end() if place else 0
        if 1 < len(line[:end].split()) <= 8 and line[0].isupper():
            further = LABEL.search(line[end:].lower()) or PRINTED["title"].search(line)
            whole = "\n" in flat and head == line and len(line.split()) <= 7 and not further
            return text[start : start + (len(line) if whole else end)].strip(" ,.-")
    return None


def _unlabelled_patient(values: dict[str, str], flat: str, text: str, printed: list[re.Match]) -> None:
    birth = next((label for label in printed if label.lastgroup == "date_of_birth"), None)
    if birth and (above := PRINTED["above"].search(flat, max(0, birth.start() - 80), birth.start())):
        values["patient"] = text[slice(*above.span("name"))]
        return
    for mark in (*(PRINTED[name].search(flat, 0, 1500) for name in ("aged", "numbered")), birth):
        words = _words_before(flat, mark.start(), 60, 3) if mark else []
        if "\n" not in flat and len(words) > 2 and not words[1].group().endswith("."):
            words = words[-2:]
        if len(words) > 1:
            values["patient"] = text[words[0].start() : words[-1].end()]
            _take_age_and_sex(values, flat, words[-1].end())
            return
