"""One supervised fine-tuning run: LoRA on the answers of the training pages, checkpoints, resume, history."""

import dataclasses
import math
import shutil
import typing
from pathlib import Path

from medocr import model as models
from medocr import storage
from medocr.schema import check_types
from medocr.train import checkpoints, data, guard, parallel, trainer

__all__ = ["Recipe", "train"]

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What decides the result of a training, beside the base and the rows."""

    epochs: int = 3
    max_steps: int = -1  # above zero, the number of optimizer steps instead of the epochs
    batch_size: int = 4
    accumulation: int = 2  # batches per optimizer step
    learning_rate: float = 5e-5
    warmup: float = 0.05  # share of the steps (from 1, their number) over which the rate rises; then it falls to 0
    r: int = 64
    alpha: int = 64
    save_every: int = 100  # steps between checkpoints, each judged by the validation loss
    validation_pages: int = 96  # at most so many, evenly drawn
    min_pixels: int | None = None  # None: the base's own limits
    max_pixels: int | None = None
    optim: str = "auto"  # 8-bit AdamW where bitsandbytes is, else fused AdamW; or a name that transformers knows
    precision: str = "auto"  # of the matrix products: float32, bfloat16, float16; auto: what the machine is best at
    gradient_checkpointing: bool | None = None  # None: on a GPU only
    seed: int = 3407

    def __post_init__(self) -> None:
        check_types(vars(self), typing.get_type_hints(Recipe))
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}: use one of {', '.join(PRECISIONS)}")
        for name in ("epochs", "batch_size", "accumulation", "r", "alpha", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: give a whole number of at least 1")
        for name in ("learning_rate", "warmup"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: 0 or more")

    def for_pages(self, count: int) -> "Recipe":
        """The same recipe, its batches no larger than `count` pages allow."""
        return dataclasses.replace(self, batch_size=min(self.batch_size, count))

    def steps(self, rows: int) -> int:
        """Optimizer steps for `rows` pages: an epoch's last, smaller batch is left out."""
        batches = rows // self.batch_size
        return self.max_steps if self.max_steps > 0 else self.epochs * math.ceil(batches / self.accumulation)


def train(
    base: str | Path,
    train_rows: list,
    validation_rows: list,
    out: str | Path,
    *,
    keep_checkpoints: int = 2,
    device: str = "auto",
    backend: str = "auto",
    progress: bool = True,
    pretrained: bool = True,
    **recipe,
) -> dict:
    """Fine-tune `base` with LoRA on `train_rows` (prepare.Sample); keywords that Recipe has may be given as well.

    Checkpoints go to `out`/checkpoints (the newest `keep_checkpoints` and the best stay), the adapter of the one with
    the smallest validation loss (without validation rows the last) to `out`/adapter. A killed run goes on from its last
    whole checkpoint; a finished one by the same recipe is taken over. Processes of one `accelerate launch` share each
    optimizer step's pages, and the first of them writes.

    Before the first step `guard` looks for what makes a fine-tuning worse; `pretrained` False lets a base through that
    reads nothing yet. Training stops early where general pages are read much worse than by the base.
    Returns a report: steps, seconds and peak_memory_gb (over all runs that led here), seconds_per_step, trainable,
    weights, best_step, best_loss, best_cer, resumed_from, base_loss, base_cer, history (dicts of step, loss,
    learning_rate, eval_loss, eval_cer, general_cer, …), precision, processes and recipe.
    Raises ValueError when there is nothing to train on, when the rows do not fit the base's processor, and when
    an unfinished training with another recipe, base or data lies in `out`; OSError when the disk is full.
    """
    if not train_rows:
        raise ValueError("there are no pages to train on: look at what the preparation rejected")
    recipe = Recipe(**recipe).for_pages(len(train_rows))
    processes = parallel.join(device)
    validation_rows = sorted(data.spread(validation_rows, recipe.validation_pages), key=data.size, reverse=True)
    made_from = {
        "base": storage.model_hash(models.resolve(base)),
        "train_rows": data.fingerprint(train_rows),
        "validation_rows": data.fingerprint(validation_rows),
        **dataclasses.asdict(recipe),
    }
    folder = Path(out) / "checkpoints"
    parallel.by_first(checkpoints.open_folder, folder, made_from)
    limits = {"min_pixels": recipe.min_pixels, "max_pixels": recipe.max_pixels}
    loaded = models.load(base, device=device, backend=backend, **limits)
    collator = data.Collator(loaded[1], [*train_rows, *validation_rows], threads=data.threads(loaded[0].device))
    guard.check_inputs(loaded[0], models.resolve(base), collator)
    options = {"keep": keep_checkpoints, "processes": processes, "progress": progress, "pretrained": pretrained}
    loop = trainer.Trainer(loaded, str(base), collator, len(train_rows), recipe, folder, **options)
    report = loop.run(parallel.by_first(checkpoints.last_whole, folder, loop.shapes()))
    chosen = parallel.by_first(_finish, folder, report["history"], loop.shapes(), made_from, Path(out) / "adapter")
    return {**report, **chosen, "pages": len(train_rows), "processes": processes, "recipe": dataclasses.asdict(recipe)}


def _finish(folder: Path, history: list[dict], shapes: dict, made_from: dict, adapter: Path) -> dict:
    """Give the best checkpoint's adapter its place and mark the training as finished; returns what it scored."""
    chosen = checkpoints.best(folder, history, shapes)
    with storage.atomic(adapter) as temporary:
        temporary.mkdir()
        for name in checkpoints.ADAPTER:
            shutil.copy(chosen / name, temporary / name)
        storage.write_json(temporary / "base.json", {"sha256": made_from["base"]})  # what it may be put on again
    checkpoints.finish(folder, made_from)
    step = checkpoints.step(chosen)
    scores = next((row for row in history if row["step"] == step and "eval_loss" in row), {})
    return {"best_step": step, "best_loss": scores.get("eval_loss"), "best_cer": scores.get("eval_cer")}
