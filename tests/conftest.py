"""Tests run side by side, one file to a process: each process then has one core for its arithmetic."""

import os

import hypothesis
import pytest

hypothesis.settings.register_profile("untimed", deadline=None)  # how fast the machine is decides no test
hypothesis.settings.load_profile("untimed")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here and in whatever a test starts

LONGEST = ("test_notebooks", "test_providers", "test_run", "test_parallel")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for a kernel, a server or a process."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """The longest files first: one of them begun last would be waited for by an idle core."""
    items.sort(key=lambda item: (*LONGEST, item.path.stem).index(item.path.stem))


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A small random model's folder; no test changes it.

    What these fixtures need of torch is imported by the tests that use them alone.
    """
    from small_model import make_base

    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def samples():
    """Pages for it: ten to train on, four to validate with."""
    from small_model import make_samples

    return make_samples(14)


@pytest.fixture(scope="session")
def finished(base, samples, tmp_path_factory):
    """A training that nothing disturbed: its folder, which no test changes, and report."""
    from small_model import RECIPE

    from medocr import train

    out = tmp_path_factory.mktemp("undisturbed")
    return out, train.train(base, samples[:10], samples[10:], out, **RECIPE)
