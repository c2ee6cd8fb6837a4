"""`python -m tests.bench.digitize`: documents digitised with RapidOCR: what comes of them, how fast, and after kills.

- A drawn A4 laboratory report of 21 rows with four flags: how many of its results are in the Bundle, and right.
- Word documents of eight clinical templates (ClinOCR-Bench, where its files lie beside the repository and LibreOffice
  is installed), rendered here at 150 dpi, not the benchmark's own scans; and clinical PDFs and forms. Of those with an
  audited text, resources are held against what the parser finds in that text: one parser on both sides, so that these
  figures are of reading alone.
- Drawn pages, half to fix the threshold on and half, of other templates and issuers, to test it: which of RapidOCR's
  fields need no person, and how many of those are wrong. `fewest_fields` is how many of a kind have to pass, none of
  them wrong and each on a page of its own, for the bound to reach the risk.
- Drawn pages by one process and two, in one run; and a command that is killed and started again.

Written to results/bench/digitize.json, part by part: `python -m tests.bench.digitize speed kills` makes two anew.
"""

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from medocr import digitize, fields, storage
from medocr.demo import synthetic
from medocr.digitize import Output, check, confidence, decimals, scores

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "results/bench/digitize.json"
SHARED = ROOT.parent / "shared/data"
RENDERED = 4  # Word documents that are rendered and read
FORMS = ("azure_forms/forms/cosent*.pdf", "aws_textract/patient_intake_form_sample.png", "azure_forms/forms/*.png")
SPEED_PAGES, KILLED, KILLS = 160, 16, 4
RISK_PAGES = {"prescription": 200, "lab_report": 160, "form": 120}  # in either half
ROWS = (
    *("Hemoglobin 13.2 g/dL 12.0-15.5", "Hematocrit 39.8 % 36.0-46.0", "RBC 4.51 10^6/uL 3.80-5.10"),
    *("WBC 11.8 H 10^3/uL 4.0-11.0", "Platelets 254 10^3/uL 150-400", "MCV 88.2 fL 80.0-100.0"),
    *("MCH 29.3 pg 27.0-33.0", "Sodium 140 mmol/L 135-145", "Potassium 3.40 L mmol/L 3.50-5.10"),
    *("Chloride 102 mmol/L 98-107", "BUN 14 mg/dL 7-20", "Creatinine 0.90 mg/dL 0.60-1.10"),
    *("Glucose 112 H mg/dL 70-99", "Calcium 9.4 mg/dL 8.6-10.2", "Albumin 4.2 g/dL 3.5-5.0"),
    *("Total Protein 7.1 g/dL 6.0-8.3", "ALT 22 U/L 7-56", "AST 25 U/L 10-40"),
    *("Total Bilirubin 0.70 mg/dL 0.10-1.20", "TSH 5.60 H mIU/L 0.40-4.50", "Vitamin D <20 ng/mL 30-100"),
)
HEAD = ("Northside Clinic Laboratory", "Patient: Maria Lopez   DOB: 12/31/1961   Sex: F", "MRN: 0012345", "")


def main() -> None:
    """Make the parts that the command line names, or all, print them, and keep each beside the others at once."""
    for name in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            made = PARTS[name](Path(folder))
        print(name, json.dumps(made, indent=1), flush=True)
        earlier = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
        kept = {part: earlier[part] for part in PARTS if part in earlier}
        storage.write_record(KEPT, cpus=os.cpu_count(), **{**kept, name: made})


