"""How well a prediction repeats the text of a reference page."""

import functools
import itertools
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
from rapidfuzz.distance import Editops, Levenshtein

# A token is a run of letters and digits, with single signs inside it: 12.5, 4.0-11.0, mg/dL, 1-0-1, O'Neil.
# The classes do not overlap, so matching takes linear time.
TOKEN = re.compile(r"\w+(?:[^\w\s]\w+)*")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
TAG = re.compile(r"<[^<>]*>")

WORD_BITS = 64  # a text this short is one machine word to rapidfuzz, as fast as can be
FEW = 31  # edits for which the band about the diagonal is one machine word

LOOP_SPAN = 80  # characters that a repetition must cover at least, to be an endless one …
LOOP_REPEATS = 6  # … and how often its unit must come in a row
LOOP_TAIL = 40  # characters by whose earlier occurrence a unit's length is found


def normalise(text: str) -> str:
    """NFC, with every run of white space (newlines too) as one space and none at the ends. Case is kept."""
    flat = text.replace("\n", " ")
    if not flat.isascii():
        flat = unicodedata.normalize("NFC", flat)
    if flat.isprintable() and "  " not in flat and flat.strip() == flat:  # most pages; saves half of CER's time
        return flat
    return " ".join(flat.split())


def cer(reference: str, prediction: str) -> float:
    """Character error rate: Levenshtein distance over the reference's length in code points, not capped.

    An empty reference gives 0 for an empty prediction, otherwise 1 (some tools say infinity, or count insertions).
    """
    reference, prediction = normalise(reference), normalise(prediction)
    return _rate(_edits(reference, prediction), len(reference))


