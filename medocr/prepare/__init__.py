"""From labelled pages to what the model is trained and tested on: answers, lengths, and a split that does not leak."""

import dataclasses
import math
import random
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import httpx
import huggingface_hub
import numpy as np
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from tokenizers import Tokenizer

from medocr import BASES
from medocr.prepare import split as splitting
from medocr.prepare.card import dataset_card
from medocr.prepare.split import SPLITS
from medocr.schema import Page, Rejection

__all__ = [
    "SPLITS",
    "Prepared",
    "Sample",
    "dataset_card",
    "format_text",
    "messages",
    "prepare",
    "tokenizer_file",
    "visual_tokens",
]

PROMPT = "OCR:"
PROMPT_TOKENS = 32  # an upper bound on what the chat template adds around image and answer
FACTOR = 28  # a visual token covers 2 × 2 patches of 14 px
ALPHABETS = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
FEW = 10  # pages in a split below which nothing can be learnt or said


@dataclasses.dataclass
class Sample(Page):
    """A page with what the model is asked to write for it. `answer_tokens` includes the end token."""

    answer: str = ""
    visual_tokens: int = 0
    answer_tokens: int = 0


@dataclasses.dataclass
class Prepared:
    """Three splits, what was rejected, and the proof that nothing leaks between them."""

    train: list[Sample]
    validation: list[Sample]
    test: list[Sample]
    rejected: list[Rejection]
    leakage: dict
    counts: dict
    warnings: list[str]


def format_text(text: str, text_format: str = "continuous") -> str:
    """The answer for a page's text: NFC, white space collapsed, its lines joined by a space or kept as lines."""
    separators = {"continuous": " ", "lines": "\n"}
    if text_format not in separators:
        raise ValueError(f"text_format is {text_format!r}: use 'continuous' or 'lines'")
    lines = (" ".join(line.split()) for line in unicodedata.normalize("NFC", text).splitlines())
    return separators[text_format].join(line for line in lines if line)


