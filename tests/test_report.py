"""Every figure and table is drawn, also from nothing, from one page and from pages of unknown type."""

import dataclasses
import io
import itertools
import sys
import warnings

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image, ImageDraw

from medocr import metrics, report
from medocr.prepare import Sample
from medocr.report import marked
from medocr.schema import Page


@pytest.fixture(autouse=True)
def drawn():
    report.style()
    yield
    plt.close("all")


def png(figure: Figure) -> bytes:
    """The figure as a notebook stores it; a warning (a glyph that is not there, axes that collapse) fails."""
    assert isinstance(figure, Figure)
    data = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(data, format="png", bbox_inches="tight")
    return data.getvalue()


def page(text: str | None = "Sodium 14O mmol/L", truth: str | None = "Sodium 140 mmol/L", **fields) -> Page:
    size = fields.pop("size", (280, 140))
    noise = np.random.default_rng(0).integers(235, 256, (size[1], size[0], 1), dtype=np.uint8)
    image = Image.fromarray(noise.repeat(3, axis=2))
    ImageDraw.Draw(image).text((9, 9), "Sodium 140 mmol/L", fill="black")
    data = io.BytesIO()
    image.save(data, "PNG")
    return Page(image=data.getvalue(), origin="drawn", source="test", text=text, truth=truth, **fields)


PAGES = [
    page(doc_type="lab_report", confidence=0.9, label_origin="rapidocr/PP-OCRv6"),
    page(doc_type="receipt", truth=None, text="Total $5 and $6 中文 ☑ \x07"),
    page(size=(140, 420)),
]
SAMPLES = [
    Sample(**{**vars(one), "split": split}, answer="x", visual_tokens=50 + i, answer_tokens=20 + i)
    for i, (one, split) in enumerate(zip(PAGES, ("train", "test", "train"), strict=True))
]
SCORES = [
    {"model": model, "slice": name, "metric": metric, "value": value, "low": value * 0.9, "high": value * 1.1, "n": 40}
    for model, value in (("base", 0.4), ("tuned", 0.1), ("merged", 0.1), ("ocr", 0.02))
    for name in ("all", "medical", "labels:rapidocr/PP-OCRv6")
    for metric in ("cer", "wer")
]
COMPARISONS = [
    {
        "slice": name,
        "metric": "cer",
        "base": 0.4,
        "tuned": 0.1,
        "difference": -0.3,
        "low": low,
        "high": high,
        "p": p,
        "n": 40,
    }
    for name, low, high, p in (("all", -0.35, -0.25, 0.01), ("medical", None, None, None))
]
SUMMARY = {"scores": SCORES, "comparisons": COMPARISONS}
NOTHING = {"scores": [], "comparisons": []}
HISTORY = [
    {"step": 10, "loss": 2.0, "learning_rate": 1e-5, "seconds": 6.0},
    {"step": 20, "loss": 1.0, "learning_rate": 5e-5, "seconds": 12.0},
    {"step": 20, "eval_loss": 1.1, "seconds": 13.0},
]
CHANGES = pd.DataFrame(
    {
        "doc_type": ["lab_report", "unknown", "form"],
        "base_score": [0.5, 0.2, 0.1],
        "tuned_score": [0.1, 0.3, 0.1],
        "change": [-0.4, 0.1, 0.0],
    }
)
QUALITY = [
    {"doc_type": "form", "cer": 0.1, "confidence": 0.9},
    {"doc_type": "unknown", "cer": 3.0, "confidence": None},
]
NUMBERS = pd.DataFrame(
    {"model": ["base", "tuned"] * 6, "least": [i / 12 for i in range(12)], "right": [i > 4 for i in range(12)]}
)
SAFETY = {
    "scores": [
        {"model": model, "slice": "lab_report", "metric": kind, "value": 0.1, "low": low, "high": high, "n": 9}
        for model in ("base", "tuned")
        for kind, low, high in (("changed_digit", 0.0, 0.2), ("lost_flag", None, None))
    ]
}
RATES = [{"in_flight": n, "pages_per_second": 2.0 * n, "ideal": 2.2 * n, "share_of_ideal": 0.91} for n in (2, 4, 8, 16)]
PROVIDER = {
    **{"provider": "one", "read": 40, "pages_per_second": 3.5, "latency_median_s": 0.4, "latency_p95_s": 0.9},
    **{"cost": 0.02, "faults": {"rate_limited": 3, "timeout": 1}, "unusable": {"cut_off": 2}, "dropped": ""},
}
IDLE = {**PROVIDER, "provider": "two", "read": 0, "pages_per_second": None, "latency_median_s": None}
IDLE |= {
    "cost": 0.0,
    "latency_p95_s": None,
    "faults": {},
    "unusable": {},
    "dropped": "it does not accept the key (401)",
}
AGREED = [
    {"text": 0.99, "numbers": 1.0, "units": 1.0, "drugs": 0.5},
    {"text": 0.7, "numbers": 0.4, "units": 1, "drugs": 1},
]
DISAGREEING = {"id": PAGES[0].id, "texts": ["5 mg", "50 mg"], "readers": ["a", "b"]}
FIGURES = {
    "token_agreement": 0.9991,
    "tokens": 12345,
    "logit_difference": 0.004,
    "limits": {"token_agreement": 0.995, "logit_difference": 0.05},
    "histogram": {"edges": [1e-4, 1e-3, 1e-2], "to_tuned": [90, 2], "to_base": [1, 91]},
}


