"""The figures and tables that the notebooks show, in one style.

Each function takes plain data (records, tables, the dicts that stages write) and gives a matplotlib figure, or a
table of at most eight columns. `style()` once, then `show(figure, name)` for each figure.
"""

from medocr.report.confidence import calibration, risk_curves
from medocr.report.data import flow, label_quality, lengths, mix, split_table
from medocr.report.gallery import gallery
from medocr.report.models import latency_table, parity, parity_table, training
from medocr.report.pages import example, model_view, page_grid, transcript_examples
from medocr.report.results import dumbbell, model_table, paired_change, safety, with_errors
from medocr.report.style import COLOURS, browse, plain, show, style
from medocr.report.transcription import agreement, disagreements, faults, provider_table, transcription_speed

__all__ = [
    "COLOURS",
    "agreement",
    "browse",
    "calibration",
    "disagreements",
    "dumbbell",
    "example",
    "faults",
    "flow",
    "gallery",
    "label_quality",
    "latency_table",
    "lengths",
    "mix",
    "model_table",
    "model_view",
    "page_grid",
    "paired_change",
    "parity",
    "parity_table",
    "plain",
    "provider_table",
    "risk_curves",
    "safety",
    "show",
    "split_table",
    "style",
    "training",
    "transcript_examples",
    "transcription_speed",
    "with_errors",
]
