"""The card that goes with a merged model."""

from collections import Counter
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from medocr import BASES, markdown
from medocr import model as models

TINY_NOTE = (
    "The base is medocr's embedded model of a few million weights, made to show the pipeline on a CPU in minutes. "
    "It reads short synthetic pages in a few printed typefaces and nothing else; do not judge PaddleOCR-VL by it."
)
USE = """\
```python
from medocr import model
reader, processor = model.load("FOLDER")
print(model.read(reader, processor, [image], max_new_tokens=1024)[0].text)
```

Plain transformers loads it as `AutoModelForImageTextToText` (its processor as `AutoProcessor`, which needs
torchvision); the prompt is `OCR:` after the image; use greedy decoding. transformers 5.15 to 5.22 interpolate
the vision tower's position embeddings differently from how this model was trained: with these versions, set
`model.model.visual.vision_model.embeddings.interpolation_align_corners = False`, as medocr does.
"""
VLLM = """\
To serve it (vLLM 0.29 or newer; with another content format it may put a line break before the prompt, which changes
every answer):

```bash
vllm serve FOLDER --max-num-batched-tokens 16384 --no-enable-prefix-caching \\
    --mm-processor-cache-gb 0 --chat-template-content-format openai
```
"""
NO_VLLM = (
    "vLLM cannot serve it: its rotary positions come in {sections} sections, and vLLM computes three (time, height, "
    "width), which PaddleOCR-VL has."
)
SECTIONS = 3  # of rotary positions that vLLM computes
LIMITS = """\
- It is a research result. It is not a medical device and has not been assessed as one.
- It can omit, invent or change words and numbers, including doses and decimal points, without any warning.
  A person must check every value against the page before it is used.
- It knows the kinds of pages it was trained on. Others, handwriting above all, may come out as fluent nonsense.
- On a page that it cannot read, it may repeat itself until it reaches the length limit.
"""
TASK = "image-text-to-text"
RECIPE = ("learning_rate", "epochs", "max_steps", "batch_size", "accumulation", "r", "alpha", "warmup", "seed")
METRICS = ("cer", "wer", "field_recall", "test_value_f1", "range_f1", "drug_f1", "term_recall", "changed_digit")


def model_card(base: str | Path, model, *, training: dict, splits: dict, comparisons: list[dict], pages: list) -> str:
    """Markdown under a YAML header.

    `training` is train.json's content, `splits` prepare.json's pages per split and type, `comparisons` are rows of
    metrics.json, `pages` show the sources and their licences. Each may be empty, and its section is then left out.
    """
    name = f"medocr/{base}" if str(base) in BASES else str(base)
    weights = sum(p.numel() for p in model.parameters())
    local, licence = Path(name).is_absolute(), _licence(base)
    shown = Path(name).name if local else name
    header = ModelCardData(
        base_model=None if local else name,
        library_name="transformers",
        license=licence,
        pipeline_tag=TASK,
        tags=["ocr", "medical"],
        model_name=f"{shown}, fine-tuned by medocr",
        eval_results=[_result(row) for row in _shown(comparisons)],
    )
    parts = [
        f"---\n{header.to_yaml()}\n---",
        "# A document reader fine-tuned by medocr",
        f"{shown}, fine-tuned with LoRA on medical and general documents to transcribe the text of a page, and merged "
        f"into one model of {weights:,} weights in float16.",
        *([TINY_NOTE] if str(base) in BASES else []),
        "## Use\n\n" + USE,
        _serving(model),
        "## Limits\n\n" + LIMITS,
        *_recipe(training),
        *_data(splits),
        *_metrics(comparisons),
        "## Licence\n\n" + _licences(licence, pages),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _serving(model) -> str:
    """How vLLM serves the model, or why it cannot: it starts without a word and dies at the first page."""
    sections = model.config.text_config.rope_parameters.get("mrope_section", ())
    return VLLM if len(sections) == SECTIONS else NO_VLLM.format(sections=len(sections))


def _licence(base: str | Path) -> str:
    """The licence that the base's own card states."""
    card = models.resolve(base) / "README.md"
    if str(base) in BASES:
        return "apache-2.0"
    known = ModelCard.load(card, ignore_metadata_errors=True).data.license if card.is_file() else None
    return known if isinstance(known, str) else "unknown"


def _licences(licence: str, pages: list) -> str:
    counted = Counter((page.source, page.licence or "not stated") for page in pages)
    rows = [f"{source}: {of}" for source, of in sorted(counted)]
    trained_on = f" Its training pages come from sources under these licences: {'; '.join(rows)}." if rows else ""
    return f"The base's licence: {licence}.{trained_on}"


def _recipe(training: dict) -> list[str]:
    if not training:
        return []
    recipe = training["recipe"]
    rows = [(name.replace("_", " "), recipe[name]) for name in RECIPE if name in recipe]
    rows += [("optimizer steps", f"{training['steps']:,}"), ("adapter of step", training["best_step"])]
    rows += [("trained weights", f"{training['trainable']:,}"), ("precision", training["precision"])]
    return ["## Recipe\n\n" + markdown.table(["", ""], rows)]


def _data(splits: dict) -> list[str]:
    kinds = list(dict.fromkeys(kind for counts in splits.values() for kind in counts))
    rows = [(split, *(counts.get(kind, 0) for kind in kinds)) for split, counts in splits.items()]
    names = [kind.replace("_", " ") for kind in kinds]
    return ["## Data\n\nPages per split and type:\n\n" + markdown.table(["split", *names], rows)] if rows else []


def _shown(comparisons: list[dict]) -> list[dict]:
    slices = ("all", "medical", "general")
    return [row for row in comparisons if row["metric"] in METRICS and row["slice"] in slices]


def _result(row: dict) -> EvalResult:
    """The tuned model's score, as the Hub shows scores: a table for each slice, which the Hub tells by its config."""
    name = f"{row['slice']} test pages"
    return EvalResult(TASK, "medocr", name, row["metric"], row["tuned"], dataset_config=row["slice"])


def _metrics(comparisons: list[dict]) -> list[str]:
    rows = [
        (row["metric"], row["slice"], row["n"], f"{row['base']:.3f}", f"{row['tuned']:.3f}", _interval(row))
        for row in _shown(comparisons)
    ]
    note = (
        "Base and tuned model on the same pages, and the difference with its 95 % interval, measured before merging; "
        "the parity check compares the merged model with the tuned one, tensor by tensor."
    )
    titles = ["metric", "pages", "n", "base", "tuned", "difference [95 %]"]
    return [f"## Metrics\n\n{note}\n\n{markdown.table(titles, rows)}"] if rows else []


def _interval(row: dict) -> str:
    """The difference with its interval; one page alone has none."""
    interval = f" [{row['low']:+.3f}, {row['high']:+.3f}]" if row["low"] is not None else ""
    return f"{row['difference']:+.3f}{interval}"
