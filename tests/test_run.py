"""The runner, on seven small notebooks of the same shape as the real ones."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from medocr import run as runner
from medocr import storage
from medocr.__main__ import main
from medocr.run import STAGES, profile, provenance, results, summary_cell

ROOM = {"evaluate": "metrics.text", "train": "model.loading"}  # what of medocr a stage's notebook imports
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
BODY = """
if value < 0:
    import medocr.{room}
from pathlib import Path
import json, time
folder = Path(data)
for name in {writes}:
    (folder / name).write_text(f"{{value}}")
if name == "adapter" and (folder / "fail").exists():
    raise ValueError("the scanner caught fire")
if (folder / "slow").exists() and "{record}" == "train.json":
    import tempfile
    Path(tempfile.gettempdir(), "secret").write_text("a page")
    (folder / "reached").touch()
    time.sleep(60)
(folder / "{record}").write_text(json.dumps({{"value": value}}))
print("read", value)
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A folder with seven notebooks and a profile, which the runner takes for the repository's."""
    notebooks = tmp_path / "notebooks"
    (notebooks / "profiles").mkdir(parents=True)
    for stage in STAGES:
        parameters = "data = '../data/x'\nvalue = 1  # what is written\nbase = 'tiny'"
        parameters += (
            "\npages_from = [{'source': 'synthetic', 'counts': {'form': 1}}]" if stage.name == "curate" else ""
        )
        cells = [
            nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(
                BODY.format(writes=list(stage.writes), record=stage.record, room=ROOM.get(stage.name, "schema"))
            ),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), notebooks / f"{stage.notebook}.ipynb")
    (notebooks / "profiles" / "small.toml").write_text("[train]\nvalue = 2\n")
    monkeypatch.setattr(profile, "NOTEBOOKS", notebooks)
    return tmp_path


def run_in_process(monkeypatch, *, but: str = "") -> None:
    """Let all notebooks but that of one stage be run in this process: for tests of what is around them."""
    in_kernel = runner.execute_notebook

    def execute(run, stage):
        if stage.name == but:
            return in_kernel(run, stage)
        notebook = nbformat.read(stage.path, as_version=4)
        values = {**run.parameters[stage.name], "data": str(run.data)}
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        place = next(at for at, source in enumerate(code) if source.startswith("data = "))  # its parameters
        code.insert(place + 1, f"globals().update({values!r})")
        try:
            exec("\n".join(code), {})
        except Exception as error:  # whatever stops a cell, as in a kernel
            raise runner.StageFailed(f"{stage.notebook}: {error}") from error
        target = run.data / "results" / f"{stage.notebook}.ipynb"
        target.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, target)

    monkeypatch.setattr(runner, "execute_notebook", execute)


@pytest.fixture
def quick(house, monkeypatch):
    """The house, whose notebooks are run in this process and rendered on a page that nobody reads."""
    run_in_process(monkeypatch)
    for module in (runner, results):
        monkeypatch.setattr(module, "index", lambda folder, *_: (folder / "index.html").write_text("a page"))
    return house


def states(house) -> dict[str, str]:
    report = json.loads((house / "data/small/run.json").read_text())
    return {row["stage"][:2]: row["state"] for row in report["stages"]}


def run(house, *arguments) -> int:
    return main(["run", "small", "--out", str(house), *arguments])


def test_a_run_is_made_once_and_again_only_where_something_changed(house, capsys, monkeypatch):
    run_in_process(monkeypatch, but="train")
    assert run(house) == 0
    assert set(states(house).values()) == {"done"}
    assert json.loads((house / "data/small/train.json").read_text())["made_from"]["parameters"]["value"] == 2
    executed = nbformat.read(house / "data/small/results/04_train.ipynb", as_version=4)
    assert "read 2" in executed.cells[-1].outputs[0].text
    assert str(house) not in json.dumps(executed)
    assert run(house) == 0
    assert set(states(house).values()) == {"skipped"}
    assert nbformat.read(house / "results/small/04_train.ipynb", as_version=4) == executed
    assert "06_merge" in (house / "results/small/index.html").read_text()
    assert json.loads((house / "results/small/metrics.json").read_text())["value"] == 1

    assert run(house, "-p", "evaluate.value=7") == 0
    assert (
        states(house).items()
        >= (dict.fromkeys(("01", "02", "03", "04"), "skipped") | {"05": "done", "06": "done"}).items()
    )
    assert run(house, "-p", "evaluate.value=7", "--only", "prepare") == 0
    assert states(house) == {"03": "done"}
    assert "04_train       skipped" in capsys.readouterr().out


