"""What is looked at before the first training step, and at each checkpoint: the ways in which others made it worse.

Each misconfiguration is named by a ValueError before anything is trained.
"""

import json
import math
import re
import statistics
from pathlib import Path

import torch
from safetensors import safe_open

from medocr import metrics, prepare
from medocr import model as models
from medocr.model import lora
from medocr.train import data

PAGES = 4  # training pages that the base is tried on
PROBE_STEPS = 3  # optimizer steps of the trial of the learning rate
RISE = 1.0  # nats per token by which the trial may raise its own batch's loss
UNREAD = 0.9  # mean CER from which a base does not read at all
GENERAL_RISE = 0.2  # CER on general validation pages, over the base's, at which training stops
GENERAL_PAGES = 4  # with fewer, one page decides
NEWER_LIMITS = (112_896, 1_003_520)  # min_pixels and max_pixels of PaddleOCR-VL 1.5 and 1.6; 1.0: 147,384, 2,822,400
NEWER_END = "Assistant:\n"
TEMPLATE_TOKEN = re.compile(r"<\|?[A-Za-z_]+\|?>")


def check_inputs(model: torch.nn.Module, folder: Path, collator: data.Collator) -> None:
    """`check_pages`, `check_version` and `check_base_model`: what is looked at before LoRA is attached."""
    check_pages(collator)
    check_version(collator.processor, folder)
    check_base_model(model, folder)


def check_pages(collator: data.Collator) -> None:
    """Raise ValueError where the first page's prompt, labels or size are not what reading will meet."""
    sample, processor = collator.samples[0], collator.processor
    _check_template(processor, sample)
    batch, reading = collator([{"row": 0}]), models.encode(processor, [sample.open()])["input_ids"][0]
    _check_labels(processor.tokenizer, sample.answer, batch["labels"][0], len(reading))
    ids, image = batch["input_ids"][0], processor.image_token_id
    prompt = processor.tokenizer.encode(prepare.PROMPT, add_special_tokens=False)
    after = ids[int((ids == image).nonzero()[-1]) :].tolist()
    if not any(after[i : i + len(prompt)] == prompt for i in range(len(after))):
        raise ValueError("the prompt does not follow the image: training must show the image before the text")
    count, limits = int((ids == image).sum()), processor.image_processor.size
    expected = prepare.visual_tokens(*sample.open().size, limits["shortest_edge"], limits["longest_edge"])
    if not count == (reading == image).sum() == expected:
        raise ValueError(
            f"the page has {count} visual tokens in training, {(reading == image).sum()} in reading and {expected} by "
            "its size: the pixel limits differ between stages"
        )
    if count != sample.visual_tokens:
        raise ValueError(
            f"the page has {count} visual tokens here and had {sample.visual_tokens} when it was prepared: the pixel "
            "limits differ between stages; prepare the pages again (notebook 03)"
        )


def _check_labels(tokenizer, answer: str, labels: torch.Tensor, prompt: int) -> None:
    """Labels are the answer's tokens and the end token alone; the first `prompt` tokens are the question's."""
    learnt = labels[labels != data.IGNORED]
    first = tokenizer.decode(learnt[:1])
    if (labels[:prompt] != data.IGNORED).any():
        raise ValueError(
            "the labels cover the prompt: the model would learn to write the question, not the answer (the first label "
            f"is {first!r})"
        )
    if learnt[-1] != tokenizer.eos_token_id:
        raise ValueError(f"the last label is {tokenizer.decode(learnt[-1:])!r}, not the end token: it would never stop")
    expected = tokenizer.decode(tokenizer(answer, add_special_tokens=False)["input_ids"])
    if tokenizer.decode(learnt[:-1]).strip() != expected.strip():  # whole: one token can be part of a character (℞)
        raise ValueError(f"the labels are not the answer: the first label is {first!r}, the answer {expected[:20]!r}…")


def _check_template(processor, sample) -> None:
    text = processor.apply_chat_template(prepare.messages(sample.open()), add_generation_prompt=True)
    known = processor.tokenizer.get_vocab()
    strange = sorted({mark for mark in TEMPLATE_TOKEN.findall(text) if mark not in known})
    if strange:
        raise ValueError(
            f"the chat template is of another model: the tokenizer has no token {strange[0]!r}; "
            "use the chat_template.jinja that came with the base"
        )


def check_version(processor, folder: Path) -> None:
    """Raise ValueError where PaddleOCR-VL 1.5 or 1.6 has the chat template of 1.0, whose answers begin otherwise.

    Version 1.6 differs from 1.5 in its weights alone. Both let the answer begin on a new line, 1.0 after a space:
    fine-tuning programs that bring 1.0's template along have made 1.5 worse. A base is known by its own pixel limits.
    """
    path = folder / "preprocessor_config.json"
    stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    prompt = processor.apply_chat_template(prepare.messages(None), add_generation_prompt=True)
    if (stored.get("min_pixels"), stored.get("max_pixels")) == NEWER_LIMITS and not prompt.endswith(NEWER_END):
        raise ValueError(
            f"the base is PaddleOCR-VL 1.5 or 1.6 by its pixel limits, which end the prompt in {NEWER_END!r}, but its "
            f"chat template ends it in {prompt[-len(NEWER_END) :]!r}, as 1.0 does: use the chat_template.jinja that "
            "came with the base"
        )


