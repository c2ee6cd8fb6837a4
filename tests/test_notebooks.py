"""The notebooks: their form, and a small run of all seven."""

import ast
import json
import os
import re
import tomllib
from pathlib import Path

import nbformat
import pytest
from test_run import run_in_process

from medocr import report, workspace
from medocr.__main__ import main
from medocr.run import STAGES, is_table, load_profile
from medocr.run.profile import default_parameters

ROOT = Path(__file__).parents[1]
PROFILES = [path for path in sorted((ROOT / "notebooks/profiles").glob("*.toml")) if not is_table(str(path))]


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.notebook)
def test_a_notebook_tells_its_story_and_defines_nothing(stage):
    notebook = nbformat.read(stage.path, as_version=4)
    nbformat.validate(notebook)
    assert 15 <= len(notebook.cells) <= 30
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for heading in ("## Parameters", "## Check of the inputs", "## Write", "## What was found"):
        assert heading in text
    assert notebook.cells[0].source.startswith("# ")
    assert notebook.cells[1].source.splitlines()[-1].startswith("# %pip install")
    for cell in code_cells(notebook):
        assert not cell.outputs
        assert cell.execution_count is None
        assert len(cell.source.splitlines()) <= 15
        assert not re.search(r"^\s*(async )?(def|class) ", cell.source, re.MULTILINE)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.notebook)
def test_parameters_are_plain_literals_each_with_a_comment(stage):
    notebook = nbformat.read(stage.path, as_version=4)
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    lines = cell.source.splitlines()
    assert lines[0].startswith('data = "../data/scratch"')
    for statement in ast.parse(cell.source).body:
        ast.literal_eval(statement.value)
        assert "  # " in lines[statement.end_lineno - 1]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.notebook)
def test_a_notebook_run_by_hand_does_what_the_demo_does_and_knows_what_it_reads(stage):
    defaults = default_parameters(stage.path)
    assert {**load_profile("demo").parameters[stage.name], "data": "../data/scratch"} == defaults
    code = "\n".join(cell.source for cell in code_cells(nbformat.read(stage.path, as_version=4)))
    listed = " ".join(re.findall(r"(?:splits|reads) ?= ?\[(.*)\]", code))
    assert f'data = workspace.enter(data, "{stage.record}"' in code
    for_05 = ["test.parquet"] if stage.name == "train" else []  # belongs to the splits that 04 copies
    assert sorted(re.findall(r'"(.*?)"', listed)) == sorted([*stage.reads, *for_05])


