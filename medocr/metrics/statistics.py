"""What scores of many pages say: intervals by resampling pages or groups, and paired tests."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.stats

ENOUGH_GROUPS = 10  # with fewer, resampling groups says little, and pages are resampled
ENOUGH_PAGES = 10  # with fewer, nothing is said to have changed
RESAMPLES = 2000
PERMUTATIONS = 9999
LEAST_P = 2 / (PERMUTATIONS + 1)  # that so many permutations can give, two-sided
SEED = 3407


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Tuned against base over the same pages.

    `difference` is the mean of tuned minus the mean of base, `low` and `high` its 95 % bootstrap interval, `p` the
    two-sided permutation p-value (all three None with fewer than two units), `n` the number of pages, `resampled_by`
    what was resampled and sign-flipped: "group" or "page", `units` how many of them.
    """

    base: float
    tuned: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    resampled_by: str
    units: int


def compare(base: Sequence[float], tuned: Sequence[float], groups: Sequence | None = None, **resampling) -> Comparison:
    """Compare two models' scores of the same pages, in the same order; see `compare_columns` for many metrics at once.

    `groups` names each page's group (None: a group of its own). With ten groups or more, groups are resampled whole,
    since pages of one template err alike; otherwise pages are. Pages where either score is NaN are left out.
    """
    base, tuned = np.asarray(base, float), np.asarray(tuned, float)
    return compare_columns(base[:, None], tuned[:, None], groups, **resampling)[0]


def compare_columns(
    base: np.ndarray,
    tuned: np.ndarray,
    groups: Sequence | None = None,
    *,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
) -> list[Comparison]:
    """`compare` for each column of two arrays of pages × metrics; all columns share the resamples."""
    base, tuned = np.asarray(base, float), np.asarray(tuned, float)
    if base.shape != tuned.shape or base.ndim != 2:
        raise ValueError(f"base and tuned must hold the same pages in the same order: {base.shape} and {tuned.shape}")
    missing = np.isnan(base) | np.isnan(tuned)
    base, tuned = np.where(missing, np.nan, base), np.where(missing, np.nan, tuned)
    units, resampled_by = resampling_units(groups, len(base))
    low, high = intervals(tuned - base, units, resamples=resamples, seed=seed)
    p = _permutation_p(tuned - base, units, permutations, seed)
    n = (~missing).sum(axis=0)
    base_mean, tuned_mean = _means(base), _means(tuned)
    return [
        Comparison(
            base=float(base_mean[i]),
            tuned=float(tuned_mean[i]),
            difference=float(tuned_mean[i] - base_mean[i]),
            low=_number(low[i]),
            high=_number(high[i]),
            p=_number(p[i]) if np.isfinite(low[i]) else None,
            n=int(n[i]),
            resampled_by=resampled_by,
            units=len(np.unique(units[~missing[:, i]])),
        )
        for i in range(base.shape[1])
    ]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction of a family of p-values (Holm 1979), in the order given; None stays None.

    The k-th smallest of m is multiplied by m − k + 1, made no smaller than the one before, and capped at 1.
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, i) in enumerate(known):
        least = corrected[i] = min(1.0, max(least, p * (len(known) - rank)))
    return corrected


def clear(low: float | None, high: float | None) -> bool:
    """Whether an interval lies wholly on one side of zero; not where there is none."""
    return low is not None and not low <= 0 <= high


def changed(row: Mapping) -> bool:
    """Whether a comparison of metrics.json is clear and of ten pages or more: fewer give too narrow an interval."""
    return row["n"] >= ENOUGH_PAGES and clear(row["low"], row["high"])


def resampling_units(groups: Sequence | None, n: int) -> tuple[np.ndarray, str]:
    """What to resample: an index of the unit for each of `n` pages, and "group" or "page".

    Groups where there are at least ten; a page without a group is then one of its own.
    """
    if groups is not None:
        if len(groups) != n:
            raise ValueError(f"{len(groups)} groups for {n} pages: give each page its group")
        named = [(i,) if _no_group(group) else group for i, group in enumerate(groups)]
        number = {group: i for i, group in enumerate(dict.fromkeys(named))}
        if len({group for group in groups if not _no_group(group)}) >= ENOUGH_GROUPS:
            return np.array([number[group] for group in named]), "group"
    return np.arange(n), "page"


