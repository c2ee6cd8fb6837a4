"""Pretraining of the tiny model, from nothing or from the shipped weights, for a given number of minutes.

    python -m medocr.demo.tiny.pretrain --minutes 80            # continues from the shipped weights
    python -m medocr.demo.tiny.pretrain --minutes 80 --fresh    # begins with random ones

Set MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_ and MALLOC_TOP_PAD_ before: glibc otherwise gives memory back
after every step.
"""

import argparse
import functools
import json
import math
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

import torch
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from torch.utils.data import DataLoader
from transformers import AttentionInterface, PaddleOCRVLForConditionalGeneration

from medocr import storage
from medocr.demo.tiny import FOLDER, architecture
from medocr.demo.tiny.pages import NOWHERE, SLOTS, Batches, Stage
from medocr.model.loading import bf16_is_fast, load_processor

PROMPT = "<s>User: <|IMAGE_START|>{}<|IMAGE_END|>OCR:\nAssistant:\n"
GUIDED_LAYERS = (1, 2, 3)  # of the language model: their first head learns to look at the next character
WRONG = 0.04  # share of the answer's input tokens that are replaced, so that reading survives its own errors

PEAK = 8e-4  # learning rate; at 1.5e-3 the loss was a tenth higher from the second stage on

CURRICULUM = (
    Stage("letters", (1, 3), 0.0, 16, 0.04, reading=False),
    Stage("lines", (1, 2), 0.0, 24, 0.12),
    Stage("blocks", (1, 5), 0.1, 16, 0.22),
    Stage("pages", (1, 10), 0.25, 12, 1.0),
)


class Reader(torch.nn.Module):
    """The model with what only its pretraining needs: the letter head and the guided attention heads.

    `places` of the batch at hand and the losses found by the guided layers pass through attributes, because
    transformers calls the attention function.
    """

    def __init__(self, model: PaddleOCRVLForConditionalGeneration) -> None:
        super().__init__()
        AttentionInterface.register("medocr_guided", guided_attention)
        model.set_attn_implementation({"vision_config": "sdpa", "text_config": "medocr_guided"})
        self.model = model
        text = model.config.text_config
        self.letter_head = torch.nn.Linear(text.hidden_size, SLOTS * text.vocab_size)
        patches = model.model.visual.vision_model.embeddings.patch_embedding
        patches.forward = functools.partial(embed_patches, patches)
        tokenizer = architecture.make_tokenizer()
        before, after = PROMPT.split("{}")
        self.before = torch.tensor(tokenizer(before)["input_ids"])
        self.after = torch.tensor(tokenizer(after)["input_ids"])
        self.places: torch.Tensor | None = None
        self.place_losses: list[torch.Tensor] = []
        for layer in GUIDED_LAYERS:
            model.model.language_model.layers[layer].self_attn.__dict__["reader"] = self

    def forward(self, batch: dict[str, torch.Tensor], reading: bool = True) -> dict[str, torch.Tensor]:
        """Mean losses in nats of a batch made by `pages.collate`: text (the next character), its place, and letters.

        The last are those of each cell; without `reading` they alone are learnt, and the others are 0.
        """
        images = self.model.model.get_image_features(batch["pixels"], batch["grid"]).pooler_output
        images = torch.stack(images)
        letters = self.letter_head(images).float().unflatten(-1, (SLOTS, -1))
        letter_loss = cross_entropy(letters.flatten(0, 2), batch["letters"].flatten())
        if not reading:
            zero = letter_loss.new_zeros(())
            return {"text": zero, "place": zero, "letters": letter_loss}
        logits = self.read(images, batch)
        text_loss = cross_entropy(logits.flatten(0, 1), batch["answer"].flatten(), ignore_index=architecture.PAD)
        return {"text": text_loss, "place": torch.stack(self.place_losses).mean(), "letters": letter_loss}

    def read(self, images: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Teacher-forced logits of the answer, (pages, longest, vocabulary)."""
        answer, count = batch["answer"], len(images)
        inputs = answer[:, :-1]
        if self.training:
            wrong = torch.rand(inputs.shape) < WRONG
            inputs = torch.where(wrong, torch.randint(len(architecture.SPECIAL), 150, inputs.shape), inputs)
        embed = self.model.model.language_model.embed_tokens
        before, after = (embed(tokens).expand(count, -1, -1) for tokens in (self.before, self.after))
        embeddings = torch.cat((before, images, after, embed(inputs)), dim=1)
        start = embeddings.shape[1] - answer.shape[1]  # the prompt's last token foretells the first character
        cells = batch["cells"]
        self.places = torch.where(cells == NOWHERE, NOWHERE, cells + len(self.before))
        self.place_losses.clear()
        hidden = self.model.model.language_model(
            inputs_embeds=embeddings, position_ids=self.positions(batch["grid"], embeddings.shape[1]), use_cache=False
        ).last_hidden_state
        return self.model.lm_head(hidden[:, start:]).float()

    def positions(self, grid: torch.Tensor, length: int) -> torch.Tensor:
        """M-RoPE positions (3, pages, length) of a batch whose pages share one size."""
        merge = self.model.config.vision_config.spatial_merge_size
        image = self.model.model.get_vision_position_ids(len(self.before), grid[0], 1, merge)
        text_start = len(self.before) + int(grid[0].max()) // merge
        text = torch.arange(length - len(self.before) - image.shape[1]) + text_start
        row = torch.cat((torch.arange(len(self.before)).expand(3, -1), image, text.expand(3, -1)), dim=1)
        return row[:, None].expand(-1, len(grid), -1)


def embed_patches(convolution: torch.nn.Conv2d, pixels: torch.Tensor) -> torch.Tensor:
    """The patch embedding as one matrix product: its windows are the patches, and a convolution's gradient is slow."""
    product = torch.nn.functional.linear(pixels.flatten(1), convolution.weight.flatten(1), convolution.bias)
    return product[..., None, None]


def guided_attention(module, query, key, value, attention_mask, scaling, **_) -> tuple[torch.Tensor, None]:
    """Causal attention; in a guided layer, also the loss of the first head's looking at the next character.

    Answers are padded on the right, so that no other mask is needed.
    """
    reader = module.__dict__.get("reader")
    if reader is not None:
        reader.place_losses.append(place_loss(query[:, 0], key[:, 0], reader.places, scaling))
    attended = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=True)
    return attended.transpose(1, 2), None


