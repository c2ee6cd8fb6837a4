"""A base in the Hub's own file format, which transformers does not write: loading, training, merging."""

import json
import shutil
import warnings

import pytest
import safetensors.torch
import torch
from peft import LoraConfig
from small_model import RECIPE, fill_lora, make_samples, probe_here
from torch.nn.functional import interpolate
from transformers import PaddleOCRVLForConditionalGeneration

from medocr import merge, prepare, train
from medocr import model as models
from medocr.model import reading
from medocr.train import checkpoints, data, guard
from tests.bench import equivalence
from tests.hub_shaped import make_hub_base
from tests.published import Published


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_hub_base(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def merged(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    model = models.add_lora(models.load(base, device="cpu")[0], r=4, alpha=8)
    fill_lora(model)
    model.save_pretrained(folder, save_embedding_layers=False)
    out = tmp_path_factory.mktemp("made") / "merged"
    merge.merge(base, folder, out, max_pixels=78_400)
    return folder, out


@pytest.mark.parametrize("grid", [(27, 27), (8, 20), (40, 31)])
def test_position_embeddings_are_placed_as_the_model_was_trained(base, grid):
    """PaddleOCR's and vLLM's rule: the square of learned positions, resampled bilinearly without aligned corners."""
    model, _ = models.load(base, device="cpu")
    embeddings = model.model.visual.vision_model.embeddings
    weight = embeddings.position_embedding.weight.detach()
    side = int(len(weight) ** 0.5)
    square = weight.T.reshape(1, -1, side, side)
    expected = interpolate(square, size=grid, mode="bilinear", align_corners=False)[0].flatten(1).T
    pixels = torch.zeros(grid[0] * grid[1], 3, 14, 14)
    patch = embeddings.patch_embedding(pixels).flatten(1)
    with torch.no_grad():
        placed = embeddings(pixels[None], grid_thw=torch.tensor([[1, *grid]])).squeeze(0) - patch
    torch.testing.assert_close(placed, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(341, 173), (30, 200)])
def test_logits_are_those_of_the_publishers_own_code(size, tmp_path):
    """From the page's pixels on, by an implementation that shares nothing with transformers'."""
    folder = equivalence.base(tmp_path / "base")
    model, processor = models.load(folder, device="cpu")
    image = equivalence.pages()[0].resize(size)
    found = equivalence.steps(model, processor, Published(folder), image)
    for step, (own, expected, _) in found.items():
        torch.testing.assert_close(own, expected, atol=1e-4, rtol=1e-4, msg=lambda text, step=step: f"{step}: {text}")
    resized, _, by_torch = found[equivalence.RESIZING]
    assert (resized - by_torch).abs().mean() < 1  # of 255: what vLLM's resizing differs by


@pytest.mark.parametrize(
    ("limits", "end", "refused"),
    [
        ((147_384, 2_822_400), " ", False),  # 1.0
        ((112_896, 1_003_520), "\\n", False),  # 1.5 and 1.6
        ((112_896, 1_003_520), " ", True),
    ],
)
def test_each_version_is_trained_with_the_template_that_came_with_it(base, tmp_path, limits, end, refused):
    folder = shutil.copytree(base, tmp_path / "base")
    config = json.loads((folder / "preprocessor_config.json").read_text())
    config |= dict(zip(("min_pixels", "max_pixels"), limits, strict=True))
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text(template.replace("Assistant:\\n", f"Assistant:{end}"))
    model, processor = models.load(folder, device="cpu")
    collator = data.Collator(processor, _samples_for(folder, 1))
    if refused:
        with pytest.raises(ValueError, match=r"1\.5 or 1\.6 by its pixel limits.*as 1\.0 does"):
            guard.check_inputs(model, folder, collator)
    else:
        guard.check_inputs(model, folder, collator)
        row = collator([{"row": 0}])
        learnt = processor.tokenizer.decode(row["labels"][row["labels"] != data.IGNORED])
        assert learnt == f"{collator.samples[0].answer}</s>"
        prompt = processor.tokenizer.decode(row["input_ids"][row["labels"] == data.IGNORED])
        assert prompt.endswith(f"OCR:\nAssistant:{end.encode().decode('unicode_escape')}")


def test_the_config_says_what_the_weights_are(base, merged):
    model, processor = models.load(base, device="cpu")
    assert not model.config.tie_word_embeddings
    assert not model.config.text_config.tie_word_embeddings
    assert processor.image_processor.size == {"shortest_edge": 3136, "longest_edge": 2_822_400}
    folder = merged[1]
    config = json.loads((folder / "config.json").read_text())
    assert config["tie_word_embeddings"] is config["text_config"]["tie_word_embeddings"] is False
    assert not [path.name for path in folder.glob("*.json") if "auto_map" in path.read_text()]
    assert config["vision_config"]["architectures"] == ["PaddleOCRVisionModel"]  # by which GGUF's converter knows it
    sizes = json.loads((folder / "preprocessor_config.json").read_text())
    assert (sizes["min_pixels"], sizes["max_pixels"]) == (3136, 78_400)
    assert (folder / "tokenizer.model").read_bytes() == (base / "tokenizer.model").read_bytes()
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    assert tokenizer["added_tokens_decoder"]["358"]["content"] == "<|IMAGE_START|>"  # tokenizer.model has it not
    assert tokenizer["add_bos_token"] is tokenizer["add_prefix_space"] is False  # llama.cpp would add both
    card = (folder / "README.md").read_text()
    assert "vllm serve FOLDER" in card
    assert "--chat-template-content-format openai" in card  # vLLM guesses it from the template, and may guess wrong
    assert "--trust-remote-code" not in card
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    embedding = next(tensor for name, tensor in weights.items() if name.endswith("embed_tokens.weight"))
    assert not torch.equal(weights["lm_head.weight"], embedding)
    plain = PaddleOCRVLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    assert torch.equal(plain.lm_head.weight, weights["lm_head.weight"].float())


def test_the_gate_passes_it_and_names_a_config_that_says_otherwise(base, merged, tmp_path, monkeypatch):
    adapter, folder = merged
    monkeypatch.setattr(merge.parity, "_probe_elsewhere", probe_here)
    gate = {"pages": make_samples(3), "max_pixels": 78_400, "device": "cpu"}
    verdict = merge.check_parity(base, adapter, folder, **gate)
    assert verdict.passed, verdict.why
    other = shutil.copytree(folder, tmp_path / "merged")
    config = json.loads((other / "config.json").read_text())
    config["text_config"]["tie_word_embeddings"] = True
    (other / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "modeling.Model"}}))
    why = merge.check_parity(base, adapter, other, **gate).why
    assert "its text_config says tie_word_embeddings True, the weights say False" in why
    assert any(reason.startswith("config.json has an auto_map") for reason in why)