def check_base_model(model: torch.nn.Module, folder: Path) -> None:
    """Raise ValueError where a loaded base computes something else than its files were trained as."""
    if model.model.visual.vision_model.embeddings.interpolation_align_corners:
        raise ValueError(
            "the vision position embeddings are interpolated with aligned corners, which the base was not trained "
            "with: load it by medocr.model.load"
        )
    tied = model.lm_head.weight is model.get_input_embeddings().weight
    config = (model.config.tie_word_embeddings, model.config.text_config.tie_word_embeddings)
    stored = _stored_head(folder)
    lost = stored is not None and not torch.equal(stored, model.lm_head.weight[: len(stored)].cpu().to(stored.dtype))
    if config != (tied, tied) or lost:
        raise ValueError(
            f"the head is {'' if tied else 'not '}tied to the embedding, but the config says {config} and the files "
            f"hold {'a head of their own' if stored is not None else 'none'}: set tie_word_embeddings to what the "
            "weights are, in config.json and in its text_config"
        )


def _stored_head(folder: Path) -> torch.Tensor | None:
    """The first rows of the head in a model folder's files, or None where they hold none."""
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            name = next((name for name in file.keys() if name.endswith("lm_head.weight")), None)  # noqa: SIM118
            if name:
                return file.get_slice(name)[:8]
    return None


def check_lora(model: torch.nn.Module) -> None:
    """Raise ValueError where anything but LoRA is trained, or LoRA is missing from a part of the model."""
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    others = [name for name in trained if "lora_" not in name]
    if others:
        raise ValueError(
            f"{len(others)} tensors of the base are trained, {others[0]} among them: full fine-tuning is left on"
        )
    if missing := lora.missing_parts(name.partition(".lora_")[0] for name in trained):
        raise ValueError(f"LoRA trains nothing in the {' and the '.join(missing)}: add its modules to the targets")


def check_learning_rate(model: torch.nn.Module, collator: data.Collator, rate: float, precision: str) -> float:
    """Take a few steps at the full rate on two pages and undo them; returns the loss before, in nats per token.

    Raises ValueError where they raise the loss of the very pages they learn from.
    """
    rows = list(range(min(2, len(collator.samples))))
    batch = collator.model_inputs(rows, model.device)
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    before, training = [parameter.detach().clone() for parameter in learnt], model.training
    optimizer = torch.optim.AdamW(learnt, lr=rate)
    losses = []
    model.train()
    try:
        for _ in range(PROBE_STEPS):
            loss = _loss(model, batch, precision)
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            losses.append(_loss(model, batch, precision).item())
    finally:
        for parameter, value in zip(learnt, before, strict=True):
            parameter.data.copy_(value)
            parameter.grad = None
        model.train(training)
    if not losses[-1] < losses[0] + RISE:  # NaN as well
        raise ValueError(
            f"the learning rate {rate:g} diverges: {PROBE_STEPS} trial steps took the loss of their own pages from "
            f"{losses[0]:.2f} to {losses[-1]:.2f}; give a smaller one (a fifth, say)"
        )
    return losses[0]


def _loss(model: torch.nn.Module, batch: dict, precision: str) -> torch.Tensor:
    enabled = precision != "float32"
    with torch.autocast(model.device.type, getattr(torch, precision) if enabled else None, enabled=enabled):
        return model(**batch).loss


def check_pretrained(
    model: torch.nn.Module, collator: data.Collator, pages: int, loss: float, embedded: bool = False
) -> float:
    """The base's mean CER on the first training pages; `loss` is its loss there, in nats per token.

    Raises ValueError where both are those of a model that was never trained: wrong weights, or a base read wrongly.
    Not of the `embedded` model, which has learned drawn pages alone and can read nothing of a real scan.
    """
    samples = collator.samples[: min(PAGES, pages)]
    longest = max(sample.answer_tokens for sample in samples)
    readings = models.read(model, collator.processor, samples, max_new_tokens=longest + 16, progress=False)
    cer = mean_cer(samples, readings)
    chance = math.log(len(collator.processor.tokenizer))
    if cer > UNREAD and loss > chance / 2 and not embedded:
        raise ValueError(
            f"the base reads the first pages at a CER of {cer:.2f} and a loss of {loss:.2f} nats per token (chance is "
            f"{chance:.2f}): it does not look pretrained; check its weights and versions, or train with "
            "pretrained=False"
        )
    return cer


def mean_cer(samples: list, readings: list) -> float:
    """Mean CER, each page's at most 1."""
    pairs = zip(samples, readings, strict=True)
    return statistics.fmean(min(1.0, metrics.cer(sample.answer, reading.text)) for sample, reading in pairs)


def general_cer(samples: list, readings: list) -> float | None:
    """Mean CER of the general pages among those read, or None where they are too few to judge by."""
    pairs = [pair for pair in zip(samples, readings, strict=True) if pair[0].domain == "general"]
    return mean_cer(*map(list, zip(*pairs, strict=True))) if len(pairs) >= GENERAL_PAGES else None


def collapsed(base: float | None, now: float | None) -> bool:
    """Whether general pages are read so much worse than by the base that training has to stop."""
    return base is not None and now is not None and now > base + GENERAL_RISE
