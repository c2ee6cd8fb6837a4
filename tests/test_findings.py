"""The rule that draws verdicts, the words, tables and figures that tell them, and the notebook that shows these."""

import collections
import dataclasses
import json
import re
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from medocr.findings import benchmarks, claims, evidence, experiments, figures, takeaways
from medocr.findings.evidence import FAILS, HOLDS, MISSING, UNSURE, Contrast, Measurement, Side
from tests import made_up_runs

mpl.use("Agg")
NOTEBOOK = Path(__file__).parents[1] / "notebooks/08_findings.ipynb"
LEFT, RIGHT = Side("baseline", "left"), Side("other", "right")


@pytest.mark.parametrize(
    ("found", "better", "no_loss", "outcome"),
    [
        ({"low": 0.01, "high": 0.03, "seeds": [0.01, 0.02, 0.03]}, HOLDS, HOLDS, "better"),
        ({"low": 0.01, "high": 0.03, "seeds": [-0.001, 0.03, 0.03]}, UNSURE, HOLDS, UNSURE),
        ({"low": -0.01, "high": 0.02, "seeds": [0.01, 0.01, 0.01]}, UNSURE, UNSURE, UNSURE),
        ({"low": 0.001, "high": 0.004, "seeds": [0.002] * 3}, FAILS, HOLDS, "alike"),
        ({"low": -0.004, "high": -0.001, "seeds": [-0.002] * 3}, FAILS, HOLDS, "alike"),
        ({"low": -0.02, "high": -0.006, "seeds": [-0.01] * 3}, FAILS, FAILS, "worse"),
        ({"low": -0.02, "high": 0.001, "seeds": [-0.01] * 3}, FAILS, UNSURE, UNSURE),
        ({"low": 0.01, "high": 0.03, "seeds": [0.02]}, UNSURE, UNSURE, UNSURE),
    ],
)
def test_the_rule(found, better, no_loss, outcome):
    made = Measurement(Contrast(LEFT, RIGHT), **found)
    assert made.verdict == better
    assert Measurement(Contrast(LEFT, RIGHT, no_loss=True), **found).verdict == no_loss
    assert made.outcome == outcome
    assert made.word == (f"{FAILS}: {outcome}" if better == FAILS and outcome != UNSURE else better)
    assert Measurement(Contrast(LEFT, RIGHT, decides=False), **found).word == f"({outcome})"


def test_less_counts_where_less_goes_wrong():
    found = {"low": -0.004, "high": -0.002, "seeds": [-0.003] * 3}
    assert Measurement(Contrast(LEFT, RIGHT, no_loss=True), **found).verdict == HOLDS
    assert Measurement(Contrast(LEFT, RIGHT, pages="general", no_loss=True), **found).verdict == FAILS
    assert Contrast(LEFT, RIGHT, pages="receipt").matters == Contrast(LEFT, RIGHT, pages="general").matters


def test_a_claim_is_as_good_as_the_worst_that_decides_it():
    contrast = Contrast(LEFT, RIGHT)
    figures = {HOLDS: (0.01, 0.03), UNSURE: (-0.01, 0.03), FAILS: (-0.03, -0.01)}
    made = {verdict: Measurement(contrast, 0, *ends, [ends[0]] * 2) for verdict, ends in figures.items()}
    made[MISSING] = Measurement(contrast)
    assert all(measurement.verdict == verdict for verdict, measurement in made.items())
    for verdicts in ([HOLDS, HOLDS], [HOLDS, UNSURE], [UNSURE, FAILS], [FAILS, MISSING]):
        assert evidence.together(made[verdict] for verdict in verdicts) == verdicts[1]
    no_deciding = Measurement(dataclasses.replace(contrast, decides=False))
    assert evidence.together([made[HOLDS], no_deciding]) == HOLDS


