"""The runner, on six small notebooks of the same shape as the real ones."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from medocr.__main__ import main
from medocr.run import STAGES, profile

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
    assert "06_merge" in (house / "results/small/index.html").read_text()
    assert json.loads((house / "results/small/metrics.json").read_text())["value"] == 1

    assert run(house, "-p", "evaluate.value=7") == 0
    assert states(house) == dict.fromkeys(("01", "02", "03", "04"), "skipped") | {"05": "done", "06": "done"}
    assert run(house, "-p", "evaluate.value=7", "--only", "prepare") == 0
    assert states(house) == {"03": "done"}
    assert "04_train       skipped" in capsys.readouterr().out


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
    deadline = time.monotonic() + 60
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
