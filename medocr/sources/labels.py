"""What a folder says about its pages: sidecar text files, `metadata.jsonl` or `.csv`, the names of subfolders."""

import contextlib
import csv
import io
import json
import re
from collections.abc import Collection
from pathlib import Path

from ..schema import DOC_TYPES

PAGE_BREAK = "\f"  # between the pages of a label, as pdftotext writes it
COLUMNS = {"text": str, "doc_type": str, "fields": dict, "group": str, "language": str, "licence": str}
COLUMNS |= {"label_origin": str, "contains_phi": bool}
KINDS = {"header": dict, "analytes": list, "drugs": list, "options": list, "receipt": dict}  # of fields
SUMS = {"issuer", "number", "date", "items", "subtotal", "tax", "tax_rate", "total"}  # a receipt's may stand alone
NUMBERS = ("low", "high", "subtotal", "tax", "tax_rate", "total")
TEXTS = ("unit", "flag", "form", "route", "frequency", "duration", "question", "issuer", "date")


def doc_type_of(name: str) -> str | None:
    """The document type that a name ends with, whatever its case, separators and number.

    `Lab-Reports`, `lab_report` and `2024 lab reports` are all `lab_report`; other names give None.
    """
    words = re.sub(r"[^a-z]+", " ", name.lower()).split()
    for doc_type in DOC_TYPES:
        words_of_type = doc_type.split("_")
        last = words[-len(words_of_type) :]
        if last and [*last[:-1], last[-1].removesuffix("s")] == words_of_type:
            return doc_type
    return None


def sidecar(file: Path) -> Path | None:
    """The text file that labels `scan.png`: `scan.txt` or `scan.png.txt`, in either case of letters."""
    for name in (f"{file.name}.txt", f"{file.stem}.txt"):
        for candidate in (file.with_name(name), file.with_name(name[:-3] + "TXT")):
            try:
                if candidate.is_file():
                    return candidate
            except OSError:  # the page's name is as long as names can be, so the label's does not exist
                continue
    return None


def read_text(file: Path) -> str:
    """A label's text. Raises ValueError: `label_encoding` when it is not UTF-8, `label_unreadable`."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"label_unreadable: {file.name}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"label_encoding: {file.name} is not UTF-8 ({error.reason} at byte {error.start})") from None
    if "\0" in text:  # UTF-16 without its mark decodes, into a zero after every letter
        raise ValueError(f"label_encoding: {file.name} is not UTF-8 (it holds zero bytes)")
    return text


def split_pages(text: str, pages: int) -> list[str]:
    """The text of each page of a file: its parts between form feeds, one per page.

    Raises ValueError (reason `label_pages`) when there are not as many parts as pages.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    parts = text.split(PAGE_BREAK)
    if len(parts) == pages + 1 and not parts[-1].strip():
        parts.pop()  # a form feed after every page, the last one included
    if len(parts) != pages:
        raise ValueError(f"label_pages: {len(parts)} for {pages} pages; put a form feed (\\f) between pages")
    return [part.strip("\n") for part in parts]


def read_metadata(files: Collection[Path]) -> tuple[dict[Path, dict], list[tuple[Path, int, str]]]:
    """The rows of every `metadata.jsonl` and `.csv` among `files`, by the file that they describe; lines that are none.

    Each line is a JSON object, or a table's row, with `file_name`, relative to its own folder, and any of `COLUMNS`;
    other columns are left alone. A line that is anything else is given as (file, line number, what is wrong), and the
    others hold; so is a table of another name that names files.
    """
    rows, bad = {}, []
    for file in files:
        if file.suffix in (".jsonl", ".csv") and file.stem != "metadata" and _names_files(file):
            bad.append((file, 1, f"it names files, but only metadata{file.suffix} is read: give it that name"))
    for file in (file for file in files if file.name in ("metadata.jsonl", "metadata.csv")):
        try:
            lines = _lines(file)
        except (OSError, ValueError, csv.Error) as error:
            bad.append((file, 0, f"it cannot be read ({getattr(error, 'strerror', error)})"))
            continue
        for number, line in lines:
            try:
                if line.strip():
                    name, row = _metadata_row(line)
                    if file.parent / name in rows:
                        raise ValueError(f"file_name {name!r} is there twice")
                    rows[file.parent / name] = row
            except ValueError as error:
                bad.append((file, number, str(error)))
    return rows, bad


