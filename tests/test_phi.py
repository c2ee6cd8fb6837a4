"""What tells that a page holds health information, and that such pages then stay here."""

import importlib.util

import pytest

from medocr import transcribe
from medocr.transcribe import Store, phi
from tests.loopback_pages import KnownText, Loopback, Server, pages


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Patient: Jane Roe\nAge: 41", ["patient"]),
        ("MRN: 00123456  Glucose 95 mg/dL", ["mrn"]),
        ("Name: Jane Roe\nDOB: 1980-02-03", ["date_of_birth", "patient"]),
        ("write to jane.roe@hospital.org", ["email_address"]),
        ("Lettuce x1 1.20\nTotal 1.20", []),
        ("Sodium 139 mmol/L 135-145\nPotassium 4.1", []),
        ("", []),
    ],
)
def test_a_header_tells(text, kinds):
    assert set(kinds) <= set(phi.find(text))
    assert bool(phi.find(text)) == bool(kinds)


@pytest.mark.skipif(not importlib.util.find_spec("presidio_analyzer"), reason="presidio-analyzer is not installed")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("phone (212) 555-0142", "phone_number"),
        ("social security number 219-09-9999", "us_ssn"),
        ("NHS number 943 476 5919", "uk_nhs"),
    ],
)
def test_patterns_tell(text, kind):
    assert kind in phi.find(text)


def test_pages_found_to_hold_it_stay(tmp_path):
    todo = pages(4)
    for page in todo[:2]:
        page.truth = "Patient: Jane Roe\n" + page.truth
    reader = KnownText(todo)
    with Loopback(todo, [Server(median_s=0.005)]) as servers, Store(tmp_path / "answers.sqlite") as store:
        marked = phi.mark(todo, reader, store)
        assert list(marked.kinds.values()) == [["patient"], ["patient"]]
        labelled, report = transcribe.transcribe(marked, servers.providers(), store, progress=False)
        assert [page.id for page in labelled] == [page.id for page in todo[2:]]
        assert servers.stats()[0]["requests"] == 2
    assert report["reasons"] == {"not_disclosed": 2}


@pytest.mark.parametrize("truth", [None, "", " \n"])
def test_what_nobody_could_look_at_stays(tmp_path, truth):
    (page,) = pages(1)
    page.truth = truth
    with Store(tmp_path / "answers.sqlite") as store:
        (marked,) = phi.mark([page], KnownText([page]), store)
    assert marked.contains_phi


def test_a_page_is_looked_at_once(tmp_path, monkeypatch):
    todo = pages(3)
    with Store(tmp_path / "answers.sqlite") as store:
        first = phi.mark(todo, KnownText(todo), store)
        monkeypatch.setattr(KnownText, "answers", lambda self, images: iter([(i, 1 / 0) for i, _ in images]))
        assert phi.mark(todo, KnownText(todo), store).kinds == first.kinds
