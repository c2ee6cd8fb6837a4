"""One's own documents: a folder of images and PDFs, with labels where there are any."""

import importlib.metadata
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..schema import DOC_TYPES, Page, Rejection
from . import documents, labels

# Files that belong to documents without being any.
BESIDE = (".csv", ".html", ".json", ".jsonl", ".log", ".md", ".toml", ".tsv", ".txt", ".xml", ".yaml", ".yml")
HIDDEN = (".", "__MACOSX")
LITTER = ("thumbs.db", "desktop.ini", "ehthumbs.db")  # what file managers leave in every folder


def folder(
    path: str | Path,
    doc_type: str | None = None,
    contains_phi: bool = True,
    dpi: int = 200,
    max_page_pixels: int = 16_000_000,
    labelled: bool = True,
) -> Iterator[Page | Rejection]:
    """The pages of the images and PDFs in a folder and its subfolders, sorted by path; a file is a folder of one.

    - PNG, JPEG, WebP, BMP, TIFF, PDF, HEIC and AVIF are read; a file without suffix is what its first bytes say.
    - Every page of a multi-page TIFF or PDF is a page of its own, `name#1`, `name#2`, …. PDF pages are
      rendered at `dpi`, forms and annotations included; a page larger than `max_page_pixels` comes coarser.
    - A label is the `text` of a row of `metadata.jsonl` or `metadata.csv` (the imagefolder convention), else a text
      file of the same name (`scan.txt` or `scan.png.txt`); form feeds separate the pages of a multi-page file. A label
      that cannot be used is a rejection of its own, and its pages come without one. With `labelled` False no label is
      looked for.
    - The document type is that of the row, else `doc_type`, else what the nearest subfolder
      is called (`prescriptions`, `lab-reports`, …), else `unknown`.
    - Pages are taken to hold PHI unless `contains_phi` is False and their row does not say otherwise. Where a line of
      metadata cannot be read, pages without a row are, too: the line may have said so of any of them.

    Whatever cannot be read is a Rejection, and no file stops another: text and data files beside the documents and
    what file managers leave are passed over; links are followed inside the folder, once.
    Raises ValueError when the folder is missing or has no document.
    """
    if doc_type not in (None, *DOC_TYPES):
        raise ValueError(f"document type {doc_type!r} is not one of {', '.join(DOC_TYPES)}")
    for name, value in (("dpi", dpi), ("max_page_pixels", max_page_pixels)):
        if value < 1:
            raise ValueError(f"source 'folder': {name} is {value}: at least 1")
    root, files, problems = find(path)
    rows, bad_lines = labels.read_metadata(files) if labelled else ({}, [])
    if not problems and not any(is_document(file) for file in files):
        kinds = Counter(file.suffix.lower() or "without suffix" for file in files)
        held = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common()) or "nothing"
        raise ValueError(f"{path} has no document: put {', '.join(documents.KINDS)} files there (it holds {held})")
    problems += [(file.parent / f"{file.name}:{line}", "bad_metadata", why) for file, line, why in bad_lines]
    problems += [(file, "missing_file", "a row of metadata names it") for file in sorted(set(rows) - set(files))]
    protected = set(files) if contains_phi else set(files) - set(rows) if bad_lines else set()
    options = {"doc_type": doc_type, "dpi": dpi, "max_page_pixels": max_page_pixels, "labelled": labelled}
    return _all(root, files, problems, rows, protected, options)


def _all(root: Path, files, problems, rows, protected: set[Path], options: dict) -> Iterator[Page | Rejection]:
    for file, reason, detail in problems:
        yield Rejection(name_of(file, root), "folder", reason, detail)
    for file in itertools.filterfalse(is_beside, files):
        name = name_of(file, root)
        try:
            yield from _items(file, name, rows.get(file, {}), file in protected, **options)
        except (ValueError, OSError) as error:  # OSError: it went away, or may not be read
            yield _rejection(name, error)


def is_beside(file: Path) -> bool:
    """Whether a file lies beside documents and is none: text, data, what file managers leave, README."""
    beside = file.suffix.lower() in BESIDE or file.name.lower() in LITTER
    return beside or (not file.suffix and not is_document(file))


def is_document(file: Path) -> bool:
    """Whether a file is one that pages are read from, by its suffix or, without one, its first bytes.

    One whose first bytes cannot be read counts: reading it says why.
    """
    try:
        return file.suffix.lower() in documents.KINDS or (not file.suffix and documents.kind(file) is not None)
    except OSError:
        return True


def _refusal(error: OSError) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError):
        return "vanished", "it was there when the folder was listed and is gone now"
    if isinstance(error, PermissionError):
        return "no_permission", "this user may not read it: change its permissions (chmod u+r)"
    return "unreadable", error.strerror or str(error)


def expanded(path: str | Path) -> Path:
    """A path as it is given where something lies there, `~$scan.png` say; else with a `~` at its start written out.

    Raises ValueError where nobody has the home that it names, and for no path at all, which would be the folder that
    the command happens to run in.
    """
    if not str(path):
        raise ValueError("the path is empty: give that of a folder, `.` for the one that this runs in")
    given = Path(path)
    try:
        return given if given.exists() else given.expanduser()
    except RuntimeError:
        raise ValueError(f"{path} is not there, and there is no such user") from None


