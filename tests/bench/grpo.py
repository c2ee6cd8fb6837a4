"""`python -m tests.bench.grpo`: reinforcement by medocr's checks of a page, after training; results/bench/grpo.json.

The demo's adapter is trained on, for the same CPU time, in two ways on the same lab reports: by GRPO, whose reward is
the share of a page's fields read right, and as before, on the pages' exact text. The learning rate of each way is
chosen by the reward on pages of the validation split; then three seeds of each read held-out lab reports. Needs the
data of the run `demo`, up to 04. An interrupted call goes on where it was stopped.
"""

import argparse
import copy
import dataclasses
import itertools
import math
import statistics
import tempfile
import time
from pathlib import Path

import datasets
import numpy as np
import transformers
import trl

from medocr import evaluate, metrics, prepare, storage
from medocr import model as models
from medocr.train import data
from tests.bench.learning_rate import ROOT, load_pages
from tests.bench.units import KINDS, lab_reports

OUT = ROOT / "results/bench/grpo.json"
SECONDS = 240.0
WAYS = {"grpo": (3e-5, 1e-4), "supervised": (1e-4, 5e-4)}  # the rates to choose from
SEEDS, VALIDATION, HELD_OUT, HELD_OUT_SEED = (1, 2, 3), 40, 240, 3409
COMPLETIONS, PROMPTS = 8, 2  # sampled for each page; pages of an optimizer step
REWARDED = ("field_recall", "test_row_f1", "range_f1", "test_value_f1")
SCORES = ("cer", "rows_read", *REWARDED, *KINDS)


class Clock(transformers.TrainerCallback):
    """Ends a training after `SECONDS` of CPU time."""

    def on_train_begin(self, args, state, control, **_):
        self.end = time.process_time() + SECONDS

    def on_step_end(self, args, state, control, **_):
        control.should_training_stop = time.process_time() > self.end


def reward(fields: dict, text: str) -> float:
    """The mean of the page's scores that its rows and header give ground for, from 0 to 1."""
    scores = metrics.score_fields(fields, text)
    return statistics.fmean(scores[name] for name in REWARDED if name in scores)


def flat(model, processor):
    """A processor whose images go through TRL as rows of numbers: it takes four dimensions for InternVL's tiles."""
    shape = (3, processor.image_processor.patch_size, processor.image_processor.patch_size)
    kind = type(processor)

    def call(self, *args, **options):
        inputs = kind.__call__(self, *args, **options)
        inputs["pixel_values"] = inputs["pixel_values"].reshape(len(inputs["pixel_values"]), -1)
        return inputs

    made = copy.copy(processor)
    made.__class__ = type(kind.__name__, (kind,), {"__call__": call})

    def restore(module, args, options):
        if options.get("pixel_values") is not None and options["pixel_values"].ndim == 2:
            options["pixel_values"] = options["pixel_values"].unflatten(1, shape)
        return args, options

    model.get_base_model().register_forward_pre_hook(restore, with_kwargs=True)
    return made


def settings(rate: float, seed: int) -> dict:
    """Settings that both ways share."""
    return {
        "output_dir": tempfile.gettempdir(),
        "learning_rate": rate,
        "lr_scheduler_type": "constant",
        "max_steps": 10**6,  # the clock ends it
        "seed": seed,
        "max_grad_norm": 1.0,
        "save_strategy": "no",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
    }


def reinforced(model, processor, pages: list, rate: float, seed: int) -> int:
    """GRPO of `model` on `pages`; returns the optimizer steps."""
    rows = [
        {"prompt": [{"role": "user", "content": prepare.PROMPT}], "image": p.open(), "at": i}
        for i, p in enumerate(pages)
    ]

    def rewarded(completions, at, **_):
        return [reward(pages[i].fields, said[0]["content"]) for said, i in zip(completions, at, strict=True)]

    config = trl.GRPOConfig(
        **settings(rate, seed),
        per_device_train_batch_size=COMPLETIONS,
        gradient_accumulation_steps=PROMPTS,
        num_generations=COMPLETIONS,
        max_completion_length=300,
        mask_truncated_completions=True,
        temperature=1.0,
        generation_kwargs={"suppress_tokens": [model.config.image_token_id]},  # sampled, it would ask for an image
        beta=0.0,
    )
    trainer = trl.GRPOTrainer(
        model=model,
        reward_funcs=rewarded,
        args=config,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=flat(model, processor),
        callbacks=[Clock()],
    )
    trainer.train()
    return trainer.state.global_step


def supervised(model, processor, pages: list, rate: float, seed: int) -> int:
    """Further training on the pages' exact text; returns the optimizer steps."""
    samples = [dataclasses.replace(page, answer=prepare.format_text(page.truth)) for page in pages]
    collator = data.Collator(processor, samples, threads=1)
    trainer = transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(
            **settings(rate, seed), per_device_train_batch_size=4, gradient_accumulation_steps=2
        ),
        data_collator=lambda batch: collator.model_inputs([one["row"] for one in batch]),
        train_dataset=datasets.Dataset.from_dict({"row": list(range(len(samples)))}),
        callbacks=[Clock()],
    )
    trainer.train()
    return trainer.state.global_step


