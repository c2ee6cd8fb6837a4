import dataclasses
import io
import json
import re
from pathlib import Path

import datasets
import pandas as pd
import pytest
from PIL import Image

from medocr import storage
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
    assert storage.write(path, iter(pages)) == 2
    assert list(storage.read(path)) == pages
    assert list(pd.read_parquet(path)["doc_type"]) == ["form", "unknown"]
    loaded = datasets.load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded[1]["image"].size == (41, 30)


def test_single_records_are_found_by_their_ids_in_the_order_asked_for(tmp_path):
    pages = [page(image=png(width), fields={"n": width}) for width in range(30, 130)]  # more than one row group
    storage.write(tmp_path / "pages.parquet", pages)
    records = storage.read(tmp_path / "pages.parquet")
    assert records.chosen([pages[80].id, pages[2].id]) == [pages[80], pages[2]]
    assert records.chosen([]) == []
    with pytest.raises(KeyError, match="nowhere"):
        records.chosen([pages[0].id, "nowhere"])


def test_reading_a_stage_that_has_not_run_says_so(tmp_path):
    with pytest.raises(ValueError, match="run the stage"):
        storage.read(tmp_path / "pages.parquet")


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "pages.parquet"
    storage.write(path, [page()])

    def broken():
        yield page()
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        storage.write(path, broken())
    assert len(list(storage.read(path))) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["pages.parquet"]


def test_atomic_replaces_a_folder(tmp_path):
    target = tmp_path / "model"
    for name in ("old", "new"):
        with storage.atomic(target) as folder:
            folder.mkdir()
            (folder / name).touch()
    assert [p.name for p in target.iterdir()] == ["new"]


def test_the_hash_of_a_folder_sees_names_and_content(tmp_path):
    (tmp_path / "a").write_text("1")
    before = storage.file_hash(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert storage.file_hash(tmp_path) != before


def test_the_hash_of_a_model_is_that_of_what_it_loads(tmp_path):
    (tmp_path / "model.safetensors").write_text("weights")
    before = storage.model_hash(tmp_path)
    (tmp_path / "README.md").write_text("said better")
    (tmp_path / "__pycache__").mkdir()
    assert storage.model_hash(tmp_path) == before
    (tmp_path / "model.safetensors").write_text("other weights")
    assert storage.model_hash(tmp_path) != before


def test_records_carry_versions(tmp_path):
    storage.write_record(tmp_path / "x.json", counts={"kept": 3})
    record = json.loads((tmp_path / "x.json").read_text())
    assert record["counts"] == {"kept": 3}
    assert record["versions"]["transformers"]
    assert record["commit"]
    assert record["machine"]["cores"]


def test_a_record_class_with_more_columns_is_written_too(tmp_path):
    @dataclasses.dataclass
    class Sample(Page):
        answer: str = ""
        tokens: int = 0

    storage.write(tmp_path / "s.parquet", [Sample(**vars(page()), answer="é", tokens=2)], Sample)
    (sample,) = storage.read(tmp_path / "s.parquet", Sample)
    assert (sample.answer, sample.tokens) == ("é", 2)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_file_is_named_and_what_to_do(tmp_path, damage):
    path = tmp_path / "pages.parquet"
    storage.write(path, [page(image=png(width), text="x" * width) for width in range(30, 90)])
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[: middle - 400] + b"\0" * 800 + content[middle + 400 :]
    path.write_bytes(content[:middle] if damage == "cut" else flipped)
    with pytest.raises(ValueError, match=r"pages\.parquet is damaged .*--from the stage"):
        list(storage.read(path))


def test_nothing_else_in_the_package_deletes():
    package = Path(storage.__file__).parent
    for path in package.rglob("*.py"):
        if path.name != "storage.py":
            assert not re.search(r"rmtree|\.unlink\(|\.rmdir\(|os\.remove", path.read_text()), path


def test_a_lock_that_is_a_link_empties_nothing(tmp_path):
    (tmp_path / "thesis").write_text("mine")
    (tmp_path / ".lock").symlink_to("thesis")
    with storage.locked(tmp_path, "busy"), pytest.raises(ValueError, match="busy"), storage.locked(tmp_path, "busy"):
        pass
    assert (tmp_path / "thesis").read_text() == "mine"


def test_json_is_utf8_whatever_the_locale_says(tmp_path, monkeypatch):
    def write_text(path, text, encoding="latin-1"):
        path.write_bytes(text.encode(encoding))

    monkeypatch.setattr(Path, "write_text", write_text)
    storage.write_json(tmp_path / "a.json", {"unit": "µmol/L"})
    assert storage.read_json(tmp_path / "a.json") == {"unit": "µmol/L"}
