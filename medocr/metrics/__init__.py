"""Scores of one prediction against one reference, and what a set of them says. Pure functions on text and numbers.

`text` holds the scores of a page, `statistics` the intervals and tests over pages. Reference and prediction are
compared after `normalise`: NFC, white space collapsed to single spaces; case counts.
"""

from medocr.metrics.statistics import SEED, SMALL, Comparison, compare, compare_columns, intervals, resampling_units
from medocr.metrics.text import cer, content_coverage, line_exact, loops, normalise, reading_order, score_page, wer

LABELS = {
    "cer": "CER (mean, capped at 1)",
    "cer_median": "CER (median)",
    "cer_micro": "CER (micro)",
    "wer": "WER (mean, capped at 1)",
    "wer_median": "WER (median)",
    "wer_micro": "WER (micro)",
    "exact": "exact pages",
    "line_exact": "exact lines",
    "coverage_recall": "reference tokens found",
    "coverage_precision": "tokens not invented",
    "invented_numbers": "invented numbers per page",
    "reading_order": "reading order error",
    "loop": "endless repetition",
    "empty": "empty answers",
    "seconds": "seconds per page",
}
CAPPED = frozenset({"cer", "wer"})  # at 1 per page in means: one endless page must not outweigh a hundred others
HIGHER_IS_BETTER = frozenset({"exact", "line_exact", "coverage_recall", "coverage_precision"})

__all__ = [
    "CAPPED",
    "HIGHER_IS_BETTER",
    "LABELS",
    "SEED",
    "SMALL",
    "Comparison",
    "cer",
    "compare",
    "compare_columns",
    "content_coverage",
    "intervals",
    "line_exact",
    "loops",
    "normalise",
    "reading_order",
    "resampling_units",
    "score_page",
    "wer",
]