def test_a_notebook_opens_with_its_finding_until_it_is_made_anew(tmp_path):
    record = {"counts": {"inputs": 5, "kept": 3, "rejected": {"exact_duplicate": 2}}}
    (tmp_path / "curate.json").write_text(json.dumps(record))
    (tmp_path / "prepare.json").write_text("{}")
    found = summary_cell.findings(tmp_path)
    assert found == {"01_curate": "3 of 5 pages kept; rejected: 2 exact duplicate."}
    path = tmp_path / "01_curate.ipynb"
    cells = [nbformat.v4.new_markdown_cell("# 01"), nbformat.v4.new_code_cell("data = 1")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), path)
    made = {"commit": "abc", "at": "2026-01-31T10:00:00Z", "cores": 2, "versions": {"torch": "2.13.0", "trl": "1"}}
    for seconds in (3.2, 4.6):
        summary_cell.insert(path, found["01_curate"], *summary_cell.origin(made, seconds), "")
    cells = nbformat.read(path, as_version=4).cells
    assert [cell.source for cell in cells][::2] == ["# 01", "data = 1"]
    assert re.fullmatch(
        r"\*\*Found:\*\* 3 of 5 .*\n\n`abc` · 2026-01-31 · 2 CPU cores · 5 s · torch 2.13.0", cells[1].source
    )


def test_the_finding_counts_answers_that_are_no_labels(tmp_path):
    rows = [{"provider": "one", "unusable": {"cut_off": 4}}, {"provider": "rapidocr", "unusable": {}}]
    made = {"labelled": 9, "set_aside": [], "read": 0, "cost": 0.2, "providers": rows}
    (tmp_path / "transcribe.json").write_text(json.dumps({"report": made}))
    assert ", answers of one that are no labels: 4 cut off;" in summary_cell.findings(tmp_path)["02_transcribe"]


def test_columns_of_figures_stand_right_and_words_left(tmp_path):
    frame = pd.DataFrame(
        {"what": ["a 1", "b"], "share": ["−0.3 [−0.4, +0.1]", ""], "p": ["≤ 0.006", "1.000"]}, ["x", "y"]
    )
    output = nbformat.v4.new_output("display_data", {"text/html": frame.to_html()})
    cell = nbformat.v4.new_code_cell("frame", outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=KERNEL), tmp_path / "01_curate.ipynb")
    results.index(tmp_path, "small", "a small model")
    cells = re.findall(r"<t([hd])( class=\"number\")?>(.*?)</t", (tmp_path / "index.html").read_text())
    right = {text for _, number, text in cells if number}
    assert right == {"share", "p", "−0.3 [−0.4, +0.1]", "", "≤ 0.006", "1.000"}
    assert {"what", "a 1", "b", "x", "y"} <= {text for _, number, text in cells if not number}


def test_the_page_shows_results_first_and_folds_the_code(tmp_path):
    image = {"image/png": "iVBORw0KGgo="}
    told = {"filename": "cer_by_slice.png", "alt": "CER fell"}
    cell = nbformat.v4.new_code_cell(
        "secret = 1", outputs=[nbformat.v4.new_output("display_data", image, metadata=told)]
    )
    bundle = {"text/markdown": '```json\n{"id": "shown"}\n```'}
    outputs = [nbformat.v4.new_output("display_data", data) for data in (image, bundle)]
    other = nbformat.v4.new_code_cell("", outputs=outputs)
    headings = nbformat.v4.new_markdown_cell("# 05"), nbformat.v4.new_markdown_cell("## What was read")
    notebook = nbformat.v4.new_notebook(cells=[headings[0], cell, headings[1], other], metadata=KERNEL)
    nbformat.write(notebook, tmp_path / "05_evaluate.ipynb")
    summary_cell.insert(tmp_path / "05_evaluate.ipynb", "0 < 1 at `a<b`", "abc")
    row = {"slice": "lab_report", "metric": "cer", "base": 0.2, "tuned": 0.1, "n": 1200}
    compared = {"comparisons": [{**row, "difference": -0.1, "low": -0.2, "high": -0.0001}]}
    (tmp_path / "metrics.json").write_text(json.dumps(compared))
    results.index(tmp_path, "small", "a small model")
    page = (tmp_path / "index.html").read_text()
    summary = page[: page.index("<section")]
    assert "0 &lt; 1 at <code>a&lt;b</code>" in summary
    assert "All results are of a small model." in summary
    assert re.search(r"lab report</td>.*1,200.*0\.200.*0\.100.*−0\.100 \[−0\.200, −0\.0001\]", summary)
    assert "figures/cer_by_slice.png" in summary
    assert re.search(r"<details><summary>code</summary>.*secret.*</details>", page, re.DOTALL)
    assert "shown" in re.sub("<details>.*?</details>", "", page, flags=re.DOTALL)
    assert 'alt="CER fell"' in page
    assert 'alt="What was read"' in page


