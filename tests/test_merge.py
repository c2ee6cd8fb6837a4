"""Merging a small model, and everything that the parity gate must not let through."""

import json
import shutil

import pytest
import safetensors.torch
import torch
from huggingface_hub import HfApi, ModelCardData
from huggingface_hub.utils import filter_repo_objects
from small_model import fill_lora, make_samples, probe_here
from transformers import AutoModelForImageTextToText

from medocr import merge, storage
from medocr import model as models
from medocr import report as drawing
from medocr.merge import card as cards
from medocr.merge import files, parity
from medocr.model import loading
from medocr.run.profile import NOTEBOOKS, default_parameters

ABOUT = {
    "training": {
        "steps": 738,
        "best_step": 600,
        "trainable": 1234,
        "precision": "bfloat16",
        "recipe": {"learning_rate": 5e-5},
    },
    "splits": {"train": {"lab_report": 342, "form": 28}, "test": {"lab_report": 42}},
    "comparisons": [
        {
            "slice": "all",
            "metric": "cer",
            "base": 0.2,
            "tuned": 0.1,
            "difference": -0.1,
            "low": -0.12,
            "high": -0.08,
            "n": 9,
        },
        {
            "slice": "form",
            "metric": "cer",
            "base": 0.7,
            "tuned": 0.6,
            "difference": -0.1,
            "low": -0.2,
            "high": 0,
            "n": 4,
        },
    ],
    "pages": make_samples(2),
}
MODULE = "layers.1.mlp.gate_proj.weight"


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    model = models.add_lora(models.load(base, device="cpu")[0], r=4, alpha=8)
    fill_lora(model)
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


