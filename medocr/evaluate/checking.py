"""Readings held against something else than one score: against facts of the page, and against label and truth apart."""

import dataclasses
from collections.abc import Iterable

import pandas as pd

from medocr import metrics


def check(predictions: Iterable) -> pd.DataFrame:
    """One row per check and model: id, origin, doc_type, model, and the columns of `metrics.Check`.

    Facts come from the fields that the page's source knows, or are read from the text that the page is scored against.
    """
    rows = []
    for prediction in predictions:
        about = {name: getattr(prediction, name) for name in ("id", "origin", "doc_type", "model")}
        checks = metrics.check_page(prediction.target, prediction.text, prediction.fields)
        rows += [about | dataclasses.asdict(fact) for fact in checks]
    return pd.DataFrame(rows, columns=["id", "origin", "doc_type", "model", "family", "what", "passed", "why"])


def pass_rates(checks: pd.DataFrame) -> pd.DataFrame:
    """Share of checks passed by what they ask, of base and tuned, and `n`, the checks that each had to pass."""
    rates = checks.pivot_table("passed", "family", "model", "mean").astype(float)
    counts = checks[checks["model"] == "tuned"].groupby("family").size()
    families = [name for name in metrics.FAMILIES if name in rates.index]
    models = [name for name in ("base", "tuned") if name in rates.columns]
    table = rates.loc[families, models].assign(n=counts.reindex(families).fillna(0).astype(int))
    return table.rename(index=metrics.FAMILIES).rename_axis("what each page states")


def labels_and_truth(frame: pd.DataFrame) -> pd.DataFrame:
    """CER (mean, capped at 1) of the same readings against the label and against the exact text, by who labelled them.

    Only pages that have both are compared; the table is empty where there is none.
    """
    both = frame[frame["reference"].notna() & frame["truth"].notna() & frame["model"].isin(("base", "tuned"))]
    rates = both.assign(label=both["label_cer"].clip(upper=1), exact=both["cer"].clip(upper=1))
    by = rates.groupby(["label_origin", "model"])
    table = by.agg(pages=("id", "size"), label=("label", "mean"), exact=("exact", "mean"))
    titles = {"label": "CER against the label", "exact": "CER against the exact text"}
    return table.rename(columns=titles).rename_axis(["labelled by", "model"])