def test_executed_notebooks_say_their_parameters_once(tmp_path):
    default = 'pages = 10  # that are read\nnames = ["a"]  # of them\nplain = 1\nseed = 1  # of draws'
    cells = [
        nbformat.v4.new_code_cell(default, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            '# Parameters\npages = 20\nnames = ["b", "c"]\nplain = 2\n', metadata={"tags": ["injected-parameters"]}
        ),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01.ipynb")
    results.tidy(tmp_path / "01.ipynb", "/nowhere")
    (cell,) = nbformat.read(tmp_path / "01.ipynb", as_version=4).cells
    expected = 'pages = 20  # that are read\nnames = ["b", "c"]  # of them\nplain = 2\nseed = 1  # of draws'
    assert cell.source == expected


def test_bars_and_sliders_do_not_stay_in_executed_notebooks(tmp_path):
    widget = nbformat.v4.new_output("display_data", {results.WIDGET: {"model_id": "1"}, "text/plain": "0%|"})
    kept = nbformat.v4.new_output("display_data", {"text/plain": "kept"})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[widget, kept])])
    notebook.metadata["widgets"] = {"state": {}}
    nbformat.write(notebook, tmp_path / "01.ipynb")
    results.tidy(tmp_path / "01.ipynb", "/nowhere")
    tidied = nbformat.read(tmp_path / "01.ipynb", as_version=4)
    assert "widgets" not in tidied.metadata
    assert [output.data for output in tidied.cells[0].outputs] == [{"text/plain": "kept"}]


def test_a_failed_stage_is_named_and_kept_and_the_next_run_goes_on_from_it(house, capsys, monkeypatch):
    run_in_process(monkeypatch, but="train")
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


