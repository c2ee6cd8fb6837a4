"""`python -m medocr read`: images, PDFs and folders of them in, one JSON line per page out.

A line of a page that was read holds
- `schema` (1), `origin` (the path as given, with #page for a file of several), `page` and `pages` (its number and of
  how many), `sha256` of the page's image, `reader` and its `hash` (`identity`), `dpi` (None where
  the file does not say);
- `turn`: by how many degrees clockwise the page was turned to stand upright;
- `text`, and `lines` with `text`, `box` (left, top, right, bottom in px of the upright page; None where a model reads),
  `confidence` (of a model: the probability of the line's least certain token) and, from RapidOCR, `mark` (struck out
  or stamped over, or empty);
- `confidence` and `lowest` (of the page and of its least certain piece, 0 to 1, or None), `unread` (the share of the
  print that gave no text or hardly any, such as a script that RapidOCR does not know; None for a model), `fields` (what
  `medocr.fields.read_fields` finds), `finish` (stop, length or loop) and `seconds`.

A line of an input that could not be read holds `schema`, `origin`, `reader`, `hash`, `error` (a reason by name) and
`detail`.
"""

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import io
import itertools
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from . import BASES, fields, ocr, sources
from .curate import gates
from .ocr.pool import Pool
from .schema import Page, Rejection, open_image
from .storage import atomic, batches, locked, model_hash, private

SCHEMA = 1
TOGETHER = 16  # pages that a model reads at once
MAX_NEW_TOKENS = 2048
CONFIDENCE = "by character"  # what a field's is the least of: thresholds of another kind do not hold
LEAST_SIDE_PX = 24  # of a page: a line of print is higher
DIED = "reader_failed: the reading process died; was there enough memory?"
READ, SOME_REFUSED, NONE_READ = 0, 3, 1  # exit statuses


@dataclasses.dataclass
class PageRecord:
    """What was read on one page: a line of `read`'s output but for where the page came from.

    Not put out: `sure`, the probability of each character of the text (of a model, of the token that it is of), and
    `seen`, the lines that RapidOCR read on the same page as a model, to see which way up it is.
    """

    text: str
    lines: list[dict]
    turn: int
    confidence: float | None
    lowest: float | None
    finish: str
    seconds: float
    sure: list[float] = dataclasses.field(default_factory=list)
    seen: list[dict] = dataclasses.field(default_factory=list)
    unread: float | None = None


def records(
    model: str, paths: Sequence[str | Path], *, jobs: int = 1, known: Callable = lambda _: False, digest: str = ""
) -> Iterator[dict]:
    """Read every page under `paths`, in order, with a model folder, a Hub name, `tiny` or `rapidocr`; yields dicts.

    The dicts are the lines that this module describes. `jobs` processes read with `rapidocr`; a model uses all cores
    by itself. Pages for which `known((origin, sha256))` is true are passed over. `digest` is the
    model's `identity` where it is known already. Raises ValueError when a path is
    missing or the model is, or `jobs` does not fit.
    """
    if not is_rapidocr(model) and jobs != 1:
        raise ValueError("--jobs is for rapidocr: a model uses all cores by itself")
    items = itertools.chain.from_iterable([_items(path) for path in paths])  # a list: missing paths raise at once
    new = (item for item in items if not known((item.origin, item.id if isinstance(item, Page) else None)))
    return _read_all(new, reader(model, jobs), {"reader": model, "hash": digest or identity(model)})


def reader(model: str, jobs: int = 1) -> Callable:
    """A function that reads pages: an iterable of pages and rejections in, pairs of each with what was read out.

    What was read is a PageRecord, `reason: detail` where the page could not be read, or None for a rejection.
    """
    if is_rapidocr(model):
        return _rapidocr(jobs, model.partition(":")[2])
    from . import model as models  # torch comes in only here: `rapidocr` does without

    loaded, processor = models.load(model)
    models.check_finite(loaded, model)
    return reading_by(loaded, processor, _upright, TOGETHER, max_new_tokens=MAX_NEW_TOKENS, batch_size=4)


def identity(model: str) -> str:
    """What tells a reader from another: a model folder's hash, RapidOCR's version with medocr's rules for it."""
    if (folder := Path(BASES.get(model, model))).is_dir():
        return model_hash(folder)
    if is_rapidocr(model):
        _, colon, language = model.partition(":")
        named = f"rapidocr {importlib.metadata.version('rapidocr')} rules {ocr.RULES} {CONFIDENCE}"
        model = f"{named}{colon}{ocr.fingerprint(language)}"
    return hashlib.sha256(model.encode()).hexdigest()