def _edits(reference: str, prediction: str) -> int:
    """Levenshtein distance of characters: first in rapidfuzz's band for few edits, which takes a third of the time.

    On long pages a hint halves what is left; neither changes a result.
    """
    if len(reference) > WORD_BITS:
        edits = Levenshtein.distance(reference, prediction, score_cutoff=FEW)
        if edits <= FEW:
            return edits
    return Levenshtein.distance(reference, prediction, score_hint=len(reference) // 8 if len(reference) > 512 else None)


def wer(reference: str, prediction: str) -> float:
    """Word error rate: like `cer`, over words as white space separates them, punctuation included (as jiwer has it)."""
    reference, prediction = normalise(reference).split(), normalise(prediction).split()
    return _rate(Levenshtein.distance(reference, prediction), len(reference))


def _rate(edits: int, length: int) -> float:
    return edits / length if length else float(edits > 0)


def score_text(reference: str, prediction: str) -> dict[str, float]:
    """The scores of one page's text.

    Rates (not capped): `cer`, `wer`. Shares from 0 to 1, higher is better: `exact`, `line_exact`, `coverage_recall`,
    `coverage_precision`; `row_integrity` (lines of several words whose words stand together: at least half of them, in
    a stretch at most half as long again) and `heading_recall` (headings word for word) are absent where a page has
    none. Shares, lower is better: `reading_order`, `loop`, `empty`. A count: `invented_numbers`.
    For micro averages: `edits` of `characters`, `word_edits` of `words`. A page whose own text repeats or is empty
    makes no `loop` and no `empty`, so the reference as its own prediction is perfect in everything.
    """
    lines = _lines(reference)
    words = [word for line in lines for word in line]
    reference, prediction = " ".join(words), normalise(prediction)
    predicted_words = prediction.split()
    edits = _edits(reference, prediction)
    script = Levenshtein.editops(words, predicted_words)
    places = _align(lines, script)
    return {
        "cer": _rate(edits, len(reference)),
        "wer": _rate(len(script), len(words)),
        "edits": float(edits),
        "characters": float(len(reference)),
        "word_edits": float(len(script)),
        "words": float(len(words)),
        "exact": float(edits == 0),
        "line_exact": _line_exact(lines, places),
        "reading_order": _reading_order(lines, places, predicted_words),
        **_structure(lines, places),
        **_coverage(words, predicted_words, script),
        "loop": float(loops(prediction) and not loops(reference)),
        "empty": float(not prediction and bool(reference)),
    }


def _coverage(words: list[str], predicted: list[str], script: Editops) -> dict[str, float]:
    """Which tokens came through, order aside; a token counts as often as it stands there.

    `coverage_recall` is the share of reference tokens found (1 where there are none), `coverage_precision` the share
    of predicted tokens that the reference holds (1 where there are none), `invented_numbers` how many numbers the
    prediction holds that the reference does not. No token spans two words, so only words that the script edits are
    counted out.
    """
    lost = " ".join([words[edit.src_pos] for edit in script if edit.tag != "insert"])
    added = " ".join([predicted[edit.dest_pos] for edit in script if edit.tag != "delete"])
    missing, extra = TOKEN.findall(lost), TOKEN.findall(added)
    in_reference = sum(map(_tokens_in, words))
    kept = in_reference - len(missing)
    in_prediction, both = kept + len(extra), kept + shared(missing, extra)
    numbers = NUMBER.findall(added)
    return {
        "coverage_recall": both / in_reference if in_reference else 1.0,
        "coverage_precision": both / in_prediction if in_prediction else 1.0,
        "invented_numbers": float(len(numbers) - shared(numbers, NUMBER.findall(lost))),
    }


@functools.lru_cache(20_000)
def _tokens_in(word: str) -> int:
    return len(TOKEN.findall(word))


def shared(first: Iterable, second: Iterable) -> int:
    """How many items two lists have in common, each as often as both hold it."""
    left, both = Counter(second), 0
    for item in first:
        if left.get(item):
            left[item] -= 1
            both += 1
    return both


def loops(text: str) -> bool:
    """Whether a text falls into endless repetition: one unit six times in a row or more, over 80 characters or more.

    Looked for at the end and at the quarters. A unit without a letter or digit (dashes, dotted leaders, empty table
    cells) is a rule on the page and does not count; neither do tags. Linear time.
    """
    text = normalise(TAG.sub(" ", text))
    if len(text) < LOOP_SPAN:
        return False
    ends = {len(text) * quarter // 4 for quarter in (4, 3, 2, 1)}
    return any(_repeats_around(text, end) for end in ends if end > LOOP_TAIL)


def _repeats_around(text: str, end: int) -> bool:
    """Whether the characters before `end` belong to an endless repetition."""
    start = end - LOOP_TAIL
    earlier = text.rfind(text[start:end], 0, end - 1)
    if earlier < 0:
        return False
    period = start - earlier
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    unlike = np.flatnonzero(codes[period:] != codes[:-period])  # i: text[i + period] differs from text[i]
    after = np.searchsorted(unlike, earlier)
    first = unlike[after - 1] + 1 if after else 0
    last = unlike[after] if after < len(unlike) else len(codes) - period
    span = last - first + period
    unit = text[first : first + period]
    return bool(span >= max(LOOP_SPAN, LOOP_REPEATS * period)) and any(map(str.isalnum, unit))


def _lines(text: str) -> list[list[str]]:
    """The words of each line that has any."""
    return [words for line in unicodedata.normalize("NFC", text).splitlines() if (words := line.split())]


def _align(lines: list[list[str]], script: Editops) -> list[list[int]]:
    """For each line the indices, among the predicted words, of its words as far as a shortest edit script has them."""
    places = [-1] * script.src_len
    for block in script.as_matching_blocks():
        places[block.a : block.a + block.size] = range(block.b, block.b + block.size)
    ends = itertools.accumulate(map(len, lines))
    return [[p for p in places[end - len(line) : end] if p >= 0] for line, end in zip(lines, ends, strict=True)]


def _is_whole(line: list[str], placed: list[int]) -> bool:
    return len(placed) == len(line) and placed[-1] - placed[0] == len(line) - 1


def _mean(values: list[bool]) -> float:
    return sum(values) / len(values)


def _line_exact(lines: list[list[str]], places: list[list[int]]) -> float:
    """Share of the lines that stand word for word, in their order: words are aligned, so line breaks do not count."""
    return _mean(list(map(_is_whole, lines, places))) if lines else 1.0


def _structure(lines: list[list[str]], places: list[list[int]]) -> dict[str, float]:
    """`row_integrity` over lines of several words, `heading_recall` over headings; absent where there are none."""
    together = [
        2 * len(placed) >= len(line) and placed[-1] - placed[0] < 1.5 * len(line)
        for line, placed in zip(lines, places, strict=True)
        if len(line) > 1
    ]
    headings = [_is_whole(line, placed) for line, placed in zip(lines, places, strict=True) if _is_heading(line)]
    return {
        name: _mean(values) for name, values in (("row_integrity", together), ("heading_recall", headings)) if values
    }


def _is_heading(line: list[str]) -> bool:
    """A markdown heading, or a short line of words without figures, in capitals or each with a capital."""
    if line[0][0] == "#":
        return any(character.isalpha() for word in line for character in word)
    return len(line) <= 6 and all(map(_in_heading, line))


@functools.lru_cache(20_000)
def _in_heading(word: str) -> bool:
    return (word[0].isupper() or not word[0].isalpha()) and ":" not in word and any(map(str.isalpha, word))


def _reading_order(lines: list[list[str]], places: list[list[int]], predicted: list[str]) -> float:
    """Edit distance between the reference's order of lines and that in the prediction, over the number of lines.

    A line is where at least half of its words stand; a line found nowhere counts as one edit.
    """
    if not lines:
        return 0.0
    placed, missing = {}, []
    for number, (line, here) in enumerate(zip(lines, places, strict=True)):
        if 2 * len(here) >= len(line):
            placed[number] = here[len(here) // 2]
        else:
            missing.append(number)
    if missing:
        placed |= _find_elsewhere(lines, missing, predicted, {place for here in places for place in here})
    order = sorted(placed, key=lambda number: (placed[number], number))
    return Levenshtein.distance(range(len(lines)), order) / len(lines)


def _find_elsewhere(lines: list[list[str]], missing: list[int], predicted: list[str], taken: set[int]) -> dict:
    """Where lines that the alignment passed over stand among the words that it did not use: {line: word index}."""
    where = defaultdict(list)
    for index, word in enumerate(predicted):
        if index not in taken and len(where[word]) < 16:  # a bound for texts that repeat one word
            where[word].append(index)
    placed = {}
    for number in missing:
        line = lines[number]
        votes = Counter(index - offset for offset, word in enumerate(line) for index in where.get(word, ()))
        if votes:
            start, count = votes.most_common(1)[0]
            if 2 * count >= len(line):
                placed[number] = start + len(line) // 2
    return placed
