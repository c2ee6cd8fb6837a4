"""The review page: a session without a browser, and a person's whole pass in a real one where there is one."""

import http.client
import json
import os
import pwd
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from medocr import review
from medocr.review import markup, page
from medocr.review.decisions import DecidedMeanwhile
from medocr.review.session import Session, proposed_line
from tests.review_folder import analyte, field, lab_report, write
from tests.review_folder import page as made_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HEBREW = "אריתרוציטים"
SCRIPT = "<script>document.title = 'taken over'</script>"
NAMES = ["Haemoglobin", HEBREW, SCRIPT, "Sodium", "Potassium", "Urea", "Creatinine", "Troponin", "Albumin"]


def report(folder) -> dict:
    """A document of one page with ten fields, a patient and nine results, in the order of the page."""
    lines = ['Patient: O"Neill, Ann', *(f"{name} {n}.5 g/dL" for n, name in enumerate(NAMES, 1))]
    read = made_page(folder, 1, lines)
    fields = [field((1, 1), "header", {"value": 'O"Neill, Ann'}, read["lines"][0], 0, name="patient")]
    for n, name in enumerate(NAMES, 1):
        columns = analyte(name, n + 0.5, n, low=None, high=None)
        fields.append(field((1, n + 1), "analyte", columns, read["lines"][n], n, reasons=["no_range"]))
    return write(folder, [read], fields)


def test_a_user_without_a_name_decides_under_its_number(tmp_path, monkeypatch):
    lab_report(tmp_path, {"Iron": 12.0})
    users, blocks = [], SimpleNamespace(launch=lambda **_: None, local_url="http://127.0.0.1:1/", server_port=1)
    monkeypatch.setattr(page, "build", lambda session, by: users.append(by) or blocks)
    monkeypatch.setattr(page, "_theme", lambda: None)
    monkeypatch.setattr(page, "_guard", lambda key: None)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda number: {}[number])  # as in a container
    page.launch(tmp_path, wait=False)
    assert users == [str(os.getuid())]


def test_a_session_goes_to_what_nobody_has_decided_and_ends(tmp_path):
    lab_report(tmp_path, {"Iron": 12.0, "Urea": 5.0, "Sodium": 139.0})
    ann, ben = Session(tmp_path), Session(tmp_path)
    ann.accept(ann.view(0), "ann")
    assert ben.next_open() == 1
    ben.absent(ben.view(2), "ben")
    assert ann.next_open(0) == 1
    assert ann.next_open(2) == 1  # from the first again
    ann.accept(ann.view(1), "ann")
    assert ben.next_open() is None
    assert ben.decided() == [True] * 3


def test_a_second_person_gets_to_see_what_the_first_decided(tmp_path):
    document = report(tmp_path)
    ann, ben = Session(tmp_path), Session(tmp_path)
    shown = ann.view(3)
    ben.absent(ben.view(3), "ben")
    with pytest.raises(DecidedMeanwhile):
        ann.accept(shown, "ann")
    assert "found not to be on the page by ben" in markup.field(ann.view(3))
    ann.correct(ann.view(3), "ann", review.shown(shown.columns) | {"value": "7"}, "x 7")
    assert ann.view(3).columns["value"] == 7.0
    ben.accept(ben.view(3), "ben")  # of the correction
    assert review.read_decisions(tmp_path, document["id"])[-1].columns["value"] == 7.0


def test_the_line_follows_the_columns_where_that_is_sure(tmp_path):
    report(tmp_path)
    view = Session(tmp_path).view(1)
    texts = review.shown(view.columns)
    assert proposed_line(view, texts | {"value": "1.60"}) == "Haemoglobin 1.60 g/dL"
    assert proposed_line(view, texts | {"flag": "H"}) is None


def test_what_a_page_or_a_person_writes_is_never_markup(tmp_path):
    document = report(tmp_path)
    session = Session(tmp_path)
    session.accept(session.view(2), "<img src=x onerror=alert(1)>")
    told = markup.field(session.view(2)) + markup.field(session.view(3)) + markup.message(SCRIPT)
    document["pages"][0]["image"] = "<b>nowhere</b>"
    write(tmp_path, document["pages"], document["fields"])
    told += markup.page(tmp_path, session.view(2))
    assert "&lt;script&gt;" in told
    assert not {"<script", "<img src=x", "<b>"} & {part for part in ("<script", "<img src=x", "<b>") if part in told}


def test_a_field_that_nobody_can_place_is_shown_without_a_mark(tmp_path):
    document = report(tmp_path)
    document["fields"][0] |= {"box": None, "line": None, "confidence": None}
    write(tmp_path, document["pages"], document["fields"])
    view = Session(tmp_path).view(0)
    assert "mr-mark" not in markup.page(tmp_path, view)
    assert "the reader gave no confidence" in markup.field(view)


def test_what_is_wrong_with_the_document_is_shown_with_each_field(tmp_path):
    document = report(tmp_path) | {"warnings": ["page 2 names another patient: <Ben>"]}
    (tmp_path / "documents" / f"{document['id']}.json").write_text(json.dumps(document))
    assert "page 2 names another patient: &lt;Ben&gt;" in markup.field(Session(tmp_path).view(9))


