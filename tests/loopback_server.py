"""`python loopback_server.py SETTINGS`: the demonstration's servers with all that tests ask of them: hostile answers,
files and batches.

Further faults of a request: `drip` (a byte now and then), `plain_text`, and whatever bytes the settings' `replies`
hold; that stay with a page: `PAGE_FAULTS`. `BATCH_FAULTS` are of a page's line in a batch's output.
"""

import asyncio
import contextlib
import json
import random
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from medocr.demo.loopback_server import HANG_S, Behaviour, error, page_of, serve

PAGE_FAULTS = ("duplicate", "parts", "tool_call")
BATCH_FAULTS = ("lost_line", "broken_line", "nested_line", "foreign_line", "odd_line", "line_twice")


class Hostile(Behaviour):
    """One server, which also knows what it was sent."""

    no_request_meets = BATCH_FAULTS

    def __init__(self, *known) -> None:
        super().__init__(*known)
        self.page_faults = (*self.page_faults, *PAGE_FAULTS)
        self.calls: Counter[str] = Counter()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict] = {}
        self.keys: set[str] = set()
        self.openai_headers: set[str] = set()
        self.in_flight = self.most_in_flight = 0

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_post("/v1/files", self._perhaps(self.upload))
        app.router.add_get("/v1/files/{id}/content", self._perhaps(self.download))
        app.router.add_delete("/v1/files/{id}", self._perhaps(self.delete))
        app.router.add_post("/v1/batches", self._perhaps(self.start_batch))
        app.router.add_get("/v1/batches", self._perhaps(self.list_batches))
        app.router.add_get("/v1/batches/{id}", self._perhaps(self.show_batch))
        return app

    async def complete(self, request: web.Request) -> web.StreamResponse:
        if refused := [name for name in self.settings["refuses"] if name in await request.json()]:
            said = {"message": f"Unsupported parameter: '{refused[0]}' secret", "param": refused[0]}
            return web.json_response({"error": {**said, "code": "unsupported_parameter"}}, status=400)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await super().complete(request)
        finally:
            self.in_flight -= 1

    def admit(self, request: web.Request) -> tuple[dict, web.Response | None]:
        self.keys.add(request.headers.get("Authorization", ""))
        self.openai_headers |= {name for name in request.headers if name.lower().startswith("openai-")}
        headers, refusal = super().admit(request)
        revoked = self.settings["revoked_after"]
        if refusal is None and revoked is not None and self.answered.total() >= revoked:
            self.faults["401"] += 1
            refusal = error(401, f"Incorrect API key provided: {request.headers.get('Authorization')}")
        return headers, refusal

    async def faulty(self, fault: str, request: web.Request, headers: dict) -> web.StreamResponse:
        if fault in self.settings["replies"]:
            request.transport.write(self.settings["replies"][fault].encode("latin-1"))
            request.transport.close()
            return web.Response()
        if fault == "drip":
            return await _drip(request)
        if fault == "plain_text":
            return web.Response(text="Internal Server Error", status=500)
        return await super().faulty(fault, request, headers)

    def answer(self, page: str, request: dict) -> dict:
        return super().answer(page, {**request, "model": self.settings["served_as"] or request["model"]})

    def choices(self, fault: str, text: str, finish: str) -> list[dict]:
        content = {"parts": [{"type": "text", "text": text}], "tool_call": None}.get(fault, text)
        made = super().choices(fault, content, "tool_calls" if fault == "tool_call" else finish)
        return made * 2 if fault == "duplicate" else made

    def _perhaps(self, handle: Callable) -> Callable:
        """A call about files or batches, or a fault in place of its reply; what a reset cuts off has been done."""

        async def handler(request: web.Request) -> web.StreamResponse:
            name = handle.__name__
            self.calls[name] += 1
            draw = random.Random(f"{self.settings['seed']}/{name}/{self.calls[name]}")
            fault = self.drawn(self.settings["call_faults"], draw)
            reply = await handle(request) if fault in ("", "reset") else None
            if not fault:
                return reply
            self.faults[f"call: {fault}"] += 1
            return await self.faulty(fault, request, {})

        return handler

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
            fault = self.drawn(self.settings["faults"], draw, ("500", *BATCH_FAULTS))
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

    def counted(self) -> dict:
        return {
            **super().counted(),
            "pages": dict(self.answered),
            "asked": dict(self.asked),
            "calls": self.calls.total(),
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
            "keys": sorted(self.keys),
            "openai_headers": sorted(self.openai_headers),
            "files": len(self.files),
            "batches": len(self.batches),
        }


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


if __name__ == "__main__":
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text()), Hostile))
