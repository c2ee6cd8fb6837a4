"""`python -m tests.bench.route`: folders of drawn scans through all six notebooks; results/bench/route.json.

Each folder is of a kind that a person may have: of several types or one, without folders for types, with every label,
with some or with none. The profile is folder.toml with the paths of the folder and with four training steps. What
counts is how a run ends; its seconds are those of a machine that may have done other work beside it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from medocr import storage
from medocr.demo import synthetic
from medocr.run import STAGES
from medocr.schema import Page

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results/bench/route.json"
SUBFOLDERS = {
    "prescription": "prescriptions",
    "lab_report": "lab_reports",
    "form": "forms",
    "receipt": "receipts",
    "invoice": "invoices",
}
SHARES = {"prescription": 4, "lab_report": 3, "form": 1, "receipt": 2, "invoice": 2}  # of twelve pages
# folder → pages, of which types, the share of them with a label, and whether a subfolder says the type
CASES = {
    "twelve, some labelled": (12, SHARES, 0.7, True),
    "twelve, no label": (12, SHARES, 0.0, True),
    "twelve, no types": (12, SHARES, 1.0, False),
    "twelve lab reports": (12, {"lab_report": 12}, 1.0, True),
    "twelve receipts": (12, {"receipt": 12}, 0.5, True),
    "three": (3, {"prescription": 3}, 1.0, True),
    "thirty": (30, SHARES, 0.7, True),
    "a hundred and fifty": (150, SHARES, 0.7, True),
}


def main(names: list[str] | None = None) -> None:
    rows = json.loads(OUT.read_text())["rows"] if names and OUT.exists() else []
    for name in names or CASES:
        with tempfile.TemporaryDirectory() as folder:
            row = {"folder": name, **run(Path(folder), *CASES[name])}
        print(row, flush=True)
        rows = [*(other for other in rows if other["folder"] != name), row]
        storage.write_record(OUT, rows=rows)


def run(folder: Path, count: int, shares: dict[str, int], labelled: float, typed: bool) -> dict:
    """Draw, write the profile, run; returns how it ended and how far it came."""
    save(folder / "scans", drawn(count, shares), labelled, typed)
    profile = (ROOT / "notebooks/profiles/folder.toml").read_text().replace("max_steps = 10", "max_steps = 4")
    (folder / "my.toml").write_text(profile.replace("save_every = 5", "save_every = 2"))
    began = time.perf_counter()
    command = [sys.executable, "-m", "medocr", "run", str(folder / "my.toml"), "--out", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    done = [stage.name for stage in STAGES if (folder / "data/my" / stage.record).is_file()]
    return {
        "pages": count,
        "labelled": round(labelled * count),
        "exit_status": ended.returncode,
        "stages": len(done),
        "index": (folder / "data/my/results/index.html").is_file(),
        "seconds": round(time.perf_counter() - began),
        **({"error": ended.stderr.strip().splitlines()[-1]} if ended.returncode else {}),
    }


def drawn(count: int, shares: dict[str, int]) -> list[Page]:
    """So many pages with their text, in the shares of their types."""
    whole = sum(shares.values())
    counts = {doc_type: -(-count * share // whole) for doc_type, share in shares.items()}
    return list(synthetic.pages(counts, unlabelled=(), workers=1))[:count]


def save(folder: Path, pages: list[Page], labelled: float, typed: bool) -> None:
    """Write pages as PNG files, in a subfolder by type where `typed`, the given share of each type with a label."""
    for number, page in enumerate(pages):
        file = folder / (SUBFOLDERS[page.doc_type] if typed else ".") / f"scan-{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(page.image)
        if (number * 7 % 10) / 10 < labelled:
            file.with_suffix(".txt").write_text(page.text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", choices=[*CASES, []], help="run these alone, and keep the other rows")
    main(parser.parse_args().folders)
