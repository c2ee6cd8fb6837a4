"""The training loop: TRL's trainer, set up for one run of LoRA."""

import contextlib
import ctypes
import importlib.util
import math
import resource
import time
import warnings
from pathlib import Path

import safetensors.torch
import torch
from accelerate.utils import AutocastKwargs
from datasets import Dataset
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from transformers import PrinterCallback, TrainerState
from trl import SFTConfig, SFTTrainer

from medocr import BASES
from medocr import model as models
from medocr.model.loading import bf16_is_fast
from medocr.train import checkpoints, data, guard, parallel, progress_bar

READ_PAGES = 16  # validation pages read at each checkpoint: always the same ones, evenly drawn


class Trainer(SFTTrainer):
    """TRL's trainer for one run of LoRA: batches of like size, whole checkpoints of the adapter, pages read as it goes.

    The collator's first `pages` samples are for training, the rest for validation; `processes` share a step's pages.
    """

    def __init__(
        self,
        loaded,
        base: str,
        collator,
        pages: int,
        recipe,
        folder: Path,
        *,
        keep: int,
        processes: int,
        progress: bool,
        pretrained: bool,
    ) -> None:
        if not isinstance(keep, int) or keep < 1:
            raise ValueError(f"keep_checkpoints is {keep!r}: give a whole number of at least 1")
        model, processor = loaded
        self.recipe, self.steps, self.keep = recipe, recipe.steps(pages), keep
        self.device, self.precision = model.device.type, _precision(recipe.precision, model)
        checkpointing = self.device != "cpu" if recipe.gradient_checkpointing is None else recipe.gradient_checkpointing
        model = models.add_lora(model, recipe.r, recipe.alpha, seed=recipe.seed, gradient_checkpointing=checkpointing)
        model.peft_config["default"].base_model_name_or_path = base
        self.judged, sizes = collator.samples[pages:], [data.size(sample) for sample in collator.samples[:pages]]
        self.sampler = data.LengthGroupedSampler(sizes, recipe.batch_size, recipe.seed, processes=processes)
        self.earlier, self.began, self.output_dir = {"seconds": 0.0, "peak_memory_gb": 0.0}, None, None
        rows = Dataset.from_dict({"row": list(range(len(collator.samples)))})
        super().__init__(
            model=model,
            args=self._arguments(folder, processes, checkpointing),
            data_collator=collator,
            train_dataset=rows.select(range(pages)),
            eval_dataset=rows.select(range(pages, len(rows))) if self.judged else None,
            processing_class=processor,
            callbacks=[progress_bar.Bar()] if progress and parallel.rank() == 0 else [],
        )
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = True  # Unsloth's False weighs a step's batches alike, of however many tokens
        simple = self.accelerator.num_processes == 1 and self.accelerator.scaler is None
        self.in_parallel = simple and self.args.use_cpu and not checkpointing  # it costs memory
        if self.args.use_cpu:  # autocast's cache is one for all threads: gradients would depend on who came first
            self.accelerator.autocast_handler = AutocastKwargs(cache_enabled=False)
        guard.check_lora(model)
        self.base, self.base_general = self._try_base(pages, pretrained, base in BASES)

    def _try_base(self, pages: int, pretrained: bool, embedded: bool) -> tuple[dict[str, float], float | None]:
        """Try the learning rate, and the base where it ought to read; returns its scores, and general pages' CER."""
        collator = self.data_collator
        loss = guard.check_learning_rate(self.model, collator, self.recipe.learning_rate, self.precision)
        if not pretrained:
            return {"base_loss": loss}, None
        cer = guard.check_pretrained(self.model, collator, pages, loss, embedded)
        return {"base_loss": loss, "base_cer": cer}, self.read().get("general_cer") if self.judged else None

    def read(self) -> dict[str, float]:
        """Mean CER of validation pages as the model is now."""
        return _validation_cer(self.model, self.processing_class, self.judged)

    def _arguments(self, folder: Path, processes: int, checkpointing: bool) -> SFTConfig:
        recipe, cpu, steps = self.recipe, self.device == "cpu", self.steps
        batch_size, accumulation = parallel.share(recipe.batch_size, recipe.accumulation, processes)
        every = min(recipe.save_every, steps)
        return SFTConfig(
            output_dir=str(folder),
            num_train_epochs=recipe.epochs,
            max_steps=recipe.max_steps,
            per_device_train_batch_size=batch_size,
            per_device_eval_batch_size=2 * recipe.batch_size,
            gradient_accumulation_steps=accumulation,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=recipe.warmup if recipe.warmup >= 1 else math.ceil(recipe.warmup * steps),
            optim=_optimizer(recipe.optim, cpu),
            bf16=self.precision == "bfloat16",
            fp16=self.precision == "float16",
            use_cpu=cpu,
            gradient_checkpointing=checkpointing,
            eval_strategy="steps" if self.judged else "no",
            eval_steps=every if self.judged else None,
            save_steps=every,
            logging_steps=max(1, steps // 150),
            logging_first_step=True,
            dataloader_pin_memory=not cpu,  # and no workers: the collator's threads look ahead
            max_length=None,
            completion_only_loss=True,
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=False,
            report_to="none",
            disable_tqdm=True,
            seed=recipe.seed,
        )

    def shapes(self) -> dict[str, tuple]:
        """Name → shape of the adapter's tensors, as they lie in a checkpoint."""
        state = get_peft_model_state_dict(self.model, save_embedding_layers=False)
        return {name: tuple(tensor.shape) for name, tensor in state.items()}

    def run(self, resume: Path | None) -> dict:
        """Train to the last step, from a checkpoint where one is given; returns the report."""
        before = checkpoints.step(resume) if resume else 0
        self.earlier = checkpoints.facts(resume) if resume else self.earlier
        if before == self.steps:  # the trainer would take one step more
            self.state = TrainerState.load_from_json(str(resume / "trainer_state.json"))
            set_peft_model_state_dict(self.model, safetensors.torch.load_file(resume / checkpoints.ADAPTER[1]))
            self.read_pages()
        else:
            if self.device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            self.began = time.perf_counter()
            composing = models.merged_forward(self.model) if self.device == "cpu" else contextlib.nullcontext()
            with composing, progress_bar.quiet("transformers", "accelerate", "trl"):
                self.train(resume_from_checkpoint=str(resume) if resume else None)
        return {
            "steps": self.state.global_step,
            **self.spent(),
            "seconds_per_step": self.spent()["seconds"] / self.state.global_step,
            "trainable": sum(p.numel() for p in self.model.parameters() if p.requires_grad),
            "weights": sum(p.numel() for p in self.model.parameters()),
            "resumed_from": before or None,
            "history": [row for row in self.state.log_history if "loss" in row or "eval_loss" in row],
            **self.base,
            "precision": self.precision,
            "device": self.device,
            "backend": "unsloth" if models.is_unsloth(self.model) else "transformers",
        }

    def _get_train_sampler(self, train_dataset=None) -> data.LengthGroupedSampler:
        return self.sampler

    def _run_epoch(self, *, epoch: int, **options) -> None:
        self.sampler.set_epoch(epoch)  # which does not come through when batches are both shared out and skipped
        skipped = 0
        if epoch == options["epochs_trained"]:
            skipped = options["steps_trained_in_current_epoch"]
            self.read_pages()  # of a run that was killed between saving a checkpoint and reading them
        batch_size = self.args.per_device_train_batch_size
        self.data_collator.expect(self.sampler.of_process(parallel.rank(), batch_size, skipped))
        super()._run_epoch(epoch=epoch, **options)

    def _prepare_inputs(self, inputs: dict) -> dict[str, torch.Tensor]:
        """What the collator hands over, on the device; pixels come as bytes and are normalised here."""
        inputs = super()._prepare_inputs(inputs)
        return {**inputs, "pixel_values": self.data_collator.normalised(inputs["pixel_values"])}

    def evaluation_loop(self, *args, **options):
        output = super().evaluation_loop(*args, **options)
        _give_back_memory()
        return output

    def read_pages(self) -> None:
        """Add the validation pages' CER to the row of this step's validation loss, where it is not there yet.

        Pages are read after the checkpoint is saved, and a failure is only a warning: it must not cost the steps.
        """
        rows = (row for row in self.state.log_history if row["step"] == self.state.global_step and "eval_loss" in row)
        row = next(rows, None)
        if row is None or "eval_cer" in row or not self.args.should_save:
            return
        try:
            row.update(self.read())
        except Exception as error:
            step = self.state.global_step
            warnings.warn(f"step {step}: the validation pages could not be read ({error})", stacklevel=2)
        self._stop_where_collapsed(row)
        _give_back_memory()

    def spent(self) -> dict[str, float]:
        """Seconds of the steps up to here, in all runs that led here, and the peak memory of these."""
        now = time.perf_counter() - self.began if self.began else 0.0
        peak = max(self.earlier["peak_memory_gb"], _peak_memory(self.args.device.type) if self.began else 0.0)
        return {"seconds": self.earlier["seconds"] + now, "peak_memory_gb": peak}

    def _save_checkpoint(self, model, trial) -> None:
        """The trainer's own writes in place: let it write elsewhere, and give that its name when it is whole."""
        if not self.args.should_save:  # other processes write nothing, but take part in what the trainer sums up
            return super()._save_checkpoint(model, trial)
        folder = Path(self.args.output_dir)
        with checkpoints.atomic_checkpoint(folder / f"checkpoint-{self.state.global_step}") as part:
            self.output_dir = str(part.parent)
            super()._save_checkpoint(model, trial)
            checkpoints.write_manifest(part, **self.spent())
        self.read_pages()
        checkpoints.rotate(folder, self.keep, self.state.log_history)

    def _stop_where_collapsed(self, row: dict) -> None:
        if guard.collapsed(self.base_general, row.get("general_cer")):
            row["collapsed"] = True
            self.control.should_training_stop = True
            warnings.warn(
                f"step {row['step']}: general pages are read at a CER of {row['general_cer']:.2f}, by the base at "
                f"{self.base_general:.2f}: training stops, and the best checkpoint before is kept",
                stacklevel=2,
            )

    def _get_output_dir(self, trial) -> str:
        return self.output_dir or super()._get_output_dir(trial)

    def _save_rng_state(self, output_dir: str) -> None:
        if self.args.should_save:  # nothing here draws random numbers after the start
            super()._save_rng_state(output_dir)

    def _save(self, output_dir: str | None = None, state_dict=None) -> None:
        self.model.save_pretrained(output_dir, save_embedding_layers=False)

    def create_model_card(self, *args, **options) -> None:
        pass

    def get_batch_samples(self, *options):
        self.batches, items = super().get_batch_samples(*options)
        return self.batches, items

    def training_step(self, model, inputs, num_items_in_batch=None) -> torch.Tensor:
        """On a CPU the batches of an optimizer step are worked at side by side, when the first of them has its turn."""
        if not self.in_parallel:
            return super().training_step(model, inputs, num_items_in_batch)
        if inputs is self.batches[0]:
            model.train()
            self.losses = iter(self._losses(model, num_items_in_batch))
        return next(self.losses)

    def _losses(self, model, num_items_in_batch: torch.Tensor) -> list[torch.Tensor]:
        """The loss of each batch of this optimizer step; their gradients are added up, always in the same order."""
        learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]

        def work(inputs):
            with self.compute_loss_context_manager():
                loss = self.compute_loss(model, self._prepare_inputs(inputs), num_items_in_batch=num_items_in_batch)
            return loss.detach(), torch.autograd.grad(loss, learnt)

        with models.parallel_map(len(self.batches)) as mapped:
            losses, gradients = zip(*mapped(work, self.batches), strict=True)
        for parameter, *parts in zip(learnt, *gradients, strict=True):
            parameter.grad = sum(parts[1:], start=parts[0])
        return list(losses)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """TRL's, except with Unsloth, which in training gives no logits for TRL's entropy and accuracy."""
        if not models.is_unsloth(self.model):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        inputs = {name: value for name, value in inputs.items() if name != "_prediction_loss_only"}
        return super(SFTTrainer, self).compute_loss(model, inputs, return_outputs, num_items_in_batch)


def _validation_cer(model, processor, samples: list) -> dict[str, float]:
    """Mean CER of the same READ_PAGES pages each time, read against their answers, and of the general ones apart."""
    pages = data.spread(samples, READ_PAGES)
    longest = max(sample.answer_tokens for sample in pages)
    readings = models.read(model, processor, pages, max_new_tokens=longest + 16, batch_size=8, progress=False)
    general = guard.general_cer(pages, readings)
    return {"eval_cer": guard.mean_cer(pages, readings)} | ({} if general is None else {"general_cer": general})


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


def _give_back_memory() -> None:
    """Return to the system what reading left free in glibc's arenas, which the runner's settings keep it from doing."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _peak_memory(device: str) -> float:
    """GB: of the card where there is one, else of this process since it began."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
