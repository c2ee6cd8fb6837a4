"""The runner, on six small notebooks of the same shape as the real ones."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import pandas as pd
import pytest

from medocr.__main__ import main
from medocr.run import STAGES, opening, profile, results

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
BODY = """
from pathlib import Path
import json, time
folder = Path(data)
for name in {writes}:
    (folder / name).write_text(f"{{value}}")
if name == "adapter" and (folder / "fail").exists():
    raise ValueError("the scanner caught fire")
if (folder / "slow").exists() and "{record}" == "train.json":
    (folder / "reached").touch()
    time.sleep(60)
(folder / "{record}").write_text(json.dumps({{"value": value}}))
print("read", value)
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A folder with six notebooks and a profile, which the runner takes for the repository's."""
    notebooks = tmp_path / "notebooks"
    (notebooks / "profiles").mkdir(parents=True)
    for stage in STAGES:
        cells = [
            nbformat.v4.new_code_cell(
                "data = '../data/x'\nvalue = 1  # what is written\nbase = 'tiny'", metadata={"tags": ["parameters"]}
            ),
            nbformat.v4.new_code_cell(BODY.format(writes=list(stage.writes), record=stage.record)),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), notebooks / f"{stage.notebook}.ipynb")
    (notebooks / "profiles" / "small.toml").write_text("[train]\nvalue = 2\n")
    monkeypatch.setattr(profile, "NOTEBOOKS", notebooks)
    monkeypatch.setattr("medocr.run.results._only_synthetic", lambda run: (run.data / "synthetic").exists())
    return tmp_path


def states(house) -> dict[str, str]:
    report = json.loads((house / "data/small/run.json").read_text())
    return {row["stage"][:2]: row["state"] for row in report["stages"]}


def run(house, *arguments) -> int:
    return main(["run", "small", "--out", str(house), *arguments])


def test_a_run_is_made_once_and_again_only_where_something_changed(house, capsys):
    assert run(house) == 0
    assert set(states(house).values()) == {"done"}
    assert json.loads((house / "data/small/train.json").read_text())["made_from"]["parameters"]["value"] == 2
    executed = nbformat.read(house / "data/small/results/04_train.ipynb", as_version=4)
    assert "read 2" in executed.cells[-1].outputs[0].text
    assert str(house) not in json.dumps(executed)
    assert not (house / "results").exists(), "pages that are not synthetic must stay out of results/"

    (house / "data/small/synthetic").touch()
    assert run(house) == 0
    assert set(states(house).values()) == {"skipped"}
    assert nbformat.read(house / "results/small/04_train.ipynb", as_version=4) == executed
    assert "06_merge" in (house / "results/small/index.html").read_text()
    assert json.loads((house / "results/small/metrics.json").read_text())["value"] == 1

    assert run(house, "-p", "evaluate.value=7") == 0
    assert states(house) == dict.fromkeys(("01", "02", "03", "04"), "skipped") | {"05": "done", "06": "done"}
    assert run(house, "-p", "evaluate.value=7", "--only", "prepare") == 0
    assert states(house) == {"03": "done"}
    assert "04_train       skipped" in capsys.readouterr().out


def test_a_notebook_opens_with_its_finding_until_it_is_made_anew(tmp_path):
    record = {"counts": {"inputs": 5, "kept": 3, "rejected": {"exact_duplicate": 2}}}
    (tmp_path / "curate.json").write_text(json.dumps(record))
    (tmp_path / "prepare.json").write_text("{}")
    found = opening.findings(tmp_path)
    assert found == {"01_curate": "3 of 5 pages kept; turned away: 2 exact duplicate."}
    path = tmp_path / "01_curate.ipynb"
    cells = [nbformat.v4.new_markdown_cell("# 01"), nbformat.v4.new_code_cell("data = 1")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), path)
    made = {"commit": "abc", "cores": 2, "versions": {"torch": "2.13.0", "trl": "1"}}
    for seconds in (3.2, 4.6):
        opening.insert(path, found["01_curate"], *opening.origin(made, seconds), "")
    cells = nbformat.read(path, as_version=4).cells
    assert [cell.source for cell in cells][::2] == ["# 01", "data = 1"]
    assert re.fullmatch(
        r"\*\*Found:\*\* 3 of 5 .*\n\n`abc` · 20\d\d-\d\d-\d\d · 2 CPU cores · 5 s · torch 2.13.0", cells[1].source
    )


