"""`python -m tests.bench.read`: how well and how fast `read` reads drawn A4 pages, beside its peers.

Four layouts with known text (a letter, a lab's table, two columns, a form), drawn at 150 dpi, each upright and once
turned (by 90, 180, 270 and 90 degrees).
The peers are RapidOCR as it comes out of its wheel, its lines joined in its own order, and Tesseract where it is
installed. All read the same pixels, in one run. Then a reading of 10,000 small pages is killed ten times and goes on;
its engine is a stub that answers at once, since what is tried is the writing. Kept in results/bench/read.json.
"""

import contextlib
import functools
import io
import itertools
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import unittest.mock
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from rapidocr import RapidOCR

from medocr import metrics, ocr, storage
from medocr.__main__ import main as command_line
from medocr.demo.synthetic.lab import ANALYTES
from medocr.ocr.pool import Pool
from medocr.read import read_image

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results/bench/read.json"
SIZE, MARGIN, PITCH, PT = (1240, 1754), 100, 48, 24
TURNS = {0: None, 90: Image.ROTATE_90, 180: Image.ROTATE_180, 270: Image.ROTATE_270}
WORDS = (
    *("patient", "was", "seen", "today", "for", "review", "of", "blood", "pressure", "and", "renal", "function"),
    *("results", "are", "stable", "no", "new", "complaints", "medication", "continues", "unchanged", "follow", "up"),
    *("in", "six", "weeks", "with", "repeat", "chemistry", "please", "arrange", "transport", "thank", "you"),
)
KILLED, KILLS = 10_000, 10
LEFT_OUT = {"docling": "its layout model is downloaded at the first use, and this repository downloads none"}


def main() -> None:
    """Kill, draw, read, compare, print and keep."""
    kills = killed()
    search = denormals()
    print(kills, search, flush=True)
    turned = itertools.cycle(list(TURNS)[1:])
    pages = [drawn(layout, 0, turn) for layout in LAYOUTS for turn in (0, next(turned))]
    rows = []
    for name, read in readers().items():
        load = os.getloadavg()[0]  # of other work, which takes the more from a reader the more processes it has
        rows.append({"reader": name, **scored(pages, read), "load": [round(load, 1), round(os.getloadavg()[0], 1)]})
        print(rows[-1], flush=True)
        about = {"readers": rows, "search": search, "kills": kills, "left_out": LEFT_OUT}
        storage.write_record(OUT, cpus=os.cpu_count(), pages=len(pages), **about)


def letter(rng: random.Random) -> list[list[tuple[int, str]]]:
    return [[(MARGIN, " ".join(rng.choices(WORDS, k=11)))] for _ in range(26)]


def table(rng: random.Random) -> list[list[tuple[int, str]]]:
    rows = []
    for analyte in rng.sample(ANALYTES, 21):
        low = rng.randint(1, 90)
        value, unit = f"{low + rng.random() * 30:.1f}", rng.choice(("mg/dL", "mmol/L", "g/L", "U/L"))
        rows.append([(MARGIN, analyte.names[0]), (560, value), (700, unit), (900, f"{low} - {low + 30}")])
    return rows


def columns(rng: random.Random) -> list[list[tuple[int, str]]]:
    """The left column, then the right one: the order in which they are read."""
    return [[(x, " ".join(rng.choices(WORDS, k=5)))] for x in (MARGIN, 660) for _ in range(24)]


def form(rng: random.Random) -> list[list[tuple[int, str]]]:
    labels = ("Surname", "Given name", "Date of birth", "Street", "Town", "Insurance number", "Physician", "Ward")
    return [[(MARGIN, f"{label}:"), (480, " ".join(rng.choices(WORDS, k=3)).title())] for label in labels]


LAYOUTS = {"letter": letter, "lab table": table, "two columns": columns, "form": form}


def drawn(layout: str, number: int, turn: int) -> dict:
    """A page of a layout as PNG, with its text and by how much it has to be turned to stand upright."""
    rows = LAYOUTS[layout](random.Random(f"{layout}/{number}"))
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), PT)
    page = Image.new("RGB", SIZE, "white")
    height = 24 if layout == "two columns" else len(rows)
    for at, row in enumerate(rows):
        for x, text in row:
            ImageDraw.Draw(page).text((x, MARGIN + PITCH * (at % height)), text, "black", font)
    buffer = io.BytesIO()
    (page if turn == 0 else page.transpose(TURNS[turn])).save(buffer, "PNG", dpi=(150, 150))
    text = "\n".join(" ".join(text for _, text in row) for row in rows)
    return {"layout": layout, "turn": turn, "image": buffer.getvalue(), "text": text}