def trained(way: str, adapter: Path, pages: list, rate: float, seed: int):
    """The demo's tuned model after `SECONDS` more of one way: model, processor, optimizer steps."""
    model, processor = models.load("tiny", adapter=adapter)
    for name, weights in model.named_parameters():
        weights.requires_grad_("lora_" in name)
    steps = {"grpo": reinforced, "supervised": supervised}[way](model.train(), processor, pages, rate, seed)
    return model.eval(), processor, steps


def mean_reward(model, processor, pages: list) -> float:
    """The mean reward of pages, read greedily."""
    readings = models.read(model, processor, pages, max_new_tokens=300, progress=False)
    return statistics.fmean(reward(page.fields, one.text) for page, one in zip(pages, readings, strict=True))


def page_scores(model, processor, held_out: list) -> dict[str, list[float | None]]:
    """The scores of held-out pages, by metric, in their order; None where a page gives no ground for one."""
    read = evaluate.predict(model, processor, held_out, "tuned", "held_out", max_new_tokens=300, progress=False)
    frame = evaluate.score(read).set_index("id").loc[[page.id for page in held_out], list(SCORES)]
    return {name: [None if math.isnan(value) else float(value) for value in frame[name]] for name in SCORES}


def means(runs: list[dict]) -> dict[str, list[float]]:
    """Each page's scores as the mean over several runs (the seeds of one way)."""
    return {name: np.array([run["scores"][name] for run in runs], dtype=float).mean(axis=0).tolist() for name in SCORES}


def per_row(scores: dict[str, list]) -> dict[str, float]:
    """Mean scores of the pages, and errors per row that was read, since a row that is not read cannot be wrong."""
    rows = math.fsum(scores["rows_read"])
    errors = {f"{kind}_per_row": math.fsum(scores[kind]) / rows for kind in KINDS}
    return {name: float(np.nanmean(np.array(scores[name], float))) for name in ("cer", *REWARDED, "rows_read")} | errors


def choose(part: Path, adapter: Path, rows: list, validation: list) -> dict[str, dict[str, dict]]:
    """Steps, and the reward of validation pages, of each way at each rate; kept in `part` as they come."""
    tried = storage.read_json(part) if part.is_file() else {}
    for way, rates in WAYS.items():
        for rate in rates:
            if str(rate) not in tried.setdefault(way, {}):
                model, processor, steps = trained(way, adapter, rows, rate, seed=0)
                tried[way][str(rate)] = {"steps": steps, "reward": mean_reward(model, processor, validation)}
                print(way, rate, tried[way][str(rate)], flush=True)
                storage.write_json(part, tried)
    return tried


def main() -> None:
    """Train, read, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / "data/demo")
    folder = parser.parse_args().data
    rows, validation = ([p for p in pages if p.doc_type == "lab_report"] for pages in load_pages(folder))
    validation, adapter = validation[:VALIDATION], folder / "adapter"
    held_out = lab_reports(HELD_OUT, HELD_OUT_SEED)
    tried = choose(folder / "grpo-rates.json", adapter, rows, validation)
    rate = {way: float(max(of, key=lambda name: of[name]["reward"])) for way, of in tried.items()}
    part = folder / "grpo.json"
    runs = storage.read_json(part) if part.is_file() else []
    for seed, way in ((0, "before"), *itertools.product(SEEDS, WAYS)):
        if any((run["way"], run["seed"]) == (way, seed) for run in runs):
            continue
        if way == "before":
            model, processor, steps = *models.load("tiny", adapter=adapter), 0
        else:
            model, processor, steps = trained(way, adapter, rows, rate[way], seed)
        scores = page_scores(model, processor, held_out)
        after = mean_reward(model, processor, validation)
        runs.append({"way": way, "seed": seed, "steps": steps, "reward": after, "scores": scores})
        print(way, seed, steps, after, per_row(scores), flush=True)
        storage.write_json(part, runs)
    by_way = {way: means([run for run in runs if run["way"] == way]) for way in ("before", *WAYS)}
    groups = [page.group for page in held_out]
    contrasts = [
        {
            "from": one,
            "to": "grpo",
            "metric": name,
            **dataclasses.asdict(metrics.compare(by_way[one][name], by_way["grpo"][name], groups)),
        }
        for one, name in itertools.product(("before", "supervised"), ("cer", "test_row_f1", *KINDS))
    ]
    storage.write_record(
        OUT,
        seconds=SECONDS,
        pages={"trained": len(rows), "validation": len(validation), "held_out": HELD_OUT},
        completions=COMPLETIONS,
        rates=tried,
        rows=[
            {**{key: run[key] for key in ("way", "seed", "steps", "reward")}, **per_row(run["scores"])} for run in runs
        ],
        contrasts=contrasts,
    )


if __name__ == "__main__":
    main()
