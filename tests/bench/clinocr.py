"""`python -m tests.bench.clinocr FOLDER [SUBSET…]`: readers on clinical documents that others wrote and audited.

FOLDER is a copy of ClinOCR-Bench (arXiv 2607.03650, MIT) with its Word files (`samples/`) and texts (`ground_truth/`).
Its scans lie on the Hub; where they cannot be had, LibreOffice renders the Word files and this program degrades the
pages. So the figures are those of pages rendered and degraded here, not of the benchmark's own scans, and handwriting
fonts that the machine lacks are replaced. Only documents of the evaluation part are read, none of the exemplars (the
first sample of each template). A document's text is that of its pages in order.

CER is capped at 1 per document and holds the audited order against the reader's; `coverage_recall` is the share of the
reference's words and numbers found anywhere. The embedded model is left out: it reads nothing but its own small rows.
Written to results/bench/clinocr.json, subset by subset, each with the commit that it was read at.
"""

import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from medocr import metrics, ocr, storage
from medocr.read import read_image
from medocr.sources import documents
from tests.bench.read import by_rapidocr, by_tesseract

OUT = Path(__file__).parents[2] / "results/bench/clinocr.json"
DPI = 150
TURNS = (Image.ROTATE_90, Image.ROTATE_180, Image.ROTATE_270)
# subset → folder of Word files, folder of texts, what is done to a page
SUBSETS = {
    "normal": ("original", "normal"),
    "rotated": ("original", "normal"),
    "poor": ("original", "normal"),
    "fax": ("original", "normal"),
    "handwriting": ("handwriting", "handwriting"),
    "tables": ("tables", "tables"),
}
READERS: dict[str, Callable[[bytes], str]] = {
    "medocr (RapidOCR)": lambda image: getattr(read_image(image), "text", ""),  # nothing where it reads nothing
    "RapidOCR, as it comes": lambda image: by_rapidocr([image])[0],
    "Tesseract": by_tesseract,
}


def main(folder: str, *subsets: str) -> None:
    """Render, degrade, read, score, print and keep; what is known of other subsets stays."""
    rows = json.loads(OUT.read_text())["rows"] if OUT.exists() else []
    with tempfile.TemporaryDirectory() as rendered:
        for subset in subsets or SUBSETS:
            scans = list(_documents(Path(folder), subset, *SUBSETS[subset], Path(rendered)))
            rows = [row for row in rows if row["subset"] != subset]
            for name, read in READERS.items():
                rows.append({"subset": subset, "reader": name, **_scored(scans, read), "commit": storage.commit()})
                print(rows[-1], flush=True)
            storage.write_record(OUT, cpus=os.cpu_count(), dpi=DPI, pages="rendered and degraded here", rows=rows)


def _documents(
    folder: Path, subset: str, samples: str, texts: str, rendered: Path
) -> Iterator[tuple[list[bytes], str]]:
    """The pages and the audited text of every document of the evaluation part."""
    words = sorted(path for path in (folder / "samples" / samples).glob("*.docx") if not path.stem.endswith("_1"))
    if not words:
        raise ValueError(f"{folder}/samples/{samples} holds no Word files: give a copy of ClinOCR-Bench")
    out = rendered / samples
    if not out.exists():
        command = ["soffice", "--headless", "--convert-to", "pdf", "--outdir", str(out), *map(str, words)]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    for number, word in enumerate(words):
        (truth,) = (folder / "ground_truth" / texts).glob(f"{word.stem}_*.txt")
        with documents.opened(out / f"{word.stem}.pdf", DPI, 40_000_000) as (count, draw):
            pages = [degrade(Image.open(io.BytesIO(draw(at))).convert("L"), subset, number) for at in range(count)]
        yield pages, truth.read_text(encoding="utf-8-sig")


def degrade(page: Image.Image, subset: str, number: int) -> bytes:
    """An encoded page as the subset has it: lying on its side, a poor copy, a fax, or as it was rendered."""
    buffer = io.BytesIO()
    if subset == "rotated":
        page = page.transpose(TURNS[number % len(TURNS)])
    if subset == "fax":  # standard resolution: 204 dots across and 98 down to the inch, black or white
        size = (round(page.width * 204 / DPI), round(page.height * 98 / DPI))
        page.resize(size, Image.LANCZOS).convert("1", dither=Image.Dither.NONE).save(buffer, "TIFF", dpi=(204, 98))
    elif subset == "poor":
        _poor(page, random.Random(number)).save(buffer, "JPEG", quality=25)
    else:
        page.save(buffer, "PNG", dpi=(DPI, DPI))
    return buffer.getvalue()


def _poor(page: Image.Image, rng: random.Random) -> Image.Image:
    """A photograph's faults: askew by up to 2°, out of focus, lit from one side, grainy."""
    page = page.rotate(rng.uniform(-2, 2), Image.BICUBIC, fillcolor=255).filter(ImageFilter.GaussianBlur(1.2))
    light = np.linspace(0.55, 1.0, page.width)[None, :]
    grain = np.random.default_rng(rng.getrandbits(32)).normal(0, 8, (page.height, page.width))
    return Image.fromarray(np.clip(np.asarray(page) * light + grain, 0, 255).astype(np.uint8))


def _scored(scans: list[tuple[list[bytes], str]], read: Callable[[bytes], str]) -> dict:
    began = time.perf_counter()
    texts = ["\n".join(read(page) for page in pages) for pages, _ in scans]
    seconds = time.perf_counter() - began
    scores = [metrics.score_text(truth, text) for text, (_, truth) in zip(texts, scans, strict=True)]
    pages = sum(len(pages) for pages, _ in scans)
    return {
        "documents": len(scans),
        "pages": pages,
        "cer": round(statistics.fmean(min(1.0, score["cer"]) for score in scores), 4),
        "cer_median": round(statistics.median(score["cer"] for score in scores), 4),
        "coverage_recall": round(statistics.fmean(score["coverage_recall"] for score in scores), 4),
        "coverage_precision": round(statistics.fmean(score["coverage_precision"] for score in scores), 4),
        "seconds_per_page": round(seconds / pages, 2),
    }


if __name__ == "__main__":
    ocr.check_installed()
    main(*sys.argv[1:])
