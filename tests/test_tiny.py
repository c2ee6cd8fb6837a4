"""The embedded base: its files, its prompt, its pretraining, and how well the shipped weights read."""

import datetime
import itertools
import json
import math
import random

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from transformers import PaddleOCRVLForConditionalGeneration

from medocr import fields, metrics, model, prepare
from medocr.demo import synthetic
from medocr.demo.tiny import FOLDER, architecture, card, corpus, pages, pretrain

STAGE = pages.Stage("test", (1, 2), 0.0, 2, 1.0)


@pytest.fixture(scope="module")
def processor():
    return model.load_processor(FOLDER)


@pytest.fixture(scope="module")
def batch(processor):
    """Two pages of one size with their tensors."""
    rng, text = random.Random(5), corpus.Text(5)
    by_size = {}
    while True:
        page = pages.draw(rng, text, STAGE)
        same = by_size.setdefault(page.size, [])
        same.append(page)
        if len(same) == 2:
            return same, pages.collate(same, processor.tokenizer)


def fresh(attn: str = "sdpa") -> PaddleOCRVLForConditionalGeneration:
    tiny = architecture.make_model(1)
    tiny.set_attn_implementation(attn)
    return tiny


def test_the_shipped_weights_are_small_safe_and_half_precision():
    assert not [file.name for file in FOLDER.iterdir() if file.suffix in (".bin", ".pt", ".pth", ".pkl", ".ckpt")]
    assert sum(file.stat().st_size for file in FOLDER.glob("*.safetensors")) <= 16e6
    with safe_open(FOLDER / "model.safetensors", "pt") as file:
        tensors = [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118
    assert {tensor.dtype for tensor in tensors} == {torch.float16}
    assert sum(tensor.numel() for tensor in tensors) <= 8e6
    assert all(tensor.isfinite().all() for tensor in tensors)


def test_the_shipped_files_are_those_that_pretraining_relies_on(processor):
    vocabulary = processor.tokenizer.get_vocab()
    assert sorted(vocabulary, key=vocabulary.get) == [*architecture.SPECIAL, *architecture.CHARACTERS]
    config = architecture.make_config()
    assert len(vocabulary) <= config.text_config.vocab_size
    numbers = (config.text_config.bos_token_id, config.text_config.eos_token_id, config.text_config.pad_token_id)
    assert numbers == (architecture.BOS, architecture.EOS, architecture.PAD)
    ends = (config.vision_start_token_id, config.image_token_id, config.vision_end_token_id)
    assert ends == (architecture.IMAGE_START, architecture.IMAGE, architecture.IMAGE_END)


def test_text_survives_the_tokenizer(processor):
    text = "".join(architecture.CHARACTERS) + " x .,! a  b\n\n Größe 5 µg ☐ ☑ ✓ ≤ 3,5 – ½"
    assert processor.tokenizer.decode(processor.tokenizer(text)["input_ids"]) == text
    assert len(processor.tokenizer("abc")["input_ids"]) == 3
    assert processor.tokenizer("漢")["input_ids"] == [architecture.UNKNOWN]
    assert processor.tokenizer("e\u0301")["input_ids"] == processor.tokenizer("é")["input_ids"]


def test_the_prompt_has_the_familys_form(processor):
    page = Image.new("RGB", (56, 28), "white")
    prompt = processor.apply_chat_template(prepare.messages(page), add_generation_prompt=True)
    assert prompt == "<s>User: <|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>OCR:\nAssistant:\n"
    assert processor.apply_chat_template(prepare.messages(page, "5 mg")) == f"{prompt}5 mg</s>"
    assert pretrain.PROMPT.format("<|IMAGE_PLACEHOLDER|>") == prompt


def test_batches_are_what_the_processor_makes_of_the_pages(batch, processor):
    drawn, tensors = batch
    images = [Image.fromarray(page.pixels).convert("RGB") for page in drawn]
    made = processor.image_processor(images, return_tensors="pt")
    assert torch.equal(made["image_grid_thw"], tensors["grid"])
    assert torch.allclose(made["pixel_values"], tensors["pixels"], atol=1e-5)


def test_every_character_has_its_place(batch):
    for page in batch[0]:
        rows, columns = page.size
        assert len(page.cells) == len(page.text)
        assert all(cell == pages.NOWHERE or 0 <= cell < rows * columns for cell in page.cells)
        breaks = [at for at, character in enumerate(page.text) if character == "\n"]
        for start, end in itertools.pairwise([-1, *breaks, len(page.text)]):
            line = [cell for cell in page.cells[start + 1 : end] if cell != pages.NOWHERE]
            assert line == sorted(line)


def test_the_letters_of_a_cell_are_those_drawn_there(batch, processor):
    drawn, tensors = batch
    letters = processor.tokenizer.batch_decode(tensors["letters"].flatten(0, 1), skip_special_tokens=True)
    joined = "".join(letters[: tensors["letters"].shape[1]])
    assert sorted(joined) == sorted(drawn[0].text.replace(" ", "").replace("\n", ""))


def test_fonts_kept_for_held_out_pages_are_never_drawn_and_others_hold_what_they_print():
    rng, text = random.Random(7), corpus.Text(7)
    assert not {corpus.family(rng) for _ in range(500)} & set(corpus.UNSEEN)
    for _ in range(20):
        draft = text.draft(rng, 10, "/somewhere/Other")
        assert len(draft.lines) == 10
        assert corpus.LATIN.issuperset(draft.text.replace("\n", ""))


def test_a_seed_gives_the_same_text_on_any_day(monkeypatch):
    class Tomorrow(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2031, 5, 6, tzinfo=tz)

    def dates():
        rng, text = random.Random(3), corpus.Text(3)
        return [text.date(rng) for _ in range(20)]

    today = dates()
    monkeypatch.setattr("faker.providers.date_time.datetime", Tomorrow)
    assert dates() == today


def test_held_out_pages_come_in_every_kind_and_in_fonts_seen_and_unseen():
    kinds = [(page.fields["kind"], page.fields["fonts"]) for page in card.held_out_pages(1)]
    general = [(kind, fonts) for fonts in card.FONTS for kind in card.GENERAL]
    assert kinds == [*general, ("prescription", "seen"), ("lab_report", "seen"), ("form", "seen")]


def test_reading_in_pretraining_is_the_models_own_forward(batch):
    _, tensors = batch
    reader = pretrain.Reader(fresh()).eval()
    with torch.no_grad():
        images = torch.stack(reader.model.model.get_image_features(tensors["pixels"], tensors["grid"]).pooler_output)
        logits = reader.read(images, tensors)
        own = fresh("eager").eval()
        placeholders = torch.full((2, images.shape[1]), architecture.IMAGE)
        before, after = (part.expand(2, -1) for part in (reader.before, reader.after))
        tokens = torch.cat((before, placeholders, after, tensors["answer"][:, :-1]), 1)
        expected = own(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            mm_token_type_ids=(tokens == architecture.IMAGE).int(),
            pixel_values=tensors["pixels"],
            image_grid_thw=tensors["grid"],
        ).logits[:, -logits.shape[1] :]
    assert torch.allclose(logits, expected, atol=1e-4)


def test_the_place_loss_wants_the_attention_at_the_next_character():
    key = torch.eye(6)[None] * 50
    places = torch.tensor([[1, 0]])  # the last two tokens look at tokens 1 and 0
    right = torch.stack((key[0, 1], key[0, 0])).expand(1, 2, 6)
    query = torch.cat((torch.zeros(1, 4, 6), right), 1)
    assert pretrain.place_loss(query, key, places, 1.0) < 1e-3
    assert pretrain.place_loss(query.flip(1), key, places, 1.0) > 1
    nowhere = torch.full_like(places, pages.NOWHERE)
    assert pretrain.place_loss(query, key, torch.where(places == 0, nowhere, places), 1.0) < 1e-3


def test_a_few_steps_teach_letters_and_write_a_checkpoint(tmp_path):
    reader = pretrain.Reader(fresh())
    stages = (pages.Stage("letters", (1, 1), 0.0, 4, 1.0, reading=False),)
    rows = pretrain.train(reader, stages, 5, every=4, max_steps=12, checkpoint=tmp_path / "weights.pt")
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert rows[-1]["letters"] < rows[0]["letters"]
    resumed = pretrain.start_reader(fresh=False, seed=1, checkpoint=tmp_path / "weights.pt")
    assert all(torch.equal(a, b) for a, b in zip(reader.parameters(), resumed.parameters(), strict=True))


def test_a_reading_step_gives_every_weight_a_gradient(batch):
    reader = pretrain.Reader(fresh())
    losses = reader(batch[1])
    sum(losses.values()).backward()
    without = [name for name, weight in reader.named_parameters() if weight.grad is None]
    assert not without
    assert all(math.isfinite(loss.item()) for loss in losses.values())


def test_a_saved_model_comes_back_and_the_folder_keeps_its_other_files(tmp_path, processor):
    (tmp_path / "README.md").write_text("stays")
    tiny = pretrain.Reader(fresh()).model
    architecture.save(tiny, processor, tmp_path)
    again = PaddleOCRVLForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32)
    assert torch.equal(again.lm_head.weight, tiny.lm_head.weight.half().float())
    assert "attn" not in (tmp_path / "config.json").read_text()
    assert (tmp_path / "README.md").read_text() == "stays"
    assert not list(tmp_path.glob(".*"))


