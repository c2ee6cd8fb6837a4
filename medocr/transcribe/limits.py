"""How fast, and how many at once, a provider may be asked: its own rates, what it announces, and what it can bear."""

import asyncio
import email.utils
import re
import time
from collections.abc import Callable, Mapping

MINUTE = 60.0  # seconds
SLACK = 0.02
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|\s*\Z)")
SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_WAIT = 3600.0  # seconds: what asks for more has no capacity today


class Pace:
    """At most `per_minute` units in any 60 seconds, evenly spread; 0 is no limit.

    The generic cell rate algorithm (ITU-T I.371): every unit moves the next start by its share of a minute, and as
    much as `late` units may be caught up after a late start. `SLACK` of the rate is left for these, and for requests
    that the network delays, since some providers count over seconds. (A leaky bucket of a whole minute's size that
    starts full lets nearly twice as many through.)
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.late = per_minute / 2000
        self.interval = MINUTE / ((1 - SLACK) * per_minute) if per_minute else 0.0
        self.clock = clock
        self._next = clock()

    def wait(self) -> float:
        """Seconds until the next unit may be used."""
        return max(0.0, self._next - self.clock())

    def take(self, units: float = 1.0) -> None:
        """Use `units` now: to be called when there is nothing to wait for."""
        start = max(self._next, self.clock() - self.late * self.interval)
        self._next = start + units * self.interval

    def correct(self, units: float) -> None:
        """Book `units` more (or give some back), known only afterwards, as tokens are."""
        self._next += units * self.interval


class Window:
    """How many requests may be in flight: up while answers come clean, down when the provider is overloaded.

    Doubles per round until the first overload, then grows by one per round and shrinks to 0.7 of itself at most once
    a round (additive increase, multiplicative decrease; Chiu and Jain 1989).
    """

    SHRINK = 0.7

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.size = float(min(4, most))
        self.in_flight = 0
        self.peak = 0
        self.clock = clock
        self._starting = True
        self._shrunk = -1e9
        self._changed = asyncio.Event()

    async def enter(self) -> None:
        """Wait for room."""
        while self.in_flight >= int(self.size):
            self._changed.clear()
            await self._changed.wait()
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def leave(self) -> None:
        self.in_flight -= 1
        self._changed.set()

    def clean(self) -> None:
        """An answer came as it should."""
        self.size = min(self.most, self.size + (1 if self._starting else 1 / self.size))
        self._changed.set()

    def overloaded(self, seconds: float) -> None:
        """The provider had too much to do; `seconds` is how long a request takes, that is a round."""
        self._starting = False
        if self.clock() - self._shrunk >= seconds:
            self.size = max(1.0, self.size * self.SHRINK)
            self._shrunk = self.clock()


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Seconds that the server asks to wait (`retry-after-ms`, `Retry-After` as seconds or as a date), if it does."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value):
            return float(value) * unit
    try:
        date = email.utils.parsedate_tz(headers.get("retry-after", ""))
        return max(0.0, email.utils.mktime_tz(date) - now()) if date else None
    except (ValueError, OverflowError, TypeError):  # a year that no clock knows
        return None


def exhausted_for(headers: Mapping[str, str]) -> float:
    """Seconds until the server's own count allows a further request, by its `x-ratelimit-*` headers; 0 if it does now.

    Used when `x-ratelimit-remaining-requests` or `-tokens` says 0: the wait is `x-ratelimit-reset-…` (`1.5`, `200ms`,
    `6m0s`), or a second where the server does not say.
    """
    waits = [0.0]
    for what in ("requests", "tokens"):
        left = headers.get(f"x-ratelimit-remaining-{what}", "").strip()
        if re.fullmatch(r"0+(\.0+)?|-\d{1,9}", left):
            parts = DURATION.findall(headers.get(f"x-ratelimit-reset-{what}", ""))
            waits.append(sum(float(number) * SECONDS[unit.strip()] for number, unit in parts) or 1.0)
    return min(max(waits), LONGEST_WAIT)
