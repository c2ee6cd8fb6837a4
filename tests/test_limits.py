"""Rates, windows and what servers announce, on clocks that the tests move."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medocr.transcribe import limits


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@given(
    st.sampled_from([1, 7, 60, 600, 1500, 20_000]),
    st.lists(st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 90)), min_size=1, max_size=400),
)
def test_no_minute_holds_more_requests_than_allowed(per_minute, pauses):
    """Whatever the pauses between requests: a burst, a slow minute, a long sleep."""
    clock = Clock()
    pace, sent = limits.Pace(per_minute, clock), []
    for pause in pauses:
        clock.now += pause
        clock.now += pace.wait()
        pace.take()
        sent.append(clock.now)
    for index, start in enumerate(sent):
        within = sum(start <= time < start + 59.999 for time in sent[index:])
        assert within <= per_minute


def test_the_rate_is_used_to_the_full():
    clock = Clock()
    pace = limits.Pace(1500, clock)
    for _ in range(1500):
        clock.now += pace.wait() + 0.001  # each start a little late
        pace.take()
    assert clock.now - 1000 <= 61.5


def test_tokens_are_corrected_afterwards():
    clock = Clock()
    pace = limits.Pace(60_000, clock)
    assert pace.wait() == 0
    pace.take(1000)
    assert pace.wait() == pytest.approx(1.0, rel=0.03)
    pace.take(1000)
    assert pace.wait() == pytest.approx(2.0, rel=0.03)
    pace.correct(-1000)
    assert pace.wait() == pytest.approx(1.0, rel=0.03)


def test_the_window_grows_while_clean_and_shrinks_once_a_round():
    clock = Clock()
    window = limits.Window(16, clock)
    for _ in range(12):
        window.clean()
    assert window.size == 16
    for _ in range(5):  # one round's worth of refusals counts once
        window.overloaded(1.0)
    assert window.size == pytest.approx(16 * window.SHRINK)
    clock.now += 2
    window.overloaded(1.0)
    assert window.size == pytest.approx(16 * window.SHRINK**2)
    for _ in range(16):
        window.clean()
    assert 8.5 < window.size < 10.5  # about one more per round
    for _ in range(100):
        clock.now += 2
        window.overloaded(1.0)
    assert window.size == 1


def test_nobody_enters_a_full_window():
    async def enter() -> list[int]:
        window = limits.Window(2)
        seen = []

        async def one():
            await window.enter()
            seen.append(window.in_flight)
            await asyncio.sleep(0.001)
            window.leave()

        async with asyncio.TaskGroup() as group:
            for _ in range(9):
                group.create_task(one())
        return seen

    seen = asyncio.run(enter())
    assert len(seen) == 9
    assert max(seen) == 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "9" * 400}, None),
        ({}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert limits.retry_after(headers, now=lambda: 100.0) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "9s"}, 0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "200ms"}, 0.2),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h2m3.5s"}, 3600),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12"}, 12),
        ({"x-ratelimit-remaining-requests": "0"}, 1),
        ({"x-ratelimit-remaining-requests": "lots", "x-ratelimit-remaining-tokens": ""}, 0),
        ({}, 0),
    ],
)
def test_what_a_server_says_is_left(headers, seconds):
    assert limits.exhausted_for(headers) == seconds