@pytest.fixture
def temporary(monkeypatch):
    """A folder for temporary files with a short path, as sockets need it."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_a_killed_run_is_finished_by_the_next_one(house, temporary, monkeypatch):
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
    killed = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (folder / "reached").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert (folder / "reached").exists()
    assert list(temporary.glob("*/secret")), "what the killed kernel had set aside"
    left = folder / ".merged.12345.tmp"
    left.mkdir()
    (folder / "slow").unlink()
    run_in_process(monkeypatch, but="train")
    assert run(house) == 0
    assert [states(house)[n] for n in ("01", "03", "04", "06")] == ["skipped", "skipped", "done", "done"]
    assert not left.exists()
    assert not list(temporary.iterdir())


def test_a_run_that_is_stopped_says_where_and_goes_on_from_there(quick, capsys, monkeypatch):
    in_process = runner.execute_notebook

    def stopped(run, stage):
        if stage.name == "train":
            raise KeyboardInterrupt
        in_process(run, stage)

    monkeypatch.setattr(runner, "execute_notebook", stopped)
    assert run(quick) == 130
    assert capsys.readouterr().err == "medocr: stopped in 04_train; the same command goes on from there\n"
    assert states(quick)["04"] == "stopped"
    monkeypatch.setattr(runner, "execute_notebook", in_process)
    assert run(quick) == 0
    assert [states(quick)[n] for n in ("03", "04", "06")] == ["skipped", "done", "done"]


def test_of_a_forced_run_that_is_stopped_another_command_goes_on(quick, capsys, monkeypatch):
    in_process = runner.execute_notebook

    def stopped(run, stage):
        if stage.name == "train":
            raise KeyboardInterrupt
        in_process(run, stage)

    monkeypatch.setattr(runner, "execute_notebook", stopped)
    assert run(quick, "--force") == 130
    assert "the same command without --force, --from and --only goes on from there\n" in capsys.readouterr().err
    monkeypatch.setattr(runner, "execute_notebook", in_process)
    assert run(quick) == 0
    assert [states(quick)[n] for n in ("03", "04", "06")] == ["skipped", "done", "done"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "train.vaule=3"], "'vaule' is unknown: did you mean 'value'"),
        (["-p", "trian.value=3"], "'trian' is unknown: did you mean 'train'"),
        (["-p", "train.value=many"], "train.value = 'many' should be int"),
        (["-p", "train.data=elsewhere"], "'data' is unknown"),
        (["-p", "value"], "write STAGE.PARAMETER=VALUE"),
        (["--from", "09"], "stage '09' is unknown"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_runs(house, capsys, arguments, message):
    assert run(house, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(house.glob("data/small/*.json"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("curate = 5", "odd.toml: setting 'curate' is unknown: there are publish"),
        ("publish = 'no'", "publish = 'no' should be true or false"),
        ("[curate]\npages_from = [5]", "pages_from holds 5"),
        ("[curate]\npages_from = [{ path = 'x' }]", "pages_from holds {'path': 'x'}"),
        ("[curate]\npages_from = [{ source = 'folder', path = 5 }]", "pages_from holds"),
        (f"a = {'[' * 50_000}", "not valid TOML"),
    ],
)
def test_a_profile_of_another_shape_is_refused(tmp_path, content, told, capsys):
    (tmp_path / "odd.toml").write_text(content)
    assert main(["run", str(tmp_path / "odd.toml"), "--out", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, "\xff"])
def test_a_damaged_note_of_whose_a_run_is_is_named(tmp_path, content, capsys):
    note = tmp_path / "data/smoke/profile.json"
    note.parent.mkdir(parents=True)
    note.write_bytes(content.encode("latin-1"))
    assert main(["run", "smoke", "--out", str(tmp_path)]) == 2
    assert f"{note} is damaged" in capsys.readouterr().err


def test_an_unknown_profile_names_those_there_are(house, capsys):
    assert main(["run", "smal"]) == 2
    assert "no profile 'smal': give one of small" in capsys.readouterr().err
    (house / "mine.toml").write_text("[train\n")
    assert main(["run", str(house / "mine.toml")]) == 2
    assert "not valid TOML" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["...", ".", "_x", "a/b", "x y", ""])
def test_a_name_that_could_lead_elsewhere_names_no_run(quick, capsys, name):
    (quick / "data/other").mkdir(parents=True)
    assert run(quick, "--name", name) == 2
    assert "cannot name a run" in capsys.readouterr().err
    assert sorted(path.name for path in (quick / "data").iterdir()) == ["other"]


@pytest.mark.parametrize("stem", ["..", "."])
def test_a_profile_whose_name_is_a_folder_deletes_nothing(quick, capsys, stem):
    (quick / "src").mkdir()
    (quick / "data/other").mkdir(parents=True)
    (quick / "results/other").mkdir(parents=True)
    profile_file = quick / f"{stem}.toml"
    profile_file.write_text("[train]\nvalue = 2\n")
    assert main(["run", str(profile_file), "--out", str(quick)]) == 2
    assert "cannot name a run" in capsys.readouterr().err
    assert (quick / "src").is_dir()
    assert (quick / "data/other").is_dir()
    assert (quick / "results/other").is_dir()


def test_what_a_killed_run_was_publishing_goes_with_the_next(quick):
    left = quick / "results/.small.12345.tmp/x"
    left.parent.mkdir(parents=True)
    left.touch()
    assert run(quick) == 0
    assert [path.name for path in (quick / "results").iterdir()] == ["small"]


def test_nobody_else_can_look_into_a_runs_folder_and_all_can_read_what_is_published(quick):
    assert run(quick) == 0
    data = quick / "data/small"
    assert data.stat().st_mode & 0o777 == 0o700
    assert not any(path.stat().st_mode & 0o077 for path in data.rglob("*"))
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in (quick / "results/small").rglob("*"))


def test_two_profiles_of_one_name_do_not_share_a_folder(quick, capsys):
    for folder in ("a", "b"):
        (quick / folder).mkdir()
        (quick / folder / "my.toml").write_text("[train]\nvalue = 2\n")
    command = ["run", str(quick / "a/my.toml"), "--out", str(quick)]
    assert main(command) == 0
    before = (quick / "data/my/train.json").read_text()
    assert main(["run", str(quick / "b/my.toml"), "--out", str(quick)]) == 2
    assert "made by another profile" in capsys.readouterr().err
    assert (quick / "data/my/train.json").read_text() == before
    assert main(["run", str(quick / "b/my.toml"), "--out", str(quick), "--name", "mine"]) == 0
    assert main(command) == 0
    assert (quick / "data/mine/train.json").exists()


def test_overrides_do_not_replace_results_of_the_profile_unless_told_to(quick, capsys):
    assert run(quick) == 0
    published = quick / "results/small/metrics.json"
    assert run(quick, "-p", "evaluate.value=7") == 0
    assert json.loads(published.read_text())["value"] == 1
    assert "--replace" in capsys.readouterr().out
    assert run(quick, "-p", "evaluate.value=7", "--replace") == 0
    assert json.loads(published.read_text())["value"] == 7
    assert run(quick) == 0
    assert json.loads(published.read_text())["value"] == 1


def configured(quick, source: str, **settings) -> list[str]:
    """A profile with one more source beside the synthetic one."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    lines += ["[curate]", f"pages_from = [{{ source = 'synthetic', counts = {{ form = 1 }} }}, {source}]"]
    (quick / "mixed.toml").write_text("\n".join(lines))
    return ["run", str(quick / "mixed.toml"), "--out", str(quick)]


