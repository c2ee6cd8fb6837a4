"""Loading, LoRA and reading, on a small random model."""

import shutil

import huggingface_hub.constants
import pytest
import torch
from PIL import Image
from small_model import fill_lora, make_base, make_samples
from torch.profiler import profile
from transformers import PaddleOCRVLConfig, PaddleOCRVLForConditionalGeneration
from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import PaddleOCRVLImageProcessorPil

from medocr import model as models
from medocr import prepare
from medocr.model import lora, reading
from medocr.train import data


@pytest.fixture
def loaded(base):
    return models.load(base, device="cpu")


@pytest.fixture(scope="module")
def samples():
    return make_samples(6)


def test_lora_goes_to_290_modules_at_full_size():
    config = PaddleOCRVLConfig(tie_word_embeddings=False, text_config={"tie_word_embeddings": False})
    with torch.device("meta"):
        model = PaddleOCRVLForConditionalGeneration._from_config(config)
        assert len(models.lora_modules(model)) == 290
        assert models.lora_weights(model, 64) == 59_914_240
        tuned = models.add_lora(model, 64)
    adapted = [name for name, module in tuned.named_modules() if hasattr(module, "lora_A")]
    assert len(adapted) == 290
    assert not [name for name in adapted if "lm_head" in name or "embed" in name]


def test_a_wrong_trainable_count_is_refused(loaded, monkeypatch):
    def forgets_to_freeze(model, config):
        return model

    monkeypatch.setattr(lora, "get_peft_model", forgets_to_freeze)
    with pytest.raises(ValueError, match="weights are trainable but LoRA of rank 8"):
        models.add_lora(loaded[0], 8)


def _logits(model, processor, samples):
    inputs = models.encode(processor, [sample.open() for sample in samples])
    return model(**inputs).logits


def test_composed_layers_are_lora(loaded, samples):
    model = models.add_lora(loaded[0], r=32, alpha=16)
    fill_lora(model)
    plain = _logits(model, loaded[1], samples[:2])
    plain.square().mean().backward()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    with models.merged_forward(model):
        composed = _logits(model, loaded[1], samples[:2])
        composed.square().mean().backward()
    torch.testing.assert_close(composed, plain, atol=1e-4, rtol=1e-4)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-4, rtol=1e-3)
    with torch.no_grad(), models.merged_forward(model, frozen=True):
        torch.testing.assert_close(_logits(model, loaded[1], samples[:2]), plain, atol=1e-4, rtol=1e-4)
        with model.disable_adapter():
            assert (_logits(model, loaded[1], samples[:2]) - plain).abs().max() > 0.1
    assert not [module for module in model.modules() if "forward" in vars(module) and hasattr(module, "lora_A")]


def _plain(base, **options):
    """The model as transformers loads it, with position embeddings placed as the model was trained."""
    model = PaddleOCRVLForConditionalGeneration.from_pretrained(base, **options)
    model.model.visual.vision_model.embeddings.interpolation_align_corners = False
    return model


def test_inputs_that_autocast_casts_back_are_not_cast(base, samples):
    """The same loss and gradients, bit for bit, as with PEFT's own casts, of which there are fewer."""
    model, processor = models.load(base, device="cpu", dtype=torch.bfloat16)
    tuned, batch = models.add_lora(model, 8), data.Collator(processor, samples).model_inputs([0, 1])
    fill_lora(tuned)
    assert torch.isfinite(tuned(**batch).loss)  # without autocast weights and inputs must meet all the same

    layer = next(module for module in tuned.modules() if hasattr(module, "lora_A"))

    def learnt() -> tuple[int, list[torch.Tensor]]:
        with torch.autocast("cpu", torch.bfloat16):
            with profile() as profiled:
                layer(torch.ones(1, layer.in_features, dtype=torch.bfloat16))
            loss = tuned(**batch).loss
        gradients = torch.autograd.grad(loss, [p for p in tuned.parameters() if p.requires_grad])
        return sum(event.name == "aten::_to_copy" for event in profiled.events()), [loss, *gradients]

    fewer, ours = learnt()
    for module in tuned.modules():
        module.__dict__.pop("_cast_input_dtype", None)
    casts, pefts = learnt()
    assert fewer < casts
    assert all(map(torch.equal, ours, pefts))


