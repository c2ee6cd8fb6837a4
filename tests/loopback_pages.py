"""Small pages with known text for the loopback servers, and what a run over them must have come to."""

import dataclasses
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from medocr.demo import loopback
from medocr.schema import Page
from medocr.transcribe import Answer

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
TRAP = b"Sodium 999"  # what no page says: a label that holds it is wrong
CHAT = b'{"model": "known-text", "choices": [{"message": {"content": "%s"}, "finish_reason": "stop"}]}' % TRAP
BOMB = gzip.compress(b"[" + b" " * 40_000_000 + b"]", 1)


@dataclasses.dataclass(frozen=True)
class Server(loopback.Server):
    """A server with faults of calls about files and batches (by share) as well, and with replies of one's own, as the
    bytes that it sends (in Latin-1); after `revoked_after` answers its key is no longer accepted."""

    call_faults: dict[str, float] = dataclasses.field(default_factory=dict)
    replies: dict[str, str] = dataclasses.field(default_factory=dict)
    revoked_after: int | None = None
    served_as: str = ""  # the model that it says it is, whatever it is asked for
    refuses: tuple[str, ...] = ()  # settings of a request that its model does not take
    batch_s: float = 0.2


class Loopback(loopback.Loopback):
    """The servers of `tests/loopback_server.py`."""

    script = Path(__file__).with_name("loopback_server.py")
    words = loopback.WORDS | {
        "refusal_elsewhere": ("Es tut mir leid, aber ich kann dieses Bild nicht transkribieren.", "stop"),
        "nothing_seen": ("No text is visible in this image.", "stop"),
        "filtered": ("{half}", "content_filter"),
        "loop": ("{text}\n" + "Sodium 139 mmol/L\n" * 40, "stop"),
        "outside_fence": ("Dictated but not read\n```\n{text}\n```", "stop"),
        "thought": ("<think>\nThis is a lab report.\n</think>\n\n{text}", "stop"),
        "unfinished_thought": ("<think>\nThe page says {text}", "stop"),
        "bidi": ("\u202e{text}", "stop"),
        "zero_width": ("{half}\u200b{text}", "stop"),
        "half_character": ("{text}\ud83d", "stop"),
    }

    def __init__(self, pages: Iterable[Page], servers: Sequence[Server] = (Server(), Server(seed=1))) -> None:
        super().__init__(pages, servers)


def _reply(body: bytes, head: bytes = OK) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _busy(wait: bytes) -> bytes:
    return _reply(b"{}", b"HTTP/1.1 503 Busy\r\nRetry-After: " + wait + b"\r\n")


