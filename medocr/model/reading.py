"""Read pages: greedy decoding in batches of pages of like size."""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from peft import PeftModel
from tokenizers.decoders import DecodeStream
from tqdm.auto import tqdm
from transformers import BatchFeature

from medocr import prepare
from medocr.cpu import parallel_map
from medocr.model.lora import is_unsloth, merged_forward

LOOP_TOKENS = 80  # a text that repeats itself over this many tokens …
LOOP_TURNS = 4  # … and at least so often …
LOOP_PERIOD = 64  # … with a period of at most this, will not come out of it
CHECK_EVERY = 8  # steps between looking for loops, and for finished rows to drop
AS_BYTES = {"do_rescale": False, "do_normalize": False}  # options of the processor that leave pixels as they are


@dataclass(frozen=True)
class Reading:
    """What the model read on one page.

    `token_logprobs` has the log-probability of each generated token, the end token included, `pieces` what each adds to
    the text. `finish` says why it stopped: `stop` (it ended by itself), `length` (cut off) or `loop` (it repeated
    itself without end).
    """

    text: str
    token_logprobs: list[float]
    finish: str
    pieces: list[str] = field(default_factory=list)

    @property
    def confidence(self) -> float | None:
        """The geometric mean of the tokens' probabilities; None where there is no token."""
        logprobs = self.token_logprobs
        return math.exp(math.fsum(logprobs) / len(logprobs)) if len(logprobs) else None


def read(
    model,
    processor,
    images: Sequence,
    *,
    max_new_tokens: int = 400,
    batch_size: int = 32,
    compose: bool = True,
    progress: bool = True,
) -> list[Reading]:
    """Read pages greedily; returns one Reading per page, in the order given.

    `images` are PIL images, or pages (anything with `open()`), which are opened only when their turn comes. Pages
    of like size are read together, and a page that has ended leaves its batch. On a CPU every core reads a batch of
    its own: a decoding step is too small a piece of work to be shared between cores. There an adapter's layers are
    composed with the base's first, unless `compose` is off, which leaves them as PEFT computes them.
    """
    order = sorted(range(len(images)), key=lambda i: _size(processor, images[i]), reverse=True)
    if model.device.type == "cpu":
        batch_size = max(1, min(batch_size, math.ceil(len(order) / torch.get_num_threads())))  # no core is left over
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    readings: list[Reading | None] = [None] * len(images)
    normalised = Normaliser(processor.image_processor)

    def read_batch(chosen: list[int]) -> list[Reading]:
        with torch.inference_mode():
            inputs = encode(processor, [_open(images[i]) for i in chosen], **AS_BYTES)
            inputs["pixel_values"] = inputs["pixel_values"].byte()
            inputs = inputs.to(model.device)
            inputs["pixel_values"] = normalised(inputs["pixel_values"])
            return _decode(model, processor, inputs, max_new_tokens)

    bar = tqdm(total=len(order), desc="reading", unit="page", disable=not progress, leave=False)
    mapping = parallel_map(len(batches), each=1) if model.device.type == "cpu" else contextlib.nullcontext(map)
    with _ready(model, compose), mapping as mapped, bar:
        for chosen, of_batch in zip(batches, mapped(read_batch, batches), strict=True):
            for i, reading in zip(chosen, of_batch, strict=True):
                readings[i] = reading
            bar.update(len(chosen))
    return readings


class Normaliser:
    """Rescales and normalises bytes on whatever device they are: exactly the image processor's float32.

    A quarter of the bytes reach the device, and the processor's arithmetic on every pixel becomes a table of what it
    makes of each of the 256 values: (3, 256).
    """

    def __init__(self, image_processor) -> None:
        side = image_processor.patch_size
        ramp = torch.arange(256, dtype=torch.uint8).repeat_interleave(side).expand(3, side, -1).numpy()  # 256 patches
        made = image_processor(images=[ramp], do_resize=False, input_data_format="channels_first", return_tensors="pt")
        self.table = made["pixel_values"][:, :, 0, 0].T.contiguous()

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """(patches, 3, 14, 14), uint8 or whole numbers of that range, to float32."""
        self.table, pixels = self.table.to(pixels.device), pixels.int()
        return torch.stack([values[pixels[:, channel]] for channel, values in enumerate(self.table)], dim=1)


def encode(processor, images: list, **options) -> BatchFeature:
    """The model's inputs for pages without an answer, padded on the left; `options` go to the processor."""
    prompts = [processor.apply_chat_template(prepare.messages(i), add_generation_prompt=True) for i in images]
    return processor(
        images=images,
        text=prompts,
        padding=True,
        padding_side="left",
        return_tensors="pt",
        add_special_tokens=False,  # the template has put them in
        **options,
    )


def _open(item):
    return item.open() if hasattr(item, "open") else item


def _size(processor, item) -> int:
    known = getattr(item, "visual_tokens", 0)
    if known:
        return known
    width, height = _open(item).size
    return processor.image_processor.get_number_of_image_patches(height, width) // 4