def test_a_known_difference_is_found_with_its_seeds(tmp_path):
    made_up_runs.write(tmp_path, {"baseline": 0.0, "other": 0.05})
    scores, facts = evidence.load(tmp_path)
    assert len(facts) == 6
    found = evidence.measure(scores, Contrast(LEFT, RIGHT))
    assert 0 < found.low < found.advantage < found.high
    assert found.advantage == pytest.approx(0.05, abs=0.01)
    assert (found.pages, len(found.seeds)) == (36, 3)
    assert found.verdict == HOLDS
    assert evidence.measure(scores, Contrast(RIGHT, LEFT)).verdict == FAILS
    assert evidence.measure(scores, Contrast(LEFT, Side("absent", ""))).verdict == MISSING
    other = scores["id"].where(scores["variant"] != RIGHT.variant, "other " + scores["id"])
    assert evidence.measure(scores.assign(id=other), Contrast(LEFT, RIGHT)).verdict == MISSING
    shares = evidence.measure(scores, Contrast(LEFT, RIGHT, "range_f1"))
    assert shares.advantage == pytest.approx(0.05)


def test_figures_are_told_with_their_direction_and_without_a_signed_zero():
    found = {
        "left": 0.0061,
        "right": 0.0042,
        "advantage": -0.0019,
        "low": -0.003,
        "high": 0.0004,
        "seeds": [-0.0019] * 3,
    }
    general = Contrast(LEFT, RIGHT, pages="general")
    assert str(Measurement(general, **found)) == (
        "CER, general pages: left 0.0061, right 0.0042, worse by 0.0019 [−0.0004,\u00a00.0030]"
    )
    assert str(Measurement(general, **found | {"seeds": [-0.0019]})).endswith("0.0030], one seed")
    assert Contrast(LEFT, RIGHT).number(-0.0, "+") == "0.000"
    assert general.number(-0.0004, "+") == "−0.0004"
    assert Contrast(LEFT, RIGHT, "range_f1").number(0.2, "+") == "+0.200"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((-0.0004, "−0.0004"), (5.9e-06, "+0.00001"), (-5.9e-08, "0.000")),
        *((0.00497, "+0.00497"), (-0.00502, "−0.00502"), (0.005, "+0.005"), (0.0062, "+0.006")),
    ],
)
def test_a_figure_shows_on_which_side_of_the_rules_limits_it_lies(value, shown):
    assert Contrast(LEFT, RIGHT).number(value, "+") == shown


def test_an_end_that_cannot_be_shown_decides_nothing(tmp_path):
    """The ends are kept with the digits that can be shown, so that no verdict rests on others."""
    made_up_runs.write(tmp_path, {"baseline": 0.0, "other": 0.0051234567})
    found = evidence.measure(evidence.load(tmp_path)[0], Contrast(LEFT, RIGHT))
    shown = (found.advantage, found.low, found.high, *found.seeds)
    assert all(value == round(value, 6) for value in shown)


def test_a_figures_title_says_what_came_out(tmp_path):
    made_up_runs.write(tmp_path, {"baseline": 0.0, "other": 0.05, "alike": 0.001})
    scores, _ = evidence.load(tmp_path)

    def headline(*contrasts):
        return figures.headline([evidence.measure(scores, contrast) for contrast in contrasts])

    alike = Contrast(LEFT, Side("alike", "alike"))
    assert headline(Contrast(LEFT, RIGHT)).startswith("Left better than right on medical pages: CER\u00a00.0")
    assert headline(Contrast(LEFT, RIGHT), Contrast(RIGHT, LEFT)).startswith("Right worse than left on medical pages")
    assert headline(Contrast(RIGHT, LEFT, no_loss=True)).startswith("Right worse than left")
    assert headline(alike).startswith("Left much like alike")
    assert headline(Contrast(LEFT, Side("alike", "alike"), no_loss=True)).startswith("Left no worse than alike")
    by_type = [Contrast(LEFT, RIGHT, pages=name, decides=False) for name in ("lab_report", "form", "receipt")]
    assert headline(*by_type) == "Left against right: better on lab report, form; alike on receipt"
    one_seed = scores[scores["seed"].isin([0, 1])]
    undecided = [evidence.measure(one_seed, alike)]
    assert figures.headline(undecided).startswith("Undecided: left against alike on medical pages, CER\u00a00.")


