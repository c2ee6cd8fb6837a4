"""From what a model answered to what stands on the page; and the answers that are no transcription, each by name."""

import re

from .. import metrics
from . import prompt
from .store import Answer

THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
FENCED = re.compile(r"\A```[\w+-]*[ \t]*\n(?P<inside>.*?)\n?[ \t]*```\Z", re.DOTALL)
PREAMBLE = re.compile(
    r"\A(?:(?:sure|certainly|of course|okay|ok)\b[^\n]{0,20}[!,.:]\s*)?"
    r"(?:(?:here(?:'s|’s| is| are)|below is|this is|the following is|i have transcribed)\b[^\n:]{0,100}"
    r"\b(?:transcri\w+|text|contents?)\b[^\n:]{0,60}:|"
    r"(?:page |document |faithful )?transcription(?: of [^\n:]{1,60})?:)"
    r"[ \t]*\n+",
    re.IGNORECASE,
)
CLOSING = re.compile(
    r"\n+(?:let me know if|i hope this|please let me know|feel free to|if you need|note: (?:the|this) transcription|"
    r"\(?end of (?:transcription|page|document)\)?)\b[^\n]{0,200}\Z",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"\A(?:i['’]?m (?:really |very )?sorry\b|sorry,|i (?:can(?:no|['’])?t|am unable to|['’]m unable to|am not able to|"
    r"won['’]t)\b|i['’]m (?:unable|not able) to\b|unfortunately,? i\b|as an ai\b|"
    r"i do(?:n['’]t| not) (?:feel|have the)\b)",
    re.IGNORECASE,
)
LONGEST_REFUSAL = 600  # characters: what is longer holds a transcription too
ECHOED = 40  # characters of the instructions in a row that no page holds by chance


def clean(text: str) -> str:
    """Without thoughts, code fences, a preamble or a closing remark, and without white space at the lines' ends."""
    text = THOUGHTS.sub("", text).strip()
    for _ in range(2):  # a preamble before the fence, or inside it
        text = PREAMBLE.sub("", text, count=1).strip()
        if found := FENCED.match(CLOSING.sub("", text)):
            text = found["inside"].strip()
    text = CLOSING.sub("", text)
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
    if len(text) <= LONGEST_REFUSAL and REFUSAL.match(text):
        return "refused"
    if echoes(text):
        return "prompt_echo"
    return "repetition_loop" if metrics.loops(text) else ""


def echoes(text: str) -> bool:
    """Whether an answer repeats its instructions."""
    flat = " ".join(text.split())
    rules = [" ".join(line.lstrip("- ").split()) for line in prompt.INSTRUCTIONS.splitlines()]
    return any(rule[:ECHOED] in flat for rule in rules if len(rule) >= ECHOED)