@pytest.fixture
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jane")
    (folder / "Doe_Jane_1980-01-01_HIV_positive.pdf").write_bytes(b"%PDF-1.4 damaged")
    return folder


def test_a_source_of_real_documents_keeps_a_run_private_even_if_no_page_of_it_was_kept(quick, scans):
    assert main(configured(quick, f"{{ source = 'folder', path = '{scans}' }}")) == 0
    assert not (quick / "results").exists()


def test_documents_that_may_hold_health_information_are_not_published_even_if_told_to(quick, scans, capsys):
    assert main(configured(quick, f"{{ source = 'folder', path = '{scans}' }}", publish=True)) == 2
    assert "contains_phi = false" in capsys.readouterr().err
    assert not (quick / "data/mixed/run.json").exists()


def test_what_is_published_names_no_folder_of_this_machine(house, scans, monkeypatch):
    run_in_process(monkeypatch)
    monkeypatch.setattr(results, "_holds_phi", lambda run: False)
    assert (
        main(configured(house, f"{{ source = 'folder', path = '{scans}', contains_phi = false }}", publish=True)) == 0
    )
    for path in (house / "results/mixed").rglob("*.*"):
        assert "jane" not in path.read_text(errors="replace").lower(), path.name


@pytest.mark.parametrize("path", ["inside/../..", ".", "../victim", "link/x"])
def test_nothing_outside_a_folder_is_removed(tmp_path, path):
    inside, victim = tmp_path / "run", tmp_path / "victim"
    for folder in (inside / "inside", victim):
        folder.mkdir(parents=True)
    (victim / "x").touch()
    (inside / "link").symlink_to(victim)
    with pytest.raises(ValueError, match="neither removed nor replaced"):
        storage.remove(inside / path, inside)
    assert (victim / "x").exists()
    storage.remove(inside / "link", inside)
    assert (victim / "x").exists()
    assert not (inside / "link").is_symlink()


def test_a_changed_metric_makes_the_stages_anew_that_use_it(quick, monkeypatch):
    assert run(quick) == 0
    of = provenance._module
    changed = lambda name, file: ("changed", ()) if name == "medocr.metrics.text" else of(name, file)  # noqa: E731
    monkeypatch.setattr(provenance, "_module", changed)
    monkeypatch.setattr(provenance, "code_hashes", provenance.code_hashes.__wrapped__)
    monkeypatch.setattr(provenance, "commit", lambda: "0ther")
    assert run(quick) == 0
    assert {number for number, state in states(quick).items() if state == "done"} == {"05"}
    report = json.loads((quick / "results/small/run.json").read_text())
    commits = {row["stage"][:2]: row["commit"] for row in report["stages"]}
    assert commits["05"] == "0ther"
    assert commits["04"] == commits["01"] != "0ther"
    assert report["commit"] == f"{commits['01']}, 0ther"
    assert all(row["at"] for row in report["stages"])


