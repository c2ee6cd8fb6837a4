"""Tick boxes: options with ticked or empty marks, the mark before or after its label."""

import dataclasses
import itertools
import re

from .text import clean, plain
from .words import words

YES, NO = words("yes"), words("no")
ANSWERS = YES | NO | {"y", "n"}

TICKED = "☑☒✓✔✗✘⊠⬛■●◉⦿🗹🗷✅❎🅇⊗"
EMPTY = "☐□▢⬜○◯◻❏❐❑❒口▫◦⚪🔲"
MARK = re.compile(
    rf"(?P<ticked>[{TICKED}]|\[[ ]?[xX✓✔*vV√][ ]?\]|\([ ]?[xX✓✔√*][ ]?\)|:selected:|<[xX]>|\{{[xX]\}}|√(?=[ ]))"
    rf"|(?P<empty>[{EMPTY}]|\[[ _]{{0,3}}\]|\([ _]{{1,3}}\)|:unselected:|\([ ]?\)(?=[ ]|$)|"
    rf"(?<![\w])_{{2,4}}(?=[ ][A-Z]))"
)
MAY_BE_MARK = re.compile(rf"[{TICKED}{EMPTY}√]|[\[({{<][ ]?[xX✓✔√*vV_ \])]|:(?:un)?selected|__")  # quickly found
QUESTION = re.compile(r"(?P<ask>[^\n:?|]{2,60})[ ]?[:?]")
LONGEST = 80


@dataclasses.dataclass(frozen=True)
class Option:
    """One tick box: its label, whether it is ticked, the question it answers where printed, and its line, from 0."""

    label: str
    ticked: bool
    question: str | None = None
    line: int = 0


def read_options(text: str) -> list[Option]:
    """The options of a form, in order. A line with marks but no label (a blank box) gives none."""
    flat = plain(clean(text))
    options = _crosses(flat.split("\n")) if "|" in flat else []
    crossed = {option.line for option in options}
    question = None
    for number, line in enumerate(flat.split("\n") if MAY_BE_MARK.search(flat) and MARK.search(flat) else ()):
        marks = list(MARK.finditer(line)) if number not in crossed else []
        if marks:
            read, asked = _line(line, marks, number, question)
            options += read
            question = asked or question
        else:
            question = _asked(line)
    return options


def _crosses(lines: list[str]) -> list[Option]:
    """The options of tables whose heading has Yes and No and whose cells are marked: `| Asthma | X | |`."""
    options: list[Option] = []
    heads: list[str] = []
    for number, line in enumerate(lines):
        cells = [cell.strip() for cell in line.strip().removeprefix("|").split("|")]
        lowered = {cell.lower() for cell in cells}
        if not YES.isdisjoint(lowered) and not NO.isdisjoint(lowered):
            heads = cells
        elif line.strip() and len(cells) != len(heads):
            heads = []
        elif len(cells) == len(heads) and any(cell.lower() == "x" or MARK.fullmatch(cell) for cell in cells):
            marked = [(h, c) for h, c in zip(heads, cells, strict=True) if h.lower() in YES | NO]
            options += [Option(head, _is_ticked(cell), _tidy(cells[0]) or None, number) for head, cell in marked]
    return options


def _is_ticked(cell: str) -> bool:
    mark = MARK.fullmatch(cell)
    return cell.lower() == "x" or (mark is not None and mark.lastgroup == "ticked")


def _line(line: str, marks: list[re.Match], number: int, question: str | None) -> tuple[list[Option], str | None]:
    """The options of one line, and the last question asked on it."""
    head = line[: marks[0].start()].strip(" |-*\t.0123456789)")
    before = not head or head.endswith((":", "?")) or bool(line[marks[-1].end() :].strip(" |."))
    asked = _asked(head) if before and head else None
    starts, ends = [mark.start() for mark in marks], [mark.end() for mark in marks]
    spans = zip(ends, [*starts[1:], len(line)], strict=True) if before else zip([0, *ends[:-1]], starts, strict=True)
    pieces = [(mark, line[slice(*span)]) for mark, span in zip(marks, spans, strict=True)]
    options = []
    current = asked or (None if head else question)
    for mark, piece in pieces:
        ask = piece.rpartition(":")[0] if not before and ":" in piece else ""
        current = ask.strip(" |-.") or current
        label, following = _split(piece if not ask else piece.rpartition(":")[2], last=mark is pieces[-1][0])
        asks, _, answer = label.rpartition(" ")
        if not before and asks and answer.lower() in ANSWERS:  # `1. Fever  Y [ ] N [X]`
            current, label = asks.lstrip("0123456789.) "), answer
        if label:
            options.append(Option(label, mark.lastgroup == "ticked", current, number))
        current = following or current
    return options, current if current != question else None


def _split(piece: str, last: bool) -> tuple[str, str | None]:
    """A label, and the question that follows it on the same line: ` No Smoker:` → `No`, `Smoker`."""
    piece = piece.rstrip(" |\t")
    if not last and piece.endswith((":", "?")):
        words = piece[:-1].split()
        # The question starts at its number, else at the first capital that is not the first word.
        numbers = (at for at in range(1, len(words)) if re.match(r"\d{1,2}[.)]$", words[at]))
        capitals = (at for at in range(1, len(words)) if words[at][:1].isupper())
        cut = next(itertools.chain(numbers, capitals), len(words))
        return _tidy(" ".join(words[:cut])), _tidy(" ".join(words[cut:]).lstrip("0123456789.) "))
    if not last and (numbered := re.search(r"[ ]\d{1,2}[.)][ ]", piece)):
        return _tidy(piece[: numbered.start()]), _tidy(piece[numbered.end() :])
    return _tidy(piece), None


def _tidy(label: str) -> str:
    label = " ".join(label.split()).strip(" |,;·•\t-")
    return label if len(label) <= LONGEST and any(map(str.isalnum, label)) else ""


def _asked(line: str) -> str | None:
    if len(line) > 120 or (len(line) > 60 and line.rstrip().endswith((":", "?"))):  # run together: from a capital on
        words = line[-60:].rstrip(" :?").split()
        start = next((at for at in range(len(words) - 1, 0, -1) if words[at][:1].isupper()), 0)
        return _tidy(" ".join(words[start:])) or None
    match = QUESTION.search(line[:200])
    title = match.group("ask") if match else line if len(line) <= 60 else ""
    return re.sub(r"^[\s\d.)#*|-]{1,12}", "", title[:80]).strip(" |*#-") or None
