"""What is committed for reading: results that are whole, clean and small, and a README that says what they say.

`python -m tests.test_results` writes what is told of the results anew from them: in the README, in `results/README.md`,
and under the title of the notebook on the base.
"""

import json
import re
from pathlib import Path

import nbformat
import pytest

from medocr.findings import evidence, index
from medocr.metrics import LABELS, headline
from medocr.run import summary_cell

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
BASE = RESULTS / "pretrain/00_pretrain_tiny.ipynb"
DEMO, FULL = RESULTS / "demo", RESULTS / "demo-full"
MARKS = "<!-- results/demo: begin -->", "<!-- results/demo: end -->"
FINDINGS = "<!-- results/experiments: begin -->", "<!-- results/experiments: end -->"
FAULTS = "<!-- results/faults: begin -->", "<!-- results/faults: end -->"
SHOWN = {"all": "all pages", "medical": "medical", "general": "general"} | {
    name: name.replace("_", " ") for name in ("prescription", "lab_report", "form", "receipt", "invoice")
}
ASKED = (
    *("field_recall", "header_recall", "test_value_f1", "test_row_f1", "range_f1", "drug_f1", "option_f1"),
    "term_recall",
)


def load(name: str, run: Path = DEMO) -> dict:
    return json.loads((run / name).read_text())


def results_section() -> str:
    """The README's results, made from the demo run's records."""
    metrics, merged, run, trained = (load(f"{name}.json") for name in ("metrics", "merge", "run", "train"))
    compared = {(row["slice"], row["metric"]): row for row in metrics["comparisons"]}
    rates = [_row(shown, compared[name, "cer"]) for name, shown in SHOWN.items()]
    asked = [_row(LABELS[name], compared["medical", name]) for name in ASKED]
    harm = headline(metrics)
    minutes = sum(row["seconds"] for row in run["stages"]) / 60
    parity = merged["parity"]["figures"]
    scores = {row["model"]: row for row in merged["scores"] if (row["slice"], row["metric"]) == ("all", "cer")}
    peers = {row["model"]: row for row in metrics["scores"] if (row["slice"], row["metric"]) == ("peers", "cer")}
    return "\n".join(
        [
            f"{index.stand_in()} Character error rate (CER, mean per page; lower is better):",
            "",
            *_table("pages", rates),
            "",
            "What the fields of the medical pages came to (F1 or share found; higher is better):",
            "",
            *_table("medical pages", asked),
            "",
            harm[harm.index("Clearly worse: ") :],
            "",
            f"The merged float16 model passes the parity gate ({parity['pages']} pages) and reads the "
            f"{scores['merged']['n']} test pages at CER {scores['merged']['value']:.3f} "
            f"(adapter: {scores['tuned']['value']:.3f}). RapidOCR, which needs no training and is no model of this "
            f"repository, reads {peers['ocr']['n']} of them at {peers['ocr']['value']:.3f}, the tuned model those "
            f"at {peers['tuned']['value']:.3f}: the embedded model is there to show what the recipe does, and nobody "
            "should read with it.",
            "",
            f"{trained['steps']} optimizer steps in {trained['precision']} at {index.rate()}, "
            f"{minutes:.1f} minutes on {run['cores']} CPU cores for everything. {_full()}",
            "",
            "![Character error rate of base and tuned by slice](results/demo/figures/cer_by_slice.png)",
            "",
            "The rendered notebooks of this run: [results/demo](results/demo/).",
        ]
    )


def _full() -> str:
    """What all of the recipe's steps make of it."""
    cer = {row["slice"]: row for row in load("metrics.json", FULL)["comparisons"] if row["metric"] == "cer"}
    parts = [f"{cer[name]['tuned']:.3f} on {name} pages" for name in ("medical", "general")]
    trained = load("train.json", FULL)
    return (
        f"All {trained['steps']} steps of the recipe ([results/demo-full](results/demo-full/), in "
        f"{trained['precision']}) end at {' and '.join(parts)}."
    )


