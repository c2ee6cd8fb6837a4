"""Analyte rows: a name, then value, unit, reference range and flag in any order.

The text is read as one stream, so that rows run together by one space are found as well as rows on lines
of their own. A name is one of the lexicon's, or words that stand before a value with a laboratory's unit or range.
"""

import bisect
import dataclasses
import itertools
import re

from . import dated, directions, lexicon, mentions
from .columns import Columns, read_columns
from .marks import EARLIER, FLAGS, LEAD_IN, PERIODS, QUALITIES, STRONG, bound_at, flag_at, range_at
from .names import HEADINGS, LINKS, LOOSE, NEVER, STOPS, Names
from .scopes import scopes
from .text import AHEAD, Atoms, clean, line_starts, lower
from .units import BARE, DOSES
from .words import words

SEX = re.compile(  # of `text.lower`
    r"\b(?:sex|gender)\b[^\w\n]{0,4}(m|f|male|female)\b|\b\d{1,3}[ ]?(?:y|yrs?|years?)?[ ]?/[ ]?(m|f|male|female)\b"
)
STROKE_SEX = re.compile(r"/[ ]?(?:m|f|male|female)\b")  # quickly found, and most pages have none
NAME_HEADINGS = words("name_headings")
RANGE_HEADINGS = words("range_headings") | words("lead_in")
RESULT_HEADINGS = words("result_headings")
COLUMN_HEADINGS = RESULT_HEADINGS | EARLIER
RESULT_WORDS = words("result")
ENDS = ("min", "max"), ("low", "high"), ("lower", "upper")
AMOUNTS = {"mL", "L", "U", "[IU]"}  # of what is given, unless the lexicon knows the name
ANDS = {"and", "or", "to", *words("and")}
BEFORE_VALUE = {"h", "l", "hh", "ll", "high", "low"}
NOT_FIRST = HEADINGS | FLAGS.keys()  # of an unknown name
NO_NAME_ALONE = LEAD_IN | LOOSE | PERIODS | directions.NUMBERS.keys()  # `at three hours 17 ng/L`
NO_UNKNOWN = NEVER | LINKS | STOPS | EARLIER  # what no name holds that the lexicon does not have
FOLLOWING = {"and", "with", "on", "h", "l", "high", "low", "was", "is", "but", "today", "which", "yesterday", "then"}
NEGATIVE = re.compile(r"excess|deficit|(?<!\w)be(?!\w)|score", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Analyte:
    """One result. `value` is a number, or the text as printed for bounds, titres and words; `unit` a UCUM code;
    `low` and `high` the reference range, None where it is open; `flag` an HL7 interpretation code (H, L, HH, LL, A, N);
    `line` the number of the line, from 0, on which the name stands; `previous` an earlier result that the row repeats,
    and the date printed beside it; `date` the date over the result's column, where there are several."""

    name: str
    value: float | str
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    flag: str | None = None
    line: int = 0
    previous: float | str | None = None
    previous_date: str | None = None
    date: str | None = None


def read_analytes(text: str) -> list[Analyte]:
    """The analyte rows of a transcription, in order. What is not printed is None; nothing is guessed or corrected."""
    text = clean(text)
    if not dated.may_unfold(text):
        return _Reader(text).read() if text else []
    text, places = dated.unfolded(text)
    rows = _Reader(text).read()
    placed = ((row, *places[row.line]) for row in rows)
    return [dataclasses.replace(row, line=line, date=date) for row, line, date in placed]


class _Reader(Names):
    """One pass over a text's atoms."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lines = line_starts(text)
        self.sex = _sex(lower(self.plain))
        self.range_first, self.earlier, self.earlier_date = _table_heading(self.atoms)
        # Whether two columns of a table are the range: `Min | Max`, `Low,High`.
        self.limits = any(
            most in self.lowered[self.lowered.index(least) + 1 :][:3] for least, most in ENDS if least in self.lowered
        )
        self.scopes = scopes(self.atoms)
        self.begin = 0  # where words that may be the next name's begin
        self.row_end = -1
        self.titled: tuple[int, int] | None = None  # the atoms of a name that has a line of its own
        self.rows: list[Analyte] = []

    def read(self) -> list[Analyte]:
        here = 0
        while here < self.atoms.count:
            here = self._at(here)
        return self.rows

    def _at(self, here: int) -> int:
        """Read what stands at an atom; the index to go on from."""
        kind = self.kinds[here]
        if kind in {"nl", "date", "time"}:
            self.begin = here + 1
            return here + 1
        if self.after[here] and kind in {"word", "code", "num"}:
            return self._known(here, self.after[here])
        if self.titled and self.begin == here:
            heading = here + (self.lowered[here] == "your")  # `Your Value: 5.2 mg/dL`
            if self.lowered[heading] in RESULT_WORDS:
                return self._titled(heading)
        if kind in {"num", "cmp", "titre"} and self.begin < here:
            if after := self._unknown(here):
                return after
            self.begin = here + 1
        elif kind == "word" and self.lowered[here] in QUALITIES and self.begin < here:
            return self._unknown(here) or here + 1
        elif kind == "sym" and self.words[here] in ".;?":
            ends = not here or self.kinds[here + 1] in ("nl", "end") or self.ends_sentence(here)
            self.begin = here + 1 if ends else self.begin
        return here + 1

    def _known(self, here: int, after: int) -> int:
        """A name of the lexicon: read on to its columns."""
        name_end, columns_at = self.extend(here, after)
        if columns_at < 0:  # another name comes before any column
            return after
        headed = self.words[here - 1] == ":" and self.lowered[here - 2] in NAME_HEADINGS  # `Test: Ferritin`
        opens = not here or self.kinds[here - 1] == "nl" or headed
        alone = columns_at == name_end and self.kinds[name_end] == "nl" and opens
        self.titled = (here, name_end) if alone else None
        columns = read_columns(self.atoms, columns_at, self.after, self.range_first)
        squeezed = lexicon.squeeze(self.plain[self.starts[here] : self.ends[after - 1]])
        if not self._valid(columns, known=True, drug=squeezed in lexicon.drugs(), linked=columns.at - name_end):
            return after
        if mentions.is_mention(self, here, after, columns):
            self.begin = columns.end
            return columns.end
        begin = self.start(here, self.begin)
        if self.scopes.tells and self.scopes.is_prose(here, columns.at):
            name_end = after  # `sodium this morning was 131`
        if isinstance(columns.value, float) and self._is_negative(here, name_end, columns):
            columns.value = -columns.value
        return self._add(self.printed(begin, name_end, here), begin, columns)

    def _titled(self, here: int) -> int:
        """The result of a test whose name has a line of its own above: `FIBRINOGEN`, then `Result: 412 mg/dL`."""
        begin, name_end = self.titled
        columns = read_columns(self.atoms, here + 1, self.after, self.range_first)
        near = _line_of(self.lines, self.starts[here]) - _line_of(self.lines, self.starts[begin]) <= 3
        if not near or not columns.printed or not self._valid(columns, known=True, drug=False, linked=0):
            return here + 1
        self.titled = None
        between = filter(None, (range_at(self.atoms, at) or bound_at(self.atoms, at) for at in range(name_end, here)))
        columns.ranges += [(low, high, "", "") for low, high, *_ in between][: not columns.ranges]
        return self._add(self.printed(begin, name_end, begin), begin, columns)

    def _is_negative(self, here: int, name_end: int, columns: Columns) -> bool:
        """Whether the dash before a value is its sign: only of what can be below zero, such as a base excess."""
        at = columns.at
        if at <= name_end - 1 or self.lowered[at - 1] != "-" or self.ends[at - 1] != self.starts[at]:
            return False
        below = bool(columns.ranges) and (columns.ranges[0][0] or 0) < 0
        return below or bool(NEGATIVE.search(self.plain, self.starts[here], self.ends[name_end - 1]))

    def _unknown(self, here: int) -> int:
        """Words that are in no lexicon before what looks like a result; 0 where it does not."""
        start, end, flag = self._unknown_name(here)
        if start is None or any(bound_at(self.atoms, at) for at in range(max(start, here - 4), here)):
            return 0  # no name, or one before a rule: `une hémoglobine inférieure à 7`
        columns = read_columns(self.atoms, here, self.after, self.range_first)
        columns.flag = columns.flag or flag
        names = self.lowered[start:end]
        drug = any(word in lexicon.drugs() for word in names)
        barred = self.scopes.tells and self.scopes.bars(end, columns.at, bounded=mentions.bounded(columns))
        if barred or not self._valid(columns, known=False, drug=drug):
            return 0
        alone = self.kinds[columns.end] in ("nl", "end") and (start == 0 or self.kinds[start - 1] == "nl")
        between = start == self.begin == self.row_end
        strong = {self.lowered[here], columns.printed.lower()} & STRONG or columns.repeated or columns.flag
        if columns.quality and not (strong and (alone or between)):
            return 0
        return self._add(self.printed(start, end, start), start, columns)

    def _unknown_name(self, here: int) -> tuple[int | None, int, str | None]:
        """The words before an atom that may be a name: start, end, and a flag that stands between name and value."""
        end, flag = here, None
        while end > self.begin and self.kinds[end - 1] in ("sym", "cell") and self.lowered[end - 1] not in (")", "%"):
            flag = "A" if self.words[end - 1] == "*" else flag
            end -= 1
        if end > self.begin and self.kinds[end - 1] == "word" and self.lowered[end - 1] in BEFORE_VALUE:
            flag, end = FLAGS[self.lowered[end - 1]], end - 1
        start = self.back(end, self.begin, "(),-/&.'", 9, NO_UNKNOWN)
        while start < end and (self.kinds[start] == "sym" or self.lowered[start] in NOT_FIRST):
            start += 1
        barred = start > self.begin and self.lowered[start - 1] in NEVER
        headed = not NEVER.isdisjoint(self.lowered[max(0, start - 3) : max(0, start - 1)])  # two: of a table's heading
        letters = sum(map(len, self.lowered[start:end]))
        plausible = (
            (headed or not barred)
            and 2 <= letters <= 60
            and not NO_NAME_ALONE.issuperset(self.lowered[start:end])  # `DEFICIENCY : <20 ng/mL`
            and self.lowered[end - 1] not in ANDS  # `between 4 and 7 mmol/L`
        )
        return (start if plausible else None), end, flag

    def _valid(self, columns: Columns, *, known: bool, drug: bool, linked: int = 0) -> bool:
        """Whether the columns make a result, not a dose, an age or a telephone number."""
        if not columns.printed or (columns.unit in AMOUNTS and (drug or not known)):
            return False
        dose = columns.unit in BARE or (columns.unit in DOSES and (drug or not known))
        counted = known and columns.unit in ("min", "10*5", "10*6", "10*3")
        if not columns.ranges and ((dose and not counted) or (drug and (dose or columns.unit is None))):
            return False
        if known:
            plain = columns.bare and not columns.quality and not isinstance(columns.value, str)
            return not plain or self._stands_alone(columns, linked)
        if columns.quality:
            return True
        usual = columns.unit in lexicon.usual_units() and columns.unit not in ("%", "s", "min", "d")
        numbered = isinstance(columns.value, float)
        return usual or (bool(columns.ranges) and numbered and self._plausible_range(columns))

    def _plausible_range(self, columns: Columns) -> bool:
        low, high, _, _ = columns.ranges[0]
        postcode = re.match(r"0\d", columns.ranges[0][3])  # `Aleja 208 00-925`
        bare = (low is None or high is None or high < 10_000) and columns.extra == 0 and not postcode
        return columns.unit is not None or bare

    def _stands_alone(self, columns: Columns, linked: int) -> bool:
        """Whether a bare number is the name's value, not a count of what follows: `Glucose 2 hours after`."""
        ends = self.kinds[columns.end] in ("nl", "end", "cell", "sym", "date")
        # Not `Mrs K, 82, …`:
        parted = self.lowered[columns.end - 1] in (";", ",", ")") and self.words[columns.at - 1] != ","
        if ends or (parted and not columns.extra and columns.end - 1 > columns.at):
            return linked <= 8
        return linked <= 3 and (self.after[columns.end] > 0 or self.lowered[columns.end] in FOLLOWING)

    def _add(self, name: str, begin: int, columns: Columns) -> int:
        low = high = None
        if columns.ranges:
            of_sex = [r for r in columns.ranges if r[2] == self.sex and self.sex]
            low, high = (of_sex or columns.ranges)[0][:2]
        elif self.limits and len(columns.extras) == 2 and columns.extras[0] < columns.extras[1]:
            low, high = columns.extras  # under `Min` and `Max`
        flag = columns.flag or self._leading_flag(begin)
        offset = self.starts[begin]
        line = _line_of(self.lines, offset)
        headed = self.earlier and columns.previous is None
        earlier = (columns.further, self.earlier_date) if headed else (columns.previous, columns.previous_date)
        self.rows.append(Analyte(name, columns.value, columns.unit, low, high, flag, line, *earlier))
        self.begin = self.row_end = columns.end
        return columns.end

    def _leading_flag(self, begin: int) -> str | None:
        """A flag that opens the line: `* Glucose 105`, `H Glucose 105`."""
        opens = begin == 1 or (begin > 1 and self.kinds[begin - 2] in ("nl", "cell"))
        flag = flag_at(self.atoms, begin - 1) if opens else None
        return flag[0] if flag else None


def _sex(lowered: str) -> str:
    """The patient's sex, M or F, where the page tells it."""
    stated = "sex" in lowered or "gender" in lowered or STROKE_SEX.search(lowered)
    match = SEX.search(lowered) if stated else None
    return (match.group(1) or match.group(2))[0].upper() if match else ""


def _table_heading(atoms: Atoms) -> tuple[bool, bool, str | None]:
    """Whether a table's heading has the reference range before the result (`Test Range Units Result`), and whether it
    has a column of earlier results (`Test  Result  Reference  Previous`), and their date where it is printed there."""
    range_first, earlier, date = None, False, None
    for at in itertools.compress(range(atoms.count), map(COLUMN_HEADINGS.__contains__, atoms.lowered)):
        before = [*itertools.takewhile("\n".__ne__, reversed(atoms.lowered[max(0, at - 2 * AHEAD) : at]))]
        after = [*itertools.takewhile("\n".__ne__, atoms.lowered[at + 1 : at + AHEAD])]
        ranged = [not RANGE_HEADINGS.isdisjoint(words) for words in (before, after)]
        if not any(ranged):
            continue
        if atoms.lowered[at] in EARLIER:
            numbered = "num" in atoms.kinds[at - len(before) : at + len(after)]
            earlier = earlier or (RESULT_HEADINGS.isdisjoint(after) and not numbered)
            date = atoms.words[at + 1] if atoms.kinds[at + 1] == "date" else date
        elif range_first is None and not NAME_HEADINGS.isdisjoint(before):
            range_first = not ranged[1]
    return bool(range_first), earlier, date


def _line_of(starts: tuple[int, ...], offset: int) -> int:
    return bisect.bisect_right(starts, offset) - 1