@contextlib.contextmanager
def _ready(model, compose: bool):
    """The model in evaluation mode, its adapter's layers composed where memory is plain; afterwards as it was."""
    was_training = model.training
    _switch(model, training=False)
    composing = compose and isinstance(model, PeftModel) and model.device.type == "cpu"
    try:
        with merged_forward(model, frozen=True) if composing else contextlib.nullcontext():
            yield
    finally:
        if was_training:
            _switch(model, training=True)


def _switch(model, *, training: bool) -> None:
    """Unsloth has switches of its own: its reading turns gradient checkpointing off, its training on again."""
    if is_unsloth(model):
        from unsloth import FastVisionModel

        FastVisionModel.for_training(model) if training else FastVisionModel.for_inference(model)
    model.train(training)


def _decode(model, processor, inputs, max_new_tokens: int) -> list[Reading]:
    core = model.get_base_model() if isinstance(model, PeftModel) else model
    ends = core.generation_config.eos_token_id
    ends = torch.tensor(ends if isinstance(ends, list) else [ends], device=inputs["input_ids"].device)
    tokens, logprobs, finish = _generate(model, core, inputs, ends, max_new_tokens)
    texts = processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
    pieces = [_pieces(processor.tokenizer, row) for row in tokens]
    return [Reading(*row) for row in zip(texts, logprobs, finish, pieces, strict=True)]


def _pieces(tokenizer, tokens: list[int]) -> list[str]:
    """What each token adds to the text; a part of a character adds nothing until the whole is there."""
    stream, pieces = DecodeStream(skip_special_tokens=True), []
    for token in tokens:
        try:
            piece = stream.step(tokenizer.backend_tokenizer, token)
        except Exception as error:  # tokenizers raises the bare class
            if "Invalid prefix" not in str(error):
                raise
            # Byte tokens in an order that is no UTF-8 changed text that the stream had already given out. A new
            # stream goes on from here, as vLLM's does.
            stream = DecodeStream(skip_special_tokens=True)
            piece = stream.step(tokenizer.backend_tokenizer, token)
        pieces.append(piece or "")
    return pieces


def _generate(model, core, inputs, ends: torch.Tensor, max_new_tokens: int):
    """Greedy decoding with a key-value cache; returns tokens, their log-probabilities and the finish of each row.

    Positions are passed in explicitly: the model would otherwise keep them from one call to the next.
    """
    mask = inputs["attention_mask"]
    positions, _ = core.model.get_rope_index(**{k: v for k, v in inputs.items() if k != "pixel_values"})
    output = model(**inputs, position_ids=positions, use_cache=True, logits_to_keep=1)
    position = positions.amax((0, 2)) + 1
    rows = torch.arange(len(mask), device=mask.device)  # the page that each row of the batch belongs to
    tokens = torch.zeros(len(mask), max_new_tokens, dtype=torch.long, device=mask.device)
    logprobs = torch.zeros_like(tokens, dtype=torch.float32)
    endings = [("length", max_new_tokens)] * len(mask)
    for step in range(max_new_tokens):
        token, logprobs[rows, step] = _best(output.logits[:, -1])
        tokens[rows, step] = token
        ended = torch.isin(token, ends)
        if step % CHECK_EVERY == CHECK_EVERY - 1 or ended.any():
            going = _going(rows, ended, tokens[:, : step + 1], endings)
            if not going:
                break
            if len(going) < len(rows):
                keep = torch.tensor(going, device=mask.device)
                rows, token, mask, position = rows[keep], token[keep], mask[keep], position[keep]
                output.past_key_values.batch_select_indices(keep)
        if step == max_new_tokens - 1:
            break
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        output = model(
            input_ids=token[:, None],
            attention_mask=mask,
            position_ids=position.expand(3, -1)[..., None],
            past_key_values=output.past_key_values,
            use_cache=True,
            logits_to_keep=1,
        )
        position = position + 1
    finish, lengths = zip(*endings, strict=True)
    cut = ([row[:length] for row, length in zip(of.tolist(), lengths, strict=True)] for of in (tokens, logprobs))
    return *cut, finish


def _going(rows: torch.Tensor, ended: torch.Tensor, tokens: torch.Tensor, endings: list[tuple[str, int]]) -> list[int]:
    """The places in the batch whose page goes on; how the others ended, and after how many tokens, is noted."""
    for row, end, row_tokens in zip(rows.tolist(), ended.tolist(), tokens[rows].tolist(), strict=True):
        if end or loops(row_tokens):
            endings[row] = ("stop" if end else "loop", len(row_tokens))
    return [place for place, row in enumerate(rows.tolist()) if endings[row][0] == "length"]


def _best(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    logits = logits.float()
    best, token = logits.max(-1)
    return token, best - logits.logsumexp(-1)


def loops(tokens: list[int]) -> bool:
    """Whether the end of `tokens` is one short sequence over and over."""
    for period in range(1, LOOP_PERIOD + 1):
        span = max(LOOP_TOKENS, LOOP_TURNS * period)
        if len(tokens) < span:
            return False
        tail = tokens[-span:]
        if tail[period:] == tail[:-period]:
            return True
    return False