def place_loss(query: torch.Tensor, key: torch.Tensor, places: torch.Tensor, scaling: float) -> torch.Tensor:
    """−log of the attention that one head pays to the place of the next character, over the answer's tokens.

    `query` and `key` are (pages, tokens, head size); `places` (pages, longest) holds sequence positions.
    """
    tokens, answer = query.shape[1], places.shape[1]
    scores = torch.matmul(query[:, -answer:], key.transpose(1, 2)).float() * scaling
    future = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)[-answer:]
    scores = scores.masked_fill(future, -math.inf)
    return cross_entropy(scores.flatten(0, 1), places.flatten(), ignore_index=NOWHERE)


def train(
    reader: Reader,
    stages: tuple[Stage, ...],
    minutes: float,
    *,
    peak: float = PEAK,
    seed: int = 3407,
    every: int = 50,
    max_steps: int | None = None,
    on_report: Callable[[dict], None] = print,
    checkpoint: Path | None = None,
) -> list[dict]:
    """Train for `minutes` (or `max_steps`) through `stages`; returns the history, a row per `every` steps.

    A row has the step, the minute, the stage, the mean losses in nats since the last row, and the learning rate, which
    follows `rate` up to `peak`. `checkpoint` gets the weights with every tenth row and at the end.
    """
    optimizer = torch.optim.AdamW(reader.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
    reader.train()
    history, recent, start = [], [], time.monotonic()

    def progress() -> float:
        return (time.monotonic() - start) / 60 / minutes

    for step, (stage, batch) in enumerate(batches(stages, seed, progress), 1):
        learning_rate = optimizer.param_groups[0]["lr"] = peak * rate(progress())
        support = 0.5 if progress() < 0.7 else 0.15  # towards the end, reading is what counts
        recent.append(take_step(reader, optimizer, batch, stage.reading, support))
        if step % every == 0 or step == max_steps:
            minute = round(progress() * minutes, 2)
            means = {name: round(fmean(losses[name].item() for losses in recent), 4) for name in recent[0]}
            row = {"step": step, "minute": minute, "stage": stage.name, **means, "learning_rate": learning_rate}
            history.append(row)
            recent.clear()
            on_report(history[-1])
            if checkpoint and len(history) % 10 == 0:
                save_checkpoint(reader, checkpoint)
        if step == max_steps:
            break
    if checkpoint:
        save_checkpoint(reader, checkpoint)
    return history


def take_step(reader: Reader, optimizer: torch.optim.Optimizer, batch: dict, reading: bool, support: float) -> dict:
    """One optimizer step, in bfloat16 where the CPU multiplies it natively; returns the losses before it."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16_is_fast()):
        losses = reader(batch, reading)
        (losses["text"] + support * (losses["place"] + losses["letters"])).backward()
    torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return losses


def rate(progress: float, warm_up: float = 0.02) -> float:
    """The learning rate's share of its peak after `progress` (0 to 1) of the time: up in a line, down a cosine."""
    if progress < warm_up:
        return 0.02 + 0.98 * progress / warm_up
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm_up) / (1 - warm_up))))


