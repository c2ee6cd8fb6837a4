"""A digitised folder made up for tests: what `medocr digitize` writes, without reading anything."""

import hashlib
import io
import json
from pathlib import Path

from PIL import Image, ImageDraw

LINE_PX = 40


def picture(lines: list[str]) -> bytes:
    """A page with these lines, each LINE_PX high."""
    image = Image.new("RGB", (900, LINE_PX * (len(lines) + 2)), "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((40, LINE_PX * (number + 1)), line, fill="black", font_size=22)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def page(folder: Path, index: int, lines: list[str], *, printed: list[str] | None = None, error=None) -> dict:
    """A page that prints `printed` and was read as `lines`."""
    image = picture(printed or lines)
    name = f"pages/{hashlib.sha256(image).hexdigest()}.png"
    (folder / "pages").mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(image)
    boxes = [[40, LINE_PX * (at + 1), 620, LINE_PX * (at + 2) - 8] for at in range(len(lines))]
    read = [{"text": text, "box": box, "confidence": 0.9} for text, box in zip(lines, boxes, strict=True)]
    about = {"index": index, "file": "scan.pdf", "page": index, "sha256": Path(name).stem, "turn": 0, "image": name}
    size = {"width": 900, "height": LINE_PX * (len(lines) + 2)}
    return {**about, **size, "text": "\n".join(lines), "lines": read, "error": error}


def field(place: tuple[int, int], kind: str, columns: dict, line: dict | None, at: int | None, **more) -> dict:
    """The field (page, number) on line `at` of its page, to be reviewed unless told otherwise."""
    name = columns.get("name") or columns.get("drug") or columns.get("label") or more.pop("name", "")
    about = {"id": f"{place[0]}-{place[1]}", "page": place[0], "kind": kind, "name": name, "columns": columns}
    where = {"text": line["text"] if line else "", "line": at, "box": line["box"] if line else None}
    return {**about, **where, "confidence": 0.9, "reasons": [], "status": "review", **more}


def analyte(name: str, value: float, line: int, **more) -> dict:
    """An analyte's columns as `medocr.fields` gives them."""
    return {"name": name, "value": value, "unit": "g/dL", "low": 12.0, "high": 16.0, "flag": None, "line": line, **more}


def write(folder: Path, pages: list[dict], fields: list[dict], name: str = "scan.pdf") -> dict:
    """Write the document's file, and return its content."""
    identity = hashlib.sha256(name.encode()).hexdigest()[:16]
    about = {"schema": 1, "id": identity, "title": name, "source": name, "synthetic": True, "contains_phi": False}
    about |= {"reader": {"name": "made up", "hash": "0"}, "medocr": "0", "patient": {}, "stopped": False}
    document = {**about, "pages": pages, "fields": fields, "warnings": []}
    (folder / "documents").mkdir(parents=True, exist_ok=True)
    (folder / "documents" / f"{identity}.json").write_text(json.dumps(document, ensure_ascii=False))
    return document


def lab_report(folder: Path, values: dict[str, float], name: str = "scan.pdf", **more) -> dict:
    """A report of one page, its fields the analytes `values` that were read, less and less sure."""
    lines = [f"{analyte} {value:g} g/dL 12 - 16" for analyte, value in values.items()]
    read = page(folder, 1, lines, **more)
    fields = [
        field((1, n + 1), "analyte", analyte(key, value, n), read["lines"][n], n, confidence=0.9 - n / 100)
        for n, (key, value) in enumerate(values.items())
    ]
    return write(folder, [read], fields, name)
