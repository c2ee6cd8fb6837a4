"""The card that goes with a merged model: `card.md.jinja`, filled."""

from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from medocr import BASES, markdown
from medocr import model as models

TASK = "image-text-to-text"
RECIPE = ("learning_rate", "epochs", "max_steps", "batch_size", "accumulation", "r", "alpha", "warmup", "seed")
METRICS = ("cer", "wer", "field_recall", "test_value_f1", "range_f1", "drug_f1", "term_recall", "changed_digit")
SLICES = ("all", "medical", "general")


def model_card(base: str | Path, model, *, training: dict, splits: dict, comparisons: list[dict], pages: list) -> str:
    """Markdown under a YAML header.

    `training` is train.json's content, `splits` prepare.json's pages per split and type, `comparisons` are rows of
    metrics.json, `pages` show the sources and their licences. Each may be empty, and its section is then left out.
    """
    embedded, licence = str(base) in BASES, _licence(base)
    name = f"medocr/{base}" if embedded else str(base)
    local = Path(name).is_absolute()
    shown = Path(name).name if local else name
    compared = [row for row in comparisons if row["metric"] in METRICS and row["slice"] in SLICES]
    header = ModelCardData(
        base_model=None if local else name,
        library_name="transformers",
        license=licence,
        pipeline_tag=TASK,
        tags=["ocr", "medical"],
        model_name=f"{shown}, fine-tuned by medocr",
        eval_results=[_result(row) for row in compared],
    )
    card = ModelCard.from_template(
        header,
        template_path=str(Path(__file__).with_name("card.md.jinja")),
        name=shown,
        weights=sum(p.numel() for p in model.parameters()),
        embedded=embedded,
        sections=len(model.config.text_config.rope_parameters.get("mrope_section", ())),
        recipe=_recipe(training) if training else "",
        splits=_splits(splits) if splits else "",
        metrics=_metrics(compared) if compared else "",
        licence=licence,
        sources=_sources(pages),
    )
    return card.content


def _licence(base: str | Path) -> str:
    """The licence that the base's own card states."""
    card = models.resolve(base) / "README.md"
    if str(base) in BASES:
        return "apache-2.0"
    known = ModelCard.load(card, ignore_metadata_errors=True).data.license if card.is_file() else None
    return known if isinstance(known, str) else "unknown"


def _sources(pages: Iterable) -> list[str]:
    counted = {(page.source, page.licence or "not stated") for page in pages}
    return [f"{source}: {of}" for source, of in sorted(counted)]


def _recipe(training: dict) -> str:
    recipe = training["recipe"]
    rows = [(name.replace("_", " "), recipe[name]) for name in RECIPE if name in recipe]
    rows += [("optimizer steps", f"{training['steps']:,}"), ("adapter of step", training["best_step"])]
    rows += [("trained weights", f"{training['trainable']:,}"), ("precision", training["precision"])]
    return markdown.table(["", ""], rows)


def _splits(splits: dict) -> str:
    kinds = list(dict.fromkeys(kind for counts in splits.values() for kind in counts))
    rows = [(split, *(counts.get(kind, 0) for kind in kinds)) for split, counts in splits.items()]
    return markdown.table(["split", *(kind.replace("_", " ") for kind in kinds)], rows)


def _result(row: dict) -> EvalResult:
    """The tuned model's score, as the Hub shows scores: a table for each slice, which the Hub tells by its config."""
    name = f"{row['slice']} test pages"
    return EvalResult(TASK, "medocr", name, row["metric"], row["tuned"], dataset_config=row["slice"])


def _metrics(compared: list[dict]) -> str:
    rows = [
        (row["metric"], row["slice"], row["n"], f"{row['base']:.3f}", f"{row['tuned']:.3f}", _interval(row))
        for row in compared
    ]
    return markdown.table(["metric", "pages", "n", "base", "tuned", "difference [95 %]"], rows)


def _interval(row: dict) -> str:
    """The difference with its interval; one page alone has none."""
    interval = f" [{row['low']:+.3f}, {row['high']:+.3f}]" if row["low"] is not None else ""
    return f"{row['difference']:+.3f}{interval}"
