"""Reading order, the store, the local annotator, and transcription from end to end."""

import io
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from medocr import schema, transcribe
from medocr.schema import Page
from medocr.transcribe import Answer, RapidOcr, Store, rapid, reading_order

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


def box(left, top, right, bottom, angle=0.0):
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return corners @ turn


def joined(*placed, angle=0.0):
    """`placed` holds (text, left, top, right, bottom); given to the rules in no order."""
    shuffled = [placed[i] for i in np.random.default_rng(0).permutation(len(placed))]
    return reading_order.join(np.array([box(*where, angle) for _, *where in shuffled]), [p[0] for p in shuffled])


TABLE = [
    ("Glucose", 10, 100, 120, 120),
    ("5.4", 200, 103, 240, 121),
    ("mmol/L", 300, 98, 380, 120),
    ("Sodium", 10, 130, 110, 150),
    ("139", 200, 131, 240, 149),
    ("mmol/L", 300, 128, 380, 150),
]


def test_cells_of_a_row_become_a_line():
    assert joined(*TABLE) == "Glucose 5.4 mmol/L\nSodium 139 mmol/L"
    assert reading_order.join(np.empty((0, 4, 2)), []) == ""


@pytest.mark.parametrize("angle", [-0.06, 0.06])
def test_a_page_slightly_rotated_reads_the_same(angle):
    assert joined(*TABLE, angle=angle) == joined(*TABLE)


def test_a_photograph_from_the_side_keeps_its_lines_apart():
    """Lines slope by 12 % at the top and not at all at the bottom; the second one is short."""
    boxes, texts = [], []
    for n in range(12):
        slope, width = 0.12 * (1 - n / 11), 500 if n != 1 else 150
        at = np.array([20, 50 + 24 * n])
        corners = np.array([[0, 0], [width, width * slope], [width, width * slope + 16], [0, 16]]) + at
        boxes.append(corners)
        texts.append(f"line {n}")
    assert reading_order.join(np.array(boxes), texts).splitlines() == texts


def test_a_tall_title_beside_two_lines_does_not_merge_them():
    text = joined(("INVOICE", 10, 10, 200, 70), ("Number 17", 300, 12, 400, 30), ("Date 5 May", 300, 48, 400, 66))
    assert text.splitlines()[0] in ("Number 17", "INVOICE")
    assert len(text.splitlines()) == 3


def test_a_stamp_of_several_lines_stays_in_lines():
    stamp = [("PAID", 300, 98, 360, 118), ("12 May", 300, 114, 365, 134), ("Desk 3", 300, 131, 362, 150)]
    lines = joined(("Total", 10, 100, 60, 120), *stamp).splitlines()
    assert lines == ["Total PAID", "12 May", "Desk 3"]


def test_two_columns_of_prose_are_read_one_after_the_other():
    left = [(f"words on the left {n}", 10, 100 + 25 * n, 280 - n, 118 + 25 * n) for n in range(6)]
    right = [(f"words on the right {n}", 310, 101 + 25 * n, 590 - n, 119 + 25 * n) for n in range(6)]
    title, end = ("Heading over both", 100, 20, 500, 50), ("Page 1 of 1, of the whole document", 50, 400, 560, 420)
    expected = [title[0], *(c[0] for c in left), *(c[0] for c in right), end[0]]
    assert joined(title, end, *left, *right).splitlines() == expected


def test_prices_stay_in_the_rows_of_what_they_price():
    goods = ["Lettuce x1", "Apples 1kg x3", "Chicken x4", "Sub-total", "TAX (10%)", "To pay"]
    left = [(name, 10, 100 + 25 * n, 110, 118 + 25 * n) for n, name in enumerate(goods)]
    right = [(f"{n}.84", 220, 101 + 25 * n, 280, 119 + 25 * n) for n in range(6)]
    assert joined(*left, *right).splitlines() == [f"{name} {n}.84" for n, name in enumerate(goods)]


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


@pytest.mark.parametrize(
    ("read", "meant"), [("□ Yes 口No", "☐ Yes ☐No"), ("5 \u03bcg（oral）", "5 \u00b5g(oral)"), ("人口：5", "人口：5")]
)
def test_signs_that_look_the_same_are_spelt_the_same(read, meant):
    assert rapid._tidy(read) == meant


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


@pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the real documents are not here")
def test_rapidocr_reads_a_real_receipt():
    image = (DOCUMENTS / "azure_forms/receipts/contoso-receipt.png").read_bytes()
    (answer,) = RapidOcr(processes=1).read([image])
    assert schema.open_image(image).width > 300
    assert "contoso" in answer.text.lower()
    assert answer.confidence > 0.8
