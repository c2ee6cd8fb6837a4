"""`python -m tests.bench.train`: the demo's training beside plain TRL + PEFT on the same pages, and reading one by one.

Plain is what a user would write: TRL's trainer on rows of images, prompt and completion, started without the
allocator's settings. Base, LoRA, precision, batch, accumulation and steps are the same, gradient checkpointing is off
in both; where the CPU multiplies bfloat16 natively, both are measured in that too, as medocr trains there by default.
Each runs in a process of its own, in turn, so that what else the machine does falls on both alike; between, single
ingredients are left out. A step's time is that of the epochs after the first: what is paid once (pages encoded, a
checkpoint written) is told apart. Written to results/bench/train.json, on a machine that does nothing else: where
cores are wanted elsewhere, threads that share a product spin while they wait for one another, and seconds mean little.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[2]
CLOCKS = {"seconds": time.perf_counter, "cpu_seconds": time.process_time}  # on the wall; of the process's own work
OUT = ROOT / "results/bench/train.json"
COUNTS = {"prescription": 12, "lab_report": 8, "form": 2, "receipt": 6, "invoice": 4}
EPOCHS, BATCH, ACCUMULATION = 3, 4, 2  # the recipe's: 4 steps an epoch here
RATE = 2e-3
WITHOUT = {
    "allocator": "the allocator's settings",
    "once": "preprocessing once",
    "like_sizes": "batches of pages of like size",
    "attention": "attention with shared key heads",
    "side_by_side": "an optimizer step's batches side by side",
    "composed": "one product for W and B·A",
}


def samples() -> list:
    """Synthetic pages with their text as the answer."""
    from medocr import prepare
    from medocr.demo import synthetic

    drawn = list(synthetic.pages(COUNTS, workers=1))
    made = []
    for page in drawn:
        answer = prepare.format_text(page.truth)
        visual = prepare.visual_tokens(*page.open().size, 28**2, 28**2 * 400)
        made.append(prepare.Sample(**vars(page), answer=answer, visual_tokens=visual, answer_tokens=len(answer) + 1))
    return made


def ours(leave_out: str | None, precision: str) -> dict:
    """Seconds of the package's own training, one ingredient left out or none."""
    from medocr import train
    from medocr.train import trainer

    spent: dict = {}
    itself = trainer.Trainer.run

    def timed(loop, *arguments):
        with clock(loop, spent):
            return itself(loop, *arguments)

    recipe = {"epochs": EPOCHS, "batch_size": BATCH, "accumulation": ACCUMULATION, "learning_rate": RATE}
    patched = mock.patch.object(trainer.Trainer, "run", timed)
    with tempfile.TemporaryDirectory() as folder, _without(leave_out), patched:
        train.train("tiny", samples(), [], folder, device="cpu", progress=False, precision=precision, **recipe)
    return spent


@contextlib.contextmanager
def clock(trainer, spent: dict):
    """By each clock: of all, of an optimizer step after the first epoch, and of what is over: the costs paid once."""
    from transformers import TrainerCallback

    def now() -> dict:
        return {name: read() for name, read in CLOCKS.items()}

    class Steps(TrainerCallback):
        def on_step_end(self, *_, **__):
            ends.append(now())

    ends: list[dict] = []
    trainer.add_callback(Steps())
    began = now()
    yield
    ended, first = now(), len(ends) // EPOCHS
    for name in CLOCKS:
        whole, step = ended[name] - began[name], (ends[-1][name] - ends[first - 1][name]) / (len(ends) - first)
        spent[name] = {"whole": whole, "step": step, "once": whole - step * len(ends)}


@contextlib.contextmanager
def _without(ingredient: str | None):
    """Put the plain way in the place of one ingredient."""
    import torch

    from medocr import cpu
    from medocr import model as models
    from medocr.train import data

    def encoded_anew(collator, row):
        return collator._encode(collator.samples[row], *collator._pixels(collator.samples[row]))

    def shuffled(sampler):
        yield from torch.randperm(len(sampler.sizes)).tolist()[: len(sampler)]

    plain = {
        "once": [mock.patch.object(data.Collator, "encoded", encoded_anew)],
        "like_sizes": [mock.patch.object(data.LengthGroupedSampler, "__iter__", shuffled)],
        "attention": [mock.patch.object(cpu, "install_attention")],
        "side_by_side": [mock.patch.object(models, "parallel_map", return_value=contextlib.nullcontext(map))],
        "composed": [mock.patch.object(models, "merged_forward", return_value=contextlib.nullcontext())],
    }
    with contextlib.ExitStack() as stack:
        for patch in plain.get(ingredient, ()):
            stack.enter_context(patch)
        yield


