"""`python -m tests.bench.numbers`: what two readers' agreement says of each number; results/bench/numbers.json.

Lab tables with known text, drawn small, slightly turned, blurred, noisy and as JPEG of low quality. RapidOCR reads
them, Tesseract where it is installed and RapidOCR at another size read them again, each at a further size once more. A
number is wrong where the true line has no such number. Beside agreement stands the page's confidence at the same share.
"""

import argparse
import functools
import io
import random
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from rapidfuzz import fuzz, process

from medocr import metrics, storage
from medocr.transcribe import Agreement, rapid, tesseract
from medocr.transcribe.agreement import compare, doubted, numbers
from medocr.transcribe.store import Answer
from tests.bench.read import MARGIN, PITCH, ROOT, table

OUT = ROOT / "results/bench/numbers.json"
PAGES, ROWS, SIZE = 32, 12, (1240, 800)
PAIRS = (("RapidOCR at 0.8", "RapidOCR at 1.5"), ("Tesseract", "RapidOCR at 1.5"), ("Tesseract", "Tesseract at 1.5"))
FAMILIES = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=PAGES)
    count = parser.parse_args().pages
    pages = [degraded(number) for number in range(count)]
    read = {name: [reader(image) for image, _ in pages] for name, reader in readers().items()}
    texts = [text.split("\n") for _, text in pages]
    made = {
        "pages": count,
        "readers": [{"reader": name, **quality(answers, texts)} for name, answers in read.items()],
        "marks": [marks(*pair, read, texts) for pair in PAIRS if pair[0] in read],
        "confidence": by_confidence(read, texts),
        "labels": [labels(*pair, read, texts) for pair in PAIRS if pair[0] in read],
    }
    print(made)
    storage.write_record(OUT, **made)


def readers() -> dict[str, Callable[[bytes], Answer]]:
    found = {
        "RapidOCR": rapid.read_image,
        "RapidOCR at 0.8": functools.partial(rapid.read_image, scale=tesseract.OTHER_SIZE),
        "RapidOCR at 1.5": functools.partial(rapid.read_image, scale=tesseract.THIRD_SIZE),
    }
    again = functools.partial(tesseract.read_image, scale=tesseract.THIRD_SIZE)
    return found | ({"Tesseract": tesseract.read_image, "Tesseract at 1.5": again} if tesseract.is_installed() else {})


def degraded(number: int) -> tuple[bytes, str]:
    """A bad scan of a lab table as JPEG, and its text."""
    rng = random.Random(f"degraded/{number}")
    rows = table(rng)[:ROWS]
    font = ImageFont.truetype(font_manager.findfont(FAMILIES[number % len(FAMILIES)]), 24)
    page = Image.new("RGB", SIZE, "white")
    for at, row in enumerate(rows):
        for x, text in row:
            ImageDraw.Draw(page).text((x, MARGIN + PITCH * at), text, (60, 60, 60) if number % 2 else "black", font)
    page = page.rotate(rng.uniform(-1.5, 1.5), Image.Resampling.BICUBIC, fillcolor="white")
    scale = rng.uniform(0.36, 0.5)
    page = page.resize((round(SIZE[0] * scale), round(SIZE[1] * scale)), Image.Resampling.BILINEAR)
    page = page.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8)))
    noise = np.random.default_rng(number).normal(0, rng.uniform(6, 20), (page.height, page.width, 1))
    noisy = np.clip(np.asarray(page, float) + noise, 0, 255).astype("uint8")
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=rng.randint(25, 55))
    return buffer.getvalue(), "\n".join(" ".join(text for _, text in row) for row in rows)


def wrong(lines: Sequence[str], truth: Sequence[str]) -> list[Counter]:
    """For each line the numbers that the true line most like it has not."""
    likeness = process.cdist(lines, truth, scorer=fuzz.ratio)
    return [numbers(line) - numbers(truth[int(row.argmax())]) for line, row in zip(lines, likeness, strict=True)]


def quality(answers: Sequence[Answer], texts: Sequence[list[str]]) -> dict:
    cers = [metrics.cer("\n".join(text), answer.text) for answer, text in zip(answers, texts, strict=True)]
    pairs = [(answer.text.splitlines(), text) for answer, text in zip(answers, texts, strict=True)]
    read = sum(numbers(line).total() for lines, _ in pairs for line in lines)
    errors = sum(count.total() for lines, text in pairs for count in wrong(lines, text))
    seconds = [answer.seconds or 0.0 for answer in answers]
    return {
        "cer": round(float(np.mean(cers)), 4),
        "numbers": read,
        "wrong": round(errors / read, 4),
        "seconds_per_page": round(float(np.mean(seconds)), 2),
    }


def marks(second: str, third: str, read: dict, texts: Sequence[list[str]]) -> dict:
    """Of RapidOCR's numbers those that a second reader confirms, and those that a third look adds."""
    rows = {}
    for name, others in (("agreed", [second]), ("agreed or settled", [second, third])):
        total = kept = errors = 0
        for page, text in enumerate(texts):
            lines = read["RapidOCR"][page].text.splitlines()
            marked = doubted(lines, *(read[other][page].text.splitlines() for other in others))
            for line, bad, doubts in zip(lines, wrong(lines, text), marked, strict=True):
                total += numbers(line).total()
                kept += numbers(line).total() - len(doubts)
                errors += (bad - Counter(doubts)).total()
        rows[name] = {"share": round(kept / total, 4), "wrong": round(errors / max(1, kept), 4)}
    return {"second": second, "third": third, **rows}


def by_confidence(read: dict, texts: Sequence[list[str]]) -> list[dict]:
    """The numbers of the pages that RapidOCR is surest of."""
    order = sorted(range(len(texts)), key=lambda page: -(read["RapidOCR"][page].confidence or 0.0))
    rows = []
    for share in (0.25, 0.5, 0.75, 1.0):
        pages = order[: round(share * len(order))]
        lines = [read["RapidOCR"][page].text.splitlines() for page in pages]
        total = sum(numbers(line).total() for page in lines for line in page)
        errors = sum(c.total() for page, at in zip(lines, pages, strict=True) for c in wrong(page, texts[at]))
        rows.append({"surest_pages": share, "wrong": round(errors / max(1, total), 4)})
    return rows


def labels(second: str, third: str, read: dict, texts: Sequence[list[str]]) -> dict:
    """How many pages become labels: by both readers' agreement on the whole page, and by number with the third look."""
    settings, whole, settled, cers = Agreement(), 0, 0, []
    for page, text in enumerate(texts):
        first, other, further = (read[name][page].text for name in ("RapidOCR", second, third))
        if agreed := settings.holds(compare(first, other)):
            whole += 1
        if agreed or settings.settles(first, other, further):
            settled += 1
            cers.append(metrics.cer("\n".join(text), first))
    mean = round(float(np.mean(cers)), 4) if cers else None
    return {"second": second, "third": third, "by_page": whole, "by_number": settled, "cer_of_labels": mean}


if __name__ == "__main__":
    main()
