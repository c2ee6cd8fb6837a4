"""`python -m tests.bench.transcribe`: pages per second through providers, kept in results/bench/transcribe.json.

Four clients: medocr, the litellm Router, plain `asyncio.gather`, and one request after another.

The servers are `demo.loopback.Loopback`: two, in one process of their own, delays lognormal (median 400 ms, sigma 0.5).
Every concurrent client has at most 2 × 16 requests in flight, and each client runs in a process of its own.
"""

import argparse
import asyncio
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from medocr import storage, transcribe
from medocr.demo import demonstration
from medocr.demo.loopback import MODEL
from medocr.transcribe import outgoing
from tests.loopback_pages import Loopback, Server, pages

OUT = Path(__file__).parents[2] / "results/bench/transcribe.json"
PAGES, ONE_BY_ONE = 3_000, 60
IN_FLIGHT = 16  # at each of two servers
PER_MINUTE = 1_500  # requests at each server, where limits are on,
WINDOW_S = 5  # counted over any so many seconds, as providers do: a whole minute's burst would never meet the limit
CLIENTS = ("sequential", "gather", "litellm", "medocr")


def main() -> None:
    rows = []
    todo = pages(PAGES)
    for limits in ("off", "on"):
        for client in CLIENTS if limits == "off" else CLIENTS[1:]:
            rows.append(_measure(client, limits, todo))
            print(rows[-1], flush=True)
    for row in rows:
        row["speed_up"] = round(row["pages_per_second"] / rows[0]["pages_per_second"], 2)  # over one at a time
    storage.write_record(OUT, cores=os.cpu_count(), rows=rows)


def _measure(client: str, limits: str, todo: list) -> dict:
    few = todo[:ONE_BY_ONE] if client == "sequential" else todo
    per_minute = PER_MINUTE if limits == "on" else 0
    limited = {"requests_per_minute": per_minute, "window_s": WINDOW_S}
    with Loopback(few, [Server(**limited, seed=seed) for seed in (0, 1)]) as servers:
        command = [sys.executable, "-m", "tests.bench.transcribe", "--client", client, "--pages", str(len(few))]
        command += ["--per-minute", str(per_minute), "--addresses", *servers.addresses]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(made.stderr[-2000:])
        counted = servers.stats()
    in_flight = 1 if client == "sequential" else 2 * IN_FLIGHT
    found = demonstration.rate(counted, in_flight, 2 * per_minute / 60 or math.inf)
    return {
        "client": client,
        "limits": limits,
        **{name: round(value, 4) for name, value in found.items()},
        "pages": len(few),
        **json.loads(made.stdout.splitlines()[-1]),
        "requests_over_the_limit": sum(server["over_limit"] for server in counted),
        "most_in_flight": sum(server["most_in_flight"] for server in counted),
    }


def client(name: str, count: int, per_minute: float, addresses: list[str]) -> dict:
    """Read the pages with one client; returns what it labelled and its CPU milliseconds per page."""
    todo = pages(count)
    if name == "medocr":
        used = _cpu(lambda: _medocr(todo, per_minute, addresses))
    else:
        sent = [outgoing.messages(page.image) for page in todo]
        ask = {"sequential": _sequential, "gather": _gather, "litellm": _litellm}[name]
        used = _cpu(lambda: asyncio.run(ask(sent, per_minute, addresses)))
    return {"labelled": used[0], "cpu_ms_per_page": round(1000 * used[1] / count, 2)}


def _cpu(work) -> tuple[int, float]:
    started = time.process_time()
    return work(), time.process_time() - started


def _medocr(todo, per_minute, addresses) -> int:
    providers = [
        transcribe.OpenAIProvider(
            f"server-{n}", address, MODEL, may_receive=True, in_flight=IN_FLIGHT, requests_per_minute=per_minute
        )
        for n, address in enumerate(addresses)
    ]
    with tempfile.TemporaryDirectory() as folder, transcribe.Store(Path(folder) / "answers.sqlite") as store:
        _, report = transcribe.transcribe(todo, providers, store, progress=False)
    return report["labelled"]


def _openai(address: str, **settings):
    import openai

    return openai.AsyncOpenAI(base_url=address, api_key="none", timeout=60, **settings)


async def _sequential(sent, _, addresses) -> int:
    """One request after another, as a loop in a notebook does it."""
    api, labelled = _openai(addresses[0]), 0
    for messages in sent:
        answer = await api.chat.completions.create(model=MODEL, messages=messages, max_tokens=4096)
        labelled += bool(answer.choices[0].message.content)
    return labelled


async def _gather(sent, _, addresses) -> int:
    """`asyncio.gather` under a semaphore per server, pages dealt out in turn, openai's own retries."""
    apis = [(_openai(address, max_retries=10), asyncio.Semaphore(IN_FLIGHT)) for address in addresses]

    async def one(number: int, messages) -> bool:
        api, free = apis[number % len(apis)]
        async with free:
            answer = await api.chat.completions.create(model=MODEL, messages=messages, max_tokens=4096)
        return bool(answer.choices[0].message.content)

    done = await asyncio.gather(*(one(*item) for item in enumerate(sent)), return_exceptions=True)
    return sum(found is True for found in done)


async def _litellm(sent, per_minute, addresses) -> int:
    """The litellm Router over both servers, told their limits, under the same number of requests in flight."""
    import litellm

    litellm.suppress_debug_info = True
    limit = {"rpm": int(per_minute)} if per_minute else {}
    models = [
        {
            "model_name": "page",
            "litellm_params": {
                "model": f"openai/{MODEL}",
                "api_base": address,
                "api_key": "none",
                "max_parallel_requests": IN_FLIGHT,
                **limit,
            },
        }
        for address in addresses
    ]
    router = litellm.Router(model_list=models, num_retries=10, retry_after=1, timeout=60)
    free = asyncio.Semaphore(2 * IN_FLIGHT)

    async def one(messages) -> bool:
        async with free:
            answer = await router.acompletion(model="page", messages=messages, max_tokens=4096)
        return bool(answer.choices[0].message.content)

    done = await asyncio.gather(*(one(messages) for messages in sent), return_exceptions=True)
    return sum(found is True for found in done)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", choices=CLIENTS)
    parser.add_argument("--pages", type=int, default=PAGES)
    parser.add_argument("--per-minute", type=float, default=0)
    parser.add_argument("--addresses", nargs="+")
    chosen = parser.parse_args()
    if chosen.client:
        print(json.dumps(client(chosen.client, chosen.pages, chosen.per_minute, chosen.addresses)))
    else:
        main()