@pytest.fixture(scope="module")
def report(base, adapter, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "merged"
    return out, merge.merge(base, adapter, out, max_pixels=78400, **ABOUT)


@pytest.fixture
def merged(report, tmp_path):
    return shutil.copytree(report[0], tmp_path / "merged")


@pytest.fixture
def gate(base, adapter, monkeypatch):
    """The gate with the merged model run in this process."""
    monkeypatch.setattr(parity, "_probe_elsewhere", probe_here)
    samples = make_samples(3, seed=9)
    return lambda folder: merge.check_parity(base, adapter, folder, samples, max_pixels=78400, device="cpu")


def _change(folder, change):
    path = folder / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    change(weights)
    safetensors.torch.save_file(weights, path, metadata={"format": "pt"})


def test_the_merged_folder_is_whole(report):
    out, made = report
    assert made["modules"] == 2 * 7 + 2 * 6 + 2
    names = {path.name for path in out.iterdir()}
    assert names >= {"config.json", "generation_config.json", "model.safetensors", "chat_template.jinja", "README.md"}
    assert names >= {"tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json"}
    assert {t.dtype for t in safetensors.torch.load_file(out / "model.safetensors").values()} == {torch.float16}
    card = (out / "README.md").read_text()
    assert "| learning rate | 5e-05 |" in card
    assert "| train | 342 | 28 |" in card
    assert "| cer | all | 9 | 0.200 | 0.100 | -0.100 [-0.120, -0.080] |" in card
    assert "form | 4" not in card
    assert "test: not stated" in card
    assert "license: unknown" in card
    assert str(out.parent) not in card
    assert "not a medical device" in card
    assert "vllm serve" not in card  # it would die at the first page
    assert "in 16 sections" in card
    assert models.load_processor(out).image_processor.size["longest_edge"] == 78400
    assert AutoModelForImageTextToText.from_pretrained(out).dtype == torch.float16


def test_a_card_stands_a_comparison_of_one_page(base):
    row = {**ABOUT["comparisons"][0], "n": 1, "low": None, "high": None}
    model = models.load(base, device="cpu")[0]
    card = merge.model_card(base, model, **{**ABOUT, "comparisons": [row], "splits": {}, "pages": []})
    assert "| cer | all | 1 | 0.200 | 0.100 | -0.100 |" in card


def test_a_sound_merge_passes_with_its_figures(gate, merged):
    """The smoke run of all notebooks passes the gate with a fresh process."""
    verdict = gate(merged)
    assert verdict.passed, verdict.why
    assert verdict.why == []
    assert verdict.figures["modules_merged"] == verdict.figures["modules"] == 28
    assert verdict.figures["token_agreement"] >= 0.995
    assert verdict.figures["logit_difference"] < 0.02
    assert verdict.figures["rms_to_base"] > 10 * verdict.figures["rms_to_tuned"]
    figure = drawing.parity(json.loads(json.dumps(verdict.figures)))
    assert "below the limit" in figure.get_suptitle()
    to_base, to_tuned = (patch.get_data() for patch in figure.axes[0].patches)
    for drawn in (to_base, to_tuned):
        assert sum(drawn.values) == pytest.approx(100)
    limit = sum(drawn.edges[1:] <= 0.05)
    assert sum(to_tuned.values[limit:]) == 0
    assert sum(to_base.values[limit:]) > 0


def _outputs(margins: list[float]) -> dict[str, torch.Tensor]:
    """Logits over three tokens whose most likely one leads by `margins`, with a standard deviation near 1."""
    logits = torch.tensor([[1.0, 1.0 - margin, -1.4] for margin in margins])
    return {"tokens": logits.argmax(-1), "margins": torch.tensor(margins), "logits": logits}


def test_near_ties_that_flip_are_not_counted_against_a_merge():
    expected = _outputs([0.02] * 5 + [1.0] * 806)
    base = {**expected, "logits": expected["logits"] + 0.5}
    honest = {**expected, "logits": expected["logits"] + 0.01, "tokens": expected["tokens"].clone()}
    honest["tokens"][:5] = 1
    why, figures = parity.compare(expected, base, honest)
    assert why == []
    assert (figures["token_agreement"], figures["near_ties"]) == (1.0, 5)
    honest["tokens"][5:11] = 1  # six clear answers of 811 changed
    why, figures = parity.compare(expected, base, honest)
    assert [reason for reason in why if "of the tokens agree" in reason]


def test_a_process_that_fails_says_why(merged, tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho Loading >&2\necho MemoryError: it is too big >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(parity.sys, "executable", str(python))
    with pytest.raises(ValueError, match=r"does not run in a fresh process: MemoryError: it is too big"):
        parity._probe_elsewhere(merged, make_samples(1), "cpu")


def test_the_base_saved_unmerged(base, gate, merged):
    model, _ = models.load(base, device="cpu")
    model.half().save_pretrained(merged)
    verdict = gate(merged)
    assert not verdict.passed
    assert any(why.startswith("not merged: ") and "and 25 more" in why for why in verdict.why)
    assert any("as near to the base" in why for why in verdict.why)


def test_one_layer_unmerged(base, gate, merged):
    original = safetensors.torch.load_file(base / "model.safetensors")

    def put_back(weights):
        name = next(name for name in weights if name.endswith(MODULE))
        weights[name] = original[name].half()

    _change(merged, put_back)
    verdict = gate(merged)
    assert [why for why in verdict.why if why.startswith("not merged: ") and why.endswith(MODULE)]


def test_another_scaling(base, adapter, gate, merged, tmp_path):
    other = shutil.copytree(adapter, tmp_path / "adapter")
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 4}))
    merge.merge(base, other, merged, max_pixels=78400)
    verdict = gate(merged)
    assert any("another scaling" in why and "× 0.50" in why for why in verdict.why)


@pytest.mark.parametrize("size", [1e-6, 1e-4, 1e-2])
def test_an_adapter_smaller_than_float16s_steps_passes(base, adapter, tmp_path, size):
    weights = safetensors.torch.load_file(adapter / "adapter_model.safetensors")
    faint = shutil.copytree(adapter, tmp_path / "adapter")
    scaled = {name: t * size if "lora_B" in name else t for name, t in weights.items()}
    safetensors.torch.save_file(scaled, faint / "adapter_model.safetensors")
    merge.merge(base, faint, tmp_path / "merged")
    model, _ = models.load(base, device="cpu", adapter=faint)
    why, figures = parity._check_weights(model, tmp_path / "merged")
    assert why == []
    assert figures["modules_merged"] == 28


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_not_a_number(gate, merged, value):
    def spoil(weights):
        next(t for name, t in weights.items() if name.endswith(MODULE))[0, 0] = float(value)

    _change(merged, spoil)
    why = gate(merged).why
    assert any("NaN or infinity in" in one and MODULE in one for one in why)
    assert "the logits hold NaN or infinity" in why


