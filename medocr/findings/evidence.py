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
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from medocr.metrics import CAPPED, HIGHER_IS_BETTER
from medocr.report.style import MOST_DIGITS, rounded
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

    @property
    def limits(self) -> tuple[float, float]:
        """What an advantage must surpass to be supported, and what it must reach not to be refuted."""
        return (-self.matters, -self.matters) if self.no_loss else (0.0, self.matters)

    @property
    def sides(self) -> str:
        """What is compared."""
        return f"{self.left.shown} {'no worse than' if self.no_loss else 'against'} {self.right.shown}"

    @property
    def where(self) -> str:
        """The pages that it is compared on."""
        return {"unlabelled": "lab + form"}.get(self.pages, self.pages.replace("_", " ")) + " pages"

    def number(self, value: float, sign: str = "") -> str:
        """A figure with the digits that the contrast needs, and more where it is near one of the rule's limits."""
        limits = (0.0, self.matters, -self.matters)
        return rounded(value, 3 if self.matters >= MATTERS else 4, sign, limits)


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A contrast's figures over the seeds that both sides have; without any of them where its runs are missing."""

    contrast: Contrast
    advantage: float = math.nan  # of the left side: the difference of the means, positive where left does better
    low: float = math.nan  # the advantage's 95 % interval
    high: float = math.nan
    seeds: Sequence[float] = ()  # each one's advantage
    left: float = math.nan  # the means
    right: float = math.nan
    pages: int = 0
    groups: int = 0

    @property
    def verdict(self) -> str:
        """The rule of this module."""
        floor, least = self.contrast.limits
        if not self.seeds:
            return MISSING
        if len(self.seeds) < FEWEST_SEEDS:
            return UNSURE
        if self.high < least:
            return FAILS
        return HOLDS if self.low > floor and min(self.seeds) > floor else UNSURE

    @property
    def outcome(self) -> str:
        """How the first side came out, by the same rule asked both ways round: better, worse, alike or undecided."""
        ahead = dataclasses.replace(self, contrast=dataclasses.replace(self.contrast, no_loss=False))
        behind = dataclasses.replace(ahead, low=-self.high, high=-self.low, seeds=[-value for value in self.seeds])
        if HOLDS in (ahead.verdict, behind.verdict):
            return BETTER if ahead.verdict == HOLDS else WORSE
        return ALIKE if ahead.verdict == behind.verdict == FAILS else UNSURE

    @property
    def word(self) -> str:
        """The verdict, and of a failed one the outcome; that alone, bracketed, where the contrast decides nothing."""
        if not self.contrast.decides:
            return f"({self.outcome})"
        return f"{FAILS}: {self.outcome}" if self.verdict == FAILS and self.outcome != UNSURE else self.verdict

    def __str__(self) -> str:
        """Both means, and by how much the first is better or worse, with its interval."""
        contrast, number, way = self.contrast, self.contrast.number, 1 if self.advantage >= 0 else -1
        low, high = map(number, sorted((way * self.low, way * self.high)))
        return (
            f"{SHORT[contrast.metric]}, {contrast.where}: {contrast.left.shown} {number(self.left)}, "
            f"{contrast.right.shown} {number(self.right)}, {BETTER if way > 0 else WORSE} by "
            f"{number(abs(self.advantage))} [{low},\u00a0{high}]{', one seed' * (len(self.seeds) < FEWEST_SEEDS)}"
        )


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
    spent = sum(row["cpu_seconds"] for row in record["stages"] if row["state"] == "done")
    training = next(row["cpu_seconds"] for row in record["stages"] if row["stage"] == "04_train")
    facts = {name: record[name] for name in ("variant", "seed", "commit", "cores")}
    recipe = record["parameters"]["train"]
    facts["batch"] = recipe["batch_size"] * recipe["accumulation"]
    label_cer = record["prepare"]["label_cer"]
    noise = [label_cer[name] for name in UNLABELLED if name in label_cer]
    facts |= {"cpu_seconds": spent, "step_cpu_seconds": training / trained["steps"]}
    facts |= {"label_cer": sum(noise) / len(noise) if noise else None}
    return facts | {"set_aside": sum(record["transcribe"].get("reasons", {}).values())} | trained


