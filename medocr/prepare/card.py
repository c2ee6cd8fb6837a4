"""The dataset card: where the pages come from, under which licences, and how many are in each split."""

from collections import Counter, defaultdict
from pathlib import Path
from statistics import fmean

from huggingface_hub import DatasetCard, DatasetCardData

from medocr import markdown
from medocr.schema import DOC_TYPES

TEMPLATE = Path(__file__).with_name("card.md.jinja")


def dataset_card(prepared, *, name: str) -> str:
    """A Hugging Face dataset card (Markdown under a YAML header) of a `Prepared`."""
    samples = [*prepared.train, *prepared.validation, *prepared.test]
    by_split, domains = prepared.counts["by_split"], Counter(s.domain for s in samples)
    kinds = [kind for kind in DOC_TYPES if any(kind in split for split in by_split.values())]
    card = DatasetCard.from_template(
        _header(name, samples),
        template_str=TEMPLATE.read_text(encoding="utf-8"),
        samples=samples,
        table=markdown.table,
        shares=[f"{100 * n / len(samples):.1f} % {domain}" for domain, n in domains.most_common()],
        visual=prepared.counts["visual_tokens"],
        answer=prepared.counts["answer_tokens"],
        phi=sum(s.contains_phi for s in samples),
        kinds=kinds,
        splits=[(split, *(by.get(kind, 0) for kind in kinds), sum(by.values())) for split, by in by_split.items()],
        sources=_sources(samples),
        labels=_labels(samples),
        leakage=prepared.leakage,
        rejected=prepared.counts["rejected"],
        warnings=prepared.warnings,
    )
    return f"{card}\n"


def _header(name: str, samples: list) -> DatasetCardData:
    files = [{"split": split, "path": f"{split}.parquet"} for split in ("train", "validation", "test")]
    return DatasetCardData(
        pretty_name=name,
        license=sorted({s.licence for s in samples if s.licence}) or ["unknown"],
        language=sorted({s.language for s in samples if s.language}) or None,
        task_categories=["image-to-text"],
        tags=["ocr", "medical"],
        configs=[{"config_name": "default", "data_files": files}],
    )


def _sources(samples: list) -> list[tuple]:
    """Pages by source, revision (of a data set, whose pages come from `dataset@revision#row`) and licence."""
    revisions = ("" if s.source == "folder" else s.origin.partition("#")[0].partition("@")[2] for s in samples)
    counts = Counter((s.source, of, s.licence or "unknown") for s, of in zip(samples, revisions, strict=True))
    return [(*key, n) for key, n in sorted(counts.items())]


def _labels(samples: list) -> list[tuple]:
    """Pages by label origin and type, with the mean confidence where there is one."""
    confidences = defaultdict(list)
    for s in samples:
        confidences[s.label_origin or "unknown", s.doc_type].append(s.confidence)
    known = {key: [value for value in values if value is not None] for key, values in confidences.items()}
    return [
        (*key, len(values), f"{fmean(known[key]):.3f}" if known[key] else "")
        for key, values in sorted(confidences.items())
    ]
