import dataclasses
import io
import json

import datasets
import pandas as pd
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


def test_a_page_survives_the_file_and_opens_in_pandas_and_datasets(tmp_path):
    pages = [page(doc_type="form", fields={"a": [1, "µ"]}, text="x\ny"), page(image=png(41), confidence=0.5)]
    path = tmp_path / "pages.parquet"
    assert schema.write(path, iter(pages)) == 2
    assert list(schema.read(path)) == pages
    assert list(pd.read_parquet(path)["doc_type"]) == ["form", "unknown"]
    loaded = datasets.load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded[1]["image"].size == (41, 30)


def test_single_records_are_found_by_their_ids_in_the_order_asked_for(tmp_path):
    pages = [page(image=png(width), fields={"n": width}) for width in range(30, 130)]  # more than one row group
    schema.write(tmp_path / "pages.parquet", pages)
    records = schema.read(tmp_path / "pages.parquet")
    assert records.chosen([pages[80].id, pages[2].id]) == [pages[80], pages[2]]
    assert records.chosen([]) == []
    with pytest.raises(KeyError, match="nowhere"):
        records.chosen([pages[0].id, "nowhere"])


def test_domain_and_id_follow_from_the_page():
    assert page(doc_type="lab_report").domain == "medical"
    assert page().domain == "unknown"
    assert page().id == page().id != page(image=png(50)).id
    with pytest.raises(ValueError, match=r"a\.png#1.*'x-ray'"):
        page(doc_type="x-ray")


def test_reading_a_stage_that_has_not_run_says_so(tmp_path):
    with pytest.raises(ValueError, match="run the stage"):
        schema.read(tmp_path / "pages.parquet")


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "pages.parquet"
    schema.write(path, [page()])

    def broken():
        yield page()
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        schema.write(path, broken())
    assert len(list(schema.read(path))) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["pages.parquet"]


def test_atomic_replaces_a_folder(tmp_path):
    target = tmp_path / "model"
    for name in ("old", "new"):
        with schema.atomic(target) as folder:
            folder.mkdir()
            (folder / name).touch()
    assert [p.name for p in target.iterdir()] == ["new"]


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


def test_the_hash_of_a_folder_sees_names_and_content(tmp_path):
    (tmp_path / "a").write_text("1")
    before = schema.file_hash(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert schema.file_hash(tmp_path) != before


def test_the_hash_of_a_model_is_that_of_what_it_loads(tmp_path):
    (tmp_path / "model.safetensors").write_text("weights")
    before = schema.model_hash(tmp_path)
    (tmp_path / "README.md").write_text("said better")
    (tmp_path / "__pycache__").mkdir()
    assert schema.model_hash(tmp_path) == before
    (tmp_path / "model.safetensors").write_text("other weights")
    assert schema.model_hash(tmp_path) != before


def test_records_carry_versions(tmp_path):
    schema.write_record(tmp_path / "x.json", counts={"kept": 3})
    record = json.loads((tmp_path / "x.json").read_text())
    assert record["counts"] == {"kept": 3}
    assert record["versions"]["transformers"]


def test_a_record_class_with_more_columns_is_written_too(tmp_path):
    @dataclasses.dataclass
    class Sample(Page):
        answer: str = ""
        tokens: int = 0

    schema.write(tmp_path / "s.parquet", [Sample(**vars(page()), answer="é", tokens=2)], Sample)
    (sample,) = schema.read(tmp_path / "s.parquet", Sample)
    assert (sample.answer, sample.tokens) == ("é", 2)
