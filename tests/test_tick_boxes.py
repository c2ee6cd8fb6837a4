"""Tick boxes drawn on pages: found, judged, and put into the text; letters and framed figures are none."""

import io
import unicodedata

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from medocr import ocr
from medocr.demo import synthetic
from medocr.ocr import tick_boxes

FONT = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 26)
SIDE = 28
MARKS = {
    "nothing": [],
    "cross": [((0.1, 0.1), (0.9, 0.9)), ((0.1, 0.9), (0.9, 0.1))],
    "tick": [((0.2, 0.5), (0.45, 0.8)), ((0.45, 0.8), (0.85, 0.15))],
    "wide tick": [((-0.1, 0.4), (0.4, 0.9)), ((0.4, 0.9), (1.4, -0.5))],
    "filled": [((0.0, y / 10), (1.0, y / 10)) for y in range(1, 10)],
}


def page(rows, marks=(), pitch=60, size=(900, 1000)):
    """Rows of (label, mark) pairs, each a box with its label on the right."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for number, row in enumerate(rows):
        x, y = 60, 80 + pitch * number
        for label, mark in row:
            if mark is not None:
                draw.rectangle([x, y, x + SIDE, y + SIDE], outline="black", width=3)
                for (a, b), (c, d) in MARKS[mark]:
                    draw.line([x + a * SIDE, y + b * SIDE, x + c * SIDE, y + d * SIDE], fill="black", width=3)
                x += SIDE + 12
            draw.text((x, y - 2), label, "black", FONT)
            x += 200
    return image


def signs(image):
    """The signs in reading order: by rows of 60 px, then from the left."""
    found = tick_boxes.find(np.asarray(image))
    return "".join(tick.sign for tick in sorted(found, key=lambda tick: (tick.box[1] // 30, tick.box[0])))


def test_a_marked_box_is_ticked_and_the_others_are_not():
    image = page([[("Yes", mark), ("No", "nothing")] for mark in MARKS])
    assert signs(image) == "☐☐☑☐☑☐☑☐☑☐"
    assert signs(image.rotate(90, expand=True)).count("☑") == 4


def test_boxes_of_a_dozen_pixels_are_found_on_a_small_page():
    forms = synthetic.pages({"form": 8}, seed=5, unlabelled=(), workers=1)
    for form in forms:
        found = signs(Image.open(io.BytesIO(form.image)).convert("RGB"))
        assert [found.count(sign) for sign in "☑☐"] == [form.truth.count(sign) for sign in "☑☐"]


def test_letters_are_no_boxes():
    words = "ODD BOND DOOR 0080 D O Q B 8 H HELLO EBB Do On Be"
    image = page([[(words, None)]] * 3 + [[("D", None), ("O", None), ("口", None), ("B", None)]] * 3)
    assert tick_boxes.find(np.asarray(image)) == []


def test_the_box_is_where_it_is_drawn_and_is_taken_out():
    image = np.asarray(page([[("Yes", "cross")]]))
    (tick,) = tick_boxes.find(image)
    assert max(abs(np.subtract(tick.box, (60, 80, 60 + SIDE, 80 + SIDE)))) <= 2
    assert tick.confidence == 1
    assert tick_boxes.erased(image, [tick])[70:115, 50:95].min() == 255


def test_boxes_come_with_their_labels_and_figures_in_frames_stay_figures():
    rows = [[("Yes", "nothing"), ("No", "cross")], [("Diabetes", "tick"), ("Asthma", "nothing")]]
    image = page([*rows, [("Hot dog", "nothing")]], size=(720, 300))
    ImageDraw.Draw(image).text((67, 200), "4", "black", ImageFont.truetype(FONT.path, 22))
    text = unicodedata.normalize("NFKC", ocr.read(image).text)  # a framed 4 may be read as ④
    assert text.splitlines() == ["☐ Yes ☑ No", "☑ Diabetes ☐ Asthma", "4 Hot dog"]


def test_text_that_goes_on_behind_a_box_is_parted_there():
    corners = np.array([[100, 10], [300, 10], [300, 40], [100, 40]], float)
    read = ocr.Piece(corners, "Smoker Diabetes", 0.9, [0.9] * 6 + [0.8] * 8)
    both = ocr._with_ticks([read], [tick_boxes.TickBox((182, 12, 208, 38), True, 1.0)])
    assert [piece.text for piece in both] == ["Smoker", "Diabetes", "☑"]
    assert [piece.sure for piece in both] == [[0.9] * 6, [0.8] * 8, [1.0]]
    assert [piece.corners[:, 0].max() for piece in both] == [182, 300, 208]