def _names_files(file: Path) -> bool:
    with contextlib.suppress(OSError), file.open("rb") as lines:
        return b"file_name" in lines.readline(10_000)
    return False


def _lines(file: Path) -> list[tuple[int, bytes]]:
    """Line numbers and lines of a metadata file; those of a table are written as JSON."""
    if file.suffix == ".jsonl":
        return list(enumerate(file.read_bytes().splitlines(), 1))
    table = csv.DictReader(io.StringIO(read_text(file), newline=""))
    if "file_name" not in (table.fieldnames or ()):
        raise ValueError("its first line names no column file_name: separate the columns by commas")
    return [(table.line_num, json.dumps({name: _cell(name, row[name]) for name in row}).encode()) for row in table]


def _cell(name: str, value: str):
    """The value of a table's cell; one that is not of its column's kind stays text."""
    with contextlib.suppress(ValueError, RecursionError):
        if COLUMNS.get(name, str) is not str:
            return json.loads(value if name == "fields" else value.casefold())
    return value or None


def _metadata_row(line: bytes) -> tuple[str, dict]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 ({error.reason} at byte {error.start})") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from None
    if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
        raise ValueError('not an object with a "file_name"')
    known = {name: row[name] for name in COLUMNS if row.get(name) is not None}
    for name, value in known.items():
        if not isinstance(value, COLUMNS[name]):
            raise ValueError(f"{name} is {value!r}, not a {COLUMNS[name].__name__}")
    if "fields" in known:
        check_fields(known["fields"])
    if "doc_type" in known:
        known["doc_type"] = doc_type_of(said := known["doc_type"])
        if known["doc_type"] is None:
            raise ValueError(f"doc_type {said!r} is not one of {', '.join(DOC_TYPES)}")
    if Path(row["file_name"]).is_absolute() or ".." in Path(row["file_name"]).parts:
        raise ValueError(f"file_name {row['file_name']!r} leads out of the folder")
    return row["file_name"], known


def check_fields(fields: dict) -> None:
    """Raise ValueError, naming what is wrong, for `fields` not in the form that `medocr.fields.read_fields` gives."""
    if fields and not fields.keys() & (KINDS.keys() | SUMS):
        raise ValueError(f"fields: it holds {', '.join(fields)}, and none of {', '.join(KINDS)}")
    for kind, expected in KINDS.items():
        if not isinstance(fields.get(kind, expected()), expected):
            form = "an object" if expected is dict else "a list of objects"
            raise ValueError(f"fields: {kind} is {fields[kind]!r}, not {form}")
    for kind, name in (("analytes", "name"), ("drugs", "drug"), ("options", "label")):
        for number, row in enumerate(fields.get(kind, ()), 1):
            if not isinstance(row, dict) or not isinstance(row.get(name), str) or not row[name].strip():
                raise ValueError(f"fields: row {number} of {kind} is {row!r}, not an object with a {name!r} in words")
            _check_numbers(row, f"row {number} of {kind}")
    _check_numbers(fields.get("receipt", {}), "receipt")
    for name, value in fields.get("header", {}).items():
        if not isinstance(value, str | int | float | None) or isinstance(value, bool):
            raise ValueError(f"fields: header has {name} {value!r}, not a text")


def _check_numbers(row: dict, where: str) -> None:
    """Columns that hold a number or nothing, those that hold a text or nothing, and values that may be either."""
    kinds = dict.fromkeys(NUMBERS, (int | float, "a number")) | dict.fromkeys(TEXTS, (str, "a text"))
    kinds |= dict.fromkeys(("value", "dose"), (str | int | float, "a number or a text"))
    for name, (kind, expected) in kinds.items():
        value = row.get(name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise ValueError(f"fields: {where} has {name} {value!r}, not {expected}")
    if not isinstance(row.get("ticked", False), bool):
        raise ValueError(f"fields: {where} has ticked {row['ticked']!r}, not true or false")