def plain(precision: str) -> dict:
    """Seconds of TRL's trainer as its users write it."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PaddleOCRVLForConditionalGeneration
    from trl import SFTConfig, SFTTrainer

    from medocr import model as models
    from medocr import prepare

    folder = models.resolve("tiny")
    model = PaddleOCRVLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    rows = [
        {
            "images": [page.open()],
            "prompt": [{"role": "user", "content": prepare.PROMPT}],
            "completion": [{"role": "assistant", "content": page.answer}],
        }
        for page in samples()
    ]
    with tempfile.TemporaryDirectory() as out:
        arguments = SFTConfig(
            output_dir=out,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            gradient_accumulation_steps=ACCUMULATION,
            learning_rate=RATE,
            gradient_checkpointing=False,
            bf16=precision == "bfloat16",
            use_cpu=True,
            max_length=None,
            completion_only_loss=True,
            dataloader_drop_last=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = SFTTrainer(
            model,
            arguments,
            train_dataset=Dataset.from_list(rows),
            processing_class=models.load_processor(folder),
            peft_config=LoraConfig(r=64, lora_alpha=64, target_modules=models.TARGETS),
        )
        spent: dict = {}
        with clock(trainer, spent):
            trainer.train()
        return spent


def reading() -> dict:
    """Pages per second: in batches of like size, one page after the other, by transformers' own generation, and in
    batches with transformers' own attention."""
    import torch
    from transformers import PaddleOCRVLForConditionalGeneration

    from medocr import model as models

    model, processor = models.load("tiny", device="cpu")
    stock = PaddleOCRVLForConditionalGeneration.from_pretrained(models.resolve("tiny"), dtype=torch.float32)
    pages = samples()

    def by_generate(page) -> None:
        inputs = models.encode(processor, [page.open()])
        stock.generate(**inputs, max_new_tokens=300, do_sample=False)

    ways = {
        "batched": lambda: models.read(model, processor, pages, max_new_tokens=300, progress=False),
        "one_by_one": lambda: [models.read(model, processor, [p], max_new_tokens=300, progress=False) for p in pages],
        "generate": lambda: [by_generate(page) for page in pages],
        "sdpa": lambda: (
            model.set_attn_implementation({"text_config": "sdpa"}),
            models.read(model, processor, pages, max_new_tokens=300, progress=False),
        ),
    }
    found = {}
    for name, way in ways.items():
        began = time.perf_counter()
        way()
        found[name] = len(pages) / (time.perf_counter() - began)
    return found


def measure(variant: str, precision: str = "float32") -> dict:
    """Run a variant in a process of its own, with the allocator's settings where they belong to it."""
    from medocr.run.kernel import ALLOCATOR

    environment = {name: value for name, value in os.environ.items() if name not in ALLOCATOR}
    if variant not in ("plain", "allocator"):
        environment |= ALLOCATOR
    command = [sys.executable, "-m", "tests.bench.train", "--variant", variant, "--precision", precision]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def one(variant: str, precision: str) -> dict:
    """What `--variant` prints."""
    if variant in ("reading", "plain"):
        return reading() if variant == "reading" else plain(precision)
    return ours(None if variant in ("ours", "allocator") else variant, precision)


def main() -> None:
    """Measure all, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=("ours", "plain", "reading", *WITHOUT))
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    chosen = parser.parse_args()
    if chosen.variant:
        print(json.dumps(one(chosen.variant, chosen.precision)))
        return
    from medocr.model.loading import bf16_is_fast

    runs: dict[str, list[dict]] = {}
    for variant in ("ours", "plain", "reading", *WITHOUT, "plain", "ours"):
        runs.setdefault(variant, []).append(measure(variant))
        print(variant, runs[variant][-1], flush=True)
    halves: dict[str, list[dict]] = {}
    for variant in ("ours", "plain", "plain", "ours") if bf16_is_fast() else ():
        halves.setdefault(variant, []).append(measure(variant, "bfloat16"))
        print(variant, "bfloat16", halves[variant][-1], flush=True)
    keep(runs, halves)


def medians(runs: dict[str, list[dict]], clock: str, part: str) -> dict[str, float]:
    """By variant."""
    return {variant: statistics.median(run[clock][part] for run in found) for variant, found in runs.items()}


def plain_over_ours(runs: dict[str, list[dict]], part: str) -> dict[str, float]:
    """By clock."""
    by_clock = {clock: medians(runs, clock, part) for clock in CLOCKS}
    return {clock: found["plain"] / found["ours"] for clock, found in by_clock.items()}


def keep(runs: dict[str, list[dict]], halves: dict[str, list[dict]]) -> None:
    """Write what was found: ratios to the median of `ours`; of bfloat16, where it was measured, in `halves`."""
    import torch

    from medocr import storage

    read = runs["reading"][0]
    trained = {variant: found for variant, found in runs.items() if variant != "reading"}
    seconds, cpu = (medians(trained, clock, "step") for clock in CLOCKS)
    ratio = plain_over_ours(trained, "step")
    storage.write_record(
        OUT,
        command="python -m tests.bench.train",
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        vectors=torch.backends.cpu.get_cpu_capability(),
        load=os.getloadavg()[0],  # above the number of cores, other work stretches seconds on the wall
        pages=sum(COUNTS.values()),
        steps=EPOCHS * sum(COUNTS.values()) // (BATCH * ACCUMULATION),
        seconds_per_step=seconds,
        seconds_once=medians(trained, "seconds", "once"),
        plain_over_ours=ratio["seconds"],
        plain_over_ours_cpu=ratio["cpu_seconds"],
        plain_over_ours_with_what_is_paid_once=plain_over_ours(trained, "whole"),
        cpu_times_more_without={WITHOUT[name]: cpu[name] / cpu["ours"] for name in WITHOUT},
        times_more_without={WITHOUT[name]: seconds[name] / seconds["ours"] for name in WITHOUT},
        bfloat16=halves
        and {
            "seconds_per_step": medians(halves, "seconds", "step"),
            "plain_over_ours": plain_over_ours(halves, "step")["seconds"],
            "plain_over_ours_cpu": plain_over_ours(halves, "step")["cpu_seconds"],
        },
        reading_pages_per_second=read,
        reading_batched_over_one_by_one=read["batched"] / read["one_by_one"],
        runs=runs,
    )


if __name__ == "__main__":
    main()
