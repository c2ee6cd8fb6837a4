"""A training on a small random model: its batches, its adapter, and going on after a kill."""

import dataclasses
import functools
import json
import math

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from small_model import RECIPE
from torch.utils.data import BatchSampler
from transformers import PaddleOCRVLForConditionalGeneration
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from medocr import metrics, prepare, review, storage, train
from medocr import model as models
from medocr.__main__ import main
from medocr.demo import synthetic
from medocr.train import data, guard, several
from tests.bench import loop


def test_batches_are_those_of_trl(base, samples):
    processor = models.load_processor(base)
    rows = []
    for sample in samples[:4]:
        image = sample.open()
        chat = prepare.messages(image, sample.answer)
        del chat[0]["content"][0]["image"]  # TRL puts it in from the row
        rows.append({"images": [image], "prompt": chat[:1], "completion": chat[1:]})
    expected = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)(rows)
    collator = data.Collator(processor, samples)
    for _ in range(2):  # encoded, and then kept
        found = collator.model_inputs(range(4))
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            assert torch.equal(found[name], tensor), name
            assert found[name].dtype == tensor.dtype, name
    assert len(collator.kept) == 4


def test_pages_that_do_not_fit_are_not_kept(base, samples):
    collator = data.Collator(models.load_processor(base), samples, keep_bytes=20_000)
    collator([{"row": row} for row in range(4)])
    assert len(collator.kept) < 4


def test_a_batch_is_handed_over_as_bytes(base, samples):
    """Two batches of four full-size pages in float32 are more than the 64 MB of shared memory of many containers."""
    batch = data.Collator(models.load_processor(base), samples)([{"row": row} for row in range(4)])
    assert batch["pixel_values"].dtype == torch.uint8
    assert batch["pixel_values"].nbytes == 588 * batch["image_grid_thw"].prod(1).sum()


def test_pages_encoded_ahead_by_threads_are_the_same(base, samples):
    processor = models.load_processor(base)
    collators = [data.Collator(processor, samples, threads=threads) for threads in (0, 2)]
    collators[1].expect(range(6))
    for rows in ([0, 1], [2, 3], [5, 4], [0, 5]):
        plain, ahead = (collator([{"row": row} for row in rows]) for collator in collators)
        assert all(torch.equal(ahead[name], tensor) for name, tensor in plain.items())
        assert collators[1].started.keys() | collators[1].kept.keys() == set(range(6))
    assert not collators[1].started
    broken = dataclasses.replace(samples[0], image=b"no image")
    collator = data.Collator(processor, [samples[0], broken], threads=2)
    collator.expect(range(2))
    collator([{"row": 0}])
    with pytest.raises(ValueError, match="image"):
        collator([{"row": 1}])


@pytest.mark.parametrize(("processes", "batch_size", "skipped"), [(1, 4, 0), (1, 4, 3), (2, 4, 1), (3, 2, 5)])
def test_what_is_encoded_ahead_is_what_batches_ask_for(processes, batch_size, skipped):
    sampler = data.LengthGroupedSampler(list(range(50)), 4, seed=3, processes=processes)
    for rank in range(processes):
        batches = BatchSampler(sampler, batch_size, drop_last=False)
        shard = BatchSamplerShard(batches, num_processes=processes, process_index=rank)
        asked = [row for batch in list(shard)[skipped:] for row in batch]
        assert sampler.of_process(rank, batch_size, skipped) == asked


def test_a_training_on_pages_encoded_ahead_has_the_same_losses(base, samples, finished, tmp_path, monkeypatch):
    asked, made = [], []

    class Ahead(data.Collator):
        def __init__(self, *arguments, **_):
            super().__init__(*arguments, threads=2)
            made.append(self)

        def expect(self, rows):
            asked.append(list(rows))
            super().expect(asked[-1])

    monkeypatch.setattr(data, "Collator", Ahead)
    report = train.train(base, samples[:10], samples[10:], tmp_path, device="cpu", **RECIPE)
    losses = [[row.get("loss"), row.get("eval_loss")] for row in report["history"]]
    assert losses == [[row.get("loss"), row.get("eval_loss")] for row in finished[1]["history"]]
    assert [sorted(rows) for rows in asked] == [list(range(10))] * 2
    assert made[0].kept.keys() == set(range(len(samples)))


def test_the_loss_is_the_model_s_own_on_these_pages(tmp_path, monkeypatch):
    """What is minimised must be the error of reading: TRL and its patches of the model may see labels otherwise.

    Unsloth says of the model that its loss cannot be a step's mean over tokens, which it can.
    """
    monkeypatch.setattr(PaddleOCRVLForConditionalGeneration, "accepts_loss_kwargs", False, raising=False)
    samples = _samples(_short_receipts(4))
    recipe = {"max_steps": 1, "batch_size": 2, "accumulation": 2, "save_every": 1, "progress": False}
    made = train.train("tiny", samples, samples[:2], tmp_path, precision="float32", pretrained=False, **recipe)
    model, processor = models.load("tiny")
    collator = data.Collator(processor, samples)
    with torch.no_grad():
        expected = [model(**collator.model_inputs(rows)).loss.item() for rows in (range(4), range(2))]
    found = [next(row[name] for row in made["history"] if name in row) for name in ("loss", "eval_loss")]
    assert found == pytest.approx(expected, rel=1e-4)
    assert max(found) < 1  # the base reads these pages: chance would be some 4


