"""The look at the machine before a run: all that is missing is named at once."""

import json
from pathlib import Path

import pytest

from medocr import preflight, run
from medocr.run import load_profile

ROOT = Path(__file__).parents[1]


@pytest.fixture
def planned(tmp_path):
    """A folder where the runner left the plan of a profile."""

    def plan(name, **stages):
        parameters = load_profile(name).parameters
        for stage, values in stages.items():
            parameters[stage] |= values
        (tmp_path / "run.json").write_text(json.dumps({"parameters": parameters}))
        return tmp_path

    return plan


@pytest.fixture
def machine(monkeypatch):
    """Puts another machine in this one's place."""

    def of(card=("L4", 22.0), disk_gb=100.0):
        monkeypatch.setattr(preflight, "gpu", lambda: card)
        monkeypatch.setattr(preflight, "free_disk_gb", lambda folder: disk_gb)

    return of


def test_the_demo_asks_for_disk_alone(planned, monkeypatch):
    monkeypatch.setattr(preflight, "gpu", lambda: pytest.fail("the demo asked for a card"))
    assert "GB of disk" in preflight.check(planned("demo"))


def test_a_full_size_run_finds_its_card(planned, machine):
    machine()
    assert "L4 with 22.0 GB free" in preflight.check(planned("l4"))


@pytest.mark.parametrize(("stage", "device"), [("train", "cuda"), ("merge", "cuda:0"), ("digitize", "cuda")])
def test_every_stage_that_asks_for_a_card_is_held_against_the_machine(planned, machine, stage, device):
    machine(card=None)
    with pytest.raises(ValueError, match="CUDA, which torch does not find"):
        preflight.check(planned("demo", **{stage: {"device": device}}))


def test_everything_missing_is_named_at_once(planned, machine, monkeypatch):
    monkeypatch.delenv("FIRST_KEY", raising=False)
    providers = [
        {"name": "first", "key_variable": "FIRST_KEY", "may_receive": True},
        {"name": "second", "key_variable": "SECOND_KEY", "may_receive": False},
    ]
    machine(card=("T4", 3.0), disk_gb=2.0)
    with pytest.raises(ValueError, match="not ready for this run") as raised:
        preflight.check(planned("l4", transcribe={"providers": providers, "annotator": "rapidocr:klingon"}))
    message = str(raised.value)
    assert all(part in message for part in ("klingon", "T4 has 3.0 GB free", "2.0 GB of disk are free", "FIRST_KEY"))
    assert "SECOND_KEY" not in message  # it may receive nothing


def test_keys_are_named_and_never_shown(planned, machine, monkeypatch):
    machine()
    monkeypatch.setenv("FIRST_KEY", "very-secret")
    provider = {"name": "first", "key_variable": "FIRST_KEY", "may_receive": True}
    message = preflight.check(planned("l4", transcribe={"providers": [provider]}))
    assert "FIRST_KEY" in message
    assert "very-secret" not in message


def test_the_runner_looks_before_it_asks_the_sources(tmp_path, machine, monkeypatch):
    machine(card=None)
    monkeypatch.setattr(run.sources, "fingerprint", lambda *_, **__: pytest.fail("a source was asked first"))
    with pytest.raises(ValueError, match="CUDA"):
        run.execute(load_profile("l4", out=tmp_path))


def test_free_disk_of_a_folder_that_is_yet_to_be_made():
    assert preflight.free_disk_gb(ROOT / "data/not/yet") > 0


WRONG = {
    "train": {"device": "gpu", "backend": "unsloht", "learning_rate": float("nan"), "save_every": 0},
    "transcribe": {"second_annotator": "teseract", "min_confidence": 70.0, "agreement_share": 7, "third": "nobody"},
    "evaluate": {"batch_size": 0, "models": ["base", "tunde"]},
    "prepare": {"text_format": "line"},
}


def test_wrong_values_are_named_before_anything_is_paid_for(planned, machine):
    machine()
    with pytest.raises(ValueError, match="not ready for this run") as raised:
        preflight.check(planned("demo", **WRONG))
    message = str(raised.value)
    for stage, values in WRONG.items():
        for name in values:
            assert f"- {stage}.{name} = " in message
    assert message.count("\n- ") == sum(map(len, WRONG.values()))


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "notebooks/profiles").glob("*.toml")))
def test_no_profile_of_the_repository_has_a_wrong_value(name):
    if not run.is_table(name):
        assert preflight._wrong(load_profile(name).parameters) == []
