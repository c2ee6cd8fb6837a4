"""Answers, lengths, messages, the split and its leakage report, the dataset card."""

import io
import itertools
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

from medocr import prepare, storage
from medocr.prepare import split as splitting
from medocr.schema import Page

LIMITS = {"min_pixels": 28 * 28, "max_pixels": 28 * 28 * 200, "max_answer_tokens": 400}
WORDS = ["aspirin", "ibuprofen", "glucose", "sodium", "ferritin", "tablet", "daily", "twice", "evening", "mg", "total"]


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory):
    characters = "abcdefghijklmnopqrstuvwxyz0123456789 \n.:-"
    vocabulary = {token: i for i, token in enumerate(["<unk>", "</s>", *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"(?m)."), "isolated")
    tokenizer.add_special_tokens([AddedToken("</s>", special=True)])
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def draw(seed, width=84, height=84):
    """A noise image: no two seeds look alike."""
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 24), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def page(n, text=None, group=None, doc_type="receipt", image=None, **known):
    text = text or " ".join(np.random.default_rng(n).choice(WORDS, 12)) + f"\nno {n}"
    known = {"source": "test", "label_origin": "annotation", **known}
    return Page(image or draw(n), f"page{n}", doc_type=doc_type, text=text, group=group, **known)


def recipe_pages():
    """As many pages per type as the recipe has, in 120 groups per type, forms each their own."""
    counts = {"prescription": 1000, "lab_report": 426, "form": 36, "receipt": 500, "invoice": 500}
    number = itertools.count()
    image = draw(0)
    for kind, count in counts.items():
        for i in range(count):
            n = next(number)
            group = f"{kind}-{i}" if kind == "form" else f"{kind}-{i * 7 % 120}"
            yield Page(image, f"page{n}", source="test", doc_type=kind, text=f"text {n}", group=group, id=str(n))


def test_format_text():
    text = "  NAME:   Anna\u0301 \n\n Dose\t5 mg \r\n"
    assert prepare.format_text(text) == "NAME: Anná Dose 5 mg"
    assert prepare.format_text(text, "lines") == "NAME: Anná\nDose 5 mg"
    with pytest.raises(ValueError, match="'continuous' or 'lines'"):
        prepare.format_text(text, "words")


def test_messages_put_the_image_first_and_the_answer_last():
    assert [part["type"] for part in prepare.messages("image")[0]["content"]] == ["image", "text"]
    asked, answered = prepare.messages("image", "Name: Ann")
    assert asked == prepare.messages("image")[0]
    assert answered == {"role": "assistant", "content": [{"type": "text", "text": "Name: Ann"}]}


def test_visual_tokens_equal_the_processor():
    from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import PaddleOCRVLImageProcessorPil

    rng = np.random.default_rng(0)
    sizes = [(1, 1), (1, 150), (5600, 28), (28, 5599), (27, 400), (3508, 2480), (300, 250), (42, 42), (14, 70)]
    sizes += [tuple(int(2 ** rng.uniform(0, 12.5)) for _ in range(2)) for _ in range(3000)]
    for least, most in ((28 * 28, 28 * 28 * 180), (384**2, 1536**2), (28 * 28 * 256, 28 * 28 * 1280)):
        processor = PaddleOCRVLImageProcessorPil(size={"shortest_edge": least, "longest_edge": most})
        for width, height in sizes:
            try:
                expected = processor.get_number_of_image_patches(height, width) // 4
            except ValueError:
                with pytest.raises(ValueError, match="200 times"):
                    prepare.visual_tokens(width, height, least, most)
                continue
            assert prepare.visual_tokens(width, height, least, most) == expected, (width, height)
    grid = processor(Image.new("RGB", (613, 797)), return_tensors="np")["image_grid_thw"][0]
    assert prepare.visual_tokens(613, 797, least, most) == grid.prod() // 4


def test_samples_hold_answers_and_lengths_and_survive_the_file(tokenizer_file, tmp_path):
    prepared = prepare.prepare([page(n) for n in range(40)], tokenizer_file=tokenizer_file, **LIMITS)
    samples = prepared.train + prepared.validation + prepared.test
    assert len(samples) == 40
    for sample in samples:
        assert sample.answer == prepare.format_text(sample.text)
        assert sample.answer_tokens == len(sample.answer) + 1
        assert sample.visual_tokens == 9
    storage.write(tmp_path / "train.parquet", prepared.train, kind=prepare.Sample)
    assert list(storage.read(tmp_path / "train.parquet", kind=prepare.Sample)) == prepared.train


