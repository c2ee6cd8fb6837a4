import io

import pytest
from PIL import Image

from medocr import schema
from medocr.schema import Page


def png(width=40, height=30, mode="L", colour="white", form="PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height), colour).save(buffer, form)
    return buffer.getvalue()


def page(**changes) -> Page:
    return Page(**{"image": png(), "origin": "a.png#1", "source": "folder"} | changes)


def test_domain_and_id_follow_from_the_page():
    assert page(doc_type="lab_report").domain == "medical"
    assert page().domain == "unknown"
    assert page().id == page().id != page(image=png(50)).id
    with pytest.raises(ValueError, match=r"a\.png#1.*'x-ray'"):
        page(doc_type="x-ray")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"not an image at all", "unreadable"),
        (png(300, 300, "RGB", form="JPEG")[:400], "truncated"),
    ],
)
def test_an_image_that_does_not_open_has_a_named_reason(data, reason):
    with pytest.raises(ValueError, match=f"^{reason}: "):
        schema.open_image(data)


def test_a_decompression_bomb_is_refused():
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    with pytest.raises(ValueError, match=r"^bomb: "):
        schema.open_image(buffer.getvalue())


def test_images_come_upright_and_on_white():
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways
    Image.new("RGB", (40, 20)).save(buffer, "JPEG", exif=exif)
    assert schema.open_image(buffer.getvalue()).size == (20, 40)
    assert schema.open_image(png(mode="RGBA", colour=(0, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bit_scans_keep_their_greys():
    grey = Image.frombytes("I;16", (4, 4), (30_000).to_bytes(2, "little") * 16)
    buffer = io.BytesIO()
    grey.save(buffer, "PNG")
    assert schema.open_image(buffer.getvalue()).getpixel((0, 0)) == (117, 117, 117)


def test_a_12_bit_scan_in_a_16_bit_file_is_no_black_page():
    paper = Image.frombytes("I;16", (4, 4), (4_000).to_bytes(2, "little") * 16)
    buffer = io.BytesIO()
    paper.save(buffer, "PNG")
    assert schema.open_image(buffer.getvalue()).getpixel((0, 0)) == (250, 250, 250)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_letter_page_at_1200_dpi_in_one_bit_is_a_page_and_comes_shrunk(kind):
    buffer = io.BytesIO()
    page = Image.new("1", (10_200, 13_200), 1)
    page.paste(0, (5_000, 6_000, 6_000, 7_000))
    page.save(buffer, kind, **({"compression": "group4"} if kind == "TIFF" else {}))
    image = schema.open_image(buffer.getvalue())
    assert image.size == (5_100, 6_600)
    assert (image.getpixel((2_750, 3_250)), image.getpixel((10, 10))) == ((0, 0, 0), (255, 255, 255))


def test_a_fax_of_unequal_resolution_comes_in_its_true_shape():
    buffer = io.BytesIO()
    Image.new("1", (1728, 1100), 1).save(buffer, "TIFF", dpi=(204, 98))
    width, height = schema.open_image(buffer.getvalue()).size
    assert (width, height) == (1728, 2290)
