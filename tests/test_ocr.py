"""Pages read by RapidOCR: which way up, how long, and in what order their boxes are read."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rapidocr
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from rapidocr.ch_ppocr_rec import TextRecOutput

import medocr
from medocr import metrics, ocr
from medocr.ocr import engine, overprint, reading_order
from medocr.ocr.engine import unread

LINES = (
    "City Laboratory, 12 High Street",
    "Patient: Maria Keller  DOB: 02/03/1961",
    "Glucose 105 mg/dL 70 - 99 H",
    "Sodium 139 mmol/L 135 - 145",
    "Creatinine 0.85 mg/dL 0.60 - 1.10",
    "Haemoglobin 13.4 g/dL 12.0 - 15.5",
    "Metformin 500 mg tablet twice daily",
    "Reported on 14/05/2024 by Dr. Weber",
)
TURNS = {0: None, 90: Image.ROTATE_90, 180: Image.ROTATE_180, 270: Image.ROTATE_270}


def drawn(lines=LINES, width=900, pitch=52, size=26):
    """A white page of printed lines."""
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
    page = Image.new("RGB", (width, pitch * len(lines) + 80), "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(page).text((50, 40 + pitch * number), line, "black", font)
    return page


@pytest.mark.parametrize("turn", TURNS)
def test_a_page_is_turned_upright_before_it_is_read(turn):
    page = drawn() if TURNS[turn] is None else drawn().transpose(TURNS[turn])
    result = ocr.read(page)
    assert result.turn == turn
    assert metrics.cer("\n".join(LINES), result.text) < 0.02
    assert len(result.lines) == len(LINES)
    assert all(line.box[2] - line.box[0] > line.box[3] - line.box[1] for line in result.lines)
    assert result.confidence > 0.9
    assert len(result.sure) == len(result.text)
    assert 0 < min(result.sure) < result.confidence < max(result.sure) <= 1


def test_a_page_is_stood_upright():
    stood, turn = ocr.upright(drawn(LINES[2:4]).transpose(Image.ROTATE_270))
    assert (stood.size, turn) == (drawn(LINES[2:4]).size, 270)


def test_a_long_receipt_is_read_in_pieces():
    lines = [f"Item {n:03d} bandage {n % 7} x 2.50 {n * 2.5:.2f}" for n in range(36)]
    page = drawn(lines, width=760, pitch=104)
    assert page.height > 3_700
    result = ocr.read(page)
    assert metrics.cer("\n".join(lines), result.text) <= 0.01
    tops = [line.box[1] for line in result.lines]
    assert tops == sorted(tops)
    assert tops[-1] > 3_600


def test_a_recogniser_of_another_language_is_a_file_or_its_absence_is_named(tmp_path):
    assert ocr.read(drawn(LINES[2:4]), str(engine.MODELS / engine.SHIPPED[1])).text.startswith("Glucose 105 mg/dL")
    ocr.check_installed("de")
    if not (engine.MODELS / "devanagari_PP-OCRv5_rec_mobile.onnx").is_file():
        with pytest.raises(ValueError, match=r"devanagari_PP-OCRv5_rec_mobile\.onnx into .*models"):
            ocr.check_installed("devanagari")
    for unknown, said in (("klingon", "cyrillic"), (str(tmp_path / "my.onnx"), "no such file")):
        with pytest.raises(ValueError, match=said):
            ocr.check_installed(unknown)


def test_reading_takes_denormal_numbers_as_zero_and_leaves_other_code_its_own(monkeypatch):
    while_reading = []
    smallest = np.float32(1e-40)

    def recognised(*_):
        while_reading.append(smallest * np.float32(1))
        return TextRecOutput(txts=("5",), scores=(0.9,))

    monkeypatch.setattr(engine.RapidOCR, "recognize_txt", recognised)
    assert ocr._engine(True, "").read_line(np.asarray(drawn(LINES[:1]))) == ("5", 0.9)
    assert while_reading == [0]
    assert smallest * np.float32(1) > 0


def test_a_page_without_print_has_no_text():
    result = ocr.read(Image.new("RGB", (300, 400), "white"))
    assert (result.text, result.confidence, result.turn) == ("", None, 0)


def box(left, top, right, bottom, angle=0.0):
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return corners @ turn


def joined(*placed, angle=0.0):
    """`placed` holds (text, left, top, right, bottom); given to the rules in no order."""
    shuffled = [placed[i] for i in np.random.default_rng(0).permutation(len(placed))]
    return text_of(np.array([box(*where, angle) for _, *where in shuffled]), [p[0] for p in shuffled])


def text_of(corners, texts):
    return "\n".join(" ".join(texts[i] for i in row) for row in reading_order.rows(corners, texts))


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
    assert reading_order.rows(np.empty((0, 4, 2)), []) == []


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
    assert text_of(np.array(boxes), texts).splitlines() == texts


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


def results(*names, pitch=44, line=24, values="top"):
    """Boxes of a table whose names may have several lines; the values stand beside the first or in the middle."""
    placed, y = [], 100
    for number, name in enumerate(names):
        lines = name.split("\n")
        placed += [(text, 10, y + line * n, 10 + 9 * len(text), y + line * n + 18) for n, text in enumerate(lines)]
        at = y + (line * (len(lines) - 1) / 2 if values == "centre" else 0)
        cells = ((f"{number}.5", 300), ("mmol/L", 400), ("1.0 - 7.0", 500))
        placed += [(text, x, at, x + 9 * len(text), at + 18) for text, x in cells]
        y += pitch + line * (len(lines) - 1)
    return [*placed, ("Reviewed by a physician", 10, y + 40, 220, y + 58)]


@pytest.mark.parametrize("values", ["top", "centre"])
def test_a_name_of_two_lines_is_one_row_with_its_values(values):
    names = ("Glucose", "Haemoglobin A1c\n(glycated)", "Thyroid stimulating\nhormone", "Sodium")
    lines = [f"{name} {n}.5 mmol/L 1.0 - 7.0".replace("\n", " ") for n, name in enumerate(names)]
    assert joined(*results(*names, values=values)).splitlines() == [*lines, "Reviewed by a physician"]


def test_headings_and_remarks_between_the_rows_of_a_table_stay_lines():
    heading = [("Glucose\nLIPIDS:", "LIPIDS:"), ("Glucose\nRepeat the sample fasting, please call", "Repeat")]
    for name, begins in heading:
        text = joined(*results(name, "Cholesterol", "Triglycerides"))
        assert text.splitlines()[0] == "Glucose 0.5 mmol/L 1.0 - 7.0"
        assert text.splitlines()[1].startswith(begins)


def test_prices_stay_in_the_rows_of_what_they_price():
    goods = ["Lettuce x1", "Apples 1kg x3", "Chicken x4", "Sub-total", "TAX (10%)", "To pay"]
    left = [(name, 10, 100 + 25 * n, 110, 118 + 25 * n) for n, name in enumerate(goods)]
    right = [(f"{n}.84", 220, 101 + 25 * n, 280, 119 + 25 * n) for n in range(6)]
    assert joined(*left, *right).splitlines() == [f"{name} {n}.84" for n, name in enumerate(goods)]


@pytest.mark.parametrize(
    ("read", "meant"), [("□ Yes 口No", "☐ Yes ☐No"), ("5 \u03bcg（oral）", "5 \u00b5g(oral)"), ("人口：5", "人口：5")]
)
def test_signs_that_look_the_same_are_spelt_the_same(read, meant):
    assert ocr._tidy(read) == meant


def test_print_that_gives_no_text_lowers_the_confidence_and_is_said():
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 26)
    page = Image.new("RGB", (760, 260), "white")
    lines = ("Glucose 105 mg/dL", "Пациент: Мария Иванова", "Рекомендации врача")  # the wheel's model knows no Cyrillic
    for number, line in enumerate(lines):
        ImageDraw.Draw(page).text((50, 40 + 60 * number), line, "black", font)
    result = ocr.read(page)
    assert result.text.splitlines()[0] == lines[0]
    assert 0.4 < result.unread < 0.9
    assert result.confidence < 0.6


def test_what_counts_as_hardly_any_text():
    corners = np.array([box(0, 0, 200, 20), box(0, 30, 200, 50), box(0, 60, 200, 80), box(0, 90, 20, 110)])
    assert unread(corners, ("Glucose 105 mg/dL", ": .", "STaR HATE", "☐"), (0.9, 0.9, 0.4, 0.9)) == (20.0, 31.0)


def marked(draw_over, text="Warfarin 5 mg once daily", colour="black", size=26, ground="white"):
    """What is said of one printed line over which something is drawn."""
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
    page = Image.new("RGB", (600, 100), ground)
    canvas = ImageDraw.Draw(page)
    canvas.text((40, 30), text, colour, font)
    left, top, right, bottom = canvas.textbbox((40, 30), text, font)
    draw_over(canvas, (left, top, right, bottom))
    grown = (bottom - top) // 4  # as the search for text widens its boxes
    corners = np.array([[(left, top - grown), (right, top - grown), (right, bottom + grown), (left, bottom + grown)]])
    return overprint.find(np.asarray(page), corners.astype(float), [text])[0]


def through(canvas, box, slope=0):
    middle = (box[1] + box[3]) / 2
    canvas.line((box[0] - 5, middle + slope, box[2] + 5, middle - slope), "black", 3)


def stamp(canvas, box):
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 30)
    canvas.text((box[0] + 90, box[1] - 4), "CRITICAL", (200, 30, 30), font)


def nothing(canvas, box):
    pass


@pytest.mark.parametrize(
    ("mark", "how"),
    [
        ("struck out", {"draw_over": through}),
        ("struck out", {"draw_over": lambda canvas, box: through(canvas, box, slope=2)}),
        ("struck out", {"draw_over": through, "size": 18}),
        ("stamped over", {"draw_over": stamp}),
        ("", {"draw_over": nothing}),
        ("", {"draw_over": nothing, "colour": (200, 30, 30)}),
        ("", {"draw_over": nothing, "colour": "white", "ground": "black"}),
        ("", {"draw_over": nothing, "text": "Calcium ------ not done"}),
        ("", {"draw_over": nothing, "text": "--------------------"}),
        ("", {"draw_over": lambda canvas, box: canvas.line((box[0], box[3] + 3, box[2], box[3] + 3), "black", 2)}),
        ("", {"draw_over": lambda canvas, box: canvas.text((box[2], box[1]), " H", (200, 30, 30))}),
        ("", {"draw_over": lambda canvas, box: canvas.rectangle((0, 0, 40, 99), (200, 30, 30))}),
    ],
)
def test_a_line_that_is_struck_out_or_stamped_over_is_told_from_others(mark, how):
    assert marked(**how) == mark


def test_a_struck_out_line_is_read_with_little_confidence():
    page = drawn()
    ImageDraw.Draw(page).line((45, 40 + 52 * 6 + 16, 520, 40 + 52 * 6 + 14), "black", 3)
    marks = {line.text.split()[0]: (line.mark, line.confidence < 0.5) for line in ocr.read(page).lines}
    assert marks.pop("Metformin") == ("struck out", True)
    assert set(marks.values()) == {("", False)}


def test_the_readers_engine_keeps_no_number_of_this_machine_and_sends_none(tmp_path):
    models = Path(rapidocr.__file__).parent.glob("models/*.onnx")
    smallest = min(models, key=lambda path: path.stat().st_size)
    code = f"import medocr, onnxruntime; onnxruntime.InferenceSession({str(smallest)!r})"
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment = {**kept, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=Path(medocr.__file__).parents[1], env=environment, check=True)
    assert list(tmp_path.rglob("*onnxruntime*")) == []