def test_columns_of_figures_stand_right_and_words_left(tmp_path):
    frame = pd.DataFrame(
        {"what": ["a 1", "b"], "share": ["−0.3 [−0.4, +0.1]", ""], "p": ["≤ 0.006", "1.000"]}, ["x", "y"]
    )
    output = nbformat.v4.new_output("display_data", {"text/html": frame.to_html()})
    cell = nbformat.v4.new_code_cell("frame", outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=KERNEL), tmp_path / "01_curate.ipynb")
    results.index(tmp_path, "small")
    cells = re.findall(r"<t([hd])( class=\"number\")?>(.*?)</t", (tmp_path / "index.html").read_text())
    right = {text for _, number, text in cells if number}
    assert right == {"share", "p", "−0.3 [−0.4, +0.1]", "", "≤ 0.006", "1.000"}
    assert {"what", "a 1", "b", "x", "y"} <= {text for _, number, text in cells if not number}


def test_a_failed_stage_is_named_and_kept_and_the_next_run_goes_on_from_it(house, capsys):
    (house / "data/small").mkdir(parents=True)
    (house / "data/small/fail").touch()
    assert run(house) == 1
    error = capsys.readouterr().err
    assert "04_train, cell 3: ValueError: the scanner caught fire" in error
    assert "Traceback" not in error
    assert (house / "data/small/results/04_train.partial.ipynb").exists()
    assert states(house)["04"] == "failed"
    (house / "data/small/fail").unlink()
    assert run(house) == 0
    assert [states(house)[n] for n in ("03", "04", "06")] == ["skipped", "done", "done"]
    assert not list((house / "data/small/results").glob("*.partial.ipynb"))


def test_a_killed_run_is_finished_by_the_next_one(house):
    folder = house / "data/small"
    folder.mkdir(parents=True)
    (folder / "slow").touch()
    code = f"""
from pathlib import Path
from medocr.run import profile
profile.NOTEBOOKS = Path({str(house / "notebooks")!r})
from medocr.__main__ import main
main(["run", "small", "--out", {str(house)!r}])
"""
    runner = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (folder / "reached").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    assert (folder / "reached").exists()
    (folder / "slow").unlink()
    assert run(house) == 0
    assert [states(house)[n] for n in ("01", "03", "04", "06")] == ["skipped", "skipped", "done", "done"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "train.vaule=3"], "'vaule' is unknown: did you mean 'value'"),
        (["-p", "trian.value=3"], "'trian' is unknown: did you mean 'train'"),
        (["-p", "train.value=many"], "train.value = 'many' should be int"),
        (["-p", "train.data=elsewhere"], "'data' is unknown"),
        (["-p", "value"], "write STAGE.PARAMETER=VALUE"),
        (["--from", "09"], "stage '09' is unknown"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_runs(house, capsys, arguments, said):
    assert run(house, *arguments) == 2
    assert said in capsys.readouterr().err
    assert not list(house.glob("data/small/*.json"))


def test_an_unknown_profile_names_those_there_are(house, capsys):
    assert main(["run", "smal"]) == 2
    assert "no profile 'smal': give one of small" in capsys.readouterr().err
    (house / "mine.toml").write_text("[train\n")
    assert main(["run", str(house / "mine.toml")]) == 2
    assert "not valid TOML" in capsys.readouterr().err


def test_two_runners_do_not_share_a_run(house, capsys):
    from medocr.run import _locked

    (house / "data/small").mkdir(parents=True)
    with _locked(house / "data/small"):
        assert run(house) == 2
    assert "another runner" in capsys.readouterr().err
