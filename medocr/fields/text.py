"""Transcriptions of any origin → plain lines → atoms: numbers, words, dates, marks.

Every pattern either has bounded repeats or is consumed whole by what it matches, so that the time grows with the
length.
"""

import dataclasses
import functools
import html
import re

KNOWN_TAG = re.compile(
    r"<(/?)(table|thead|tbody|tfoot|tr|td|th|br|hr|p|div|span|b|i|u|em|strong|sup|sub|h[1-6]|ul|ol|li|html|body|"
    r"caption|colgroup|col|font|center|small|img|figure)\b[^<>]{0,300}>",
    re.IGNORECASE,
)
HEADING = re.compile(r"(?:[^\W\d][^\d,.\n]{0,30}+,)++[^\d,.\n]{0,30}(?<![ ,])")  # of comma-separated values
FIELD = re.compile(r'(?:^|,)("[^"]*"|[^,]*)')
IN_CELL = r"(?:[^<>\n|]|</?(?:small|i|b|em|span|font|strong)\b[^<>]{0,60}>){0,90}+"
CELL_BREAK = re.compile(  # the only one of a cell: a test's name, below it its method
    rf"((?:<t[dh]\b[^<>]{{0,300}}>|\|){IN_CELL})<br ?/?>(?={IN_CELL}(?:</t[dh]>|\|))", re.IGNORECASE
)
ROW = re.compile(r"<tr\b[^<>]{0,300}>((?:[^<]|<(?!/?tr\b))*+)</tr>", re.IGNORECASE)
CELL = re.compile(r"<t[dh]\b[^<>]{0,300}>", re.IGNORECASE)
BLOCK = re.compile(r"</?(?:p|div|br|li|ul|ol|table|tr|h[1-6])\b", re.IGNORECASE)
LATEX = {
    "\\mu": "µ", "\\times": "x", "\\leq": "≤", "\\geq": "≥", "\\le": "≤", "\\ge": "≥", "\\uparrow": "↑",
    "\\downarrow": "↓", "\\%": "%", "\\pm": "±", "\\sim": "~", "\\cdot": "*", "\\square": "☐",
    "\\checkmark": "✓", "\\boxtimes": "☒",
    "\\mathrm": "", "\\text": "", "\\,": " ", "\\(": "", "\\)": "",
}  # fmt: skip
LATEX_COMMAND = re.compile("|".join(re.escape(name) for name in sorted(LATEX, key=len, reverse=True)))
BOLD = re.compile(r"\*\*(?=[^\s*])([^*\n]{1,200})\*\*|__(?=[^\s_])([^_\n]{1,200})__")
BREAK = re.compile("\n")
ODD_BREAK = re.compile("[\v\f\x85\u2028\u2029]")
RULE = re.compile(r"[\s|:+=-]{3,}")
# One character for one character, so that offsets into the text stay true.
LOOK_ALIKE = {
    "u": "µμ", "-": "–—−‐‑‒﹣－~～", "x": "×✕", ":": "：", ";": "；", ",": "，", ".": "．", "(": "（", ")": "）",
    "%": "％", "<": "＜", ">": "＞", "|": "│｜┃║", "'": "’", " ": "\xa0\u2009\u202f\u2007\u3000\r", "↑": "▲⬆△⇑",
    "↓": "▼⬇▽⇓", "≤": "⩽", "≥": "⩾", "\n": "\x0c\x0b\x85\u2028\u2029", "^": "˄ˆ",
}  # fmt: skip
PLAIN = {sign: common for common, signs in LOOK_ALIKE.items() for sign in signs}
UNPLAIN = re.compile(f"[{''.join(map(re.escape, PLAIN))}]")
MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
MONTH = rf"(?:{MONTHS})[a-z]{{0,6}}\.?"
DATE = (  # digits are not given back: nothing that follows them starts with one
    rf"\d{{1,4}}+(?P<sep>[/.\-])\d{{1,2}}+(?P=sep)\d{{2,4}}(?![\d.]\d|\d|-\d)"
    rf"|\d{{1,2}}+(?:st|nd|rd|th)?+[ \-./]?+{MONTH}(?![a-z])[ \-.,/']{{0,2}}(?:\d{{4}}|\d{{2}})(?![\d:]|,[ ]?\d{{4}})"
    rf"|\d{{4}}[\-/ ]{MONTH}[\-/ ]\d{{1,2}}(?!\d|,[ ]?\d{{4}})"
)
MAY_BE_DATE = (  # each is found several times as fast as both: a page without holds no date
    re.compile(r"\d/\d{1,2}/\d|\d\.\d{1,2}\.\d|\d-\d{1,2}-\d"),
    re.compile(MONTHS),
)
MONTH_FIRST = rf"{MONTH}[ ]?\d{{1,2}}(?:st|nd|rd|th)?,?[ ]\d{{4}}(?!\d)"
TIME = r"\d{1,2}:\d{2}(?::\d{2})?(?!\d)(?:[ ]?[ap]\.?m\b\.?)?"
POWER = (
    r"(?:x[ ]?|\*)?10[ ]?(?:(?:\^|\*\*?|e)[ ]?\(?\d{1,2}\)?|\(\d{1,2}\)|[⁰¹²³⁴-⁹]{1,2}|x[369](?=[ ]?/))"
    r"(?:[ ]?(?:/|per\b|cells[ ]?/)[ ]?[a-z][a-z.]{0,8}(?:[ ]?mm)?(?:\^?[23³²])?)?"
    r"|(?:x[ ]?|\*)?10(?:3|6|9|12)[ ]?/[ ]?(?:ul|l|mm3|cumm|mcl)\b"
)
PLAIN_NUMBER = (  # what follows cannot make it a date, a titre, a time, a power, a code or a longer number
    rf"\d++\.\d++(?!\.)|\d++(?![\w.,-]|[ ]?(?:[:^*(ex/⁰¹²³⁴-⁹]|{MONTHS}))"
)
SPACED = (  # `231 000`, `150 000-400 000`, and `6 540` before a count's unit
    r"(?:(?<![\w.,/-])|(?<=[ ]000-))\d{1,3}(?:[ ]\d{3}){0,2}[ ]"
    r"(?:000(?![\w.,/]|-(?!\d{1,3}[ ]\d{3}))|\d{3}(?=[ ]?/[ ]?(?:mm[3³]|ul|cumm)))"
)
NUMBER = r"\d{1,3}(?:,\d{2,3}){0,4},\d{3}(?:\.\d{1,9})?(?![\d,])|\d+(?:[.,]\d+)?"
WORD = r"[^\W\d_][^\W_]*(?:[.'\-+/&%][^\W_]+)*%?"
ATOM = re.compile(  # of `lower`; commonest first, what starts with a digit only at digits; one space is passed over
    rf"(?:[ ](?=\S))?(?:(?P<word>(?!{MONTH}[ ]?\d|x[ ]?10){WORD})"
    r"|(?=\d)(?:"
    rf"(?P<spaced>{SPACED})|(?P<plain>{PLAIN_NUMBER})"
    rf"|(?P<date>(?<![\w.:])(?:{DATE}))"
    r"|(?P<titre>(?<![\w.,:/-])1[ ]?:[ ]?\d{1,5}(?![\d:])(?![ ]?[ap]\.?m\b))"
    rf"|(?P<time>(?<![\w.])(?:{TIME}))"
    rf"|(?P<power>(?<![\w.,])(?:{POWER}))"
    r"|(?P<code>(?<![\w.])\d{1,2}(?:,\d{1,2})?-(?!x\b)[^\W\d_]{2}[\w\-]*)"
    rf"|(?P<num>{NUMBER}))"
    r"|(?P<mark>[()\[\]{},:;%/+-])|(?P<nl>\n)|(?P<cell>\||\t+|[ ]{3,})"
    r"|(?P<cmp>[<>][ ]?or[ ]?=|<=|>=|=<|=>|[<>≤≥])|(?P<arrow>[↑↓]+)"
    rf"|(?P<day>{MONTH_FIRST})|(?P<times>(?=[x*])(?:{POWER}))|(?P<fraction>\.\d{{1,9}})"
    rf"|(?P<other>{WORD})|(?P<sym>\S))"
)
RENAMED = {
    "plain": "num",
    "spaced": "num",
    "fraction": "num",
    "day": "date",
    "times": "power",
    "other": "word",
    "mark": "sym",
}
KINDS = {group: RENAMED.get(name, name) for name, group in ATOM.groupindex.items()}
ELISION = re.compile(r"(?<![^\W_])(?:[cdjlmnst]|qu|un|d?all|dell|nell|sull)'(?=[^\W\d_]{2})", re.IGNORECASE)  # `l'INR`
# How a page writes numbers is decided once, from all of them: `6.540` alone may be six and a half or thousands.
# Decimals, or thousands by the other sign (`11,800`): never a part of a date, nor of 1,25-dihydroxy.
POINTS = re.compile(r"(?=\d)(?<![\d.,/:-])(?:\d{1,4}\.\d{1,2}|0\.\d{3}|[1-9]\d{1,2},\d{3})(?![\d.,/:])")
COMMAS = re.compile(
    r"(?=\d)(?<![\d.,/:])(?:\d{1,4},\d{1,2}|0,\d{3})(?![\d.,/:]|-[^\W\d])|(?=\d)(?<!\d)\d{1,3}\.\d{3},\d"
)
WITH_COMMA = re.compile(  # on a page with decimal commas: thousands by points, then decimals
    r"(?=[\d,])(?:(?<![\d.,/:-])[1-9]\d{0,2}(?:\.\d{3})+(?![\d.])|(?<=\d),(?=\d{1,4}(?![\d.,]|-[^\W\d])))"
)
SWAPPED = str.maketrans(".,", ",.")
AHEAD = 8  # how far readers look ahead


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Atoms:
    """The atoms of a text, each an item of every list: readers look at one column of one atom at a time.

    Kinds are the groups of ATOM; offsets are into `text`. Behind the last of `count` atoms stand AHEAD of kind "end",
    so that whoever looks ahead need not ask whether anything is left.
    """

    text: str
    kinds: list[str]
    words: list[str]  # as printed
    lowered: list[str]
    starts: list[int]
    ends: list[int]
    count: int
    units: dict[int, tuple[str, int] | None]  # those that `unit_at` was asked for


