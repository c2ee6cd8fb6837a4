"""The store, the local annotator, and transcription from end to end."""

import io
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from medocr import schema, transcribe
from medocr.ocr.pool import Pool
from medocr.schema import Page
from medocr.transcribe import Answer, RapidOcr, Store

DOCUMENTS = Path(__file__).parents[2] / "shared/data/documents"


class Scripted:
    """A provider whose answers are known; it notes what it was asked."""

    name, model, prompt, local, label_origin = "scripted", "1", "", True, "scripted/1"

    def __init__(self, texts=(), finish="stop", **parameters):
        self.texts, self.finish, self.parameters, self.asked = dict(texts), finish, parameters, []

    def answers(self, images):
        for key, image in images:
            self.asked.append(key)
            yield key, Answer(self.texts.get(image, "text"), 0.9, 0.8, 0.1, self.finish)


def labels(pages, providers, store, **settings):
    """What `transcribe` gives, the pages as a list."""
    labelled, report = transcribe.transcribe(pages, providers, store, progress=False, **settings)
    return list(labelled), report


def page(image: bytes, text=None, **known):
    return Page(image, f"origin/{image[:20]!r}", "test", text=text, **known)


def png(*lines: str, size=(300, 180)) -> bytes:
    from matplotlib import font_manager

    image = Image.new("L", size, 250)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 20)
    for n, line in enumerate(lines):
        ImageDraw.Draw(image).text((10, 10 + 40 * n), line, fill=20, font=font)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_store_keeps_answers_by_identity(tmp_path):
    one, other = Scripted(size=1), Scripted(size=2)
    with Store(tmp_path / "new" / "answers.sqlite") as store:
        answer = Answer("naïve ≤ 5 µg", 0.5, 0.25, 1.5, cost=0.01, prompt_tokens=7)
        store.put(one, "a", answer)
        assert store.get(one, "a") == answer
        assert store.get(other, "a") is None
        assert store.missing(one, ["b", "a", "b"]) == ["b"]
        assert store.missing(other, ["a"]) == ["a"]
        store.put(one, "a", Answer("again"))
        assert (len(store), store.get(one, "a").text) == (1, "again")
        watched = sqlite3.connect(store.path).execute("SELECT image, provider, parameters, text, created FROM answers")
        assert watched.fetchone()[:4] == ("a", "scripted", '{"size": 1}', "again")
    (tmp_path / "broken.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(ValueError, match="no store of answers"):
        Store(tmp_path / "broken.sqlite")
    for elsewhere in (tmp_path, tmp_path / "broken.sqlite" / "answers.sqlite"):
        with pytest.raises(ValueError, match="cannot be opened"):
            Store(elsewhere)


def test_a_store_that_knew_no_files_of_batches_is_taken_up(tmp_path):
    provider = Scripted()
    with Store(tmp_path / "s.sqlite") as store:
        store.put_batch(provider, "token", None, ["image"])
        store._db.execute("ALTER TABLE batches DROP COLUMN file")
    with Store(tmp_path / "s.sqlite") as store:
        assert store.batches(provider) == [("token", None, ["image"], None)]
        store.put_batch(provider, "token", None, ["image"], file="file-1")
        assert store.batches(provider) == [("token", None, ["image"], "file-1")]


def test_a_large_store_knows_what_is_missing_at_once(tmp_path):
    provider = Scripted()
    with Store(tmp_path / "answers.sqlite") as store:
        for n in range(3000):
            store.put(provider, f"{n:064}", Answer("text"))
        assert store.missing(provider, [f"{n:064}" for n in range(3001)]) == [f"{3000:064}"]


def test_only_unread_pages_are_asked_and_only_once(tmp_path):
    pages = [page(b"1"), page(b"2", "has text", label_origin="annotation"), page(b"3"), page(b"1")]
    provider = Scripted({b"3": " \n"})
    with Store(tmp_path / "answers.sqlite") as store:
        labelled, report = labels(pages, [provider], store)
        again, rerun = labels(pages, [provider], store)
    assert provider.asked == [pages[0].id, pages[2].id]
    assert [p.text for p in labelled] == ["text", "has text", "text"]
    assert labelled[1] is pages[1]
    assert (labelled[0].label_origin, labelled[0].confidence) == ("scripted/1", 0.9)
    assert report["reasons"] == {"empty_transcript": 1}
    assert report["set_aside"][0]["origin"] == pages[2].origin
    assert len(labelled) + len(report["set_aside"]) == report["pages"] == 4
    assert again == labelled
    assert (rerun["read"], rerun["from_store"], rerun["pages_per_second"]) == (0, 2, None)


def test_a_page_that_fails_goes_to_the_next_provider_and_is_asked_again(tmp_path):
    failing, second = Scripted(finish="error", broken=True), Scripted()
    second.name = "second"
    with Store(tmp_path / "answers.sqlite") as store:
        labelled, report = labels([page(b"1")], [failing], store)
        assert labelled == []
        assert report["reasons"] == {"transcription_failed": 1}
        labelled, report = labels([page(b"1")], [failing, second], store)
        assert len(failing.asked) == 2
    assert [p.text for p in labelled] == ["text"]
    assert report["reasons"] == {}
    assert [row["failed"] for row in report["providers"]] == [1, 0]


def test_a_cut_off_answer_is_no_label(tmp_path):
    with Store(tmp_path / "answers.sqlite") as store:
        labelled, report = labels([page(b"1")], [Scripted(finish="length")], store)
    assert labelled == []
    assert report["reasons"] == {"cut_off": 1}


def test_a_doubtful_reading_is_no_label(tmp_path):
    with Store(tmp_path / "answers.sqlite") as store:
        labelled, report = labels([page(b"1")], [Scripted()], store, min_confidence=0.95)
        assert labelled == []
        assert report["reasons"] == {"low_confidence": 1}
        assert "scripted/1 is 0.90 sure, less than 0.95" in report["set_aside"][0]["detail"]
        assert len(labels([page(b"1")], [Scripted()], store, min_confidence=0.9)[0]) == 1


def test_pages_need_a_provider(tmp_path):
    with Store(tmp_path / "answers.sqlite") as store, pytest.raises(ValueError, match="no provider is named"):
        transcribe.transcribe([page(b"1")], [], store)


def test_after_a_kill_only_what_is_missing_is_asked(tmp_path):
    script = """
        import sys, time
        from medocr import transcribe
        from tests.test_transcribe import Scripted, page
        class Slow(Scripted):
            def answers(self, images):
                for n, answer in enumerate(super().answers(images)):
                    if n == 7:
                        print("seven", flush=True)
                        time.sleep(60)
                    yield answer
        with transcribe.Store(sys.argv[1]) as store:
            transcribe.transcribe([page(b"%d" % n) for n in range(20)], [Slow()], store, progress=False)
    """
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "answers.sqlite")]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "seven\n"
        os.kill(process.pid, signal.SIGKILL)
    provider, pages = Scripted(), [page(b"%d" % n) for n in range(20)]
    with Store(tmp_path / "answers.sqlite") as store:
        labelled, report = labels(pages, [provider], store)
    assert (len(labelled), len(provider.asked), report["from_store"]) == (20, 13, 7)


