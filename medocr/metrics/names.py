"""The metrics' names as used in code, and as people read them."""

from medocr.metrics.safety import KINDS

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
    "row_integrity": "rows that stay together",
    "heading_recall": "headings found",
    "teds": "tables, TEDS",
    "loop": "endless repetition",
    "empty": "empty answers",
    "field_recall": "fields found with the right value",
    "header_recall": "header fields",
    "test_value_f1": "test values, F1",
    "test_row_f1": "whole test rows, F1",
    "range_f1": "reference ranges, F1",
    "drug_f1": "drug orders, F1",
    "order_f1": "drug orders with directions, F1",
    "option_f1": "ticked and empty boxes, F1",
    "term_recall": "medical terms found",
    "term_precision": "medical terms not invented",
    **KINDS,
    **{f"{kind}_per_row": f"{label}, per row read" for kind, label in KINDS.items()},
    "rows_read": "rows and orders read per page",
    "seconds": "seconds per page",
}
CAPPED = {"cer", "wer"}  # at 1 per page in means: one endless page must not outweigh a hundred others
MEDICAL = (
    *("field_recall", "header_recall", "test_value_f1", "test_row_f1", "range_f1", "drug_f1", "order_f1", "option_f1"),
    *("term_recall", "term_precision"),
)
HIGHER_IS_BETTER = {
    *("exact", "line_exact", "coverage_recall", "coverage_precision", "row_integrity", "heading_recall", "teds"),
    *MEDICAL,
}