@functools.lru_cache(maxsize=8)  # one page is read by several readers
def clean(text: str) -> str:
    """Plain text: HTML tags become lines and cells, markdown and LaTeX marks go; one line stays one line elsewhere.

    Whatever breaks a line is a line feed then: what `plain` takes for one, and what cuts a text into its lines.
    """
    text = ODD_BREAK.sub("\n", text)
    if "<" in text and KNOWN_TAG.search(text):
        text = CELL_BREAK.sub(r"\1<td>", ROW.sub(_rows, text))
        text = html.unescape(KNOWN_TAG.sub(_tag, text))
    elif "&" in text:
        text = html.unescape(text)
    if "\\" in text:
        text = LATEX_COMMAND.sub(lambda match: LATEX[match.group()], text)
    if "$" in text and "^" in text:
        text = text.replace("$", "")
    if "{" in text:
        text = re.sub(
            r"\^?\{(\^?[\w.\-]{1,12})\}", lambda match: ("^" if match.group()[0] == "^" else "") + match.group(1), text
        )
    if text.count(",") > 8 and "\n" in text:
        text = _celled(text)
    if "**" in text or "__" in text:
        text = BOLD.sub(lambda match: match.group(1) or match.group(2), text)
    return text


@functools.lru_cache(maxsize=8)
def plain(text: str) -> str:
    """The same length, with look-alike signs made one: dashes, micro signs, full-width forms, arrows, breaks."""
    return UNPLAIN.sub(lambda match: PLAIN[match.group()], text)