def test_bytes_in_an_order_that_is_no_utf8_do_not_stop_reading(base):
    tokenizer = models.load_processor(base).tokenizer
    order = ["<0x0A>", "<0xE2>", "A", "l", "<0xE2>", "<0x84>", "<0x9E>"]
    pieces = reading._pieces(tokenizer, tokenizer.convert_tokens_to_ids(order))
    assert len(pieces) == len(order)
    assert "".join(pieces).endswith("l\u211e")


def test_an_answer_may_begin_with_a_character_of_several_tokens(base):
    sample = make_samples(1)[0]
    limits = models.load_processor(base).image_processor.size
    sizes = (limits["shortest_edge"], limits["longest_edge"])
    answer = "\u211e Amoxicillin 500 mg"
    values = {**vars(sample), "answer": answer, "visual_tokens": prepare.visual_tokens(*sample.open().size, *sizes)}
    values = {name: value for name, value in values.items() if name in prepare.Sample.__dataclass_fields__}
    guard.check_pages(data.Collator(models.load_processor(base), [prepare.Sample(**{**values, "id": ""})]))


def test_training_goes_on_where_validation_pages_cannot_be_read(base, tmp_path, monkeypatch):
    """Pages are read after a checkpoint is saved, so that the steps are kept whatever reading meets."""
    saved = []

    def fail(*_, **__):
        saved.append(sorted(path.name for path in (tmp_path / "run/checkpoints").glob("checkpoint-*")))
        raise RuntimeError("an image that no decoder knows")

    monkeypatch.setattr(train.trainer, "_validation_cer", fail)
    samples = _samples_for(base, 8)
    with pytest.warns(UserWarning, match="validation pages could not be read"):
        report = train.train(base, samples[:6], samples[6:], tmp_path / "run", device="cpu", **RECIPE)
    assert report["steps"] == RECIPE["max_steps"]
    assert [names[-1] for names in saved] == ["checkpoint-2", "checkpoint-4", "checkpoint-6"]
    assert report["best_cer"] is None


def test_a_killed_reading_is_made_up_for_on_resume(base, tmp_path, monkeypatch):
    samples = _samples_for(base, 8)
    real = train.trainer._validation_cer

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(train.trainer, "_validation_cer", killed)
    with pytest.raises(KeyboardInterrupt):
        train.train(base, samples[:6], samples[6:], tmp_path / "run", device="cpu", **RECIPE)
    monkeypatch.setattr(train.trainer, "_validation_cer", real)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        report = train.train(base, samples[:6], samples[6:], tmp_path / "run", device="cpu", **RECIPE)
    assert report["resumed_from"] == 2
    assert [row["step"] for row in report["history"] if "eval_cer" in row] == [2, 4, 6]


def _samples_for(base, count):
    limits = models.load_processor(base).image_processor.size
    sizes = (limits["shortest_edge"], limits["longest_edge"])
    made = []
    for sample in make_samples(count):
        values = {name: getattr(sample, name) for name in prepare.Sample.__dataclass_fields__}
        made.append(prepare.Sample(**{**values, "visual_tokens": prepare.visual_tokens(*sample.open().size, *sizes)}))
    return made


def test_a_diverged_8_bit_optimizer_is_seen(tmp_path):
    """8-bit AdamW keeps its moments in a dict within each weight's dict."""
    LoraConfig(target_modules=["w"]).save_pretrained(tmp_path)
    safetensors.torch.save_file({"w": torch.ones(2)}, tmp_path / "adapter_model.safetensors")
    quantised = {"state1": torch.zeros(2, dtype=torch.uint8), "absmax1": torch.tensor([float("nan")])}
    torch.save({"state": {0: {"step": 3, "quantised": quantised}}}, tmp_path / "optimizer.pt")
    assert checkpoints._unusable(tmp_path, None) == "the optimizer's state holds NaN or infinity"
    quantised["absmax1"] = torch.ones(1)
    torch.save({"state": {0: {"step": 3, "quantised": quantised}}}, tmp_path / "optimizer.pt")
    assert checkpoints._unusable(tmp_path, None) is None
