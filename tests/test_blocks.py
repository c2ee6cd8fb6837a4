"""Documents in blocks: a block's file is whole or not there, what is done stays, and a change touches one block."""

import json
import sys
import zipfile

import pytest

from medocr.digitize import blocks, sources
from tests.bench.scale import Stub, draw


@pytest.fixture
def pages(tmp_path):
    draw(tmp_path / "in", 24)
    return tmp_path / "in"


class Counting(Stub):
    """A stub that counts the pages that it is asked for, and fails at a page if told to."""

    def __init__(self, fail_at: int | None = None) -> None:
        super().__init__()
        self.asked, self.fail_at = 0, fail_at

    def read(self, items):
        for pair in super().read(items):
            self.asked += 1
            if self.asked == self.fail_at:
                raise KeyboardInterrupt
            yield pair


def written(out) -> dict[str, list[str]]:
    """The sources of the documents in each block file."""
    there = {}
    for file in sorted((out / "blocks").iterdir()):
        with zipfile.ZipFile(file) as packed:
            records = [name for name in packed.namelist() if name.startswith("documents/")]
            there[file.name] = sorted(json.loads(packed.read(name))["source"] for name in records)
    return there


def test_each_document_is_in_one_block_and_done_blocks_are_passed_over(pages, tmp_path):
    reader, out = Counting(), tmp_path / "out"
    assert blocks.run(reader, [pages], out, size=4) == 24
    made = written(out)
    assert len(made) > 2
    assert sorted(name for names in made.values() for name in names) == [f"{n:06}.png" for n in range(24)]
    assert not list((out / "work").iterdir())
    assert blocks.run(reader, [pages], out, size=4) == 0
    assert reader.asked == 24
    assert out.stat().st_mode & 0o077 == 0


def test_a_run_that_was_stopped_goes_on_and_leaves_no_half_block(pages, tmp_path):
    reader, out = Counting(fail_at=11), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        blocks.run(reader, [pages], out, size=4)
    done = sum(map(len, written(out).values()))
    assert 0 < done < 11
    (out / "blocks/.torn.zip.1.tmp").write_bytes(b"half")
    reader.fail_at = None
    assert blocks.run(reader, [pages], out, size=4) == 24 - done
    assert sum(map(len, written(out).values())) == 24
    assert all(name.endswith(".zip") for name in written(out))


def test_a_document_more_changes_one_block(pages, tmp_path):
    reader = Stub()().about
    before = {block.id for block in blocks.blocks(sources.find([pages]), reader, 4)}
    (pages / "000000a.png").write_bytes((pages / "000001.png").read_bytes())
    after = {block.id for block in blocks.blocks(sources.find([pages]), reader, 4)}
    assert len(before - after) == 1
    assert {block.id for block in blocks.blocks(sources.find([pages]), {**reader, "hash": "1"}, 4)}.isdisjoint(after)


def test_names_that_never_end_a_block_do_not_make_it_endless(tmp_path):
    made = list(blocks.blocks([sources.Source(tmp_path, "a", ())] * 1000, {}, 64))
    assert max(len(block.sources) for block in made) <= 256


def test_a_second_run_into_the_same_folder_is_refused(pages, tmp_path):
    with blocks.alone(tmp_path / "out"), pytest.raises(ValueError, match="another run is digitising into"):
        blocks.run(Stub(), [pages], tmp_path / "out")


def test_without_ray_it_is_said_what_to_install(pages, tmp_path, monkeypatch):
    for name in ("ray", "ray.data"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=r"pip install 'medocr\[ray\]'"):
        blocks.run(Stub(), [pages], tmp_path / "out", readers=2)
