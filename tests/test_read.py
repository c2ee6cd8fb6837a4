"""`python -m medocr read`: lines as they come, nothing twice, nothing lost, exit statuses that say what happened."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from test_ocr import LINES, drawn

from medocr import ocr
from medocr import read as reading
from medocr.__main__ import main
from medocr.transcribe import annotator

ROOT = Path(__file__).parents[1]


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(3):
        drawn([f"Glucose {100 + number} mg/dL", "Sodium 139 mmol/L"], width=600).save(
            folder / f"{number}.png", dpi=(200, 200)
        )
    return folder


@pytest.fixture
def quick(monkeypatch):
    """An engine that reads at once, and notes what it was given."""
    asked = []

    def read(page, language=""):
        asked.append(page.size)
        return ocr.PageText([ocr.Line("Sodium 139 mmol/L", (0, 0, 9, 9), 0.9)], 0, 0.9, 0.8)

    monkeypatch.setattr(ocr, "read", read)
    return asked


def rows(out):
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_a_line_says_all_that_is_known_of_a_page(scans, tmp_path, capsys):
    out = tmp_path / "new/pages.jsonl"
    page = drawn(LINES[:3]).transpose(Image.ROTATE_90)
    page.save(scans / "report.pdf", resolution=150, save_all=True, append_images=[drawn(LINES[3:5])])
    assert main(["read", "rapidocr", str(scans / "report.pdf"), "--out", str(out)]) == 0
    first, second = rows(out)
    assert first["origin"] == f"{scans}/report.pdf#1"
    assert [first[name] for name in ("schema", "page", "pages", "reader", "turn", "dpi", "finish")] == [
        *(1, 1, 2, "rapidocr", 90, 200, "stop"),
    ]
    assert first["text"] == "\n".join(line["text"] for line in first["lines"])
    assert second["fields"]["analytes"][0]["name"] == "Sodium"
    assert len(first["sha256"]) == 64
    assert 0 < second["lowest"] <= second["confidence"] <= 1
    assert all(len(line["box"]) == 4 and 0 < line["confidence"] <= 1 for line in first["lines"])
    assert "2 pages read, 0 refused" in capsys.readouterr().err


def test_a_reading_goes_on_after_what_is_written(scans, tmp_path, quick, capsys):
    out = tmp_path / "pages.jsonl"
    assert main(["read", "rapidocr", str(scans / "0.png"), "--out", str(out)]) == 0
    with out.open("ab") as file:  # killed amid a line
        file.write(b'{"schema": 1, "origin": "scans/1.p')
    (scans / "broken.png").write_bytes(b"no image")
    for _ in range(2):
        assert main(["read", "rapidocr", str(scans), "--out", str(out)]) == 3
        origins = [Path(row["origin"]).name for row in rows(out)]
        assert sorted(origins) == ["0.png", "1.png", "2.png", "broken.png"]
    assert len(quick) == 3
    assert "0 pages read, 3 read before, 1 refused" in capsys.readouterr().err


def test_a_reader_that_has_changed_reads_again(scans, tmp_path, quick, monkeypatch):
    """A model that was trained again into its folder, or other rules, go by the same name."""
    out = tmp_path / "pages.jsonl"
    for rules in ("1", "2", "2"):
        monkeypatch.setattr(ocr, "RULES", rules)
        assert main(["read", "rapidocr", str(scans), "--out", str(out)]) == 0
    hashes = [row["hash"] for row in rows(out)]
    assert hashes == [reading.identity("rapidocr")] * 3
    assert len(quick) == 6


def test_a_scan_that_was_replaced_has_one_line(scans, tmp_path, quick):
    out, size = tmp_path / "pages.jsonl", (600, 400)
    for colour in ("white", "red"):
        Image.new("RGB", size, colour).save(scans / "1.png")
        assert main(["read", "rapidocr", str(scans), "--out", str(out)]) == 0
    assert sorted(Path(row["origin"]).name for row in rows(out)) == ["0.png", "1.png", "2.png"]
    assert len(quick) == 4
    (scans / "1.png").write_bytes(b"no image")
    assert main(["read", "rapidocr", str(scans), "--out", str(out)]) == 3
    assert len([row for row in rows(out) if "text" in row]) == 3  # no error takes a text away


def test_a_second_reading_into_a_file_is_refused(scans, tmp_path, quick, monkeypatch, capsys):
    out, statuses = tmp_path / "pages.jsonl", []
    read = ocr.read

    def read_twice(page, language=""):
        monkeypatch.setattr(ocr, "read", read)
        statuses.append(main(["read", "rapidocr", str(scans), "--out", str(out)]))
        return read(page, language)

    monkeypatch.setattr(ocr, "read", read_twice)
    assert main(["read", "rapidocr", str(scans), "--out", str(out)]) == 0
    assert statuses == [2]
    assert len(rows(out)) == 3
    assert "another read is writing" in capsys.readouterr().err


def test_a_model_is_known_by_what_its_folder_holds(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    before = reading.identity(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert reading.identity(str(tmp_path)) != before


def test_a_recogniser_of_ones_own_is_known_by_its_file(tmp_path):
    (tmp_path / "my.onnx").write_bytes(b"one")
    reader = f"rapidocr:{tmp_path}/my.onnx"
    before, parameters = reading.identity(reader), annotator(reader).parameters
    (tmp_path / "my.onnx").write_bytes(b"trained again")
    assert reading.identity(reader) != before
    assert annotator(reader).parameters != parameters
    with pytest.raises(ValueError, match="there is no such file"):
        reading.identity("rapidocr:gone.onnx")


def test_a_file_whose_name_begins_with_a_tilde_is_read(scans, quick, monkeypatch, capsys):
    monkeypatch.chdir(scans)
    Path("0.png").rename("~$0.png")
    assert main(["read", "rapidocr", "~$0.png"]) == 0
    assert json.loads(capsys.readouterr().out)["origin"] == "~$0.png"


def test_lines_are_for_their_owner_alone(scans, tmp_path, quick):
    for _ in range(2):
        main(["read", "rapidocr", str(scans), "--out", str(tmp_path / "pages.jsonl")])
        assert stat.S_IMODE((tmp_path / "pages.jsonl").stat().st_mode) == 0o600


def test_each_line_is_there_before_the_next_page_is_read(scans, tmp_path, monkeypatch, capsys):
    out, seen = tmp_path / "pages.jsonl", []

    def read(page, language=""):
        seen.append(len(rows(out)) if out.exists() else 0)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return ocr.PageText([])

    monkeypatch.setattr(ocr, "read", read)
    assert main(["read", "rapidocr", str(scans), "--out", str(out)]) == 130
    assert seen == [0, 1, 2]
    assert len(rows(out)) == 2
    assert "the same command goes on" in capsys.readouterr().err


def test_exit_statuses(scans, tmp_path, quick, capsys):
    assert main(["read", "rapidocr", str(scans)]) == 0
    (scans / "strip.png").write_bytes(b"")
    assert main(["read", "rapidocr", str(scans)]) == 3
    assert main(["read", "rapidocr", str(scans / "strip.png")]) == 1
    assert main(["read", "rapidocr", str(tmp_path / "nowhere")]) == 2
    assert main(["read", "tiny", str(scans), "--jobs", "2"]) == 2
    other = tmp_path / "notes.txt"
    other.write_text("not lines of this command\n")
    assert main(["read", "rapidocr", str(scans), "--out", str(other)]) == 2
    assert other.read_text() == "not lines of this command\n"


@pytest.mark.parametrize(("failure", "reason"), [(RuntimeError("no memory"), "reader_failed"), (None, "too_small")])
def test_what_cannot_be_read_is_an_error_and_no_empty_text(tmp_path, monkeypatch, failure, reason):
    def read(page, language=""):
        raise failure

    monkeypatch.setattr(ocr, "read", read)
    size = (20, 5000) if failure is None else (400, 300)
    Image.new("RGB", size, "white").save(tmp_path / "page.png")
    assert main(["read", "rapidocr", str(tmp_path), "--out", str(tmp_path / "out/pages.jsonl")]) == 1
    (row,) = rows(tmp_path / "out/pages.jsonl")
    assert (row["error"], "text" in row) == (reason, False)


def test_no_label_can_make_read_refuse_a_page(scans, quick):
    (scans / "0.txt").write_bytes("Größe".encode("latin-1"))
    (scans / "metadata.jsonl").write_text("{broken\n")
    assert main(["read", "rapidocr", str(scans)]) == 0


@pytest.mark.parametrize("content", ["my thesis\n", "[" * 100_000 + "\n", "[]\n", "5\n"])
def test_a_file_that_read_did_not_write_stays_as_it_is(tmp_path, content):
    (tmp_path / "out").write_text(content)
    with pytest.raises(ValueError, match="is no output of read"):
        reading.Output(tmp_path / "out", "rapidocr")
    assert (tmp_path / "out").read_text() == content


def test_a_number_that_is_none_is_written_as_null(monkeypatch):
    assert reading._rounded(float("nan")) is None
    assert reading._rounded(0.123456) == 0.1235


def test_lines_are_utf8_whatever_the_terminal_is(scans):
    """And two processes give the pages in their order; a SIGTERM leaves no process behind."""
    for number in range(3, 5):
        drawn(["☐ Yes ☑ No µg"], width=500).save(scans / f"{number}.png")
    command = [sys.executable, "-m", "medocr", "read", "rapidocr", str(scans), "--jobs", "2"]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=ROOT) as process:
        lines = [json.loads(process.stdout.readline().decode("utf-8")) for _ in range(5)]
        process.send_signal(signal.SIGTERM)
    assert [Path(line["origin"]).name for line in lines] == [f"{n}.png" for n in range(5)]