def test_the_line_for_colab_names_the_projects_own_address():
    address = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f'medocr @ git+{address}"' in nbformat.read(path, as_version=4).cells[1].source, "make address"


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_profile_fits_the_notebooks(path):
    run = load_profile(path.stem)
    given = tomllib.loads(path.read_text())
    assert given["prepare"]["base"] in ("tiny", "PaddlePaddle/PaddleOCR-VL")
    assert run.parameters["train"]["r"] == 64


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> Path:
    """A whole small run, which notes every address that any of its processes connects to."""
    out = tmp_path_factory.mktemp("smoke")
    path = os.pathsep.join(filter(None, [str(ROOT / "tests/recorder"), os.environ.get("PYTHONPATH")]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        patch.setenv("MEDOCR_CONNECTIONS", str(out / "connections"))
        assert main(["run", "smoke", "--out", str(out)]) == 0
    return out


def test_a_run_connects_to_nothing_but_this_machine(smoke):
    addresses = set((smoke / "connections").read_text().splitlines())
    assert addresses  # kernels and loopback servers
    here = re.compile(r"\('(127\.0\.0\.1|::1)'|'(localhost|127\.0\.0\.1)'|b?'/|None|b'127\.0\.0\.1'")
    assert not [address for address in addresses if not here.match(address)]


def test_a_small_run_leaves_every_file_of_the_contract(smoke):
    data, results = smoke / "data/smoke", smoke / "results/smoke"
    for stage in STAGES:
        for name in (*stage.writes, stage.record):
            assert (data / name).exists(), name
        assert (results / f"{stage.notebook}.ipynb").exists()
        assert f'id="{stage.notebook}"' in (results / "index.html").read_text()
    metrics = json.loads((results / "metrics.json").read_text())
    assert {"model", "slice", "metric", "value", "low", "high", "n"} <= metrics["scores"][0].keys()
    assert {"slice", "metric", "base", "tuned", "difference", "low", "high", "p", "n"} <= metrics["comparisons"][
        0
    ].keys()
    assert {row["model"] for row in metrics["scores"]} == {"base", "tuned", "ocr"}
    merged = json.loads((results / "merge.json").read_text())
    assert merged["parity"]["passed"]
    assert "merged" in {row["model"] for row in merged["scores"]}
    prepared = json.loads((results / "prepare.json").read_text())
    assert prepared["leakage"]["groups_shared_across_splits"] == 0


def test_an_executed_notebook_opens_with_its_finding_and_where_it_comes_from(smoke):
    for stage in STAGES:
        cells = nbformat.read(smoke / f"results/smoke/{stage.notebook}.ipynb", as_version=4).cells
        assert cells[0].source.startswith("# ")
        assert cells[1].source.startswith("**Found:** ")
        assert re.search(
            r"\n\n.*20\d\d-\d\d-\d\d · \d+ CPU cores · \d+ s · torch .*, transformers .*, peft ", cells[1].source
        )
        assert cells[1].source.endswith("the bundled tiny model on synthetic pages; not PaddleOCR-VL")


def test_executed_notebooks_are_clean(smoke):
    for path in (smoke / "results/smoke").glob("*.ipynb"):
        text = path.read_text()
        assert str(smoke) not in text
        assert str(ROOT) not in text
        cells = code_cells(nbformat.reads(text, as_version=4))
        counts = [cell.execution_count for cell in cells if cell.source.strip()]
        # In order, each once; the cell that held the run's parameters is one with the notebook's own.
        assert counts == [n for n in range(1, len(counts) + 2) if n != 3], path.name
        assert not any(
            output.output_type == "error" or output.get("name") == "stderr" for c in cells for output in c.outputs
        )


def test_a_second_run_has_nothing_to_do(smoke, capsys):
    assert main(["run", "smoke", "--out", str(smoke)]) == 0
    assert capsys.readouterr().out.count("skipped") == len(STAGES)


def test_the_merged_model_reads_a_folder(smoke, tmp_path, capsys):
    import pyarrow.parquet as pq

    scans = tmp_path / "scans"
    scans.mkdir()
    rows = pq.read_table(smoke / "data/smoke/test.parquet").slice(0, 2).to_pylist()
    for number, row in enumerate(rows):
        (scans / f"{number}.png").write_bytes(row["image"]["bytes"])
    (scans / "broken.png").write_bytes(b"no image")
    out = tmp_path / "pages.jsonl"
    assert main(["read", str(smoke / "data/smoke/merged"), str(scans), "--out", str(out)]) == 3
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["origin"] for line in lines] == [f"{scans}/{name}" for name in ("0.png", "1.png", "broken.png")]
    assert {"text", "fields", "confidence", "finish"} <= lines[0].keys()
    assert lines[2]["error"] == "unreadable"
    assert "2 pages read, 1 refused" in capsys.readouterr().err


def test_a_profile_that_asks_for_cuda_without_it_is_told_so(smoke, capsys, monkeypatch):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    run_in_process(monkeypatch)
    monkeypatch.setenv(workspace.HEADLESS, "1")
    monkeypatch.setattr(report, "style", lambda: None)
    assert main(["run", "smoke", "--out", str(smoke), "-p", "train.device=cuda", "--only", "04"]) == 1
    assert "no CUDA device" in capsys.readouterr().err