def is_rapidocr(model: str) -> bool:
    """Whether a reader is RapidOCR: `rapidocr`, or `rapidocr:` with a language or a recogniser's `.onnx` file."""
    return model.partition(":")[0] == "rapidocr"


def _items(path: str | Path) -> Iterator[Page | Rejection]:
    """The pages of a file or a folder without their labels, called by the path as it was given."""
    given = sources.folder.expanded(path)
    before = given.parent if given.is_file() else given
    pages = sources.load("folder", path=str(path), labelled=False)
    return (dataclasses.replace(item, origin=(before / item.origin).as_posix()) for item in pages)


def _read_all(items: Iterable[Page | Rejection], reader: Callable, by: Mapping) -> Iterator[dict]:
    """The line of each item, in order; pages that cannot be decoded never reach the reader."""
    for item, result in reader(items):
        line = {"schema": SCHEMA, "origin": item.origin, **by}
        if isinstance(item, Rejection):
            yield {**line, "error": item.reason, "detail": item.detail}
        elif isinstance(result, PageRecord):
            about = {"page": item.page, "pages": item.pages, "sha256": item.id, "dpi": _dpi(item.image)}
            content = {name: value for name, value in vars(result).items() if name not in ("sure", "seen")}
            yield {**line, **about, **content, "fields": fields.read_fields(result.text, item.doc_type)}
        else:
            reason, _, detail = str(result).partition(": ")
            yield {**line, "sha256": item.id, "error": reason, "detail": detail}


def _dpi(image: bytes) -> int | None:
    with contextlib.suppress(OSError, SyntaxError, ValueError), Image.open(io.BytesIO(image)) as opened:
        density = opened.info.get("dpi")
        return round(float(max(density))) or None if density else None
    return None


def read_image(image: bytes | None, language: str = "") -> PageRecord | str | None:
    """Read one encoded image, if there is one, by RapidOCR: a record, or `reason: detail` where it cannot be read."""
    if image is None:
        return None
    started = time.perf_counter()
    try:
        result = ocr.read(_open(image), language)
    except ValueError as error:
        return str(error)
    except Exception as error:  # whatever one page does to the engine, the others are read
        return f"reader_failed: {type(error).__name__}: {error}"
    lines = [dataclasses.asdict(line) for line in result.lines]
    about = {"unread": result.unread, "sure": list(result.sure), "seconds": round(time.perf_counter() - started, 3)}
    about |= {"confidence": _rounded(result.confidence), "lowest": _rounded(result.lowest), "finish": "stop"}
    return PageRecord(result.text, lines, result.turn, **about)


def _open(image: bytes) -> Image.Image:
    """The page; raises ValueError (reason first) where it cannot be decoded or is too small to hold a line."""
    page = open_image(image)
    if problem := gates.size(page.width, page.height, gates.Limits(min_side_px=LEAST_SIDE_PX)):
        raise ValueError(": ".join(problem))
    return page


def _rounded(value: float | None) -> float | None:
    return round(value, 4) if value is not None and math.isfinite(value) else None


def _rapidocr(jobs: int, language: str) -> Callable:
    ocr.check_installed(language)

    def read(items: Iterable[Page | Rejection]) -> Iterator[tuple[Page | Rejection, PageRecord | str | None]]:
        with contextlib.closing(Pool(functools.partial(read_image, language=language), jobs)) as pool:
            for item, result in pool.map((item, getattr(item, "image", None)) for item in items):
                yield item, DIED if result is None and isinstance(item, Page) else result

    return read


def reading_by(model, processor, turned: Callable, together: int, **options) -> Callable:
    """A function that reads pages, `together` at once, with a model and the `options` of `model.read`.

    `turned` gives for an item the page as it is to be read and what RapidOCR saw on it, if it looked; in place of a
    page that cannot be read a reason, or None.
    """
    from . import model as models

    def read(items: Iterable[Page | Rejection]) -> Iterator[tuple[Page | Rejection, PageRecord | str | None]]:
        for batch in batches(items, together):
            upright = [turned(item) for item in batch]
            began, images = time.perf_counter(), [page for page, _ in upright if isinstance(page, Image.Image | Page)]
            readings = iter(models.read(model, processor, images, progress=False, **options))
            seconds = round((time.perf_counter() - began) / max(1, len(images)), 3)
            for item, (page, seen) in zip(batch, upright, strict=True):
                if isinstance(page, Image.Image | Page):
                    record = record_of(next(readings), seen.turn if seen else 0, seconds)
                    lines = [dataclasses.asdict(line) for line in seen.lines] if seen else []
                    yield item, dataclasses.replace(record, seen=lines)
                else:
                    yield item, page

    return read