def batches(stages: tuple[Stage, ...], seed: int, progress: Callable[[], float]) -> Iterator[tuple[Stage, dict]]:
    """Batches of each stage until its share of the time is over, drawn by one process beside the training."""
    for number, stage in enumerate(stages):
        loader = DataLoader(Batches(stage, seed + 1000 * number), batch_size=None, num_workers=1, prefetch_factor=6)
        for batch in loader:
            if progress() >= stage.until:
                break
            yield stage, batch


def save_checkpoint(reader: Reader, path: Path) -> None:
    """Write the model's and the letter head's weights in full precision, atomically."""
    with storage.atomic(path) as temporary:
        torch.save(reader.state_dict(), temporary)


def start_reader(fresh: bool, seed: int, checkpoint: Path | None = None) -> Reader:
    """A reader with fresh weights, with a checkpoint's, or with the shipped ones."""
    torch.manual_seed(seed)
    if not fresh and checkpoint is None:
        return Reader(PaddleOCRVLForConditionalGeneration.from_pretrained(FOLDER, dtype=torch.float32))
    reader = Reader(architecture.make_model(seed))
    if checkpoint:
        reader.load_state_dict(torch.load(checkpoint, weights_only=True))
    return reader


def sit(
    minutes: float,
    *,
    fresh: bool = False,
    resume: bool = False,
    stage: str | None = None,
    peak: float = PEAK,
    seed: int = 3407,
    checkpoint: Path = Path("data/pretrain/checkpoint.pt"),
    history: Path = Path("results/pretrain/history.json"),
    command: str = "",
) -> list[dict]:
    """One sitting: train from the shipped weights (or fresh ones, or the checkpoint), ship the result, keep the rows.

    `stage` is where to join the curriculum: by default at its end, with fresh weights at its beginning.
    """
    reader = start_reader(fresh, seed, checkpoint if resume else None)
    names = [stage.name for stage in CURRICULUM]
    first = names.index(stage or names[0 if fresh else -1])
    rows = train(reader, CURRICULUM[first:], minutes, peak=peak, seed=seed, on_report=_print, checkpoint=checkpoint)
    sittings = json.loads(history.read_text())["sittings"] if history.exists() else []
    sitting = {"seed": seed, "peak": peak, "command": command, "rows": rows}
    storage.write_json(history, {"sittings": [*sittings, sitting]})
    architecture.save(reader.model, load_processor(FOLDER), FOLDER)
    return rows


def _print(row: dict) -> None:
    print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--fresh", action="store_true", help="begin with random weights and the whole curriculum")
    parser.add_argument("--resume", action="store_true", help="begin with the checkpoint's weights")
    parser.add_argument("--stage", choices=[stage.name for stage in CURRICULUM], help="where to join the curriculum")
    parser.add_argument("--peak", type=float, default=PEAK, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=3407)
    sit(**vars(parser.parse_args()), command=f"python -m medocr.demo.tiny.pretrain {shlex.join(sys.argv[1:])}")


if __name__ == "__main__":
    main()