def drawn(lines: tuple[str, ...]) -> Image.Image:
    """An A4 page at 150 dpi with these lines."""
    page = Image.new("RGB", (1240, 1754), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(26)
    for number, line in enumerate(lines):
        draw.text((100, 100 + 54 * number), line, fill="black", font=font)
    return page


def lab_report(work: Path) -> dict:
    """Of 21 rows with four flags, how many are Observations with name, value and unit; and the digits of one."""
    (work / "lab").mkdir()
    drawn((*HEAD, *ROWS)).save(work / "lab/report.png")
    output = _digitized(work / "lab", work / "lab-out")
    (record,) = output.records()
    bundle = decimals.loads((output.folder / f"bundles/{record['id']}.json").read_text())
    known = {"analytes": [vars(row) for row in fields.read_analytes("\n".join(ROWS))]}
    results = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Observation"]
    potassium = next((r for r in results if r["code"]["text"] == "Potassium"), {"valueQuantity": {"value": None}})
    return {
        "rows": len(ROWS),
        **scores.resources([(bundle, known)]).iloc[0].to_dict(),
        "flags": sum("interpretation" in result for result in results),
        "potassium": str(potassium["valueQuantity"]["value"]),
        "problems": check.problems(bundle),
    }


def documents(work: Path) -> list[dict]:
    """A row for each set of real documents that lies here."""
    sets = {"clinical Word documents, rendered": _rendered(work), "clinical forms": _forms(work)}
    return [row for name, files in sets.items() if files for row in [_set(name, files, work)]]


def _set(name: str, files: dict[Path, str], work: Path) -> dict:
    """What came of a set of files; those with a text are held against its fields."""
    scans = Path(tempfile.mkdtemp(dir=work))
    for file in files:
        shutil.copy(file, scans / file.name)
    output = _digitized(scans, scans / "out")
    records = list(output.records())
    texts = {file.name: text for file, text in files.items() if text}
    bundles = {r["source"]: path for r in records if (path := output.folder / f"bundles/{r['id']}.json").is_file()}
    unsound = [s for s, path in bundles.items() if check.problems(decimals.loads(path.read_text()))]
    pairs = [(json.loads(bundles[s].read_text()), fields.read_fields(texts[s])) for s in texts if s in bundles]
    return {
        "set": name,
        "documents": len(records),
        "pages": sum(len(record["pages"]) for record in records),
        "bundles": len(bundles),
        "unsound": unsound,
        "without_bundle": [w for record in records if record["source"] not in bundles for w in record["warnings"]],
        "resources": _rows(scores.resources(pairs)),
    }


def _rows(table: pd.DataFrame) -> list[dict]:
    """A table's rows for JSON, which has no NaN."""
    return json.loads(table.to_json(orient="records"))


def _rendered(work: Path) -> dict[Path, str]:
    """PDFs of Word documents with their audited texts; none where the documents or LibreOffice are not here."""
    office, samples, truths = shutil.which("soffice"), SHARED / "clinocr/samples", SHARED / "clinocr/ground_truth"
    rendered = {}
    for subset, kind in (("original", "normal"), ("tables", "tables")):
        sources = sorted((samples / subset).glob("*.docx"))
        chosen = random.Random(3407).sample(sources, min(RENDERED // 2, len(sources))) if office else []
        if chosen:
            out = work / f"rendered-{kind}"
            profile = f"-env:UserInstallation=file://{work}/office"
            command = [office, "--headless", profile, "--convert-to", "pdf", "--outdir", str(out), *map(str, chosen)]
            subprocess.run(command, check=True, capture_output=True)
            for pdf in sorted(out.glob("*.pdf")):
                named = pdf.rename(out / f"{pdf.stem}_{kind}.pdf")
                rendered[named] = (truths / kind / f"{named.stem}.txt").read_text(encoding="utf-8")
    return rendered


def _forms(work: Path) -> dict[Path, str]:
    return {file: "" for pattern in FORMS for file in sorted((SHARED / "documents").glob(pattern))}


def _digitized(scans: Path, out: Path) -> Output:
    digitize.run(digitize.open_reader("rapidocr"), [scans], out, contains_phi=False)
    return Output(out)


def _drawn_folder(folder: Path, pages: int) -> Path:
    folder.mkdir()
    for number, page in enumerate(synthetic.pages({"lab_report": pages}, 3407, groups=synthetic.HELD_OUT_GROUPS)):
        (folder / f"{number:03}.png").write_bytes(page.image)
    return folder


def speed(work: Path) -> dict:
    """Pages a second by one process and by two, their start included, and the ratio."""
    scans, rates = _drawn_folder(work / "speed", SPEED_PAGES), {}
    for jobs in (1, 2):
        reader = digitize.open_reader("rapidocr", jobs)
        start = time.perf_counter()
        digitize.digitize(reader, [scans], work / f"speed-{jobs}")
        rates[jobs] = SPEED_PAGES / (time.perf_counter() - start)
    return {
        "pages": SPEED_PAGES,
        **{f"pages_per_second_{n}": round(r, 2) for n, r in rates.items()},
        "ratio": rates[2] / rates[1],
    }


def risk(work: Path) -> dict:
    """The rule that validation pages give, by kind of field, and what it does with held-out pages."""
    halves, reader = (range(160, 600), range(600, 1000)), digitize.open_reader("rapidocr", 2)
    pages = [list(synthetic.pages(RISK_PAGES, 3414, groups=groups, unlabelled=())) for groups in halves]
    fixed = scores.trial(reader, pages[0], work / "risk-validation")
    rule = confidence.fit(fixed.fields, reader.about)
    tried = scores.trial(reader, pages[1], work / "risk-held-out", rule)
    return {
        "risk": rule.risk,
        "delta": rule.delta,
        "fewest_fields": math.ceil(math.log(rule.delta) / math.log1p(-rule.risk)),
        "pages": [RISK_PAGES, RISK_PAGES],
        "kinds": rule.kinds,
        "held_out": _rows(confidence.outcome(rule, tried.fields)),
        "resources": _rows(tried.resources),
        "reasons": _rows(scores.why(tried.output)),
    }


def killed(work: Path) -> dict:
    """A command that is killed again and again and then let finish: is every document there once, and sound?"""
    scans, out = _drawn_folder(work / "kill", KILLED), work / "kill-out"
    command = [sys.executable, "-m", "medocr", "digitize", "rapidocr", str(scans), "--out", str(out)]
    done_at = []
    for kill in range(KILLS):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(out.glob("documents/*.json"))) < (kill + 1) * KILLED // (KILLS + 1):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done_at.append(len(list(out.glob("documents/*.json"))))
    status = subprocess.run(command, stderr=subprocess.DEVNULL).returncode
    output = Output(out)
    records = list(output.records())
    unsound = sum(bool(check.problems(decimals.loads(p.read_text()))) for p in (out / "bundles").glob("*.json"))
    audit = [json.loads(line)["document"] for line in (out / "audit.jsonl").read_text().splitlines()]
    about = {"pages": KILLED, "kills": KILLS, "documents_at_kills": done_at, "status": status}
    about |= {"documents": len({record["id"] for record in records}), "unsound": unsound}
    return {**about, "read_again": len(audit) - len(set(audit)), "left_over": len(list(out.rglob("*.tmp")))}


PARTS = {"lab_report": lab_report, "kills": killed, "speed": speed, "documents": documents, "risk": risk}


if __name__ == "__main__":
    main()
