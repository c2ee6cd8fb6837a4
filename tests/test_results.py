"""What is committed for reading: results that are whole, clean and small, and a README that says what they say.

`python -m medocr.findings.readme` writes these texts anew.
"""

import re
import tomllib

import nbformat
import pytest

from medocr.findings import readme
from medocr.findings.readme import BASE, RESULTS, ROOT, load
from medocr.run import summary_cell

DEMO, BALANCED = RESULTS / "demo", RESULTS / "demo-balanced"

needs_demo = pytest.mark.skipif(not (DEMO / "metrics.json").exists(), reason="no demo run is committed")


@needs_demo
@pytest.mark.parametrize("name", readme.SECTIONS)
def test_the_readme_says_what_the_results_say(name):
    text, (begin, end) = (ROOT / "README.md").read_text(), readme.marks(name)
    assert text[text.index(begin) + len(begin) : text.index(end)].strip() == readme.section(name)


def test_the_index_says_what_the_results_say():
    assert (RESULTS / "README.md").read_text() == readme.index()


@needs_demo
@pytest.mark.parametrize(("run", "kept"), [(DEMO, 2462), (BALANCED, 3000)], ids=["demo", "demo-balanced"])
def test_the_demo_is_the_recipe_and_passed_its_gate(run, kept):
    records = load(run)
    assert records["curate"]["counts"]["kept"] == kept
    assert records["train"]["steps"] == 738
    assert records["merge"]["parity"]["passed"]
    assert records["prepare"]["leakage"]["groups_shared_across_splits"] == 0
    assert {row["state"] for row in records["run"]["stages"]} <= {"done", "skipped"}


@needs_demo
@pytest.mark.parametrize("run", [DEMO, BALANCED], ids=["demo", "demo-balanced"])
def test_fine_tuning_halved_the_medical_errors_and_left_general_pages_alone(run):
    cer = {row["slice"]: row for row in load(run)["metrics"]["comparisons"] if row["metric"] == "cer"}
    assert cer["medical"]["tuned"] <= cer["medical"]["base"] / 2
    assert cer["medical"]["high"] < 0
    assert cer["general"]["tuned"] <= cer["general"]["base"] + 0.005


def test_of_the_rates_that_teach_the_demos_leaves_general_pages_best_read():
    teaching = [row for row in load(RESULTS / "bench")["learning_rate"]["rows"] if row["learning_rate"] >= 2e-4]
    profile = tomllib.loads((ROOT / "notebooks/profiles/demo.toml").read_text())
    rate = profile["train"]["learning_rate"]
    assert min(teaching, key=lambda row: row["general_cer"])["learning_rate"] == rate
    assert sorted(teaching, key=lambda row: row["medical_cer"])[1]["learning_rate"] == rate


def test_tables_are_of_unseen_layouts():
    text = readme._environment().get_template("readme.md.jinja").module.results_demo()
    assert "all rows but the last are of unseen layouts" in text
    assert "| test split: layouts seen in training |" in text
    assert "held-out pages" not in text


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
        counts = [c.execution_count for c in cells]
        assert counts == sorted(set(counts))
        assert counts[-1] - len(counts) <= 1, "cells are missing"  # the parameters and their defaults become one cell


def test_the_notebook_on_the_base_opens_with_what_its_card_says():
    (cell,) = [c for c in nbformat.read(BASE, 4).cells if summary_cell.TAG in c.metadata.get("tags", ())]
    assert all(part in cell.source for part in readme.base_opening())


@pytest.mark.parametrize(
    ("name", "record", "line"),
    [
        ("bench/mutations", {"killed": 3, "mutations": 4}, "3 of 4 mutations of the code are caught by its tests"),
        ("gpu/peft", {"part": "peft"}, "`peft`, no card"),
        ("bench/other", {"rows": []}, ""),
    ],
)
def test_a_record_that_may_come_has_its_line(name, record, line):
    assert readme.render("results.md.jinja", "says", name, record) == line


@pytest.mark.parametrize("path", sorted((RESULTS / "bench").glob("*.json")), ids=lambda path: path.stem)
def test_a_benchmarks_record_is_written_by_the_module_of_its_name(path):
    modules = [ROOT / f"tests/bench/{path.stem}.py", ROOT / f"tests/{path.stem}_cpu.py"]
    assert any(f"{path.name}" in module.read_text() for module in modules if module.is_file())