def test_a_weight_that_no_adapter_touches(gate, merged):
    def shift(weights):
        next(t for name, t in weights.items() if name.endswith("lm_head.weight")).mul_(1.5)

    _change(merged, shift)
    assert any("no adapter is on it: lm_head.weight" in why for why in gate(merged).why)


def test_another_revision_of_the_base(base, adapter, gate, merged, tmp_path):
    other = shutil.copytree(base, tmp_path / "base")
    _change(other, lambda weights: [tensor.add_(0.01) for tensor in weights.values()])
    merge.merge(other, adapter, merged, max_pixels=78400)
    assert any(why.startswith("made from another base or revision") for why in gate(merged).why)


def test_an_adapter_that_was_trained_on_another_revision(base, adapter, merged, gate, tmp_path):
    note = adapter / "base.json"
    try:
        note.write_text(json.dumps({"sha256": "0123456789"}))
        assert [w for w in gate(merged).why if "trained on another revision" in w and "01234567…, this is" in w]
        note.write_text(json.dumps({"sha256": storage.model_hash(base)}))
        assert gate(merged).passed
    finally:
        note.unlink(missing_ok=True)


def test_weights_cut_off(gate, merged):
    weights = merged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert any("cut off" in why for why in gate(merged).why)


@pytest.mark.parametrize("file", [*files.WANTED, *files.PARTS])
def test_another_file_cut_off_or_missing(gate, merged, file):
    whole = (merged / file).read_bytes()
    (merged / file).write_bytes(whole[: len(whole) // 2])
    named = "the chat template" if file.endswith(".jinja") else f"{file} is cut off"
    assert any(named in why for why in gate(merged).why)
    (merged / file).unlink()
    assert f"{file} is missing" in gate(merged).why


def test_a_pickled_file_beside_the_weights(gate, merged):
    torch.save({}, merged / "pytorch_model.bin")
    assert gate(merged).why == ["pytorch_model.bin is no safetensors file"]


@pytest.mark.parametrize(
    ("file", "old", "new", "part"),
    [
        ("chat_template.jinja", "User: ", "Human: ", "chat template"),
        ("processor_config.json", "78400", "7840", "image processor"),
        ("preprocessor_config.json", "78400", "7840", "image processor"),
        ("tokenizer.json", '"NFC"', '"NFKC"', "tokenizer"),
        ("tokenizer_config.json", '"</s>"', '"<pad>"', "tokenizer"),
    ],
)
def test_another_processor(gate, merged, file, old, new, part):
    text = (merged / file).read_text()
    assert old in text
    (merged / file).write_text(text.replace(old, new))
    assert f"the {part} is not the one of training ({file})" in gate(merged).why


@pytest.fixture
def gate_in_half(base, adapter, monkeypatch):
    """The gate as on a GPU, where the merged model is probed in float16 as well."""

    def probe_here(folder, pages, device):
        model, processor = models.load(folder, device=device, dtype=torch.float32)
        return parity.probe_both(model, processor, pages, in_half=True)

    monkeypatch.setattr(parity, "_probe_elsewhere", probe_here)
    return lambda folder: merge.check_parity(base, adapter, folder, make_samples(2), max_pixels=78400, device="cpu")


def test_the_gate_looks_at_float16(gate_in_half, merged):
    verdict = gate_in_half(merged)
    assert verdict.passed, verdict.why
    assert verdict.figures["float16_overflows"] == 0
    assert 1 < verdict.figures["float16_largest"] < 65_504
    assert verdict.figures["float16_agreement"] > 0.7
    assert drawing.parity_table(verdict.figures).loc["in float16: activations that overflow", "value"] == "0"


def test_overflow_in_float16_is_counted(gate_in_half, merged):
    """Weights that float16 holds, whose products it does not."""
    _change(merged, lambda weights: next(t for name, t in weights.items() if name.endswith(MODULE)).mul_(30_000))
    verdict = gate_in_half(merged)
    assert verdict.figures["float16_overflows"] > 0
    assert [why for why in verdict.why if "serve it with --dtype bfloat16" in why]


def test_a_model_stored_in_float16_runs_in_it_on_a_card(base, merged, monkeypatch):
    """Where that is asked for: a training on a merged model keeps bfloat16."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert loading._dtype("cuda", merged) == torch.float16
    assert loading._dtype("cuda", base) == torch.bfloat16
    assert loading._dtype("cuda", None) == torch.bfloat16
    assert models.load(merged, device="cpu", dtype="stored")[0].dtype == torch.float32


def test_weights_beyond_float16_are_refused(base, adapter, tmp_path):
    other = shutil.copytree(base, tmp_path / "base")
    _change(other, lambda weights: weights["lm_head.weight"].fill_(1e6))
    with pytest.raises(ValueError, match=r"float16 cannot hold lm_head\.weight"):
        merge.merge(other, adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


class Hub:
    """Notes what is asked of the Hub."""

    def __init__(self):
        self.asked = []

    def __getattr__(self, name):
        return lambda *arguments, **options: self.asked.append((name, arguments, options))


def test_pushing_uploads_the_model_and_no_page(merged, tmp_path):
    hub = Hub()
    (merged / "page.png").write_bytes(b"")
    merge.push(merged, "somebody/reader", phi=False, api=hub)
    (made, name, how), (sent, _, what) = hub.asked
    assert (made, name, how) == ("create_repo", ("somebody/reader",), {"private": True, "exist_ok": True})
    assert (sent, what["folder_path"], what["repo_id"]) == ("upload_folder", str(merged), "somebody/reader")
    files = {path.name for path in merged.iterdir()}
    assert set(filter_repo_objects(files, allow_patterns=what["allow_patterns"])) == files - {"page.png"}
    with pytest.raises(ValueError, match="no model to push"):
        merge.push(tmp_path, "somebody/reader", phi=False, api=hub)


def test_a_model_trained_on_health_information_is_pushed_only_where_it_may_be(merged):
    hub = Hub()
    with pytest.raises(ValueError, match="may hold health information"):
        merge.push(merged, "somebody/reader", phi=True, api=hub)
    assert hub.asked == []
    merge.push(merged, "somebody/reader", phi=True, phi_agreement=True, api=hub)
    assert [name for name, *_ in hub.asked] == ["create_repo", "upload_folder"]


def test_nothing_is_pushed_unless_asked_for(base, adapter, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the Hub was called")

    for name in ("create_repo", "upload_folder", "upload_file", "create_commit"):
        monkeypatch.setattr(HfApi, name, refuse)
    merge.merge(base, adapter, tmp_path / "merged", **ABOUT)
    assert default_parameters(NOTEBOOKS / "06_merge.ipynb")["push_to"] == ""


def test_no_pages(base, adapter, merged):
    with pytest.raises(ValueError, match="at least one page"):
        merge.check_parity(base, adapter, merged, [])


def test_every_way_of_reading_is_timed_in_turn(base, adapter, report):
    rows = merge.latency(base, adapter, report[0], make_samples(4), max_new_tokens=3, device="cpu")
    ways = ("adapter", "adapter, composed", "merged")
    assert [(row["way"], row["batch_size"]) for row in rows] == [(way, n) for n in (1, 4) for way in ways]
    assert all(row["seconds_per_page"] > 0 and len(row["over_adapter"]) == 3 for row in rows)
    assert {ratio for row in rows for ratio in row["over_adapter"] if row["way"] == "adapter"} == {1.0}
    size = {row["way"]: row["megabytes"] for row in rows}
    assert size["merged"] < size["adapter"] == size["adapter, composed"]
    assert merge.latency(base, adapter, report[0], [], max_new_tokens=3) == []


def test_composing_changes_the_time_and_not_the_text(base, adapter):
    model, processor = models.load(base, adapter=adapter, device="cpu")
    pages = make_samples(2)
    options = {"max_new_tokens": 8, "progress": False}
    composed, apart = (models.read(model, processor, pages, compose=how, **options) for how in (True, False))
    assert [reading.text for reading in composed] == [reading.text for reading in apart]


def test_the_hub_is_told_the_scores_of_each_slice_apart():
    rows = [{"metric": "cer", "slice": name, "tuned": rate} for name, rate in (("all", 0.1), ("general", 0.02))]
    header = ModelCardData(model_name="reader", eval_results=[cards._result(row) for row in rows])
    results = header.to_dict()["model-index"][0]["results"]
    assert [(result["dataset"]["config"], result["metrics"][0]["value"]) for result in results] == [
        ("all", 0.1),
        ("general", 0.02),
    ]
