"""Words of the language tables that say what a sentence is about, and where they stand on a page."""

import functools
import itertools
import re
from typing import NamedTuple

from .text import ELISION, Atoms
from .words import words

NO_RESULT = {"condition", "rule", "aim", "average", "fluid"}
STATUS = {"stopped": "stopped", "stop": "stopped", "negator": "denied", "denied": "denied", "refused": "denied"}
STATUS |= {"mentioned": "mentioned", "proposed": "mentioned", "ceiling": "mentioned", "takes": "active"}
RULING = {*NO_RESULT, "relative", "general", "fiction"}
GOVERNING = {*RULING, *STATUS, "companion", "resumed", "reset"}
MARKS = {"patient", "someone", "verb"}
WORD = re.compile(r"[^\s:;]+|[:;]")


class Cue(NamedTuple):
    """Words of a kind, and the atoms that they take."""

    at: int
    end: int
    kind: str


@functools.cache
def _phrases() -> dict[str, list[tuple[list[str], str]]]:
    """First word → the cues that begin with it, the longest first."""
    phrases: dict[str, list[tuple[list[str], str]]] = {}
    for kind in GOVERNING | MARKS:
        for phrase in words(kind):
            parts = WORD.findall(ELISION.sub(lambda match: match.group()[:-1] + " ", f"{phrase}xx")[:-2])
            for last in (parts[-1].rstrip("'"), parts[-1] + "'s")[: 1 + (kind == "relative")]:
                phrases.setdefault(parts[0] if len(parts) > 1 else last, []).append(([*parts[:-1], last], kind))
    return {first: sorted(cues, key=lambda cue: -len(cue[0])) for first, cues in phrases.items()}


def cues_of(atoms: Atoms) -> tuple[list[Cue], list[Cue]]:
    """The cues of a page, of which none overlaps the one before it, and its marks, which may stand in a cue too."""
    phrases, end = _phrases(), 0
    cues: list[Cue] = []
    marks: list[Cue] = []
    for at in itertools.compress(range(atoms.count), map(phrases.__contains__, atoms.lowered)):
        for parts, kind in phrases[atoms.lowered[at]]:
            several = len(parts) > 1  # the second word tells most off
            if several and (parts[1] != atoms.lowered[at + 1] or atoms.lowered[at : at + len(parts)] != parts):
                continue
            if kind in MARKS:
                marks.append(Cue(at, at + len(parts), kind))
            elif at >= end:
                end = at + len(parts)
                cues.append(Cue(at, end, kind))
    return cues, marks