def test_another_version_of_torch_trains_anew(quick, monkeypatch):
    assert run(quick) == 0
    of = provenance.version
    monkeypatch.setattr(provenance, "version", lambda name: "9.9" if name == "torch" else of(name))
    monkeypatch.setattr(provenance, "code_hashes", provenance.code_hashes.__wrapped__)
    assert run(quick) == 0
    assert {number for number, state in states(quick).items() if state == "done"} == {"04"}


def test_damage_between_stages_is_named_whole_and_nothing_is_made_of_it(quick, capsys):
    assert run(quick) == 0
    data = quick / "data/small"
    scores = (data / "metrics.json").read_text()
    (data / "adapter").write_text("negated")
    (data / "merged").write_text("flipped")
    (data / "prepare.json").write_text('{"value": 3}')
    for arguments in ([], ["-p", "evaluate.value=7"], ["--only", "06", "-p", "merge.value=7"]):
        assert run(quick, *arguments) == 2
        error = capsys.readouterr().err
        assert "adapter has changed" in error
        assert "--from 04" in error
        assert ("merged has changed" in error) == ("--only" not in arguments)
    assert (data / "metrics.json").read_text() == scores
    assert run(quick, "--from", "04") == 0
    assert run(quick) == 0
    assert set(states(quick).values()) == {"skipped"}


def test_a_stage_alone_reads_nothing_that_was_made_from_other_files(quick, capsys):
    assert run(quick) == 0
    scores = (quick / "data/small/metrics.json").read_text()
    assert run(quick, "--only", "03", "-p", "prepare.value=5") == 0
    assert run(quick, "--only", "05", "-p", "prepare.value=5") == 2
    error = capsys.readouterr().err
    assert "04_train: was made from another train.parquet" in error
    assert "--from 04" in error
    assert (quick / "data/small/metrics.json").read_text() == scores
    assert run(quick, "-p", "prepare.value=5") == 0


def test_checkpoints_by_other_code_are_not_sealed_as_this_codes(quick, monkeypatch, capsys):
    checkpoint, adapter = quick / "data/small/checkpoints/checkpoint-2", quick / "data/small/adapter"
    assert run(quick) == 0
    checkpoint.mkdir(parents=True)
    assert run(quick, "-p", "train.value=3") == 0
    assert checkpoint.exists(), "a training by the same code looks at its checkpoints itself"
    of = provenance.version
    monkeypatch.setattr(provenance, "version", lambda name: "9.9" if name == "torch" else of(name))
    monkeypatch.setattr(provenance, "code_hashes", provenance.code_hashes.__wrapped__)
    assert run(quick) == 0
    assert not checkpoint.exists()
    checkpoint.mkdir(parents=True)
    adapter.unlink()  # an unfinished training
    monkeypatch.setattr(provenance, "version", of)
    assert run(quick) == 2
    assert "04_train is unfinished" in capsys.readouterr().err
    assert checkpoint.exists()
    assert run(quick, "--from", "04") == 0


def test_a_change_that_keeps_size_and_time_is_found_where_all_is_verified(quick, capsys):
    assert run(quick) == 0
    merged = quick / "data/small/merged"
    time_of_change = merged.stat().st_mtime_ns
    merged.write_text("x")
    os.utime(merged, ns=(time_of_change, time_of_change))
    assert run(quick) == 0
    assert run(quick, "--verify") == 2
    assert "merged has changed" in capsys.readouterr().err


SECRET = "sk-proj-SECRET-123"


@pytest.mark.parametrize(
    "override",
    [
        f"transcribe.providers=[{{name='a', base_url='https://a.example', model='m', key_variable='{SECRET}'}}]",
        f"transcribe.providers=[{{name='a', base_url='https://a.example', model='m', api_key='{SECRET}'}}]",
        f"transcribe.providers=[{{name='a', base_url='https://u:{SECRET}@a.example', model='m'}}]",
        f"transcribe.providers=['{SECRET}']",
        f"merge.server_key_variable={SECRET}",
        f"merge.server=https://u:{SECRET}@a.example/v1",
    ],
)
def test_a_key_in_the_wrong_place_is_neither_shown_nor_written(tmp_path, capsys, override):
    assert main(["run", "smoke", "--out", str(tmp_path), "-p", override]) == 2
    shown = capsys.readouterr()
    assert "SECRET" not in shown.err + shown.out
    assert not (tmp_path / "data").exists()


