"""Pages through a provider's Batch API: about half the price, an answer within a day. Never with health information.

The pages lie with the provider as a file until it deletes them, which no agreement made here covers.
"""

import asyncio
import io
import json
import time
import uuid
from collections.abc import Callable, Iterator

from . import client, outgoing, prompt
from .client import Fault
from .dispatch import Job
from .providers import OpenAIProvider
from .store import Answer, Store

MOST_PAGES = 5_000
MOST_BYTES = 90 << 20  # providers take files of 100 to 200 MB
OVER = ("completed", "failed", "expired", "cancelled")


def read(
    jobs: Iterator[Job],
    provider: OpenAIProvider,
    store: Store,
    seen: Callable[[OpenAIProvider, str, Answer | Fault], None],
    poll_s: float = 30.0,
) -> dict[str, str]:
    """Have a provider read these pages in batches; returns what failed: id → fault.

    Each batch is noted in `store` before it is sent, under a token that the provider keeps with it: a run that is
    interrupted waits for the same batches when it is started again, and sends none twice.
    """
    return asyncio.run(_read(jobs, provider, store, seen, poll_s))


async def _read(jobs, provider, store, seen, poll_s) -> dict[str, str]:
    failed: dict[str, str] = {}
    api = client.api(provider)
    try:
        under_way = await _found_again(api, provider, store)
        known = {image for _, _, images in under_way for image in images}
        for part in _parts(job for job in jobs if job.id not in known):
            under_way.append(await _send(api, provider, store, part))
        for token, batch, images in under_way:
            failed |= await _collect(api, provider, store, seen, poll_s, token, batch, images)
    finally:
        await api.close()
    return failed


async def _found_again(api, provider, store) -> list[tuple[str, str, list[str]]]:
    """The batches of an earlier run. One that was killed while sending may have got through: its token tells."""
    noted = store.batches(provider)
    tokens = {}
    if any(batch is None for _, batch, _ in noted):
        async for batch in await api.batches.list(limit=100):
            tokens[(batch.metadata or {}).get("medocr")] = batch.id
    found = []
    for token, batch, images in noted:
        batch = batch or tokens.get(token)
        store.put_batch(provider, token, batch, images, finished=batch is None)
        found += [(token, batch, images)] if batch else []
    return found


def _parts(jobs: Iterator[Job]) -> Iterator[list[tuple[str, str]]]:
    """(id, request line) of as many pages as one file may hold."""
    part, size = [], 0
    for job in jobs:
        picture, media_type = outgoing.encode(job.image)
        line = prompt.messages(picture, media_type)
        part.append((job.id, json.dumps(line)))
        size += len(part[-1][1])
        if len(part) == MOST_PAGES or size >= MOST_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


async def _send(api, provider: OpenAIProvider, store: Store, part) -> tuple[str, str, list[str]]:
    token, images = uuid.uuid4().hex, [image for image, _ in part]
    store.put_batch(provider, token, None, images)
    file = io.BytesIO()
    for image, messages in part:
        body = client.request(provider, json.loads(messages))
        row = {"custom_id": image, "method": "POST", "url": "/v1/chat/completions", "body": body}
        file.write(json.dumps(row).encode() + b"\n")
    file.seek(0)
    uploaded = await api.files.create(file=("pages.jsonl", file), purpose="batch")
    batch = await api.batches.create(
        input_file_id=uploaded.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"medocr": token},
    )
    store.put_batch(provider, token, batch.id, images)
    return token, batch.id, images


async def _collect(api, provider, store, seen, poll_s, token, batch_id, images) -> dict[str, str]:
    """Wait for one batch and keep its answers; what it lacks has failed."""
    started = time.monotonic()
    while (batch := await api.batches.retrieve(batch_id)).status not in OVER:
        await asyncio.sleep(min(poll_s, 0.1 + (time.monotonic() - started) / 4))
    failed = dict.fromkeys(images, f"{provider.name}: the batch ended as {batch.status}")
    for name in (batch.output_file_id, batch.error_file_id):
        content = (await api.files.content(name)).content if name else b""
        for line in content.splitlines():
            row = json.loads(line)
            image = row["custom_id"]
            answer = _answer(provider, row.get("response") or {})
            if image in failed and answer:
                store.put(provider, image, answer)
                seen(provider, image, answer)
                del failed[image]
    for image in failed:
        seen(provider, image, Fault("server_error", "the batch holds no answer for a page"))
    store.put_batch(provider, token, batch_id, images, finished=True)
    return failed


def _answer(provider: OpenAIProvider, response: dict) -> Answer | None:
    if response.get("status_code") != 200:
        return None
    try:
        return client.completion(provider, response.get("body"))
    except Fault:
        return None