def test_attention_is_that_of_transformers(base, loaded, samples):
    plain = _plain(base, attn_implementation="sdpa")
    inputs = models.encode(loaded[1], [sample.open() for sample in samples])
    with torch.no_grad():
        expected, found = plain(**inputs).logits, loaded[0](**inputs).logits
    seen = inputs["attention_mask"].bool()
    assert not seen.all(), "the pages should differ in size"
    torch.testing.assert_close(found[seen], expected[seen], atol=1e-4, rtol=1e-4)


def test_reading_is_greedy_generation_in_the_order_given(base, loaded, samples):
    model, processor = loaded
    readings = models.read(model, processor, samples, max_new_tokens=24, batch_size=4, progress=False)
    plain = _plain(base)
    for sample, found in zip(samples, readings, strict=True):
        inputs = models.encode(processor, [sample.open()])
        tokens = plain.generate(**inputs, max_new_tokens=24, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        assert found.text == processor.tokenizer.decode(tokens, skip_special_tokens=True)
        assert len(found.token_logprobs) == len(tokens)
        assert all(value <= 0 for value in found.token_logprobs)
        assert found.finish == ("stop" if tokens[-1] == processor.tokenizer.eos_token_id else "length")


def test_batches_read_side_by_side_are_those_read_one_after_another(loaded, samples):
    threads, found = torch.get_num_threads(), {}
    for count in (1, 3):
        torch.set_num_threads(count)
        found[count] = models.read(*loaded, samples, max_new_tokens=12, batch_size=2, progress=False)
        assert torch.get_num_threads() == count
    torch.set_num_threads(threads)
    assert [r.text for r in found[1]] == [r.text for r in found[3]]
    assert [r.finish for r in found[1]] == [r.finish for r in found[3]]


def test_reading_ends_at_the_end_token_and_drops_the_row(loaded, samples):
    model, processor = loaded
    first = models.read(model, processor, samples, max_new_tokens=6, progress=False)
    inputs = models.encode(processor, [sample.open() for sample in samples])
    frequent = model.generate(**inputs, max_new_tokens=6, do_sample=False)[0, -1].item()
    model.generation_config.eos_token_id = [processor.tokenizer.eos_token_id, frequent]
    short = models.read(model, processor, samples, max_new_tokens=6, progress=False)
    assert short[0].finish == "stop"
    for one, other in zip(first, short, strict=True):
        assert one.token_logprobs[: len(other.token_logprobs)] == pytest.approx(other.token_logprobs, abs=1e-4)


def test_reading_leaves_no_trace_and_switches_the_adapter_off(loaded, samples):
    model, processor = loaded
    before = models.read(model, processor, samples[:3], max_new_tokens=8, progress=False)
    tuned = models.add_lora(model, r=8)
    fill_lora(tuned, scale=0.5)
    changed = models.read(tuned, processor, samples[:3], max_new_tokens=8, progress=False)
    with tuned.disable_adapter():
        again = models.read(tuned, processor, samples[:3], max_new_tokens=8, progress=False)
    assert [r.text for r in before] == [r.text for r in again]
    assert [r.token_logprobs for r in before] != [r.token_logprobs for r in changed]
    _logits(tuned, processor, samples[:1])  # a batch of another size directly after


def test_pages_are_opened_in_their_turn(loaded, samples):
    opened = []

    class Lazy:
        def __init__(self, sample):
            self.sample, self.visual_tokens = sample, sample.visual_tokens

        def open(self):
            opened.append(self.sample.origin)
            return self.sample.open()

    models.read(*loaded, [Lazy(s) for s in samples], max_new_tokens=1, batch_size=2, progress=False)
    assert sorted(opened) == sorted(s.origin for s in samples)


def test_pages_reach_the_device_as_bytes_and_are_normalised_there(loaded, samples, monkeypatch):
    """A quarter of the bytes, and exactly what the processor makes of them."""
    processor, given = loaded[1], []

    def spy(*arguments, **options):
        given.append(options)
        return models.encode(*arguments, **options)

    pages = [sample.open() for sample in samples]
    expected = models.encode(processor, pages)["pixel_values"]
    plain = models.encode(processor, pages, **models.AS_BYTES)["pixel_values"]
    assert torch.equal(plain.byte(), plain)
    assert torch.equal(models.Normaliser(processor.image_processor)(plain.byte()), expected)
    monkeypatch.setattr(reading, "encode", spy)
    models.read(*loaded, samples[:2], max_new_tokens=1, progress=False)
    assert given
    assert all(options == models.AS_BYTES for options in given)


def test_plain_images_can_be_read(loaded, samples):
    assert len(models.read(*loaded, [samples[0].open()], max_new_tokens=2, progress=False)) == 1
    assert models.read(*loaded, [], progress=False) == []


@pytest.mark.parametrize(
    ("tokens", "looping"),
    [
        ([7] * 80, True),
        (list(range(30)) + [1, 2, 3] * 40, True),
        (list(range(64)) * 4, True),
        ([7] * 60, False),
        (list(range(200)), False),
        (list(range(100)) + [5] * 20, False),
    ],
)
def test_loops(tokens, looping):
    assert reading.loops(tokens) is looping


def test_a_loop_ends_the_reading(loaded, samples, monkeypatch):
    monkeypatch.setattr(reading, "loops", lambda tokens: len(tokens) >= 8)
    found = models.read(*loaded, samples[:2], max_new_tokens=100, progress=False)
    assert {r.finish for r in found} <= {"loop", "stop"}
    assert all(len(r.token_logprobs) <= 8 for r in found)


@pytest.mark.parametrize("size", [(30, 500), (300, 200), (1000, 700), (29, 29)])
def test_visual_tokens_are_those_of_prepare(base, size):
    processor = models.load_processor(base, 4 * 784, 60 * 784)
    inputs = models.encode(processor, [Image.new("RGB", size)])
    expected = prepare.visual_tokens(*size, 4 * 784, 60 * 784)
    assert (inputs["input_ids"] == processor.image_token_id).sum() == expected


def test_pixel_limits_do_not_leak_into_the_class(base):
    before = dict(PaddleOCRVLImageProcessorPil.size)
    assert models.load_processor(base, 784, 7840).image_processor.size["longest_edge"] == 7840
    assert models.load_processor(base).image_processor.size["longest_edge"] != 7840
    assert PaddleOCRVLImageProcessorPil.size == before


def test_what_cannot_be_loaded_is_named(base, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"nobody/nothing: not a folder here.*hf download"):
        models.load("nobody/nothing")
    with pytest.raises(ValueError, match="no such folder"):
        models.load("not/a/hub/name")
    with pytest.raises(ValueError, match=r"no config\.json"):
        models.load(tmp_path)
    with pytest.raises(ValueError, match="backend is 'fast'"):
        models.load(base, backend="fast")
    with pytest.raises(ValueError, match="no LoRA adapter"):
        models.load(base, adapter=tmp_path)
    for device in ("mps", "meta", "gpu", "cuda:x"):
        with pytest.raises(ValueError, match=f"device is '{device}': use auto, cpu or cuda"):
            models.load(base, device=device)
    with pytest.raises(ValueError, match="above max_pixels"):
        models.load(base, min_pixels=10_000, max_pixels=1000)


def test_an_adapter_of_another_base_is_named_in_one_line(loaded, tmp_path):
    models.add_lora(loaded[0], r=4).save_pretrained(tmp_path, save_embedding_layers=False)
    with pytest.raises(ValueError, match=r"trained on another base; train again \(notebook 04\)$"):
        models.load("tiny", device="cpu", adapter=tmp_path)


def test_pickled_weights_are_refused_unread(base, loaded, tmp_path):
    pickled = shutil.copytree(base, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pickled .*can run any program"):
        models.load(pickled)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(ValueError, match="adapter's weights are pickled"):
        models.load(base, adapter=adapter)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for a in range(100) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "gives no prompt in 0.02 s"),
        ("{{ 'x' * 1000000 }}", "1,000,000 characters"),
        ("{{ messages.nobody.knows }}", "fails"),
        ("{{ 1 // 0 }}", "fails"),
        ("{{ ().__class__.__base__.__subclasses__() }}", "fails"),
    ],
)
def test_a_hostile_chat_template_ends_in_a_sentence(base, tmp_path, monkeypatch, template, message):
    folder = shutil.copytree(base, tmp_path / "hostile")
    (folder / "chat_template.jinja").write_text(template)
    monkeypatch.setattr(models.loading, "TEMPLATE_S", 0.02 if "0.02" in message else 60)
    with pytest.raises(ValueError, match=rf"the chat template .*{message}"):
        models.load_processor(folder)


