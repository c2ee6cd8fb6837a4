"""Results under several dates: a table whose heading holds dates side by side has as many results in each row."""

import itertools
import re

from .text import DATE, MAY_BE_DATE, MONTH_FIRST, lower
from .words import words

DATES = re.compile(rf"(?<![\w./-])(?:{MONTH_FIRST}|{DATE})")
BETWEEN = re.compile(r"[\s|,;]*(?:\d{1,2}:\d{2}[\s|]*)?")  # two dates of a heading: a border, or the time of the first
RANGES = re.compile(r"(?<![\d.,])(\d+(?:[.,]\d+)?)(\s*[-–—]\s*|\s+to\s+)(\d+(?:[.,]\d+)?)(?![\d.,])")
RESULT = re.compile(
    r"(?<!\S)(?:[<>≤≥]=?\s?)?\d+(?:[.,]\d+)?(?:\s?(?:\*|↑|↓|(?:HH?|LL?)(?!\S)))?(?=\s|$|\|)|(?<!\S)(?:[-–—]{1,3}|n/?a)(?!\S)"
)
UNCLEAR = "?"  # before the dates of a row with fewer results: an empty cell cannot be seen
NONE = re.compile(r"[-–—]{1,3}|n/?a")
HEADED_BY_RANGE = words("range_headings")


def may_unfold(text: str) -> bool:
    """Whether a line may hold two dates: most pages are told off here."""
    places = sorted(match.start() for pattern in MAY_BE_DATE for match in pattern.finditer(lower(text)))
    return any(text.find("\n", place, following) < 0 for place, following in itertools.pairwise(places))


def unfolded(text: str) -> tuple[str, list[tuple[int, str | None]]]:
    """The text with a line for each dated result, and for each of its lines the line it came from and the date.

    A row under k dates is taken apart where it holds k results, or signs that there is none, side by side. Where it
    holds fewer, nobody knows which date each is of: UNCLEAR and all of them.
    """
    lines: list[str] = []
    places: list[tuple[int, str | None]] = []
    dates: list[str] = []
    range_first = begun = False
    for number, line in enumerate(text.split("\n")):
        heading = _dates(line)
        if len(heading) > 1:
            dates, begun = heading, False
            range_first = any(word.strip(":|") in HEADED_BY_RANGE for word in line.lower().split()[: -len(heading)])
        rows = _rows(line, dates, range_first) if dates and not heading else []
        begun = begun or bool(rows)
        if not begun and not heading and any(map(str.isdigit, line)):
            dates = []  # of a page's header: `Collected Reported`, with the two days below
        lines += [row for row, _ in rows] or [line]
        places += [(number, date) for _, date in rows] or [(number, None)]
    return "\n".join(lines), places


def _dates(line: str) -> list[str]:
    """The dates of a line that stand side by side, if there are two at least."""
    if not any(map(str.isdigit, line)):
        return []
    matches = list(DATES.finditer(line.lower()))
    apart = [a for a, b in itertools.pairwise(matches) if not BETWEEN.fullmatch(line[a.end() : b.start()])]
    return [] if apart else [line[date.start() : date.end()] for date in matches]


def _rows(line: str, dates: list[str], range_first: bool) -> list[tuple[str, str]]:
    """A row taken apart: its text with one result alone, and the date over it; nothing where it is no such row."""
    flat = line.replace("|", " ")
    runs = [run for run in _runs(_without_range(flat, range_first)) if 1 < len(run) <= len(dates)]
    if not runs or not re.search(r"[^\W\d_]", line[: runs[0][0].start()]):
        return []
    run = runs[-1] if range_first else runs[0]
    start, end = run[0].start(), run[-1].end()
    over = dates if len(run) == len(dates) else [f"{UNCLEAR} {', '.join(dates)}"] * len(run)
    pairs = zip((result.group() for result in run), over, strict=True)
    return [(flat[:start] + result + flat[end:], date) for result, date in pairs if not NONE.fullmatch(result)]


def _without_range(line: str, range_first: bool) -> str:
    """The line with its reference range covered; of two, one is two results with a sign for none between them."""
    pairs = [
        pair for pair in RANGES.finditer(line) if float(pair[1].replace(",", ".")) < float(pair[3].replace(",", "."))
    ]
    for pair in pairs[: 1 if range_first else None][-1:]:
        line = line[: pair.start()] + "~" * len(pair.group()) + line[pair.end() :]
    return line


def _runs(line: str) -> list[list[re.Match]]:
    """The results of a line, those with nothing but space between them together."""
    runs: list[list[re.Match]] = []
    for result in RESULT.finditer(line):
        if runs and not line[runs[-1][-1].end() : result.start()].strip():
            runs[-1].append(result)
        else:
            runs.append([result])
    return runs