def test_what_the_model_cannot_hold_is_turned_away_by_name(tokenizer_file):
    good = [page(n) for n in range(40)]
    bad = [
        page(100, "word " * 100),
        page(101, "ends </s> here"),
        page(102, image=draw(102, 5700, 28)),
        page(103, image=b"no image"),
        page(104, " \n "),
        Page(draw(105), "page105", source="test"),
    ]
    prepared = prepare.prepare(good + bad, tokenizer_file=tokenizer_file, **LIMITS)
    assert {r.origin: r.reason for r in prepared.rejected} == {
        "page100": "answer_too_long",
        "page101": "special_token_in_text",
        "page102": "unreadable",
        "page103": "unreadable",
        "page104": "empty_label",
        "page105": "unlabelled",
    }
    assert prepared.counts["samples"] == 40
    assert sum(prepared.counts["rejected"].values()) == 6
    tight = prepare.prepare(good, tokenizer_file=tokenizer_file, context=130, **LIMITS)
    assert {r.reason for r in tight.rejected} == {"context_too_long"}
    assert all(s.visual_tokens + s.answer_tokens < 130 for s in tight.train)


def test_characters_that_the_tokenizer_lacks_are_counted(tokenizer_file):
    pages = [page(n, f"dose {n} µg µg ≥ no") for n in range(40)]
    prepared = prepare.prepare(pages, tokenizer_file=tokenizer_file, **LIMITS)
    assert prepared.counts["unknown_characters"] == {"µ": 80, "≥": 40}


def test_a_split_that_the_source_gives_is_kept_and_reported():
    stated = [page(n, group=f"template-{n % 4}", split="train" if n < 4 else "test") for n in range(12)]
    copy = page(20, text=stated[-1].text, image=stated[-1].image)
    free = [page(n) for n in range(30, 60)]
    pages = [*free, *stated, copy]
    hashes = np.array([splitting.image_hash(each.open()) for each in pages])
    parts, leakage = splitting.split(pages, hashes, (0.8, 0.1, 0.1), 0)
    where = {pages[i].origin: name for name, indices in parts.items() for i in indices}
    assert [where[each.origin] for each in stated] == [each.split for each in stated]
    assert where[copy.origin] == "test"
    assert Counter(where[each.origin] for each in free) == {"train": 24, "validation": 3, "test": 3}
    assert (leakage["groups_shared_across_splits"], leakage["groups_parted_by_their_source"]) == (0, 4)
    parts, _ = splitting.split(stated, hashes[30:-1], (0.8, 0.1, 0.1), 0)
    assert {name: len(indices) for name, indices in parts.items()} == {"train": 4, "validation": 0, "test": 8}
    with pytest.raises(ValueError, match="page0: split is 'eval', which is none of train, validation, test"):
        splitting.split([page(0, split="eval")], hashes[:1], (0.8, 0.1, 0.1), 0)


def test_the_recipe_splits_exactly_in_whole_groups():
    pages = list(recipe_pages())
    hashes = np.random.default_rng(1).integers(0, 2**63, (len(pages), 4)).astype(np.uint64)
    parts, report = splitting.split(pages, hashes, (0.8, 0.1, 0.1), 3407)
    assert sum(map(len, parts.values())) == len(set().union(*map(set, parts.values()))) == 2462
    assert 1968 <= len(parts["train"]) <= 1975
    assert abs(len(parts["validation"]) - 246) <= 1
    assert abs(len(parts["test"]) - 247) <= 1
    test = Counter(pages[i].doc_type for i in parts["test"])
    assert all(abs(test[k] - n) <= 1 for k, n in {"prescription": 100, "lab_report": 43, "receipt": 50}.items())
    assert report["groups_shared_across_splits"] == 0
    assert splitting.split(pages, hashes, (0.8, 0.1, 0.1), 3407)[0] == parts
    assert splitting.split(pages, hashes, (0.8, 0.1, 0.1), 1)[0] != parts


