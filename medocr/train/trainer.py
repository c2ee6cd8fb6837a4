"""TRL's trainer, set up for one run of LoRA."""

import contextlib
import importlib.util
import logging
import math
import resource
import time
from pathlib import Path

import torch
from datasets import Dataset
from tqdm.auto import tqdm
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from medocr import model as models
from medocr import schema
from medocr.model.loading import bf16_is_fast
from medocr.train import data


class Run:
    """One training: the base with LoRA attached, and the trainer around it.

    The first `pages` samples of the collator are for training, the rest for validation.
    """

    def __init__(self, base_model, processor, collator, pages: int, recipe, folder: Path, keep: int, progress: bool):
        self.recipe, self.device = recipe, base_model.device.type
        self.precision = _precision(recipe.precision, base_model)
        checkpointing = self.device != "cpu" if recipe.gradient_checkpointing is None else recipe.gradient_checkpointing
        self.model = models.add_lora(
            base_model, recipe.r, recipe.alpha, seed=recipe.seed, gradient_checkpointing=checkpointing
        )
        samples = collator.samples
        rows = Dataset.from_dict({"row": list(range(len(samples)))})
        judged = len(samples) > pages
        self.trainer = _Trainer(
            sizes=[data.size(s) for s in samples[:pages]],
            model=self.model,
            args=self._arguments(folder, recipe.steps(pages), keep, judged, checkpointing),
            data_collator=collator,
            train_dataset=rows.select(range(pages)),
            eval_dataset=rows.select(range(pages, len(samples))) if judged else None,
            processing_class=processor,
            callbacks=[_Bar()] if progress else [],
        )

    def _arguments(self, folder: Path, steps: int, keep: int, judged: bool, checkpointing: bool) -> SFTConfig:
        recipe, cpu = self.recipe, self.device == "cpu"
        every = min(recipe.save_every, steps)
        best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": False}
        return SFTConfig(
            output_dir=str(folder),
            num_train_epochs=recipe.epochs,
            max_steps=recipe.max_steps,
            per_device_train_batch_size=recipe.batch_size,
            per_device_eval_batch_size=2 * recipe.batch_size,
            gradient_accumulation_steps=recipe.accumulation,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=recipe.warmup if recipe.warmup >= 1 else math.ceil(recipe.warmup * steps),
            optim=_optimizer(recipe.optim, cpu),
            bf16=self.precision == "bfloat16",
            fp16=self.precision == "float16",
            use_cpu=cpu,
            gradient_checkpointing=checkpointing,
            eval_strategy="steps" if judged else "no",
            eval_steps=every if judged else None,
            save_steps=every,
            save_total_limit=keep,
            **(best if judged else {}),
            logging_steps=max(1, steps // 150),
            logging_first_step=True,
            dataloader_pin_memory=not cpu,
            dataloader_num_workers=0 if cpu else 2,
            max_length=None,
            completion_only_loss=True,
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=False,
            report_to="none",
            disable_tqdm=True,
            seed=recipe.seed,
        )

    def train(self, resume: Path | None) -> dict:
        """Train, from a checkpoint where one is given; the best adapter is in the model afterwards."""
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        composing = models.composed(self.model) if self.device == "cpu" else contextlib.nullcontext()
        with composing, _quiet("transformers", "accelerate", "trl"):
            self.trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        seconds = time.perf_counter() - began
        state = self.trainer.state
        before = int(resume.name.rpartition("-")[2]) if resume else 0
        trainable = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        return {
            "steps": state.global_step,
            "seconds": seconds,
            "seconds_per_step": seconds / max(1, state.global_step - before),
            "peak_memory_gb": _peak_memory(self.device),
            "trainable": trainable,
            "weights": sum(p.numel() for p in self.model.parameters()),
            "best_step": state.best_global_step or state.global_step,
            "best_loss": state.best_metric,
            "resumed_from": before or None,
            "history": [row for row in state.log_history if "loss" in row or "eval_loss" in row],
            "precision": self.precision,
            "device": self.device,
            "backend": "unsloth" if models.is_unsloth(self.model) else "transformers",
        }

    def save_adapter(self, folder: Path, base: str | Path) -> None:
        """Write the adapter, whole or not at all."""
        self.model.peft_config["default"].base_model_name_or_path = str(base)
        with schema.atomic(folder) as temporary:
            self.model.save_pretrained(temporary, save_embedding_layers=False)


class _Trainer(SFTTrainer):
    """TRL's trainer with batches of like size and no model card in every checkpoint."""

    def __init__(self, *, sizes: list[int], **options):
        self.sizes = sizes
        super().__init__(**options)
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset=None) -> data.LikeSizes:
        return data.LikeSizes(self.sizes, self.args.per_device_train_batch_size, self.args.seed)

    def create_model_card(self, *args, **options) -> None:
        pass

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The loss alone. TRL adds entropy and accuracy from all logits: gigabytes, and Unsloth gives none."""
        inputs = {name: value for name, value in inputs.items() if name != "_prediction_loss_only"}
        if not models.is_unsloth(self.model):
            inputs = data.answers_only(inputs)
        return super(SFTTrainer, self).compute_loss(model, inputs, return_outputs, num_items_in_batch)


class _Bar(TrainerCallback):
    """One progress bar over the optimizer steps, with the latest loss."""

    def on_train_begin(self, args, state, control, **_):
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc="training", unit="step", leave=False)

    def on_step_end(self, args, state, control, **_):
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args, state, control, logs=None, **_):
        shown = {name: f"{logs[name]:.3f}" for name in ("loss", "eval_loss") if name in (logs or {})}
        self.bar.set_postfix(shown, refresh=False)

    def on_train_end(self, args, state, control, **_):
        self.bar.close()


@contextlib.contextmanager
def _quiet(*names: str):
    """Keep libraries' advice about arguments that are meant as they are out of the notebook."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _precision(precision: str, model) -> str:
    if precision != "auto":
        return precision
    if model.device.type == "cpu":
        return "bfloat16" if bf16_is_fast() else "float32"
    return {torch.bfloat16: "bfloat16", torch.float16: "float16"}.get(model.dtype, "float32")


def _optimizer(optim: str, cpu: bool) -> str:
    if optim != "auto":
        return optim
    return "adamw_8bit" if not cpu and importlib.util.find_spec("bitsandbytes") else "adamw_torch_fused"


def _peak_memory(device: str) -> float:
    """GB: of the card where there is one, else of this process since it began."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