def test_without_gradio_it_is_said_what_to_install(tmp_path, monkeypatch):
    report(tmp_path)
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ValueError, match=r"pip install 'medocr\[review\]'"):
        page.launch(tmp_path)


@pytest.fixture
def served(tmp_path):
    """The address of the page, served by a process of its own, and the document that it shows."""
    pytest.importorskip("gradio")
    document = report(tmp_path)
    command = [sys.executable, "-m", "medocr", "review", str(tmp_path), "--by", "Dr. Ann"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(word for word in process.stdout.readline().split() if word.startswith("http")), document
        finally:
            process.terminate()


def test_in_a_notebook_the_page_stands_below_the_cell_and_the_cell_ends(tmp_path, monkeypatch):
    shown = []
    blocks = SimpleNamespace(launch=lambda **_: None, local_url="http://127.0.0.1:1/", server_port=1)
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    monkeypatch.setattr(page, "build", lambda *_: blocks)
    monkeypatch.setattr(page, "_theme", lambda: None)
    monkeypatch.setattr(page, "_guard", lambda _: None)
    monkeypatch.setattr("IPython.display.display", shown.append)
    report(tmp_path)
    assert page.launch(tmp_path) == shown[0].src


def test_only_who_knows_the_secret_path_gets_anything(served):
    address, _ = served
    host, key = address.rstrip("/").rsplit("/", 1)
    elsewhere = {"Host": "pages.example", "Origin": "http://pages.example"}  # whose name was made to point here
    for path in (
        "/",
        "/config",
        "/gradio_api/info",
        f"/{key}",
        f"/{key[:-1]}x/",
        "/gradio_api/startup-events/../../config",
    ):
        for headers in ({}, elsewhere):
            assert _status(host, path, headers) == 401, path
    assert _status(host, f"/{key}/config") == 200


def _status(host: str, path: str, headers: dict | None = None) -> int:
    connection = http.client.HTTPConnection(host.removeprefix("http://"))
    try:
        connection.request("GET", path, headers=headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


class Person:
    """Somebody in front of a browser."""

    def __init__(self, browser, address: str) -> None:
        self.page = browser.new_page()
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.address = address
        self.open()

    def open(self) -> None:
        self.page.goto(self.address)
        self.page.wait_for_selector(".mr-field, .mr-done")

    def press(self, key: str) -> None:
        """Press a key, and wait until the page shows another field."""
        before = self.page.inner_text(".mr-progress")
        self.page.keyboard.press(key)
        self.page.wait_for_function("before => document.querySelector('.mr-progress').innerText !== before", arg=before)

    def shown(self) -> str:
        return self.page.inner_text(".mr-field h2")

    def write(self, column: str, text: str, line: str) -> None:
        """Correct a column, and wait for the line to follow."""
        self.page.keyboard.press("c")
        self.page.wait_for_selector("#mr-save", state="visible")
        self.page.get_by_label(column, exact=True).select_text()
        self.page.keyboard.type(text)
        self.page.wait_for_function("line => document.querySelector('#mr-line textarea').value === line", arg=line)
        self.press("Control+Enter")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here")
def test_a_whole_pass_in_a_browser(served, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    address, document = served
    with (
        sync_api.sync_playwright() as started,
        started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
    ):
        ann = Person(browser, address)
        ann.write("value", 'O"Neill-"Smith", Ann', 'Patient: O"Neill-"Smith", Ann')
        assert ann.shown() == "Haemoglobin"
        ann.press("a")
        ann.write("value", "2.60", f"{HEBREW} 2.60 g/dL")
        assert ann.shown() == SCRIPT
        ann.press("ArrowRight")
        ann.press("ArrowLeft")
        ann.press("n")
        ann.open()  # a reload in the middle
        assert "4 of 10 decided" in ann.page.inner_text(".mr-progress")
        assert ann.shown() == "Sodium"
        ben = Person(browser, address)
        ben.page.get_by_label("Who decides").fill("Ben")
        ben.page.locator(".mr-field h2").click()  # out of the box
        ben.press("a")
        ann.page.keyboard.press("n")  # of what Ben accepted meanwhile
        ann.page.wait_for_selector(".mr-warning")
        assert "Already accepted by Ben" in ann.page.inner_text(".mr-before")
        ann.press("ArrowRight")
        for _ in range(5):
            ann.press("a")
        ann.page.wait_for_selector(".mr-done")
        assert ann.page.title() == "medocr review"
        assert all(url.startswith((address, "data:", "blob:")) for url in ann.asked + ben.asked)
    made = {one.field: one for one in review.read_decisions(tmp_path, document["id"])}
    assert [made[f"1-{n}"].decision for n in range(1, 6)] == ["correct", "accept", "correct", "absent", "accept"]
    assert made["1-1"].columns == {"value": 'O"Neill-"Smith", Ann'}
    assert (made["1-3"].columns["name"], made["1-3"].columns["value"]) == (HEBREW, 2.6)
    assert (made["1-3"].text, made["1-5"].by, made["1-6"].by) == (f"{HEBREW} 2.60 g/dL", "Ben", "Dr. Ann")
