"""What the shipped weights read and what they do not: measured on held-out pages, written into the model card.

Notebook 00 does both, with `card_pages` above zero.
"""

import io
import itertools
import json
import os
import platform
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
from PIL import Image

from medocr import markdown, metrics, model, storage
from medocr.demo import synthetic
from medocr.demo.synthetic.draw import MOST_LINES
from medocr.demo.tiny import FOLDER, corpus, pages
from medocr.demo.tiny.corpus import Text
from medocr.schema import Page

RANDOM_TEXT = "random text"
HELD_OUT = range(120, 160)  # groups of receipts and invoices that pretraining never draws
FONTS = {"seen": corpus.FAMILIES, "unseen": corpus.UNSEEN}
GENERAL = (RANDOM_TEXT, "receipt", "invoice")
MARKS = ("<!-- figures: begin -->", "<!-- figures: end -->")
BREAKDOWN = ("lines", "size", "face", "scan")  # of random text
CURVE_POINTS = 12


def held_out_pages(count: int, seed: int = 11) -> Iterator[Page]:
    """Held-out pages: `count` of each general kind in fonts seen and unseen, and of each medical type as runs draw it.

    `fields` say what kind a page is and how it is printed.
    """
    rng, text = random.Random(seed), Text(seed)
    for fonts, kind, _ in itertools.product(FONTS, GENERAL, range(count)):
        drawn = None
        while drawn is None:
            family = rng.choice(FONTS[fonts])
            if kind == RANDOM_TEXT:
                draft = text.draft(rng, rng.randint(1, MOST_LINES), family)
            else:
                draft = synthetic.DRAWN_BY[kind](rng, rng.choice(HELD_OUT))
            drawn = pages.render(draft, rng, family, narrow=kind == RANDOM_TEXT)
        file = io.BytesIO()
        Image.fromarray(drawn.pixels).save(file, "PNG")
        about = {"kind": kind, "fonts": fonts, **drawn.about}
        yield Page(file.getvalue(), f"{kind}@{seed}", source="held out", text=drawn.text, fields=about)
    counts = dict.fromkeys((name for name in synthetic.RECIPE if name not in GENERAL), count)
    for page in synthetic.pages(counts, seed, groups=HELD_OUT, unlabelled=(), workers=1):
        page.fields = {"kind": page.doc_type, "fonts": "seen"}
        yield page


def measure(reader, processor, held_out: Iterable[Page]) -> pd.DataFrame:
    """Read pages and score them; one row per page with what is known about it."""
    held_out = list(held_out)
    readings = model.read(reader, processor, held_out, max_new_tokens=400, progress=False)
    return pd.DataFrame(
        page.fields | metrics.score_text(page.text, reading.text) | {"text": page.text, "read": reading.text}
        for page, reading in zip(held_out, readings, strict=True)
    )


def breakdown(scores: pd.DataFrame) -> list[dict]:
    """Error rates of general pages in fonts seen and unseen, by kind, and of random text by how it is printed."""
    scores = scores.assign(cer=scores["cer"].clip(upper=1.0))
    general, random_text = scores["kind"].isin(GENERAL), scores["kind"] == RANDOM_TEXT
    tables = [("fonts of general pages", scores[general], "fonts")]
    tables += [(f"kind in {fonts} fonts", scores[scores["fonts"] == fonts], "kind") for fonts in FONTS]
    tables += [(by, scores[random_text & (scores["fonts"] == "seen")], by) for by in BREAKDOWN]
    return [
        {"by": by, "value": int(value) if isinstance(value, float) else str(value), "pages": len(group)}
        | {name: round(float(group[name].mean()), 4) for name in ("cer", "line_exact", "exact", "loop")}
        for by, chosen, column in tables
        for value, group in chosen.groupby(column)
    ]


def learning(history: Path) -> list[dict]:
    """All sittings' rows one after the other: `step` and `seconds` count on, `loss` is that of the text, if any."""
    rows, steps, minutes = [], 0, 0.0
    for number, sitting in enumerate(json.loads(history.read_text())["sittings"], 1):
        for row in sitting["rows"]:
            whole = {
                "step": steps + row["step"],
                "seconds": round(60 * (minutes + row["minute"])),
                "loss": row["text"] or None,
            }
            rows.append({"sitting": number, **row, **whole})
        steps, minutes = rows[-1]["step"], rows[-1]["seconds"] / 60
    return rows


def make_card(reader, processor, history: Path, count: int) -> dict:
    """Everything the card states, as one JSON object; `count` held-out pages of each kind are read."""
    errors = breakdown(measure(reader, processor, held_out_pages(count)))
    rows = learning(history)
    every = max(1, len(rows) // CURVE_POINTS)
    return {
        "parameters": sum(parameter.numel() for parameter in reader.parameters()),
        "megabytes": round((FOLDER / "model.safetensors").stat().st_size / 1e6, 2),
        "steps": rows[-1]["step"],
        "hours": round(rows[-1]["seconds"] / 3600, 2),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, no GPU",
        "commands": [sitting["command"] for sitting in json.loads(history.read_text())["sittings"]],
        "curve": rows[every - 1 :: every],
        "errors": errors,
    }


def figures(card: dict) -> str:
    """The card's figures as markdown."""
    parts = [
        f"- parameters: {card['parameters']:,}\n- weights: {card['megabytes']} MB (float16)\n"
        f"- trained: {card['steps']:,} steps in {card['hours']} hours\n- machine: {card['machine']}",
        "Made by\n\n" + "\n".join(f"    {command}" for command in card["commands"]),
    ]
    names = ("step", "stage", "text", "place", "letters")
    curve = [(round(row["seconds"] / 60), *(row[name] or "–" for name in names)) for row in card["curve"]]
    parts += ["Learning curve (nats, means since the last report):", markdown.table(("minute", *names), curve)]
    for by, group in itertools.groupby(card["errors"], lambda row: row["by"]):
        scope = " (random text, seen fonts)" if by in BREAKDOWN else ""
        rows = [
            (row["value"], row["pages"], f"{row['cer']:.1%}", f"{row['line_exact']:.0%}", f"{row['loop']:.0%}")
            for row in group
        ]
        parts += [f"By {by}{scope}:", markdown.table((by, "pages", "CER", "exact lines", "loops"), rows)]
    return "\n\n".join(parts)


def write(card: dict, result: Path, readme: Path = FOLDER / "README.md") -> None:
    """Write the card's JSON, and its figures between the marks in the README."""
    storage.write_json(result, card)
    before, rest = readme.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    with storage.atomic(readme) as temporary:
        temporary.write_text(f"{before}{MARKS[0]}\n{figures(card)}\n{MARKS[1]}{after}")