def test_what_would_decide_an_undecided_contrast():
    def needed(contrast, low, at, high, seeds=3):
        return takeaways.needs(Measurement(contrast, at, low, high, [at] * seeds))

    better, no_worse = Contrast(LEFT, RIGHT), Contrast(LEFT, RIGHT, no_loss=True)
    assert needed(better, 0.01, 0.02, 0.03, seeds=1) == "more seeds than one"
    assert needed(better, -0.02, 0.02, 0.06).startswith("at most about 4.0 times as many")
    assert needed(better, -0.009, -0.001, 0.011).startswith("at most about 4.0 times as many"), "to rule a gain out"
    assert needed(no_worse, -0.015, 0.0, 0.015).startswith("at most about 9.0 times as many")
    assert needed(better, 0.01, 0.02, 0.03) == "seeds that agree"
    assert needed(no_worse, -0.02, -0.005, 0.02).startswith("more than such runs can decide")


def test_the_interval_is_that_of_its_formula():
    """Three groups of 1, 1 and 2 pages, two seeds; the seeds' means are 2 and 4, the groups' sums −2, 1 and 1."""
    differences = np.array([[0, 2], [3, 5], [2, 4], [3, 5]])
    of_groups, of_seeds = (4 + 1 + 1) / 16 * 3 / 2, 2 / 2
    variance = of_groups + of_seeds
    freedom = variance**2 / (of_groups**2 / 2 + of_seeds**2 / 1)
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert evidence.crossed_interval(differences, list("abcc")) == pytest.approx((3 - reach, 3 + reach))
    one_seed = stats.t.ppf(0.975, 2) * np.sqrt(of_groups)
    found = evidence.crossed_interval(differences[:, :1], list("abcc"))
    assert found == pytest.approx((2 - one_seed, 2 + one_seed))
    assert evidence.crossed_interval(np.full((4, 2), 0.5), list("abcc")) == (0.5, 0.5)
    assert np.isnan(evidence.crossed_interval(differences, list("aaaa"))).all()


def test_the_interval_holds_what_it_says_where_seeds_differ_more_than_groups():
    """No difference, three seeds whose standard error is 2.8 times that of 160 groups, as in the runs at most."""
    rng, sure, misled = np.random.default_rng(0), 0, 0
    for _ in range(600):
        seeds, groups = rng.normal(0, 2.8 * np.sqrt(3), 3), rng.normal(0, np.sqrt(160), (160, 1))
        advantages = seeds + groups + rng.normal(0, 0.7 * np.sqrt(160), (160, 3))
        low, high = evidence.crossed_interval(advantages, np.arange(160))
        sure += low <= 0 <= high
        made = Measurement(Contrast(LEFT, RIGHT), 0, low, high, advantages.mean(axis=0).tolist())
        misled += made.verdict == HOLDS
    assert sure > 0.88 * 600  # 0.925; by resampling groups and seeds 0.82
    assert misled < 0.06 * 600


def test_verdicts_of_ratios_need_every_measurement():
    assert benchmarks.ratio_verdict([0.3, 0.2], 1 / 3) == HOLDS
    assert benchmarks.ratio_verdict([0.3, 0.4], 1 / 3) == UNSURE
    assert benchmarks.ratio_verdict([0.4], 1 / 3) == FAILS
    assert benchmarks.ratio_verdict([], 1 / 3) == MISSING


