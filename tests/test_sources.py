"""Every source on fixtures of exactly the shapes that it documents, and what each makes of bad input."""

import importlib.metadata
import io
import json
import os
import re
import socket
import threading
import time
import types
import zlib
from pathlib import Path

import datasets
import huggingface_hub
import pyarrow.parquet
import pytest
from PIL import Image, ImageDraw, features

from medocr import curate, fields, sources
from medocr.schema import Page, Rejection
from medocr.sources import copies, labels

DOCUMENTS = Path(__file__).parents[2] / "shared" / "data" / "documents"


def picture(text: str = "Paracetamol 500 mg", size: tuple[int, int] = (320, 200)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).multiline_text((12, 12), text, fill="black")
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF file of the given objects, numbered from 1; the first is the catalogue."""
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, start)
    return bytes(out)


def stream(head: bytes, data: bytes) -> bytes:
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (head, len(data), data)


PAGES = (b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>")


def load(folder: Path, **options) -> list[Page | Rejection]:
    return list(sources.load("folder", path=folder, **options))


def reasons(items: list) -> dict[str, str]:
    return {item.origin: item.reason for item in items if isinstance(item, Rejection)}


# --- names and options ---


def test_unknown_name_and_option_are_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match="'pubmed' is not one of synthetic, folder, prescriptions"):
        sources.load("pubmed")
    with pytest.raises(ValueError, match="no option 'phi': it takes path, doc_type, contains_phi"):
        sources.load("folder", path=".", phi=True)
    with pytest.raises(ValueError, match="needs the option 'path'"):
        sources.fingerprint("folder")
    for option in ({"dpi": "300"}, {"contains_phi": "false"}, {"dpi": True}, {"max_page_pixels": 1.5}):
        with pytest.raises(ValueError, match=f"{next(iter(option))} is .*: give a value of type"):
            sources.load("folder", path=".", **option)
    with pytest.raises(ValueError, match="unlabelled is 'form': give a value of type Sequence"):
        sources.load("synthetic", unlabelled="form")
    with pytest.raises(ValueError, match="dpi is 0: at least 1"):
        sources.load("folder", path=".", dpi=0)


def test_synthetic_pages_pass_through():
    pages = list(sources.load("synthetic", counts={"receipt": 2, "form": 1}, workers=1))
    assert [page.doc_type for page in pages] == ["receipt", "receipt", "form"]
    assert sources.fingerprint("synthetic", seed=1) != sources.fingerprint("synthetic", seed=2)
    assert sources.fingerprint("synthetic", workers=1) == sources.fingerprint("synthetic", workers=2)


def test_several_sources_come_in_turn_and_are_all_checked_first(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture()))
    scans = {"source": "folder", "path": tmp_path}
    drawn = {"source": "synthetic", "counts": {"receipt": 2}, "workers": 1}
    assert [item.source for item in sources.load_all([scans, drawn])] == ["folder", "synthetic", "synthetic"]
    with pytest.raises(ValueError, match=r"\['folder'\] is not one of"):
        sources.load_all([{"source": ["folder"]}])
    with pytest.raises(ValueError, match="'web' is not one of"):
        sources.load_all([scans, {"source": "web"}])
    with pytest.raises(ValueError, match="names no source"):
        sources.load_all([{"path": tmp_path}])


# --- folder ---


def test_every_kind_of_file_and_every_page_of_it(tmp_path):
    for kind, suffix in (("PNG", "png"), ("JPEG", "JPG"), ("WEBP", "webp"), ("BMP", "bmp"), ("TIFF", "tif")):
        (tmp_path / f"one.{suffix}").write_bytes(encoded(picture(), kind))
    three = [picture(f"page {n}") for n in range(3)]
    several = encoded(three[0].convert("CMYK"), "TIFF", save_all=True, append_images=three[1:])
    (tmp_path / "three.tiff").write_bytes(several)
    (tmp_path / "two.pdf").write_bytes(encoded(three[0], "PDF", save_all=True, append_images=three[1:2]))
    for beside in ("notes.md", "table.csv", "data.json", "alone.txt", "LICENSE", ".hidden.png"):
        (tmp_path / beside).write_text("not a page")
    (tmp_path / "letter.docx").write_bytes(b"PK")
    items = load(tmp_path)
    assert [item.origin for item in items] == [
        "letter.docx",
        *("one.JPG", "one.bmp", "one.png", "one.tif", "one.webp"),
        *("three.tiff#1", "three.tiff#2", "three.tiff#3", "two.pdf#1", "two.pdf#2"),
    ]
    assert reasons(items) == {"letter.docx": "unsupported"}
    pages = [item for item in items if isinstance(item, Page)]
    assert len(pages) == 10
    assert all(page.open().mode == "RGB" and page.contains_phi and page.doc_type == "unknown" for page in pages)
    assert all(page.text is None and page.label_origin is None and page.group is None for page in pages)
    assert len({page.id for page in pages if "three" in page.origin}) == 3


def test_links_are_followed_inside_the_folder_and_rejected_by_name_where_they_lead_out(tmp_path):
    scans, outside = tmp_path / "scans", tmp_path / "outside"
    for folder in (scans / "forms", outside):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(encoded(picture()))
    (scans / "inside.png").symlink_to(scans / "forms/a.png")
    (scans / "file.png").symlink_to(outside / "a.png")
    (scans / "folder").symlink_to(outside)
    (scans / "nowhere.png").symlink_to(scans / "gone.png")
    items = load(scans)
    assert {item.origin for item in items if isinstance(item, Page)} == {"forms/a.png", "inside.png"}
    assert {item.origin: item.reason for item in items if isinstance(item, Rejection)} == dict.fromkeys(
        ("file.png", "folder", "nowhere.png"), "link"
    )


def test_order_is_stable_and_pages_come_lazily(tmp_path):
    for name in ("b.png", "a.png", "c/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(picture(name)))
    pages = sources.load("folder", path=tmp_path)
    assert next(pages).origin == "a.png"
    (tmp_path / "b.png").write_bytes(b"changed after the first page was taken")
    assert [page.origin for page in pages] == ["b.png", "c/a.png"]


def test_document_type_from_subfolder_option_and_column(tmp_path):
    names = ("Prescriptions", "lab-report", "2024 Lab_Reports", "scanned forms", "receipt", "invoices/march", "misc")
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.png").write_bytes(encoded(picture(name)))
    found = {page.origin.removesuffix("/x.png"): page.doc_type for page in load(tmp_path)}
    assert [found[name] for name in names] == [
        *("prescription", "lab_report", "lab_report", "form", "receipt", "invoice", "unknown"),
    ]
    assert {page.doc_type for page in load(tmp_path, doc_type="form")} == {"form"}
    row = {"file_name": "misc/x.png", "doc_type": "Lab Reports"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    found = {page.origin: page.doc_type for page in load(tmp_path, doc_type="form")}
    assert found["misc/x.png"] == "lab_report"
    with pytest.raises(ValueError, match="'letter' is not one of"):
        load(tmp_path, doc_type="letter")


def test_a_folder_whose_name_only_begins_like_a_type_names_none():
    assert labels.doc_type_of("invoice2data") is None
    assert labels.doc_type_of("formats") is None
    assert labels.doc_type_of("") is None


def test_sidecar_labels_one_page_per_form_feed(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture("a")))
    (tmp_path / "a.txt").write_bytes("\ufeffÄrztin\r\nDosis 5 µg\r\n".encode())
    (tmp_path / "b.png").write_bytes(encoded(picture("b")))
    (tmp_path / "b.png.TXT").write_text("b")
    two = encoded(picture("1"), "PDF", save_all=True, append_images=[picture("2")])
    for name, text in (("good", "first\n\fsecond\n\f"), ("bad", "both pages in one")):
        (tmp_path / f"{name}.pdf").write_bytes(two)
        (tmp_path / f"{name}.txt").write_text(text)
    items = load(tmp_path)
    texts = {item.origin: item.text for item in items if isinstance(item, Page)}
    unlabelled = {"bad.pdf#1": None, "bad.pdf#2": None}
    labelled = {"a.png": "Ärztin\nDosis 5 µg", "b.png": "b", "good.pdf#1": "first", "good.pdf#2": "second"}
    assert texts == {**labelled, **unlabelled}
    assert reasons(items) == {"bad.pdf (label)": "label_pages"}
    assert {item.label_origin for item in items if isinstance(item, Page)} == {"annotation", None}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
def test_label_in_another_encoding_is_rejected_by_name(tmp_path, encoding):
    (tmp_path / "a.png").write_bytes(encoded(picture()))
    (tmp_path / "a.txt").write_bytes("5 µg für Frau Öz".encode(encoding))
    rejection, page = load(tmp_path)
    assert (rejection.reason, rejection.origin) == ("label_encoding", "a.png (label)")
    assert "a.txt is not UTF-8" in rejection.detail
    assert (page.origin, page.text) == ("a.png", None)
    assert [item.origin for item in load(tmp_path, labelled=False)] == ["a.png"]


def test_metadata_columns_and_missing_files(tmp_path):
    given = {"header": {"mrn": "13.5"}}
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").write_bytes(encoded(picture()))
    rows = [
        {
            "file_name": "a.png",
            "text": "Hb 13.5",
            "doc_type": "lab_report",
            "fields": given,
            "split": 3,
        },
        {"file_name": "gone.png", "text": "x"},
    ]
    rows[0] |= {"group": "g", "language": "de", "licence": "CC0", "contains_phi": False}
    (tmp_path / "train" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    missing, page = load(tmp_path)
    assert (missing.origin, missing.reason) == ("train/gone.png", "missing_file")
    assert (page.text, page.fields, page.doc_type, page.domain) == (
        "Hb 13.5",
        given,
        "lab_report",
        "medical",
    )
    assert (page.group, page.language, page.licence, page.contains_phi) == ("g", "de", "CC0", True)
    missing, page = load(tmp_path, contains_phi=False)
    assert not page.contains_phi
    rows[0]["contains_phi"] = True  # a row can add protection, but not lift it
    (tmp_path / "train" / "metadata.jsonl").write_text(json.dumps(rows[0]))
    assert load(tmp_path, contains_phi=False)[0].contains_phi


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow was built without AVIF")
def test_an_avif_photograph_needs_nothing_else(tmp_path):
    picture("Hb 13.5").save(tmp_path / "photo.avif")
    (page,) = load(tmp_path)
    assert (page.image[:4], page.open().size) == (b"\x89PNG", picture("Hb 13.5").size)


def test_what_a_broken_line_of_metadata_may_protect_is_protected(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(encoded(picture(name)))
    for line in ('{"file_name": "a.png", "contains_phi": "yes"}', '{"file_name": "a.png", "contains_phi": true'):
        (tmp_path / "metadata.jsonl").write_text(f'{line}\n{{"file_name": "b.png"}}')
        problem, *pages = load(tmp_path, contains_phi=False)
        assert problem.reason == "bad_metadata"
        assert [page.contains_phi for page in pages] == [True, False]


def test_a_table_of_labels_is_read(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(encoded(picture(name)))
    receipt = json.dumps({"receipt": {"total": 12.5}}).replace('"', '""')
    table = f'file_name,text,contains_phi,fields\na.png,"Hb, 13.5\nNa 140",True,\nb.png,,,"{receipt}"\nc.png,x,maybe,\n'
    (tmp_path / "metadata.csv").write_text(table, encoding="utf-8-sig")
    problem, *loaded = load(tmp_path, contains_phi=False)
    assert (problem.origin, problem.detail) == ("metadata.csv:5", "contains_phi is 'maybe', not a bool")
    assert [page.text for page in loaded] == ["Hb, 13.5\nNa 140", None, None]
    assert [page.contains_phi for page in loaded] == [True, False, True]  # nobody knows what "maybe" is to protect
    assert loaded[1].fields == {"receipt": {"total": 12.5}}
    for content, message in (
        (b"file_name;text\n", "names no column file_name"),
        (b"\xff", "not UTF-8"),
        (b"", "names no"),
    ):
        (tmp_path / "metadata.csv").write_bytes(content)
        assert message in load(tmp_path)[0].detail
    (tmp_path / "metadata.csv").rename(tmp_path / "labels.csv")
    (tmp_path / "labels.csv").write_text(table)
    (tmp_path / "notes.csv").write_text("day,who\n")
    problem, *loaded = load(tmp_path)
    assert (problem.origin, "give it that name" in problem.detail, len(loaded)) == ("labels.csv:1", True, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"analytes": {"name": "Na"}}, "analytes is .* not a list of objects"),
        ({"analytes": ["Na 140"]}, "row 1 of analytes is 'Na 140'"),
        (
            {"analytes": [{"name": "Na", "value": 140}, {"value": 4.1}]},
            "row 2 of analytes .* with a 'name'",
        ),
        (
            {"analytes": [{"name": "Na", "value": [140]}]},
            r"row 1 of analytes has value \[140\], not a number or",
        ),
        ({"analytes": [{"name": "Na", "low": "136"}]}, "row 1 of analytes has low '136', not a number"),
        ({"drugs": [{"drug": "Metformin", "dose": True}]}, "row 1 of drugs has dose True"),
        ({"options": [{"label": "Yes", "ticked": "x"}]}, "row 1 of options has ticked 'x', not true or false"),
        ({"header": ["MRN"]}, "header is .* not an object"),
        ({"header": {"patient": ["A", "B"]}}, "header has patient .* not a text"),
        ({"hb": "13.5"}, "it holds hb, and none of header, analytes"),
        ({"receipt": {"total": "12.50"}}, "receipt has total '12.50', not a number"),
    ],
)
def test_fields_in_an_odd_shape_are_named_with_their_row(tmp_path, given, message):
    (tmp_path / "a.png").write_bytes(encoded(picture()))
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"file_name": "a.png", "fields": given}))
    rejection, page = load(tmp_path)
    assert (rejection.origin, rejection.reason) == ("metadata.jsonl:1", "bad_metadata")
    assert re.search(f"fields: {message}", rejection.detail)
    assert (page.origin, page.fields) == ("a.png", None)


def test_fields_as_they_are_read_are_taken(tmp_path):
    text = "MRN 5599667\nGlucose 104 mg/dL 70-99 H\nTroponin I <0.01 ng/mL\n1. Warfarin 5 mg tab PO daily\n☑ Yes ☐ No"
    (tmp_path / "a.png").write_bytes(encoded(picture()))
    row = {"file_name": "a.png", "text": text, "fields": fields.read_fields(text)}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    assert [page.fields for page in load(tmp_path)] == [row["fields"]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{not json", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"text": "x"}', 'not an object with a "file_name"'),
        (b'{"file_name": "a.png", "text": 5}', "text is 5, not a str"),
        (b'{"file_name": "a.png", "doc_type": "memo"}', "doc_type 'memo' is not one of"),
        (b'{"file_name": "b.png"}', "file_name 'b.png' is there twice"),
        (b'{"file_name": "../b.png"}', "file_name '../b.png' leads out of the folder"),
        ('{"file_name": "ü.png"}'.encode("latin-1"), "not UTF-8"),
    ],
)
def test_bad_metadata_line_is_named(tmp_path, line, message):
    (tmp_path / "a.png").write_bytes(encoded(picture()))
    (tmp_path / "metadata.jsonl").write_bytes(b'{"file_name": "b.png"}\n' + line)
    rejection, missing, page = load(tmp_path)
    assert (rejection.origin, rejection.reason) == ("metadata.jsonl:2", "bad_metadata")
    assert message in rejection.detail
    assert (missing.origin, missing.reason) == ("b.png", "missing_file")
    assert page.origin == "a.png"


def test_missing_empty_and_pageless_folders(tmp_path):
    with pytest.raises(ValueError, match="nowhere is not there: give the path of a folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"has no document: put .png, .* \(it holds nothing\)"):
        load(tmp_path)
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ValueError, match=r"it holds 1 .txt"):
        load(tmp_path)
    (tmp_path / "a.png").write_text("this is no picture")
    (tmp_path / "b.png").write_bytes(b"")
    curated = curate.curate(load(tmp_path))
    with pytest.raises(ValueError, match=r"no page left: 2 inputs, 2 rejected \(1 unreadable, 1 empty\)"):
        curated.require_pages()


def test_a_tilde_is_the_home_only_where_no_file_has_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("~$scan.png", "~/a.png", "home/b.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(encoded(picture(name)))
    origins = [item.origin for path in ("~$scan.png", "~/b.png", "~") for item in load(path)]
    assert origins == ["~$scan.png", "b.png", "a.png"]
    for name, options in (("folder", {}), ("omr_forms", {})):
        with pytest.raises(ValueError, match="is not there"):
            sources.load(name, path="~nobody-of-this-name/scans", **options)


def test_bad_files_end_as_named_rejections(tmp_path):
    scan = encoded(picture(size=(900, 700)), "JPEG", quality=95)
    zeros = zlib.compress(bytes(2501 * 20_000))
    chunks = [(b"IHDR", (20_000).to_bytes(4) * 2 + bytes([1, 0, 0, 0, 0])), (b"IDAT", zeros), (b"IEND", b"")]
    huge = b"".join(len(d).to_bytes(4) + t + d + zlib.crc32(t + d).to_bytes(4) for t, d in chunks)
    locked = b"<< /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P -4 >>" % (b"AB" * 32, b"CD" * 32)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R /Resources << %s >> >>" % (
        b"/XObject << /I 5 0 R >>"
    )
    pixels = b"/Width 20000 /Height 20000 /BitsPerComponent 8 /ColorSpace /DeviceRGB"
    bomb = stream(b"/Type /XObject /Subtype /Image " + pixels, b"0")
    for name, content in {
        "text.png": b"Patient: nobody",
        "zero.jpg": b"",
        "zero.pdf": b"",
        "truncated.jpg": scan[: len(scan) // 2],
        "huge.png": b"\x89PNG\r\n\x1a\n" + huge,
        "damaged.pdf": b"%PDF-1.7\nnothing of use",
        "locked.pdf": pdf(*PAGES, page, stream(b"", b""), locked, trailer=b"/Encrypt 5 0 R /ID [<00> <00>]"),
        "bomb.pdf": pdf(*PAGES, page, stream(b"", b"300 0 0 300 0 0 cm /I Do"), bomb),
        "none.pdf": pdf(PAGES[0], b"<< /Type /Pages /Kids [] /Count 0 >>"),
    }.items():
        (tmp_path / name).write_bytes(content)
    curated = curate.curate(load(tmp_path))
    assert not curated.kept
    assert {r.origin.split("#")[0]: r.reason for r in curated.rejected} == {
        "text.png": "unreadable",
        "zero.jpg": "empty",
        "zero.pdf": "empty",
        "truncated.jpg": "truncated",
        "huge.png": "bomb",
        "damaged.pdf": "damaged_pdf",
        "locked.pdf": "encrypted_pdf",
        "bomb.pdf": "bomb",
        "none.pdf": "damaged_pdf",
    }


def test_no_file_stops_another(tmp_path):
    """Each is one named rejection, or read after all; the page beside them is always read."""
    good, root = encoded(picture("good")), tmp_path / "in"
    root.mkdir()
    pages = [picture(str(n)) for n in range(3)]
    tiff = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    blank = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 14400 0.5] >>"
    wait = stream(b"", b"BT /F 12 Tf 72 700 Td (Please wait... your PDF viewer cannot show this form) Tj ET")
    font = b"<< /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    xfa = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources %s >>" % font
    for name, content in {
        "a.png": good,
        "photo.jfif": encoded(picture("1"), "JPEG"),
        "photo.jpe": encoded(picture("2"), "JPEG"),
        "scan": encoded(picture("3")),
        "README": b"no document",
        "Thumbs.db": b"x",
        "desktop.ini": b"x",
        "cut.tif": tiff[: len(tiff) * 2 // 3],
        "page.pdf": b"<!DOCTYPE html><html>",
        "photo.pdf": encoded(picture("4"), "JPEG"),
        "strip.pdf": pdf(*PAGES, blank),
        "xfa.pdf": pdf(*PAGES, xfa, wait),
        "letter.docx": b"x",
        "\u514b" * 83 + ".png": encoded(picture("5")),
    }.items():
        (root / name).write_bytes(content)
    (root / os.fsdecode(b"caf\xe9.png")).write_bytes(encoded(picture("6")))
    (root / "inside").mkdir()
    (root / "inside" / "b.png").write_bytes(encoded(picture("7")))
    (root / "again").symlink_to(root / "inside")
    (root / "round").symlink_to(root)
    (root / "nowhere.png").symlink_to(root / "gone.png")
    (tmp_path / "secret.png").write_bytes(good)
    (root / "out.png").symlink_to(tmp_path / "secret.png")
    items = load(root)
    rejected = reasons(items)
    assert rejected.pop("cut.tif#3") == "truncated" if "cut.tif#3" in rejected else rejected.pop("cut.tif#2")
    assert rejected == {
        "page.pdf": "not_a_pdf",
        "photo.pdf": "not_a_pdf",
        "strip.pdf#1": "too_narrow",
        "xfa.pdf": "xfa_form",
        "letter.docx": "unsupported",
        "nowhere.png": "link",
        "out.png": "link",
    }
    read = {item.origin for item in items if isinstance(item, Page)}
    assert {"a.png", "photo.jfif", "photo.jpe", "scan", "caf\\xe9.png", "\u514b" * 83 + ".png"} <= read
    assert len([name for name in read if name.endswith("/b.png")]) == 1
    assert "cut.tif#1" in read


def test_a_file_that_goes_away_or_may_not_be_read_is_named(tmp_path, monkeypatch):
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(encoded(picture(name)))
    items = sources.load("folder", path=tmp_path)
    (tmp_path / "b.png").unlink()
    real = Path.open

    def refuse(path, *arguments, **options):
        if path.name == "c.png":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    items = list(items)
    assert [item.origin for item in items if isinstance(item, Page)] == ["a.png"]
    assert reasons(items) == {"b.png": "vanished", "c.png": "no_permission"}


def test_pdf_form_fields_and_annotations_are_drawn_and_the_text_layer_is_not_read(tmp_path):
    box = stream(b"/Type /XObject /Subtype /Form /BBox [0 0 100 50]", b"0 g 0 0 100 50 re f")
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Annots [4 0 R 5 0 R] /Contents 7 0 R >>"
    field = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (n) /V (Jo) /F 4 /Rect [20 20 120 70] /AP << /N 6 0 R >> >>"
    stamp = b"<< /Type /Annot /Subtype /Stamp /F 4 /Rect [150 200 250 250] /AP << /N 6 0 R >> >>"
    hidden = stream(b"", b"BT 3 Tr (a text layer that nobody sees) Tj ET")
    catalogue = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [4 0 R] >> >>"
    (tmp_path / "form.pdf").write_bytes(pdf(catalogue, PAGES[1], page, field, stamp, box, hidden))
    (item,) = load(tmp_path, dpi=72)
    image = item.open()
    assert item.text is None
    assert image.size == (300, 300)
    assert max(image.getpixel((70, 255))) < 80  # the field's box; dark even under a form highlight
    assert image.getpixel((200, 75)) == (0, 0, 0)  # the stamp
    assert image.getpixel((150, 150)) == (255, 255, 255)


def test_a_huge_pdf_page_is_rendered_coarser(tmp_path):
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 14400 7200] >>"
    (tmp_path / "plan.pdf").write_bytes(pdf(*PAGES, page))
    (item,) = load(tmp_path, max_page_pixels=500_000)
    assert item.open().size == (1000, 500)


def test_fingerprint_of_a_folder_follows_names_contents_and_options(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(encoded(picture()))
    before = sources.fingerprint("folder", path=tmp_path)
    assert sources.fingerprint("folder", path=tmp_path) == before
    assert sources.fingerprint("folder", path=tmp_path, dpi=100) != before
    (tmp_path / "a.txt").write_text("label")
    labelled = sources.fingerprint("folder", path=tmp_path)
    assert labelled != before
    os.utime(file, (1, 1))
    assert sources.fingerprint("folder", path=tmp_path) != labelled


@pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the real documents are not on this machine")
def test_real_documents_are_all_accounted_for():
    items = load(DOCUMENTS, dpi=100)
    files = {file.relative_to(DOCUMENTS).as_posix() for file in DOCUMENTS.rglob("*.*")}
    documents = {name for name in files if name.endswith((".png", ".jpg", ".pdf"))}
    assert {item.origin.split("#")[0] for item in items} == documents
    curated = curate.curate(items, medical_share=None)
    assert curated.counts["inputs"] == len(items) == 64
    assert reasons(curated.rejected) == {"azure_forms/labelled_invoices/Invoice_6.pdf#1": "exact_duplicate"}


# --- public data sets ---


def save_table(folder: Path, **splits: list[dict]) -> Path:
    (folder / "data").mkdir(parents=True)
    for split, rows in splits.items():
        table = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
        table.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def image_cell(text: str) -> dict:
    return {"bytes": encoded(picture(text)), "path": None}


LABEL = "<s_ocr> Dr. A. Patel\nmedications:\n- Amoxicillin 500mg\n- 1 tab TID </s>"
READ = "Dr. A. Patel\nmedications:\n- Amoxicillin 500mg\n- 1 tab TID"


def test_prescriptions_as_images_with_json(tmp_path):
    for split in ("train", "test"):
        for kind in ("images", "annotations"):
            (tmp_path / split / kind).mkdir(parents=True)
        (tmp_path / split / "images" / "p_1.png").write_bytes(encoded(picture(split)))
    (tmp_path / "train" / "annotations" / "p_1.json").write_text(json.dumps({"ground_truth": LABEL}))
    (tmp_path / "test" / "annotations" / "p_1.json").write_text("{broken")
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# Prescriptions\n")
    broken, page = sources.load("prescriptions", path=tmp_path, revision="abc123")
    assert (broken.reason, broken.source) == ("label_broken", "prescriptions")
    assert page.text == READ
    assert page.origin == "chinmays18/medical-prescription-dataset@abc123#train/images/p_1.png"
    assert (page.doc_type, page.licence, page.label_origin) == ("prescription", "mit", "annotation")
    assert not page.contains_phi
    assert not curate.curate([page], min_side_px=10).rejected  # no marker is left


def test_prescriptions_as_table_with_either_column(tmp_path):
    rows = [
        {"image": image_cell("1"), "ground_truth": LABEL, "gt_text": None},
        {"image": image_cell("2"), "ground_truth": None, "gt_text": json.dumps({"text_sequence": LABEL})},
        {"image": image_cell("3"), "ground_truth": None, "gt_text": None},
        {"image": image_cell("4"), "ground_truth": "<s_ocr> </s>", "gt_text": None},
    ]
    items = list(sources.load("prescriptions", path=save_table(tmp_path, train=rows)))
    assert [item.text for item in items[:2]] == [READ, READ]
    assert [item.reason for item in items[2:]] == ["label_missing", "label_missing"]
    assert items[1].origin.endswith("@local#train/1")
    assert items[1].licence == "not stated"


def test_lab_reports_are_unlabelled_whatever_lies_beside(tmp_path):
    for kind in ("Input", "Output"):
        (tmp_path / "data" / "lbmaske" / kind).mkdir(parents=True)
    (tmp_path / "data" / "lbmaske" / "Input" / "r1.png").write_bytes(encoded(picture()))
    (tmp_path / "data" / "lbmaske" / "Output" / "r1.txt").write_text("PLATELET COUNT")
    (tmp_path / "data" / "other.png").write_bytes(encoded(picture("not a report")))
    (page,) = sources.load("lab_reports", path=tmp_path)
    assert (page.text, page.doc_type, page.contains_phi) == (None, "lab_report", True)
    assert page.origin == "dikshaasinghhh/bajaj@local#Input/r1.png"
    (page,) = sources.load("lab_reports", path=tmp_path, contains_phi=False)
    assert not page.contains_phi


def test_omr_forms_have_an_image_and_nothing_else(tmp_path):
    snapshot = save_table(tmp_path / "snapshots" / "0a1b", train=[{"image": image_cell(str(n))} for n in range(3)])
    pages = list(sources.load("omr_forms", path=snapshot))
    assert [page.origin for page in pages] == [f"saurabh1896/OMR-scanned-documents@0a1b#train/{n}" for n in range(3)]
    assert {(page.text, page.doc_type, page.contains_phi) for page in pages} == {(None, "form", True)}


@pytest.mark.parametrize("column", ["path", "text"])
def test_an_image_that_lies_beside_the_table_is_read_and_none_from_elsewhere(tmp_path, column):
    copy = tmp_path / "copy"
    (copy / "images").mkdir(parents=True)
    (copy / "images/1.png").write_bytes(encoded(picture()))
    (tmp_path / "outside.png").write_bytes(encoded(picture()))
    (copy / "link.png").symlink_to(tmp_path / "outside.png")
    paths = [
        "images/1.png",
        "images/2.png",
        "../outside.png",
        str(tmp_path / "outside.png"),
        "link.png",
        "images",
        "a\0",
        None,
    ]
    rows = [{"image": {"bytes": None, "path": path} if column == "path" else path} for path in paths]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), copy / "train.parquet")
    page, *items, empty = sources.load("omr_forms", path=copy)
    assert page.image == encoded(picture())
    assert {item.reason for item in items} == {"image_missing"}
    assert "names 'images/2.png', a file that is not in the copy" in items[0].detail
    assert empty.detail == "the row has no image"


def test_an_image_column_of_another_kind_is_named(tmp_path):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{"image": [1, 2]}]), tmp_path / "train.parquet")
    (item,) = sources.load("omr_forms", path=tmp_path)
    assert (item.reason, item.detail) == ("image_missing", "its column image holds a list")


def invoice_row(n: int, parsed: object = None, words: object = None) -> dict:
    words = [f"ACME {n}", "Total 5.00"] if words is None else words
    parsed = {"header": {"invoice_no": str(n)}} if parsed is None else parsed
    return {
        "image": image_cell(f"invoice {n}"),
        "raw_data": json.dumps({"ocr_words": str(words), "ocr_boxes": "[]", "ocr_labels": "[]"}),
        "parsed_data": json.dumps({"xml": "", "json": parsed, "kie": ""}),
    }


def test_invoices_hold_python_literals_in_json_strings(tmp_path):
    rows = [
        invoice_row(0, parsed="{'header': {'invoice_no': '7'}, 'items': [{'item_desc': 'Tape'}]}"),
        invoice_row(1, parsed='{"store_name": "Corner shop", "total": "5.00"}', words=["It's", 'a "shop"']),
        invoice_row(2) | {"raw_data": None, "parsed_data": None},
        invoice_row(3) | {"raw_data": json.dumps({"ocr_words": "['unclosed"})},
        invoice_row(4) | {"raw_data": json.dumps({"ocr_words": "__import__('os').getcwd()"})},
        invoice_row(5, words=[]),
        invoice_row(6) | {"image": None},
    ]
    items = list(sources.load("invoices", path=save_table(tmp_path, train=rows)))
    assert [getattr(item, "doc_type", None) or item.reason for item in items] == [
        *("invoice", "receipt", "label_missing", "label_broken", "label_broken", "label_missing", "image_missing"),
    ]
    assert items[1].text == 'It\'s\na "shop"'
    assert items[0].label_origin == "ocr/invoices-and-receipts_ocr_v1"
    assert not items[0].contains_phi


def test_clinocr_gives_one_part_of_one_subset_with_its_templates_as_groups(tmp_path):
    def row(template: int, sample: int, **other) -> dict:
        text = f"Clinic {template}\nHb {sample}.5 g/dL\n"
        name = f"template_{template}_sample_{sample}_poor"
        return {"image": image_cell(text), "ground_truth": text, "doc_id": name, "template": template} | other

    for subset in ("normal", "poor"):
        (tmp_path / subset).mkdir()
        broken = [row(2, 3, ground_truth=""), row(2, 4, doc_id="scan 7")]
        save_table(tmp_path / subset, train=[row(1, 1), row(2, 1)], test=[row(1, 2), row(2, 2), *broken])
    exemplars = list(sources.load("clinocr", path=tmp_path, subset="poor"))
    assert [page.origin.rpartition("#")[2] for page in exemplars] == ["poor/train/0", "poor/train/1"]
    assert [page.group for page in exemplars] == ["clinocr/template_1", "clinocr/template_2"]
    assert exemplars[0].text == "Clinic 1\nHb 1.5 g/dL"
    assert {(page.domain, page.label_origin, page.contains_phi) for page in exemplars} == {
        ("medical", "annotation", False)
    }
    scored = list(sources.load("clinocr", path=tmp_path, subset="poor", part="eval"))
    assert [page.text.splitlines()[1] for page in scored[:2]] == ["Hb 2.5 g/dL"] * 2
    assert list(reasons(scored).values()) == ["label_missing", "label_broken"]
    assert [page.split for page in exemplars + scored[:2]] == ["train", "train", "test", "test"]
    assert not {page.text for page in exemplars} & {page.text for page in scored[:2]}
    with pytest.raises(ValueError, match="subset is 'fax': use one of normal, handwriting, poor"):
        sources.load("clinocr", path=tmp_path, subset="fax")
    with pytest.raises(ValueError, match="part is 'test': use one of exemplars, eval"):
        sources.load("clinocr", path=tmp_path, part="test")
    with pytest.raises(ValueError, match="holds no folder 'tables'"):
        sources.load("clinocr", path=tmp_path, subset="tables")


def test_invoices_are_drawn_by_seed_from_the_labelled_rows_of_all_splits(tmp_path):
    splits = {"train": [invoice_row(n) for n in range(12)], "valid": [invoice_row(n) for n in range(12, 16)]}
    splits["valid"].append(invoice_row(99) | {"raw_data": None})
    folder = save_table(tmp_path, **splits)

    def drawn(**options) -> list[str]:
        items = list(sources.load("invoices", path=folder, count=8, **options))
        assert list(reasons(items).values()) == ["label_missing"]
        return [item.origin for item in items if isinstance(item, Page)]

    assert len(drawn()) == 8
    assert drawn() == drawn(seed=3407) != drawn(seed=1)
    assert {origin.split("#")[1].split("/")[0] for origin in drawn()} == {"train", "valid"}


def test_a_copy_that_is_not_there_or_holds_nothing(tmp_path):
    with pytest.raises(ValueError, match="the path is empty"):
        sources.load("folder", path="")
    with pytest.raises(ValueError, match="give the path of a copy of mychen76/invoices"):
        sources.load("invoices", path=tmp_path / "gone")
    with pytest.raises(ValueError, match="holds neither Parquet files nor images"):
        sources.load("omr_forms", path=tmp_path)


def test_a_damaged_part_of_a_copy_is_named(tmp_path):
    (tmp_path / "train-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"train-0\.parquet is damaged .*download it again"):
        list(sources.load("prescriptions", path=tmp_path))


@pytest.fixture
def silent_port():
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []
        accept = threading.Thread(target=lambda: held.append(server.accept()), daemon=True)
        accept.start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("name", ["prescriptions", "omr_forms", "invoices", "clinocr"])
def test_without_network_a_hub_source_says_which_and_what_to_do(monkeypatch, name):
    closed = huggingface_hub.HfApi(endpoint="http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: closed)
    for call in (sources.load, sources.fingerprint):
        started = time.monotonic()
        with pytest.raises(ValueError, match=f"source '{name}': huggingface.co/.* could not be reached") as error:
            call(name)
        assert "Point `path` at a downloaded copy, or use the source 'folder' or 'synthetic'" in str(error.value)
        assert time.monotonic() - started < 60


def test_a_hub_that_never_answers_is_given_up(monkeypatch, silent_port):
    silent = huggingface_hub.HfApi(endpoint=f"http://127.0.0.1:{silent_port}")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: silent)
    monkeypatch.setattr(copies, "SECONDS_TO_ANSWER", 0.3)
    started = time.monotonic()
    with pytest.raises(ValueError, match="could not be reached"):
        sources.load("omr_forms")
    assert time.monotonic() - started < 60


def test_lab_reports_without_kagglehub(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kagglehub", None)
    with pytest.raises(ValueError, match="`pip install kagglehub`, or point `path` at a copy of kaggle"):
        sources.load("lab_reports")


def test_fingerprint_of_a_fixed_revision_needs_no_network():
    assert sources.fingerprint("invoices", revision="a") != sources.fingerprint("invoices", revision="b")


def test_doing_what_a_rejection_says_reads_the_folder_anew(tmp_path, monkeypatch):
    (tmp_path / "photo.heic").write_bytes(b"1")
    before = sources.fingerprint("folder", path=str(tmp_path))
    monkeypatch.setattr(os, "access", lambda file, mode: False)
    unreadable = sources.fingerprint("folder", path=str(tmp_path))
    assert unreadable != before
    installed = types.SimpleNamespace(version="9.9")
    monkeypatch.setattr(importlib.metadata, "distributions", lambda name: [installed])
    assert sources.fingerprint("folder", path=str(tmp_path)) != unreadable
