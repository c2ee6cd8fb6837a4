"""What the review page shows, as HTML. Everything that comes from a page or a person is escaped."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from .columns import shown
from .folder import page_image
from .session import View

MARGIN_PX = 14  # around a field's line in the enlarged strip
WIDEST = 1600  # px of the page as it is sent to the browser: a line of A4 is read well at this
KINDS = {"header": "Header", "analyte": "Result", "drug": "Drug order", "total": "Sum", "tick": "Tick box"}
DECIDED = {"accept": "accepted", "correct": "corrected", "absent": "found not to be on the page"}
TEMPLATES = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)


def page(folder: Path, view: View) -> str:
    """The page with the field's line marked, and above it the line enlarged; or why the page cannot be shown."""
    box, shown_line = view.field["box"], {}
    try:
        with Image.open(page_image(folder, view.page)) as opened:
            image = opened.convert("RGB")
        if box:
            places = zip(("left", "top", "width", "height"), percent(box, image.size), strict=True)
            style = ";".join(f"{name}:{share:.3f}%" for name, share in places)
            edges = np.add(box, (-3 * MARGIN_PX, -MARGIN_PX, 3 * MARGIN_PX, MARGIN_PX)).clip(0, image.size * 2)
            shown_line = {"line": _encoded(image.crop(edges.tolist())), "style": style}
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        return message(f"The page cannot be shown: {error}", "mr-none")
    return TEMPLATES.get_template("page.html").render(view=view, whole=_encoded(image), **shown_line)


def _encoded(image: Image.Image) -> str:
    """The image inside its address: nothing is left in a cache, and no other file can be asked for."""
    image = image.copy()
    image.thumbnail((WIDEST, 4 * WIDEST))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def percent(box: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, width and height of a box in percent of a page of this size."""
    (left, top, right, bottom), (across, down) = box, (100 / size[0], 100 / size[1])
    return left * across, top * down, (right - left) * across, (bottom - top) * down


def field(view: View) -> str:
    """The field: what it is, its columns, the printed line, why a person is asked, and what was decided before."""
    reasons = [reason.replace("_", " ") for reason in view.field["reasons"]]
    if view.field["confidence"] is not None:
        reasons.append(f"the reader was {100 * view.field['confidence']:.0f} % sure")
    return TEMPLATES.get_template("field.html").render(
        view=view,
        kind=KINDS.get(view.field["kind"], view.field["kind"]),
        columns=[(name, text) for name, text in shown(view.columns).items() if text],
        reasons=reasons or ["the reader gave no confidence"],
        earlier=view.standing.decision,
        decided=DECIDED,
    )


def progress(decided: Sequence[bool], place: int | None) -> str:
    """How far the review is."""
    done, total = sum(decided), len(decided)
    at = f"field {place + 1} of {total} · " if place is not None else ""
    share = 100 * done / total if total else 100
    bar = f'<div class="mr-bar"><div style="width:{share:.1f}%"></div></div>'
    return f'<div class="mr-progress"><span>{at}{done} of {total} decided</span>{bar}</div>'


def message(text: str, kind: str = "mr-note") -> str:
    """A sentence for the person."""
    return f'<div class="{kind}" role="status">{escape(text)}</div>' if text else ""


ALL_DECIDED = '<div class="mr-done"><h2>Everything is decided</h2><p>You can close this page.</p></div>'
