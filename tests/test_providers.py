"""Providers end to end, against servers on this machine: every page once, within limits, and none sent unasked."""

import asyncio
import dataclasses
import io
import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from medocr import schema, storage, transcribe
from medocr.demo import loopback
from medocr.run import load_profile
from medocr.transcribe import (
    Agreement,
    Answer,
    OpenAIProvider,
    Store,
    agreement,
    batch,
    client,
    outgoing,
    providers,
    tesseract,
)
from tests.loopback_pages import (
    ENDS,
    LINES,
    MALFORMED,
    REPLIES,
    REQUESTS,
    SET_ASIDE,
    TRAP,
    KnownText,
    Loopback,
    Server,
    faulty,
    pages,
    shares,
)

ROOT = Path(__file__).parents[1]
QUICK = Server(median_s=0.005, sigma=0.2)


def provider(**settings) -> OpenAIProvider:
    return OpenAIProvider(**{"name": "one", "base_url": "https://example.org/v1", "model": "m", **settings})


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "transcripts.sqlite") as opened:
        yield opened


def run(todo, asked, store, **settings):
    labelled, report = transcribe.transcribe(todo, asked, store, progress=False, **settings)
    return list(labelled), report


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"base_url": "http://example.org/v1"}, "not encrypted"),
        ({"base_url": "ftp://example.org"}, "no http"),
        ({"base_url": "https://[::1"}, "provider one: base_url is no http"),
        ({"base_url": "https://example.org:99999/v1"}, "no http"),
        ({"base_url": "https://exam ple.org/v1"}, "no http"),
        ({"base_url": "https://me:secret@example.org/v1"}, "keep keys in the environment"),
        ({"base_url": "https://example.org/v1?key=secret"}, "keep keys in the environment"),
        ({"base_url": "https://example.org/v1#key=secret"}, "keep keys in the environment"),
        ({"base_url": "https//me:secret@example.org"}, "no http"),
        ({"key_variable": "sk-secret"}, "name an environment variable"),
        ({"in_flight": 0}, "in_flight is 0"),
        ({"price_in": -1}, "price_in is -1"),
        ({"model": ""}, "no model"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(ValueError, match=said) as error:
        provider(**settings)
    assert "secret" not in str(error.value)


def test_a_profile_names_providers():
    nebius = {"name": "nebius", "base_url": "https://api.tokenfactory.nebius.com/v1", "model": "qwen"}
    (found,) = providers.named([{**nebius, "requests_per_minute": 60}])
    assert (found.label_origin, found.may_receive, found.phi_agreement) == ("nebius/qwen", False, False)
    with pytest.raises(ValueError, match="no setting 'rpm'"):
        providers.named([{**nebius, "rpm": 60}])
    with pytest.raises(ValueError, match="give it base_url and model"):
        providers.named([{"name": "nebius"}])
    with pytest.raises(ValueError, match="'nebius': give a table with name"):
        providers.named(["nebius"])
    with pytest.raises(ValueError, match="two providers are called 'nebius'"):
        providers.named([nebius, nebius])


def test_the_readme_s_profile_is_one(tmp_path):
    example = (ROOT / "README.md").read_text().split("```toml")[1].split("```")[0]
    (tmp_path / "my.toml").write_text(example)
    tables = load_profile(str(tmp_path / "my.toml")).parameters["transcribe"]["providers"]
    assert [(p.name, p.may_receive, p.phi_agreement) for p in providers.named(tables)] == [
        ("nebius", True, False),
        ("novita", True, False),
    ]


def test_a_missing_key_stops_before_anything_is_sent(store, monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    asked = provider(key_variable="SOME_KEY", may_receive=True)
    with pytest.raises(ValueError, match="set the environment variable SOME_KEY"):
        run(pages(1), [asked], store)


@pytest.mark.parametrize(
    ("settings", "phi", "may"),
    [
        ({}, False, False),
        ({"may_receive": True}, False, True),
        ({"may_receive": True}, True, False),
        ({"may_receive": True}, None, False),
        ({"may_receive": "yes"}, False, False),
        ({"phi_agreement": True}, True, False),
        ({"may_receive": True, "phi_agreement": True}, True, True),
        ({"may_receive": True, "phi_agreement": True, "batch": True}, True, False),
        ({"may_receive": True, "batch": True}, False, True),
    ],
)
def test_who_may_have_a_page(settings, phi, may):
    (page,) = pages(1)
    page.contains_phi = phi
    assert provider(**settings).may_read(page) is may


def test_pages_stay_here_unless_told_otherwise(store):
    """Two refusals by name, and not one request: PHI without an agreement, and a provider that may not receive."""
    todo = [*pages(3), *pages(3, start=10, contains_phi=True)]
    with Loopback(todo, [QUICK]) as servers:
        (open_one,) = servers.providers()
        closed = OpenAIProvider("closed", servers.addresses[0], "m", phi_agreement=True)
        labelled, report = run(todo, [closed], store)
        assert (labelled, report["reasons"]) == ([], {"not_disclosed": 6})
        assert "may_receive is not set" in report["set_aside"][0]["detail"]
        assert servers.stats()[0]["requests"] == 0
        labelled, report = run(todo, [open_one], store)
        assert ([page.contains_phi for page in labelled], report["reasons"]) == ([False] * 3, {"not_disclosed": 3})
        assert "phi_agreement" in report["set_aside"][0]["detail"]
        assert servers.stats()[0]["requests"] == 3
        agreed = OpenAIProvider(open_one.name, open_one.base_url, open_one.model, may_receive=True, phi_agreement=True)
        labelled, _ = run(todo, [agreed], store)
        assert len(labelled) == 6


def test_pages_that_must_stay_are_read_here(store):
    todo = [*pages(2), *pages(2, start=10, contains_phi=True)]
    with Loopback(todo, [QUICK]) as servers:
        labelled, report = run(todo, [*servers.providers(), KnownText(todo)], store)
    assert report["set_aside"] == []
    assert [row["read"] for row in report["providers"]] == [2, 2]
    assert [page.text for page in labelled] == [page.truth for page in todo]


def test_metadata_stays_behind():
    image = Image.effect_noise((120, 90), 40).convert("RGB")
    exif = Image.Exif()
    exif[0x010E], exif[0x9286] = "patient Jane Roe", "ward 7"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", "patient Jane Roe")
    note.add_itxt("XML:com.adobe.xmp", "<x>ward 7</x>")
    jpeg, png = io.BytesIO(), io.BytesIO()
    image.save(jpeg, "JPEG", exif=exif, comment=b"patient Jane Roe", icc_profile=b"profile of ward 7")
    image.save(png, "PNG", pnginfo=note, exif=exif)
    for file, kind in ((jpeg.getvalue(), "image/jpeg"), (png.getvalue(), "image/png")):
        assert b"Jane Roe" in file
        sent, media_type = outgoing.encode(file)
        found = Image.open(io.BytesIO(sent))
        assert media_type == kind
        assert not any(said in sent for said in (b"Jane", b"ward", b"Exif", b"profile"))
        assert not found.getexif()
        assert set(found.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert schema.open_image(outgoing.encode(png.getvalue())[0]).tobytes() == image.tobytes()
    large = io.BytesIO()
    Image.new("L", (4000, 3000), 200).save(large, "PNG")
    sent = Image.open(io.BytesIO(outgoing.encode(large.getvalue())[0]))
    assert (sent.mode, sent.width * sent.height <= outgoing.MOST_PIXELS, sent.width) == ("L", True, 2309)


def test_every_page_ends_once_whatever_the_servers_do(store, monkeypatch):
    """Faults of all kinds, a key that is revoked half-way, a limit: all pages labelled or set aside by name."""
    monkeypatch.setattr("medocr.transcribe.dispatch.LONGEST_BACK_OFF", 0.1)
    todo = pages(120)
    limited = {"requests_per_minute": 6000, "window_s": 0.5}
    prompt_ones = {"faults": shares(set(REQUESTS) - {"hang", "drip"}, 0.3) | shares(ENDS, 0.3), "retry_after_s": 0.1}
    with Loopback(todo, [faulty(0, revoked_after=10, **prompt_ones), faulty(1, **limited, **prompt_ones)]) as servers:
        asked = servers.providers(in_flight=12)
        labelled, report = run(todo, asked, store)
        counted = servers.stats()
        again, _ = run(todo, asked, store)
        later = servers.stats()
    assert len(labelled) + len(report["set_aside"]) == len(todo)
    assert len({page.id for page in labelled} | {row["id"] for row in report["set_aside"]}) == len(todo)
    assert all(page.text == page.truth and page.label_origin == "truth" for page in labelled)
    assert set(report["reasons"]) <= SET_ASIDE
    assert len(set(report["reasons"])) >= 4
    assert [server["twice"] for server in later] == [0, 0]
    answered = [page for server in counted for page in server["pages"]]
    assert len(answered) == len(todo) - report["reasons"]["transcription_failed"]
    assert [now["asked"].get(page) for now in later for page in answered] == [
        then["asked"].get(page) for then in counted for page in answered
    ]
    assert [row["dropped"] for row in report["providers"]] == ["it does not accept the key (401)", ""]
    assert len({kind for server in counted for kind in server["faults"]}) >= 20
    assert [page.id for page in again if page in labelled] == [page.id for page in labelled]


def test_a_server_that_gives_no_answer_is_not_waited_for_forever():
    async def scenario(address):
        async with client.Client(OpenAIProvider("one", address, "m", may_receive=True, timeout_s=0.5)) as asked:
            with pytest.raises(client.Fault) as caught:
                await asked.ask([{"role": "user", "content": "x"}])
        return caught.value.kind

    with Loopback([], [Server(median_s=0.0, faults={kind: 1.0}) for kind in ("hang", "drip")]) as servers:
        assert [asyncio.run(scenario(address)) for address in servers.addresses] == ["timeout", "timeout"]


def test_a_provider_that_is_gone_is_dropped_and_the_others_finish(store, monkeypatch):
    monkeypatch.setattr("medocr.transcribe.client.GIVE_UP", 0.5)
    todo = pages(40)
    with Loopback(todo, [QUICK]) as servers:
        gone = OpenAIProvider("gone", "http://127.0.0.1:9/v1", "m", may_receive=True)
        missing = OpenAIProvider("missing", servers.addresses[0] + "/nowhere", "m", may_receive=True)
        labelled, report = run(todo, [gone, missing, *servers.providers(in_flight=2)], store)
        assert len(labelled) == 40
        assert report["providers"][1]["dropped"].startswith("there is no such address or model (404)")
    with Store(store.path.with_name("other.sqlite")) as other:
        labelled, report = run(todo, [gone], other)
    assert labelled == []
    assert "given no answer" in report["providers"][0]["dropped"]
    assert report["reasons"] == {"transcription_failed": 40}


def test_a_provider_that_refuses_the_first_requests_is_dropped(store):
    """Some answer 400 to an unknown key or model: asking thousands of pages would not help."""
    todo = pages(40)
    with Loopback(todo, [Server(median_s=0.005, faults={"400": 1.0})]) as servers:
        labelled, report = run(todo, servers.providers(in_flight=2), store)
        assert servers.stats()[0]["requests"] < 10
    assert labelled == []
    assert "is the model 'known-text' right?" in report["providers"][0]["dropped"]


def test_a_model_that_takes_other_settings_is_asked_with_those(store):
    """OpenAI's thinking models refuse `max_tokens`, and a temperature; a server that refuses all has its 400 told."""
    todo = pages(20)
    with Loopback(todo, [dataclasses.replace(QUICK, refuses=("max_tokens", "temperature"))]) as servers:
        labelled, report = run(todo, servers.providers(in_flight=4), store)
        assert servers.stats()[0]["requests"] == 20
    assert len(labelled) == 20
    assert report["providers"][0]["faults"] == {}
    assert client.request(provider(max_tokens=9), [], {"max_tokens"})["max_completion_tokens"] == 9
    with Loopback(todo, [dataclasses.replace(QUICK, refuses=("max_tokens", "max_completion_tokens"))]) as servers:
        _, report = run(pages(3, start=30), servers.providers(), store)
    assert report["providers"][0]["faults"] == {"bad_request": 3}
    assert "secret" not in json.dumps(report)


def test_faults_of_other_kinds_are_no_refusals():
    """A server that stumbles four times at the start, and then refuses one page, has not refused five."""
    asked = client.Client(provider())
    for fault in [client.Fault("invalid_answer", "")] * 4 + [client.Fault("bad_request", "")]:
        asked._failed(fault)
    assert not asked.dropped


def test_many_pages_of_a_provider_that_goes_do_not_stop_the_others(store, monkeypatch):
    """More pages than may wait want the provider that is dropped: as a second reader, or as the only one allowed."""
    monkeypatch.setattr("medocr.transcribe.dispatch.MOST_WAITING", 20)
    todo = [*pages(60), *pages(40, start=100, contains_phi=True)]
    servers = [Server(median_s=0.002, revoked_after=5), Server(median_s=0.002, seed=1)]
    with Loopback(todo, servers) as loopback:
        revoked, open_one = loopback.providers(in_flight=2)
        revoked = dataclasses.replace(revoked, phi_agreement=True)
        labelled, report = run(todo, [revoked, open_one], store, agreement=Agreement(share=1.0))
    assert {page.id for page in todo[:60]} <= {page.id for page in labelled}
    assert report["reasons"] == {"transcription_failed": 100 - len(labelled)}
    assert {row["detail"] for row in report["set_aside"]} <= {
        "every provider that may have it was dropped",
        "loopback-a: unauthorised: 401",
    }


def test_a_pause_is_not_waited_out_when_nothing_is_left(store):
    """One server asks to wait a quarter of an hour; the other reads all pages, and that is the end."""
    todo = pages(20)
    servers = [Server(median_s=0.002, faults={"429_retry_after": 1.0}, retry_after_s=900), QUICK]
    with Loopback(todo, servers) as loopback:
        started = time.monotonic()
        labelled, _ = run(todo, loopback.providers(in_flight=2), store)
    assert len(labelled) == 20
    assert time.monotonic() - started < 60


def test_a_store_that_fails_is_named_after_all_came_home(store, monkeypatch):
    put, todo = store.put, pages(30)

    def full_after_five(*args):
        if len(store) >= 5:
            raise sqlite3.OperationalError("database or disk is full")
        put(*args)

    monkeypatch.setattr(store, "put", full_after_five)
    with Loopback(todo, [QUICK]) as servers:
        with pytest.raises(sqlite3.OperationalError, match="disk is full"):
            run(todo, servers.providers(in_flight=2), store)
        assert servers.stats()[0]["requests"] < 10
        monkeypatch.undo()
        labelled, _ = run(todo, servers.providers(), store)
    assert len(labelled) == 30


def test_odd_answers_are_kept_as_far_as_they_can_be():
    choice = {"finish_reason": "stop", "message": {"content": "half \ud83d of it"}}
    usage = {"prompt_tokens": 10**30, "completion_tokens": 7}
    answer = client.completion(provider(), {"choices": [choice], "usage": usage})
    assert (answer.text, answer.prompt_tokens, answer.answer_tokens) == ("half \ufffd of it", None, 7)
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, "b", {"type": "text", "text": "c"}]
    assert client.completion(provider(), {"choices": [{"message": {"content": parts}}]}).text == "ac"
    for body in (None, [], "text", {}, {"choices": "x"}, {"choices": [None]}, {"error": {"message": "no"}}):
        with pytest.raises(client.Fault, match="no chat completion"):
            client.completion(provider(), body)


def test_what_is_not_encrypted_passes_no_proxy(store, monkeypatch):
    todo = pages(3)
    with Loopback(todo, [QUICK, QUICK]) as servers:
        monkeypatch.setenv("HTTP_PROXY", servers.addresses[1].removesuffix("/v1"))
        monkeypatch.setenv("ALL_PROXY", servers.addresses[1].removesuffix("/v1"))
        labelled, _ = run(todo, servers.providers()[:1], store)
        assert [server["requests"] for server in servers.stats()] == [3, 0]
    assert len(labelled) == 3


def test_a_page_that_cannot_be_decoded_stops_nothing(store):
    todo = [schema.Page(b"no image", "broken#1", "test"), *pages(3)]
    with Loopback(todo[1:], [QUICK]) as servers:
        labelled, report = run(todo, servers.providers(), store)
    assert len(labelled) == 3
    (row,) = report["set_aside"]
    assert row["reason"] == "transcription_failed"
    assert "unreadable" in row["detail"]


def test_nothing_said_holds_a_key_a_text_or_a_picture(store, monkeypatch, caplog, capfd):
    """Servers quote keys in their errors, and openai logs whole requests: none of it comes through."""
    monkeypatch.setenv("A_KEY", "sk-very-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    monkeypatch.setenv("OPENAI_LOG", "debug")
    logging.getLogger("openai").setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    todo = pages(12)
    with Loopback(todo, [Server(median_s=0.005, revoked_after=5, faults={"500": 0.3, "invalid_json": 0.2})]) as servers:
        asked = [OpenAIProvider("one", servers.addresses[0], "m", key_variable="A_KEY", may_receive=True)]
        labelled, report = run(todo, asked, store)
        assert servers.stats()[0]["keys"] == ["Bearer sk-very-secret"]
        assert servers.stats()[0]["openai_headers"] == []
    assert "does not accept the key" in report["providers"][0]["dropped"]
    assert 0 < len(labelled) < 12
    said = json.dumps(report) + caplog.text + "".join(capfd.readouterr()) + repr(asked)
    for secret in ("sk-very", "base64", "mmol/L", "org-of"):
        assert secret not in said
    assert os.environ["OPENAI_ORG_ID"] == "org-of-somebody"


def test_servers_that_are_interrupted_end_though_their_input_goes_on():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores interrupts
    try:
        with loopback.Loopback(pages(1)) as servers:
            servers._process.send_signal(signal.SIGINT)
            assert servers._process.wait(60) == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_lets_paid_answers_come_home(tmp_path):
    todo = pages(30)
    script = """
        import signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # test runners' workers start with it ignored
        from medocr import transcribe
        from medocr.transcribe import OpenAIProvider
        from tests.loopback_pages import pages
        with transcribe.Store(sys.argv[1]) as store:
            provider = OpenAIProvider("one", sys.argv[2], "m", may_receive=True, in_flight=4)
            transcribe.transcribe(pages(30), [provider], store, progress=False)
    """
    path = tmp_path / "transcripts.sqlite"
    with Loopback(todo, [Server(median_s=0.2, sigma=0.1)]) as servers:
        command = [sys.executable, "-c", textwrap.dedent(script), str(path), servers.addresses[0]]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
        while servers.stats()[0]["answers"] < 8:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in process.communicate(timeout=30)[1]
        answers = servers.stats()[0]["answers"]
    with Store(path) as stored:
        assert len(stored) == answers
        assert 8 <= answers < 20


def test_a_store_can_be_watched_and_is_used_up_to_the_kill(tmp_path):
    """Killed: what was answered is never asked again, but for the requests in flight at the kill."""
    todo = pages(40)
    script = """
        import sys
        from medocr import transcribe
        from medocr.transcribe import OpenAIProvider
        from tests.loopback_pages import pages
        with transcribe.Store(sys.argv[1]) as store:
            provider = OpenAIProvider("one", sys.argv[2], "m", may_receive=True, in_flight=4)
            labelled, report = transcribe.transcribe(pages(40), [provider], store, progress=False)
            print(len(list(labelled)), report["from_store"], flush=True)
    """
    path = tmp_path / "transcripts.sqlite"
    with Loopback(todo, [Server(median_s=0.05, sigma=0.3)]) as servers:
        command = [sys.executable, "-c", textwrap.dedent(script), str(path), servers.addresses[0]]
        process = subprocess.Popen(command, cwd=ROOT)
        while servers.stats()[0]["answers"] < 10:
            time.sleep(0.05)
        process.kill()
        process.wait()
        with Store(path) as watched:
            assert len(watched) >= servers.stats()[0]["answers"] - 4
        assert subprocess.check_output(command, cwd=ROOT, text=True, timeout=60).split()[0] == "40"
        counted = servers.stats()[0]
    assert 40 <= counted["answers"] <= 40 + 4


def test_agreement_is_measured_on_numbers_units_and_drugs_apart():
    one = "Glucose 95 mg/dL\nTake Metformin 500 mg"
    same = agreement.compare(one, one.replace("\n", " "))
    assert same == {"text": 1, "numbers": 1, "units": 1, "drugs": 1, "rows": 1}
    number = agreement.compare(one, one.replace("95", "96"))
    assert number["text"] > 0.95
    assert (number["numbers"], number["units"], number["drugs"]) == (0.5, 1, 1)
    assert agreement.compare(one, one.replace("mg/dL", "mmol/L"))["units"] == 0.5
    assert agreement.compare(one, one.replace("Metformin", "Metoprolol"))["drugs"] == 0
    assert agreement.compare("1,200 units", "1200 units")["numbers"] == 1
    assert agreement.compare("0.5", "5")["numbers"] == 0
    assert agreement.compare("", "") == {"text": 1, "numbers": 1, "units": 1, "drugs": 1, "rows": 1}
    rows = [f"Analyte{n} {n}.5 mg/dL 1-{n}0" for n in range(10, 40)]
    report, settings = "\n".join(rows).replace("Analyte1", "Sodium 1"), Agreement()
    assert settings.holds(agreement.compare(report, report))
    for changed in (report.replace("39.5", "36.5"), report.replace("25.5 mg/dL", "25.5 g/dL")):
        assert agreement.compare(report, changed)["text"] > settings.threshold
        assert not settings.holds(agreement.compare(report, changed))
    two = "Sodium 139 mmol/L 135-145\nPotassium 4.1 mmol/L 3.5-5.1"
    swapped = "Sodium 4.1 mmol/L 135-145\nPotassium 139 mmol/L 3.5-5.1"
    assert agreement.compare(two, swapped)["numbers"] == 1
    assert agreement.compare(two, swapped)["rows"] == 0
    drawn = [Agreement(share=0.2).drawn(page.id) for page in pages(500)]
    assert 70 <= sum(drawn) <= 130
    assert drawn == [Agreement(share=0.2).drawn(page.id) for page in pages(500)]
    with pytest.raises(ValueError, match="a share from 0 to 1"):
        Agreement(share=10)


def test_numbers_are_doubted_one_by_one_and_settled_by_a_third_look():
    rows = [f"Analyte{chr(97 + n)} {n}.5 mg/dL 1-{n}0" for n in range(10, 22)]
    first = "\n".join(rows)
    second = "\n".join(rows[1:]).replace("12.5", "12.8")  # its first line is lost, too
    assert agreement.doubted(rows, second.split("\n")) == [["10.5", "100"], [], ["12.5"], *[[]] * 9]
    assert agreement.doubted(rows, second.split("\n"), rows[:3]) == [[]] * 12
    assert agreement.doubted(rows, []) != agreement.doubted(rows, rows) == [[]] * 12
    assert agreement.doubted(["Glucose 70 70"], ["Glucose 70 10"], ["Glucose 10 70"]) == [["70"]]
    settings = Agreement()
    assert settings.settles(first, second, first)
    assert not settings.settles(first, second, second)
    assert not settings.settles(first, "\n".join(rows[5:]), first)  # too much for a third look
    assert not settings.settles(first, second, first.replace("mg/dL", "mmol/L"))


def test_the_second_annotator_is_one_of_two(monkeypatch):
    monkeypatch.setattr(tesseract, "is_installed", lambda: False)
    assert [reader.name for reader in transcribe.checkers("rapidocr")] == ["rapidocr-at-0.8"]
    assert [reader.name for reader in transcribe.checkers("tesseract")] == ["rapidocr-at-0.8", "rapidocr-at-1.5"]
    for wrong, said in ((transcribe.Tesseract, "apt-get"), (lambda: transcribe.checkers("nobody"), "unknown")):
        with pytest.raises(ValueError, match=said):
            wrong()


def test_pages_on_which_two_readers_disagree_are_set_aside_or_settled(store):
    """One server misreads a digit on four pages in ten; a third reader, who knows, settles them."""
    todo = pages(60)
    with Loopback(todo, [QUICK, Server(median_s=0.005, misread=0.4, seed=5)]) as servers:
        asked = servers.providers()
        labelled, report = run(todo, asked, store, agreement=Agreement(share=0.5, threshold=0.95))
        aside = {row["id"] for row in report["set_aside"]}
        assert report["reasons"] == {"readers_disagree": len(aside)}
        assert 3 <= len(aside) <= 25
        assert all("numbers 0." in row["detail"] and "drugs" not in row["detail"] for row in report["set_aside"])
        scored = transcribe.label_quality(labelled)
        wrong = sum(row["cer"] for row in scored) / len(scored)
        assert report["quality"]["pages"] == len(scored) > 0
        assert report["quality"]["cer"] == pytest.approx(wrong, abs=1e-6)
        assert len(report["agreement"]) == sum(Agreement(share=0.5).drawn(page.id) for page in todo)
        assert report["disagreements"][0]["texts"][0] != report["disagreements"][0]["texts"][1]
        kept = {row["id"]: row for row in report["agreement"] if row["outcome"] == "agreed"}
        assert all(page.text == page.truth for page in labelled if page.id in kept)
        assert all(page.confidence is not None for page in labelled)
        third = KnownText(todo)
        settled, report = run(todo, asked, store, agreement=Agreement(share=0.5, threshold=0.95, third=third))
    assert report["reasons"] == {}
    assert {row["id"] for row in report["agreement"] if row["outcome"] == "settled"} == aside
    assert all(page.text == page.truth for page in settled if page.id in aside)


def test_one_provider_is_checked_by_a_reader_on_this_machine(store):
    todo = pages(20)
    with Loopback(todo, [Server(median_s=0.005, misread=1.0)]) as servers:
        second = KnownText(todo)
        settings = Agreement(share=0.5, threshold=0.95, second=second)
        labelled, report = run(todo, servers.providers(), store, agreement=settings)
    drawn = {page.id for page in todo if settings.drawn(page.id)}
    assert {row["id"] for row in report["set_aside"]} == drawn
    assert {page.id for page in labelled} == {page.id for page in todo} - drawn
    assert {page.label_origin for page in labelled} == {"loopback-a/known-text"}
    assert all(page.confidence < 0.95 for page in labelled)  # what the checked ones say of their kind


def test_batches_go_into_the_same_store_and_never_twice(store, monkeypatch):
    monkeypatch.setattr(batch.asyncio, "sleep", _at_once)
    todo = [*pages(30), *pages(2, start=50, contains_phi=True), schema.Page(b"no image", "broken#1", "test")]
    faults = {"empty": 0.1, "cut_off": 0.1, "500": 0.1}
    with Loopback(todo[:-1], [Server(faults=faults, call_faults={"503": 0.2}, batch_s=0)]) as servers:
        asked = servers.providers(batch=True, phi_agreement=True)
        labelled, report = asyncio.run(_in_a_cell(todo, asked, store))
        assert report["reasons"]["not_disclosed"] == 2
        assert {"empty_transcript", "cut_off", "transcription_failed"} <= report["reasons"].keys()
        assert "unreadable" in next(row["detail"] for row in report["set_aside"] if row["origin"] == "broken#1")
        assert all(page.text == page.truth for page in labelled)
        failed = report["reasons"]["transcription_failed"]
        again, report = run(todo, asked, store)
        assert report["read"] + report["reasons"]["transcription_failed"] == failed
        counted = servers.stats()[0]
    assert (counted["twice"], counted["batches"], counted["files"]) == (0, 2, 0)
    assert len(again) >= len(labelled)


def test_batches_end_whatever_the_server_says(store, monkeypatch):
    """Calls about files and batches that meet faults of all kinds, and lines of an output that are none of its own."""
    monkeypatch.setattr(batch.asyncio, "sleep", _at_once)
    monkeypatch.setattr(batch, "MOST_PAGES", 20)
    todo = pages(60)
    faults = shares(LINES, 0.4) | shares(ENDS, 0.2)
    calls = shares({*REPLIES, "500", "reset", "plain_text", "invalid_json"}, 0.4)
    with Loopback(todo, [Server(faults=faults, call_faults=calls, replies=REPLIES, batch_s=0)]) as servers:
        asked = servers.providers(batch=True)
        for _ in range(9):
            labelled, report = run(todo, asked, store)
            if not report["reasons"]["transcription_failed"]:
                break
        counted = servers.stats()[0]
    assert len(labelled) + len(report["set_aside"]) == len(todo)
    assert all(page.text == page.truth for page in labelled)
    assert set(report["reasons"]) <= SET_ASIDE
    assert counted["twice"] == 0
    assert len([kind for kind in counted["faults"] if kind.startswith("call: ")]) >= 5


async def _at_once(_: float) -> None:
    """In place of a wait."""


def test_batch_providers_read_what_the_others_did_not(store):
    todo = pages(8)
    with Loopback(todo, [QUICK, QUICK]) as servers:
        first, second = servers.providers()
        labelled, _ = run(todo, [first, dataclasses.replace(second, batch=True)], store)
        assert [server["answers"] for server in servers.stats()] == [8, 0]
    assert len(labelled) == 8


def test_a_batch_that_is_refused_says_nothing_of_the_key(store, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-very-secret")
    todo = pages(3)
    with Loopback(todo, [Server()]) as servers:
        address = servers.addresses[0] + "/nowhere"
        asked = OpenAIProvider("one", address, "m", key_variable="A_KEY", may_receive=True, batch=True)
        labelled, report = run(todo, [asked], store)
    assert (labelled, report["reasons"]) == ([], {"transcription_failed": 3})
    assert report["providers"][0]["dropped"] == "there is no such address or model (404)"
    assert "secret" not in json.dumps(report)


@pytest.mark.parametrize("after", ["upload", "start"])
def test_an_interrupted_batch_is_found_again(store, monkeypatch, after):
    """Stopped before the batch exists, it is sent anew; stopped after, its token finds it at the provider."""
    todo = pages(10)
    with Loopback(todo, [Server()]) as servers:
        asked = servers.providers(batch=True)
        noting = store.put_batch

        def note(provider, token, batch_id, images, **more):
            noting(provider, token, batch_id, images, **more) if batch_id is None else _interrupt()

        monkeypatch.setattr(store, "put_batch", note)
        if after == "upload":
            monkeypatch.setattr(
                batch.client, "without_words", _upload_only(batch.client.without_words, InterruptedError)
            )
        with pytest.raises(InterruptedError):
            run(todo, asked, store)
        monkeypatch.undo()
        labelled, _ = run(todo, asked, store)
        counted = servers.stats()[0]
    assert len(labelled) == 10
    assert (counted["batches"], counted["twice"], counted["files"]) == (1, 0, 0)


def test_pages_of_a_batch_that_is_refused_stay_nowhere(store, monkeypatch):
    refused, todo = client.Fault("bad_request", "400"), pages(3)
    monkeypatch.setattr(batch.client, "without_words", _upload_only(batch.client.without_words, refused))
    with Loopback(todo, [Server()]) as servers:
        labelled, report = run(todo, servers.providers(batch=True), store)
        counted = servers.stats()[0]
    assert (labelled, report["reasons"]) == ([], {"transcription_failed": 3})
    assert (counted["calls"], counted["files"]) == (2, 0)  # the file came, and went


async def _in_a_cell(*arguments, read=run):
    return read(*arguments)


def _interrupt():
    raise InterruptedError


def _upload_only(real, error):
    async def request(made):
        if "Batches" in type(made).__qualname__ or "Batches" in getattr(made, "__qualname__", ""):
            made.close()
            raise error
        return await real(made)

    return request


def test_a_copy_of_a_page_that_must_stay_stays_too(store):
    (page,) = pages(1)
    twin = dataclasses.replace(page, contains_phi=True, origin="twin")
    with Loopback([page], [QUICK]) as servers:
        labelled, report = run([page, twin], servers.providers(), store)
        assert servers.stats()[0]["requests"] == 0
    assert (labelled, report["reasons"]) == ([], {"not_disclosed": 2})


def test_a_rerun_with_nothing_to_do_reads_no_image(tmp_path, store, monkeypatch):
    """Pages come from the file a few at a time; where all have answers, their images are not even read."""
    todo = pages(300)
    path = tmp_path / "pages.parquet"
    storage.write(path, todo)
    known = KnownText(todo)
    for page in todo:
        store.put(known, page.id, Answer(page.truth))
    monkeypatch.setattr(KnownText, "answers", None)
    stored = storage.read(path)
    monkeypatch.setattr(type(stored), "__iter__", _bare_only(type(stored).__iter__))
    _, report = transcribe.transcribe(stored, [known], store, progress=False)
    assert (report["labelled"], report["from_store"], report["read"]) == (300, 300, 0)


def _bare_only(original):
    def iterate(self):
        assert self.left_out == ("image",)
        yield from original(self)

    return iterate


def test_by_default_nothing_leaves_the_machine(tmp_path):
    """The default: keys in the environment, pages without text, and every connection that Python opens is noted."""
    hook = """
        import os, sys
        def note(event, args):
            if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
                if not (event == "socket.connect" and isinstance(args[1], (str, bytes))):  # a socket in a file
                    with open(os.environ["CONNECTIONS"], "a") as file:
                        file.write(f"{event} {args[1:]}\\n")
        sys.addaudithook(note)
    """
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(hook))
    script = """
        import sys
        from medocr import transcribe
        from medocr.transcribe import OpenAIProvider
        from tests.loopback_pages import pages
        if __name__ == "__main__":
            todo = [*pages(6), *pages(2, start=20, contains_phi=True)]  # as many as let processes start
            with transcribe.Store(sys.argv[1]) as store, transcribe.RapidOcr(2) as reader:
                labelled, report = transcribe.transcribe(todo, [reader], store, progress=False)
                print(report["labelled"] + len(report["set_aside"]))
            provider = OpenAIProvider("openai", "https://api.openai.com/v1", "gpt", key_variable="OPENAI_API_KEY")
            with transcribe.Store(sys.argv[2]) as store:
                print(transcribe.transcribe(todo, [provider], store, progress=False)[1]["reasons"])
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    connections = tmp_path / "connections"
    keys = {"OPENAI_API_KEY": "sk-1", "NEBIUS_API_KEY": "sk-2", "NOVITA_API_KEY": "sk-3"}
    search = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "CONNECTIONS": str(connections)}
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "a.sqlite"), str(tmp_path / "b.sqlite")]
    made = subprocess.run(command, cwd=ROOT, env={**os.environ, **keys, **search}, capture_output=True, text=True)
    assert made.stdout.splitlines() == ["8", "Counter({'not_disclosed': 8})"], made.stderr
    assert not connections.exists(), connections.read_text()
    probe = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    subprocess.run([sys.executable, "-c", probe], cwd=ROOT, env={**os.environ, **search}, check=True)
    assert "socket.connect" in connections.read_text()  # the watch does see


def test_servers_end_with_the_process_that_started_them(tmp_path):
    script = """
        import os
        from tests.loopback_pages import Loopback, pages
        servers = Loopback(pages(1))
        print(servers._process.pid, flush=True)
        os.kill(os.getpid(), 9)
    """
    made = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, capture_output=True, text=True)
    child = int(made.stdout)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def test_it_works_where_a_loop_is_running_already(store):
    """As in a notebook."""
    todo = pages(5)
    with Loopback(todo, [QUICK]) as servers:
        labelled, _ = asyncio.run(_in_a_cell(todo, servers.providers(), store))
    assert len(labelled) == 5
    assert threading.active_count() < 50


@pytest.mark.parametrize("kind", MALFORMED)
def test_whatever_a_server_sends_is_a_fault_of_that_request(kind):
    """It never stops the labelling, is never stored, and none of its bytes is repeated."""

    async def scenario():
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(MALFORMED[kind])
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        provider = OpenAIProvider("one", address, "known-text", may_receive=True, timeout_s=5)
        async with server, client.Client(provider) as asked:
            with pytest.raises(client.Fault) as caught:
                await asked.ask([{"role": "user", "content": "x"}])
        return caught.value

    tracemalloc.start()
    fault = asyncio.run(scenario())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not any(part in str(fault) for part in ("secret", TRAP.decode()))
    assert not fault.dropped
    assert peak < 30_000_000


def test_a_server_that_asks_for_no_wait_is_not_hammered():
    fault = client._status_fault(429, {"retry-after": "0"}, None)
    assert fault.wait >= 0.5


@pytest.mark.parametrize("batched", [False, True])
def test_a_server_that_answers_as_another_model_is_dropped_and_what_it_took_is_counted(store, monkeypatch, batched):
    monkeypatch.setattr(batch.asyncio, "sleep", _at_once) if batched else None
    todo, (other,) = pages(6), pages(1, start=50)
    with Loopback([*todo, other], [dataclasses.replace(QUICK, served_as="gpt-4o-2024-08-06", batch_s=0)]) as servers:
        asked = servers.providers(in_flight=1, price_in=1000.0, batch=batched)
        labelled, report = run(todo, asked, store)
        requests, files = (servers.stats()[0][name] for name in ("requests", "files"))
    (row,) = report["providers"]
    assert (labelled, files, requests) == ([], 0, 6 if batched else 1)
    assert "as another model (gpt-4o-2024-08-06) than known-text: give the name" in row["dropped"]
    assert row["cost"] == report["cost"] > 0
    assert row["faults"] == {"another_model": 6 if batched else 1}


def test_a_model_s_name_that_could_be_anything_is_not_repeated(monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-secret")
    body = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 9}}
    for answered in ("Sodium 139", "sk-secret", "x" * 65, "a\nb"):
        with pytest.raises(client.Fault) as caught:
            client.completion(provider(key_variable="A_KEY"), {**body, "model": answered})
        assert answered not in caught.value.dropped


def test_paid_answers_that_are_no_labels_are_counted(store):
    todo = pages(30)
    with Loopback(todo, [dataclasses.replace(QUICK, faults={"cut_off": 0.3, "refusal": 0.3})]) as servers:
        _, report = run(todo, [*servers.providers(), KnownText(todo)], store)
    row = report["providers"][0]
    assert set(row["unusable"]) == {"cut_off", "refused"}
    assert report["reasons"] == {}


@pytest.mark.parametrize("answered", ["m", "owner/M", "m-2026-01-31", None, ""])
def test_a_model_by_another_spelling_is_the_same(answered):
    assert client._same_model("owner/m", answered)


def test_one_page_is_sent_through_the_same_gates(monkeypatch):
    (page,) = pages(1)
    page = dataclasses.replace(page, contains_phi=True)
    with Loopback([page], [QUICK]) as servers:
        here = OpenAIProvider("here", servers.addresses[0], "m")
        assert here.on_this_machine
        assert asyncio.run(_in_a_cell(page, here, read=transcribe.read_page)).text == page.truth
        lists = dataclasses.replace(here, model=transcribe.FIRST_LISTED)
        with pytest.raises(ValueError, match=r"here (lists no model|gave no answer)"):
            transcribe.read_page(page, lists)
        stats = servers.stats()[0]
    assert stats["keys"] in ([], ["Bearer none"])
    elsewhere = OpenAIProvider("elsewhere", "https://203.0.113.9/v1", "m", may_receive=True)
    monkeypatch.setattr(transcribe.single, "api", None)  # nothing may be made that could send
    with pytest.raises(ValueError, match="elsewhere was not sent the page: it may hold health information"):
        transcribe.read_page(page, elsewhere)


@pytest.mark.parametrize("listed", ['{"data": 5}', '{"data": [{"id": ""}]}', '{"data": {"id": "m"}}', "{}"])
def test_a_list_of_models_that_is_none_says_so(listed):
    async def scenario():
        async def serve(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(listed)}\r\n\r\n"
            writer.write((head + listed).encode())
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            await asyncio.to_thread(transcribe.single.first_listed, provider(base_url=address))

    with pytest.raises(ValueError, match="one lists no model: name the one"):
        asyncio.run(scenario())


def test_a_prompt_of_its_own_stands_alone():
    (message,) = outgoing.messages(pages(1)[0].image, "OCR:")
    assert [part["type"] for part in message["content"]] == ["image_url", "text"]
    assert message["content"][1]["text"] == "OCR:"


def test_pages_leave_by_one_client_only():
    """No other module, and no notebook, makes a client that could send a page."""
    root = Path(__file__).parents[1]
    makes = re.compile(r"OpenAI\(|httpx2?\.(post|put|stream|\w*Client)\b|requests\.|urlopen|aiohttp\.Client")
    allowed = {root / "medocr/transcribe/client.py", root / "medocr/demo/loopback.py"}  # which asks its own servers
    files = [*(root / "medocr").rglob("*.py"), *(root / "notebooks").glob("*.ipynb")]
    assert not [path for path in files if path not in allowed and makes.search(path.read_text())]
