"""The dataset card: where the pages come from, under which licences, and how many are in each split."""

from collections import Counter

from huggingface_hub import DatasetCardData

from medocr import markdown
from medocr.schema import DOC_TYPES


def dataset_card(prepared, *, name: str) -> str:
    """A Hugging Face dataset card (Markdown under a YAML header) of a `Prepared`."""
    samples = [*prepared.train, *prepared.validation, *prepared.test]
    parts = [_header(name, samples), f"# {name}", _summary(prepared, samples), "## Pages per split", _splits(prepared)]
    parts += ["## Sources", _sources(samples), "## Labels", _labels(samples)]
    parts += ["## Leakage between splits", _leakage(prepared.leakage)]
    if prepared.rejected:
        parts += ["## Rejected", markdown.table(["reason", "pages"], prepared.counts["rejected"].items())]
    if prepared.warnings:
        parts += ["## Warnings", "\n".join(f"- {warning}" for warning in prepared.warnings)]
    return "\n\n".join(parts) + "\n"


def _header(name: str, samples: list) -> str:
    files = [{"split": split, "path": f"{split}.parquet"} for split in ("train", "validation", "test")]
    data = DatasetCardData(
        pretty_name=name,
        license=sorted({s.licence for s in samples if s.licence}) or ["unknown"],
        language=sorted({s.language for s in samples if s.language}) or None,
        task_categories=["image-to-text"],
        tags=["ocr", "medical"],
        configs=[{"config_name": "default", "data_files": files}],
    )
    return f"---\n{data.to_yaml()}\n---"


def _summary(prepared, samples: list) -> str:
    domains = Counter(s.domain for s in samples)
    shares = ", ".join(f"{100 * n / len(samples):.1f} % {domain}" for domain, n in domains.most_common())
    phi = sum(s.contains_phi for s in samples)
    answer, visual = prepared.counts["answer_tokens"], prepared.counts["visual_tokens"]
    return (
        f"{len(samples):,} pages with their text, for training and testing a document reader: {shares}. "
        f"The median page takes {visual['median']:.0f} visual tokens (at most {visual['max']:.0f}), its answer "
        f"{answer['median']:.0f} tokens (at most {answer['max']:.0f}). "
        + (f"**{phi:,} pages may hold protected health information: do not publish.**" if phi else "No page is "
           "marked as holding protected health information.")
    )  # fmt: skip


def _splits(prepared) -> str:
    counts = prepared.counts["by_split"]
    kinds = [kind for kind in DOC_TYPES if any(kind in split for split in counts.values())]
    rows = [(split, *(by.get(kind, 0) for kind in kinds), sum(by.values())) for split, by in counts.items()]
    return markdown.table(["split", *kinds, "all"], rows)


def _sources(samples: list) -> str:
    counts = Counter((s.source, _revision(s), s.licence or "unknown") for s in samples)
    rows = [(*key, n) for key, n in sorted(counts.items())]
    return markdown.table(["source", "revision", "licence", "pages"], rows)


def _revision(sample) -> str:
    """Of a data set, whose pages come from `dataset@revision#row`; a folder has none."""
    return "" if sample.source == "folder" else sample.origin.partition("#")[0].partition("@")[2]


def _labels(samples: list) -> str:
    counts = Counter((s.label_origin or "unknown", s.doc_type) for s in samples)
    confidences = {key: [] for key in counts}
    for s in samples:
        if s.confidence is not None:
            confidences[s.label_origin or "unknown", s.doc_type].append(s.confidence)
    mean = {key: f"{sum(values) / len(values):.3f}" if values else "" for key, values in confidences.items()}
    rows = [(*key, n, mean[key]) for key, n in sorted(counts.items())]
    return markdown.table(["label from", "document type", "pages", "mean confidence"], rows)


def _leakage(report: dict) -> str:
    text = (
        f"{report['groups_shared_across_splits']} of {report['groups']:,} groups and "
        f"{report['near_duplicate_pairs_across_splits']} of {report['near_duplicate_pairs']:,} pairs of near "
        f"duplicates are in more than one split."
    )
    if report["groups_parted_by_their_source"]:
        text += f" {report['groups_parted_by_their_source']} further groups are split as their source specifies."
    closest = report.get("closest_by_text")
    if closest:
        bits = report["thresholds"]["of_bits"]
        text += (
            f" The most similar pages in different splits share {100 * closest['text_similarity']:.0f} % of their text "
            f"and differ in {closest['image_bits']} of {bits} bits of the perceptual hash."
        )
    return text