def test_only_paths_are_given_to_notebooks_as_seen_from_there(tmp_path):
    providers = [{"name": "vllm", "model": "/models/x"}]
    parameters = {"data": "/a/data", "base": "/a/base", "annotator": "rapidocr:/a/my.onnx", "served_as": "/models/x"}
    parameters |= {"providers": providers, "pages_from": [{"source": "folder", "path": "/a/scans"}]}
    assert runner._relative(parameters, Path("/a/notebooks")) == {
        "data": "../data",
        "base": "../base",
        "annotator": "rapidocr:../my.onnx",
        "served_as": "/models/x",
        "providers": providers,
        "pages_from": [{"source": "folder", "path": "../scans"}],
    }


def test_paths_in_a_profile_begin_at_its_folder_or_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file = tmp_path / "my.onnx"
    file.write_bytes(b"1")
    content = "[curate]\npages_from = [{ source = 'folder', path = '~/scans' }]\n[transcribe]\n"
    (tmp_path / "mine.toml").write_text(content + "annotator = 'rapidocr:my.onnx'\n")
    resolved = runner.load_profile(str(tmp_path / "mine.toml"), out=tmp_path)
    assert resolved.parameters["curate"]["pages_from"][0]["path"] == str(tmp_path / "home/scans")
    assert resolved.parameters["transcribe"]["annotator"] == f"rapidocr:{file}"
    before = runner.plan(resolved, STAGES[1])
    file.write_bytes(b"2")
    assert runner.plan(resolved, STAGES[1]) != before, "another recogniser at the same path reads anew"
    assert results._names_for_paths(resolved)[str(file)] == "my.onnx"


def test_a_dropped_provider_and_rejected_pages_are_said(tmp_path):
    rows = [
        {"provider": "one", "label_origin": "one/m", "dropped": "it does not accept the key (401)"},
        {"provider": "rapidocr", "label_origin": "rapidocr/v6", "dropped": ""},
    ]
    made = {"labelled": 40, "set_aside": [], "read": 0, "providers": rows, "label_origins": {"rapidocr/v6": 40}}
    (tmp_path / "transcribe.json").write_text(json.dumps({"report": made}))
    said = "provider one was dropped, as it does not accept the key (401): 40 labels are by other readers"
    assert said in summary_cell.findings(tmp_path)["02_transcribe"]
    assert summary_cell.warnings(STAGES[1], tmp_path) == [f"{said}; --from 02 asks it again"]
    leakage = dict.fromkeys(("groups_shared_across_splits", "near_duplicate_pairs_across_splits"), 0)
    prepared = {"leakage": {**leakage, "pages": {"train": 8}}, "counts": {"rejected": {"answer_too_long": 32}}}
    (tmp_path / "prepare.json").write_text(json.dumps({**prepared, "warnings": ["train has 8 pages"]}))
    assert summary_cell.findings(tmp_path)["03_prepare"].endswith("; rejected: 32 answer too long.")
    assert summary_cell.warnings(STAGES[2], tmp_path) == ["train has 8 pages", "rejected: 32 answer too long"]


def test_a_stage_alone_without_its_input_says_what_to_run_first(quick, capsys):
    assert run(quick, "--only", "04") == 2
    error = capsys.readouterr().err
    assert "04_train reads train.parquet, validation.parquet, prepare.json" in error
    assert "run 03_prepare first" in error
    assert run(quick) == 0
    (quick / "data/small/train.parquet").unlink()
    assert run(quick, "--only", "04") == 2
    assert (quick / "data/small/adapter").exists(), "what cannot be made anew is not removed"


def test_two_runners_do_not_share_a_run(house, capsys):
    from medocr.run import _locked

    (house / "data/small").mkdir(parents=True)
    with _locked(house / "data/small"):
        assert run(house) == 2
    assert "another runner" in capsys.readouterr().err


def test_the_profile_for_own_documents_spends_no_time_on_drawn_pages():
    stages = runner.load_profile("folder").parameters
    drawn = {
        "transcribe": "speed_pages",
        "evaluate": "held_out_per_type",
        "merge": "speed_pages",
        "digitize": "pages_per_type",
    }
    assert [stages[stage][name] for stage, name in drawn.items()] == [0, 0, 0, 1]
