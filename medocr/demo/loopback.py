"""OpenAI-compatible servers on this machine that answer for pages whose text is known: for demonstrations and tests.

They show what the client does about delays, rate limits and faults. They are no model: nothing is read here.
"""

import contextlib
import dataclasses
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import httpx

from ..schema import Page
from ..transcribe import outgoing
from ..transcribe.providers import OpenAIProvider

MODEL = "known-text"
WORDS = {  # what a model answers instead of the page's text, and how the answer ends
    "empty": ("", "stop"),
    "refusal": ("I'm sorry, but I can't help with transcribing this document.", "stop"),
    "cut_off": ("{half}", "length"),
    "fenced": ("Here is the transcription of the page:\n\n```\n{text}\n```", "stop"),
}


@dataclasses.dataclass(frozen=True)
class Server:
    """How one server behaves.

    Delays are lognormal. `faults` gives the share of requests (of pages) that meet each, see `loopback_server`;
    `misread` is the share of pages with one changed digit. Limits count any `window_s` seconds.
    """

    median_s: float = 0.4
    sigma: float = 0.5
    requests_per_minute: float = 0
    window_s: float = 60.0
    faults: dict[str, float] = dataclasses.field(default_factory=dict)
    misread: float = 0.0
    retry_after_s: float = 1.0
    seed: int = 0


class Loopback(contextlib.AbstractContextManager):
    """Servers for these pages, in a process of their own that ends with this one."""

    script, words = Path(__file__).with_name("loopback_server.py"), WORDS

    def __init__(self, pages: Iterable[Page], servers: Sequence[Server] = (Server(), Server(seed=1))) -> None:
        known = {digest(page.image): page.truth or page.text or "" for page in pages}
        self._folder = tempfile.TemporaryDirectory(prefix="medocr-")
        settings = Path(self._folder.name) / "servers.json"
        every = [dataclasses.asdict(server) for server in servers]
        settings.write_text(json.dumps({"known": known, "words": self.words, "servers": every}))
        self._servers = servers
        # by its path, for it needs nothing of medocr; -P: the names in its folder are none to import
        command = [sys.executable, "-P", str(self.script), str(settings)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        if not line:
            self.__exit__()
            raise RuntimeError("the loopback servers did not start")
        self.addresses = [f"http://127.0.0.1:{port}/v1" for port in json.loads(line)]

    def __exit__(self, *_) -> None:
        self._process.stdin.close()  # they end at its end, also when this process is killed
        self._process.wait(10)
        self._process.stdout.close()
        self._folder.cleanup()

    def providers(self, **settings) -> list[OpenAIProvider]:
        """A provider per server. Labels by a server that misreads nothing are the truth, and say so."""
        return [
            OpenAIProvider(
                f"loopback-{letter}",
                address,
                MODEL,
                may_receive=True,
                label_origin="truth" if not server.misread else "",
                **{"requests_per_minute": server.requests_per_minute, **settings},
            )
            for letter, address, server in zip("abcdefgh", self.addresses, self._servers, strict=False)
        ]

    def stats(self) -> list[dict]:
        """What each server counted: `requests`, `answers`, `twice` (pages answered more than once), `over_limit`,
        `faults`, `seconds` (the delays' sum) and `times` of the answers."""
        with httpx.Client(trust_env=False, timeout=30) as client:  # servers here need no proxy
            return [client.get(address.removesuffix("/v1") + "/stats").json() for address in self.addresses]


def digest(image: bytes) -> str:
    """A page as a server knows it: the hash of the file that is sent."""
    return hashlib.sha256(outgoing.encode(image)[0]).hexdigest()
