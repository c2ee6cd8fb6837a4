"""What the shipped weights read and what they do not: measured on held-out pages, written into the model card.

python -m medocr.tiny.card        # measures, then rewrites results/pretrain/card.json and the card's figures
"""

import argparse
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

from medocr import metrics, model, schema, synthetic
from medocr.schema import Page
from medocr.synthetic.draw import CELL
from medocr.tiny import FOLDER, pages
from medocr.tiny.corpus import Text

RANDOM_TEXT = "random text"
HELD_OUT = range(120, 160)  # groups of receipts and invoices that pretraining never draws
MARKS = ("<!-- figures: begin -->", "<!-- figures: end -->")
BREAKDOWN = ("kind", "pitch", "lines", "size", "face", "scan")
CURVE_POINTS = 12


def held_out_pages(count: int, seed: int = 11) -> Iterator[Page]:
    """Held-out pages: 4 × `count` of random text (`fields` say how it is printed), `count` of each synthetic type."""
    rng, text = random.Random(seed), Text(seed)
    stage = pages.Stage("held out", (1, 10), 0.0, 1, 1.0)
    for number in range(4 * count):
        drawn, file = pages.draw(rng, text, stage), io.BytesIO()
        Image.fromarray(drawn.pixels).save(file, "PNG")
        origin = f"random text@{seed}#{number}"
        yield Page(file.getvalue(), origin, source=RANDOM_TEXT, text=drawn.text, fields=drawn.about)
    counts = dict.fromkeys(synthetic.RECIPE, count)
    yield from synthetic.pages(counts, seed, groups=HELD_OUT, unlabelled=(), workers=1)


def measure(reader, processor, held_out: Iterable[Page]) -> pd.DataFrame:
    """Read pages and score them; one row per page with what is known about it."""
    held_out = list(held_out)
    readings = model.read(reader, processor, held_out, max_new_tokens=400, progress=False)
    rows = []
    for page, reading in zip(held_out, readings, strict=True):
        about = {"kind": RANDOM_TEXT, **page.fields} if page.source == RANDOM_TEXT else {"kind": page.doc_type}
        rows.append(about | metrics.score_page(page.text, reading.text) | {"text": page.text, "read": reading.text})
    return pd.DataFrame(rows)


def breakdown(scores: pd.DataFrame) -> list[dict]:
    """Error rates by kind of page, for random text by line pitch, and at one cell by lines, size, face and scan."""
    scores = scores.assign(cer=scores["cer"].clip(upper=1.0))
    table = []
    for by in BREAKDOWN:
        chosen = scores if by == "kind" else scores[scores["kind"] == RANDOM_TEXT]
        if by not in ("kind", "pitch"):
            chosen = chosen[chosen["pitch"] == CELL]
        for value, group in chosen.groupby(by):
            rates = {name: round(float(group[name].mean()), 4) for name in ("cer", "line_exact", "exact", "loop")}
            value = int(value) if isinstance(value, float) else str(value)  # pandas made the numbers floats
            table.append({"by": by, "value": value, "pages": len(group), **rates})
    return table


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


def make_card(reader, errors: list[dict], history: Path) -> dict:
    """Everything the card states, as one JSON object."""
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
    facts = {
        "parameters": f"{card['parameters']:,}",
        "weights": f"{card['megabytes']} MB (float16)",
        "trained": f"{card['steps']:,} steps in {card['hours']} hours",
        "machine": card["machine"],
    }
    parts = ["\n".join(f"- {name}: {value}" for name, value in facts.items())]
    parts.append("Made by\n\n" + "\n".join(f"    {command}" for command in card["commands"]))
    parts.append("Learning curve (nats, means since the last report):\n\n" + _table(_curve(card["curve"])))
    for by, rows in itertools.groupby(card["errors"], lambda row: row["by"]):
        scope = {"kind": "all held-out pages", "pitch": "random text"}.get(by, f"random text at a pitch of {CELL} px")
        parts.append(f"By {by} ({scope}):\n\n" + _table(_errors(by, rows)))
    return "\n\n".join(parts)


def _curve(rows: list[dict]) -> list[dict]:
    names = ("step", "stage", "text", "place", "letters")
    return [{"minute": round(row["seconds"] / 60)} | {name: row[name] or "–" for name in names} for row in rows]


def _errors(by: str, rows: Iterable[dict]) -> list[dict]:
    return [
        {
            by: row["value"],
            "pages": row["pages"],
            "CER": f"{row['cer']:.1%}",
            "exact lines": f"{row['line_exact']:.0%}",
            "loops": f"{row['loop']:.0%}",
        }
        for row in rows
    ]


def _table(rows: list[dict]) -> str:
    lines = [rows[0].keys(), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in lines)


def write(card: dict, result: Path, readme: Path = FOLDER / "README.md") -> None:
    """Write the card's JSON, and its figures between the marks in the README."""
    schema.write_json(result, card)
    before, rest = readme.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    with schema.atomic(readme) as temporary:
        temporary.write_text(f"{before}{MARKS[0]}\n{figures(card)}\n{MARKS[1]}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pages", type=int, default=100, help="held-out pages of each type; four times as many of random text"
    )
    parser.add_argument("--results", type=Path, default=Path("results/pretrain"))
    arguments = parser.parse_args()
    reader, processor = model.load("tiny")
    errors = breakdown(measure(reader, processor, held_out_pages(arguments.pages)))
    card = make_card(reader, errors, arguments.results / "history.json")
    write(card, arguments.results / "card.json")
    print(figures(card))


if __name__ == "__main__":
    main()
