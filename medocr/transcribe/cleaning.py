"""From what a model answered to what stands on the page; and the answers that are no transcription, each by name."""

import re

from .. import metrics
from . import prompt
from .store import Answer

FENCED = re.compile(r"\A(?P<before>[^`]{0,200})```[\w+-]*[ \t]*\n(?P<inside>.*?)(?:\n?[ \t]*```[^`]*)?\Z", re.DOTALL)
# Only what names the transcription goes: pages, too, begin with "Here are …:" and end with "Please let me know …".
PREAMBLE = re.compile(
    r"\A[*#\s]*(?:(?:sure|certainly|of course|okay|ok)\b[^\n:]{0,30}[!,.]\s*)?"
    r"(?:(?:here|below|this|the following|i have)\b[^\n:]{0,80}\btranscri\w+\b[^\n:]{0,60}|"
    r"(?:page |document |faithful )?transcription(?: of [^\n:]{1,60})?|(?:sure|certainly|of course)[^\n:]{0,40}):"
    r"[*\s]*\n+",
    re.IGNORECASE,
)
CLOSING = re.compile(r"\n+\(?(?:end of (?:the )?transcription|note: (?:the|this) transcription)\b[^\n]{0,200}\Z", re.I)
OPENING = re.compile(
    r"[*\"\s]*(?:i['’]?m (?:really |very |so )?sorry|sorry|i apologi[sz]e|i['’]?m afraid|unfortunately|unable to|"
    r"i can(?:no|['’]| no)?t|i (?:am|['’]m) (?:unable|not able)|i['’]m (?:unable|not able)|as an ai|there is no image|"
    r"it (?:seems|appears|looks)|no image|the (?:image|picture|scan) (?:is|appears|seems))\b",
    re.IGNORECASE,
)
ABOUT = re.compile(
    r"transcri|assist|help (?:you|with)|\bimage|picture|photo|request|comply|language model|\ban ai\b", re.I
)
FIRST_SENTENCE = 200  # characters in which a refusal says what it is about
LONGEST_REFUSAL = 600  # characters: what is longer holds a transcription too
SHORTEST_LOOP = 600  # characters: a form's or a report's own repetitions are shorter
ECHOED = 40  # characters of the instructions in a row that no page holds by chance


def clean(text: str) -> str:
    """Without thoughts, code fences, a preamble or a closing remark, and without white space at the lines' ends."""
    text = text.rpartition("</think>")[2].strip()
    if found := FENCED.match(text):
        text = found["inside"].strip()
    text = CLOSING.sub("", PREAMBLE.sub("", text, count=1))
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def flaw(answer: Answer) -> str:
    """Why an answer is no label: the reason's name, or nothing where it is one."""
    by_finish = {"length": "cut_off", "no_choice": "no_choice", "refusal": "refused", "content_filter": "refused"}
    if answer.finish in by_finish:
        return by_finish[answer.finish]
    if answer.finish != "stop":
        return "unknown_ending"
    text = clean(answer.text)
    if not text.strip():
        return "empty_transcript"
    if refuses(text):
        return "refused"
    if echoes(text):
        return "prompt_echo"
    return "repetition_loop" if len(text) >= SHORTEST_LOOP and metrics.loops(text) else ""


def refuses(text: str) -> bool:
    """Whether an answer is a refusal: short, opening as one, and about its own task rather than a page's matter."""
    return len(text) <= LONGEST_REFUSAL and bool(OPENING.match(text) and ABOUT.search(text[:FIRST_SENTENCE]))


def echoes(text: str) -> bool:
    """Whether an answer repeats its instructions."""
    flat = " ".join(text.split())
    rules = [" ".join(line.lstrip("- ").split()) for line in prompt.INSTRUCTIONS.splitlines()]
    return any(rule[:ECHOED] in flat for rule in rules if len(rule) >= ECHOED)
