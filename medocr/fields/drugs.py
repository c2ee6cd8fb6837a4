"""Drug orders: a drug, then strength, form, route, frequency and duration wherever they stand until the next drug."""

import bisect
import dataclasses
import functools
import itertools
import re
from collections.abc import Iterator

from . import directions, lexicon, sig
from .scopes import scopes
from .sig import ORDER
from .text import AHEAD, Atoms, atoms, clean, line_starts, lower, plain, with_points
from .words import unaccented

COUNTED_UNITS = {None, "mL", *sig.COUNT_UNITS.values()}  # of an amount at a time: the strength stands before the drug
JOINED = re.compile(r"[-/+]")


@dataclasses.dataclass(frozen=True)
class DrugOrder:
    """One order, each part as printed but `dose`, a number where the strength is one (else text: `875/125`), and
    `unit`, its UCUM code. `line` is the number of the line, from 0, on which the drug stands. `amount` is what is taken
    at a time (`2 tablets`), apart from the strength. `status` is active, stopped or denied, by the words before the
    name. `medocr.fields.directions` says what frequency, duration, route and amount mean."""

    drug: str
    dose: float | str | None = None
    unit: str | None = None
    form: str | None = None
    route: str | None = None
    frequency: str | None = None
    duration: str | None = None
    line: int = 0
    amount: str | None = None
    status: str = "active"


@dataclasses.dataclass(frozen=True, slots=True)
class _Start:
    """Where an order starts: offsets of it and of its name's span, the form before it, how the name is known."""

    begin: int
    name: int
    end: int
    form: str | None
    known: bool
    nutrient: bool
    status: str
    lead: int | None  # where a dose before the drug starts: `500 mg metformin`
    route: tuple[int, int] | None  # of a route before the drug: `IV ceftriaxone`
    at: int  # the atoms that the name takes
    after: int


def read_drugs(text: str) -> list[DrugOrder]:
    """The drug orders of a transcription, in order. A misspelled drug is reported as printed, never corrected."""
    text = clean(text)
    flat = with_points(plain(text))
    lowered = lower(flat)
    items = atoms(text, flat)
    starts = _starts(items, lowered)
    lines = line_starts(text)
    orders = []
    for index, start in enumerate(starts):
        limit = min(starts[index + 1].begin if index + 1 < len(starts) else len(flat), start.end + sig.LONGEST)
        if start.nutrient and ". " in lowered[start.end : limit]:  # `potassium was 5.9. Give 10 ml …`
            end = scopes(items).sentence(start.at)[1]
            limit = min(limit, items.starts[end]) if items.kinds[end] == "sym" else limit
        stop = ORDER["stop"].search(lowered, start.end, limit)
        line = bisect.bisect_right(lines, start.name) - 1
        following = starts[index + 1].at if index + 1 < len(starts) else items.count + AHEAD
        if behind := scopes(items).status_behind(start.after, following):
            start = dataclasses.replace(start, status=behind)
        steps = _steps(lowered, start.end, stop.start() if stop else limit)
        orders += filter(None, (_order(text, flat, start, *step, line) for step in steps))
    return orders


def _steps(lowered: str, at: int, limit: int) -> Iterator[tuple[int, int]]:
    """The spans of the steps of a course, each with a strength: `40 mg daily x 5 days, then 20 mg daily x 5 days`."""
    parts = (ORDER["strength"], directions.PRINTED["amount"])
    thens = ORDER["then"].finditer(lowered, at, limit)
    cuts = [cut.span() for cut in thens if any(part.match(lowered, cut.end()) for part in parts)]
    return zip([at, *(end for _, end in cuts)], [*(begin for begin, _ in cuts), limit], strict=True)


def _starts(items: Atoms, lowered: str) -> list[_Start]:
    starts, end, cue = [], 0, None
    for at, (kind, word) in enumerate(zip(items.kinds, items.lowered, strict=True)):
        after = _name_end(items, at, lowered) if at >= end and kind in {"word", "code"} else 0
        if not after:
            continue
        end = after
        last = starts[-1] if starts else None
        renamed = last and ORDER["other name"].match(lowered, last.end, items.starts[at])
        if renamed or ORDER["contains"].search(lowered, max(0, items.starts[at] - 60), items.starts[at]):
            continue
        begin, form = _form_before(items, at)
        ended, led = (last.end, last.lead is not None) if last else (0, False)
        if route := _route_before(lowered, begin, ended, led):
            begin = route[0]
        if (lead := sig.dose_before(lowered, begin, ended, led)) is not None:
            begin = lead
        status, cue = scopes(items).status(at, cue)
        exact = _is_drug(word) or word in lexicon.drug_starts()
        nutrient = word.split("-")[0] in sig.NUTRIENTS
        span = items.starts[at], items.ends[end - 1]
        starts.append(_Start(begin, *span, form, exact, nutrient, status, lead, route, at, end))
    return starts


