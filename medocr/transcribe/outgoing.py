"""What leaves the machine: a page's pixels, nothing else that its file held, and what a vision model is asked for."""

import base64
import hashlib
import io
import math
from pathlib import Path

from PIL import Image

from ..schema import open_image

MOST_PIXELS = 4_000_000  # an A4 page at 200 dpi; vision models shrink what is larger themselves
GREY = ("1", "L", "I", "I;16")
QUALITY = 92  # of JPEG, for pages whose file was one already
INSTRUCTIONS = Path(__file__).with_name("instructions.txt").read_text(encoding="utf-8").strip()
REQUEST = "Transcribe this page."
# Another prompt gives other answers, and the store keeps them apart.
VERSION = "transcribe-1/" + hashlib.sha256((INSTRUCTIONS + REQUEST).encode()).hexdigest()[:8]


def messages(image: bytes, request: str = "") -> list[dict]:
    """The chat messages that ask for one page. The image comes before the request, and after the rules.

    A `request` of one's own stands alone, for models that were trained on it and know the rules. Raises ValueError when
    the image cannot be decoded.
    """
    picture, media_type = encode(image)
    url = f"data:{media_type};base64,{base64.b64encode(picture).decode()}"
    page = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": request or REQUEST}]
    rules = [] if request else [{"role": "system", "content": INSTRUCTIONS}]
    return [*rules, {"role": "user", "content": page}]


def encode(image: bytes) -> tuple[bytes, str]:
    """A page's file written anew: upright, on white, of at most `MOST_PIXELS`; returns it and its media type.

    EXIF (place, time, device), comments, thumbnails, profiles and hidden layers stay behind. Pages that were JPEG are
    JPEG again, all others PNG. Raises ValueError when the bytes cannot be decoded.
    """
    pixels = open_image(image)
    if pixels.width * pixels.height > MOST_PIXELS:
        scale = math.sqrt(MOST_PIXELS / (pixels.width * pixels.height))
        size = (max(1, int(pixels.width * scale)), max(1, int(pixels.height * scale)))
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    if Image.open(io.BytesIO(image)).mode in GREY:
        pixels = pixels.convert("L")  # a third of the bytes
    bare = Image.frombytes(pixels.mode, pixels.size, pixels.tobytes())  # without the info that Pillow would write back
    kind = "JPEG" if image[:3] == b"\xff\xd8\xff" else "PNG"
    out = io.BytesIO()
    bare.save(out, kind, **({"quality": QUALITY} if kind == "JPEG" else {"compress_level": 1}))
    return out.getvalue(), f"image/{kind.lower()}"