def test_pretraining_reads_nothing_medical():
    rng = random.Random(0)
    drafts = [corpus.receipt_or_invoice(rng) for _ in range(100)]
    texts = [*corpus.WORDS, *(line.text for draft in drafts for line in draft.lines)]
    terms = {(term.kind, term.name) for text in texts for term in fields.read_terms(text) if len(term.name) > 2}
    assert not [name for kind, name in terms if kind == "drug"]
    assert {name for kind, name in terms if kind == "analyte"} <= {"color", "copper", "lead"}
    assert not set(corpus.GROUPS) & set(range(200))


def test_the_card_states_what_was_measured():
    measured = json.loads((FOLDER.parents[2] / "results/pretrain/card.json").read_text())
    assert card.figures(measured) in (FOLDER / "README.md").read_text()
    with safe_open(FOLDER / "model.safetensors", "pt") as file:
        assert measured["parameters"] == sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118


def test_the_shipped_base_reads_general_pages():
    twelve = list(synthetic.pages({"receipt": 6, "invoice": 6}, seed=12, groups=card.HELD_OUT, workers=1))
    tiny, processor = model.load("tiny")
    readings = model.read(tiny, processor, twelve, progress=False)
    rates = [min(1.0, metrics.cer(page.text, reading.text)) for page, reading in zip(twelve, readings, strict=True)]
    assert sum(rates) / len(rates) < 0.05