@pytest.mark.parametrize(
    "draw",
    [
        lambda: report.page_grid(PAGES),
        lambda: report.page_grid(PAGES, ["one $x$", "two", "three"], columns=2),
        lambda: report.page_grid(PAGES[:1]),
        lambda: report.page_grid([]),
        lambda: report.flow({"inputs": 9, "kept": 6, "rejected": {"blank": 1, "exact_duplicate": 2}}),
        lambda: report.flow({"inputs": 2, "kept": 2, "rejected": {}}),
        lambda: report.flow({"inputs": 0, "kept": 0, "rejected": {}}),
        lambda: report.mix(PAGES),
        lambda: report.mix([]),
        lambda: report.label_quality(QUALITY),
        lambda: report.label_quality(pd.DataFrame(QUALITY)),
        lambda: report.label_quality([]),
        lambda: report.transcript_examples(PAGES),
        lambda: report.transcript_examples([page(text=None)]),
        lambda: report.lengths(SAMPLES, 156, 200),
        lambda: report.lengths(SAMPLES[:1]),
        lambda: report.lengths([]),
        lambda: report.model_view(PAGES[0].open(), "OCR:", "Sodium 140"),
        lambda: report.training(HISTORY),
        lambda: report.training(HISTORY[:1]),
        lambda: report.training([]),
        lambda: report.dumbbell(SUMMARY),
        lambda: report.dumbbell(SUMMARY, "wer"),
        lambda: report.dumbbell(NOTHING),
        lambda: report.paired_change(CHANGES),
        lambda: report.paired_change(CHANGES[:1], "coverage_recall"),
        lambda: report.paired_change(CHANGES[:0]),
        lambda: report.example({"target": "a b", "base": "", "tuned": "a c", "example": "best"}, PAGES[0]),
        lambda: report.example({"target": "中文 $x$ " * 900, "ocr": "$" * 9000}, PAGES[2]),
        lambda: report.safety(SAFETY, "lab_report"),
        lambda: report.safety(NOTHING, "lab_report"),
        lambda: report.calibration(NUMBERS),
        lambda: report.calibration(NUMBERS[:1]),
        lambda: report.calibration(NUMBERS[:0]),
        lambda: report.parity(FIGURES),
        lambda: report.parity({}),
    ],
)
def test_figures(draw):
    assert len(png(draw())) < 300_000


def title(figure: Figure) -> str:
    return figure.get_suptitle().replace("\n", " ")


