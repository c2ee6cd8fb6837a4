"""One provider at work: its client, its limits, its health, and what each of its answers amounts to.

No message made here holds a key, a page's text or a picture, and none repeats what a server sent: servers quote keys
and prompts in their errors.
"""

import asyncio
import concurrent.futures
import functools
import json
import logging
import os
import re
import time
from collections.abc import Awaitable, Collection, Coroutine
from typing import TYPE_CHECKING, TypeVar

from ..storage import environment
from . import limits
from .providers import OpenAIProvider
from .store import Answer

if TYPE_CHECKING:
    import openai

T = TypeVar("T")

TRIES = 5  # of one page at one provider
GIVE_UP = 60.0  # seconds of nothing but failures after which a provider is gone
GIVE_UP_LIMITED = 600.0  # … and of nothing but "too many requests"
FIRST_REFUSED = 5  # requests refused as bad before any answer: some servers answer 400 to a wrong key or model
FEWEST = 10  # failures in a row that say something about the provider rather than about a page
TOKEN_SHARE = 0.95  # of the limit: how many an answer takes is known only afterwards
MOST_TOKENS = 10**9  # that one request can have taken
MOST_BYTES = 4_000_000  # of an answer once it is unpacked: a page of text has some 10,000
LEAST_WAIT = 0.5  # seconds after "too many requests", also where the server says 0
TRANSIENT = ("error", "abort")  # finishes that say that the server, not the model, ended the answer
REFUSABLE = ("max_tokens", "temperature")  # by models of OpenAI that think first: they take max_completion_tokens
QUIET = ("openai", "httpx2", "httpcore2", "aiohttp", "asyncio")
REFUSED = {
    401: "it does not accept the key (401)",
    402: "it wants payment (402)",
    403: "it denies access (403)",
    404: "there is no such address or model (404)",
}


class Fault(Exception):
    """A request that gave no answer. `kind` is what happened; `dropped` says why the provider is of no more use.

    `paid` is an answer that is paid for and not used; `setting` names the one that the model does not take.
    """

    paid: Answer | None = None
    setting = ""

    def __init__(self, kind: str, detail: str, wait: float = 0.0, dropped: str = "") -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail, self.wait, self.dropped = kind, detail, wait, dropped