def test_rapidocr_reads_a_page_and_names_what_it_cannot_read(tmp_path):
    pages = [
        page(png("Glucose  5.4", "Sodium  139"), truth="Glucose 5.4\nSodium 139", doc_type="lab_report"),
        page(png()),
        page(b"no image"),
    ]
    with Store(tmp_path / "answers.sqlite") as store:
        labelled, report = labels(pages, [RapidOcr(processes=1)], store)
        assert [p.text for p in labelled] == ["Glucose 5.4\nSodium 139"]
    assert 0.5 < labelled[0].confidence <= 1
    assert [r["reason"] for r in report["set_aside"]] == ["empty_transcript", "transcription_failed"]
    assert "unreadable" in report["set_aside"][1]["detail"]
    (row,) = transcribe.label_quality([*labelled, page(b"1", "x", truth="x", label_origin="synthetic")])
    assert (row["doc_type"], row["cer"], row["wer"], row["exact"]) == ("lab_report", 0, 0, 1)


def test_two_processes_read_what_one_reads():
    images = [png(f"Page {n}", "Dose 5 mg") for n in range(10)]
    alone = RapidOcr(processes=1).read(images[:3])
    with RapidOcr(processes=2) as reader:
        together = reader.read(images)
    assert [a.text for a in together[:3]] == [a.text for a in alone]
    assert [a.text.split("\n")[0] for a in together] == [f"Page {n}" for n in range(10)]
    with pytest.raises(ValueError, match="at least one"):
        RapidOcr(processes=0)


def test_a_picture_that_ends_its_process_takes_no_other_with_it():
    images = [(n, b"__import__('os')._exit(1)" if n == 7 else b"%d" % n) for n in range(12)]
    pool = Pool(eval, 2)
    assert list(pool.map(images)) == [(n, None if n == 7 else n) for n in range(12)]
    pool.close()


@pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the real documents are not here")
def test_rapidocr_reads_a_real_receipt():
    image = (DOCUMENTS / "azure_forms/receipts/contoso-receipt.png").read_bytes()
    (answer,) = RapidOcr(processes=1).read([image])
    assert schema.open_image(image).width > 300
    assert "contoso" in answer.text.lower()
    assert answer.confidence > 0.8
