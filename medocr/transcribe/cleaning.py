"""From what a model answered to what stands on the page; and the answers that are no transcription, each by name."""

import re
import tomllib
import unicodedata
from pathlib import Path

from .. import metrics
from . import outgoing
from .store import Answer

FENCED = re.compile(
    r"\A(?P<before>[^`]{0,200}?)```[\w+-]*[ \t]*\n(?P<inside>.*?)(?:\n?[ \t]*```(?P<after>[^`]*))?\Z", re.DOTALL
)
# Only what names the transcription goes: pages, too, begin with "Here are …:" and end with "Please let me know …".
PREAMBLE = re.compile(
    r"\A[*#\s]*(?:(?:sure|certainly|of course|okay|ok)\b[^\n:]{0,30}[!,.]\s*)?"
    r"(?:(?:here|below|this|the following|i have)\b[^\n:]{0,80}\btranscri\w+\b[^\n:]{0,60}|"
    r"(?:page |document |faithful )?transcription(?: of (?:the|this) (?:image|page|document|scan|text)[^\n:]{0,20})?|"
    r"(?:sure|certainly|of course)[^\n:]{0,40}):[*\s]*(?:\n+|\Z)",
    re.IGNORECASE,
)
CLOSING = re.compile(r"\n+\(?(?:end of (?:the )?transcription|note: (?:the|this) transcription)\b[^\n]{0,200}\Z", re.I)
OPENING = re.compile(
    r"[*\"\s\[(]*(?:i['’]?m (?:really |very |so )?sorry|sorry|(?:my )?apologies|i apologi[sz]e|i['’]?m afraid|"
    r"unfortunately|unable to|i can(?:no|['’]| no)?t|i (?:won|don)['’]?t|i (?:will|do) not|"
    r"i (?:am|['’]m) (?:unable|not able)|i['’]m (?:unable|not able)|as an? (?:ai|assistant|language model)|"
    r"there (?:is|was) no (?:image|picture|readable|visible|text)|it (?:seems|appears|looks)|no image|"
    r"no (?:readable |visible )?text|"
    r"(?:the|this) (?:image|picture|scan|photo) (?:is|appears|seems|contains no|does not|doesn['’]?t))\b",
    re.IGNORECASE,
)
UNSEEN = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\ufffd]")
ABOUT = re.compile(
    r"transcri|assist|help (?:you|with)|\bimage|picture|photo|request|comply|language model|\ban ai\b", re.I
)
NOTHING_SEEN = re.compile(
    r"[*\"\s\[(]*(?:there (?:is|was) )?no (?:readable |visible )?text"
    r"(?:[\])*.]*\Z| (?:is |was |can be )?(?:visible|seen|found|present|detected))",
    re.I,
)
REMARK = re.compile(r"\Z|(?:let me know|please (?:note|let)|note[: ]|i (?:have|hope)|this is|if you|feel free)", re.I)
_ELSEWHERE = tomllib.loads(Path(__file__).with_name("refusals.toml").read_text(encoding="utf-8"))
_WORDS = {name: "|".join(words) for name, words in _ELSEWHERE.items()}
OPENING_ELSEWHERE = re.compile(_WORDS["opening"], re.IGNORECASE)
ABOUT_ELSEWHERE = re.compile(rf"(?<!\w)(?:{_WORDS['about']})|{_WORDS['about_within']}", re.IGNORECASE)
FIRST_SENTENCE = 200  # characters in which a refusal says what it is about
LONGEST_REFUSAL = 600  # characters: what is longer holds a transcription too
SHORTEST_LOOP = 600  # characters: a form's or a report's own repetitions are shorter
ECHOED = 40  # characters of the instructions in a row that no page holds by chance


def clean(text: str) -> str:
    """Without thoughts, code fences, a preamble or a closing remark, and without white space at the lines' ends."""
    text = text.rpartition("</think>")[2].strip().removeprefix("\ufeff")
    if (fenced := FENCED.match(text)) and not outside(fenced):
        text = fenced["inside"].strip()
    text = CLOSING.sub("", PREAMBLE.sub("", text, count=1))
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def outside(fenced: re.Match) -> str:
    """What stands outside a code fence and is no remark about the transcription: lines of the page, perhaps."""
    before = PREAMBLE.sub("", fenced["before"].strip() + "\n", count=1).strip()
    after = (fenced["after"] or "").strip()
    return before or ("" if REMARK.match(after) else after)


def flaw(answer: Answer) -> str:
    """Why an answer is no label: the reason's name, or nothing where it is one."""
    by_finish = {"length": "cut_off", "no_choice": "no_choice", "refusal": "refused", "content_filter": "refused"}
    if answer.finish in by_finish:
        return by_finish[answer.finish]
    if answer.finish != "stop":
        return "unknown_ending"
    if "<think>" in answer.text and "</think>" not in answer.text:
        return "unfinished_thought"
    text = clean(answer.text)
    if "```" in text and (fenced := FENCED.match(text)) and outside(fenced):
        return "text_outside_fence"
    if UNSEEN.search(text):
        return "unseen_characters"
    if not text.strip():
        return "empty_transcript"
    if refuses(text):
        return "refused"
    if echoes(text):
        return "prompt_echo"
    return "repetition_loop" if len(text) >= SHORTEST_LOOP and metrics.loops(text) else ""


def refuses(text: str) -> bool:
    """Whether an answer is a refusal: short, opening as one, and about its own task rather than a page's matter."""
    if len(text) > LONGEST_REFUSAL:
        return False
    if OPENING.match(text) and (ABOUT.search(text[:FIRST_SENTENCE]) or NOTHING_SEEN.match(text)):
        return True
    text = unicodedata.normalize("NFC", text.lstrip('*"\u201e([ '))
    return bool(OPENING_ELSEWHERE.match(text) and ABOUT_ELSEWHERE.search(text[:FIRST_SENTENCE]))


def echoes(text: str) -> bool:
    """Whether an answer repeats its instructions."""
    flat = " ".join(text.split())
    rules = [" ".join(line.lstrip("- ").split()) for line in outgoing.INSTRUCTIONS.splitlines()]
    return any(rule[:ECHOED] in flat for rule in rules if len(rule) >= ECHOED)