def test_benchmarks_are_read_where_they_are(tmp_path):
    same = {"limits": "off", "pages": 9, "labelled": 9, "pages_per_second": 2.0, "share_of_ideal": 1.0}
    same |= {"cpu_ms_per_page": 4.0}
    rates = [
        {"client": "sequential", **same, "most_in_flight": 1, "speed_up": 1.0},
        {"client": "medocr", **same, "most_in_flight": 6, "speed_up": 5.2},
    ]
    for folder, name, content in (
        ("bench", "transcribe", {"rows": rates}),
        ("gpu", "full", {"ran": True, "size": "full", "card": "A card", "peak_memory_gb": 20.0}),
        ("gpu", "peft", {"ran": True, "size": "full", "card": "A card", "peak_memory_gb": 10.0}),
        ("gpu", "unsloth", {"ran": False, "size": "full", "why": "not there"}),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.json").write_text(json.dumps(content))
    given_up = {"client": "litellm", **same, "labelled": 8, "most_in_flight": 6, "speed_up": 5.9}
    (tmp_path / "bench/transcribe.json").write_text(json.dumps({"rows": [*rates, given_up]}))
    assert list(benchmarks.labelling(tmp_path)["times as fast"].isna()) == [False, False, True]
    found = benchmarks.judged(tmp_path)
    verdict, why = found["speed"]
    assert verdict == HOLDS
    assert why.startswith("5 times as fast as one request after another")
    assert "with 6 in flight" in why
    assert found["memory"] == (HOLDS, "peak memory, LoRA ÷ all weights: 0.50 (LoRA, transformers)")
    assert found["merge"] == (MISSING, "")
    assert list(benchmarks.memory(tmp_path)["training"]) == ["all weights", "LoRA, transformers"]


@pytest.mark.parametrize(("whole", "lora", "verdict"), [(23.0, 15.0, HOLDS), (34.9, 15.0, FAILS), (24.0, 9.0, FAILS)])
def test_gigabytes_are_held_against_what_is_claimed(tmp_path, whole, lora, verdict):
    rows = [
        {"trained": trained, "optimizer": "AdamW", "checkpointing": False, "total": total}
        for trained, total in (("all weights", whole), (benchmarks.LORA, lora))
    ]
    (tmp_path / "bench").mkdir()
    assert benchmarks.judged(tmp_path)["gigabytes"] == (MISSING, "")
    (tmp_path / "bench/memory.json").write_text(json.dumps({"rows": rows}))
    found = benchmarks.judged(tmp_path)
    assert found["gigabytes"][0] == verdict
    assert f"LoRA {lora:.1f} to {lora:.1f} GB" in found["gigabytes"][1]
    assert found["memory"][1].endswith(f"{lora / whole:.2f} (counted: AdamW, checkpointing no)")


def test_merging_is_judged_by_times_taken_side_by_side(tmp_path):
    def timed(way: str, at_once: int, ratio: float) -> dict:
        ratios = [ratio, ratio - 0.01, ratio + 0.3] if way == "merged" else [ratio] * 3
        own = {"way": way, "batch_size": at_once, "seconds_per_page": ratio, "over_adapter": ratios}
        return own | {"megabytes": 6.0 if way == "merged" else 8.0}

    cers = [{"slice": "all", "metric": "cer", "model": name, "value": 0.03} for name in ("tuned", "merged")]
    ways = {"adapter": 1.0, "adapter, composed": 0.4, "merged": 0.5}
    latency = [timed(way, n, ratio) for n in (1, 4) for way, ratio in ways.items()]
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo-balanced").mkdir()  # timed by nobody
    (tmp_path / "demo-on-a-card").mkdir()
    timings = {"latency": latency, "machine": {"cores": 2, "cpu": "A processor"}}
    on_a_card = {"latency": [row for row in latency if row["way"] in ("adapter", "merged")]}
    on_a_card |= {"machine": {"cores": 2, "cpu": "A processor", "gpu": "A card"}}
    for folder, more in (("demo", timings), ("demo-balanced", {}), ("demo-on-a-card", on_a_card)):
        record = {"scores": cers, "parity": {"passed": True}} | more
        (tmp_path / folder / "merge.json").write_text(json.dumps(record))
    table = benchmarks.merging(tmp_path)
    machine, rest = "2 cores of A processor", [0.75, 0.0, "passed"]
    on_cpu = [[f"demo, {n} at once", machine, "1.000, 0.400, 0.500", 0.5, 1.25, *rest] for n in (1, 4)]
    assert table[:2].values.tolist() == on_cpu
    assert list(table["machine"][2:]) == ["A card"] * 2
    assert list(table["s per page: adapter, composed, merged"][2:]) == ["1.000, –, 0.500"] * 2
    judged = benchmarks.judged(tmp_path)
    verdict, why = judged["merge"]
    assert verdict == HOLDS
    assert why.startswith(
        "seconds per page on 2 cores of A processor and A card, merged ÷ adapter as PEFT applies it: 0.5"
    )
    listed = "merged ÷ composed adapter: 1.25 (demo, 1 at once), 1.25 (demo, 4 at once)"
    assert judged["composed"] == (FAILS, f"seconds per page on the same machine, {listed}")


def test_without_any_run_everything_says_so(tmp_path):
    scores, facts = evidence.load(tmp_path)
    assert set(claims.verdicts(scores, tmp_path)["verdict"]) == {MISSING, evidence.UNTESTED}
    assert "No run has been made" in claims.provenance(scores, facts)
    assert takeaways.takeaways(scores) == ""
    assert claims.overview(scores, facts).empty
    for claim in claims.CLAIMS.values():
        assert MISSING in claims.conclusion(scores, facts, claim)
        figures.forest(scores, claim.contrasts)
    figures.ranks(claims.rank_costs(scores, facts))


def test_07_is_told_in_the_house_style():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert 15 <= len(notebook.cells) <= 30
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert len(cell.source.splitlines()) <= 15
            assert not re.search(r"^\s*(def|class) ", cell.source, re.MULTILINE)


def test_07_runs_alone_on_whatever_runs_there_are(tmp_path):
    runs = tmp_path / "results/experiments"
    made_up_runs.write(runs, {"baseline": 0.0, "mix-100-0": 0.01, "rank-8": 0.05})
    experiments.findings(experiments.load_table("experiments", out=tmp_path))
    text = (runs / "08_findings.ipynb").read_text()
    cells = nbformat.reads(text, as_version=4).cells
    said = "\n".join(o["data"].get("text/markdown", "") for c in cells for o in c.get("outputs", ()) if "data" in o)
    assert cells[1].source.startswith("**Found:** Of 15 claims ")
    assert "9 runs: 3 variants, three seeds each. Every run took 120 optimizer steps (0.5 epochs)" in said
    assert (
        f"reference ranges.** Verdict on the tiny model: **{HOLDS}**. Test values, F1, medical pages: tuned 0." in said
    )
    assert f"damaged set at equal steps.** Verdict on the tiny model: **{MISSING}**." in said
    assert "Nothing of this has been measured yet." in said
    assert re.search(
        r"difference between two ways to fine-tune, \d+ times the smallest that matters: CER, medical", said
    )


def test_longer_runs_are_told_with_what_they_did_to_general_pages(tmp_path):
    made_up_runs.write(tmp_path / "experiments", {"baseline": 0.0}, seeds=(1,))
    (tmp_path / "demo-balanced").mkdir()
    (tmp_path / "demo-balanced/train.json").write_text(json.dumps({"steps": 480, "precision": "float32"}))
    change = {"slice": "general", "metric": "cer", "difference": -0.0002, "low": -0.002, "high": 0.001, "n": 50}
    (tmp_path / "demo-balanced/metrics.json").write_text(json.dumps({"comparisons": [change]}))
    scores, facts = evidence.load(tmp_path / "experiments")
    told = claims.provenance(scores, facts)
    assert "1 variant, one seed each; one seed alone decides nothing. Every run took 120 optimizer steps (" in told
    change = "change the CER of general pages by −0.0002 [−0.0020, +0.0010]"
    assert f"demo-balanced's 480 steps in float32 {change}" in claims.demos(tmp_path)


def test_runs_of_machines_that_trained_in_other_precisions_are_told_apart(tmp_path):
    made_up_runs.write(tmp_path, {"baseline": 0.0, "rank-8": 0.01}, seeds=(1,))
    alike = claims.provenance(*evidence.load(tmp_path))
    assert " in float32 and was scored on the same 60 pages in" in alike
    assert "Precisions differ" not in alike
    run = tmp_path / "rank-8-1/run.json"
    run.write_text(run.read_text().replace('"float32"', '"bfloat16"'))
    mixed = claims.provenance(*evidence.load(tmp_path))
    assert "Precisions differ" in mixed
    assert "bfloat16" in mixed


def test_runs_of_unlike_seeds_steps_and_pages_are_told_as_they_are(tmp_path):
    made_up_runs.write(tmp_path, {"baseline": 0.0, "rank-8": 0.01})
    made_up_runs.write(tmp_path, {"long-60-40": 0.0}, seeds=(1, 2), pages=90)
    made_up_runs.write(tmp_path, {"long-100-0": 0.02}, seeds=(1,), pages=90)
    for path in tmp_path.glob("long-*/run.json"):
        path.write_text(path.read_text().replace('"steps": 120', '"steps": 369'))
    scores, facts = evidence.load(tmp_path)
    told = claims.provenance(scores, facts)
    seeds = "4 variants, 2 with three seeds, 1 with two seeds, 1 with one seed; one seed alone decides nothing."
    assert told.startswith(f"9 runs: {seeds} Every run took 120 to 369 optimizer steps (")
    assert " and was scored on 60 to 90 pages in " in told
    overview = claims.overview(scores, facts).set_index("variant")
    assert overview.loc["long-100-0", "training / held-out pages"] == "1,970 / 90"
    long = Contrast(*(claims.SIDES[f"{mix}, half the steps"] for mix in ("60/40", "100/0")), "cer", "medical")
    found = evidence.measure(scores, long)
    assert (found.pages, len(found.seeds), found.verdict) == (54, 1, UNSURE)


def test_a_gain_is_told_with_what_it_cost_on_general_pages(tmp_path):
    made_up_runs.write(
        tmp_path, {"suited-64": 0.0, "suited-16": 0.02, "suited-8": 0.04, "baseline": 0.0, "rank-8": 0.9}
    )
    scores, _ = evidence.load(tmp_path)
    _, told = claims.judge(scores, claims.CLAIMS["suited"])
    assert [one.partition(":")[0] for one in told] == ["CER, medical pages"] * 2 + ["CER, general pages"] * 2
    assert told[2].endswith("(alike)")
    assert "rank 8 " not in takeaways.takeaways(scores), "a contrast whose sides differ in more than the rank"


def test_the_picked_settings_are_the_best_of_as_many_as_the_claim_says():
    record = json.loads((NOTEBOOK.parents[1] / "results/bench/rank.json").read_text())
    tried = collections.Counter(row["rank"] for row in record["rows"])
    assert tried == {64: 2, 16: 4, 8: 4}, "two (rank 64) or four settings"
    trials = experiments.load_table("experiments")
    for row in record["best"]:
        train = next(t.run.parameters["train"] for t in trials if t.variant == f"suited-{row['rank']}")
        assert {name: train[name] for name in ("alpha", "learning_rate")} == {
            name: row[name] for name in ("alpha", "learning_rate")
        }
        assert row["learning_rate"] == max(other["learning_rate"] for other in record["rows"])


def test_no_table_has_more_than_eight_columns(tmp_path):
    made_up_runs.write(tmp_path, {"baseline": 0.0, "mix-100-0": 0.01, "mix-30-70": 0.02})
    scores, facts = evidence.load(tmp_path)
    for table in (
        evidence.table(scores, claims.CLAIMS["mix"].contrasts),
        claims.overview(scores, facts),
        benchmarks.merging(tmp_path),
    ):
        assert isinstance(table, pd.DataFrame)
        assert table.shape[1] <= 8


def test_a_ratio_is_printed_at_its_own_bar_and_off_the_line_of_the_claim():
    figure = figures.ratios(["demo", "near"], [0.54, 0.97], 1.0, "seconds per page")
    at = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts}
    assert 0.54 < at["0.54"] < 0.6
    assert at["0.97"] > 1.0
