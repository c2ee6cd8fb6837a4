"""Limits that results state as numbers: each holds exactly there, and not merely somewhere near."""

import json

import numpy as np
import pytest
import torch
from small_model import RECIPE

from medocr import metrics, train
from medocr import model as models
from medocr.demo import synthetic
from medocr.merge import parity
from medocr.metrics import checks, statistics


def test_an_interval_is_as_wide_as_95_percent_is():
    """Of a normal mean: 1.96 standard errors to each side; of 90 % it would be 1.64."""
    values = np.random.default_rng(1).normal(size=(500, 1))
    low, high = statistics.intervals(values, np.arange(500), resamples=9999)
    error = values.std() / np.sqrt(500)
    assert (high - low)[0] / 2 / error == pytest.approx(1.96, abs=0.08)
    assert (low[0] + high[0]) / 2 == pytest.approx(values.mean(), abs=0.2 * error)


@pytest.mark.parametrize("read", ["mcg", "g"])
def test_a_dose_in_another_unit_is_no_right_order(read):
    order = "Digoxin 250 mg tab\nPO daily"
    changed = order.replace("mg", read)
    assert metrics.score_page(order, order)["drug_f1"] == 1
    assert metrics.score_page(order, changed)["drug_f1"] == 0
    assert [check.passed for check in checks.check_page(order, changed) if check.family == "drug"] == [False]


def test_held_out_pages_are_of_groups_that_no_run_draws():
    assert not set(synthetic.HELD_OUT_GROUPS) & set(synthetic.RUN_GROUPS)
    counts = {"lab_report": 30, "receipt": 30}
    seen, unseen = (
        {page.group for page in synthetic.pages(counts, seed, groups=groups, workers=1)}
        for seed, groups in ((1, synthetic.RUN_GROUPS), (2, synthetic.HELD_OUT_GROUPS))
    )
    assert seen
    assert unseen
    assert not seen & unseen


def _outputs(count=1000):
    logits = torch.randn(8, 50, generator=torch.Generator().manual_seed(0))
    return {"logits": logits, "tokens": torch.zeros(count, dtype=torch.int64), "margins": torch.ones(count)}


@pytest.mark.parametrize(("flips", "passes"), [(5, True), (6, False)])
def test_the_gate_needs_99_5_percent_of_the_tokens(flips, passes):
    expected = _outputs()
    merged = {**expected, "tokens": expected["tokens"].clone()}
    merged["tokens"][:flips] = 1
    why, _ = parity.compare(expected, {**expected, "logits": expected["logits"] + 1}, merged)
    assert (why == []) is passes


@pytest.mark.parametrize(("share", "passes"), [(0.049, True), (0.051, False)])
def test_the_gate_allows_a_twentieth_of_the_logits_deviation(share, passes):
    expected = _outputs()
    merged = {**expected, "logits": expected["logits"].clone()}
    merged["logits"][0, 0] += share * expected["logits"].std()
    why, _ = parity.compare(expected, {**expected, "logits": expected["logits"] + 1}, merged)
    assert (why == []) is passes


@pytest.mark.parametrize(("r", "alpha"), [(4, 4), (4, 12)])
def test_lora_is_scaled_by_alpha_over_rank(base, r, alpha):
    tuned = models.add_lora(models.load(base, device="cpu")[0], r, alpha)
    scales = {m.scaling["default"] for m in tuned.modules() if hasattr(m, "lora_A")}
    assert scales == {alpha / r}


def test_a_training_hands_alpha_on(base, samples, tmp_path):
    train.train(base, samples[:4], [], tmp_path, **{**RECIPE, "max_steps": 1, "alpha": 12})
    assert json.loads((tmp_path / "adapter/adapter_config.json").read_text())["lora_alpha"] == 12
