"""One page to one server, by the client and through the gates that whole runs use."""

import asyncio
import concurrent.futures
import dataclasses
from collections.abc import Coroutine
from typing import TypeVar

from ..schema import Page
from . import outgoing, prompt
from .client import Client, Fault, api, without_words
from .providers import OpenAIProvider, refusal
from .store import Answer

T = TypeVar("T")
FIRST_LISTED = "first-listed"  # in place of a model's name


def read_page(page: Page, server: OpenAIProvider, request: str = "") -> Answer:
    """Send one page's pixels, without the metadata of its file, to a server of the OpenAI protocol.

    `request` is the text after the image (a fine-tuned model's own prompt, `OCR:`); without one a general model is
    asked to transcribe. Where the server's model is FIRST_LISTED, it is the first that the server lists. Raises
    ValueError where the server may not have the page (it needs `may_receive`, and `phi_agreement` for pages with
    health information, unless it runs on this machine), and where it gives no answer; the message repeats nothing of
    what it sent.
    """
    allowed = server.may_read(page) or server.on_this_machine
    if not allowed:
        raise ValueError(f"{server.name} was not sent the page: {refusal([server])}")
    return _answer(server, _read(page, server, request))


def first_listed(server: OpenAIProvider) -> str:
    """The name of the model that a server lists first. Raises ValueError where it gives no answer, or lists none."""
    return _answer(server, _first_listed(server))


def _answer(server: OpenAIProvider, asked: Coroutine[None, None, T]) -> T:
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as thread:  # notebooks have a running loop already
            return thread.submit(asyncio.run, asked).result()
    except Fault as fault:
        raise ValueError(f"{server.name} gave no answer ({fault})") from None


async def _read(page: Page, server: OpenAIProvider, request: str) -> Answer:
    if server.model == FIRST_LISTED:
        server = dataclasses.replace(server, model=await _first_listed(server))
    picture, media_type = outgoing.encode(page.image)
    async with Client(server) as client:
        return await client.ask(prompt.messages(picture, media_type, request))


async def _first_listed(server: OpenAIProvider) -> str:
    async with api(server) as client:
        listed = await without_words(client.models.list())
    first = next(iter(getattr(listed, "data", None) or ()), None)
    if not isinstance(name := getattr(first, "id", None), str):
        raise ValueError(f"{server.name} lists no model: name the one that it serves")
    return name