def _upright(item: Page | Rejection) -> tuple[Image.Image | str | None, ocr.PageText | None]:
    """The page as it is to be read, with what RapidOCR saw on it; a reason where it cannot be."""
    if isinstance(item, Rejection):
        return None, None
    try:
        page = _open(item.image)
        seen = ocr.read(page)
        return (page.rotate(-seen.turn, expand=True) if seen.turn else page), seen
    except ValueError as error:
        return str(error), None


def record_of(reading, turn: int, seconds: float) -> PageRecord:
    """The record of a model's reading (`model.Reading`); a line's confidence is that of its least certain token."""
    lowest = math.exp(min(reading.token_logprobs)) if len(reading.token_logprobs) else None
    tokens = zip(reading.pieces, reading.token_logprobs, strict=False)
    sure = [probability for piece, logprob in tokens for probability in [math.exp(logprob)] * len(piece)]
    sure = sure if len(sure) == len(reading.text) else []
    lines, start = [], 0
    for line in reading.text.splitlines(keepends=True):
        if line.strip():
            least = _rounded(min(sure[start : start + len(line)], default=None))
            lines.append({"text": line.rstrip("\r\n"), "box": None, "confidence": least})
        start += len(line)
    confidence = _rounded(reading.confidence)
    return PageRecord(reading.text, lines, turn, confidence, _rounded(lowest), reading.finish, seconds, sure)


class Output:
    """A file of lines that a stopped reading goes on with, or the standard output."""

    def __init__(self, out: Path | None, model: str, digest: str = "") -> None:
        self.out, self.by, self.known = out, (model, digest), set()
        if out is not None and out.exists():
            self.known = self._take_up(out)

    def _take_up(self, out: Path, errors: bool = False) -> set[tuple[str, str | None]]:
        """What was read before: of each page by each reader the last line, so that no replaced scan or model stays.

        A line that was cut off by a kill is taken away, and so are errors unless `errors` is true. Raises ValueError
        where the file is no output of this command.
        """
        last: dict[tuple, tuple] = {}
        for line in out.read_bytes().splitlines(keepends=True):
            try:
                row = json.loads(line) if line.endswith(b"\n") else None
                if row is not None and (errors or "error" not in row):
                    key = (row["reader"], row["origin"], row.get("error"))  # an error replaces no text
                    last.pop(key, None)
                    last[key] = (line, row.get("hash"), row.get("sha256"))
            except (ValueError, KeyError, TypeError, RecursionError):
                raise ValueError(f"{out} is no output of read: give --out another name") from None
        with private(), atomic(out) as temporary:
            temporary.write_bytes(b"".join(line for line, *_ in last.values()))
        return {(key[1], sha256) for key, (_, digest, sha256) in last.items() if (key[0], digest) == self.by}

    def write(self, lines: Iterator[dict], total: int | None) -> int:
        """Write the lines as they come; returns the exit status."""
        read = refused = 0
        with contextlib.ExitStack() as stack:
            with private():
                target = stack.enter_context(self.out.open("ab")) if self.out else sys.stdout.buffer
            bar = stack.enter_context(
                tqdm(total=total, initial=len(self.known), unit="page", disable=not sys.stderr.isatty(), leave=False)
            )
            before = f", {len(self.known)} read before" if self.known else ""
            where = f": {self.out}" if self.out else ""
            stack.callback(lambda: print(f"{read} pages read{before}, {refused} refused{where}", file=sys.stderr))
            for line in lines:
                target.write(json.dumps(line, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n")
                target.flush()
                refused += "error" in line
                read += "error" not in line
                bar.update()
        if self.out is not None:
            self._take_up(self.out, errors=True)
        if not (read or self.known):
            return NONE_READ
        return SOME_REFUSED if refused else READ


def read(model: str, paths: Sequence[str | Path], out: Path | None, jobs: int) -> int:
    """Read all pages under `paths` and write their lines; returns the exit status.

    0 when all were read, 3 when some were refused, 1 when none was read; stopped by Ctrl-C it is 130. What is written
    stays, and the same command goes on after it.
    """
    warnings.simplefilter("ignore")  # a library's warning does not say of which file it speaks
    digest = identity(model)
    with contextlib.ExitStack() as stack:
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            busy = f"another read is writing {out}: wait for it, or give --out another name"
            stack.enter_context(locked(out.parent, busy, f".{out.name}.lock"))  # beside it: `out` is written anew
        output = Output(out, model, digest)
        lines = records(model, paths, jobs=jobs, known=output.known.__contains__, digest=digest)
        try:
            total = sum(sources.folder.count(path) for path in paths) if sys.stderr.isatty() else None
            return output.write(lines, total)
        except KeyboardInterrupt:
            again = "the same command goes on after what is written" if out else "give --out FILE to be able to go on"
            print(f"stopped: {again}", file=sys.stderr)
            return 130
