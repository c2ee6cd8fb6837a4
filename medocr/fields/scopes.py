"""What a sentence of running text is about: its cues say which numbers are no result and which drugs no order.

Cues are words of the language tables. One governs what follows it in its sentence, until a word that turns the
sentence; at the head of a list, the list; at the head of a leaflet or a policy, the paragraph.
"""

import functools
from bisect import bisect_left, bisect_right

from .cues import NO_RESULT, RULING, STATUS, Cue, cues_of
from .marks import range_at
from .sig import ORDER
from .text import Atoms
from .units import unit_at
from .words import words

HEADING = {"stop", "stopped", "denied", "refused", "takes"}  # of a list
SHORT = 6  # atoms of a line that heads a list
BEHIND = {"stopped", "refused", "proposed"}  # may stand behind the drug: `ramipril 5 mg was stopped`
REACH = {"stopped": 4, "stop": 4, "negator": 2, "denied": 3, "refused": 3, "mentioned": 9, "proposed": 6, "ceiling": 4}
STOPPING = {".", "?", "!"}
FAR = (60, 30)  # characters from a cue, or a relative, to a name where no verb makes it a sentence
MOST = 24  # cues before a name that are looked at
NEAR = 12  # atoms from a verb to a name of its clause
ROWS = 40  # atoms before a line in which a row of results makes it a remark
WRAPPED = 60  # characters of a line that the next one may go on with
AGREED = {"per", "to", "following", "with", "gemäß", "nach", "selon", "según", "secondo", "segundo", "volgens", "a"}
HANDED = {"given", "provided", "supplied", "sent", "issued"}  # `information leaflet given`
BESIDE = {"with", "by", "to", "from", "mit", "avec", "con", "com", "met", "z", "par"}  # `came with her daughter`


