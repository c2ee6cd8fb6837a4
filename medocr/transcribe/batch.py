"""Pages through a provider's Batch API: about half the price, an answer within a day. Never with health information.

The pages lie with the provider as a file, which is deleted when the answers are in.
"""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator

from . import client, outgoing
from .client import Fault
from .dispatch import Job
from .providers import OpenAIProvider
from .store import Answer, Store

MOST_PAGES = 5_000
MOST_BYTES = 90 << 20  # providers take files of 100 to 200 MB
MOST_ANSWERED = 256 << 20  # bytes of the answers to one file, unpacked
ENDPOINT = "/v1/chat/completions"
OVER = ("completed", "failed", "expired", "cancelled")
SLOWEST_POLL = 30.0  # seconds
LONGEST_WAIT = 26 * 3600.0  # seconds: providers promise an answer within a day

Seen = Callable[[OpenAIProvider, str, Answer | Fault], None]
Batch = tuple[str, str, list[str]]  # token, the provider's id, images


def read(jobs: Iterator[Job], provider: OpenAIProvider, store: Store, seen: Seen) -> tuple[dict[str, str], str]:
    """Have a provider read these pages in batches; returns what failed (id → fault) and why it was dropped, if it was.

    Each batch is noted in `store` before it is sent, under a token that the provider keeps with it: a run that is
    interrupted waits for the same batches when it is started again, and sends none twice.
    """
    return client.in_a_thread(_read(jobs, provider, store, seen))


async def _read(jobs, provider, store, seen) -> tuple[dict[str, str], str]:
    failed: dict[str, str] = {}
    api = client.api(provider, MOST_ANSWERED)
    under_way: list[Batch] = []
    try:
        under_way += await _resumed(api, provider, store)
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


async def _patiently(request: Callable[[], Awaitable], *names: str, begun: Callable[[], Awaitable] | None = None):
    """The reply to a request, in which the fields `names` hold text; after passing faults the request is made again.

    What must not be done twice says by `begun` whether a request got through whose reply was lost. Raises Fault.
    """
    for attempt in range(client.TRIES):
        try:
            reply = await client.without_words(request())
            if not all(isinstance(getattr(reply, name, None), str) for name in names):
                raise Fault("invalid_answer", "what came is none of the protocol")
            return reply
        except Fault as fault:
            if fault.dropped or fault.kind == "bad_request" or attempt == client.TRIES - 1:
                raise
            await asyncio.sleep(max(fault.wait, 0.5 * 2**attempt))
        if begun and (reply := await begun()):
            return reply


async def _resumed(api, provider, store) -> list[Batch]:
    """The batches of an earlier run. One that was killed while sending may have got through: its token tells."""
    noted = store.batches(provider)
    tokens = await _tokens(api) if any(batch is None for _, batch, _, _ in noted) else {}
    batches = []
    for token, batch, images, file in noted:
        batch = batch or getattr(tokens.get(token), "id", None)
        if file and batch is None:
            await _delete(api, file)
        store.put_batch(provider, token, batch, images, finished=batch is None)
        batches += [(token, batch, images)] if batch else []
    return batches


async def _tokens(api) -> dict:
    """Token → batch, of the provider's newest batches."""
    listed = await _patiently(lambda: api.batches.list(limit=100))
    if not isinstance(rows := getattr(listed, "data", None), list):
        raise Fault("invalid_answer", "what came is none of the protocol")
    known = [(getattr(row, "metadata", None), row) for row in rows if _is_name(getattr(row, "id", None))]
    return {meta["medocr"]: row for meta, row in known if isinstance(meta, dict) and "medocr" in meta}


def _parts(jobs: Iterator[Job], provider: OpenAIProvider, failed: dict[str, str]) -> Iterator[dict[str, bytes]]:
    """Id → request line of as many pages as one file may hold; what cannot be decoded goes to `failed`."""
    part, size = {}, 0
    for job in jobs:
        try:
            body = client.request(provider, outgoing.messages(job.image))
        except ValueError as error:
            failed[job.id] = f"unreadable: {error}"
            continue
        row = {"custom_id": job.id, "method": "POST", "url": ENDPOINT, "body": body}
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
    uploaded = await _patiently(lambda: api.files.create(file=("pages.jsonl", content), purpose="batch"), "id")
    store.put_batch(provider, token, None, images, file=uploaded.id)
    settings = {"endpoint": ENDPOINT, "completion_window": "24h", "metadata": {"medocr": token}}

    async def begun():
        return (await _tokens(api)).get(token)

    try:
        batch = await _patiently(lambda: api.batches.create(input_file_id=uploaded.id, **settings), "id", begun=begun)
    except Fault as fault:
        if fault.dropped or fault.kind == "bad_request":  # after others there may be a batch that needs the file
            await _delete(api, uploaded.id)
        raise
    store.put_batch(provider, token, batch.id, images)
    return token, batch.id, images


async def _ended(api, batch_id: str):
    """The batch, once it is over."""
    started = time.monotonic()
    while (batch := await _patiently(lambda: api.batches.retrieve(batch_id), "status")).status not in OVER:
        if (waited := time.monotonic() - started) > LONGEST_WAIT:
            raise Fault("timeout", f"a batch is not over after {waited / 3600:.0f} hours")
        await asyncio.sleep(min(SLOWEST_POLL, 0.1 + waited / 4))
    return batch


async def _collect(api, provider, store, seen: Seen, token: str, batch_id: str, images: list[str]) -> dict[str, str]:
    """Wait for one batch and keep its answers; what it lacks has failed."""
    batch = await _ended(api, batch_id)
    failed = dict.fromkeys(images, f"{provider.name}: the batch ended as {batch.status}")
    faults: dict[str, Fault] = {}
    output, errors, sent = (getattr(batch, f"{name}_file_id", None) for name in ("output", "error", "input"))
    for name in filter(_is_name, (output, errors)):
        answers = await _patiently(lambda name=name: _answers(api, provider, name))
        for image, answer in answers.items():
            if image in failed and isinstance(answer, Answer):
                store.put(provider, image, answer)
                seen(provider, image, answer)
                del failed[image]
            elif image in failed:
                faults[image] = answer
    for image in failed:
        seen(provider, image, faults.get(image) or Fault("server_error", "the batch holds no answer for a page"))
    store.put_batch(provider, token, batch_id, images, finished=True)
    for name in filter(_is_name, (sent, output, errors)):
        await _delete(api, name)
    for fault in faults.values():
        if fault.dropped:
            raise fault
    return failed


async def _delete(api, file_id: str) -> None:
    with contextlib.suppress(Fault):
        await _patiently(lambda: api.files.delete(file_id))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


async def _answers(api, provider: OpenAIProvider, file_id: str) -> dict[str, Answer | Fault]:
    """Id → answer or fault of the lines of an output file. Raises Fault where no line names a page."""
    named, answers = 0, dict[str, Answer | Fault]()
    for line in (await client.without_words(api.files.content(file_id))).content.splitlines():
        with contextlib.suppress(ValueError, RecursionError, TypeError, KeyError):
            row = json.loads(line)
            named += isinstance(row["custom_id"], str)
            if row["response"]["status_code"] == 200:
                try:
                    answers.setdefault(row["custom_id"], client.completion(provider, row["response"]["body"]))
                except Fault as fault:
                    answers.setdefault(row["custom_id"], fault)
    if not named:
        raise Fault("invalid_answer", "the file of answers holds none")
    return answers