@functools.lru_cache(maxsize=8)
def lower(text: str) -> str:
    """The same length in lower case: patterns are searched in it several times as fast as without regard to case."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


@functools.lru_cache(maxsize=8)
def decimal_sign(text: str) -> str | None:
    """The sign before a page's decimals, `.` or `,`, by most of its numbers; None where they do not tell."""
    if "," not in text:
        return "." if "." in text and POINTS.search(text) else None
    points, commas = len(POINTS.findall(text)), len(COMMAS.findall(text))
    return None if points == commas else "." if points > commas else ","


@functools.lru_cache(maxsize=8)
def with_points(text: str) -> str:
    """The same length, with points before decimals and commas between thousands, where the page has it otherwise."""
    if "," not in text or decimal_sign(text) != ",":
        return text
    return WITH_COMMA.sub(lambda match: match.group().translate(SWAPPED), text)


@functools.lru_cache(maxsize=8)
def atoms(text: str, printed: str) -> Atoms:
    """The atoms of a cleaned text, newlines and cell borders among them; not to be changed by the caller.

    `printed` is what they are cut from, `plain` of the text or of one with other signs at the same places.
    """
    flat = _unruled(with_points(plain(text)))
    if "'" in flat:
        flat = ELISION.sub(lambda match: match.group()[:-1] + " ", flat)
    matches = list(ATOM.finditer(lower(flat)))
    groups = [atom.lastindex for atom in matches]
    starts = list(map(re.Match.start, matches, groups))
    ends = list(map(re.Match.end, matches))
    words = [flat[start:end] for start, end in zip(starts, ends, strict=True)]
    return Atoms(
        text=printed,
        kinds=[*map(KINDS.__getitem__, groups), *["end"] * AHEAD],
        words=[*words, *["\0"] * AHEAD],
        lowered=[*map(str.lower, words), *["\0"] * AHEAD],
        starts=[*starts, *[len(text) + 1] * AHEAD],
        ends=[*ends, *[len(text) + 1] * AHEAD],
        count=len(matches),
        units={},
    )


