"""What a training step is fed: pages encoded once and kept, in batches of like size."""

import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch.utils.data import Sampler

from medocr import prepare
from medocr.model import AS_BYTES, Normaliser

IGNORED = -100
THREADS = 4  # at most, that decode and resize pages while a GPU works
AHEAD = 16  # pages that threads encode before a batch asks for them: two optimizer steps of the published recipe


class Collator:
    """Makes a batch of samples, its pixels as bytes; `model_inputs` makes of it what TRL's would be.

    TRL's `DataCollatorForVisionLanguageModeling` decodes, resizes and tokenises each page anew in every epoch, and
    hands over float32. This one encodes a page once and keeps it (588 bytes per patch), as long as pages fit into
    `keep_bytes`, and leaves normalising to the device. `threads` encode the pages that `expect` names before their
    batch asks for them, within this process: there is one cache, and nothing passes through shared memory, which is
    64 MB in many containers.
    """

    def __init__(self, processor, samples: list, *, keep_bytes: int = 6 << 30, threads: int = 0) -> None:
        self.processor, self.samples, self.room = processor, samples, keep_bytes
        self.kept: dict[int, dict] = {}
        self.pad = processor.tokenizer.pad_token_id
        self.normalised = Normaliser(processor.image_processor)
        self.pool = ThreadPoolExecutor(threads) if threads else None
        self.expected: Iterator[int] = iter(())
        self.started: dict[int, Future] = {}

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """Collate rows of the form {"row": index of the sample}; pixel_values are uint8."""
        self._start(row["row"] for row in rows)
        parts = [self.encoded(row["row"]) for row in rows]
        self._start(itertools.islice(self.expected, max(0, AHEAD - len(self.started))))
        return {
            "input_ids": self._pad([p["ids"] for p in parts], self.pad),
            "attention_mask": self._pad([torch.ones_like(p["ids"]) for p in parts], 0),
            "mm_token_type_ids": self._pad([p["types"] for p in parts], 0),
            "labels": self._pad([p["labels"] for p in parts], IGNORED),
            "pixel_values": torch.cat([p["pixels"] for p in parts]),
            "image_grid_thw": torch.stack([p["grid"] for p in parts]),
        }

    @staticmethod
    def _pad(rows: list[torch.Tensor], value: int) -> torch.Tensor:
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)

    def model_inputs(self, rows: list[int], device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
        """A batch of these samples on a device, as the model takes it."""
        batch = {name: tensor.to(device) for name, tensor in self([{"row": row} for row in rows]).items()}
        return {**batch, "pixel_values": self.normalised(batch["pixel_values"])}

    def expect(self, rows: Iterable[int]) -> None:
        """Say which samples batches will ask for, in which order, so that threads encode AHEAD of them."""
        self.expected = iter(rows)

    def _start(self, rows: Iterable[int]) -> None:
        """Let threads decode and resize pages; the tokenizer, which threads cannot share, is used in `encoded`."""
        for row in rows if self.pool else ():
            if row not in self.kept and row not in self.started:
                self.started[row] = self.pool.submit(self._pixels, self.samples[row])

    def encoded(self, row: int) -> dict[str, torch.Tensor]:
        """One sample: token ids, their types, labels, pixels (patches, 3, 14, 14) as bytes and the grid."""
        if row in self.kept:
            return self.kept[row]
        sample, started = self.samples[row], self.started.pop(row, None)
        part = self._encode(sample, *(started.result() if started else self._pixels(sample)))
        size = part["pixels"].nbytes
        if size <= self.room:
            self.room -= size
            self.kept[row] = part
        return part

    def _pixels(self, sample) -> tuple[torch.Tensor, torch.Tensor]:
        """A page's patches as bytes, and its grid: (1, rows, columns)."""
        images = self.processor.image_processor
        made = images(images=[sample.open()], return_tensors="pt", **AS_BYTES)
        return made["pixel_values"].to(torch.uint8), made["image_grid_thw"][0]

    def _encode(self, sample, pixels: torch.Tensor, grid: torch.Tensor) -> dict[str, torch.Tensor]:
        processor, template = self.processor, self.processor.apply_chat_template
        prompt = template(prepare.messages(None), add_generation_prompt=True)
        whole = template(prepare.messages(None, sample.answer))
        if not whole.startswith(prompt):
            raise ValueError("the chat template writes another prompt when an answer follows: training cannot use it")
        image = processor.replace_image_token({"image_grid_thw": grid[None]}, 0)
        head = self._ids(prompt.replace(processor.image_token, image))
        answer = self._ids(whole[len(prompt) :])
        ids = torch.cat([head, answer])
        labels = torch.cat([torch.full_like(head, IGNORED), answer])
        types = (ids == processor.image_token_id).long()
        return {"ids": ids, "types": types, "labels": labels, "pixels": pixels, "grid": grid}

    def _ids(self, text: str) -> torch.Tensor:
        return torch.tensor(self.processor.tokenizer(text, add_special_tokens=False)["input_ids"])


def threads(device: torch.device) -> int:
    """How many threads the collator may have: none on a CPU, where the step itself takes every core."""
    return 0 if device.type == "cpu" else min(THREADS, os.cpu_count() or 1)


class LengthGroupedSampler(Sampler[int]):
    """Samples in an order that makes batches of like size, shuffled; those too few for a whole batch are left out.

    Leaving them out here is what `dataloader_drop_last` would do, which drops validation pages as well. The order
    depends on seed and epoch alone, so that a resumed run goes on as the undisturbed one would. Where `processes`
    share the batches, those too few for one each are left out as well.
    """

    def __init__(self, sizes: list[int], batch_size: int, seed: int, *, pool: int = 50, processes: int = 1) -> None:
        self.sizes, self.batch_size, self.seed, self.pool, self.epoch = sizes, batch_size, seed, pool, 0
        self.unit = batch_size * processes

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.sizes) - len(self.sizes) % self.unit

    def __iter__(self) -> Iterator[int]:
        random = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.sizes), generator=random).tolist()
        order = order[: len(self)]
        span = self.pool * self.batch_size
        pools = [sorted(order[i : i + span], key=lambda n: self.sizes[n]) for i in range(0, len(order), span)]
        batches = [p[i : i + self.batch_size] for p in pools for i in range(0, len(p), self.batch_size)]
        for i in torch.randperm(len(batches), generator=random).tolist():
            yield from batches[i]

    def of_process(self, rank: int, batch_size: int, skipped: int = 0) -> list[int]:
        """What one process sees of this epoch, in batches of `batch_size`, after the first `skipped` of them."""
        order, processes = list(self), self.unit // self.batch_size
        starts = range((skipped * processes + rank) * batch_size, len(order), processes * batch_size)
        return [row for start in starts for row in order[start : start + batch_size]]


def size(sample) -> int:
    """A sample's cost in a batch: its tokens, a visual one counted as the four patches it is made of."""
    return 4 * sample.visual_tokens + sample.answer_tokens


def spread(rows: list, most: int) -> list:
    """At most `most` rows, evenly drawn from all."""
    return [rows[i * len(rows) // most] for i in range(most)] if len(rows) > most else rows


def fingerprint(samples: list) -> str:
    """Changes when a page or its answer does, or their order."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(f"{sample.id}\0{sample.answer}\0".encode())
    return digest.hexdigest()