class Scopes:
    """The cues of a page and its sentences, by the numbers of their atoms."""

    def __init__(self, atoms: Atoms) -> None:
        self.atoms = atoms
        cues, marks = cues_of(atoms)
        self.cues = self._merged(cues)
        self.places = [cue.at for cue in self.cues]
        self.verbs = [mark.at for mark in marks if mark.kind != "someone"]
        self.labels = [
            mark.at for mark in marks if mark.kind == "someone" and ":" in atoms.words[mark.end - 1 : mark.end + 1]
        ]
        self.patients = [mark.at for mark in marks if mark.kind != "verb"]
        # Whether a result may be none; most pages of results are told off here.
        self.tells = bool(self.verbs) or any(cue.kind in RULING for cue in self.cues)
        self.heads: list[Cue] = []
        self.general: list[tuple[int, int]] = []  # the atoms of what is about nobody
        for cue in self.cues:
            if cue.kind in HEADING and self._is_heading(cue):
                self.heads.append(cue)
            if cue.kind in ("general", "fiction") and not self._is_general(cue.at):
                span = self._paragraph(cue)
                while self.general and self.general[-1][0] >= span[0]:  # they are a part of it
                    self.general.pop()
                self.general.append(span)
        # Whether the page is about no patient: something makes a part of it general, and nobody is in it.
        self.of_nobody = any(start < end for start, end in self.general) and not self.patients

    def _merged(self, cues: list[Cue]) -> list[Cue]:
        """A verb of taking that depends on the cue before it is a part of it: `denies taking`, `was never given`."""
        merged: list[Cue] = []
        for cue in cues:
            if cue.kind in ("takes", "stop") and (last := next((c for c in merged[:-4:-1] if c.kind in REACH), None)):
                gap = self.atoms.lowered[last.end : cue.at]
                near = len(gap) < (5 if last.kind == "negator" else 2) and APART.isdisjoint(gap)
                if near and (cue.kind == "takes" or (last.kind == "negator" and not gap)):
                    kind = last.kind if last.kind != "negator" else "refused" if cue.kind == "takes" else "takes"
                    while merged.pop() != last:
                        pass
                    cue = Cue(last.at, cue.end, kind)  # `do not stop` is `takes`
            merged.append(cue)
        return merged

    @functools.cached_property
    def breaks(self) -> list[int]:
        """The atoms that end sentences."""
        kinds, words = self.atoms.kinds, self.atoms.words
        places = (at for at in range(self.atoms.count) if kinds[at] == "nl" or words[at] in STOPPING)
        return [at for at in places if self._breaks(at)]

    @functools.cached_property
    def blanks(self) -> list[int]:
        """The atoms that end the lines before blank ones."""
        return [at for at in self.breaks if self.atoms.kinds[at] == "nl" == self.atoms.kinds[at + 1]]

    def _breaks(self, at: int) -> bool:
        """Whether a sentence ends at an atom: a stop before a capital, or a line's end unless the sentence goes on."""
        kind, word, after = self.atoms.kinds[at], self.atoms.words[at], self.atoms.words[at + 1]
        if kind == "nl":
            long = at and self.atoms.starts[at] - self.atoms.text.rfind("\n", 0, self.atoms.starts[at]) > WRAPPED
            return self.atoms.lowered[at - 1] not in (",", "and", "or") and not (long and after[:1].islower())
        ends = self.atoms.kinds[at + 1] in ("nl", "end") or after[:1].isupper() or after in "¿\"'("
        before = self.atoms.lowered[at - 1]
        return ends and (word != "." or (len(before) > 1 and before not in ABBREVIATIONS))

    def sentence(self, at: int) -> tuple[int, int]:
        """The atoms that begin and end the sentence of an atom."""
        index = bisect_left(self.breaks, at)
        end = self.breaks[index] if index < len(self.breaks) else self.atoms.count
        return (self.breaks[index - 1] + 1 if index else 0), end

    def _between(self, start: int, end: int) -> list[Cue]:
        last = bisect_left(self.places, end)
        return self.cues[max(bisect_left(self.places, start), last - MOST) : last]

    def _paragraph(self, cue: Cue) -> tuple[int, int]:
        """The atoms that a word such as `leaflet` or `policy` governs: its sentence, or the paragraph it heads; on a
        page that names its patient by a label, and below a row of results, the sentence alone, which may be a remark
        between two results."""
        kinds, lowered = self.atoms.kinds, self.atoms.lowered
        start, end = self.sentence(cue.at)
        after = lowered[cue.end : min(end, cue.end + 3)]
        labelled = self._has(self.labels, start, end)  # `Patient: Pixel (feline, 4.1 kg)`
        limits = self._is_range(cue.end)
        if lowered[cue.at - 1] in AGREED or not HANDED.isdisjoint(after) or labelled or limits:
            return cue.at, cue.at
        while cue.kind == "fiction" and not self.labels and start and kinds[start - 1] != "nl":
            start -= 1  # its line tells the case before it asks: `… sodium 118. What is the diagnosis?`
        opens = not self.labels and (start == 0 or kinds[start - 1] == "nl" or cue.kind == "fiction")
        opens = opens and not self._is_among_results(start)
        if not opens and self._is_row(start, cue.at):
            start = cue.at  # `Ferritin > 2000 ng/mL, above the measuring range`
        while opens and end + 1 < self.atoms.count and not (kinds[end] == "nl" == kinds[end + 1]):
            following = self.sentence(end + 1)[1]
            if cue.kind == "general" and self._has(self.patients, end + 1, following):
                break
            end = following
        return start, end

    @staticmethod
    def _has(places: list[int], start: int, end: int) -> bool:
        index = bisect_left(places, start)
        return index < len(places) and places[index] < end

    def is_prose(self, at: int, end: int) -> bool:
        """Whether a verb stands in the clause of a name that starts at an atom, up to another atom."""
        return bool(self.verbs) and self._has(self.verbs, max(self.sentence(at)[0], at - NEAR), end)

    def is_of_nobody(self, at: int) -> bool:
        """Whether an atom is in a question, in a quotation, or in a text about no patient: a study, a leaflet."""
        if not self.verbs and not self.general:
            return False
        start, end = self.sentence(at)
        asked = self.atoms.words[end] == "?" and end - start > 4 and self._has(self.verbs, start, end)
        quoted = self.atoms.words[max(start, at - NEAR) : at].count('"') % 2 and self.is_prose(at, end)
        return asked or bool(quoted) or self._is_general(at)

    def _is_range(self, at: int) -> bool:
        """Whether a range and no dose stands at an atom: `Adults: 3.5-5.1`, the limits of a result."""
        limits = range_at(self.atoms, at)
        if not limits:
            return False
        unit = unit_at(self.atoms, limits[2])
        return self.atoms.kinds[unit[1] if unit else limits[2]] in ("nl", "end", "cell", "sym")

    def _is_among_results(self, start: int) -> bool:
        """Whether a row of results, with a unit and no verb, stands right before a line in its paragraph."""
        kinds = self.atoms.kinds
        for at in range(start - 1, max(start - ROWS, 0), -1):
            if kinds[at] == "nl" == kinds[at - 1]:
                return False
            if kinds[at] == "num" and unit_at(self.atoms, at + 1):
                return self._is_row(*self.sentence(at))
        return False

    def _is_row(self, start: int, end: int) -> bool:
        """Whether a number with a unit is among these atoms, and no verb before it."""
        measured = (at for at in range(start, end) if self.atoms.kinds[at] == "num" and unit_at(self.atoms, at + 1))
        first = next(measured, None)
        return first is not None and not self._has(self.verbs, start, first)

    def _is_general(self, at: int) -> bool:
        index = bisect_right(self.general, (at, self.atoms.count)) - 1
        return index >= 0 and at < self.general[index][1]

    def bars(self, at: int, value: int, *, bounded: bool) -> bool:
        """Whether a number at the atom `value`, of a name at `at`, is no result of the patient's.

        `bounded`: it is a bound, which makes rules of words that else say when (`Hb when admitted 9.2`).
        """
        prose = self.is_prose(at, value)
        if (self.of_nobody and prose) or self.is_of_nobody(at):
            return True
        for cue in reversed(self._between(self.sentence(at)[0], value)):
            far = not prose and self.atoms.starts[at] - self.atoms.starts[cue.at] > FAR[cue.kind == "relative"]
            if cue.kind == "reset" or far:
                break
            if cue.kind == "relative" and self._is_subject(cue, at):
                return True
            if cue.kind in NO_RESULT and self._limits(cue, at, bounded, prose):
                return True
        return False

    def _limits(self, cue: Cue, at: int, bounded: bool, prose: bool) -> bool:
        if cue.kind == "rule":
            return bounded
        if cue.kind == "average":
            return prose and cue.end >= at - 1
        return "egfr" not in self.atoms.lowered[max(0, cue.at - 3) : cue.at]  # `eGFR if African American`

    def _is_subject(self, cue: Cue, at: int) -> bool:
        """Whether a relative is whom the sentence is about, and not who came along or tells of the patient."""
        start, end = self.sentence(cue.at)
        beside = not BESIDE.isdisjoint(self.atoms.lowered[max(start, cue.at - 2) : cue.at])
        tells = any(other.kind == "companion" and other.at - cue.end < 4 for other in self._between(cue.end, at))
        return not beside and (not tells or "own" in self.atoms.lowered[cue.end : min(end, at + NEAR)])

    def status(self, at: int, earlier: Cue | None) -> tuple[str, Cue | None]:
        """What the words before a drug at an atom make of it, and the cue among them that does.

        `earlier` is the cue of the drug before, which governs the rest of its list too.
        """
        if not self.cues and not self.verbs:
            return "active", None
        if (self.of_nobody and self.is_prose(at, at + NEAR)) or self.is_of_nobody(at):
            return "mentioned", None
        before = self._between(self.sentence(at)[0], at)
        turned = max((index for index, cue in enumerate(before) if cue.kind == "reset"), default=-1) + 1
        if any(self._says_of_others(cue, at) for cue in before[turned:]):
            return "mentioned", None
        for cue in reversed(before[turned:]):
            into = cue.kind == "stop" and at - 1 > cue.end and self.atoms.lowered[at - 1] in INTO  # `switch from … to`
            if into or cue.kind in ("takes", "resumed"):
                return "active", None
            listed = cue == earlier and cue.kind not in ("negator", "ceiling")
            if cue.kind in REACH and (listed or self._reaches(cue, at)):
                return STATUS[cue.kind], cue
        head = self._heading(at)
        if head:
            return STATUS[head.kind], head
        return ("mentioned" if self._is_told(at) else "active"), None

    def _is_told(self, at: int) -> bool:
        """Whether a sentence tells of a drug, and not that it is taken: what nobody orders is no order."""
        start, end = self.sentence(at)
        start, end = max(start, at - NEAR), min(end, at + 2 * NEAR)
        if self.atoms.lowered[at - 1] == "on":  # `his Hb is stable on ferrous sulfate 200 mg`
            return False
        told = not TELLING.isdisjoint(self.atoms.lowered[start:end])
        return told and not any(cue.kind in ("takes", "resumed") for cue in self._between(start, end))

    def _says_of_others(self, cue: Cue, at: int) -> bool:
        """Whether a cue before a drug makes it another person's, a plan for a case, or a part of a fluid."""
        if cue.kind == "condition":  # and not `if needed`
            passed = (
                self.atoms.lowered[cue.at] == "until" and "," in self.atoms.lowered[cue.end : min(at, cue.end + NEAR)]
            )
            return not passed and NEEDS.isdisjoint(self.atoms.lowered[cue.end : cue.end + 2])
        return cue.kind == "fluid" or (cue.kind == "relative" and self._is_subject(cue, at))

    def _reaches(self, cue: Cue, at: int) -> bool:
        between = self.atoms.lowered[cue.end : at]
        lasting = cue.kind == "ceiling" and not LASTING.isdisjoint(between)  # `for more than 5 years metformin`
        return len(between) <= REACH[cue.kind] + 2 * (":" in between) and JOINING.isdisjoint(between) and not lasting

    def _is_heading(self, cue: Cue) -> bool:
        """Whether a cue's line is a few words that head a list, `STOPPED 2023:`, and no order: `Stop X 5 mg`."""
        start, end = self.sentence(cue.at)
        alone = self.atoms.kinds[end] in ("nl", "end") and (start == 0 or self.atoms.kinds[start - 1] == "nl")
        heads = alone and end - start <= SHORT and (cue.at == start or self.atoms.words[end - 1] == ":")
        if not heads or "num" not in self.atoms.kinds[start:end]:
            return heads
        line = self.atoms.text[self.atoms.starts[start] : self.atoms.ends[end - 1]].lower()
        dosed = self.atoms.kinds[end - 1] == "num" and cue.end < end - 1  # `Stop Dolo 650`, but `STOPPED 2023`
        return not (dosed or ORDER["strength"].search(line) or ORDER["counted"].search(line))

    def _heading(self, at: int) -> Cue | None:
        """The cue of the line that heads the list in which an atom stands."""
        line = self.sentence(at)[0]
        index = bisect_left(self.heads, (line,)) - 1
        head = self.heads[index] if index >= 0 else None
        apart = head is not None and self._has(self.blanks, head.end + 1, line - 1)
        return None if head is None or apart or STATUS[head.kind] == "active" else head

    def status_behind(self, at: int, following: int) -> str | None:
        """What the words behind an order, in its sentence, make of it: `… – STOPPED due to GI bleed`; None if nothing.

        The next drug stands at the atom `following`: words right before it are its own.
        """
        status, end = None, self.sentence(at)[1] if self.cues else 0
        for cue in self._between(at, min(following, end + 2)):  # `lorazepam 4 mg IV. Not given.`
            if following - cue.end <= 2 and APART.isdisjoint(self.atoms.lowered[cue.end : following]):
                break
            capped = cue.kind == "ceiling" and "num" not in self.atoms.kinds[at : cue.at]  # `never more than 4 g`
            later = self.atoms.lowered[cue.at - 1] == "be" and self.atoms.lowered[cue.at - 2] not in ("should", "must")
            if capped or (cue.kind in BEHIND and not later):
                status = STATUS[cue.kind]
            elif cue.kind == "resumed":
                status = None
        return status


JOINING = {",", ";", ".", "and", "but", "then", *words("and")}
TELLING = words("telling")  # words of running text that directions have none of
APART = {*JOINING, "\n"}
INTO = {"to", "auf", "naar"}
NEEDS = words("need")
WOULD = words("would")
LASTING = words("lasting")
ABBREVIATIONS = words("abbreviation")


@functools.lru_cache(maxsize=4)
def scopes(atoms: Atoms) -> Scopes:
    """The scopes of a page's atoms, made once for all who ask."""
    return Scopes(atoms)
