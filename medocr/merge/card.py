"""The card that goes with a merged model."""

from pathlib import Path

TINY_NOTE = (
    "The base is medocr's embedded model of a few million weights, made to show the pipeline on a CPU in minutes. "
    "It reads short synthetic pages in a few printed typefaces and nothing else: do not judge PaddleOCR-VL by it."
)
USE = """\
```python
from medocr import model
reader, processor = model.load("FOLDER")
print(model.read(reader, processor, [image], max_new_tokens=1024)[0].text)
```

Plain transformers loads it as `AutoModelForImageTextToText`; the prompt is `OCR:` after the image, decoding greedy.
"""
LIMITS = """\
- It is a research result. It is no medical device, and nobody has examined it as one.
- It can leave out, invent and change words and numbers, a dose or a decimal point among them, without a sign that
  it did. A person has to check every value against the page before anything follows from it.
- It knows the kinds of pages it was trained on. Others, handwriting above all, may come out as fluent nonsense.
- On a page that it cannot read it may repeat itself until it is cut off.
"""


def model_card(base: str | Path, model, facts: dict) -> str:
    """Markdown under a YAML header; `facts` become a table of names and values."""
    name = "medocr/tiny" if str(base) == "tiny" else str(base)
    weights = sum(p.numel() for p in model.parameters())
    header = ["---", "library_name: transformers", "pipeline_tag: image-text-to-text", "license: apache-2.0"]
    header += ["tags:", "- ocr", "- medical", *([] if name == "medocr/tiny" else [f'base_model: "{name}"']), "---"]
    parts = [
        "\n".join(header),
        "# A document reader fine-tuned by medocr",
        f"{name}, fine-tuned with LoRA on medical and general documents to write down the text of a page, and merged "
        f"into one model of {weights:,} weights in float16.",
        *([TINY_NOTE] if name == "medocr/tiny" else []),
        "## Use\n\n" + USE,
        "## Limits\n\n" + LIMITS,
    ]
    if facts:
        rows = "\n".join(f"| {fact} | {value} |" for fact, value in facts.items())
        parts.append("## How it was made, and how it scores\n\n| | |\n|---|---|\n" + rows)
    return "\n\n".join(part.strip() for part in parts) + "\n"
