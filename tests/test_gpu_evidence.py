"""The script behind `make gpu`, tried on a CPU with a small model: each part's file, the table, the arithmetic."""

import functools
import json

import pytest

from medocr.merge import parity
from medocr.run import load_profile
from tests import full_size, small_model
from tests.gpu import __main__ as main_module
from tests.gpu import arithmetic, inference, l4, table
from tests.gpu.__main__ import PARTS, main
from tests.gpu.setting import Setting


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The files of all parts that a CPU can run, in this process."""
    out, work = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("work")
    places = ["--here", "--size", "tiny", "--device", "cpu", "--out", str(out), "--work", str(work)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "_probe_elsewhere", small_model.probe_here)
        status = {part: main([part, *places]) for part in PARTS if part != "stages"}
    table.write(out)
    return out, status


def test_every_part_leaves_its_figures_or_says_why(measured):
    out, status = measured
    assert {part for part, failed in status.items() if failed} == {"unsloth"}
    found = {path.stem: json.loads(path.read_text()) for path in out.glob("*.json")}
    assert found.keys() == set(PARTS) - {"stages"}
    assert "needs a CUDA device" in found["unsloth"]["why"]
    for name in ("peft", "full"):
        assert found[name]["seconds_per_step"] > 0
        assert found[name]["share_of_matrix_rate"] > 0
        assert found[name]["trainable"] > 0
    assert len(found["peft"]["batches_seconds"]) == 2  # one of each optimizer step
    row = found["resume"]["rows"][0]
    assert row["resumed_apart"] == row["again_apart"] == 0 < row["moved_since_the_checkpoint"]
    assert found["merge"]["passed"], found["merge"]["why"]
    assert all(row["pages_per_s"] > 0 for row in found["reading"]["rows"])
    assert found["reading"]["rows"][1]["adapter_effect"] > 0
    assert found["l4"]["measured"] == {}  # of a small model there is nothing to scale


def test_the_table_names_what_ran_and_what_did_not(measured):
    text = (measured[0] / "table.md").read_text()
    assert "| LoRA, transformers + PEFT (CPU) |" in text
    assert "- **unsloth** did not run: ValueError" in text
    assert "passes the parity gate" in text
    assert text.startswith("Model size: tiny.")


def test_a_part_that_is_out_of_time_says_so_and_keeps_earlier_figures(tmp_path, capfd):
    places = ["--size", "tiny", "--device", "cpu", "--out", str(tmp_path), "--work", str(tmp_path), "--minutes", "0"]
    (tmp_path / "rate.json").write_text(json.dumps({"part": "rate", "size": "tiny", "ran": True, "bf16_tflops": 1.0}))
    assert main(["rate", "l4", *places]) == 2
    assert "call this part alone" in json.loads((tmp_path / "l4.json").read_text())["why"]
    assert json.loads((tmp_path / "rate.json").read_text())["bf16_tflops"] == 1.0


def test_what_a_part_has_measured_stays_beside_what_an_earlier_call_finished(tmp_path):
    keep = functools.partial(main_module._keep, tmp_path, "merge", "tiny")
    keep(seconds_merging=1.0)
    keep(seconds_merging=2.0)
    table.write(tmp_path)
    assert "**merge** did not end in its time" in (tmp_path / "table.md").read_text()
    assert json.loads((tmp_path / "merge.json").read_text())["seconds_merging"] == 2.0
    (tmp_path / "merge.json").write_text(json.dumps({"part": "merge", "ran": True, "passed": True}))
    keep(seconds_merging=3.0)
    assert json.loads((tmp_path / "merge_unfinished.json").read_text())["seconds_merging"] == 3.0
    assert json.loads((tmp_path / "merge.json").read_text())["passed"]


def test_the_stages_part_is_a_run_that_the_profiles_know(tmp_path):
    command = inference.stages_command(Setting("tiny", "cuda", tmp_path))
    overrides = [command[i + 1] for i, part in enumerate(command) if part == "-p"]
    parameters = load_profile("smoke", overrides).parameters
    assert {parameters[stage]["device"] for stage in ("train", "evaluate", "merge")} == {"cuda"}


def test_the_arithmetic_is_the_published_sizes():
    # 5,120 patches and 1,500 tokens: 4.2 linear and 3.3 attention in the vision tower
    flops = arithmetic.forward_flops(1280, 204)
    assert flops["vision_linear"] == pytest.approx(4.2e12, rel=0.01)
    assert flops["vision_attention"] == pytest.approx(3.3e12, rel=0.02)
    assert flops["language"] == pytest.approx(0.93e12, rel=0.02)
    assert sum(p.numel() for p in full_size.on_meta().parameters()) == full_size.WEIGHTS


def test_another_cards_figures_are_scaled_by_its_matrix_rate(tmp_path):
    found = {"part": "peft", "size": "full", "card": "H200", "bf16_tflops": 726.0}
    (tmp_path / "peft.json").write_text(json.dumps({**found, "seconds_per_step": 1.0, "peak_memory_gb": 11.0}))
    scaled = l4.scaled(tmp_path, "peft")
    assert scaled["seconds_per_step"] == pytest.approx(6.0)
    assert scaled["fits"]
    assert l4.scaled(tmp_path, "full") is None
