"""Providers that speak the OpenAI protocol, as a profile names them, and what they may be given."""

import dataclasses
import ipaddress
import os
import re
import typing
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence

from ..schema import Page, check_types
from . import outgoing

LOCAL_NAMES = ("localhost", "localhost.localdomain")


@dataclasses.dataclass(frozen=True)
class OpenAIProvider:
    """One vision model behind an OpenAI-compatible address. Sending it a page is an act of disclosure.

    It gets pages only with `may_receive`, and pages that hold health information only with `phi_agreement` as well:
    a contract that lets this provider process them. Prices are per million tokens. Raises ValueError for settings that
    make no sense or would show a page or a key to others on the way.
    """

    name: str
    base_url: str
    model: str
    key_variable: str = ""  # the environment variable that holds the key; empty for a server that wants none
    in_flight: int = 8  # requests at once, at most
    requests_per_minute: float = 0  # 0: no limit of one's own, only what the server announces
    tokens_per_minute: float = 0
    price_in: float = 0.0
    price_out: float = 0.0
    may_receive: bool = False
    phi_agreement: bool = False
    timeout_s: float = 120.0
    max_tokens: int = 4096  # of an answer: an A4 page full of text has some 2,000
    batch: bool = False  # through the provider's Batch API: cheaper, within a day, never with health information
    label_origin: str = ""  # what its labels are said to come from: `name/model`

    local = False
    prompt = outgoing.VERSION

    def __post_init__(self) -> None:
        for field in ("name", "model"):
            if not getattr(self, field):
                raise ValueError(f"a provider has no {field}: give it one in the profile")
        _check_address(self.name, self.base_url)
        for field in ("in_flight", "timeout_s", "max_tokens"):
            if getattr(self, field) <= 0:
                raise ValueError(f"provider {self.name}: {field} is {getattr(self, field)}: it must be above 0")
        for field in ("requests_per_minute", "tokens_per_minute", "price_in", "price_out"):
            if getattr(self, field) < 0:
                raise ValueError(f"provider {self.name}: {field} is {getattr(self, field)}: 0 or more")
        if not re.fullmatch(r"[A-Za-z_]\w*|", self.key_variable, re.ASCII):
            raise ValueError(f"provider {self.name}: key_variable is to name an environment variable, not be the key")
        if not self.label_origin:
            object.__setattr__(self, "label_origin", f"{self.name}/{self.model}")

    @property
    def parameters(self) -> dict:
        """Whatever else changes the answers."""
        return {"max_tokens": self.max_tokens, "temperature": 0, "most_pixels": outgoing.MOST_PIXELS}

    def may_read(self, page: Page) -> bool:
        """Whether this page may be sent: to this provider at all, and where it holds health information."""
        agreed = self.phi_agreement and not self.batch
        return self.may_receive is True and (page.contains_phi is False or agreed is True)

    @property
    def on_this_machine(self) -> bool:
        """Whether its address is this machine's own, so that a page sent to it leaves nothing."""
        return _is_loopback(urllib.parse.urlsplit(self.base_url).hostname)

    def key(self) -> str:
        """The key, out of the environment. Raises ValueError where it is missing, before anything is sent."""
        if not self.key_variable:
            return "none"
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise ValueError(f"provider {self.name}: set the environment variable {self.key_variable} to its key")
        return key

    def cost(self, prompt_tokens: int | None, answer_tokens: int | None) -> float | None:
        """The price of one answer, where the provider said how many tokens it took."""
        if prompt_tokens is None and answer_tokens is None:
            return None
        return ((prompt_tokens or 0) * self.price_in + (answer_tokens or 0) * self.price_out) / 1e6


def named(tables: Iterable[Mapping]) -> list[OpenAIProvider]:
    """The providers of a profile's `providers`, in its order. Raises ValueError for settings that there are not."""
    known = [field.name for field in dataclasses.fields(OpenAIProvider)]
    made = []
    for table in tables:
        if not isinstance(table, Mapping):
            raise ValueError(f"provider {table!r}: give a table with name, base_url and model")
        unknown = sorted(set(table) - set(known))
        if unknown:
            raise ValueError(
                f"provider {table.get('name', '?')}: no setting {unknown[0]!r}; there are {', '.join(known)}"
            )
        missing = [name for name in ("name", "base_url", "model") if name not in table]
        if missing:
            raise ValueError(f"provider {table.get('name', '?')}: give it {' and '.join(missing)}")
        check_types(table, typing.get_type_hints(OpenAIProvider))
        made.append(OpenAIProvider(**table))
    twice = {p.name for p in made if sum(other.name == p.name for other in made) > 1}
    if twice:
        raise ValueError(f"two providers are called {sorted(twice)[0]!r}: give each a name of its own")
    return made


def refusal(providers: Sequence) -> str:
    """Why no provider may have this page, in words for the page's rejection."""
    remote = [provider for provider in providers if not provider.local]
    if not remote:
        return "no provider is named"
    if not any(provider.may_receive for provider in remote):
        return f"{' and '.join(p.name for p in remote)} may not receive pages: may_receive is not set"
    return "it may hold health information, and no provider that may receive pages has phi_agreement"


def _check_address(name: str, base_url: str) -> None:
    try:
        address = urllib.parse.urlsplit(base_url)
        wrong = address.port == 0 or address.scheme not in ("http", "https") or not address.hostname
    except ValueError:  # half an IPv6 address, or a port that is none
        wrong = True
    if wrong or re.search(r"\s", base_url):
        raise ValueError(f"provider {name}: base_url is no http(s) address")
    if address.username or address.password or address.query or address.fragment:
        raise ValueError(f"provider {name}: base_url holds more than an address: keep keys in the environment")
    if address.scheme == "http" and not _is_loopback(address.hostname):
        raise ValueError(f"provider {name}: {base_url} is not encrypted: pages leave the machine by https only")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() in LOCAL_NAMES