def _short_receipts(count: int) -> list:
    """The shortest of some drawn receipts, which the embedded model reads: each of its characters takes a step."""
    return sorted(synthetic.pages({"receipt": 12}, workers=1), key=lambda page: len(page.text))[:count]


def _samples(pages) -> list[prepare.Sample]:
    processor = models.load_processor(models.resolve("tiny"))
    limits = processor.image_processor.size.values()
    return [
        prepare.Sample(
            **vars(page),
            answer=" ".join(page.text.split()),
            visual_tokens=prepare.visual_tokens(*page.open().size, *sorted(limits)),
            answer_tokens=len(page.text) + 1,
        )
        for page in pages
    ]


def test_the_recipe_makes_738_steps():
    assert train.Recipe().steps(1969) == 738
    assert train.Recipe().steps(1972) == 741  # an odd batch is a step of its own
    assert train.Recipe().learning_rate == 5e-5
    assert len(data.LengthGroupedSampler([1] * 1969, 4, seed=0)) / 4 / 2 * 3 == 738


def test_batches_are_of_like_size_and_depend_on_seed_and_epoch_alone():
    sizes = [(7 * n) % 101 for n in range(203)]
    sampler = data.LengthGroupedSampler(sizes, 4, seed=1, pool=10)
    first = list(sampler)
    assert first == list(sampler)
    assert len(first) == len(set(first)) == 200
    spread = [max(sizes[i] for i in b) - min(sizes[i] for i in b) for b in (first[k : k + 4] for k in range(0, 200, 4))]
    assert sum(spread) / len(spread) < 15
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_a_training_leaves_an_adapter_and_a_report(base, samples, finished):
    out, report = finished
    assert report["steps"] == 6
    assert report["trainable"] == models.lora_weights(models.load(base, device="cpu")[0], 4)
    assert report["weights"] > report["trainable"]
    losses = [row["eval_loss"] for row in report["history"] if "eval_loss" in row]
    assert len(losses) == 3
    assert report["best_loss"] == min(losses)
    assert losses[-1] < losses[0]
    rates = [row["eval_cer"] for row in report["history"] if "eval_loss" in row]
    assert len(rates) == 3
    assert report["best_cer"] == rates[losses.index(min(losses))]
    assert {"step", "loss", "learning_rate"} <= report["history"][0].keys()
    rates = [row["learning_rate"] for row in report["history"] if "learning_rate" in row]
    assert rates == pytest.approx([0, 1e-2, 8e-3, 6e-3, 4e-3, 2e-3])  # up in one step of six, then straight down
    assert report["seconds_per_step"] > 0
    assert report["peak_memory_gb"] > 0
    json.dumps(report)
    model, processor = models.load(base, device="cpu", adapter=out / "adapter")
    collator = data.Collator(processor, samples)
    inputs = collator.model_inputs([0])
    with torch.no_grad():
        tuned = model(**inputs).loss
        with model.disable_adapter():
            assert tuned < model(**inputs).loss


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_batches_side_by_side_teach_what_they_teach_one_after_another(precision, base, samples, tmp_path):
    threads, losses, adapters = torch.get_num_threads(), {}, []
    recipe = {**RECIPE, "precision": precision, "batch_size": 2, "accumulation": 3, "max_steps": 2}
    for name, count in (("one", 1), ("three", 3), ("again", 3)):
        torch.set_num_threads(count)
        made = train.train(base, samples[:6], [], tmp_path / name, **recipe)
        assert torch.get_num_threads() == count
        losses[name] = [row["loss"] for row in made["history"] if "loss" in row]
        adapters.append((tmp_path / name / "adapter" / "adapter_model.safetensors").read_bytes())
    torch.set_num_threads(threads)
    assert losses["three"] == pytest.approx(losses["one"], rel=1e-4)
    assert adapters[1] == adapters[2]  # whichever was done first


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_validation_cer_is_that_of_reading_with_the_adapter(precision, tmp_path):
    """On the embedded model, which reads: noise would come out at 1.0 whatever it was read with.

    In bfloat16 the pages are read by autocast, and of the two the shorter prompt is padded.
    """
    drawn = _short_receipts(2)
    assert drawn[0].open().size != drawn[1].open().size
    answers = [prepare.format_text(page.text) for page in drawn]
    pages = [
        dataclasses.replace(sample, answer=answer, answer_tokens=len(answer) + 1)
        for sample, answer in zip(_samples(drawn), answers, strict=True)
    ]
    report = train.train("tiny", pages, pages, tmp_path, precision=precision, **{**RECIPE, "max_steps": 1})
    model, processor = models.load("tiny", device="cpu", adapter=tmp_path / "adapter")
    longest = max(page.answer_tokens for page in pages)
    readings = models.read(model, processor, pages, max_new_tokens=longest + 16, progress=False)
    rates = [min(1.0, metrics.cer(answer, reading.text)) for answer, reading in zip(answers, readings, strict=True)]
    assert report["best_cer"] == pytest.approx(sum(rates) / 2)
    assert report["best_cer"] < 0.9
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"


