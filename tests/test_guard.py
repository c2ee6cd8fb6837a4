"""Ten misconfigurations that made other people's fine-tunings worse, each named before the first step."""

import dataclasses
import types

import pytest
import safetensors.torch
import torch
from small_model import RECIPE, make_base, make_samples
from test_train import _samples, _swapped

from medocr import model as models
from medocr import train
from medocr.demo import synthetic
from medocr.train import checkpoints, data, guard, trainer


@pytest.fixture
def parts(base):
    model, processor = models.load(base, device="cpu")
    return model, processor, data.Collator(processor, make_samples(4))


def test_a_sound_set_up_passes_and_leaves_the_model_as_it_was(base, parts):
    model, _, collator = parts
    guard.check_pages(collator)
    guard.check_base_model(model, base)
    tuned = models.add_lora(model, 4, 4)
    guard.check_lora(tuned)
    before = {name: value.clone() for name, value in tuned.state_dict().items()}
    guard.check_learning_rate(tuned, collator, 1e-3, "float32")
    assert all(torch.equal(value, before[name]) for name, value in tuned.state_dict().items())
    assert all(parameter.grad is None for parameter in tuned.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda template: template.replace('"User: "', '"<|im_start|>user "'), "of another model"),
        (lambda template: template.replace("{{- part.text -}}{{- eos_token -}}", "{{- part.text -}}"), "end token"),
        (_swapped, "image before the text"),
    ],
)
def test_a_wrong_template_is_named(change, message, parts):
    _, processor, collator = parts
    processor.chat_template = change(processor.chat_template)
    with pytest.raises(ValueError, match=message):
        guard.check_pages(collator)


def test_labels_over_the_prompt_are_named(parts):
    collator = parts[2]
    part = collator.encoded(0)
    collator.kept[0] = {**part, "labels": part["ids"]}
    with pytest.raises(ValueError, match="labels cover the prompt"):
        guard.check_pages(collator)


def test_pages_prepared_under_other_pixel_limits_are_named(parts):
    collator = parts[2]
    collator.samples[0] = dataclasses.replace(collator.samples[0], visual_tokens=99)
    with pytest.raises(ValueError, match="had 99 when it was prepared: the pixel limits differ"):
        guard.check_pages(collator)


def test_aligned_corners_are_named(base, parts):
    parts[0].model.visual.vision_model.embeddings.interpolation_align_corners = True
    with pytest.raises(ValueError, match="aligned corners"):
        guard.check_base_model(parts[0], base)


@pytest.mark.parametrize("lie", ["config", "weights"])
def test_a_head_that_is_tied_in_one_place_only_is_named(lie, tmp_path):
    folder = make_base(tmp_path / "base")
    model = models.load(folder, device="cpu")[0]
    if lie == "config":
        model.config.text_config.tie_word_embeddings = not model.config.text_config.tie_word_embeddings
    else:  # a file with a head of its own, which a tied model did not take
        path = folder / "model.safetensors"
        weights = safetensors.torch.load_file(path)
        weights["lm_head.weight"] = torch.ones_like(model.lm_head.weight)
        safetensors.torch.save_file(weights, path)
    with pytest.raises(ValueError, match="tied to the embedding"):
        guard.check_base_model(model, folder)


def test_lora_without_the_projector_is_named(parts):
    tuned = models.add_lora(parts[0], 4, 4)
    for name, parameter in tuned.named_parameters():
        if "projector" in name:
            parameter.requires_grad = False
    with pytest.raises(ValueError, match="nothing in the projector"):
        guard.check_lora(tuned)


def test_full_fine_tuning_left_on_is_named(parts):
    tuned = models.add_lora(parts[0], 4, 4)
    tuned.requires_grad_(True)
    with pytest.raises(ValueError, match="full fine-tuning is left on"):
        guard.check_lora(tuned)


def test_a_learning_rate_that_diverges_is_named_before_the_first_step(tmp_path):
    """On the embedded model, which has something to lose: noise would stay at chance."""
    pages = _samples([page for page in synthetic.pages({"receipt": 2}, workers=1) if page.text])
    with pytest.raises(
        ValueError, match=r"learning rate 0\.05 diverges: 3 trial steps took the loss .* from 0\.\d+ to"
    ):
        train.train("tiny", pages, [], tmp_path, **{**RECIPE, "r": 64, "alpha": 64, "learning_rate": 5e-2})
    assert not checkpoints.saved(tmp_path / "checkpoints")


def test_a_base_that_was_never_trained_is_named_before_the_first_step(base, samples, tmp_path):
    with pytest.raises(ValueError, match="does not look pretrained"):
        train.train(base, samples[:4], [], tmp_path, **{**RECIPE, "learning_rate": 1e-4, "pretrained": True})
    assert not checkpoints.saved(tmp_path / "checkpoints")


def test_the_embedded_base_need_not_read_real_scans(base, samples):
    """Its weights are known; what it has never seen, such as a receipt's photograph, it reads like chance."""
    loaded = models.load(base)
    collator = data.Collator(loaded[1], samples[:2])
    assert guard.check_pretrained(loaded[0], collator, 2, 9.0, True) > guard.UNREAD
    with pytest.raises(ValueError, match="does not look pretrained"):
        guard.check_pretrained(loaded[0], collator, 2, 9.0)


def test_training_stops_where_general_reading_collapses_and_the_checkpoint_before_is_kept(
    base, samples, tmp_path, monkeypatch
):
    general = iter([0.05, 0.10, 0.60])  # the base's, then at each checkpoint
    scores = lambda *_: {"eval_cer": 0.5, "general_cer": next(general)}  # noqa: E731
    monkeypatch.setattr(trainer, "_validation_cer", scores)
    monkeypatch.setattr(guard, "check_pretrained", lambda *_: 0.0)
    with pytest.warns(UserWarning, match="step 4: general pages are read at a CER of 0.60, by the base at 0.05"):
        report = train.train(base, samples[:10], samples[10:], tmp_path, **{**RECIPE, "pretrained": True})
    assert report["steps"] == 4
    assert report["best_step"] == 2  # though the validation loss is lower at step 4
    losses = {row["step"]: row["eval_loss"] for row in report["history"] if "eval_loss" in row}
    assert losses[4] < losses[2]


def test_general_pages_are_judged_only_where_there_are_enough():
    samples = [dataclasses.replace(sample, domain="general") for sample in make_samples(4)]
    readings = [types.SimpleNamespace(text=sample.answer) for sample in samples]
    assert guard.general_cer(samples, readings) == 0
    assert guard.general_cer(samples[:3], readings[:3]) is None
    assert not guard.collapsed(None, 1.0)
    assert not guard.collapsed(0.1, 0.29)
    assert guard.collapsed(0.1, 0.31)