def messages(image, answer: str | None = None) -> list[dict]:
    """The chat of one page, the image before the prompt; with an `answer` it ends in the assistant's turn."""
    chat = [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": PROMPT}]}]
    if answer is not None:
        chat.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return chat


def tokenizer_file(base: str | Path) -> Path:
    """The tokenizer.json of a base model: "tiny", a model folder, or a model's name on the Hugging Face Hub."""
    folder = BASES.get(str(base), Path(base))
    if folder.is_dir():
        if not (folder / "tokenizer.json").is_file():
            raise ValueError(f"{folder} holds no tokenizer.json: name a folder that a whole model was saved to")
        return folder / "tokenizer.json"
    try:
        return Path(huggingface_hub.hf_hub_download(str(base), "tokenizer.json"))
    except (OSError, HfHubHTTPError, HFValidationError, httpx.HTTPError) as error:
        raise ValueError(
            f"{base} is no folder here, and its tokenizer.json could not be had from huggingface.co "
            f"({type(error).__name__}): check the name and the network, or give the path of a downloaded model"
        ) from error


def visual_tokens(width: int, height: int, min_pixels: int, max_pixels: int) -> int:
    """How many tokens the model sees for a page of `width` × `height` px: one per 28 × 28 px of `seen_size`."""
    width, height = seen_size(width, height, min_pixels, max_pixels)
    return (width // FACTOR) * (height // FACTOR)


def seen_size(width: int, height: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Width and height, in px, to which the model's processor resizes a page.

    Follows the image processor of PaddleOCR-VL (`smart_resize` in transformers): sides are rounded to
    multiples of 28 px, and scaled where their product leaves [min_pixels, max_pixels].
    Raises ValueError for a page more than 200 times as long as wide, which that processor refuses.
    """
    if height < FACTOR:
        width, height = round(width * FACTOR / height), FACTOR
    if width < FACTOR:
        width, height = FACTOR, round(height * FACTOR / width)
    if max(width, height) / min(width, height) > 200:
        raise ValueError(f"{width} × {height} px: the longer side is more than 200 times the shorter one")
    columns, rows = round(width / FACTOR), round(height / FACTOR)
    pixels = columns * rows * FACTOR**2
    if pixels > max_pixels:
        shrink = math.sqrt(width * height / max_pixels)
        columns = max(1, math.floor(width / shrink / FACTOR))
        rows = max(1, math.floor(height / shrink / FACTOR))
    elif pixels < min_pixels:
        enlarge = math.sqrt(min_pixels / (width * height))
        columns = math.ceil(width * enlarge / FACTOR)
        rows = math.ceil(height * enlarge / FACTOR)
    return columns * FACTOR, rows * FACTOR


def prepare(
    pages: Iterable[Page],
    *,
    tokenizer_file: str | Path,
    text_format: str = "continuous",
    min_pixels: int,
    max_pixels: int,
    max_answer_tokens: int,
    context: int = 131_072,
    seed: int = 3407,
    split: tuple[float, float, float] = (0.8, 0.1, 0.1),
    label_noise: float = 0.0,
) -> Prepared:
    """Turn labelled pages into train, validation and test samples.

    A page whose answer is longer than `max_answer_tokens`, or whose visual tokens and answer do not fit
    into `context`, is rejected by name and never cut. `split` holds the shares of train, validation and
    test. `label_noise` is the probability that a word of a training answer is `damaged`.
    Raises ValueError when too few pages are left for a train and a test split, and for parameters out of range.
    """
    if not 0 < min_pixels <= max_pixels:
        raise ValueError(
            f"min_pixels is {min_pixels} and max_pixels {max_pixels}: give 1 or more, the first at most the second"
        )
    if not 0 <= label_noise <= 1:
        raise ValueError(f"label_noise is {label_noise}: give the probability that a word is damaged, from 0 to 1")
    rejected: list[Rejection] = []
    samples, hashes = _measure(pages, text_format, min_pixels, max_pixels, rejected)
    limits = {"max_answer_tokens": max_answer_tokens, "context": context}
    kept, unknown = _fitting(samples, Tokenizer.from_file(str(tokenizer_file)), limits, rejected)
    samples, hashes = [samples[i] for i in kept], np.array([hashes[i] for i in kept])
    parts, leakage = splitting.split(samples, hashes, split, seed)
    for name, indices in parts.items():
        for i in indices:
            samples[i].split = name
    rng = random.Random(seed)
    for i in parts["train"] if label_noise else ():
        samples[i].answer = damaged(samples[i].answer, label_noise, rng)
    by_split = {name: [samples[i] for i in indices] for name, indices in parts.items()}
    counts = _counts(by_split, rejected, unknown)
    return Prepared(**by_split, rejected=rejected, leakage=leakage, counts=counts, warnings=_warnings(by_split))


def damaged(text: str, share: float, rng: random.Random) -> str:
    """The text with one character replaced in each word that `share` (a probability) hits.

    A digit becomes another digit, an ASCII letter another of its case; a word without either stays as it is.
    """
    return re.sub(r"\S+", lambda word: _one_wrong(word[0], rng) if rng.random() < share else word[0], text)


def _one_wrong(word: str, rng: random.Random) -> str:
    places = [(i, letters) for i, character in enumerate(word) for letters in ALPHABETS if character in letters]
    if not places:
        return word
    i, alphabet = rng.choice(places)
    return word[:i] + rng.choice(alphabet.replace(word[i], "")) + word[i + 1 :]


def _measure(pages, text_format, min_pixels, max_pixels, rejected) -> tuple[list[Sample], list[np.ndarray]]:
    """Decode each page once, for its size and its perceptual hash."""
    samples, hashes = [], []
    for page in pages:
        answer = format_text(page.text or "", text_format)
        if not answer:
            reason = "unlabelled" if page.text is None else "empty_label"
            rejected.append(Rejection(page.origin, page.source, reason, "there is no text to learn"))
            continue
        try:
            image = page.open()
            tokens = visual_tokens(image.width, image.height, min_pixels, max_pixels)
        except ValueError as error:
            rejected.append(Rejection(page.origin, page.source, "unreadable", str(error)))
            continue
        samples.append(Sample(**vars(page), answer=answer, visual_tokens=tokens))
        hashes.append(splitting.image_hash(image))
    return samples, hashes


def _fitting(samples, tokenizer, limits, rejected) -> tuple[list[int], Counter]:
    """Indices of the samples that the model can hold, and the characters that its tokenizer lacks."""
    kept, unknown = [], Counter()
    special = {t.content for t in tokenizer.get_added_tokens_decoder().values() if t.special}
    encodings = tokenizer.encode_batch([s.answer for s in samples], add_special_tokens=False)
    for i, (sample, encoding) in enumerate(zip(samples, encodings, strict=True)):
        sample.answer_tokens = len(encoding.ids) + 1
        problem = _problem(sample, special, **limits)
        if problem:
            rejected.append(Rejection(sample.origin, sample.source, *problem))
            continue
        kept.append(i)
        spans = [span for token, span in zip(encoding.tokens, encoding.offsets, strict=True) if token == "<unk>"]
        unknown.update("".join(sample.answer[start:end] for start, end in spans))
    return kept, unknown


def _problem(sample: Sample, special: set[str], max_answer_tokens: int, context: int) -> tuple[str, str] | None:
    marker = next((token for token in special if token in sample.answer), None)
    if marker:
        return "special_token_in_text", f"the text holds {marker}, which the model takes for a command"
    if sample.answer_tokens > max_answer_tokens:
        return "answer_too_long", f"{sample.answer_tokens} tokens; the limit is {max_answer_tokens}"
    total = sample.visual_tokens + sample.answer_tokens + PROMPT_TOKENS
    if total > context:
        return "context_too_long", f"{total} tokens with the image; the model holds {context}"
    return None


def _counts(by_split: dict[str, list[Sample]], rejected: list[Rejection], unknown: Counter) -> dict:
    everything = [s for samples in by_split.values() for s in samples]
    return {
        "samples": len(everything),
        "by_split": {name: dict(Counter(s.doc_type for s in samples)) for name, samples in by_split.items()},
        "label_origins": dict(Counter(s.label_origin or "unknown" for s in everything)),
        "answer_tokens": _quantiles([s.answer_tokens for s in everything]),
        "visual_tokens": _quantiles([s.visual_tokens for s in everything]),
        "unknown_characters": dict(unknown.most_common(50)),
        "rejected": dict(Counter(r.reason for r in rejected)),
    }


def _quantiles(values: list[int]) -> dict[str, float]:
    return dict(zip(("min", "median", "p95", "max"), np.percentile(values, (0, 50, 95, 100)).tolist(), strict=True))


def _warnings(by_split: dict[str, list[Sample]]) -> list[str]:
    return [
        f"{name} has {len(samples)} page{'s' * (len(samples) != 1)}: too little to "
        f"{'train on' if name == 'train' else 'judge by'}. Add pages to the source, or transcribe and keep more of "
        f"them (about 100 are needed before every split holds {FEW}); take what follows as a trial of the path alone."
        for name, samples in by_split.items()
        if len(samples) < FEW
    ]