@functools.lru_cache(maxsize=20_000)
def _is_form(word: str) -> bool:
    return ORDER["form before"].fullmatch(word) is not None


@functools.lru_cache(maxsize=20_000)
def _is_drug(word: str) -> bool:
    """Whether a word, or what stands before its hyphen or stroke (`Dolo-650`), is a drug of the lexicon."""
    known, word = lexicon.drugs(), word if word.isascii() or word in lexicon.drugs() else unaccented(word)
    first = JOINED.split(word, maxsplit=1)[0]
    romance = len(first) > 6 and first[-1] in "ao" and first[:-1] in known  # `metformina`, `bisoprololo`
    return romance or ORDER["salt"].sub("", word) in known or first in known


def _name_end(items: Atoms, at: int, lowered: str) -> int:
    """The index after the drug's name that starts at an atom; 0 where none does."""
    word = items.lowered[at]
    if len(word) < 3 or word in sig.NOT_DRUGS:
        return 0
    for length in (3, 2) if word in lexicon.drug_starts() else ():
        if " ".join(items.lowered[at : at + length]) in lexicon.drugs():
            return _extended(items, at + length)
    if _is_drug(word) or word in sig.NUTRIENTS:
        return _extended(items, at + 1)
    _, form = _form_before(items, at)
    if form and _plausible(items, at):
        end = at + 1
        while end - at < 4 and items.kinds[end] in ("word", "code") and _plausible(items, end):
            end += 1
        return 0 if lexicon.squeeze(form + word) in lexicon.analytes() else _extended(items, end)  # `T. Bili`
    if _listed(items, at, lowered) and _plausible(items, at):
        return at + 1
    dosed = items.kinds[at + 1] == "num" and _may_be_misspelt(word)
    strength = ORDER["strength"].match(lowered, items.starts[at + 1]) if dosed else None
    if not strength or strength["per"] or strength["unit"] in ("%", "g", "u", "cc"):
        return 0
    return _extended(items, at + 1) if lexicon.recognise_drug(word) or _heads_line(items, at, lowered, strength) else 0


def _heads_line(items: Atoms, at: int, lowered: str, strength: re.Match) -> bool:
    """Whether an unknown word opens a line that goes on as an order does: `Amotaks 500 mg 2x1`."""
    opens = items.words[at][0].isupper() and (not at or items.kinds[at - 1] == "nl")
    end = strength.end() + 80
    line = lowered.find("\n", strength.end(), end)
    directed = opens and ORDER["frequency"].search(lowered, strength.end(), line if line > 0 else end)
    return bool(directed) and strength["unit"] in ("mg", "mcg", "ug")


@functools.lru_cache(maxsize=20_000)
def _may_be_misspelt(word: str) -> bool:
    known = lexicon.squeeze(word) in lexicon.analytes() or ORDER["form"].fullmatch(word)
    return word.isalpha() and len(word) in lexicon.MISSPELT and not known


def _listed(items: Atoms, at: int, lowered: str) -> bool:
    """Whether a number of a list stands before a word and a form after it: `10) Moxiflox eye drops`."""
    numbered = at > 1 and items.words[at - 1] in (")", ".") and items.kinds[at - 2] == "num"
    strength = items.kinds[at + 1] == "num"  # `1. PAN 40 TABLET`
    return numbered and ORDER["form"].match(lowered, items.starts[at + 1 + strength]) is not None


def _plausible(items: Atoms, at: int) -> bool:
    """Whether a word after `Tab.` and the like is a name, and not a part of the order."""
    word = items.lowered[at]
    part = ORDER["form"].fullmatch(word) or ORDER["frequency"].fullmatch(word) or ORDER["route"].fullmatch(word)
    return len(word) > 2 and not part and items.words[at][0].isupper() and word not in sig.NOT_DRUGS


def _extended(items: Atoms, at: int) -> int:
    """The name goes on over salts, release forms, and drugs joined by a plus, a stroke or nothing."""
    while True:
        joined = items.words[at] in "+/-&" or items.lowered[at] in ("and", "with")
        here = at + joined
        word = items.lowered[here]
        goes_on = word in sig.SALTS or _is_drug(word) or (not joined and _tag(items, here))
        if items.kinds[here] not in ("word", "code") or not goes_on:
            return at
        at = here + 1


def _tag(items: Atoms, at: int) -> bool:
    """A brand's suffix right after it (`Pan D`, `Telma AM`, `Vitamin D3`), never a frequency."""
    word = items.lowered[at]
    if items.lowered[at - 1] in ("vitamin", "vit"):
        return bool(re.fullmatch(r"[a-ek]\d{0,2}|b-?complex|complex", word))
    return word in sig.TAGS and items.words[at].isupper() and not ORDER["frequency"].fullmatch(word) and word != "c"


def _form_before(items: Atoms, at: int) -> tuple[int, str | None]:
    """Where an order begins whose drug stands at an atom, and the form before it: `Tab. `, `1) Cap `."""
    here = at - 1
    while items.words[here] in ".:-":
        here -= 1
    word = items.words[here]
    if _is_form(word) and (len(word) > 1 or items.words[here + 1] == "."):
        return items.starts[here], word
    return items.starts[at], None


