"""From scored pages to metrics.json: every slice's figures with intervals, and base against tuned.

The slices: `all`; the domains (`medical`, `general`, `unknown`); the document types; `test`; `peers`, the pages that
RapidOCR read as well where those are a part; and `labels:<origin>`, of the test split's labels, unless all of them are
the exact texts, by one origin. Where there are held-out pages, whose layouts no split holds, the others are of those
alone, and `test` has the test split, whose layouts stand in training as well.
"""

import numpy as np
import pandas as pd

from medocr import metrics
from medocr.schema import DOC_TYPES

MEDIANS = {"cer_median": "cer", "wer_median": "wer"}
MICROS = {"cer_micro": ("edits", "characters"), "wer_micro": ("word_edits", "words")}
PER_ROW = {f"{kind}_per_row": kind for kind in metrics.KINDS}  # over all rows that a model read in a slice
FEW_UNITS = 20  # a slice with fewer resampled units is said to be small
PER_PAGE = (
    *("cer", "wer", "exact", "line_exact", "coverage_recall", "coverage_precision", "invented_numbers"),
    *("reading_order", "row_integrity", "heading_recall", "teds", "loop", "empty"),
    *(*metrics.MEDICAL, *metrics.KINDS, "rows_read"),
)


def slices(frame: pd.DataFrame) -> dict[str, tuple[pd.Series, str]]:
    """The slices of a scored frame, in the order of reading: name → (which rows, prefix of the score columns)."""
    unseen = frame["set"] == "held_out"
    reported = unseen if unseen.any() else ~unseen
    chosen = {"all": (reported, "")}
    for domain in ("medical", "general", "unknown"):
        chosen[domain] = (reported & (frame["domain"] == domain), "")
    for doc_type in DOC_TYPES:
        chosen.setdefault(doc_type, (reported & (frame["doc_type"] == doc_type), ""))
    if not reported.all():
        chosen["test"] = (~unseen, "")
    by_ocr = set(frame[frame["model"] == "ocr"]["id"])
    if by_ocr and by_ocr < set(frame["id"]):
        chosen["peers"] = (frame["id"].isin(by_ocr), "")
    # Held-out pages are drawn, and have the exact text: labels of other origins stand in the other splits.
    labelled, exact = ~unseen & frame["reference"].notna(), frame["reference"] == frame["truth"]
    for origin in sorted(frame[labelled]["label_origin"].dropna().unique()):
        of_origin = labelled & (frame["label_origin"] == origin)
        if not (of_origin & exact)[~unseen].all():  # which would be all of them again
            chosen[f"labels:{origin}"] = (of_origin, "label_")
    return {name: (rows, prefix) for name, (rows, prefix) in chosen.items() if rows.any()}


def pair(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of base and of tuned, by the ids of the pages that both read."""
    base, tuned = (frame[frame["model"] == model].set_index("id") for model in ("base", "tuned"))
    shared = base.index.intersection(tuned.index)
    return base.loc[shared], tuned.loc[shared]


def summarise(frame: pd.DataFrame, *, seed: int = metrics.SEED) -> dict[str, list[dict]]:
    """The content of metrics.json: {"scores", "comparisons", "slices"}, each a flat table.

    `scores` has every model's metrics by slice, as far as pages give ground for them, with their 95 % intervals; means
    of CER and WER are capped at 1 per page. `comparisons` has base against tuned over the pages that both read: paired
    differences of means, `p_holm` corrected for the metrics of the slice. `slices` says for each slice its pages, its
    groups, whether groups or pages were resampled, how many pages were scored against exact text and how many against
    fields that the source knows, and whether it is small.
    """
    scores, comparisons, about = [], [], []
    for name, (rows, prefix) in slices(frame).items():
        part = frame[rows]
        pages = part["id"].nunique()
        for model, readings in part.groupby("model", sort=False):
            if model == "ocr" and len(readings) < pages:  # an OCR stands only beside models that read the same pages
                continue
            scores += [{"model": model, "slice": name, **row} for row in _score_rows(readings, prefix, seed)]
        comparisons += [{"slice": name, **row} for row in _comparison_rows(part, prefix, seed)]
        about.append(_about(name, part.drop_duplicates("id"), prefix))
    return {"scores": scores, "comparisons": comparisons, "slices": about}


def _score_rows(rows: pd.DataFrame, prefix: str, seed: int) -> list[dict]:
    """Every figure of one model in one slice."""
    means = [*PER_PAGE, "seconds"]
    values = _means(rows, prefix).assign(seconds=rows["seconds"])
    weights = pd.DataFrame(1.0, rows.index, means)
    for name, column in MEDIANS.items():
        values[name], weights[name] = rows[prefix + column], 1.0
    for name, (edits, length) in MICROS.items():
        values[name], weights[name] = rows[prefix + edits], rows[prefix + length]
    read = values["rows_read"].where(values["rows_read"] > 0)
    for name, kind in PER_ROW.items():
        values[name], weights[name] = values[kind].where(read.notna()), read
    figures = values.sum(min_count=1) / weights.where(values.notna()).sum()
    figures.update(values[list(MEDIANS)].median())
    units, _ = metrics.resampling_units(rows["group"].tolist(), len(rows))
    medians = [values.columns.get_loc(name) for name in MEDIANS]
    low, high = metrics.intervals(
        values.to_numpy(float), units, medians=medians, weights=weights.to_numpy(float), seed=seed
    )
    table = pd.DataFrame({"value": figures, "low": low, "high": high}, values.columns).map(_rounded).astype(object)
    table = table.where(table.notna(), None).assign(n=values.notna().sum())
    return table[table["n"] > 0].rename_axis("metric").reset_index().to_dict("records")


def _comparison_rows(part: pd.DataFrame, prefix: str, seed: int) -> list[dict]:
    """Base against tuned for every metric of one slice; nothing where either has not read it."""
    base, tuned = pair(part)
    if not len(base):
        return []
    compared = metrics.compare_columns(
        _means(base, prefix).to_numpy(float), _means(tuned, prefix).to_numpy(float), base["group"].tolist(), seed=seed
    )
    compared = {name: comparison for name, comparison in zip(PER_PAGE, compared, strict=True) if comparison.n}
    corrected = metrics.holm([comparison.p for comparison in compared.values()])
    keys = ("base", "tuned", "difference", "low", "high", "p")
    return [
        {
            "metric": name,
            **{key: _rounded(getattr(comparison, key)) for key in keys},
            "n": comparison.n,
            "p_holm": _rounded(p),
        }
        for (name, comparison), p in zip(compared.items(), corrected, strict=True)
    ]


def _means(rows: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """The per-page scores whose means are given, CER and WER capped at 1."""
    values = rows.reindex(columns=[prefix + name for name in PER_PAGE]).set_axis(list(PER_PAGE), axis=1).astype(float)
    return values.assign(**{name: values[name].clip(upper=1) for name in metrics.CAPPED})


def _about(name: str, pages: pd.DataFrame, prefix: str) -> dict:
    units, resampled_by = metrics.resampling_units(pages["group"].tolist(), len(pages))
    return {
        "slice": name,
        "pages": len(pages),
        "groups": int(pages["group"].nunique()),
        "resampled_by": resampled_by,
        "scored_against_truth": 0 if prefix else int((pages["against"] == "truth").sum()),
        "fields_from_source": 0 if prefix else int((pages["fields_from"] == "source").sum()),
        "small": len(np.unique(units)) < FEW_UNITS,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(float(value), 6)
