"""Attacks that take longer than a test may, or need a browser or a disk of their own: see `tests.bench.attacks`."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pandas as pd
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch

from medocr import model as models
from medocr import report, transcribe
from medocr.__main__ import main
from medocr.demo.loopback import MODEL
from medocr.run import results
from medocr.transcribe import OpenAIProvider
from tests.loopback_pages import Loopback, Server, pages

ROOT = Path(__file__).parents[2]
DAMAGED = {
    "adapter negated": "adapter/adapter_model.safetensors has changed",
    "byte flipped": "merged/model.safetensors has changed",
    "table cut off": "test.parquet has changed",
    "record of another": "prepare.json has changed",
}


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Path:
    """A finished run."""
    out = tmp_path_factory.mktemp("smoke")
    assert main(["run", "smoke", "--out", str(out)]) == 0
    return out


@pytest.fixture
def copy(smoke, tmp_path) -> Path:
    return shutil.copytree(smoke, tmp_path / "copy", copy_function=shutil.copy2)


def test_a_damaged_file_of_a_patient_is_named_nowhere_in_results(tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "Doe_Jane_1980-01-01_HIV_positive.pdf").write_bytes(b"%PDF-1.4 damaged")
    profile = tmp_path / "mixed.toml"
    drawn = "{ source = 'synthetic', counts = { form = 3, receipt = 3 } }"
    profile.write_text(f"[curate]\npages_from = [{drawn}, {{ source = 'folder', path = '{scans}' }}]\n")
    assert main(["run", str(profile), "--out", str(tmp_path), "--only", "01"]) == 0
    assert "Doe_Jane" in (tmp_path / "data/mixed/curate.json").read_text()
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("damage", DAMAGED)
def test_damage_between_stages_is_named_before_anything_is_made_of_it(copy, damage, capsys):
    data = copy / "data/smoke"
    _damage(data, damage)
    for arguments in ([], ["--only", "06"]):
        assert main(["run", "smoke", "--out", str(copy), *arguments]) == (0 if damage == "byte flipped" else 2)
        if damage == "byte flipped":  # with its size and time kept, it is seen only where all is read
            assert main(["run", "smoke", "--out", str(copy), "--verify"]) == 2
            break
    assert DAMAGED[damage] in capsys.readouterr().err


def _damage(data: Path, damage: str) -> None:
    if damage == "adapter negated":
        path = data / "adapter/adapter_model.safetensors"
        weights = safetensors.torch.load_file(path)
        negated = {name: -tensor if "lora_B" in name else tensor for name, tensor in weights.items()}
        safetensors.torch.save_file(negated, path)
    elif damage == "byte flipped":
        path = data / "merged/model.safetensors"
        before, content = path.stat(), bytearray(path.read_bytes())
        content[-1000] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif damage == "table cut off":
        path = data / "test.parquet"
        path.write_bytes(path.read_bytes()[:-100])
    else:
        record = json.loads((data / "prepare.json").read_text())
        (data / "prepare.json").write_text(json.dumps({**record, "settings": {**record["settings"], "base": "other"}}))


def test_a_store_of_answers_that_is_none_is_named(copy, capsys):
    store = copy / "data/smoke/transcripts.sqlite"
    store.write_bytes(b"not a database, but long enough to be looked at" * 100)
    assert main(["run", "smoke", "--out", str(copy), "--from", "02"]) == 1
    error = capsys.readouterr().err
    assert "transcripts.sqlite is no store of answers" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("damage", ["nan", "pickled", "template"])
def test_a_hostile_model_folder_ends_reading_in_a_sentence(copy, tmp_path, damage, capsys, monkeypatch):
    merged, out = copy / "data/smoke/merged", tmp_path / "pages.jsonl"
    _spoil(merged, damage)
    monkeypatch.setattr(models.loading, "TEMPLATE_S", 2.0)
    image = pq.read_table(copy / "data/smoke/test.parquet", columns=["image"]).slice(0, 1).to_pylist()[0]["image"]
    (tmp_path / "page.png").write_bytes(image["bytes"])
    assert main(["read", str(merged), str(tmp_path / "page.png"), "--out", str(out)]) in (1, 2)
    error = capsys.readouterr().err
    assert {"nan": "NaN or infinity", "pickled": "pickled", "template": "the chat template gives no prompt"}[
        damage
    ] in error
    assert not out.exists() or "NaN" not in out.read_text()


def _spoil(merged: Path, damage: str) -> None:
    weights = merged / "model.safetensors"
    if damage == "nan":
        tensors = safetensors.torch.load_file(weights)
        next(iter(tensors.values()))[0] = float("nan")
        safetensors.torch.save_file(tensors, weights, {"format": "pt"})
    elif damage == "pickled":
        torch.save({}, merged / "pytorch_model.bin")
        weights.unlink()
    else:
        loops = "{% for a in range(999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
        (merged / "chat_template.jinja").write_text(loops)


def test_a_full_disk_is_one_sentence(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("no disk of its own can be mounted here")
    try:
        command = [sys.executable, "-m", "medocr", "run", "smoke", "--out", str(small), "--only", "01"]
        done = subprocess.run([*command, "-p", "curate.seed=1"], cwd=ROOT, capture_output=True, text=True)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    assert done.returncode in (1, 2)
    assert "disk" in done.stderr
    assert "Traceback" not in done.stderr


def test_reading_connects_to_nothing(smoke, tmp_path):
    for number, row in enumerate(pq.read_table(smoke / "data/smoke/test.parquet").slice(0, 2).to_pylist()):
        (tmp_path / f"{number}.png").write_bytes(row["image"]["bytes"])
    noted = tmp_path / "connections"
    path = os.pathsep.join([str(ROOT / "tests/recorder"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "MEDOCR_CONNECTIONS": str(noted)}
    for model in ("rapidocr", str(smoke / "data/smoke/merged")):
        command = [sys.executable, "-m", "medocr", "read", model, str(tmp_path), "--out", str(tmp_path / "out.jsonl")]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        (tmp_path / "out.jsonl").unlink()
    assert not noted.exists(), noted.read_text()


@pytest.mark.parametrize("command", ["read", "digitize"])
def test_nothing_is_sent_by_native_code_either(smoke, tmp_path, command):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    row = pq.read_table(smoke / "data/smoke/test.parquet").slice(0, 1).to_pylist()[0]
    (tmp_path / "page.png").write_bytes(row["image"]["bytes"])
    environment = {name: value for name, value in os.environ.items() if name != "CI"}  # where onnxruntime is silent
    for model in ("rapidocr", str(smoke / "data/smoke/merged")):
        calls, out = tmp_path / "calls", tmp_path / f"out-{len(model)}"
        traced = ["strace", "-f", "-qq", "-e", "trace=connect", "-o", str(calls), sys.executable, "-m", "medocr"]
        asked = [command, model, str(tmp_path / "page.png"), "--out", str(out)]
        subprocess.run([*traced, *asked], cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}, check=True)
        assert "AF_INET" not in calls.read_text()


def test_a_redirect_carries_no_page_to_another_address():
    (page,) = pages(1)
    with Loopback([page], [Server()]) as second:
        away = f"HTTP/1.1 307 Moved\r\nLocation: {second.addresses[0]}/chat/completions\r\nContent-Length: 0\r\n\r\n"
        with Loopback([page], [Server(faults={"away": 1.0}, replies={"away": away})]) as first:
            asked = OpenAIProvider("one", first.addresses[0], MODEL, may_receive=True)
            with pytest.raises(ValueError, match="gave no answer"):
                transcribe.read_page(page, asked)
        assert second.stats()[0]["requests"] == 0


HOSTILE = """<script>document.title = "OWNED"</script><img src=x onerror="document.title='OWNED'">
<svg onload="document.title='OWNED'"></svg><img src="{address}/seen.png"><iframe src="{address}/frame"></iframe>
<a href="javascript:document.title='OWNED'" autofocus onfocus="document.title='OWNED'">x</a>
<link rel=stylesheet href="{address}/style.css"><style>@import url("{address}/import.css")</style>"""


def test_a_browser_runs_nothing_of_a_published_page_and_fetches_nothing(tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium here")
    asked: list[str] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Noting, asked)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hostile = HOSTILE.format(address=f"http://127.0.0.1:{server.server_port}")
        bare = tmp_path / "bare.html"
        bare.write_text(f"<title>whole</title>{hostile}")
        assert "OWNED" in _opened(browser, bare, tmp_path), "this browser runs scripts"
        assert asked, "and fetches"
        asked.clear()
        outputs = [nbformat.v4.new_output("display_data", {"text/html": hostile})]
        cells = [nbformat.v4.new_markdown_cell(f"# 01\n\n{hostile}"), nbformat.v4.new_code_cell("x", outputs=outputs)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_curate.ipynb")
        results.index(tmp_path, "small")
        shown = _opened(browser, tmp_path / "index.html", tmp_path)
        row = {"reference": None, "changed_unit": 1, "text": hostile, "truth": hostile + "?", "id": "1"}
        errors = pd.DataFrame([{**row, "model": model} for model in ("base", "tuned")])
        (tmp_path / "gallery.html").write_text(report.gallery(errors, {"1": pages(1, doc_type="form")[0]}))
        errors_shown = _opened(browser, tmp_path / "gallery.html", tmp_path)
        bad = (tmp_path / "gallery.html").read_text().replace("<h1>", hostile + "<h1>")  # as if nothing were escaped
        (tmp_path / "bad.html").write_text(bad)
        bad_shown = _opened(browser, tmp_path / "bad.html", tmp_path)
        server.shutdown()
    assert "<title>medocr: small</title>" in shown
    assert "1 shown" in errors_shown, "its own filter works"
    assert all("<title>medocr: errors</title>" in page for page in (errors_shown, bad_shown))
    assert not asked


class _Noting(http.server.BaseHTTPRequestHandler):
    def __init__(self, asked: list[str], *arguments) -> None:
        self.asked = asked
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_) -> None:
        pass


def _opened(browser: str, page: Path, folder: Path) -> str:
    """The page as it stands in a browser after three seconds."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"]
    command = [browser, *options, f"--user-data-dir={folder / 'browser'}", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=300).stdout


def test_no_locked_version_has_a_known_vulnerability():
    if not shutil.which("pip-audit"):
        pytest.skip("pip-audit is not installed")
    command = ["pip-audit", "--requirement", "requirements.lock", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    if any(sign in done.stdout + done.stderr for sign in ("Connection", "Max retries", "could not be audited")):
        pytest.skip("the database of vulnerabilities cannot be reached from this machine")
    assert done.returncode == 0, done.stdout