def find(path: str | Path) -> tuple[Path, list[Path], list[tuple[Path, str, str]]]:
    """A folder, every file in it, sorted, hidden ones left out, and what cannot be listed (path, reason, detail).

    A file is a folder of one. Raises ValueError when there is nothing at `path`.
    """
    root = expanded(path)
    if root.is_file():
        return root.parent, [root], []
    if not root.is_dir():
        raise ValueError(f"{path} is not there: give the path of a folder with images or PDFs")
    files, problems = [], []
    _list(root, root.resolve(), {root.resolve()}, files, problems)
    return root, files, problems


def _list(folder: Path, home: Path, seen: set[Path], files: list[Path], problems: list) -> None:
    """Add what lies in `folder` to `files` and `problems`; links to folders are followed once, and only inside."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        problems.append((folder, *_refusal(error)))
        return
    for entry in entries:
        item = Path(entry.path)
        if entry.name.startswith(HIDDEN):
            continue
        if entry.is_symlink() and (problem := _link_problem(item, home)):
            problems.append((item, "link", problem))
        elif item.is_dir():
            if (real := item.resolve()) not in seen:
                seen.add(real)
                _list(item, home, seen, files, problems)
        elif item.is_file():
            files.append(item)


def _link_problem(link: Path, home: Path) -> str | None:
    """What is wrong with a link: it could bring in anything, or nothing."""
    try:
        target = link.resolve(strict=True)
    except FileNotFoundError:
        return "a link that leads nowhere: put the file there"
    except (OSError, RuntimeError):
        return "a link that leads to itself: remove it"
    return None if target.is_relative_to(home) else "a link that leads out of the folder: put a copy there instead"


def count(path: str | Path) -> int:
    """The pages of a folder's documents, without drawing them; a file that cannot be opened counts as one."""
    return sum(_pages_of(file) for file in find(path)[1] if is_document(file))


def _pages_of(file: Path) -> int:
    try:
        with documents.opened(file, 200, 1) as (count, _):
            return count
    except (ValueError, OSError):
        return 1


def state(path: str | Path, **_) -> list:
    """Name, size and time of change of every file in the folder, whether it may be read, and by which `pillow-heif`."""
    root, files, _ = find(path)
    of_files = [(file, file.stat()) for file in files]
    known = [[name_of(f, root), about.st_size, about.st_mtime_ns, os.access(f, os.R_OK)] for f, about in of_files]
    if any(file.suffix.lower() in (".heic", ".heif") for file in files):
        known += [each.version for each in importlib.metadata.distributions(name="pillow-heif")]
    return known


def _items(
    file: Path, name: str, row: dict, phi: bool, doc_type: str | None, dpi: int, max_page_pixels: int, labelled: bool
) -> Iterator[Page | Rejection]:
    """The pages of one file. Raises ValueError that starts with the reason, or OSError, where there are none."""
    if not is_document(file):
        raise ValueError(f"unsupported: {file.suffix.lower()} files are not read; save it as PDF or PNG")
    folders = (labels.doc_type_of(parent.name) for parent in Path(name).parents)
    about = {"doc_type": doc_type or next(filter(None, folders), "unknown"), **row}
    about["contains_phi"] = phi or bool(row.get("contains_phi"))  # a row can add protection, not lift it
    with documents.opened(file, dpi, max_page_pixels) as (count, draw):
        texts, problem = _texts(file, row, count) if labelled else ([None] * count, None)
        if problem:
            yield _rejection(f"{name} (label)", problem, "; its pages are taken without a label")
        several = count > 1 or file.suffix.lower() == ".pdf"
        for index, text in enumerate(texts):
            origin = f"{name}#{index + 1}" if several else name
            about |= {"text": text, "label_origin": None if text is None else row.get("label_origin", "annotation")}
            try:
                yield Page(draw(index), origin, "folder", **about, page=index + 1, pages=count)
            except ValueError as error:
                yield _rejection(origin, error)


def _texts(file: Path, row: dict, pages: int) -> tuple[list[str | None], ValueError | None]:
    """The label of each page, and what is wrong with the file's label where it cannot be used."""
    try:
        text = row.get("text")
        if text is None and (beside := labels.sidecar(file)):
            text = labels.read_text(beside)
        return ([None] * pages if text is None else labels.split_pages(text, pages)), None
    except ValueError as error:
        return [None] * pages, error


def _rejection(origin: str, error: ValueError | OSError, outcome: str = "") -> Rejection:
    if isinstance(error, OSError):
        return Rejection(origin, "folder", *_refusal(error))
    reason, _, detail = str(error).partition(": ")
    return Rejection(origin, "folder", reason, detail + outcome)


def name_of(file: Path, root: Path) -> str:
    """A file's path under `root` as text; bytes that are no UTF-8 are written as escapes."""
    return file.relative_to(root).as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