def test_near_duplicates_stay_together(tokenizer_file):
    """Twenty pages, each scanned four times with small changes of image and text, and no group given."""
    pages = []
    for n in range(20):
        original = Image.open(io.BytesIO(draw(n)))
        for copy in range(4):
            out = io.BytesIO()
            original.resize((84 + copy, 84)).save(out, "JPEG", quality=80 - 10 * copy)
            text = " ".join(np.random.default_rng(n).choice(WORDS, 12)) + f" no {copy}"
            pages.append(page(10 * n + copy, text, image=out.getvalue()))
    prepared = prepare.prepare(pages, tokenizer_file=tokenizer_file, **LIMITS)
    splits_of = {}
    for sample in prepared.train + prepared.validation + prepared.test:
        splits_of.setdefault(int(sample.origin[4:]) // 10, set()).add(sample.split)
    assert all(len(names) == 1 for names in splits_of.values())
    assert (len(prepared.validation), len(prepared.test)) == (8, 8)
    report = prepared.leakage
    assert report["near_duplicate_pairs"] == report["near_duplicate_pairs_kept_together"] == 20 * 6
    assert report["near_duplicate_pairs_across_splits"] == 0
    assert report["closest_by_image"]["image_bits"] > splitting.NEAR_BITS


def test_pages_of_one_document_stay_together():
    pages = [page(n, source="folder", page=n % 4 + 1, pages=4) for n in range(40)]
    for n, known in enumerate(pages):
        known.origin = f"scan{n // 4}.pdf#{n % 4 + 1}"
    hashes = np.random.default_rng(1).integers(0, 2**63, (40, 4)).astype(np.uint64)
    parts, report = splitting.split(pages, hashes, (0.8, 0.1, 0.1), 1)
    assert [len(indices) for indices in parts.values()] == [32, 4, 4]
    assert (report["groups"], report["groups_shared_across_splits"]) == (10, 0)
    assert len({pages[i].origin.partition("#")[0] for i in parts["test"]}) == 1


def test_a_number_sign_in_a_name_makes_no_group():
    pages = [page(n, source="folder") for n in range(2)]
    pages[0].origin, pages[1].origin = "Patient #1/a.png", "Patient #2/b.png"
    assert [splitting.group_of(scan) for scan in pages] == [None, None]


def test_pages_of_one_template_with_other_text_may_be_apart(tokenizer_file):
    pages = [page(n, image=draw(7, 84 + n)) for n in range(40)]
    prepared = prepare.prepare(pages, tokenizer_file=tokenizer_file, **LIMITS)
    assert len(prepared.test) == 4
    assert prepared.leakage["near_duplicate_pairs"] == 0


@pytest.mark.parametrize(("sizes", "target", "total"), [([8] * 20, 20, 16), ([9, 8, 8, 9, 9], 25, 25), ([50], 3, 0)])
def test_choose_comes_as_near_as_groups_allow(sizes, target, total):
    assert sum(sizes[i] for i in splitting.choose(sizes, target)) == total


def test_few_pages_go_through_with_a_warning_and_none_do_not(tokenizer_file):
    pages = [page(n, doc_type="unknown") for n in range(12)]
    prepared = prepare.prepare(pages, tokenizer_file=tokenizer_file, **LIMITS)
    assert [len(p) for p in (prepared.train, prepared.validation, prepared.test)] == [10, 1, 1]
    assert [w.split()[0] for w in prepared.warnings] == ["validation", "test"]
    with pytest.raises(ValueError, match="the test split is empty"):
        prepare.prepare(pages[:2], tokenizer_file=tokenizer_file, **LIMITS)
    with pytest.raises(ValueError, match="no page is left to train on"):
        prepare.prepare([], tokenizer_file=tokenizer_file, **LIMITS)
    for split in ((0.8, 0.1, 0.2), (0.8, 0.2), (0.7, 0.1, 0.1, 0.1), (float("nan"), 0.5, 0.5)):
        with pytest.raises(ValueError, match="add up to 1"):
            prepare.prepare(pages, tokenizer_file=tokenizer_file, split=split, **LIMITS)
    for wrong in ({"min_pixels": 10_000_000}, {"max_pixels": 0}, {"min_pixels": 0}, {"label_noise": 1.5}):
        with pytest.raises(ValueError, match=r"min_pixels is|label_noise is"):
            prepare.prepare(pages, tokenizer_file=tokenizer_file, **LIMITS | wrong)


def test_tokenizer_file_of_a_folder_or_a_name(tokenizer_file, tmp_path, monkeypatch):
    assert prepare.tokenizer_file(tokenizer_file.parent) == tokenizer_file
    with pytest.raises(ValueError, match="holds no tokenizer"):
        prepare.tokenizer_file(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("nobody/no-such-model-anywhere", "not//a name"):
        with pytest.raises(ValueError, match="check the name and the network"):
            prepare.tokenizer_file(name)


def test_dataset_card(tokenizer_file):
    import yaml

    pages = [page(n, doc_type=("form", "receipt")[n % 2], licence="cc-by-4.0", language="en") for n in range(40)]
    for number, each in enumerate(pages):
        each.origin = f"somebody/scans@abc123#{number}"
    prepared = prepare.prepare([*pages, page(99, "x" * 500)], tokenizer_file=tokenizer_file, **LIMITS)
    card = prepare.dataset_card(prepared, name='Pages: "a" trial')
    header = yaml.safe_load(card.split("---")[1])
    assert header["pretty_name"] == 'Pages: "a" trial'
    assert header["license"] == ["cc-by-4.0"]
    assert header["configs"][0]["data_files"][2] == {"split": "test", "path": "test.parquet"}
    assert "| test | abc123 | cc-by-4.0 | 40 |" in card
    assert "| train | 16 | 16 | 32 |" in card
    assert "answer_too_long" in card
