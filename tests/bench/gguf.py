"""`make gguf-test LLAMA_CPP=FOLDER`: a merged model in the Hub's format, converted to GGUF and read by llama.cpp.

The folder that `tests.bench.serve` merges goes through llama.cpp's own converter, in float32, as model and as vision
part (`--mmproj`), and a build of llama.cpp for Python (xllamacpp) serves the two files. Pages that need no resizing are
read through 06's client and by medocr; llama.cpp resizes others by code of its own. So does it with the table of vision
positions, 27 × 27 patches: along a side of fewer it averages (antialiasing), where the publishers, vLLM and medocr
interpolate. Read once more in that way, medocr's log-probabilities show what is left: llama.cpp's key-value cache and
tables of GELU are float16. Written to results/bench/gguf.json.
"""

import argparse
import contextlib
import functools
import io
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import torch
from PIL import Image
from torch.nn.functional import interpolate

from medocr import model as models
from medocr import prepare, storage, transcribe
from tests.bench import serve

OUT = serve.ROOT / "results/bench/gguf.json"
SERVER = """
import sys, xllamacpp
options = xllamacpp.CommonParams()
options.model.path, options.mmproj.path = sys.argv[1:]
options.n_ctx, options.n_parallel, options.warmup = 4096, 1, False
server = xllamacpp.Server(options)
print("listening at", server.listening_address, flush=True)
sys.stdin.read()
"""


def convert(python: Path, converter: Path, merged: Path) -> tuple[Path, Path]:
    """The model's and the vision part's files."""
    files = merged.parent / "model.gguf", merged.parent / "vision.gguf"
    for file, options in zip(files, ([], ["--mmproj"]), strict=True):
        command = [python, converter, merged, "--outtype", "f32", "--outfile", file, *options]
        environment = {**os.environ, "PYTHONPATH": str(serve.ROOT / "tests/without_cuda")}
        done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"the converter ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return files


@contextlib.contextmanager
def served(python: Path, files: tuple[Path, Path]) -> Iterator[str]:
    """llama.cpp's server at work on the two files; gives its address."""
    command = [str(python), "-c", SERVER, *map(str, files)]
    with (files[0].parent / "log.txt").open("w") as log:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            for line in server.stdout:
                if line.startswith("listening at "):
                    yield line.split()[-1] + "/v1"
                    return
            raise SystemExit(f"the server ended:\n{(files[0].parent / 'log.txt').read_text()[-2000:]}")
        finally:
            server.kill()
            server.wait()


def antialiased(model) -> None:
    """Let the vision positions be resized as llama.cpp does."""
    embeddings = model.model.visual.vision_model.embeddings
    side, real = embeddings.num_grid_per_side, embeddings.forward

    def forward(pixel_values, grid_thw, **options):
        places = embeddings.position_embedding
        table = places.weight.T.unflatten(1, (side, side))[None]
        with mock.patch.object(places, "forward", lambda at: torch.zeros(*at.shape, places.embedding_dim)):
            patches = real(pixel_values, grid_thw=grid_thw, **options)
        resize = functools.partial(interpolate, mode="bilinear", align_corners=False, antialias=True)
        return patches + torch.cat([resize(table, size=grid[1:].tolist())[0].flatten(1).T for grid in grid_thw])

    embeddings.forward = forward


def compare(address: str, merged: Path) -> list[dict]:
    """A row for each page: is the text the same, how many tokens are, and how far the first one is apart."""
    model, processor = models.load(merged, device="cpu", dtype=torch.float32)
    chosen = [page for page, resized in serve.pages() if not resized]
    pictures = [Image.open(io.BytesIO(page.image)).convert("RGB") for page in chosen]
    options = {"max_new_tokens": serve.TOKENS, "progress": False}
    here = models.read(model, processor, pictures, **options)
    antialiased(model)
    by_its_resizing = models.read(model, processor, pictures, **options)
    server = transcribe.OpenAIProvider("llama.cpp", address, transcribe.FIRST_LISTED, max_tokens=serve.TOKENS)
    rows = []
    for page, reading, resized in zip(chosen, here, by_its_resizing, strict=True):
        answer = transcribe.read_page(page, server, prepare.PROMPT)
        apart = serve.logprobs_apart(address, page, reading)
        kind = {"page": page.origin, "well_formed": serve.MALFORMED not in reading.text}
        same = {"same_text": answer.text == reading.text, "same_text_by_its_resizing": answer.text == resized.text}
        left = serve.logprobs_apart(address, page, resized)["apart"]
        rows.append({**kind, **same, **apart, "apart_by_its_resizing": left})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--converter", type=Path, required=True, help="llama.cpp's convert_hf_to_gguf.py")
    parser.add_argument("--server", type=Path, default=serve.PYTHON, help="a Python with xllamacpp and torch")
    chosen = parser.parse_args()
    python = chosen.server.absolute()
    with tempfile.TemporaryDirectory(prefix="medocr-gguf-") as folder:
        merged = serve.build(Path(folder))
        files = convert(python, chosen.converter.absolute(), merged)
        sizes = {file.name: file.stat().st_size for file in files}
        with served(python, files) as address:
            rows = compare(address, merged)
    storage.write_record(
        OUT,
        command="make gguf-test LLAMA_CPP=FOLDER",
        weights_are="random",
        packages=serve.packages(python, ("xllamacpp", "torch", "transformers")),
        bytes=sizes,
        answer_tokens=serve.TOKENS,
        pages=len(rows),
        same_text=sum(row["same_text"] for row in rows),
        same_text_by_its_resizing=sum(row["same_text_by_its_resizing"] for row in rows),
        largest_first_logprob_difference=max(row["apart"][0] for row in rows),
        largest_first_by_its_resizing=max(row["apart_by_its_resizing"][0] for row in rows),
        rows=[{name: value for name, value in row.items() if not name.startswith("apart")} for row in rows],
    )
    print(OUT.read_text())


if __name__ == "__main__":
    main()