def readers() -> dict[str, Callable[[list[bytes]], list[str]]]:
    """Each reader as a function from images to texts."""
    found = {f"medocr, {jobs} jobs": functools.partial(by_medocr, jobs=jobs) for jobs in (1, 2)}
    found["RapidOCR, as it comes"] = by_rapidocr
    if shutil.which("tesseract"):
        found["Tesseract"] = lambda images: [by_tesseract(image) for image in images]
    return found


def by_medocr(images: list[bytes], jobs: int) -> list[str]:
    pool = Pool(read_image, jobs)
    try:
        return [record.text for _, record in pool.map(enumerate(images))]
    finally:
        pool.close()


def by_rapidocr(images: list[bytes]) -> list[str]:
    engine = RapidOCR(params={"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 1})
    results = [engine(np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))[:, :, ::-1]) for image in images]
    return ["\n".join(result.txts or ()) for result in results]


def by_tesseract(image: bytes) -> str:
    """With its own detection of orientation (page segmentation mode 1), in one thread."""
    command = ["tesseract", "stdin", "stdout", "--psm", "1"]
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    return subprocess.run(command, input=image, capture_output=True, env=environment).stdout.decode("utf-8", "replace")


def scored(pages: list[dict], read: Callable[[list[bytes]], list[str]]) -> dict:
    """Mean CER (each page's at most 1) by layout, upright and turned, and pages a second over all."""
    read([pages[0]["image"]])  # engines start here
    began = time.perf_counter()
    texts = read([page["image"] for page in pages])
    seconds = time.perf_counter() - began
    cers = [min(1.0, metrics.cer(page["text"], text)) for page, text in zip(pages, texts, strict=True)]
    rows = {"pages_per_second": round(len(pages) / seconds, 3)}
    for layout in LAYOUTS:
        for name, upright in (("upright", True), ("turned", False)):
            own = [c for p, c in zip(pages, cers, strict=True) if p["layout"] == layout and (p["turn"] == 0) is upright]
            rows[f"{layout}, {name}"] = round(statistics.fmean(own), 4)
    return rows


def denormals() -> dict:
    """CPU seconds of a page of each layout with denormal numbers and without, and whether the same is read."""
    pages = [Image.open(io.BytesIO(drawn(layout, 0, 0)["image"])) for layout in LAYOUTS]
    left_alone = unittest.mock.patch.object(torch, "set_flush_denormal")
    seconds, read = {}, {}
    for name, setting in {"with": left_alone, "without": contextlib.nullcontext()}.items():
        with setting:
            ocr.read(pages[0])  # the engine starts here
            began = time.process_time()
            read[name] = [ocr.read(page) for page in pages]
            seconds[name] = time.process_time() - began
    share = round(seconds["without"] / seconds["with"], 3)
    return {"cpu_seconds": seconds, "share": share, "the_same_is_read": read["with"] == read["without"]}


def killed() -> dict:
    """A folder of small pages read by `read`, killed at random lines and started again until it ends."""
    rng = random.Random(0)
    marks = sorted(rng.sample(range(KILLED // 20, KILLED - KILLED // 20), KILLS))
    with tempfile.TemporaryDirectory() as folder:
        scans, out = Path(folder) / "scans", Path(folder) / "pages.jsonl"
        scans.mkdir()
        for number in range(KILLED):
            page = Image.new("L", (60, 60), 255)
            page.putpixel((number % 60, number // 60 % 60), number // 3600)
            page.save(scans / f"{number:05d}.png")
        command = [sys.executable, "-m", "tests.bench.read", "--stub", str(scans), str(out)]
        for mark in marks:
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT)
            while process.poll() is None and _lines(out) < mark:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
        status = subprocess.run(command, stderr=subprocess.DEVNULL, cwd=ROOT).returncode
        origins = [json.loads(line)["origin"] for line in out.read_text().splitlines()]
    lost, twice = KILLED - len(set(origins)), len(origins) - len(set(origins))
    return {"pages": KILLED, "kills": len(marks), "lost": lost, "twice": twice, "exit_status": status}


def _lines(out: Path) -> int:
    return out.read_bytes().count(b"\n") if out.exists() else 0


def stub(scans: str, out: str) -> int:
    """`read` with an engine that answers at once."""
    ocr.read = lambda page, language="": ocr.PageText([ocr.Line("Sodium 139 mmol/L", (0, 0, 9, 9), 0.9)], 0, 0.9, 0.9)
    return command_line(["read", "rapidocr", scans, "--out", out])


if __name__ == "__main__":
    ocr.check_installed()
    if sys.argv[1:2] == ["--stub"]:
        sys.exit(stub(*sys.argv[2:]))
    main()