def harm(low: float, high: float) -> dict:
    row = {"slice": "lab_report", "metric": "changed_digit", "base": 0.01, "tuned": 0.065, "p_holm": 0.65, "n": 40}
    return SAFETY | {"comparisons": [row | {"difference": (low + high) / 2, "low": low, "high": high}]}


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (lambda: report.dumbbell(SUMMARY), "CER fell on all pages (0.400 → 0.100)"),
        (
            lambda: report.safety(harm(0.03, 0.08), "lab_report"),
            "Lab reports, kinds of error: 1 more frequent ▲ per 100 pages. 95 % intervals exclude zero",
        ),
        (
            lambda: report.safety(harm(-0.08, -0.03), "lab_report"),
            "95 % intervals exclude zero; 0 of 1 survive Holm's correction",
        ),
        (
            lambda: report.safety(harm(-0.03, 0.08), "lab_report"),
            "Lab reports: the 95 % interval of every kind's difference includes zero",
        ),
        (lambda: report.safety(SAFETY, "lab_report"), "Lab reports: too few pages to judge by"),
        (lambda: report.training(HISTORY), "training loss: 1.000 at step 20, from 2.000 at step 10"),
        (lambda: report.paired_change(CHANGES), "better on 1 of 3 pages, worse on 1, the same on 1"),
        (lambda: report.paired_change(CHANGES[:1], "coverage_recall"), "better on 0 of 1 pages, worse on 1"),
        (
            lambda: report.calibration(NUMBERS),
            "95% of the wrong numbers are among the least probable 33% of what tuned",
        ),
        (lambda: report.label_quality(QUALITY), "mean CER of 55.0%; 0% of 2 hold no error"),
        (lambda: report.lengths(SAMPLES), "51 visual tokens (at most 52) and 21 answer tokens (at most 22)"),
        (lambda: report.parity(FIGURES), "at most 0.004 standard deviations, below the limit"),
        (lambda: report.agreement(AGREED, 0.95), "on 0 of the 2 pages read twice"),
        (lambda: report.transcription_speed(RATES, {"one": [0.3]}), "32 pages per second with 16 requests"),
        (
            lambda: report.faults([PROVIDER], {"labelled at once": 30, "set aside: cut_off": 2}),
            "30 of 32 pages labelled",
        ),
        (lambda: report.disagreements(PAGES, [DISAGREEING] * 5), "3 of the 5 pages set aside"),
    ],
)
def test_a_figure_says_what_it_shows(figure, said):
    assert said in title(figure())


def test_base_and_tuned_are_told_apart_without_colour():
    points = {line.get_color(): line for line in report.dumbbell(SUMMARY).axes[0].lines if line.get_marker() == "o"}
    base, tuned = (points[report.COLOURS[model]] for model in ("base", "tuned"))
    assert (base.get_markerfacecolor(), tuned.get_markerfacecolor()) == ("none", report.COLOURS["tuned"])
    assert base.get_markersize() > tuned.get_markersize()
    bars = report.safety(SAFETY, "lab_report").axes[0].patches
    assert {bar.get_hatch() for bar in bars} == {"///", None}
    dashes = [line.get_linestyle() for line in report.calibration(NUMBERS).axes[0].lines]
    assert dashes == [":", "--", "-"]


def test_clinical_errors_have_a_figure_for_each_type_that_has_some():
    pooled = [{**row, "slice": "medical"} for row in SAFETY["scores"]]
    none = [{**row, "slice": "prescription", "value": 0.0} for row in SAFETY["scores"]]
    assert report.with_errors({"scores": [*pooled, *none, *SAFETY["scores"]]}) == ["lab_report"]


def test_the_risk_figure_shows_a_kind_over_its_limit():
    fields = pd.DataFrame({"kind": ["tick"], "confidence": [0.9], "reasons": [[]], "right": [False]})
    ticks = {"kind": "tick", "fields": 83, "passed": 80, "wrong": 2, "share": 0.96, "passed_wrong": 0.025}
    pooled = {"kind": "all", "fields": 701, "passed": 601, "wrong": 2, "share": 0.86, "passed_wrong": 0.0033}
    figure = report.risk_curves({"rapidocr": fields}, {"rapidocr": pd.DataFrame([ticks, pooled])}, 0.02)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["ticks: 2 / 80 of 83"]
    none = pd.DataFrame([ticks | {"passed": 0, "wrong": 0, "share": 0.0, "passed_wrong": None}])
    figure = report.risk_curves({"rapidocr": fields}, {"rapidocr": none}, 0.02)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["ticks: no threshold, none of 83"]


