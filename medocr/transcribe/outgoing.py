"""A page as it leaves the machine: its pixels, and nothing else that its file held."""

import io
import math

from PIL import Image

from ..schema import open_image

MOST_PIXELS = 4_000_000  # an A4 page at 200 dpi; vision models shrink what is larger themselves
GREY = ("1", "L", "I", "I;16")
QUALITY = 92  # of JPEG, for pages whose file was one already


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
