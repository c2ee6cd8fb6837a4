"""Readings beside their scores: facts of the page, label against truth, and base against tuned page by page."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import pandas as pd

from medocr import metrics
from medocr.evaluate.summary import pair


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


def changes(frame: pd.DataFrame, metric: str = "cer") -> pd.DataFrame:
    """One row per page that base and tuned both read, from the greatest fall of a score to the greatest rise.

    Columns: id, origin, set, doc_type, group, target (the text scored against), base and tuned (their texts),
    base_score, tuned_score (capped at 1 where means are), change.
    """
    base, tuned = pair(frame)
    limit = 1.0 if metric in metrics.CAPPED else np.inf
    paired = base[["origin", "set", "doc_type", "group"]].assign(
        target=base["truth"].where(base["truth"].notna(), base["reference"]),
        base=base["text"],
        tuned=tuned["text"],
        base_score=base[metric].clip(upper=limit),
        tuned_score=tuned[metric].clip(upper=limit),
    )
    paired["change"] = paired["tuned_score"] - paired["base_score"]
    return paired.rename_axis("id").reset_index().sort_values(["change", "id"], ignore_index=True)


def pick_examples(frame: pd.DataFrame, each: int = 1, metric: str = "cer") -> pd.DataFrame:
    """Pages to show: the rows of `changes` with the best, the median and the worst change, named in `example`.

    No page is given twice, so a small frame gives fewer.
    """
    paired = changes(frame, metric)
    if metric in metrics.HIGHER_IS_BETTER:
        paired = paired.iloc[::-1].reset_index(drop=True)
    middle = max(0, (len(paired) - each) // 2)
    kinds = {"best": paired[:each], "worst": paired[::-1][:each], "median": paired[middle:][:each]}
    shown = pd.concat([rows.assign(example=kind) for kind, rows in kinds.items()])
    first = shown[~shown.index.duplicated()]
    return first.sort_values("example", kind="stable", ignore_index=True)  # best, median, worst, as in the alphabet