def test_a_title_of_clinical_errors_keeps_to_two_lines_and_the_kinds_are_marked():
    row = {"slice": "lab_report", "metric": "", "base": 0.1, "tuned": 0.2, "p_holm": 0.01, "n": 40}
    shifts = dict(zip(metrics.KINDS, itertools.cycle((0.1, -0.1)), strict=False))
    paired = [row | {"metric": kind, "difference": d, "low": d, "high": d} for kind, d in shifts.items()]
    scores = [{**SAFETY["scores"][0], "metric": kind, "model": model} for kind in shifts for model in ("base", "tuned")]
    figure = report.safety({"scores": scores, "comparisons": paired}, "lab_report")
    assert figure.get_suptitle().count("\n") == 1
    labels = [label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels()]
    assert labels[:2] == [f"{metrics.KINDS[kind]} {mark}" for kind, mark in zip(list(shifts)[:2], "▲▼", strict=True)]


def test_clinical_errors_of_pages_without_rows_have_one_panel():
    rows = [{**row, "metric": f"{row['metric']}_per_row"} for row in SAFETY["scores"]]
    assert len(report.safety(SAFETY, "lab_report").axes) == 1
    assert len(report.safety({"scores": SAFETY["scores"] + rows}, "lab_report").axes) == 2


def test_a_marker_at_zero_is_seen_whole():
    assert report.dumbbell(SUMMARY).axes[0].get_xlim()[0] < 0


def test_slices_are_named_in_plain_words():
    labels = [label.get_text() for label in report.dumbbell(SUMMARY).axes[0].get_yticklabels()]
    assert labels == ["all pages (n = 40)", "medical (n = 40)", "labelled by RapidOCR (n = 40)"]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: report.dumbbell(SUMMARY),
        lambda: report.safety(SAFETY, "lab_report"),
        lambda: report.label_quality(QUALITY),
        lambda: report.lengths(SAMPLES, 156, 200),
        lambda: report.paired_change(CHANGES),
        lambda: report.agreement(AGREED, 0.95),
        lambda: report.example({"target": "a b", "base": "", "tuned": "a c"}, PAGES[0]),
    ],
)
def test_no_text_is_too_small_for_a_telephone(draw):
    assert min(text.get_fontsize() for text in draw().findobj(Text) if text.get_text().strip()) >= 11


def test_captions_keep_to_their_page():
    figure = report.page_grid(PAGES[:1] * 6, ["random text, unseen"] * 6, columns=6)
    figure.canvas.draw()
    boxes = [ax.title.get_window_extent() for ax in figure.axes]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_tables_show_few_digits_and_whole_texts():
    shown = pd.DataFrame({"page": ["x" * 90], "share": [7.01]})
    assert "x" * 90 in shown.to_html()
    assert ">7.01<" in shown.style.to_html()


def test_a_gallery_of_noisy_pages_stays_small():
    assert len(png(report.page_grid([page(size=(620, 877))] * 10))) < 300_000


def test_tables_have_at_most_eight_columns():
    tables = [
        report.split_table(SAMPLES),
        report.split_table([]),
        report.model_table(SUMMARY, ["cer", "wer", "unheard_of"], ["all", "medical"]),
        report.model_table(NOTHING, ["cer"]),
        report.parity_table(FIGURES),
    ]
    assert all(len(table.columns) + table.index.nlevels <= 9 and len(table.columns) <= 8 for table in tables)


def test_the_parity_table_gives_units_and_limits():
    table = report.parity_table(FIGURES)
    assert table.loc["tokens that agree"].tolist() == ["99.91%", "at least 99.5%"]
    assert table.loc["largest difference of a logit"].tolist() == ["0.004 standard deviations", "at most 0.05"]