class Client:
    """Asks one provider, within its limits. Made and used inside one event loop."""

    def __init__(self, provider: OpenAIProvider) -> None:
        self.provider = provider
        self.window = limits.Window(provider.in_flight)
        self.requests = limits.Pace(provider.requests_per_minute)
        self.tokens = limits.Pace(TOKEN_SHARE * provider.tokens_per_minute)
        self.dropped = ""
        self.answers = 0
        self.in_a_row = 0  # faults since the last answer, overload aside
        self.refused = 0  # of these, requests refused as bad
        self.usual_tokens, self.usual_seconds = 2000.0, 2.0  # of a request, until some are known
        self.without: set[str] = set()  # settings that the model has refused
        self._resume = 0.0
        self._well = time.monotonic()
        self._api = None

    async def __aenter__(self) -> "Client":
        self._api = api(self.provider)
        return self

    async def __aexit__(self, *_) -> None:
        await self._api.close()

    def wait(self) -> float:
        """Seconds until the provider may be asked again: its own pause, and its rates."""
        return max(0.0, self._resume - time.monotonic(), self.requests.wait(), self.tokens.wait())

    def book(self) -> float:
        """Take a place in the provider's rates for a request that is sent now; returns the tokens that it may take."""
        self.requests.take()
        self.tokens.take(self.usual_tokens)
        return self.usual_tokens

    async def read(self, messages: Awaitable[list[dict]], booked: float) -> Answer:
        """Send one page, as `outgoing.messages` makes it, and return its answer. Raises Fault where there is none."""
        try:
            page = await messages
        except ValueError as error:
            raise Fault("unreadable", str(error)) from None
        started = time.monotonic()
        try:
            answer = await self.ask(page)
        except Fault as fault:
            self._failed(fault)
            raise
        answer.seconds = time.monotonic() - started
        self._answered(answer, booked)
        return answer

    async def ask(self, messages: list[dict]) -> Answer:
        """Post one chat request and return its answer, without the limits that `read` keeps. Raises Fault."""
        import httpx2

        body = request(self.provider, messages, self.without)
        try:
            async with asyncio.timeout(self.provider.timeout_s):
                # as `chat.completions.create` posts it, without its walk through every value, a third of the CPU time
                raw = await without_words(self._api.post("/chat/completions", cast_to=httpx2.Response, body=body))
        except TimeoutError:
            raise Fault("timeout", f"no answer in {self.provider.timeout_s:g} s") from None
        except Fault as fault:
            if fault.setting not in body:
                raise
            self.without.add(fault.setting)
            return await self.ask(messages)
        self._pause(limits.exhausted_for(raw.headers))
        try:
            content = json.loads(raw.content)
        except (ValueError, RecursionError):
            raise Fault("invalid_answer", "what came is no chat completion") from None
        return completion(self.provider, content)

    def _answered(self, answer: Answer, booked: float) -> None:
        self.answers += 1
        self._well, self.in_a_row, self.refused = time.monotonic(), 0, 0
        self.window.clean()
        self.usual_seconds += (answer.seconds - self.usual_seconds) / 8
        used = (answer.prompt_tokens or 0) + (answer.answer_tokens or 0)
        if used:
            self.tokens.correct(used - booked)
            self.usual_tokens = max(used, 0.98 * self.usual_tokens)  # pages differ: booking the mean would overshoot

    def _failed(self, fault: Fault) -> None:
        """Back off as the fault asks; drop the provider when it is of no more use."""
        limited = fault.kind == "rate_limited"
        self.in_a_row += not limited
        self.refused += fault.kind == "bad_request"
        if limited or fault.kind in ("unavailable", "timeout"):
            self.window.overloaded(self.usual_seconds)
        self._pause(fault.wait)
        silent = time.monotonic() - self._well
        if fault.dropped:
            self.dropped = fault.dropped
        elif limited and silent > GIVE_UP_LIMITED:
            self.dropped = f"it has answered 'too many requests' for {silent / 60:.0f} minutes"
        elif self.refused >= (FEWEST if self.answers else FIRST_REFUSED):
            self.dropped = f"it refused {self.refused} requests as bad; is the model {self.provider.model!r} right?"
        elif self.in_a_row >= FEWEST:
            self._pause(min(30.0, 0.25 * 2 ** min(self.in_a_row // FEWEST, 8)))
            if silent > max(GIVE_UP, 2 * self.provider.timeout_s * (fault.kind == "timeout")):
                self.dropped = f"it has given no answer for {silent:.0f} s; the last fault was {fault.kind}"

    @property
    def ailing(self) -> bool:
        """Whether its faults are its own rather than the page's."""
        return bool(self.dropped) or self.in_a_row >= FEWEST

    def _pause(self, seconds: float) -> None:
        self._resume = max(self._resume, time.monotonic() + seconds)


def in_a_thread(work: Coroutine[None, None, T]) -> T:
    """What a coroutine gives, also for who has a running loop already, as notebooks do."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def without_words(request: Awaitable[T]) -> T:
    """What a request gives. Whatever goes wrong becomes a Fault that repeats nothing of what the server sent."""
    import openai

    try:
        return await request
    except Fault:  # of a request within this one
        raise
    except openai.APIStatusError as error:
        fault = _status_fault(error.status_code, error.response.headers, error.code)
        fault.setting = error.param if error.status_code == 400 and error.param in REFUSABLE else ""
        raise fault from None
    except openai.APIConnectionError:  # a time-out as well, to openai: a connection that broke counts as one there
        raise Fault("connection", "the connection could not be made, or broke") from None
    except Exception:  # whatever a server sends, its parsers raise, and it is a fault of this request alone
        raise Fault("invalid_answer", "what came is none of the protocol") from None


def completion(provider: OpenAIProvider, body) -> Answer:
    """The answer in a chat completion, of whatever server. Raises Fault for what is none."""
    try:
        choices = body.get("choices") or []
        message = choices[0].get("message") or {} if choices else {}
        finish = str(choices[0].get("finish_reason") or "stop") if choices else "no_choice"
        usage = body.get("usage") or {}
        tokens = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        text, refusal = _text(message.get("content")), message.get("refusal")
        if not isinstance(body["choices"], list) or body.get("error") or finish in TRANSIENT:
            raise Fault("server_error", "the server ended the answer with an error")
    except (AttributeError, TypeError, KeyError, IndexError):
        raise Fault("invalid_answer", "what came is no chat completion") from None
    tokens = [count if isinstance(count, int) and 0 <= count < MOST_TOKENS else None for count in tokens]
    answer = Answer(
        text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"),  # an answer may end inside a character
        finish="refusal" if refusal else "stop" if finish == "eos" else finish,
        prompt_tokens=tokens[0],
        answer_tokens=tokens[1],
        cost=provider.cost(*tokens),
    )
    if not _same_model(provider.model, named := body.get("model")):
        shown = f" ({named})" if re.fullmatch(r"[A-Za-z0-9._:/-]{1,64}", named) and provider.key() not in named else ""
        dropped = f"it answers as another model{shown} than {provider.model}: give the name that it answers with"
        fault = Fault("another_model", f"the answer is of another model than {provider.model}", dropped=dropped)
        fault.paid = answer
        raise fault
    return answer


def _same_model(asked: str, answered) -> bool:
    """Whether a reply names the model that was asked for, or none; servers add dates, and leave out owners."""
    if not isinstance(answered, str) or not answered:
        return True
    asked, answered = (name.rstrip("/").rpartition("/")[2].casefold() for name in (asked, answered))
    return asked.startswith(answered) or answered.startswith(asked)


def request(provider: OpenAIProvider, messages: list[dict], without: Collection[str] = ()) -> dict:
    """The body that asks for a chat completion, `without` settings that the model refuses."""
    limit = "max_completion_tokens" if "max_tokens" in without else "max_tokens"
    settings = {limit: provider.max_tokens} | ({} if "temperature" in without else {"temperature": 0})
    return {"model": provider.model, "messages": messages, **settings}


def api(provider: OpenAIProvider, most_bytes: int = MOST_BYTES) -> "openai.AsyncOpenAI":
    """The provider's own client: its address and key, nothing of OpenAI's environment, no retries, no redirects.

    A response longer than `most_bytes`, once it is unpacked, is a fault.
    """
    import openai

    for name in QUIET:  # they log requests, pictures included, at lower levels
        logging.getLogger(name).setLevel(logging.WARNING)
    # what is not encrypted goes to this machine alone: not through a proxy that the environment names
    encrypted = provider.base_url.startswith("https:")
    http = openai.DefaultAioHttpClient(
        timeout=provider.timeout_s + 5,
        follow_redirects=False,
        trust_env=encrypted,
        event_hooks={"response": [functools.partial(_read_bounded, most_bytes)]},
    )
    account = {name: None for name in os.environ if name.startswith("OPENAI_")}
    with environment(account):  # organisation, project and headers of one's OpenAI account are nobody else's business
        settings = {"base_url": provider.base_url, "api_key": provider.key(), "max_retries": 0}
        return openai.AsyncOpenAI(**settings, http_client=http)


async def _read_bounded(most_bytes: int, response) -> None:
    """Read a response here, up to a limit: compressed, a few hundred kilobytes can hold gigabytes."""
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > most_bytes:
            await response.aclose()
            raise ValueError("the answer is longer than any page's")
        parts.append(part)
    response._content = b"".join(parts)  # where httpx2 keeps what it has read


def _status_fault(status: int, headers, code: str | None) -> Fault:
    wait = limits.retry_after(headers)
    if wait is not None and wait > limits.LONGEST_WAIT and (status == 429 or status >= 500):
        return Fault("rate_limited", f"{status}", dropped=f"it asks to wait {wait / 3600:.1f} hours ({status})")
    if status == 429:
        if code == "insufficient_quota":
            return Fault("rate_limited", "the account's quota is used up", dropped="its quota is used up (429)")
        return Fault("rate_limited", "429, too many requests", 1.0 if wait is None else max(wait, LEAST_WAIT))
    if status in REFUSED:
        return Fault("unauthorised" if status != 404 else "not_found", f"{status}", dropped=REFUSED[status])
    if 300 <= status < 400:
        return Fault("redirect", f"{status}", dropped=f"it redirects to another address ({status}): name that one")
    if status in (502, 503, 504, 529):
        return Fault("unavailable", f"{status}", wait or 0.0)
    if status >= 500:
        return Fault("server_error", f"{status}", wait or 0.0)
    if status in (408, 409, 425):
        return Fault("timeout", f"{status}", min(wait or 0.0, limits.LONGEST_WAIT))
    return Fault("bad_request", f"{status}: it does not accept the request for this page")


def _text(content) -> str:
    """An answer's text: a string, or the list of parts that some servers send."""
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    if not isinstance(content, str | None):
        raise TypeError("an answer's text is no text")
    return content or ""
