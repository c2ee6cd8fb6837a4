"""`python loopback_server.py SETTINGS`: the servers that `loopback` starts. They end when stdin does.

Faults of a request: a status (`400`, `429` with no word of when, `500`, …), `429_retry_after`, `reset` (the connection
breaks), `hang` (no answer for an hour), `drip` (a byte now and then), `invalid_json`, `plain_text`, and whatever bytes
the settings' `replies` hold. Faults that stay with a page are those in `PAGE_FAULTS` and the settings' `words`; through
some of them a client should see. `BATCH_FAULTS` are of a page's line in a batch's output.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import random
import sys
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

PAGE_FAULTS = ("no_choice", "duplicate", "parts", "tool_call")  # beside those whose words are in the settings
BATCH_FAULTS = ("lost_line", "broken_line", "nested_line", "foreign_line", "odd_line", "line_twice")
HANG_S = 3600


class Behaviour:
    """One server: its settings, what it knows, and what it counted."""

    def __init__(self, settings: dict, known: dict[str, str], words: dict[str, list[str]]) -> None:
        self.settings, self.known, self.words = settings, known, words
        self.page_faults = (*words, *PAGE_FAULTS)
        self.recent: deque[float] = deque()
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict] = {}
        self.times: list[float] = []
        self.keys: set[str] = set()
        self.openai_headers: set[str] = set()
        self.seconds = 0.0
        self.in_flight = self.most_in_flight = self.over_limit = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=256 << 20)
        app.router.add_post("/v1/chat/completions", self.complete)
        app.router.add_post("/v1/files", self._perhaps(self.upload))
        app.router.add_get("/v1/files/{id}/content", self._perhaps(self.download))
        app.router.add_delete("/v1/files/{id}", self._perhaps(self.delete))
        app.router.add_post("/v1/batches", self._perhaps(self.start_batch))
        app.router.add_get("/v1/batches", self._perhaps(self.list_batches))
        app.router.add_get("/v1/batches/{id}", self._perhaps(self.show_batch))
        app.router.add_get("/stats", self.stats)
        return app

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._complete(request)
        finally:
            self.in_flight -= 1

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.keys.add(request.headers.get("Authorization", ""))
        self.openai_headers |= {name for name in request.headers if name.lower().startswith("openai-")}
        headers, full = self._count()
        if full:
            return _error(429, "rate limit", {**headers, "Retry-After": f"{full:.3f}"})
        revoked = self.settings["revoked_after"]
        if revoked is not None and self.answered.total() >= revoked:
            self.faults["401"] += 1
            return _error(401, f"Incorrect API key provided: {request.headers.get('Authorization')}")
        body = await request.json()
        page = page_of(body)
        self.asked[page] += 1
        draw = random.Random(f"{self.settings['seed']}/{page}/{self.asked[page]}")
        fault = self._drawn(self.settings["faults"], draw)
        delay = draw.lognormvariate(0, self.settings["sigma"]) * self.settings["median_s"]
        if fault == "hang":
            self.faults[fault] += 1
            delay = HANG_S
        await asyncio.sleep(delay if fault in ("", "hang") else delay / 4)
        if fault:
            self.faults[fault] += 1
            return await self._faulty(fault, request, headers)
        self.answered[page] += 1
        self.seconds += delay
        self.times.append(time.time())
        return web.json_response(self.answer(page, body), headers=headers)

    def _count(self) -> tuple[dict, float]:
        """Note the request; returns what to announce, and for how long the limit is used up."""
        per_minute, window, now = self.settings["requests_per_minute"], self.settings["window_s"], time.monotonic()
        if not per_minute:
            return {}, 0.0
        most = per_minute * window / 60
        while self.recent and self.recent[0] <= now - window:
            self.recent.popleft()
        if len(self.recent) >= most:
            self.over_limit += 1
            return {}, max(0.001, self.recent[0] + window - now)
        self.recent.append(now)
        left = int(most - len(self.recent))
        reset = max(0.001, self.recent[0] + window - now)
        return {"x-ratelimit-remaining-requests": str(left), "x-ratelimit-reset-requests": f"{reset:.3f}s"}, 0.0

    def _drawn(self, faults: dict[str, float], draw: random.Random, kinds: tuple[str, ...] = ()) -> str:
        """One of these kinds by its share, or none; without kinds named, of those that a request meets."""
        at = draw.random()
        for kind, share in faults.items():
            if kind in kinds if kinds else kind not in (*self.page_faults, *BATCH_FAULTS):
                at -= share
                if at < 0:
                    return kind
        return ""

    async def _faulty(self, fault: str, request: web.Request, headers: dict) -> web.StreamResponse:
        if fault == "reset":
            request.transport.abort()
            return web.Response()
        if fault in self.settings["replies"]:
            request.transport.write(self.settings["replies"][fault].encode("latin-1"))
            request.transport.close()
            return web.Response()
        if fault == "drip":
            return await _drip(request)
        if fault == "invalid_json":
            return web.Response(text='{"choices": [{"message": {"content": "', content_type="application/json")
        if fault == "plain_text":
            return web.Response(text="Internal Server Error", status=500)
        if fault == "429_retry_after":
            headers = {**headers, "Retry-After": str(self.settings["retry_after_s"])}
        return _error(int(fault[:3]), "try again", headers)

    def _perhaps(self, handle: Callable) -> Callable:
        """A call about files or batches, or a fault in place of its reply; what a reset cuts off has been done."""

        async def handler(request: web.Request) -> web.StreamResponse:
            name = handle.__name__
            self.calls[name] += 1
            draw = random.Random(f"{self.settings['seed']}/{name}/{self.calls[name]}")
            fault = self._drawn(self.settings["call_faults"], draw)
            reply = await handle(request) if fault in ("", "reset") else None
            if not fault:
                return reply
            self.faults[f"call: {fault}"] += 1
            return await self._faulty(fault, request, {})

        return handler

    def answer(self, page: str, request: dict) -> dict:
        """A chat completion with the page's text, or the page's own fault."""
        draw = random.Random(f"{self.settings['seed']}/{page}")
        fault, text = self._drawn(self.settings["faults"], draw, self.page_faults), self.known.get(page, "")
        if draw.random() < self.settings["misread"]:
            text = _misread(text, draw)
        if fault:
            self.faults[fault] += 1
        text = "" if fault == "no_choice" else text
        words, finish = self.words.get(fault, ("{text}", "tool_calls" if fault == "tool_call" else "stop"))
        text = words.replace("{half}", text[: len(text) // 2]).replace("{text}", text)
        content = {"parts": [{"type": "text", "text": text}], "tool_call": None}.get(fault, text)
        choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}
        choices = [] if fault == "no_choice" else [choice, choice] if fault == "duplicate" else [choice]
        usage = {"prompt_tokens": 500 + 100 * len(request["messages"]), "completion_tokens": len(text) // 3 + 1}
        usage["total_tokens"] = sum(usage.values())
        known = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion", "created": int(time.time())}
        return {**known, "model": request["model"], "choices": choices, "usage": usage}

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        name = f"file-{uuid.uuid4().hex[:8]}"
        self.files[name] = form["file"].file.read()
        known = {"id": name, "object": "file", "bytes": len(self.files[name]), "created_at": int(time.time())}
        return web.json_response({**known, "filename": "pages.jsonl", "purpose": "batch", "status": "processed"})

    async def download(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["id"]])

    async def delete(self, request: web.Request) -> web.Response:
        self.files.pop(request.match_info["id"], None)
        return web.json_response({"id": request.match_info["id"], "object": "file", "deleted": True})

    async def start_batch(self, request: web.Request) -> web.Response:
        body = await request.json()
        batch = {"id": f"batch-{uuid.uuid4().hex[:8]}", "object": "batch", "status": "in_progress", **body}
        self.batches[batch["id"]] = batch | {
            "created_at": int(time.time()),
            "due": time.time() + self.settings["batch_s"],
        }
        return web.json_response(self._batch(batch["id"]))

    async def list_batches(self, _: web.Request) -> web.Response:
        rows = [self._batch(name) for name in self.batches]
        return web.json_response({"object": "list", "data": rows, "has_more": False})

    async def show_batch(self, request: web.Request) -> web.Response:
        return web.json_response(self._batch(request.match_info["id"]))

    def _batch(self, name: str) -> dict:
        batch = self.batches[name]
        if batch["status"] == "in_progress" and time.time() >= batch["due"]:
            batch["status"] = "completed"
            self._work_off(batch)
        return {key: value for key, value in batch.items() if key != "due"}

    def _work_off(self, batch: dict) -> None:
        done, errors = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            asked = json.loads(line)
            page = page_of(asked["body"])
            self.asked[page] += 1
            draw = random.Random(f"{self.settings['seed']}/{page}/{self.asked[page]}")
            fault = self._drawn(self.settings["faults"], draw, ("500", *BATCH_FAULTS))
            row = {"id": uuid.uuid4().hex, "custom_id": asked["custom_id"], "error": None}
            if fault == "500":
                failure = {"status_code": 500, "body": {"error": {"message": "try again"}}}
                errors.append(json.dumps({**row, "response": failure}))
            else:
                self.answered[page] += fault in ("", "line_twice")
                answer = {"status_code": 200, "body": self.answer(page, asked["body"])}
                done += _lines(fault, {**row, "response": answer})
            if fault:
                self.faults[f"line: {fault}"] += 1
        for name, rows in (("output_file_id", done), ("error_file_id", errors)):
            if rows:
                batch[name] = f"file-{uuid.uuid4().hex[:8]}"
                self.files[batch[name]] = "\n".join(rows).encode()

    async def stats(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "requests": self.asked.total(),
                "answers": self.answered.total(),
                "twice": sum(count > 1 for count in self.answered.values()),
                "pages": dict(self.answered),
                "asked": dict(self.asked),
                "calls": self.calls.total(),
                "over_limit": self.over_limit,
                "in_flight": self.in_flight,
                "most_in_flight": self.most_in_flight,
                "faults": dict(self.faults),
                "keys": sorted(self.keys),
                "openai_headers": sorted(self.openai_headers),
                "files": len(self.files),
                "batches": len(self.batches),
                "seconds": self.seconds,
                "times": self.times,
            }
        )


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


def _lines(fault: str, row: dict) -> list[str]:
    """A page's lines in a batch's output: one with its answer, or what a faulty server writes in its place."""
    line = json.dumps(row)
    return {
        "lost_line": [],
        "broken_line": [line[: len(line) // 2]],
        "nested_line": ["[" * 100_000],
        "foreign_line": [json.dumps({**row, "custom_id": "f" * 64})],
        "odd_line": [json.dumps({**row, "custom_id": [row["custom_id"]]})],
        "line_twice": [line, line],
    }.get(fault, [line])


async def _drip(request: web.Request) -> web.StreamResponse:
    """An answer that comes a byte at a time, and never ends."""
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(HANG_S):
            await response.write(b" ")
            await asyncio.sleep(1)
    return response


def _error(status: int, message: str, headers: dict | None = None) -> web.Response:
    return web.json_response({"error": {"message": message, "code": None}}, status=status, headers=headers)


async def serve(settings: dict) -> None:
    """Start every server on a free port, print the ports, and serve until stdin ends."""
    ports = []
    for server in settings["servers"]:
        runner = web.AppRunner(Behaviour(server, settings["known"], settings["words"]).app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.append(site._server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))
