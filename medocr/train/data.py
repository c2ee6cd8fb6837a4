"""What a training step is fed: pages encoded once and kept, in batches of like size."""

import hashlib
from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

from medocr import prepare
from medocr.model import encode

IGNORED = -100


class Collator:
    """Makes a batch of samples: exactly the tensors of TRL's `DataCollatorForVisionLanguageModeling`.

    TRL's decodes, resizes and tokenises each page anew in every epoch; this one does it once and keeps the pixels
    as bytes (588 per patch), as long as they fit into `keep_bytes`. Rescaling and normalising, left for every
    batch, is a table of what the processor makes of each of the 256 values.
    """

    def __init__(self, processor, samples: list, *, keep_bytes: int = 6 << 30) -> None:
        self.processor, self.samples, self.room = processor, samples, keep_bytes
        self.kept: dict[int, dict] = {}
        self.pad = processor.tokenizer.pad_token_id
        self.table = _normalised_values(processor.image_processor)

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        """Collate rows of the form {"row": index of the sample}."""
        parts = [self.encoded(row["row"]) for row in rows]
        pixels = torch.cat([p["pixels"] for p in parts]).int()
        return {
            "input_ids": self._pad([p["ids"] for p in parts], self.pad),
            "attention_mask": self._pad([torch.ones_like(p["ids"]) for p in parts], 0),
            "mm_token_type_ids": self._pad([p["types"] for p in parts], 0),
            "labels": self._pad([p["labels"] for p in parts], IGNORED),
            "pixel_values": torch.stack([self.table[c][pixels[:, c]] for c in range(len(self.table))], dim=1),
            "image_grid_thw": torch.stack([p["grid"] for p in parts]),
        }

    @staticmethod
    def _pad(rows: list[torch.Tensor], value: int) -> torch.Tensor:
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)

    def encoded(self, row: int) -> dict[str, torch.Tensor]:
        """One sample: token ids, their types, labels, pixels (patches, 3, 14, 14) as bytes and the grid."""
        if row in self.kept:
            return self.kept[row]
        part = self._encode(self.samples[row])
        size = part["pixels"].nbytes
        if size <= self.room:
            self.room -= size
            self.kept[row] = part
        return part

    def _encode(self, sample) -> dict[str, torch.Tensor]:
        image = sample.open()
        prompt = encode(self.processor, [image], do_rescale=False, do_normalize=False)
        answer = torch.tensor(self._answer_ids(image, sample.answer))
        head = prompt["input_ids"][0]
        return {
            "ids": torch.cat([head, answer]),
            "types": torch.cat([prompt["mm_token_type_ids"][0], torch.zeros_like(answer)]),
            "labels": torch.cat([torch.full_like(head, IGNORED), answer]),
            "pixels": prompt["pixel_values"].to(torch.uint8),
            "grid": prompt["image_grid_thw"][0],
        }

    def _answer_ids(self, image, answer: str) -> list[int]:
        template = self.processor.apply_chat_template
        prompt = template(prepare.messages(image), add_generation_prompt=True)
        whole = template(prepare.messages(image, answer))
        if not whole.startswith(prompt):
            raise ValueError("the chat template writes another prompt when an answer follows: training cannot use it")
        return self.processor.tokenizer(whole[len(prompt) :], add_special_tokens=False)["input_ids"]


def _normalised_values(image_processor) -> torch.Tensor:
    """(3, 256): what the image processor makes of each pixel value in each channel."""
    ramp = torch.arange(256, dtype=torch.uint8).repeat_interleave(image_processor.patch_size**2)
    image = ramp.view(256, image_processor.patch_size, image_processor.patch_size).permute(1, 0, 2)
    image = image.reshape(1, image_processor.patch_size, -1).expand(3, -1, -1).numpy()
    pixels = image_processor(images=[image], do_resize=False, input_data_format="channels_first", return_tensors="pt")
    return pixels["pixel_values"][:, :, 0, 0].T.contiguous()


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


def check(collator: Collator) -> None:
    """Look at the first sample as the model will: labels, the image's place, its size in training and reading.

    Raises ValueError that names what is wrong.
    """
    sample, processor = collator.samples[0], collator.processor
    batch = collator([{"row": 0}])
    ids, labels = batch["input_ids"][0], batch["labels"][0]
    tokenizer = processor.tokenizer
    learnt = labels[labels != IGNORED]
    if learnt[-1] != tokenizer.eos_token_id:
        raise ValueError(f"the last label is {tokenizer.decode(learnt[-1:])!r}, not the end token: it would never stop")
    answer = tokenizer.decode(tokenizer(sample.answer, add_special_tokens=False)["input_ids"])
    if tokenizer.decode(learnt[:-1]).strip() != answer.strip():  # whole: one token can be part of a character (℞)
        first = tokenizer.decode(learnt[:1])
        raise ValueError(f"the labels are not the answer: the first label is {first!r}, the answer {answer[:20]!r}…")
    where = (ids == processor.image_token_id).nonzero().flatten()
    prompt = tokenizer.encode(prepare.PROMPT, add_special_tokens=False)
    after = ids[where[-1] :].tolist()
    if not any(after[i : i + len(prompt)] == prompt for i in range(len(after))):
        raise ValueError("the prompt does not follow the image: training must show the image before the text")
    reading = encode(processor, [sample.open()])["input_ids"] == processor.image_token_id
    limits = processor.image_processor.size
    expected = prepare.visual_tokens(*sample.open().size, limits["shortest_edge"], limits["longest_edge"])
    if not len(where) == reading.sum() == expected:
        raise ValueError(
            f"the page has {len(where)} visual tokens in training, {reading.sum()} in reading and {expected} by its "
            "size: the pixel limits differ between stages"
        )