# What a server can send in place of an answer: each is a fault of that request, and of nothing else.
MALFORMED = {
    "long header": OK + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n",
    "bad length": OK + b"Content-Length: many\r\n\r\n{}",
    "negative length": OK + b"Content-Length: -5\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 900\r\n\r\n{}",
    "vast length": OK + b"Content-Length: 999999999999999999999\r\n\r\n{}",
    "short body": OK + b"Content-Length: 500\r\n\r\n{}",
    "bad chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "cut chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n50\r\n{}\r\n",
    "nul in header": OK + b"X-Nul: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "no http": b"SSH-2.0-OpenSSH_9.2 secret-of-the-server\r\n",
    "nothing": b"",
    "no status": b"HTTP/1.1\r\n\r\n",
    "odd status": b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "only informed": b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    "nested": _reply(b"[" * 200_000),
    "nested objects": _reply(b'{"a":' * 100_000),
    "vast number": _reply(b'{"choices": ' + b"9" * 10_000 + b"}"),
    "null": _reply(b"null"),
    "list": _reply(b"[]"),
    "string": _reply(b'"' + TRAP + b'"'),
    "empty object": _reply(b"{}"),
    "page of a proxy": _reply(b"<html>" + TRAP + b"</html>", OK.replace(b"application/json", b"text/html")),
    "bare text": _reply(TRAP, OK.replace(b"application/json", b"text/plain")),
    "choices an object": _reply(CHAT.replace(b"[", b'{"0": ').replace(b"]}", b"}}")),
    "choice null": _reply(b'{"choices": [null]}'),
    "message text": _reply(b'{"choices": [{"message": "%s"}]}' % TRAP),
    "content a number": _reply(CHAT.replace(b'"%s"' % TRAP, b"999")),
    "part a number": _reply(CHAT.replace(b'"%s"' % TRAP, b'[{"text": 999}]')),
    "far date": _busy(b"Fri, 31 Dec 99999999999 23:59:59 GMT"),
    "odd date": _busy(b"secret-of-the-server"),
    "endless wait": _busy(b"1e999"),
    "negative wait": _busy(b"-86400"),
    "bomb": _reply(BOMB, OK + b"Content-Encoding: gzip\r\n"),
    "cut gzip": _reply(BOMB[:1000], OK + b"Content-Encoding: gzip\r\n"),
    "no gzip": _reply(CHAT, OK + b"Content-Encoding: gzip\r\n"),
    "error inside": _reply(b'{"choices": null, "error": {"message": "secret-of-the-server"}}'),
    "error beside": _reply(CHAT[:-1] + b', "error": {"message": "secret-of-the-server"}}'),
    "ended in error": _reply(CHAT.replace(b'"stop"', b'"error"')),
    "aborted": _reply(CHAT.replace(b'"stop"', b'"abort"')),
    "not utf-8": _reply(b"\xff\xfe\x00"),
}
REPLIES = {kind: reply.decode("latin-1") for kind, reply in MALFORMED.items()}
STATUSES = ("400", "408", "409", "413", "425", "429", "500", "502", "503", "504", "520", "529")
REQUESTS = (*STATUSES, "429_retry_after", "reset", "hang", "drip", "invalid_json", "plain_text", *MALFORMED)
LINES = ("lost_line", "broken_line", "nested_line", "foreign_line", "odd_line", "line_twice")
# What a page's answer amounts to, whoever gives it; the last are transcriptions.
WHOLE = ("fenced", "thought", "duplicate", "parts")
ENDS = {
    "no_choice": "no_choice",
    "empty": "empty_transcript",
    **dict.fromkeys(("refusal", "refusal_elsewhere", "nothing_seen", "filtered"), "refused"),
    "cut_off": "cut_off",
    "loop": "repetition_loop",
    "outside_fence": "text_outside_fence",
    "unfinished_thought": "unfinished_thought",
    **dict.fromkeys(("bidi", "zero_width", "half_character"), "unseen_characters"),
    "tool_call": "unknown_ending",
    **dict.fromkeys(WHOLE, ""),
}
SET_ASIDE = {*ENDS.values(), "transcription_failed"} - {""}


def shares(kinds: Iterable[str], whole: float) -> dict[str, float]:
    """Faults of equal shares that together meet so many."""
    kinds = list(kinds)
    return dict.fromkeys(kinds, whole / len(kinds))


def pages(count: int, start: int = 0, **known) -> list[Page]:
    """Pages that differ in a few pixels, each with a text of its own."""
    return [_page(number, **known) for number in range(start, start + count)]


def _page(number: int, **known) -> Page:
    image = Image.new("L", (84, 56), 255)
    ImageDraw.Draw(image).text((4, 20), f"{number}", fill=0)
    image.putpixel((number % 84, number // 84 % 20), number % 200)
    out = io.BytesIO()
    image.save(out, "PNG")
    text = f"Page {number}\nSodium {130 + number % 20}.{number % 10} mmol/L\nGlucose {number % 300} mg/dL"
    settings = {"truth": text, "doc_type": "lab_report", **known}
    return Page(out.getvalue(), f"loopback#{number}", "test", **settings)


def faulty(seed: int, **settings) -> Server:
    """A server that meets every other request or page with some kind of fault, after short delays."""
    every = shares(REQUESTS, 0.3) | shares(ENDS, 0.25)
    return Server(**{"median_s": 0.02, "faults": every, "replies": REPLIES, "seed": seed, **settings})


class KnownText:
    """A local provider that gives the truth of pages that have it, to compare other labels with."""

    name, model, prompt, local, label_origin = "truth", "", "", True, "truth"

    def __init__(self, pages: Iterable[Page]) -> None:
        self._known = {page.id: page.truth for page in pages if page.truth is not None}
        self.parameters: dict = {}

    def answers(self, images: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Answer]]:
        """The text of each page that has one."""
        for image, _ in images:
            known = self._known.get(image)
            yield image, Answer(known) if known is not None else Answer("", finish="error", detail="no truth is known")