def _route_before(lowered: str, begin: int, last: int, led: bool) -> tuple[int, int] | None:
    """The span of a route right before a drug or its form, unless it ends the order before, from `last` on."""
    route = ORDER["route before"].search(lowered, max(last, begin - 30), begin)
    if not route:
        return None
    parted = not last or ORDER["parted"].search(lowered, last, route.start())
    dosed = parted or sig.dose_before(lowered, route.start(), last, led) is not None  # `4 mg IV ondansetron`
    return route.span(1) if dosed else None


def _order(text: str, flat: str, start: _Start, at: int, limit: int, line: int) -> DrugOrder | None:
    lowered = lower(flat)
    dosed = sig.changed_at(lowered, at, limit)
    dose, unit = sig.strength(flat, dosed, limit)
    if start.lead is not None:
        before = sig.strength(flat, start.lead, start.name)
        if unit in COUNTED_UNITS or (dosed == at and before[1] not in COUNTED_UNITS):  # what follows is the next one's
            dose, unit = before
    duration = sig.DURATION.search(lowered, at, limit)
    frequency = _frequency(flat, dosed, limit) or (_frequency(flat, at, limit) if dosed > at else None)
    form = ORDER["form"].search(lowered, at, limit)
    routes = list(itertools.islice(ORDER["route"].finditer(lowered, at, limit), 2))
    if routes and routes[0].group(1) == "inh" and (form.start() > routes[0].start() if form else len(routes) > 1):
        form = routes.pop(0)  # `90 mcg inh INH q4h`, `18 mcg inh 2 puffs`
    if routes and routes[0].group(1) == "ou" and not form and unit != "%" and flat[routes[0].start()] == "o":
        del routes[0]  # `200 mg ou 400 mg`: French and Portuguese for `or`, and not both eyes
    route = start.route or (routes[0].span(1) if routes else None)
    strength = sig.solid(lowered, dosed, limit)
    amount = directions.amount_before(lowered, start.name) or directions.amount_at(lowered, at, limit, strength)
    order = DrugOrder(
        " ".join(text[start.name : start.end].split()).rstrip("."),
        dose,
        unit,
        start.form or (flat[slice(*form.span(1))] if form else None),
        flat[slice(*route)] if route else None,
        " ".join(text[frequency[0] : frequency[1]].split()) if frequency else None,
        flat[slice(*duration.span(duration.lastgroup))].strip() if duration else None,
        line,
        " ".join(text[slice(*amount)].split()) if amount else None,
        start.status,
    )
    return order if _holds(order, start, text) else None


def _holds(order: DrugOrder, start: _Start, text: str) -> bool:
    """Whether a name with what was found beside it is an order: never a drug's level, an allergy, or a mention."""
    line = text[max(0, start.name - 60) : start.name].lower().rpartition("\n")[2]
    parts = sum(part is not None for part in (order.form, order.route, order.frequency))
    allergy = ("allerg" in line or "alerg" in line) and order.status == "active" and not (order.unit and parts)
    level = order.unit is not None and order.unit.endswith(("/mL", "/d", "/min", "%")) and "/kg/" not in order.unit
    mentioned = order.status == "mentioned" or ORDER["no order after"].match(lower(text), start.end)
    if allergy or mentioned or "test" in line[-8:] or (not parts and (level or ORDER["priced"].match(text, start.end))):
        return False
    dosed = order.dose is not None
    if start.known and not start.nutrient:
        directed = bool(order.unit or order.frequency or order.status == "stopped")
        return directed or (parts > 0 and not line.strip(" \t.:*•|()-0123456789"))  # in a list, not in a sentence
    if start.nutrient or not start.form:
        several = parts > 1 and (start.form is not None or dosed)
        return order.unit is not None or several or (parts > 0 and dosed and start.nutrient)
    return dosed or order.frequency is not None or order.duration is not None


def _frequency(flat: str, start: int, limit: int) -> tuple[int, int] | None:
    """The span of the frequency; pieces that follow each other (`q6h PRN`, `once daily at bedtime`) are one."""
    lowered = lower(flat)
    words, span = lowered[start:limit], None
    if any(word in words for word in sig.SLOT_WORDS) and (
        several := ORDER["several slots"].search(lowered, start, limit)
    ):
        return several.span()
    for match in ORDER["frequency"].finditer(lowered, start, limit):
        if flat[slice(*match.span())] in ("on", "om", "On", "Om"):  # the word, not `ON`, every night
            continue
        end = match.end() - (match.group().endswith(".") and match.group().count(".") == 1)
        if span is None:
            span = match.start(), end
        elif not flat[span[1] : match.start()].strip(" .("):
            span = span[0], end
        else:
            break
    meals = ORDER["meals"].search(lowered, start, limit) if span is None else None
    return meals.span() if meals else span