def _no_group(group) -> bool:
    return group is None or group != group  # pandas gives NaN for none


def intervals(
    values: np.ndarray,
    units: np.ndarray,
    *,
    medians: Sequence[int] = (),
    weights: np.ndarray | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile bootstrap intervals of each column of `values` (pages × metrics): (low, high), NaN where none.

    The figure of a column is the mean over its pages that are not NaN; the median for the columns listed in `medians`;
    and with `weights` (pages × metrics) the sum of values over the sum of weights, as micro averages need. Units, as
    numbered by `resampling_units`, are drawn whole.
    """
    values = np.asarray(values, float)
    low, high = np.full((2, values.shape[1]), np.nan)
    count = int(units.max()) + 1 if len(units) else 0
    if count < 2:
        return low, high
    over = np.where(np.isnan(values), 0.0, 1.0 if weights is None else weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.stats.DegenerateDataWarning)  # NaN draws are dropped below
        result = scipy.stats.bootstrap(
            (np.arange(count),),
            lambda drawn, axis: _figures(_times_drawn(drawn, count)[:, units], values, over, medians),
            method="percentile",
            n_resamples=resamples,
            batch=max(1, 1_000_000 // len(units)),
            vectorized=True,
            rng=np.random.default_rng(seed),
        )
    some = ~np.isnan(values).all(axis=0)
    some &= [len(np.unique(units[~np.isnan(column)])) > 1 for column in values.T]
    if some.any():  # single draws may still hold no page that has the metric
        low[some], high[some] = np.nanpercentile(result.bootstrap_distribution[some], [2.5, 97.5], axis=1)
    return low, high


def _times_drawn(drawn: np.ndarray, count: int) -> np.ndarray:
    """How often each of `count` units is in each row of `drawn` (resamples × units)."""
    row = np.arange(len(drawn))[:, None] * count
    times = np.bincount((drawn.astype(int) + row).ravel(), minlength=len(drawn) * count)
    return times.reshape(len(drawn), count).astype(float)


def _figures(times: np.ndarray, values: np.ndarray, over: np.ndarray, medians: Sequence[int]) -> np.ndarray:
    """Every column's figure (metrics × resamples) when pages count as often as `times` (resamples × pages) says."""
    with np.errstate(invalid="ignore"):
        figures = (times @ np.nan_to_num(values)) / (times @ over)
    for column in medians:
        figures[:, column] = _weighted_median(values[:, column], times)
    return figures.T


def _weighted_median(column: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Median of a column's values that are not NaN, repeated as each row of `weights` (resamples × pages) says."""
    order = np.argsort(column)[: np.count_nonzero(~np.isnan(column))]
    if not len(order):
        return np.full(len(weights), np.nan)
    values, below = column[order], np.cumsum(weights[:, order], axis=1)
    half = below[:, -1:] / 2
    lower = np.minimum((below < half).sum(axis=1), len(order) - 1)
    upper = np.minimum((below <= half).sum(axis=1), len(order) - 1)
    return np.where(below[:, -1] > 0, (values[lower] + values[upper]) / 2, np.nan)


def _permutation_p(differences: np.ndarray, units: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """Two-sided p of each column's mean difference when base and tuned change places within whole units."""
    count = int(units.max()) + 1 if len(units) else 0
    if count < 2:
        return np.full(differences.shape[1], np.nan)
    sums = np.zeros((count, differences.shape[1]))
    np.add.at(sums, units, np.nan_to_num(differences))
    result = scipy.stats.permutation_test(
        (np.ones(count),),  # permuting one sample flips its signs
        lambda signs, axis: signs @ sums,
        permutation_type="samples",
        vectorized=True,
        n_resamples=permutations,
        batch=max(1, 1_000_000 // count),
        rng=np.random.default_rng(seed),
    )
    return np.atleast_1d(result.pvalue)


def _means(values: np.ndarray) -> np.ndarray:
    """Mean of each column over its values that are not NaN; NaN where there is none."""
    present = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(present, values, 0.0).sum(axis=0) / present.sum(axis=0)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
