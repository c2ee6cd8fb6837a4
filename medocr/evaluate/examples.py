"""Which pages to show: base beside tuned, from the greatest gain to the greatest loss."""

import numpy as np
import pandas as pd

from medocr import metrics
from medocr.evaluate.summary import pair


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
