"""One page to one server, by the client and through the gates that whole runs use."""

import dataclasses

from ..schema import Page
from . import outgoing
from .client import Client, Fault, api, in_a_thread, without_words
from .providers import OpenAIProvider, refusal
from .store import Answer

FIRST_LISTED = "first-listed"  # in place of a model's name


def read_page(page: Page, server: OpenAIProvider, request: str = "") -> Answer:
    """Send one page's pixels, without the metadata of its file, to a server of the OpenAI protocol.

    `request` is the text after the image (a fine-tuned model's own prompt, `OCR:`); without one a general model is
    asked to transcribe. Where the server's model is FIRST_LISTED, it is the first that the server lists. Raises
    ValueError where the server may not have the page (it needs `may_receive`, and `phi_agreement` for pages with
    health information, unless it runs on this machine), and where it gives no answer; the message repeats nothing of
    what it sent.
    """
    if not server.may_read(page) and not server.on_this_machine:
        raise ValueError(f"{server.name} was not sent the page: {refusal([server])}")
    if server.model == FIRST_LISTED:
        server = dataclasses.replace(server, model=first_listed(server))
    messages = outgoing.messages(page.image, request)

    async def read() -> Answer:
        async with Client(server) as client:
            return await client.ask(messages)

    try:
        return in_a_thread(read())
    except Fault as fault:
        raise _no_answer(server, fault) from None


def first_listed(server: OpenAIProvider) -> str:
    """The name of the model that a server lists first. Raises ValueError where it gives no answer, or lists none."""

    async def listed() -> object:
        async with api(server) as client:
            return await without_words(client.models.list())

    try:
        found = getattr(in_a_thread(listed()), "data", None)
    except Fault as fault:
        raise _no_answer(server, fault) from None
    name = getattr(found[0], "id", None) if isinstance(found, list) and found else None
    if not isinstance(name, str) or not name:
        raise ValueError(f"{server.name} lists no model: name the one that it serves")
    return name


def _no_answer(server: OpenAIProvider, fault: Fault) -> ValueError:
    return ValueError(f"{server.name} gave no answer ({fault})")
