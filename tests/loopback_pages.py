"""Small pages with known text for the loopback servers, and what a run over them must have come to."""

import io

from PIL import Image, ImageDraw

from medocr.demo.loopback import Server
from medocr.schema import Page

ALL_FAULTS = {
    **{"429": 0.02, "429_retry_after": 0.02, "500": 0.03, "503": 0.02, "reset": 0.04, "invalid_json": 0.02},
    **{"plain_text": 0.02, "hang": 0.02},
    **{
        "no_choice": 0.02,
        "empty": 0.02,
        "refusal": 0.02,
        "cut_off": 0.02,
        "loop": 0.02,
        "fenced": 0.1,
        "duplicate": 0.05,
    },
}
SET_ASIDE = {"no_choice", "empty_transcript", "refused", "cut_off", "repetition_loop", "transcription_failed"}


def pages(count: int, start: int = 0, **known) -> list[Page]:
    """Pages that differ in a few pixels, each with a text of its own."""
    return [_page(number, **known) for number in range(start, start + count)]


def _page(number: int, **known) -> Page:
    image = Image.new("L", (84, 56), 255)
    ImageDraw.Draw(image).text((4, 20), f"{number}", fill=0)
    image.putpixel((number % 84, number // 84 % 20), number % 200)
    out = io.BytesIO()
    image.save(out, "PNG")
    text = f"Page {number}\nSodium {130 + number % 20}.{number % 10} mmol/L\nGlucose {number % 300} mg/dL"
    settings = {"truth": text, "doc_type": "lab_report", **known}
    return Page(out.getvalue(), f"loopback#{number}", "test", **settings)


def faulty(seed: int, **settings) -> Server:
    """A server that meets a page with every kind of fault, after short delays."""
    return Server(**{"median_s": 0.02, "faults": ALL_FAULTS, "seed": seed, **settings})
