"""Scores of one prediction against one reference, and what a set of them says. Pure functions on text and numbers.

`text` holds the scores of a page's text, `medical` those of its fields and terms, `tables` those of HTML tables;
`safety` and `checks` name what went wrong, `consistency` what a page says against itself; `statistics` has intervals
and tests over pages. Texts are compared after `normalise`: NFC, white space collapsed to single spaces; case counts.
"""

from medocr.metrics.checks import FAMILIES, Check, check_page
from medocr.metrics.consistency import contradictions
from medocr.metrics.headline import headline
from medocr.metrics.medical import legible, score_fields, score_page
from medocr.metrics.names import CAPPED, HIGHER_IS_BETTER, LABELS, MEDICAL
from medocr.metrics.safety import KINDS
from medocr.metrics.statistics import (
    LEAST_P,
    SEED,
    Comparison,
    changed,
    compare,
    compare_columns,
    holm,
    intervals,
    resampling_units,
)
from medocr.metrics.tables import teds
from medocr.metrics.text import NUMBER, cer, loops, normalise, score_text, wer

__all__ = [
    "CAPPED",
    "FAMILIES",
    "HIGHER_IS_BETTER",
    "KINDS",
    "LABELS",
    "LEAST_P",
    "MEDICAL",
    "NUMBER",
    "SEED",
    "Check",
    "Comparison",
    "cer",
    "changed",
    "check_page",
    "compare",
    "compare_columns",
    "contradictions",
    "headline",
    "holm",
    "intervals",
    "legible",
    "loops",
    "normalise",
    "resampling_units",
    "score_fields",
    "score_page",
    "score_text",
    "teds",
    "wer",
]
