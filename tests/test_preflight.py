"""The look at the machine before a run: all that is missing is named at once, and the demo asks no network."""

import dataclasses
import json
import socket
from pathlib import Path

import pytest

from medocr import preflight, run
from medocr.preflight import Machine, Needs
from medocr.run import load_profile

ROOT = Path(__file__).parents[1]


@dataclasses.dataclass
class Fake(Machine):
    """A machine with all that a full-size run asks for, unless told otherwise."""

    card: tuple[str, float] | None = ("L4", 22.0)
    disk_gb: float = 100
    packages: tuple[str, ...] = ("kagglehub",)
    answer: str | None = None
    has_model: bool = False
    environment: dict = dataclasses.field(default_factory=lambda: {"KAGGLE_API_TOKEN": "x"})
    asked: list = dataclasses.field(default_factory=list)

    def gpu(self):
        return self.card

    def free_disk_gb(self, folder):
        return self.disk_gb

    def installed(self, package):
        return package in self.packages

    def cached(self, model):
        return self.has_model

    def ask_hub(self, kind, name):
        self.asked.append((kind, name))
        return self.answer


@pytest.fixture
def planned(tmp_path):
    """A folder where the runner left the plan of a profile."""

    def plan(name, **stages):
        parameters = load_profile(name).parameters
        for stage, values in stages.items():
            parameters[stage] |= values
        (tmp_path / "run.json").write_text(json.dumps({"parameters": parameters}))
        return tmp_path, parameters["curate"]["pages_from"]

    return plan


def test_the_demo_passes_without_any_network(planned, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the demo asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    data, pages_from = planned("demo")
    assert "GB of disk" in preflight.check(data, pages_from)


def test_a_full_size_run_is_looked_at_whole(planned):
    machine = Fake()
    message = preflight.check(*planned("l4"), machine)
    assert "L4 with 22.0 GB free" in message
    assert "a Kaggle login" in message
    assert [kind for kind, _ in machine.asked] == ["model", "dataset", "dataset", "dataset"]
    assert ("model", "PaddlePaddle/PaddleOCR-VL") in machine.asked


def test_everything_missing_is_named_at_once(planned, tmp_path):
    providers = [
        {"name": "one", "key_variable": "ONE_KEY", "may_receive": True},
        {"name": "two", "key_variable": "TWO_KEY", "may_receive": False},
    ]
    machine = Fake(
        card=("T4", 3.0),
        disk_gb=2,
        packages=(),
        environment={"HF_HUB_OFFLINE": "1"},
        home=tmp_path,
    )
    with pytest.raises(ValueError, match="not ready for this run") as raised:
        preflight.check(*planned("l4", transcribe={"providers": providers}), machine)
    message = str(raised.value)
    for part in (
        *("T4 has 3.0 GB free", "2.0 GB of disk are free"),
        *("PaddlePaddle/PaddleOCR-VL is not on this machine and HF_HUB_OFFLINE is set", "saurabh1896/OMR"),
        *("kagglehub is not installed", "no Kaggle login", "the environment variable ONE_KEY is not set"),
    ):
        assert part in message
    assert "TWO_KEY" not in message  # it may receive nothing
    assert machine.asked == []  # offline: nobody is asked


def test_no_cuda_and_an_unreachable_hub(planned):
    with pytest.raises(ValueError, match="CUDA") as raised:
        preflight.check(*planned("l4"), Fake(card=None, answer="ConnectError"))
    assert str(raised.value).count("cannot be had from huggingface.co (ConnectError)") == 4


def test_a_model_in_the_cache_needs_no_network(planned):
    machine = Fake(has_model=True)
    preflight.check(*planned("l4"), machine)
    assert [kind for kind, _ in machine.asked] == ["dataset"] * 3


def test_keys_are_never_shown(planned):
    provider = {"name": "one", "key_variable": "ONE_KEY", "may_receive": True}
    machine = Fake(environment={"KAGGLE_API_TOKEN": "x", "ONE_KEY": "very-secret"})
    message = preflight.check(*planned("l4", transcribe={"providers": [provider]}), machine)
    assert "ONE_KEY" in message
    assert "very-secret" not in message


def test_a_local_model_and_local_copies_need_no_hub(tmp_path):
    pages_from = [{"source": "lab_reports", "path": "copy"}, {"source": "folder", "path": "scans"}]
    asked = preflight.needs({"curate": {"pages_from": pages_from}, "prepare": {"base": str(tmp_path)}})
    assert asked == Needs(disk_gb=preflight.FULL_DISK_GB)


def test_without_a_plan_the_sources_alone_are_looked_at(tmp_path):
    with pytest.raises(ValueError, match="OMR-scanned-documents"):
        preflight.check(tmp_path, [{"source": "omr_forms"}], Fake(answer="ConnectError"))


def test_the_runner_looks_before_it_asks_the_sources(tmp_path, monkeypatch):
    def asked(*args, **kwargs):
        raise AssertionError("a source was asked before the machine was looked at")

    monkeypatch.setattr(run.sources, "fingerprint", asked)
    monkeypatch.setattr(preflight, "Machine", lambda: Fake(card=None, environment={}, home=tmp_path, answer="Timeout"))
    with pytest.raises(ValueError, match="not ready for this run") as raised:
        run.execute(load_profile("l4", out=tmp_path))
    assert all(word in str(raised.value) for word in ("CUDA", "Kaggle", "OMR-scanned", "PaddleOCR-VL"))


def test_the_real_machine_answers():
    machine = Machine()
    assert machine.installed("torch")
    assert not machine.installed("no_such_package")
    assert machine.free_disk_gb(ROOT / "data/not/yet") > 0
    assert machine.cached("nobody/nothing") is False
