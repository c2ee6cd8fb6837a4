"""`python loopback_server.py SETTINGS`: the servers that `loopback` starts. They end when stdin does.

Faults of a request: a status (`400`, `429` with no word of when, `500`, …), `429_retry_after`, `reset` (the connection
breaks), `hang` (no answer for an hour) and `invalid_json`. Faults that stay with a page: `no_choice` and those in the
settings' `words`; through some of them a client should see.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import random
import sys
import time
import uuid
from collections import Counter, deque
from pathlib import Path

from aiohttp import web

HANG_S = 3600


class Behaviour:
    """One server: its settings, what it knows, and what it counted."""

    no_request_meets: tuple[str, ...] = ()  # faults that are drawn elsewhere

    def __init__(self, settings: dict, known: dict[str, str], words: dict[str, list[str]]) -> None:
        self.settings, self.known, self.words = settings, known, words
        self.page_faults = (*words, "no_choice")
        self.recent: deque[float] = deque()
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.times: list[float] = []
        self.seconds = 0.0
        self.over_limit = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=256 << 20)
        app.router.add_post("/v1/chat/completions", self.complete)
        app.router.add_get("/stats", self.stats)
        return app

    async def complete(self, request: web.Request) -> web.StreamResponse:
        headers, refusal = self.admit(request)
        if refusal:
            return refusal
        body = await request.json()
        page = page_of(body)
        self.asked[page] += 1
        draw = random.Random(f"{self.settings['seed']}/{page}/{self.asked[page]}")
        fault = self.drawn(self.settings["faults"], draw)
        delay = draw.lognormvariate(0, self.settings["sigma"]) * self.settings["median_s"]
        if fault == "hang":
            self.faults[fault] += 1
            delay = HANG_S
        await asyncio.sleep(delay if fault in ("", "hang") else delay / 4)
        if fault:
            self.faults[fault] += 1
            return await self.faulty(fault, request, headers)
        self.answered[page] += 1
        self.seconds += delay
        self.times.append(time.time())
        return web.json_response(self.answer(page, body), headers=headers)

    def admit(self, request: web.Request) -> tuple[dict, web.Response | None]:
        """Note the request; returns what to announce, and the answer where the limit is used up."""
        per_minute, window, now = self.settings["requests_per_minute"], self.settings["window_s"], time.monotonic()
        if not per_minute:
            return {}, None
        most = per_minute * window / 60
        while self.recent and self.recent[0] <= now - window:
            self.recent.popleft()
        if len(self.recent) >= most:
            self.over_limit += 1
            wait = max(0.001, self.recent[0] + window - now)
            return {}, error(429, "rate limit", {"Retry-After": f"{wait:.3f}"})
        self.recent.append(now)
        left = int(most - len(self.recent))
        reset = max(0.001, self.recent[0] + window - now)
        return {"x-ratelimit-remaining-requests": str(left), "x-ratelimit-reset-requests": f"{reset:.3f}s"}, None

    def drawn(self, faults: dict[str, float], draw: random.Random, kinds: tuple[str, ...] = ()) -> str:
        """One of these kinds by its share, or none; without kinds named, of those that a request meets."""
        at = draw.random()
        for kind, share in faults.items():
            if kind in kinds if kinds else kind not in (*self.page_faults, *self.no_request_meets):
                at -= share
                if at < 0:
                    return kind
        return ""

    async def faulty(self, fault: str, request: web.Request, headers: dict) -> web.StreamResponse:
        if fault == "reset":
            request.transport.abort()
            return web.Response()
        if fault == "invalid_json":
            return web.Response(text='{"choices": [{"message": {"content": "', content_type="application/json")
        if fault == "429_retry_after":
            headers = {**headers, "Retry-After": str(self.settings["retry_after_s"])}
        return error(int(fault[:3]), "try again", headers)

    def answer(self, page: str, request: dict) -> dict:
        """A chat completion with the page's text, or the page's own fault."""
        draw = random.Random(f"{self.settings['seed']}/{page}")
        fault, text = self.drawn(self.settings["faults"], draw, self.page_faults), self.known.get(page, "")
        if draw.random() < self.settings["misread"]:
            text = _misread(text, draw)
        if fault:
            self.faults[fault] += 1
        text = "" if fault == "no_choice" else text
        words, finish = self.words.get(fault, ("{text}", "stop"))
        text = words.replace("{half}", text[: len(text) // 2]).replace("{text}", text)
        usage = {"prompt_tokens": 500 + 100 * len(request["messages"]), "completion_tokens": len(text) // 3 + 1}
        usage["total_tokens"] = sum(usage.values())
        known = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion", "created": int(time.time())}
        return {**known, "model": request["model"], "choices": self.choices(fault, text, finish), "usage": usage}

    def choices(self, fault: str, text: str, finish: str) -> list[dict]:
        """What an answer holds."""
        message = {"role": "assistant", "content": text}
        return [] if fault == "no_choice" else [{"index": 0, "finish_reason": finish, "message": message}]

    async def stats(self, _: web.Request) -> web.Response:
        return web.json_response(self.counted())

    def counted(self) -> dict:
        return {
            "requests": self.asked.total(),
            "answers": self.answered.total(),
            "twice": sum(count > 1 for count in self.answered.values()),
            "over_limit": self.over_limit,
            "faults": dict(self.faults),
            "seconds": self.seconds,
            "times": self.times,
        }


def page_of(body: dict) -> str:
    """The hash of the picture in a request."""
    for message in body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url":
                encoded = part["image_url"]["url"].partition("base64,")[2]
                return hashlib.sha256(base64.b64decode(encoded)).hexdigest()
    return ""


def _misread(text: str, draw: random.Random) -> str:
    places = [at for at, character in enumerate(text) if character.isdecimal()]
    if not places:
        return text
    at = draw.choice(places)
    other = draw.choice([digit for digit in "0123456789" if digit != text[at]])
    return text[:at] + other + text[at + 1 :]


def error(status: int, message: str, headers: dict | None = None) -> web.Response:
    return web.json_response({"error": {"message": message, "code": None}}, status=status, headers=headers)


async def serve(settings: dict, kind: type[Behaviour] = Behaviour) -> None:
    """Start every server on a free port, print the ports, and serve until stdin ends."""
    ports = []
    for server in settings["servers"]:
        runner = web.AppRunner(kind(server, settings["known"], settings["words"]).app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports.append(runner.addresses[0][1])
    print(json.dumps(ports), flush=True)
    ended = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(ended), sys.stdin)
    await ended.read()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))
