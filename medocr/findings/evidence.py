"""What the experiments found: contrasts paired by page and seed, and verdicts that one rule draws from the numbers.

The rule, for a contrast whose advantage (positive where the first side does better) has the 95 % interval low to high
and for which a difference below `Contrast.matters` is of no account:

- supported: low > 0, every seed's own advantage > 0, and high reaches what matters;
- not supported: high is less than what matters (a loss, or a gain too small to count);
- undecided: otherwise, and with one seed alone.

A contrast that asks for *no loss* is supported where low, and every seed, is above minus what matters, and is not
where high is below it. A claim is supported if all contrasts that decide it are, is not if one of them is not, and is
not run yet while one of them lacks its runs.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from medocr.metrics import CAPPED, HIGHER_IS_BETTER, SEED
from medocr.report.style import rounded
from medocr.schema import DOMAIN_OF

HOLDS, FAILS, UNSURE = "supported", "not supported", "undecided"
UNTESTED, MISSING = "not tested", "not run yet"
BETTER, WORSE, ALIKE = "better", "worse", "alike"  # how the first side came out
# The smallest differences of account: general pages are read nearly without error, so that less counts there.
MATTERS, MATTERS_GENERAL, MATTERS_SHARE = 0.005, 0.001, 0.02  # CER, CER of general pages, shares and F1
UNLABELLED = ("lab_report", "form")  # the types that come without text
SHORT = {
    "cer": "CER",
    "field_recall": "fields right",
    "header_recall": "header fields",
    "test_value_f1": "test values, F1",
    "range_f1": "ranges, F1",
    "drug_f1": "drug orders, F1",
}
FEWEST_SEEDS = 2
RESAMPLES = 4000


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of a contrast: a variant of the experiments, read by its tuned model or by the base."""

    variant: str
    shown: str
    model: str = "tuned"


@dataclasses.dataclass(frozen=True)
class Contrast:
    """A question to the runs: does `left` do better than `right` (or no worse) by one metric on one slice of pages?"""

    left: Side
    right: Side
    metric: str = "cer"
    pages: str = "medical"  # all, medical, general, unlabelled or a document type
    no_loss: bool = False
    decides: bool = True

    @property
    def matters(self) -> float:
        """The smallest difference of account."""
        if self.metric != "cer":
            return MATTERS_SHARE
        return MATTERS_GENERAL if "general" in (self.pages, DOMAIN_OF.get(self.pages)) else MATTERS


