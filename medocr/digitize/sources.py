"""Which pages make a document: those of one file, or of all files whose names a pattern puts together."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import sources
from ..schema import Page, Rejection
from ..sources import folder
from ..storage import ROOT
from .output import BESIDE, FOLDERS


@dataclasses.dataclass(frozen=True)
class Source:
    """The files of one document: `name` is its path under `root`, the folder that was given.

    `problem` is a reason and a detail where the files cannot be listed or are none that hold pages.
    """

    root: Path
    name: str
    files: tuple[Path, ...]
    problem: tuple[str, str] | None = None


def find(paths: Sequence[str | Path], together: str = "", out: Path | None = None) -> list[Source]:
    """The documents under `paths`, each of one file, or of the files for which the pattern `together` gives one name.

    `together` is a regular expression with a group `document` that is searched for in each file's path: with
    `(?P<document>visit\\d+)_page\\d+` the files visit7_page1.png and visit7_page2.png are one document, its pages in
    the order of their names, numbers by their value. Files that it does not match are documents of their own. What
    was digitised into `out` is none. Raises ValueError for a missing path and for a pattern that is none.
    """
    pattern = _pattern(together)
    documents = [source for path in paths for source in _in_folder(path, pattern, out)]
    if not documents:
        raise ValueError(f"{', '.join(map(str, paths))}: nothing there is a document")
    return documents


def _pattern(together: str) -> re.Pattern | None:
    if not together:
        return None
    try:
        pattern = re.compile(together)
    except re.error as error:
        raise ValueError(f"--together {together!r} is no regular expression: {error}") from None
    if "document" not in pattern.groupindex:
        raise ValueError(f"--together {together!r} has no group (?P<document>…), which names a document")
    return pattern


def _in_folder(path: str | Path, pattern: re.Pattern | None, out: Path | None) -> Iterator[Source]:
    root, files, problems = folder.find(path)
    grouped: dict[str, list[Path]] = {}
    written = [(out / name).resolve() for name in (*FOLDERS, *BESIDE)] if out else []
    for file in files:
        if not folder.is_beside(file) and not any(map(file.resolve().is_relative_to, written)):
            name = folder.name_of(file, root)
            matched = pattern.search(name) if pattern else None
            if matched and matched["document"]:  # which may be optional in the pattern
                name = name[: matched.start()] + matched["document"]
            grouped.setdefault(name, []).append(file)
    for at, *problem in problems:
        yield Source(root, folder.name_of(at, root), (), tuple(problem))
    for name, files in grouped.items():
        files.sort(key=_natural)
        odd = [file.suffix or "such" for file in files if not folder.is_document(file)]
        problem = ("unsupported", f"{odd[0]} files are not read; save it as PDF or PNG") if odd else None
        yield Source(root, name, tuple(files), problem)


def _natural(file: Path) -> list:
    """A file's name in the order in which people count: page2 before page10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file.as_posix())]


def pages(source: Source, contains_phi: bool = True) -> list[Page | Rejection]:
    """The pages of a document, in order, one at least; what cannot be opened is a Rejection with its reason."""
    if source.problem:
        return [Rejection(source.name, "folder", *source.problem)]
    read: list[Page | Rejection] = []
    for file in source.files:
        name, alone = folder.name_of(file, source.root), folder.name_of(file, file.parent)
        try:
            path = str(file.absolute())  # `~$scan.pdf` is no user's home
            items = [*sources.load("folder", path=path, labelled=False, contains_phi=contains_phi)]
            read += [dataclasses.replace(item, origin=name + item.origin.removeprefix(alone)) for item in items]
        except (ValueError, OSError):
            read.append(Rejection(name, "folder", "vanished", "it was there when the folder was listed, and is gone"))
    return read or [Rejection(source.name, "folder", "empty", "it has no page")]


def check_place(out: Path) -> None:
    """Raise ValueError where documents would be written among the published results."""
    if out.resolve().is_relative_to((ROOT / "results").resolve()):
        raise ValueError(f"{out} lies under results/, which is published: documents go elsewhere, as data/digitized")
