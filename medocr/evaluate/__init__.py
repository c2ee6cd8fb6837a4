"""Read pages with base and tuned, score what they wrote, slice the scores, and say what changed and how surely.

Which text a page is scored against: the exact text where a generator knows it (`truth`), otherwise the label
(`reference`). Every slice is scored so, but `labels:<origin>`: those score the pages whose label is of that origin
against the label itself, so that what a label's own errors hide or add can be seen by comparing the two.
"""

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from medocr import metrics
from medocr import model as models
from medocr.evaluate.calibration import CAUGHT, calibration, numbers_read, to_check
from medocr.evaluate.checking import changes, check, labels_and_truth, pass_rates, pick_examples
from medocr.evaluate.summary import slices, summarise
from medocr.metrics import headline
from medocr.schema import Page

__all__ = [
    "CAUGHT",
    "Prediction",
    "calibration",
    "ceiling",
    "changes",
    "check",
    "from_transcripts",
    "headline",
    "labels_and_truth",
    "numbers_read",
    "pass_rates",
    "pick_examples",
    "predict",
    "score",
    "slices",
    "summarise",
    "to_check",
]

CEILING = ("header_recall", "field_recall", "test_row_f1", "order_f1", "option_f1")


@dataclasses.dataclass
class Prediction:
    """What one model read on one page, with what the page says; written with `storage.write(…, kind=Prediction)`."""

    id: str
    origin: str
    set: str  # test, or held_out: pages from groups that no split holds
    model: str  # base, tuned, merged or ocr
    doc_type: str
    domain: str
    label_origin: str | None
    group: str | None
    reference: str | None  # the label
    truth: str | None  # the exact text, where a generator knows it
    fields: dict | None  # what the page says, where its source knows it
    text: str
    finish: str  # stop, length or loop; error where an OCR failed
    seconds: float  # an OCR's own for the page; of a model the wall time of the reading, shared out evenly
    confidence: float | None  # geometric mean of the token probabilities, or the OCR's own
    numbers: dict | None = None  # the numbers read with their tokens' probabilities, as `numbers_read` gives them

    @property
    def target(self) -> str:
        """The text that the page is scored against: the exact one where it is known, else the label."""
        return self.truth if self.truth is not None else self.reference or ""


def predict(
    model,
    processor,
    samples: Sequence[Page],
    name: str,
    set_name: str = "test",
    *,
    max_new_tokens: int,
    batch_size: int = 32,
    progress: bool = True,
) -> list[Prediction]:
    """Read pages with a model, greedily; `name` is base, tuned or merged, `set_name` test or held_out.

    With `name="base"` a model that carries an adapter reads with it switched off: one model in memory serves both.
    The predictions come in the order of `samples`.
    """
    switch_off = name == "base" and hasattr(model, "disable_adapter")
    began = time.perf_counter()
    with model.disable_adapter() if switch_off else contextlib.nullcontext():
        readings = models.read(
            model, processor, samples, max_new_tokens=max_new_tokens, batch_size=batch_size, progress=progress
        )
    seconds = (time.perf_counter() - began) / max(1, len(samples))
    about = {"model": name, "set": set_name, "seconds": seconds}
    return [
        _prediction(page, reading, numbers=numbers_read(reading), **about)
        for page, reading in zip(samples, readings, strict=True)
    ]


def from_transcripts(
    samples: Sequence[Page], answers: Sequence, set_name: str = "test", name: str = "ocr"
) -> list[Prediction]:
    """The same rows for a reader that is no model of ours, from its answers on these pages (`transcribe.Answer`)."""
    return [
        _prediction(page, answer, model=name, set=set_name, seconds=answer.seconds or 0.0)
        for page, answer in zip(samples, answers, strict=True)
    ]


def _prediction(page: Page, read, **about) -> Prediction:
    """What was read on a page (`model.Reading` or `transcribe.Answer`), beside what the page says."""
    if page.text is None and page.truth is None:
        raise ValueError(f"{page.origin} has no text to be scored against: transcribe it first, or leave it out")
    of_page = ("id", "origin", "doc_type", "domain", "label_origin", "group", "truth", "fields")
    about |= {key: getattr(page, key) for key in of_page}
    about |= {key: getattr(read, key) for key in ("text", "finish", "confidence")}
    return Prediction(reference=page.text, **about)


def score(predictions: Iterable[Prediction]) -> pd.DataFrame:
    """One row per page and model, a page that was read twice counted once.

    It has the prediction's fields, `against` ("truth" or "label"), and the scores of the page.
    `fields_from` says where the page's fields come from that those read are held against: "source" (the generator, an
    annotation), or the "text" that the page is scored against; what the parser does not read from the exact text as the
    source has it is left out. A score that a page gives no ground for is NaN.

    Columns are named as `metrics.score_page` names them; those against the label (NaN where there is none) have
    `label_` before the name. A reading that was stopped for repeating itself counts as a loop whatever its text.
    """
    predictions = list({(page.id, page.model): page for page in predictions}.values())
    rows, legible = [], _legible(predictions)
    for prediction in predictions:
        scores = _scores(prediction.target, prediction, legible.get(prediction.id))
        labelled = prediction.reference is not None
        alike = prediction.reference == prediction.target
        against_label = scores if alike else _scores(prediction.reference or "", prediction, None)
        rows.append(
            dataclasses.asdict(prediction)
            | {"against": "truth" if prediction.truth is not None else "label"}
            | {"fields_from": "text" if prediction.fields is None else "source"}
            | scores
            | {f"label_{name}": value if labelled else np.nan for name, value in against_label.items()}
        )
    if not rows:
        raise ValueError("no page was read: the test split is empty and no held-out page was drawn")
    return pd.DataFrame(rows)


def _legible(predictions: Iterable[Prediction]) -> dict[str, dict]:
    """By page, its fields where its source knows them, as far as the parser reads them from an exact text."""
    pages = {page.id: page for page in predictions if page.fields is not None}
    return {
        key: page.fields if page.truth is None else metrics.legible(page.fields, page.truth)
        for key, page in pages.items()
    }


def ceiling(predictions: Iterable[Prediction]) -> pd.DataFrame:
    """What the parser itself scores on the exact text against the fields that the source knows: means by type of page.

    What is missing from 1 is the parser's own and left out of `score`.
    """
    pages = {page.id: page for page in predictions if page.fields is not None and page.truth is not None}
    rows = [{"type": page.doc_type, **metrics.score_fields(page.fields, page.truth)} for page in pages.values()]
    frame = pd.DataFrame(rows, columns=["type", *CEILING])
    return frame.groupby("type").agg(pages=("type", "size"), **{name: (name, "mean") for name in CEILING})


def _scores(text: str, prediction: Prediction, fields: dict | None) -> dict[str, float]:
    scores = metrics.score_page(text, prediction.text, fields)
    if "<table" in text.lower():
        scores["teds"] = metrics.teds(text, prediction.text)
    return scores | {"loop": max(scores["loop"], float(prediction.finish == "loop"))}