def load(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs under results/experiments/: (scores of pages, facts of runs), empty where nothing has run.

    Scores: variant, seed, model, id, group, doc_type, domain and the metrics, CER and WER capped at 1. Facts: variant,
    seed, commit, cores, batch (pages per step), cpu_seconds (of its own stages), step_cpu_seconds (the training stage's
    per step), label_cer (of UNLABELLED types' labels), set_aside (pages that got no label), and of the training steps,
    pages, trainable, weights, precision. CPU seconds, because runs side by side stretch those of the clock.
    """
    pages, facts = [], []
    for path in sorted(Path(folder).glob("*/metrics.json")):
        record = json.loads((path.parent / "run.json").read_text())
        table = pd.DataFrame(json.loads(path.read_text())["pages"])
        pages.append(table.assign(variant=record["variant"], seed=record["seed"]))
        facts.append(_facts(record))
    if not pages:
        return pd.DataFrame(columns=["variant", "seed", "model"]), pd.DataFrame(columns=["variant", "seed"])
    scores = pd.concat(pages, ignore_index=True)
    for name in CAPPED & set(scores):
        scores[name] = scores[name].clip(upper=1)
    return scores.assign(domain=scores["doc_type"].map(DOMAIN_OF)), pd.DataFrame(facts)


def _facts(record: dict) -> dict:
    trained = {name: record["train"][name] for name in ("steps", "pages", "trainable", "weights", "precision")}
    spent = {row["stage"]: row["cpu_seconds"] for row in record["stages"] if row["state"] == "done"}
    facts = {name: record[name] for name in ("variant", "seed", "commit", "cores")}
    recipe = record["parameters"]["train"]
    facts["batch"] = recipe["batch_size"] * recipe["accumulation"]
    label_cer = record["prepare"]["label_cer"]
    noise = [label_cer[name] for name in UNLABELLED if name in label_cer]
    facts |= {"cpu_seconds": sum(spent.values()), "step_cpu_seconds": spent["04_train"] / trained["steps"]}
    facts |= {"label_cer": sum(noise) / len(noise) if noise else None}
    return facts | {"set_aside": sum(record["transcribe"].get("reasons", {}).values())} | trained


def measure(scores: pd.DataFrame, contrast: Contrast) -> dict | None:
    """A contrast's figures over the seeds that both sides have; None where there is none.

    left, right (means), advantage (of the left side: their difference, positive where left does better), low, high
    (its 95 % interval), seeds (each one's advantage), pages, groups, verdict.
    """
    left, right = (_side(scores, side, contrast) for side in (contrast.left, contrast.right))
    seeds = sorted(set(left.columns) & set(right.columns))
    if not seeds or left.empty:
        return None
    left, right = left[seeds], right.reindex(left.index)[seeds]
    known = left.notna().all(axis=1) & right.notna().all(axis=1)
    left, right = left[known], right[known]
    sign = 1 if contrast.metric in HIGHER_IS_BETTER else -1
    advantages = sign * (left - right).to_numpy(float)
    groups = left.index.get_level_values("group")
    low, high = crossed_interval(advantages, groups)
    figures = {
        "left": float(left.to_numpy().mean()),
        "right": float(right.to_numpy().mean()),
        "advantage": float(advantages.mean()),
        "low": low,
        "high": high,
        "seeds": advantages.mean(axis=0).tolist(),
        "pages": len(left),
        "groups": groups.nunique(),
    }
    return figures | {"verdict": verdict(contrast, figures)}


def _side(scores: pd.DataFrame, side: Side, contrast: Contrast) -> pd.DataFrame:
    """One side's scores: a row for each page (id, group), a column for each seed."""
    rows = scores[(scores["variant"] == side.variant) & (scores["model"] == side.model)]
    if rows.empty:
        return pd.DataFrame()
    rows = rows[_on(rows, contrast.pages)]
    return rows.pivot(index=["id", "group"], columns="seed", values=contrast.metric)


def _on(rows: pd.DataFrame, pages: str) -> pd.Series:
    if pages == "all":
        return pd.Series(True, rows.index)
    if pages == "unlabelled":
        return rows["doc_type"].isin(UNLABELLED)
    return rows["domain" if pages in ("medical", "general") else "doc_type"] == pages


def crossed_interval(differences: np.ndarray, groups: Sequence, seed: int = SEED) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of (pages × seeds): groups and seeds are drawn, both whole.

    With one seed it says nothing about seeds; with three it is somewhat too narrow, hence the rule on every seed.
    """
    rng = np.random.default_rng(seed)
    number = pd.factorize(np.asarray(groups))[0]
    count, seeds = number.max() + 1, differences.shape[1]
    drawn = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)[:, number].astype(float)
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES)
    means = (drawn @ differences * of_seeds).sum(axis=1) / (drawn.sum(axis=1) * seeds)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def limits(contrast: Contrast) -> tuple[float, float]:
    """What an advantage must surpass to be supported, and what it must reach not to be refuted."""
    return (-contrast.matters, -contrast.matters) if contrast.no_loss else (0.0, contrast.matters)


def verdict(contrast: Contrast, figures: dict) -> str:
    """The rule of this module, on one contrast's figures."""
    floor, least = limits(contrast)
    if len(figures["seeds"]) < FEWEST_SEEDS:
        return UNSURE
    if figures["high"] < least:
        return FAILS
    return HOLDS if figures["low"] > floor and min(figures["seeds"]) > floor else UNSURE


def outcome(contrast: Contrast, figures: dict) -> str:
    """How the first side came out, by the same rule asked both ways round: better, worse, alike or undecided."""
    plain = dataclasses.replace(contrast, no_loss=False)
    turned = {"low": -figures["high"], "high": -figures["low"], "seeds": [-value for value in figures["seeds"]]}
    ahead, behind = verdict(plain, figures), verdict(plain, turned)
    if HOLDS in (ahead, behind):
        return BETTER if ahead == HOLDS else WORSE
    return ALIKE if ahead == behind == FAILS else UNSURE


def together(verdicts: Sequence[str | None]) -> str:
    """A claim's verdict from those of the contrasts that decide it; None stands for runs that are missing."""
    if None in verdicts or MISSING in verdicts:
        return MISSING
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) == {HOLDS} else UNSURE


def word(contrast: Contrast, figures: dict) -> str:
    """The verdict, and of a failed one how the first side came out; that alone, bracketed, where nothing is decided."""
    came_out = outcome(contrast, figures)
    if not contrast.decides:
        return f"({came_out})"
    return f"{FAILS}: {came_out}" if figures["verdict"] == FAILS and came_out != UNSURE else figures["verdict"]


def name(contrast: Contrast) -> str:
    """What is compared."""
    return f"{contrast.left.shown} {'no worse than' if contrast.no_loss else 'against'} {contrast.right.shown}"


def pages(contrast: Contrast) -> str:
    """The pages that it is compared on."""
    return {"unlabelled": "lab + form"}.get(contrast.pages, contrast.pages.replace("_", " ")) + " pages"


def number(value: float, contrast: Contrast, sign: str = "") -> str:
    """A figure with the digits that its contrast needs."""
    return rounded(value, 3 if contrast.matters >= MATTERS else 4, sign)


def describe(contrast: Contrast, figures: dict) -> str:
    """A contrast's figures in words: both means, and by how much the first is better or worse, with its interval."""
    way = 1 if figures["advantage"] >= 0 else -1
    low, high = (number(end, contrast) for end in sorted(way * figures[key] for key in ("low", "high")))
    by, left, right = (
        number(value, contrast) for value in (abs(figures["advantage"]), figures["left"], figures["right"])
    )
    return (
        f"{SHORT[contrast.metric]}, {pages(contrast)}: {contrast.left.shown} {left}, {contrast.right.shown} {right}, "
        f"{BETTER if way > 0 else WORSE} by {by} [{low},\u00a0{high}]"
    )


def table(scores: pd.DataFrame, contrasts: Sequence[Contrast]) -> pd.DataFrame:
    """One row per contrast that has its runs: what was measured, both sides, the first's advantage, n, verdict."""
    rows = []
    for contrast in contrasts:
        if figures := measure(scores, contrast):
            by, low, high = (number(figures[key], contrast, "+") for key in ("advantage", "low", "high"))
            rows.append(
                {
                    "measured": f"{SHORT[contrast.metric]}, {pages(contrast)}{': no worse?' * contrast.no_loss}",
                    "first": f"{contrast.left.shown} {number(figures['left'], contrast)}",
                    "second": f"{contrast.right.shown} {number(figures['right'], contrast)}",
                    "first better by [95 %]": f"{by} [{low},\u00a0{high}]",
                    "each seed": ", ".join(number(value, contrast, "+") for value in figures["seeds"]),
                    "pages / groups": f"{figures['pages']} / {figures['groups']}",
                    "verdict": word(contrast, figures),
                }
            )
    return pd.DataFrame(rows)


def shown(table: pd.DataFrame, formats: dict | None = None) -> object:
    """A table as notebooks show it, without its index and text to the left; a sentence where there is nothing."""
    from IPython.display import Markdown  # only notebooks have one

    if table.empty:
        return Markdown("Nothing of this has been measured yet.")
    left = [{"selector": "", "props": "text-align: left"}]
    texts = dict.fromkeys(table.select_dtypes(exclude="number"), left)
    return table.style.hide().format(formats, thousands=",", na_rep="", escape="html").set_table_styles(texts)