def test_the_split_table_adds_up():
    table = report.split_table(SAMPLES)
    assert table.loc["all", ["train", "validation", "test", "pages"]].tolist() == [2, 0, 1, 3]
    assert table.loc["lab report", "share"] == "33.3%"
    assert table.index.tolist() == ["lab report", "receipt", "unknown", "all"]


def test_the_model_table_gives_differences_and_says_nothing_where_there_is_none():
    table = report.model_table(SUMMARY, ["cer", "wer"])
    assert list(table.columns) == ["base", "tuned", "merged", "RapidOCR", "tuned − base [95 %]", "p, p (Holm)", "n"]
    assert table.iloc[0].tolist() == ["0.400", "0.100", "0.100", "0.020", "−0.300 [−0.350, −0.250]", "0.010", 40]
    assert table.iloc[1]["p, p (Holm)"] == ""


def test_the_least_p_that_permutations_can_give_is_an_upper_bound():
    row = COMPARISONS[0] | {"p": 0.0002, "p_holm": 0.0064}
    assert report.model_table(SUMMARY | {"comparisons": [row]}, ["cer"])["p, p (Holm)"].tolist() == [
        "≤ 0.0002, ≤ 0.006"
    ]


def test_differences_mark_what_is_wrong_and_what_is_lacking():
    assert marked.differences("Sodium 140 mmol/L", "Sodium 149 mmol/L") == [
        *(("Sodium 14", "same"), ("0", "lacking"), ("9", "extra"), (" mmol/L", "same")),
    ]
    assert marked.differences("one line\nand two", "one line and two") == [("one line\nand two", "same")]
    assert marked.differences("abc", "") == [("(empty)", "given")]
    assert marked.differences("abc", "xyz") == [("xyz", "extra")]
    # "bc" alone between two edits would not be read
    assert marked.differences("long text abcd more of it", "long text xbcy more of it")[1:3] == [
        *(("abcd", "lacking"), ("xbcy", "extra")),
    ]


def test_wrapping_keeps_every_character_and_its_column():
    runs = [("Sodium 140 ", "same"), ("mmol/L", "extra"), ("\nnext", "same")]
    rows = marked.wrap(runs, columns=12, limit=9)
    assert rows == [[(0, "Sodium 140", "same")], [(0, "mmol/L", "extra")], [(0, "next", "same")]]
    assert marked.wrap([("x" * 100, "same")], columns=10, limit=3)[-1] == [(0, "… 70 more characters", "given")]
    assert marked.wrap([], columns=10, limit=3) == [[]]


def test_showing_names_the_figure_and_lets_go_of_it(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda figure, metadata: shown.append((figure, metadata)))
    figure = report.parity(FIGURES)
    report.show(figure, "parity")
    assert shown == [(figure, {"filename": "parity.png", "alt": figure.get_suptitle()})]
    assert not plt.get_fignums()


def test_pages_without_exact_text_are_shown_unmarked():
    one = dataclasses.replace(PAGES[0], truth=None)
    texts = [text.get_text() for ax in report.transcript_examples([one]).axes for text in ax.texts]
    assert texts == ["lab report, read by rapidocr/PP-OCRv6, confidence 0.90", "Sodium 14O mmol/L"]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: report.transcription_speed(RATES, {"one": [0.3, 0.4, 0.9], "two": []}),
        lambda: report.transcription_speed([], {}),
        lambda: report.faults([PROVIDER, IDLE], {"labelled at once": 30, "set aside: cut_off": 2}),
        lambda: report.faults([IDLE], {}),
        lambda: report.agreement(AGREED, 0.95),
        lambda: report.agreement([], 0.95),
        lambda: report.disagreements(PAGES, [DISAGREEING]),
        lambda: report.disagreements(PAGES, []),
    ],
)
def test_transcription_is_drawn(draw):
    assert len(png(draw())) > 1000


