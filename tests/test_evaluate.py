"""Predictions, their scores, the slices and the sentence made from them."""

import contextlib
import dataclasses
import io
import json
import math
import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from medocr import evaluate, metrics, model, storage
from medocr.evaluate import Prediction
from medocr.run.profile import NOTEBOOKS
from medocr.schema import DOMAIN_OF, Page
from medocr.transcribe.store import Answer

WORDS = ["Hemoglobin", "Glucose", "12.5", "4.0-11.0", "mg/dL", "H", "Negative", "WBC", "Sodium", "140"]
WRONG = {"base": 0.3, "tuned": 0.05, "ocr": 0.02}


def corrupted(text: str, rate: float, rng: random.Random) -> str:
    return "".join(rng.choice("abc 123") if rng.random() < rate else character for character in text)


def made_up(n: int = 60, models=("base", "tuned", "ocr")) -> list[Prediction]:
    """Half of them held out; lab reports carry an OCR's label with errors, the rest exact ones."""
    rng = random.Random(0)
    predictions = []
    for i in range(n):
        doc_type = ("prescription", "lab_report", "receipt")[i % 3]
        truth = "\n".join(" ".join(rng.choices(WORDS, k=4)) for _ in range(6))
        by_ocr = doc_type == "lab_report"
        page = Prediction(
            id=str(i),
            origin=f"made up#{i}",
            set="held_out" if i % 2 else "test",
            model="",
            doc_type=doc_type,
            domain=DOMAIN_OF[doc_type],
            label_origin="rapidocr/PP-OCRv6" if by_ocr else "synthetic",
            group=f"{doc_type}/{i % 36}",
            reference=corrupted(truth, 0.1, rng) if by_ocr else truth,
            truth=truth,
            fields=None,
            text="",
            finish="stop",
            seconds=0.1,
            confidence=None,
        )
        for name in models:
            read = corrupted(truth.replace("\n", " "), WRONG[name], rng)
            predictions.append(dataclasses.replace(page, model=name, text=read))
    return predictions


@pytest.fixture(scope="module")
def frame():
    return evaluate.score(made_up())


@pytest.fixture(scope="module")
def summary(frame):
    return evaluate.summarise(frame)