def test_bad_requests_are_named(base, samples, tmp_path):
    with pytest.raises(ValueError, match="no pages to train on"):
        train.train(base, [], [], tmp_path)
    with pytest.raises(ValueError, match="precision is 'int4'"):
        train.train(base, samples, [], tmp_path, precision="int4")
    with pytest.raises(ValueError, match="batch_size is '4'"):
        train.train(base, samples, [], tmp_path, batch_size="4")
    for keep in (0, "2"):
        with pytest.raises(ValueError, match="keep_checkpoints is "):
            train.train(base, samples, [], tmp_path, keep_checkpoints=keep)
    with pytest.raises(ValueError, match="epochs is 0"):
        train.train(base, samples, [], tmp_path, epochs=0)
    with pytest.raises(ValueError, match="device is 'gpu': use auto, cpu or cuda"):
        train.train(base, samples, [], tmp_path, device="gpu")
    for setting in ({"learning_rate": math.nan}, {"learning_rate": -1.0}, {"warmup": -1.0}, {"save_every": "two"}):
        with pytest.raises(ValueError, match=f"{next(iter(setting))} is "):
            train.Recipe(**setting)


def test_training_a_folder_takes_known_parameters_and_works_there_alone(tmp_path, monkeypatch, capsys):
    made = {"steps": 1, "processes": 1, "seconds": 1.0, "best_step": 1, "best_loss": None}
    settings = {"base": "tiny", "min_pixels": None, "max_pixels": None}
    storage.write_json(tmp_path / "prepare.json", {"settings": settings})
    for split in ("train", "validation"):
        storage.write(tmp_path / f"{split}.parquet", [], prepare.Sample)
    statuses = []

    def busy(*arguments, **options):
        if not statuses:
            statuses.append(options)
            statuses.append(main(["train", str(tmp_path)]))
        return made

    monkeypatch.setattr(several, "train", functools.wraps(several.train)(busy))
    assert main(["train", str(tmp_path), "max_steps=20", "device=cpu"]) == 0
    assert statuses == [{"min_pixels": None, "max_pixels": None, "max_steps": 20, "device": "cpu"}, 2]
    assert "another training or run is working in" in capsys.readouterr().err
    for option in ("max_stesp=20", "save_every=two", "max_pixels=9"):
        assert main(["train", str(tmp_path), option]) == 2
        assert option.partition("=")[0] in capsys.readouterr().err


def test_the_rows_are_looked_at_before_training(base, samples):
    processor = models.load_processor(base)
    guard.check_pages(data.Collator(processor, samples))
    endless = models.load_processor(base)
    endless.chat_template = endless.chat_template.replace("{{- part.text -}}{{- eos_token -}}", "{{- part.text -}}")
    with pytest.raises(ValueError, match="not the end token"):
        guard.check_pages(data.Collator(endless, samples))
    other_limits = models.load_processor(base)
    collator = data.Collator(other_limits, samples)
    collator.encoded(0)
    other_limits.image_processor.size = {"shortest_edge": 784, "longest_edge": 784}
    with pytest.raises(ValueError, match="pixel limits differ"):
        guard.check_pages(collator)
    image_last = models.load_processor(base)
    image_last.chat_template = _swapped(image_last.chat_template)
    with pytest.raises(ValueError, match="image before the text"):
        guard.check_pages(data.Collator(image_last, samples))


def _swapped(template):
    """The template with the user's text before the image."""
    image = template[template.index('{%- for part in parts if part.type == "image" -%}') :].partition("{%- endfor -%}")
    text = image[2][: image[2].index("{%- endfor -%}")].strip()
    image = image[0].strip()
    return template.replace(image, "IMAGE", 1).replace(text, image, 1).replace("IMAGE", text, 1)


def test_the_loop_benchmark_writes_documents_that_a_person_can_review(samples, tmp_path):
    reading = models.Reading("as read", [-0.5], "stop")
    key = loop.digitise(tmp_path, samples[0], reading)
    loop.correct(tmp_path, key, samples[0].answer)
    (decision,) = review.read_decisions(tmp_path, key)
    assert decision.text == " ".join(samples[0].answer.split())
