"""Per-page checks over predictions: which facts each model kept, and which it broke."""

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
        checks = metrics.check_page(prediction.wanted, prediction.text, prediction.fields)
        rows += [about | dataclasses.asdict(one) for one in checks]
    return pd.DataFrame(rows, columns=["id", "origin", "doc_type", "model", "family", "what", "passed", "why"])


def pass_rates(checks: pd.DataFrame) -> pd.DataFrame:
    """Share of checks passed by family, of base and tuned, and `n`, the checks that each had to pass."""
    rates = checks.pivot_table("passed", "family", "model", "mean").astype(float)
    counts = checks[checks["model"] == "tuned"].groupby("family").size()
    families = [name for name in metrics.FAMILIES if name in rates.index]
    models = [name for name in ("base", "tuned") if name in rates.columns]
    return rates.loc[families, models].round(3).assign(n=counts.reindex(families).fillna(0).astype(int))