def measure(scores: pd.DataFrame, contrast: Contrast) -> Measurement:
    """A contrast's figures."""
    left, right = (_side(scores, side, contrast) for side in (contrast.left, contrast.right))
    seeds = sorted(set(left.columns) & set(right.columns))
    if not seeds:
        return Measurement(contrast)
    left, right = left[seeds].dropna().align(right[seeds].dropna(), join="inner", axis=0)
    if left.empty:  # runs of two versions, whose pages differ
        return Measurement(contrast)
    sign = 1 if contrast.metric in HIGHER_IS_BETTER else -1
    advantages = sign * (left - right).to_numpy(float)
    groups = left.index.get_level_values("group")
    means = float(left.to_numpy().mean()), float(right.to_numpy().mean())
    figures = (advantages.mean(), *crossed_interval(advantages, groups), *advantages.mean(axis=0))
    advantage, low, high, *seeds = (round(float(value), MOST_DIGITS) for value in figures)  # as they can be shown
    return Measurement(contrast, advantage, low, high, seeds, *means, len(left), groups.nunique())


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


def crossed_interval(differences: np.ndarray, groups: Sequence) -> tuple[float, float]:
    """95 % interval of the mean of (pages × seeds), where the groups of pages and the seeds are samples of many.

    The variance is the sum of two: that of the pages' means over seeds, robust to clusters (Cameron & Miller 2015, A
    practitioner's guide to cluster-robust inference, section II: the groups' sums of deviations, with G/(G − 1)), and
    that of the seeds' means, divided by their number. What differs by page and by seed at once is in both, which errs
    to the wide side. The quantile is t's with the degrees of freedom of such a sum (Satterthwaite 1946, An approximate
    distribution of estimates of variance components), from G − 1 and S − 1. One seed says nothing about seeds; one
    group gives NaN.
    """
    number = pd.factorize(np.asarray(groups))[0]
    (pages, seeds), count, mean = differences.shape, number.max() + 1, float(differences.mean())
    sums = np.bincount(number, differences.mean(axis=1) - mean)
    if count < 2:
        return math.nan, math.nan
    parts = [((sums**2).sum() / pages**2 * count / (count - 1), count - 1)]
    if seeds > 1:
        parts.append((differences.mean(axis=0).var(ddof=1) / seeds, seeds - 1))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return mean, mean
    freedom = variance**2 / sum(part**2 / of_part for part, of_part in parts)
    reach = float(stats.t.ppf(0.975, freedom) * math.sqrt(variance))
    return mean - reach, mean + reach


def together(measurements: Iterable[Measurement]) -> str:
    """A claim's verdict: the worst of those of the contrasts that decide it."""
    verdicts = {measurement.verdict for measurement in measurements if measurement.contrast.decides}
    return next(verdict for verdict in (MISSING, FAILS, UNSURE, HOLDS) if verdict in verdicts)


def table(scores: pd.DataFrame, contrasts: Sequence[Contrast]) -> pd.DataFrame:
    """One row per contrast that has its runs: what was measured, both sides, the first's advantage, n, verdict."""
    rows = []
    for contrast in contrasts:
        made = measure(scores, contrast)
        if made.seeds:
            by, low, high, *seeds = (
                contrast.number(value, "+") for value in (made.advantage, made.low, made.high, *made.seeds)
            )
            rows.append(
                {
                    "measured": f"{SHORT[contrast.metric]}, {contrast.where}{': no worse?' * contrast.no_loss}",
                    "first": f"{contrast.left.shown} {contrast.number(made.left)}",
                    "second": f"{contrast.right.shown} {contrast.number(made.right)}",
                    "first better by [95 %]": f"{by} [{low},\u00a0{high}]",
                    "each seed": ", ".join(seeds),
                    "pages / groups": f"{made.pages} / {made.groups}",
                    "verdict": made.word,
                }
            )
    return pd.DataFrame(rows)


def shown(table: pd.DataFrame, formats: dict | None = None) -> object:
    """A table as notebooks show it, without its index and text to the left; a sentence where there is nothing."""
    from IPython.display import Markdown  # only notebooks have one

    if table.empty:
        return Markdown("Nothing of this has been measured yet.")
    left = [{"selector": "", "props": "text-align: left; white-space: pre-line"}]
    texts = dict.fromkeys(table.select_dtypes(exclude="number"), left)
    return table.style.hide().format(formats, thousands=",", na_rep="", escape="html").set_table_styles(texts)