def test_weights_that_are_no_numbers_are_named(base):
    broken, _ = models.load(base)
    next(broken.parameters()).data[0] = float("nan")
    with pytest.raises(ValueError, match="holds NaN or infinity"):
        models.check_finite(broken, "merged")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_cuda_without_cuda_says_what_to_do(base):
    with pytest.raises(ValueError, match=r"no CUDA device.*set device to 'cpu'"):
        models.load(base, device="cuda")
    with pytest.raises(ValueError, match="needs a CUDA device"):
        models.load(base, backend="unsloth")


@pytest.mark.parametrize(
    ("name", "content"),
    [("config.json", "{"), ("config.json", "[]"), ("tokenizer.json", None), ("tokenizer.json", "{}"),
     ("tokenizer_config.json", None)],
)  # fmt: skip
def test_a_broken_model_folder_is_named(base, tmp_path, name, content):
    folder = shutil.copytree(base, tmp_path / "broken")
    (folder / name).write_text(content) if content else (folder / name).unlink()
    with pytest.raises(
        ValueError, match=r"broken: the .* cannot be loaded, a file is missing or cut off .*put it back"
    ):
        models.load(folder)


def test_a_broken_adapter_is_named(base, tmp_path):
    config, weights = tmp_path / "adapter_config.json", tmp_path / "adapter_model.safetensors"
    config.write_text('{"peft_type": "LORA", "r": 4, "target_modules": ["q_proj"]}')
    with pytest.raises(ValueError, match=r"no adapter_model\.safetensors"):
        models.load(base, adapter=tmp_path)
    weights.write_bytes(b"cut")
    with pytest.raises(ValueError, match="the adapter cannot be loaded, a file is missing or cut off"):
        models.load(base, adapter=tmp_path)
    config.write_text("{")
    with pytest.raises(ValueError, match="the adapter cannot be loaded"):
        models.load(base, adapter=tmp_path)
    config.write_text('{"peft_type": "LORA", "r": 4, "target_modules": ["none_such"]}')
    with pytest.raises(ValueError, match="trained on another base"):
        models.load(base, adapter=tmp_path)


def test_cut_off_weights_are_named(tmp_path):
    folder = make_base(tmp_path / "base")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="missing or cut off"):
        models.load(folder)


def test_memory_that_runs_out_is_no_broken_file(monkeypatch):
    def too_large(*args, **options):
        raise MemoryError

    monkeypatch.setattr("medocr.model.loading.PaddleOCRVLForConditionalGeneration.from_pretrained", too_large)
    with pytest.raises(MemoryError):
        models.load("tiny")
