"""Pages through a provider's Batch API: about half the price, an answer within a day. Never with health information.

The pages lie with the provider as a file, which is deleted when the answers are in.
"""

import asyncio
import concurrent.futures
import contextlib
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator

from . import client, outgoing, prompt
from .client import Fault
from .dispatch import Job
from .providers import OpenAIProvider
from .store import Answer, Store

MOST_PAGES = 5_000
MOST_BYTES = 90 << 20  # providers take files of 100 to 200 MB
OVER = ("completed", "failed", "expired", "cancelled")
SLOWEST_POLL = 30.0  # seconds

Seen = Callable[[OpenAIProvider, str, Answer | Fault], None]
Batch = tuple[str, str, list[str]]  # token, the provider's id, images


def read(jobs: Iterator[Job], provider: OpenAIProvider, store: Store, seen: Seen) -> tuple[dict[str, str], str]:
    """Have a provider read these pages in batches; returns what failed (id → fault) and why it was dropped, if it was.

    Each batch is noted in `store` before it is sent, under a token that the provider keeps with it: a run that is
    interrupted waits for the same batches when it is started again, and sends none twice.
    """
    with concurrent.futures.ThreadPoolExecutor(1) as thread:  # notebooks have a running loop already
        return thread.submit(lambda: asyncio.run(_read(jobs, provider, store, seen))).result()


async def _read(jobs, provider, store, seen) -> tuple[dict[str, str], str]:
    failed: dict[str, str] = {}
    api = client.api(provider)
    under_way: list[Batch] = []
    try:
        under_way += await _found_again(api, provider, store)
        known = {image for _, _, images in under_way for image in images}
        for part in _parts((job for job in jobs if job.id not in known), provider, failed):
            under_way.append(await _send(api, provider, store, part))
        while under_way:
            failed |= await _collect(api, provider, store, seen, *under_way[0])
            under_way.pop(0)
    except Fault as fault:  # batches that are under way are found again by the next run
        left = {image for _, _, images in under_way for image in images} | {job.id for job in jobs}
        failed |= dict.fromkeys(left, f"{provider.name}: {fault}")
        return failed, fault.dropped or str(fault)
    finally:
        await api.close()
    return failed, ""


async def _patiently(request: Callable[[], Awaitable]):
    """Make a request that may be made twice; try again after passing faults. Raises Fault."""
    for attempt in range(client.TRIES):
        try:
            return await client.without_words(request())
        except Fault as fault:
            if fault.dropped or fault.kind == "bad_request" or attempt == client.TRIES - 1:
                raise
            await asyncio.sleep(max(fault.wait, 0.5 * 2**attempt))


async def _found_again(api, provider, store) -> list[Batch]:
    """The batches of an earlier run. One that was killed while sending may have got through: its token tells."""
    noted = store.batches(provider)
    tokens = {}
    if any(batch is None for _, batch, _ in noted):
        listed = await _patiently(lambda: api.batches.list(limit=100))
        tokens = {(batch.metadata or {}).get("medocr"): batch.id for batch in listed.data}
    found = []
    for token, batch, images in noted:
        batch = batch or tokens.get(token)
        store.put_batch(provider, token, batch, images, finished=batch is None)
        found += [(token, batch, images)] if batch else []
    return found


def _parts(jobs: Iterator[Job], provider: OpenAIProvider, failed: dict[str, str]) -> Iterator[dict[str, bytes]]:
    """Id → request line of as many pages as one file may hold; what cannot be decoded goes to `failed`."""
    part, size = {}, 0
    for job in jobs:
        try:
            body = client.request(provider, prompt.messages(*outgoing.encode(job.image)))
        except ValueError as error:
            failed[job.id] = f"unreadable: {error}"
            continue
        row = {"custom_id": job.id, "method": "POST", "url": "/v1/chat/completions", "body": body}
        part[job.id] = json.dumps(row).encode() + b"\n"
        size += len(part[job.id])
        if len(part) == MOST_PAGES or size >= MOST_BYTES:
            yield part
            part, size = {}, 0
    if part:
        yield part


async def _send(api, provider: OpenAIProvider, store: Store, part: dict[str, bytes]) -> Batch:
    token, images = uuid.uuid4().hex, list(part)
    content = b"".join(part.values())
    uploaded = await _patiently(lambda: api.files.create(file=("pages.jsonl", content), purpose="batch"))
    store.put_batch(provider, token, None, images)
    batch = await client.without_words(  # once: where the answer is lost, the token finds the batch
        api.batches.create(
            input_file_id=uploaded.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"medocr": token},
        )
    )
    store.put_batch(provider, token, batch.id, images)
    return token, batch.id, images


async def _collect(api, provider, store, seen: Seen, token: str, batch_id: str, images: list[str]) -> dict[str, str]:
    """Wait for one batch and keep its answers; what it lacks has failed."""
    started = time.monotonic()
    while (batch := await _patiently(lambda: api.batches.retrieve(batch_id))).status not in OVER:
        await asyncio.sleep(min(SLOWEST_POLL, 0.1 + (time.monotonic() - started) / 4))
    failed = dict.fromkeys(images, f"{provider.name}: the batch ended as {batch.status}")
    for name in filter(None, (batch.output_file_id, batch.error_file_id)):
        content = (await _patiently(lambda name=name: api.files.content(name))).content
        for image, answer in _answers(provider, content):
            if image in failed:
                store.put(provider, image, answer)
                seen(provider, image, answer)
                del failed[image]
    for image in failed:
        seen(provider, image, Fault("server_error", "the batch holds no answer for a page"))
    store.put_batch(provider, token, batch_id, images, finished=True)
    for name in filter(None, (batch.input_file_id, batch.output_file_id, batch.error_file_id)):
        with contextlib.suppress(Fault):
            await client.without_words(api.files.delete(name))
    return failed


def _answers(provider: OpenAIProvider, content: bytes) -> Iterator[tuple[str, Answer]]:
    """(id, answer) of each line of an output file that holds a chat completion."""
    for line in content.splitlines():
        with contextlib.suppress(Fault, ValueError, TypeError, AttributeError, KeyError):
            row = json.loads(line)
            if row["response"]["status_code"] == 200:
                yield row["custom_id"], client.completion(provider, row["response"]["body"])
