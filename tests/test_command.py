"""The command line: it answers at once, and ends with one sentence and a status."""

import errno
import os
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from medocr import __main__ as command
from medocr.run import profile

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["train", "--help"]])
def test_help_and_version_import_nothing_large(arguments):
    code = f"""
import sys
from medocr.__main__ import main
try:
    main({arguments!r})
finally:
    assert not {{"torch", "transformers", "datasets", "pandas", "papermill"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "medocr" in done.stdout


def test_every_argument_has_help():
    parser = command._parser()
    subparsers = next(action for action in parser._actions if action.choices)
    for name, subparser in subparsers.choices.items():
        for action in subparser._actions:
            assert action.help, (name, action.dest)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "data/demo/x"), "the disk is full (data/demo/x): make room"),
        (FileExistsError(errno.EEXIST, "File exists", "results"), "a file lies where a folder is needed (results)"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "this user may not write or read here (/x)"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "out"), "a folder lies where a file is to be written (out)"),
        (OSError("no whole checkpoint is left"), "no whole checkpoint is left"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(monkeypatch, capsys, error, sentence):
    def refused(chosen):
        """Refuse."""
        raise error

    monkeypatch.setattr(command, "_run", refused)
    assert command.main(["run", "smoke"]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"medocr: {sentence}")
    assert message.count("\n") == 1


def test_a_limit_that_nothing_would_use_is_refused(capsys):
    assert command.main(["digitize", "rapidocr", "scans", "--out", "x", "--risk", "0.01"]) == 2
    assert "--checked" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_ends_the_command_quietly(tmp_path):
    (tmp_path / "call.py").write_text(
        "import sys\nfrom medocr import __main__ as command\n"
        "def much(chosen):\n    'Print.'\n    print('x' * 10**6)\n"
        "command._run = much\nsys.exit(command.main(['run', 'smoke']))\n"
    )
    ended = subprocess.run(
        ["bash", "-c", f"{sys.executable} call.py | head -c 1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (ended.stdout, ended.stderr) == ("x141\n", "")


@pytest.mark.parametrize("place", ["results", "data", "data/smoke"])
def test_a_file_in_a_folders_place_is_named(tmp_path, capsys, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("mine")
    assert command.main(["run", "smoke", "--out", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert "a file lies where a folder is needed" in message
    assert place in message
    assert (tmp_path / place).read_text() == "mine"


def test_windows_is_told_that_it_is_not_supported(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "win32")
    assert command.main(["run", "smoke"]) == 2
    assert "not supported" in capsys.readouterr().err


def test_all_that_is_no_code_is_package_data():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    patterns = [f"{package.replace('.', '/')}/{name}" for package, names in listed.items() for name in names]
    files = [path for path in profile.PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    for path in [*files, *profile.NOTEBOOKS.glob("*.ipynb"), *profile.NOTEBOOKS.glob("profiles/*")]:
        inside = "medocr" / path.relative_to(ROOT) if path.is_relative_to(profile.NOTEBOOKS) else path.relative_to(ROOT)
        if not path.name.startswith("."):
            assert any(fnmatch(str(inside), pattern) for pattern in patterns), inside
    assert (profile.PACKAGE / "notebooks").resolve() == ROOT / "notebooks"


def test_the_lock_file_holds_all_that_is_asked_for_with_hashes_and_no_address():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    entries = re.findall(r"^([\w.-]+)==([\w.]+)(?: ;[^\n]*?)? \\\n(    --hash=sha256:)", text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[\w.-]+==", text, re.MULTILINE))
    versions = {}
    for name, version, _ in entries:
        versions.setdefault(name, set()).add(version)
    for requirement in map(Requirement, [*project["dependencies"], *project["optional-dependencies"]["dev"]]):
        locked = versions.get(requirement.name, set())
        if requirement.name != "torch":
            assert locked, f"{requirement.name} is not locked: make lock"
        assert all(requirement.specifier.contains(version) for version in locked), f"{requirement}: make lock"


def test_an_installed_package_works_in_the_folder_that_it_is_called_in(tmp_path):
    """A copy without pyproject.toml beside it, as in site-packages."""
    package = tmp_path / "site"
    package.mkdir()
    subprocess.run(["cp", "-rL", str(ROOT / "medocr"), str(package / "medocr")], check=True)
    here = tmp_path / "here"
    here.mkdir()
    code = "from medocr.run import profile; print(profile.ROOT); print(profile.load_profile('smoke').data)"
    environment = {**os.environ, "PYTHONPATH": str(package)}
    done = subprocess.run([sys.executable, "-c", code], cwd=here, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [str(here), str(here / "data/smoke")], done.stderr
