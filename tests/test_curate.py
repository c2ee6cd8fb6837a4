"""Gates, duplicates and balance: what must go goes by name, and what only looks alike stays."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from medocr.curate import curate
from medocr.curate.duplicates import near, same_image, same_text
from medocr.curate.gates import Limits, blank, label, look
from medocr.demo import synthetic
from medocr.schema import Page, Rejection

RECEIPT = "CORNER SHOP\nMarket Street 5\n12.03.2026 14:05\nMilk 2.50\nBread 3.10\nTotal 5.60\nCash 10.00\nThank you"


def drawn(text: str, size: tuple[int, int] = (420, 560), font_px: int = 20) -> Image.Image:
    image = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(font_px)
    for row, line in enumerate(text.split("\n")):
        draw.text((font_px, font_px * (1 + 1.6 * row)), line, fill="black", font=font)
    return image


def form(ticks: str, size: tuple[int, int] = (760, 620)) -> Image.Image:
    """A form of six rows; `ticks` has y or n for each."""
    image = drawn("\n\n".join(f"{n + 1}. Have you ever had symptom {n + 1}?   yes      no" for n in range(6)), size, 26)
    draw = ImageDraw.Draw(image)
    for row, tick in enumerate(ticks):
        top = 26 * (1 + 3.2 * row)
        for column, answer in ((560, "y"), (640, "n")):
            draw.rectangle((column, top, column + 22, top + 22), outline="black", width=2)
            if tick == answer:
                draw.line((column + 4, top + 4, column + 18, top + 18), fill="black", width=3)
                draw.line((column + 18, top + 4, column + 4, top + 18), fill="black", width=3)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def page(image: Image.Image | bytes, origin: str = "page", text: str | None = None, **fields) -> Page:
    data = image if isinstance(image, bytes) else encoded(image)
    return Page(data, origin, fields.pop("source", "folder"), text=text, **fields)


def numbered(n: int, **fields) -> Page:
    """Pages that share nothing."""
    rng = np.random.default_rng(n)
    words = ["".join(rng.choice(list("abcdefghij"), 8)) for _ in range(40)]
    return page(drawn("\n".join(" ".join(words[i : i + 4]) for i in range(0, 40, 4)), font_px=14), f"p{n}", **fields)


def noisy(image: Image.Image, seed: int, levels: float = 8) -> Image.Image:
    pixels = np.asarray(image, float) + np.random.default_rng(seed).normal(0, levels, np.asarray(image).shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def reasons(curated) -> dict[str, str]:
    return {rejection.origin: rejection.reason for rejection in curated.rejected}


# --- gates ---


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"Dear Sir or Madam", "unreadable"),
        (encoded(drawn(RECEIPT), "JPEG")[:3000], "truncated"),
        (encoded(Image.new("1", (20_000, 9_000))), "bomb"),
        (encoded(drawn("x", (40, 400))), "too_small"),
        (encoded(drawn("x", (60, 4000))), "too_narrow"),
        (encoded(Image.new("RGB", (400, 600), "white")), "blank"),
        (encoded(Image.new("RGB", (400, 600), "black")), "blank"),
        (encoded(noisy(Image.new("RGB", (400, 600), (230, 225, 210)), 0, 4)), "blank"),
        (encoded(Image.linear_gradient("L").resize((400, 600))), "blank"),
    ],
)
def test_images_that_nobody_can_read_go_by_name(data, reason):
    curated = curate([page(data, "bad"), numbered(1)])
    assert reasons(curated) == {"bad": reason}
    assert [kept.origin for kept in curated.kept] == ["p1"]


def test_one_short_line_on_an_a4_page_is_not_blank():
    a4 = drawn("Seen and signed, 12.03.2026", (1654, 2339), 34)
    assert look(page(a4), Limits()).problem is None
    assert blank(Image.new("L", (300, 400), 255), Limits())[0] == "blank"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, None),
        ("Hb 13.5 g/dl (<14) <s.c.> [x] yes [ ] no", None),
        ("p < s and s > t; <10 mg/l>", None),
        ("", "label_empty"),
        (" \n\t", "label_empty"),
        ("a" * 50_000, "label_too_long"),
        ("<s_ocr> Rx </s>", "label_markers"),
        ("Rx</s>", "label_markers"),
        ("<s_drug>Ibuprofen</s_drug>", "label_markers"),
        ("<|im_start|>user", "label_markers"),
        ("<|IMAGE_PLACEHOLDER|>OCR:", "label_markers"),
        ("<image>\nOCR:", "label_markers"),
        ("[INST] read [/INST]", "label_markers"),
        ("<start_of_turn>model", "label_markers"),
        ("Na<fcel>140<nl>", "label_markers"),
    ],
)
def test_labels(text, reason):
    problem = label(text, Limits())
    assert (problem and problem[0]) == reason


def test_limits_are_options_and_unknown_ones_are_refused():
    small = numbered(1, text="x" * 20)
    assert reasons(curate([small], max_label_characters=10)) == {"p1": "label_too_long"}
    assert reasons(curate([small], min_side_px=1000)) == {"p1": "too_small"}
    for wrong in ("64", float("nan"), None):
        with pytest.raises(ValueError, match=r"min_ink_share is .*: give a value of type float"):
            curate([], min_ink_share=wrong)
    with pytest.raises(ValueError, match="no limit 'min_width': it knows min_side_px"):
        curate([], min_width=3)
    with pytest.raises(ValueError, match="min_side_px is -1"):
        curate([], min_side_px=-1)
    with pytest.raises(ValueError, match="medical_share is 60"):
        curate([], medical_share=60)


# --- duplicates ---


def test_same_bytes_twice_keep_the_labelled_one():
    data = encoded(drawn(RECEIPT))
    curated = curate([page(data, "a"), numbered(1), page(data, "b", text=RECEIPT), page(data, "c", text="other")])
    assert [kept.origin for kept in curated.kept] == ["p1", "b"]
    assert {r.origin: r.detail for r in curated.rejected} == {
        "a": "the same bytes as b",
        "c": "the same bytes as b; its label differs",
    }


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(
    "copy",
    [
        lambda image: encoded(image, "JPEG", quality=40),
        lambda image: encoded(image, "WEBP", quality=50),
        lambda image: encoded(image.resize((image.width * 2, image.height * 2))),
        lambda image: encoded(image.resize((image.width // 2, image.height // 2))),
        lambda image: encoded(image.point(lambda level: int(level * 0.85))),
        lambda image: encoded(noisy(image, 1, 5)),
    ],
)
def test_a_page_saved_again_in_another_way_is_a_near_duplicate(copy, labelled):
    image, text = drawn(RECEIPT, (840, 1120), 40), RECEIPT if labelled else None
    curated = curate([page(image, "first", text), page(copy(image), "again", text), numbered(1), numbered(2)])
    assert reasons(curated) == {"again": "near_duplicate"}
    assert curated.rejected[0].detail == "the same page as first"


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(("old", "new"), [("5.60", "5.50"), ("2.50", "2,50"), ("12.03", "13.03"), ("Milk", "Mild")])
def test_receipts_of_one_shop_that_differ_in_one_character_both_stay(old, new, labelled):
    other = RECEIPT.replace(old, new)
    for change in (lambda image, _: image, noisy):
        pair = [
            page(change(drawn(text), seed), str(seed), text if labelled else None)
            for seed, text in enumerate((RECEIPT, other))
        ]
        assert not curate(pair).rejected


@pytest.mark.parametrize("ticks", ["yynnyy", "ynnnyn", "nynnyn"])
def test_filled_forms_of_one_template_all_stay(ticks):
    forms = [form(t) for t in ("ynnnyy", ticks, "------")]
    assert not curate([page(noisy(image, n, 3), str(n), doc_type="form") for n, image in enumerate(forms)]).rejected


def test_text_tells_where_it_can():
    report = " ".join(f"analyte{n} {n}.5 mg/dl" for n in range(60))
    assert same_text(report, report.replace(" ", "\n"))
    assert same_text(report, report.replace("7.5", "7.6")) is False
    assert same_text("[x] yes [ ] no", "[ ] yes [x] no") is False
    assert same_text(report + " negative", report + " positive") is None
    assert same_text("Rx ibuprofen as needed", "Rx paracetamol as needed") is False
    assert same_text(report, None) is None


def test_images_of_different_shape_are_different():
    assert not same_image(drawn(RECEIPT), drawn(RECEIPT, (420, 600)))
    assert same_image(drawn(RECEIPT), drawn(RECEIPT))


def test_near_duplicates_among_thousands_are_found_fast():
    rng = np.random.default_rng(0)
    pages = [Page(b"x", str(n), "folder", text=f"text {n}", id=str(n)) for n in range(4000)]
    pages[3999].text = pages[7].text
    hashes = rng.integers(0, 2**63, (4000, 4), dtype=np.uint64)
    hashes[3999] = hashes[7] ^ np.uint64(5)
    assert near(pages, hashes, 12) == {3999: 7}


def test_synthetic_pages_all_stay():
    counts = {"prescription": 30, "lab_report": 30, "form": 30, "receipt": 30, "invoice": 30}
    curated = curate(synthetic.pages(counts, groups=range(3), workers=1))
    assert curated.counts["inputs"] == curated.counts["kept"] == 150


# --- balance and counts ---


def batch(**types: int) -> list[Page]:
    """Pages that are never decoded again: one image per number."""
    pages = []
    for doc_type, count in types.items():
        pages += [numbered(len(pages) + n, doc_type=doc_type) for n in range(count)]
    return pages


@pytest.mark.parametrize(
    ("medical", "general", "kept"),
    [(12, 4, (6, 4)), (6, 9, (6, 4)), (6, 4, (6, 4)), (5, 0, (5, 0)), (0, 5, (0, 5)), (1, 9, (1, 1))],
)
def test_balance_draws_from_the_domain_that_exceeds_its_share(medical, general, kept):
    curated = curate(batch(lab_report=medical, invoice=general, unknown=2))
    domains = [p.domain for p in curated.kept]
    assert (domains.count("medical"), domains.count("general"), domains.count("unknown")) == (*kept, 2)
    assert set(reasons(curated).values()) <= {"balance"}


def test_balance_is_seeded_tolerant_and_can_be_switched_off():
    pages = batch(lab_report=4, receipt=12)
    assert reasons(curate(pages)) == reasons(curate(pages)) != reasons(curate(pages, seed=1))
    assert not curate(pages, medical_share=None).rejected
    assert not curate(batch(lab_report=17, receipt=11)).rejected
    assert curate(pages).rejected[0].detail == "25.0% of the pages were medical, 60% are wanted"


def test_every_input_is_counted_once():
    twice = numbered(1, doc_type="form")
    items = [
        Rejection("locked.pdf", "folder", "encrypted_pdf"),
        page(b"", "zero", source="invoices", doc_type="invoice"),
        *batch(lab_report=8, receipt=2),
        Page(twice.image, "twice", "folder", doc_type="form"),
        numbered(90, doc_type="unknown", text=""),
    ]
    curated = curate(iter(items))
    counts = curated.counts
    assert counts["inputs"] == len(items) == counts["kept"] + sum(counts["rejected"].values())
    assert counts["kept"] == len(curated.kept)
    assert len(curated.rejected) == sum(counts["rejected"].values())
    assert sum(row["n"] for row in counts["table"]) == len(items)
    assert {"source": "folder", "doc_type": "", "outcome": "encrypted_pdf", "n": 1} in counts["table"]
    assert {"source": "invoices", "doc_type": "invoice", "outcome": "empty", "n": 1} in counts["table"]
    assert set(counts["rejected"]) == {"encrypted_pdf", "empty", "exact_duplicate", "label_empty", "balance"}
    assert curated.require_pages() is curated


def test_nothing_in_nothing_out():
    with pytest.raises(ValueError, match=r"no page left: 0 inputs, 0 rejected \(none\)"):
        curate([]).require_pages()


def test_a_page_on_its_side_is_kept_upright():
    upright = drawn(RECEIPT)
    lying = page(upright.transpose(Image.ROTATE_90), "lying")
    (kept,) = curate([lying], turn_upright=True).kept
    assert (kept.turn, kept.open().size, kept.origin) == (90, upright.size, "lying")
    assert kept.id != lying.id
    standing = page(upright)
    assert curate([standing], turn_upright=True).kept == [standing]
    assert curate([lying]).kept[0].turn == 0
