"""One's own documents: a folder of images and PDFs, with labels where there are any."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..schema import DOC_TYPES, Page, Rejection
from . import documents, labels

# files that belong to documents without being any
BESIDE = ("", ".csv", ".html", ".json", ".jsonl", ".log", ".md", ".toml", ".tsv", ".txt", ".xml", ".yaml", ".yml")
HIDDEN = (".", "__MACOSX")


def folder(
    path: str | Path,
    doc_type: str | None = None,
    contains_phi: bool = True,
    dpi: int = 200,
    max_page_pixels: int = 16_000_000,
) -> Iterator[Page | Rejection]:
    """The pages of the PNG, JPEG, WebP, BMP, TIFF and PDF files in a folder and its subfolders, sorted by path.

    - Every page of a multi-page TIFF or PDF is a page of its own, `name#1`, `name#2`, …. PDF pages are
      rendered at `dpi`, forms and annotations included; a page larger than `max_page_pixels` comes coarser.
    - A label is the `text` of a `metadata.jsonl` row (the imagefolder convention), else a text file of the
      same name (`scan.txt` or `scan.png.txt`); form feeds separate the pages of a multi-page file.
    - The document type is that of the `metadata.jsonl` row, else `doc_type`, else what the nearest subfolder
      is called (`prescriptions`, `lab-reports`, …), else `unknown`.
    - Pages are taken to hold PHI unless `contains_phi` is False.

    Text and data files beside the documents are passed over; files of other kinds are rejected by name, and so are
    links that lead out of the folder.
    Raises ValueError when the folder is missing or has no document, or a `metadata.jsonl` has a bad line.
    """
    if doc_type not in (None, *DOC_TYPES):
        raise ValueError(f"document type {doc_type!r} is not one of {', '.join(DOC_TYPES)}")
    root, files = find(path)
    metadata = labels.read_metadata(files)
    found = {file for file in files if file.suffix.lower() in documents.KINDS}
    if not found:
        kinds = Counter(file.suffix.lower() or "without suffix" for file in files)
        held = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common()) or "nothing"
        raise ValueError(f"{path} has no document: put {', '.join(documents.KINDS)} files there (it holds {held})")
    missing = sorted(set(metadata) - found)
    strays = _strays(root) if Path(path).expanduser().is_dir() else {}
    defaults = {"doc_type": doc_type, "contains_phi": contains_phi}
    return itertools.chain(
        (Rejection(_name(file, root), "folder", "missing_file", "metadata.jsonl names it") for file in missing),
        (Rejection(_name(file, root), "folder", "link", why) for file, why in strays.items()),
        itertools.chain.from_iterable(
            _items(file, root, metadata.get(file, {}), defaults, dpi, max_page_pixels)
            for file in files
            if file in found or file.suffix.lower() not in BESIDE
        ),
    )


def find(path: str | Path) -> tuple[Path, list[Path]]:
    """A folder and every file in it, sorted, hidden ones left out; a file is a folder of one.

    Raises ValueError when there is nothing at `path`.
    """
    root = Path(path).expanduser()
    if root.is_file():
        return root.parent, [root]
    if not root.is_dir():
        raise ValueError(f"{path} is not there: give the path of a folder with images or PDFs")
    strays = _strays(root)
    relative = sorted(file.relative_to(root) for file in root.rglob("*") if file.is_file() and file not in strays)
    return root, [root / file for file in relative if not any(part.startswith(HIDDEN) for part in file.parts)]


def _strays(root: Path) -> dict[Path, str]:
    """Links in a folder that lead out of it, which could bring in anything, or nowhere; each with what to do."""
    home, found = root.resolve(), {}
    for link in sorted(path for path in root.rglob("*") if path.is_symlink()):
        if not link.resolve().is_relative_to(home):
            found[link] = "a link that leads out of the folder: put a copy there instead"
        elif not link.exists():
            found[link] = "a link that leads nowhere: put the file there"
    return found


def state(path: str | Path, **options) -> list:
    """Name, size and time of change of every file in the folder."""
    root, files = find(path)
    return [[_name(file, root), file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _items(
    file: Path, root: Path, row: dict, defaults: dict, dpi: int, max_page_pixels: int
) -> Iterator[Page | Rejection]:
    """The pages of one file, or why there are none."""
    name = _name(file, root)
    if file.suffix.lower() not in documents.KINDS:
        yield Rejection(name, "folder", "unsupported", f"{file.suffix} files are not read; save it as PDF or PNG")
        return
    about = _about(name, row, defaults)
    try:
        with documents.opened(file, dpi, max_page_pixels) as (count, draw):
            texts = _texts(file, row, count)
            several = count > 1 or file.suffix.lower() == ".pdf"
            for index in range(count):
                origin = f"{name}#{index + 1}" if several else name
                yield _item(origin, draw, index, texts[index], about)
    except ValueError as error:
        yield _rejection(name, error)


def _item(origin: str, draw: documents.Draw, index: int, text: str | None, about: dict) -> Page | Rejection:
    try:
        image = draw(index)
    except ValueError as error:
        return _rejection(origin, error)
    label_origin = None if text is None else about.get("label_origin", "annotation")
    return Page(image, origin, "folder", text=text, **{**about, "label_origin": label_origin})


def _about(name: str, row: dict, defaults: dict) -> dict:
    """What is known of a file's pages, but for their images and texts."""
    doc_type = defaults["doc_type"] or labels.doc_type_of_folders(Path(name)) or "unknown"
    known = {key: value for key, value in row.items() if key != "text"}
    return {"doc_type": doc_type, "contains_phi": defaults["contains_phi"], **known}


def _texts(file: Path, row: dict, pages: int) -> list[str | None]:
    text = row.get("text")
    if text is None:
        beside = labels.sidecar(file)
        if beside is None:
            return [None] * pages
        text = labels.read_text(beside)
    return labels.split_pages(text, pages)


def _rejection(origin: str, error: ValueError) -> Rejection:
    reason, _, detail = str(error).partition(": ")
    return Rejection(origin, "folder", reason, detail)


def _name(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix()
