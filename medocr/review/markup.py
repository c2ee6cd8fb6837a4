"""What the review page shows, as HTML. Everything that comes from a page or a person is escaped."""

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image

from .columns import shown
from .decisions import Standing
from .folder import page_image
from .session import View

MARGIN_PX = 14  # around a field's line in the enlarged strip
WIDEST = 1600  # px of the page as it is sent to the browser: a line of A4 is read well at this
KINDS = {"header": "Header", "analyte": "Result", "drug": "Drug order", "total": "Sum", "tick": "Tick box"}
DECIDED = {"accept": "accepted", "correct": "corrected", "absent": "found not to be on the page"}


def page(folder: Path, view: View) -> str:
    """The page with the field's line marked, and above it the line enlarged; or why the page cannot be shown."""
    try:
        with Image.open(page_image(folder, view.page)) as opened:
            image = opened.convert("RGB")
        box, strip, mark = view.field["box"], "", ""
        line = _encoded(_strip(image, box)) if box else ""
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        return f'<div class="mr-none">The page cannot be shown: {escape(str(error))}</div>'
    if box:
        strip = f'<div class="mr-strip"><img alt="the line, enlarged" src="{line}"></div>'
        places = zip(("left", "top", "width", "height"), percent(box, image.size), strict=True)
        style = ";".join(f"{name}:{share:.3f}%" for name, share in places)
        mark = f'<div class="mr-mark" style="{style}"></div>'
    alt = escape(f"page {view.page['index']} of {view.document['title']}")
    whole = f'<div class="mr-page"><img alt="{alt}" src="{_encoded(image)}">{mark}</div>'
    return f'{strip}<div class="mr-scroll">{whole}</div>'


def _strip(image: Image.Image, box: Sequence[int]) -> Image.Image:
    left, top, right, bottom = box
    edges = max(0, left - 3 * MARGIN_PX), max(0, top - MARGIN_PX), right + 3 * MARGIN_PX, bottom + MARGIN_PX
    return image.crop((edges[0], edges[1], min(image.width, edges[2]), min(image.height, edges[3])))


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
    kind = KINDS.get(view.field["kind"], view.field["kind"])
    rows = "".join(
        f'<tr><th>{escape(name)}</th><td dir="auto">{escape(text)}</td></tr>'
        for name, text in shown(view.columns).items()
        if text
    )
    line = f'<p class="mr-line" dir="auto">{escape(view.standing.line)}</p>' if view.standing.line else ""
    where = escape(f"{view.document['title']}, page {view.page['index']}")
    return (
        f'<div class="mr-field"><span class="mr-kind">{escape(kind)}</span> <span class="mr-where">{where}</span>'
        f'<h2 dir="auto">{escape(view.field["name"])}</h2><table>{rows}</table>'
        f"{line}{_why(view)}{_before(view.standing)}{_warnings(view)}</div>"
    )


def _why(view: View) -> str:
    reasons = [reason.replace("_", " ") for reason in view.field["reasons"]]
    if view.field["confidence"] is not None:
        reasons.append(f"the reader was {100 * view.field['confidence']:.0f} % sure")
    elif not reasons:
        reasons.append("the reader gave no confidence")
    items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    return f'<div class="mr-why">Why it is asked<ul>{items}</ul></div>'


def _warnings(view: View) -> str:
    """What digitising found wrong with the document as a whole, above all a page of another patient."""
    return "".join(message(warning, "mr-warning") for warning in view.document["warnings"])


def _before(standing: Standing) -> str:
    decision = standing.decision
    if decision is None:
        return ""
    text = f"{DECIDED[decision.decision]} by {decision.by}, {decision.at[:16].replace('T', ' ')} UTC"
    return f'<div class="mr-before">Already {escape(text)}</div>'


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