@functools.lru_cache(maxsize=8)
def line_starts(text: str) -> tuple[int, ...]:
    """Offsets at which the lines of a text start."""
    return (0, *map(re.Match.end, BREAK.finditer(plain(text))))


@functools.lru_cache(maxsize=20_000)
def number(text: str) -> float:
    """`1,200` → 1200, `1,50,000` → 150000, `231 000` → 231000, `13,2` and `0,123` → 13.2 and 0.123, `4.10` → 4.1."""
    text = text.replace(" ", "")
    whole, comma, rest = text.partition(",")
    if comma:
        last = rest.partition(".")[0].rpartition(",")[2]
        thousands = len(last) == 3 and (whole.strip("0") or "," in rest)
        text = text.replace(",", "") if thousands else text.replace(",", ".", 1)
    return float(text[:40])


def _celled(text: str) -> str:
    """Comma-separated values with cell borders: the lines of as many fields as a heading of five or more words."""
    lines, columns = text.split("\n"), 0
    for at, line in enumerate(lines):
        if line.count(",") > 3 and HEADING.fullmatch(line):
            columns = line.count(",") + 1
        fields = FIELD.findall(line) if columns else []
        columns = columns if len(fields) == columns else 0
        if columns:
            lines[at] = "".join("|" + field.strip('"') for field in fields)
    return "\n".join(lines)


def _rows(row: re.Match) -> str:
    """A row whose every cell is a list of as many lines, as rows of one line each; another row as it is."""
    cells = [re.split(r"<br ?/?>", cell, flags=re.IGNORECASE) for cell in CELL.split(row[1])[1:]]
    if len(cells) < 2 or len(cells[0]) < 2 or {len(lines) for lines in cells} != {len(cells[0])}:
        return row[0]
    return "".join("<tr>" + "".join(f"<td>{line}</td>" for line in lines) for lines in zip(*cells, strict=True))


def _tag(match: re.Match) -> str:
    closing, name = match.group(1), match.group(2).lower()
    if name in ("td", "th"):
        return "" if closing else "|"
    if name in ("p", "div") and BLOCK.match(match.string, match.end()):
        return ""  # what follows breaks the line: two breaks would be a blank line
    if name == "sup":
        return "" if closing else "^"
    if name in ("tr", "br", "p", "div", "li", "hr", "h1", "h2", "h3", "h4", "h5", "h6"):
        return "\n"
    return ""


def _unruled(text: str) -> str:
    """Rules of a markdown table (`|---|:--|`) blanked, at the same length."""
    if "--" not in text and "==" not in text:
        return text
    return "\n".join(" " * len(line) if RULE.fullmatch(line) else line for line in text.split("\n"))