def row(rows: list[dict], **wanted) -> dict:
    found = [one for one in rows if all(one[key] == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]


def page(text: str | None = "Sodium 140", truth: str | None = None) -> Page:
    image = Image.new("RGB", (140, 56), "white")
    ImageDraw.Draw(image).text((5, 5), "Sodium 140", fill="black")
    data = io.BytesIO()
    image.save(data, "PNG")
    return Page(image=data.getvalue(), origin="drawn#1", source="test", text=text, truth=truth)


def test_predictions_come_back_from_parquet(tmp_path):
    predictions = made_up(3)
    storage.write(tmp_path / "predictions.parquet", predictions, kind=Prediction)
    back = list(storage.read(tmp_path / "predictions.parquet", kind=Prediction))
    assert [dataclasses.replace(p, seconds=0) for p in back] == [dataclasses.replace(p, seconds=0) for p in predictions]


def test_a_page_is_scored_against_its_exact_text_and_its_label_apart(frame):
    ocr = frame[frame["model"] == "ocr"]
    by_ocr = ocr["doc_type"] == "lab_report"
    assert (ocr.loc[by_ocr, "label_cer"] > ocr.loc[by_ocr, "cer"]).all()
    assert (ocr.loc[~by_ocr, "label_cer"] == ocr.loc[~by_ocr, "cer"]).all()
    assert set(ocr["against"]) == {"truth"}


def test_a_page_without_a_label_is_in_no_label_slice():
    predictions = [dataclasses.replace(p, reference=None, label_origin=None) for p in made_up(6)]
    frame = evaluate.score(predictions)
    assert frame["label_cer"].isna().all()
    assert not [name for name in evaluate.slices(frame) if name.startswith("labels:")]


def test_the_ceiling_is_the_parsers_own_and_left_out_of_the_scores():
    known = {
        "analytes": [
            {"name": "Glucose", "value": 104.0, "unit": "mg/dL", "low": 70.0, "high": 99.0, "flag": "H"},
            {"name": "Sodium", "value": 141.0},  # not what the text says
        ]
    }
    text = "Glucose 104 mg/dL 70-99 H\nSodium 140 mmol/L 136-145"
    perfect = dataclasses.replace(made_up(1, ("base",))[0], truth=text, reference=text, text=text, fields=known)
    assert evaluate.ceiling([perfect]).loc[perfect.doc_type, "test_row_f1"] == 0.5
    assert evaluate.score([perfect])["test_row_f1"].item() == 1
    unknown = dataclasses.replace(perfect, truth=None)  # a label may be wrong: nothing is left out for it
    assert evaluate.score([unknown])["test_row_f1"].item() == 0.5


def test_a_page_without_exact_text_is_scored_against_its_label():
    frame = evaluate.score([dataclasses.replace(p, truth=None) for p in made_up(6)])
    assert set(frame["against"]) == {"label"}
    assert (frame["cer"] == frame["label_cer"]).all()
    assert evaluate.changes(frame)["target"].notna().all()


def test_a_reading_stopped_for_repeating_itself_is_a_loop():
    stopped = dataclasses.replace(made_up(1)[0], finish="loop", text="a a a")
    assert evaluate.score([stopped])["loop"].tolist() == [1]


def test_the_slices(summary):
    assert [one["slice"] for one in summary["slices"]] == [
        *("all", "medical", "general", "prescription", "lab_report", "receipt", "test"),
        *("labels:rapidocr/PP-OCRv6", "labels:synthetic"),
    ]
    everything = row(summary["slices"], slice="all")
    assert everything == {
        **{"slice": "all", "pages": 30, "groups": 18, "resampled_by": "group"},
        **{"scored_against_truth": 30, "fields_from_source": 0, "small": True},
    }
    assert row(summary["slices"], slice="test")["pages"] == 30
    assert row(summary["slices"], slice="labels:synthetic")["scored_against_truth"] == 0


def test_a_slice_of_fewer_than_twenty_pages_is_small():
    for pages in (19, 20):
        ungrouped = [dataclasses.replace(p, group=None, set="test") for p in made_up(pages, ("base",))]
        about = evaluate.summarise(evaluate.score(ungrouped))["slices"]
        assert row(about, slice="all")["small"] == (pages < 20)


def test_labels_of_the_test_split_are_a_slice_unless_they_are_the_exact_text_of_all():
    frame = evaluate.score(made_up())
    labelled = evaluate.slices(frame)["labels:synthetic"][0]
    assert set(frame[labelled]["set"]) == {"test"}
    exact = evaluate.score([p for p in made_up() if p.set == "held_out" or p.label_origin == "synthetic"])
    assert not [name for name in evaluate.slices(exact) if name.startswith("labels:")]


def test_numbers_carry_the_probability_of_their_digits_and_whether_they_are_right():
    pieces = ["Na ", "1", "4", "0", " K", " 4.", "1", ""]
    logprobs = [math.log(p) for p in (0.9, 1, 0.5, 1, 0.1, 0.8, 0.4, 0.3)]
    found = evaluate.numbers_read(model.Reading("Na 140 K 4.1", logprobs, "stop", pieces))
    assert found["number"] == ["140", "4.1"]
    assert found["least"] == [0.5, 0.4]
    assert found["mean"] == pytest.approx([0.5 ** (1 / 3), 0.32**0.5], abs=1e-4)
    page = dataclasses.replace(made_up(1)[0], truth="Na 140\nCl 99\nK 41", numbers=found)
    numbers = evaluate.calibration([page, dataclasses.replace(page, numbers=None)])
    assert numbers["right"].tolist() == [True, False]
    assert evaluate.to_check(numbers) == 0.5
    assert evaluate.to_check(numbers[:1]) is None
    assert evaluate.calibration([]).empty


def test_facts_are_checked_for_every_model():
    page = dataclasses.replace(made_up(1)[0], truth="Sodium 140 mmol/L 136-145\nGlucose 95 mg/dL 70-99")
    read = {"base": "Sodium 140 mmol/L 136-145", "tuned": page.truth, "ocr": ""}
    checks = evaluate.check(dataclasses.replace(page, model=name, text=text) for name, text in read.items())
    rates = evaluate.pass_rates(checks)
    assert rates.loc[metrics.FAMILIES["row"]].to_dict() == {"base": 0.5, "tuned": 1.0, "n": 2}
    assert set(checks[~checks["passed"]]["why"]) == {"none of that name was read"}
    assert evaluate.pass_rates(evaluate.check([])).empty


def test_labels_and_truth_are_compared_on_the_same_pages():
    page = dataclasses.replace(made_up(1)[0], label_origin="ocr", truth="abcd", reference="abce", text="abcd")
    labelled = [dataclasses.replace(page, model=name, id="both") for name in ("base", "tuned")]
    others = [dataclasses.replace(page, truth=None, id="label alone"), dataclasses.replace(page, reference=None)]
    table = evaluate.labels_and_truth(evaluate.score([*labelled, *others]))
    assert table.loc[("ocr", "tuned")].tolist() == [1, 0.25, 0]
    assert evaluate.labels_and_truth(evaluate.score([others[0]])).empty


def test_a_page_whose_text_holds_a_table_is_scored_by_teds():
    table = "<table><tr><td>Sodium</td><td>140</td></tr></table>"
    pages = [dataclasses.replace(made_up(1)[0], truth=table, text=table), dataclasses.replace(made_up(1)[0], id="none")]
    scored = evaluate.score(pages)
    assert scored["teds"].isna().tolist() == [False, True]
    assert scored["teds"][0] == 1


def test_metrics_json_has_its_form(summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    for one in summary["scores"]:
        assert list(one) == ["model", "slice", "metric", "value", "low", "high", "n"]
        assert one["low"] <= one["value"] <= one["high"]
    for one in summary["comparisons"]:
        assert list(one) == ["slice", "metric", "base", "tuned", "difference", "low", "high", "p", "n", "p_holm"]
        assert one["difference"] == pytest.approx(one["tuned"] - one["base"], abs=2e-6)
    metrics = {one["metric"] for one in summary["scores"]}
    assert {"cer", "cer_median", "cer_micro", "wer", "exact", "loop", "empty", "coverage_recall", "seconds"} <= metrics


def test_the_figures_are_those_of_the_pages(frame, summary):
    base = frame[(frame["model"] == "base") & (frame["set"] == "held_out")]
    wanted = {
        "cer": base["cer"].clip(upper=1).mean(),
        "cer_median": base["cer"].median(),
        "cer_micro": base["edits"].sum() / base["characters"].sum(),
        "wer_micro": base["word_edits"].sum() / base["words"].sum(),
    }
    for metric, value in wanted.items():
        found = row(summary["scores"], model="base", slice="all", metric=metric)
        assert (found["value"], found["n"]) == (pytest.approx(value, abs=1e-6), 30)
    by_ocr = (frame["model"] == "base") & (frame["set"] == "test") & (frame["doc_type"] == "lab_report")
    labels = frame[by_ocr]["label_cer"].mean()
    found = row(summary["scores"], model="base", slice="labels:rapidocr/PP-OCRv6", metric="cer")
    assert found["value"] == pytest.approx(labels, abs=1e-6)


def test_one_endless_page_counts_as_one_in_the_mean_and_in_full_in_micro():
    predictions = [p for p in made_up(4) if p.model == "base"]
    predictions[1] = dataclasses.replace(predictions[1], text="loop " * 5000)
    scores = evaluate.summarise(evaluate.score(predictions))["scores"]
    assert row(scores, model="base", slice="all", metric="cer")["value"] < 1
    assert row(scores, model="base", slice="all", metric="cer_micro")["value"] > 10


def test_without_both_models_nothing_is_compared():
    summary = evaluate.summarise(evaluate.score(made_up(4, models=("tuned",))))
    assert summary["comparisons"] == []
    assert "no page in common" in evaluate.headline(summary)


def test_unknown_documents_make_one_slice():
    predictions = [dataclasses.replace(p, doc_type="unknown", domain="unknown", set="test") for p in made_up(4)]
    summary = evaluate.summarise(evaluate.score(predictions))
    assert [one["slice"] for one in summary["slices"]][:2] == ["all", "unknown"]
    assert "medical pages" not in evaluate.headline(summary)
    assert "On all pages, better (95 % interval excludes zero)" in evaluate.headline(summary)


def test_one_page_has_figures_and_no_interval():
    summary = evaluate.summarise(evaluate.score(made_up(1)))
    found = row(summary["comparisons"], slice="all", metric="cer")
    assert (found["low"], found["p"], found["n"]) == (None, None, 1)
    assert "too few pages" in evaluate.headline(summary)
    assert json.dumps(summary, allow_nan=False)


def test_examples_are_the_best_the_median_and_the_worst(frame):
    changes = evaluate.changes(frame)
    picked = evaluate.pick_examples(frame)
    assert picked["example"].tolist() == ["best", "median", "worst"]
    assert picked["change"].tolist() == [changes["change"].min(), changes["change"].iloc[29], changes["change"].max()]
    assert evaluate.pick_examples(frame, each=2)["id"].is_unique
    exact = evaluate.pick_examples(frame, metric="coverage_recall")["change"]
    assert exact[0] > exact[2]
    assert len(evaluate.pick_examples(evaluate.score(made_up(1)))) == 1


@pytest.mark.parametrize(
    ("low", "high", "verb"), [(-0.3, -0.1, "lowered"), (0.1, 0.3, "raised"), (-0.1, 0.1, "did not clearly change")]
)
def test_the_headline_follows_the_interval(low, high, verb):
    found = {
        "metric": "cer",
        "base": 0.5,
        "tuned": 0.3,
        "difference": (low + high) / 2,
        "low": low,
        "high": high,
        "n": 19,
    }
    rows = [{"slice": name, **found} for name in ("all", "medical", "general")]
    sentence = evaluate.headline({"comparisons": rows})
    assert f"On 19 pages fine-tuning {verb} the character error rate" in sentence
    assert sentence.count("0.500 to 0.300") == 3
    few = evaluate.headline({"comparisons": [row | {"n": 7} for row in rows]})  # an interval of seven pages says little
    assert "On 7 pages, too few to judge by, fine-tuning did not clearly change" in few


def test_the_headline_names_gains_harm_and_what_did_not_change():
    def compared(metric: str, base: float, tuned: float, clear: bool = True, p_holm: float = 0.65) -> dict:
        difference, reach = tuned - base, abs(tuned - base) * (0.5 if clear else 2)
        figures = {"base": base, "tuned": tuned, "difference": difference, "n": 19, "p_holm": p_holm}
        return {"slice": "medical", "metric": metric, **figures, "low": difference - reach, "high": difference + reach}

    rows = [
        compared("cer", 0.5, 0.1) | {"slice": "all"},
        compared("cer", 0.5, 0.1),
        *(compared("drug_f1", 0.2, 0.7), compared("range_f1", 0.2, 0.6), compared("test_row_f1", 0.2, 0.5)),
        *(compared("header_recall", 0.2, 0.25), compared("field_recall", 0.9, 0.8)),
        *(compared("option_f1", 0.25, 0.3, clear=False), compared("lost_flag", 0.1, 0.11, clear=False)),
        *(compared("changed_unit", 0.009, 0.065), compared("lost_unit", 0.2, 0.1, p_holm=0.0074)),
    ]
    said = evaluate.headline({"comparisons": rows})
    assert "better (95 % interval excludes zero): drug orders, F1 0.200 to 0.700; reference ranges" in said
    assert (
        "; and 1 more. Worse (95 % interval excludes zero): fields found with the right value 0.900 to 0.800; "
        f"{metrics.KINDS['changed_unit']}" in said
    )
    assert "0.9 to 6.5 per 100 pages (95 % interval of the difference +2.8 to +8.4, n = 19)." in said
    assert "0 of 1 kinds that became more frequent and 1 of 1 that became rarer survive Holm's correction." in said
    assert said.endswith("Undecided (interval includes zero): ticked and empty boxes, F1.")
    by_type = compared("changed_unit", 0.017, 0.145) | {"slice": "lab_report"}
    said = evaluate.headline({"comparisons": [*rows, by_type]})
    assert f"{metrics.KINDS['changed_unit']} on lab reports, 1.7 to 14.5 per 100 pages" in said
    assert "0.9 to 6.5" not in said  # pooled with pages that have no test values
    assert "Worse (95 % interval excludes zero): nothing." in evaluate.headline({"comparisons": rows[:3]})


class WithAdapter:
    """Only what `predict` needs to know of a PEFT model."""

    active = True

    @contextlib.contextmanager
    def disable_adapter(self):
        self.active = False
        yield
        self.active = True


@pytest.mark.parametrize(("name", "active"), [("base", False), ("tuned", True)])
def test_base_reads_with_the_adapter_switched_off(monkeypatch, name, active):
    def read(adapted, processor, images, *, max_new_tokens, batch_size, progress):
        assert adapted.active is active
        return [model.Reading("Sodium 140", [np.log(0.5), np.log(0.5)], "stop") for _ in images]

    monkeypatch.setattr(model, "read", read)
    found = evaluate.predict(WithAdapter(), None, [page(truth="Sodium 141")], name, "held_out", max_new_tokens=9)
    assert [(p.model, p.set, p.text, p.reference, p.truth) for p in found] == [
        (name, "held_out", "Sodium 140", "Sodium 140", "Sodium 141")
    ]
    assert found[0].confidence == pytest.approx(0.5)


def test_the_embedded_model_reads_into_predictions():
    found = evaluate.predict(*model.load("tiny"), [page()], "base", max_new_tokens=4, progress=False)
    assert len(found) == 1
    assert found[0].seconds > 0
    assert found[0].finish in ("stop", "length", "loop")


def test_an_ocrs_answers_become_the_same_rows():
    found = evaluate.from_transcripts([page()], [Answer("Sodium 14O", 0.9, 0.8, 0.2)])
    assert (found[0].model, found[0].text, found[0].seconds) == ("ocr", "Sodium 14O", 0.2)
    with pytest.raises(ValueError, match="shorter"):
        evaluate.from_transcripts([page()], [])


def test_a_page_nobody_has_read_cannot_be_scored():
    with pytest.raises(ValueError, match=r"drawn#1 has no text.*transcribe"):
        evaluate.from_transcripts([page(text=None)], [Answer("x")])


@pytest.mark.parametrize("models", [("base", "tuned", "merged"), ("base", "merged"), ("merged",)])
def test_merged_is_held_against_what_tuned_has_read_if_anything(models):
    predictions = [dataclasses.replace(page, model=name) for name in models for page in made_up(4, models=("tuned",))]
    frame = evaluate.score([*predictions, *predictions[:3]])  # a page that is in the test split twice
    assert len(frame) == len(predictions)
    cells = json.loads((NOTEBOOKS / "06_merge.ipynb").read_text())["cells"]
    cell = next("".join(cell["source"]) for cell in cells if "frame.pivot" in "".join(cell["source"]))
    names = {"frame": frame, "Markdown": str}
    exec(cell, names)
    assert ("of 4 pages" in names["wrote"]) == ("tuned" in models)
    assert ("no test page was read by tuned" in names["wrote"]) == ("tuned" not in models)
