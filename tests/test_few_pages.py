"""Runs over a handful of pages: figures, tables, cards and sentences stand one page, no base, no validation."""

import dataclasses
import itertools
import json

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from IPython.display import Markdown

from medocr import evaluate, report
from medocr.merge.card import _metrics
from medocr.run import page, summary_cell
from medocr.run.profile import NOTEBOOKS
from medocr.schema import DOMAIN_OF
from tests.test_evaluate import made_up

TEXT = "Patient: Ann Lee\nGlucose 105 mg/dL 70 - 99 H\nMetformin 500 mg tablet twice daily"
WRONG = TEXT.replace("105", "106").replace("mg/dL", "mmol/L")
FEW = {
    "one page of no known type": (("unknown",), ("base", "tuned", "ocr")),
    "one medical and one general page": (("lab_report", "receipt"), ("base", "tuned")),
    "one page and no base": (("lab_report",), ("tuned",)),
}


def predictions(doc_types, models):
    models_of = itertools.product(doc_types, models)
    (some,) = made_up(1, models=("tuned",))
    for doc_type, model in models_of:
        about = {"id": doc_type, "model": model, "doc_type": doc_type, "domain": DOMAIN_OF[doc_type], "group": None}
        read = {"text": TEXT if model == "tuned" else WRONG, "reference": TEXT, "truth": None, "set": "test"}
        yield dataclasses.replace(some, label_origin="rapidocr/PP-OCRv6", **about, **read)


@pytest.mark.parametrize("few", FEW)
def test_everything_that_05_and_06_show_stands_few_pages(few, tmp_path):
    pages = list(predictions(*FEW[few]))
    frame = evaluate.score(pages)
    summary = evaluate.summarise(frame)
    where = "medical" if "medical" in {row["slice"] for row in summary["slices"]} else "all"
    assert evaluate.headline(summary)
    assert not report.model_table(summary, ["cer", "wer", "test_value_f1"], ["all", where]).empty
    numbers = evaluate.calibration(pages)
    assert evaluate.to_check(numbers[numbers["model"] == "tuned"]) is None
    assert evaluate.pass_rates(evaluate.check(pages)) is not None
    if few == "one page of no known type":
        for figure in (report.dumbbell(summary, "cer"), report.paired_change(evaluate.changes(frame))):
            plt.close(figure)
    else:
        plt.close(report.safety(summary, where))
    evaluate.pick_examples(frame)
    assert len(_metrics(summary["comparisons"]).splitlines()) == 2 + len(summary["comparisons"])
    (tmp_path / "metrics.json").write_text(json.dumps(summary))
    page.index(tmp_path, "few", "a small model")
    assert "None" not in (tmp_path / "index.html").read_text()


def test_no_page_at_all_is_said():
    with pytest.raises(ValueError, match="no page was read: the test split is empty"):
        evaluate.score([])


def test_a_training_without_validation_pages_is_told_as_such(tmp_path):
    history = [{"step": 1, "loss": 2.5, "seconds": 1.0}, {"step": 2, "loss": 2.25, "seconds": 2.0}]
    made = {"history": history, "best_cer": None, "best_loss": None, "steps": 2}
    made |= {"seconds_per_step": 1.0, "peak_memory_gb": 0.5}
    (tmp_path / "train.json").write_text(json.dumps(made))
    said = summary_cell.findings(tmp_path)["04_train"]
    assert said.startswith("No page to validate on: the last adapter is kept; 2 steps")
    validated = [{"step": 2, "eval_loss": 0.5}, {"step": 4, "eval_loss": 0.25}]
    for losses, told in (
        (validated[:1], "0.500 at step 2, the first and lowest; 2"),
        (validated, "0.500 at step 2 → 0.250 at 4; 2"),
    ):
        (tmp_path / "train.json").write_text(json.dumps(made | {"history": history + losses}))
        assert f"Validation loss {told} steps" in summary_cell.findings(tmp_path)["04_train"]
    cells = [c.source for c in nbformat.read(NOTEBOOKS / "04_train.ipynb", 4).cells if c.cell_type == "code"]
    shown = {"pd": pd, "Markdown": Markdown, "made": made, "history": pd.DataFrame(history), "validation_rows": []}
    for begins in ("losses = history", "losses.set_index", "trained = history"):
        exec("\n".join(cell for cell in cells if cell.startswith(begins)), shown)
    assert shown["validated"] == "There is no page to validate on, so the last adapter is kept."
    went = "- The training loss went from 2.500 to 2.250 nats per token (means of the first and last tenth)."
    assert shown["learnt"] == went