def _row(name: str, row: dict) -> str:
    change, low, high = (evidence.rounded(row[key], sign="+") for key in ("difference", "low", "high"))
    return f"| {name} | {row['n']:,} | {row['base']:.3f} | {row['tuned']:.3f} | {change} [{low}, {high}] |"


def _table(what: str, rows: list[str]) -> list[str]:
    return [f"| {what} | n | base | tuned | difference [95 %] |", "|---|---:|---:|---:|---:|", *rows]


needs_demo = pytest.mark.skipif(not (DEMO / "metrics.json").exists(), reason="no demo run is committed")


def between(text: str, marks: tuple[str, str]) -> str:
    return text[text.index(marks[0]) + len(marks[0]) : text.index(marks[1])].strip()


@needs_demo
def test_the_readme_and_the_index_say_what_the_results_say():
    text = (ROOT / "README.md").read_text()
    assert between(text, MARKS) == results_section()
    assert between(text, FINDINGS) == index.findings_section().strip()
    assert between(text, FAULTS) == index.faults_section()
    assert (RESULTS / "README.md").read_text() == index.index()


@needs_demo
@pytest.mark.parametrize(("run", "steps"), [(DEMO, 369), (FULL, 738)], ids=["demo", "demo-full"])
def test_the_demo_is_the_recipe_and_passed_its_gate(run, steps):
    assert load("curate.json", run)["counts"]["kept"] == 2462
    assert load("train.json", run)["steps"] == steps
    assert load("merge.json", run)["parity"]["passed"]
    assert load("prepare.json", run)["leakage"]["groups_shared_across_splits"] == 0
    assert {row["state"] for row in load("run.json", run)["stages"]} <= {"done", "skipped"}


@needs_demo
@pytest.mark.parametrize("run", [DEMO, FULL], ids=["demo", "demo-full"])
def test_fine_tuning_halved_the_medical_errors_and_left_general_pages_alone(run):
    cer = {row["slice"]: row for row in load("metrics.json", run)["comparisons"] if row["metric"] == "cer"}
    assert cer["medical"]["tuned"] <= cer["medical"]["base"] / 2
    assert cer["medical"]["high"] < 0
    assert cer["general"]["tuned"] <= cer["general"]["base"] + 0.005


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "medocr/README.md", "results/README.md", "results/LOG.md"]
)
def test_links_lead_somewhere(name):
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("path", sorted(RESULTS.rglob("*.*")), ids=lambda path: str(path.relative_to(RESULTS)))
def test_a_result_is_small_and_holds_no_path_secret_or_traceback(path):
    assert path.stat().st_size <= 2e6
    if path.suffix not in (".ipynb", ".json", ".html", ".md"):
        return
    text = re.sub(r'"image/png": "[^"]*"', "", path.read_text())
    assert not re.search(r"(?<![\w.])/(root|home|work|tmp|Users)/\w", text)
    assert not re.search(r"\b(hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9]{20,})\b", text)
    assert '"output_type": "error"' not in text
    if path.suffix == ".ipynb":
        cells = [c for c in nbformat.reads(path.read_text(), 4).cells if c.cell_type == "code" and c.source.strip()]
        assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))


def test_the_notebook_on_the_base_opens_with_what_its_card_says():
    (cell,) = [c for c in nbformat.read(BASE, 4).cells if summary_cell.TAG in c.metadata.get("tags", ())]
    assert all(part in cell.source for part in index.base_opening())


def write_readme() -> None:
    path = ROOT / "README.md"
    text = path.read_text()
    written = {
        MARKS: results_section(),
        FINDINGS: index.findings_section(),
        FAULTS: index.faults_section(),
    }
    for marks, section in written.items():
        begin, end = (text.index(mark) for mark in marks)
        text = f"{text[: begin + len(marks[0])]}\n{section}\n{text[end:]}"
    path.write_text(text)
    (RESULTS / "README.md").write_text(index.index())
    summary_cell.insert(BASE, *index.base_opening())


if __name__ == "__main__":
    write_readme()
