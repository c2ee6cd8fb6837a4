"""The Unsloth path as far as a CPU can hold it: keywords, targets at full size, and what the trainer asks of it."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_model import make_base, make_samples

from medocr import model as models
from medocr.model import lora
from medocr.train import data, guard
from tests import full_size, unsloth_keywords
from tests.gpu import training

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "results/gpu/unsloth_keywords.json"


@pytest.mark.skipif(importlib.util.find_spec("unsloth") is None, reason="unsloth is not installed here")
def test_every_keyword_is_a_named_parameter_of_the_installed_functions():
    code = "from tests import unsloth_keywords as u; import json; print(json.dumps(u.unknown(u.found())))"
    environment = {**os.environ, "UNSLOTH_ALLOW_CPU": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.strip().splitlines()[-1]) == []


def test_the_kept_result_is_of_the_calls_made_now():
    kept = json.loads(KEPT.read_text())
    assert {name: call["passed"] for name, call in kept["functions"].items()} == unsloth_keywords.passed()
    assert unsloth_keywords.unknown(kept) == kept["unknown"] == []
    assert f"unsloth=={kept['versions']['unsloth']}" in (ROOT / "pyproject.toml").read_text()


def test_a_misspelt_keyword_would_be_found():
    kept = json.loads(KEPT.read_text())
    kept["functions"]["get_peft_model"]["passed"].append("lora_alfa")
    assert unsloth_keywords.unknown(kept) == ["get_peft_model(lora_alfa=…)"]


def test_the_targets_at_full_size():
    model = full_size.on_meta()
    assert len(models.lora_modules(model)) == full_size.MODULES
    assert models.lora_weights(model, 64) == full_size.TRAINABLE


class FakeUnsloth:
    """Stands in for the module: its model is PEFT's, or left as full fine-tuning leaves it."""

    def __init__(self, monkeypatch, full_finetuning=False):
        self.full_finetuning, self.calls = full_finetuning, []
        monkeypatch.setitem(sys.modules, "unsloth", self)
        self.FastVisionModel = self

    def get_peft_model(self, model, **options):
        self.calls.append(("get_peft_model", options))
        if self.full_finetuning:
            return model
        config = lora.LoraConfig(
            r=options["r"], lora_alpha=options["lora_alpha"], target_modules=options["target_modules"]
        )
        return lora.get_peft_model(model, config)

    def for_training(self, model):
        self.calls.append(("for_training", {}))
        return model.train()

    def for_inference(self, model):
        self.calls.append(("for_inference", {}))
        return model.eval()


@pytest.fixture
def loaded(tmp_path):
    """A model that looks as if Unsloth had loaded it."""
    model, processor = models.load(make_base(tmp_path / "base"), device="cpu")
    model.max_seq_length, model._saved_temp_tokenizer = 4096, processor.tokenizer
    return model, processor


def test_unsloth_gets_the_projector_and_its_own_checkpointing(loaded, monkeypatch):
    fake = FakeUnsloth(monkeypatch)
    tuned = models.add_lora(loaded[0], 4, gradient_checkpointing=True)
    (_, options), *_ = fake.calls
    assert options["use_gradient_checkpointing"] == "unsloth"
    assert options["target_modules"] == models.TARGETS
    assert fake.calls[-1][0] == "for_training"
    adapted = [name for name, module in tuned.named_modules() if hasattr(module, "lora_A")]
    assert any("projector.linear_2" in name for name in adapted)


def test_full_fine_tuning_left_on_is_caught(loaded, monkeypatch):
    FakeUnsloth(monkeypatch, full_finetuning=True)
    with pytest.raises(ValueError, match="full fine-tuning left on"):
        models.add_lora(loaded[0], 4)


def test_a_model_under_other_names_is_refused(loaded):
    model = loaded[0]
    model.model.connector = model.model.projector
    del model.model.projector
    with pytest.raises(ValueError, match="LoRA finds no module in the projector"):
        models.add_lora(model, 4)


def test_reading_amid_training_switches_back(loaded, monkeypatch):
    fake = FakeUnsloth(monkeypatch)
    model, processor = loaded
    model.train()
    models.read(model, processor, make_samples(1), max_new_tokens=1, progress=False)
    assert [name for name, _ in fake.calls] == ["for_inference", "for_training"]
    assert model.training


def test_an_adapter_that_does_nothing_has_no_effect(loaded):
    model, processor = loaded
    del model.max_seq_length
    tuned, image = models.add_lora(model, 4), make_samples(1)[0].open()
    assert full_size.adapter_effect(tuned, processor, image) == 0  # B starts at zero
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    assert full_size.adapter_effect(tuned, processor, image) > 0.01


def test_a_first_label_that_is_not_the_answers_is_caught(loaded):
    collator = data.Collator(loaded[1], make_samples(1))
    part = collator.encoded(0)
    guard.check_pages(collator)
    part["labels"][(part["labels"] != data.IGNORED).nonzero()[0] - 1] = loaded[1].image_token_id  # the prompt's last
    with pytest.raises(ValueError, match="first label"):
        guard.check_pages(collator)


def test_the_loss_is_that_of_all_logits(loaded):
    """Unsloth hands out no logits in training, and at full size a page's are gigabytes: answers' alone count."""
    model, processor = loaded
    collator = data.Collator(processor, make_samples(4))
    batch = collator.model_inputs(range(4))
    cut = training.answers_only(batch)
    assert cut["logits_to_keep"] < batch["labels"].shape[1]
    with torch.no_grad():
        whole, less = model(**batch), model(**cut)
    assert less.logits.shape[1] == cut["logits_to_keep"]
    torch.testing.assert_close(less.loss, whole.loss)