def test_the_provider_table_says_why_one_was_dropped():
    table = report.provider_table([PROVIDER, IDLE])
    assert table.shape == (2, 9)
    assert table["unusable"].tolist() == ["2 cut off", "–"]
    assert table["share"].tolist() == ["100%", "0%"]
    assert table["cost per 1,000 pages"].tolist() == ["0.50", "none"]
    assert table["per second"].tolist()[1] == "–"  # nothing was read: no speed, and not a speed of zero
    assert table["dropped because"].tolist() == ["–", "it does not accept the key (401)"]
    assert report.provider_table([]).empty


def test_a_slider_draws_the_page_it_is_moved_to(monkeypatch):
    made, drawn = [], []
    monkeypatch.setattr("IPython.display.display", lambda shown, **how: made.append(shown))
    monkeypatch.setattr("ipywidgets.widgets.interaction.display", lambda shown, **how: made.append(shown))

    def draw(number: int) -> Figure:
        drawn.append(number)
        return report.transcript_examples(PAGES[:1])

    report.browse(3, draw)
    slider = next(widget for widget in made if hasattr(widget, "children")).children[0]
    assert (slider.min, slider.value, slider.max) == (1, 1, 3)
    slider.value = 3
    assert drawn == [0, 2]
    assert not plt.get_fignums()  # nothing is left open, however long somebody turns pages


def test_no_slider_where_nobody_can_move_it(monkeypatch, capsys):
    def draw(number: int) -> Figure:
        raise AssertionError("nothing is to be drawn")

    report.browse(0, draw)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    report.browse(3, draw)
    assert "pip install ipywidgets" in capsys.readouterr().out
    monkeypatch.setenv("MEDOCR_HEADLESS", "1")
    report.browse(3, draw)
    assert capsys.readouterr().out == ""


def test_the_gallery_shows_pages_with_clinical_errors_and_marks_them():
    wrong, right = page(doc_type="lab_report", size=(280, 140)), page(doc_type="form", size=(282, 140))
    rows = [
        {
            "id": shown.id,
            "model": model,
            "truth": "Sodium 140 <mmol/L",
            "reference": None,
            "text": text,
            "changed_unit": n,
        }
        for shown, texts in (
            (wrong, (("base", "Sodium 140 <mmol/L", 0), ("tuned", "Sodium 140 <mg/dL", 1))),
            (right, (("base", "Sodium 140 <mmol/L", 0), ("tuned", "Sodium 140 <mmol/L", 0))),
        )
        for model, text, n in texts
    ]
    made = report.gallery(pd.DataFrame(rows), {wrong.id: wrong, right.id: right})
    assert made.count("<article") == 1
    assert 'data-errors="tuned:changed_unit" data-type="lab_report"' in made
    assert "1 of 1 pages" in made
    assert "<ins>" in made
    assert "&lt;m" in made
    assert "<mmol" not in made
    assert "0 of 0 pages" in report.gallery(pd.DataFrame(rows).iloc[2:], {right.id: right})


def test_a_reading_with_hardly_a_right_character_is_said_to_be_one():
    figure = report.example({"target": "Sodium 140", "base": "xyz", "tuned": "Sodium 149"}, PAGES[0])
    assert "underlined whole: hardly a character is right" in figure.texts[0].get_text()
    figure = report.example({"target": "Sodium 140", "tuned": "Sodium 149"}, PAGES[0])
    assert "whole" not in figure.texts[0].get_text()


def test_of_two_readings_neither_is_called_wrong():
    written = [text.get_text() for text in report.disagreements(PAGES, [DISAGREEING]).texts]
    assert written[0] == "underlined: second reading only"


def test_the_last_losses_are_written_apart():
    for last in ({"loss": 1.2}, {"loss": 1.0}):
        figure = report.training([*HISTORY[:1], {"step": 20, **last}, HISTORY[2]])
        figure.canvas.draw()
        low, high = sorted((text.get_window_extent() for text in figure.axes[0].texts), key=lambda box: box.y0)
        assert low.y1 <= high.y0


def test_marks_are_explained_where_they_stand():
    ticked = page(text="☑ Yes ☐ No", truth="☑ Yes ☐ Nope")
    written = [text.get_text() for text in report.transcript_examples([ticked]).texts]
    assert written == ["struck through: missing · ■ ticked · □ empty"]
