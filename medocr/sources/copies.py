"""Local copies of public data sets: fetching them, and reading their rows."""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet

from .folder import expanded

SECONDS_TO_ANSWER = 10
IMAGES = (".png", ".jpg", ".jpeg")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A public data set: which loader reads it, where it lives, and by what handle."""

    source: str
    host: str  # huggingface or kaggle
    handle: str


@dataclasses.dataclass(frozen=True)
class Copy:
    """One revision of a data set on this machine."""

    folder: Path
    origin: str  # handle@revision
    licence: str


def fetch(dataset: Dataset, path: str | Path | None, revision: str | None) -> Copy:
    """The copy at `path`, or one downloaded now (and kept in the host's own cache).

    Raises ValueError when there is nothing at `path`, or the data set cannot be reached.
    """
    if path is not None:
        folder = expanded(path)
        if not folder.exists():
            raise ValueError(f"{path} is not there: give the path of a copy of {dataset.handle}")
    elif dataset.host == "kaggle":
        folder = _from_kaggle(dataset, revision)
    else:
        folder = _from_hub(dataset, revision)
    # both caches name the folder by the revision: …/snapshots/<commit>, …/versions/<number>
    cached = folder.name if folder.parent.name in ("snapshots", "versions") else "local"
    return Copy(folder, f"{dataset.handle}@{revision or cached}", _licence(folder))


def latest(dataset: Dataset) -> str:
    """The commit that the hub's main branch points to now. Raises ValueError when it cannot be asked."""
    import httpx
    from huggingface_hub import HfApi

    with _reaching(dataset, httpx.HTTPError):
        return HfApi().dataset_info(dataset.handle, timeout=SECONDS_TO_ANSWER).sha


def _from_hub(dataset: Dataset, revision: str | None) -> Path:
    import httpx
    from huggingface_hub import snapshot_download

    chosen = {
        "revision": revision or latest(dataset),
        "allow_patterns": ["README.md", "*.parquet", "*.json", *(f"*{suffix}" for suffix in IMAGES)],
    }
    with _reaching(dataset, httpx.HTTPError):
        return Path(snapshot_download(dataset.handle, repo_type="dataset", etag_timeout=SECONDS_TO_ANSWER, **chosen))


def _from_kaggle(dataset: Dataset, revision: str | None) -> Path:
    try:
        import kagglehub
        from kagglehub import exceptions
    except ImportError:
        raise ValueError(
            f"source {dataset.source!r} is downloaded with kagglehub, which is not installed: "
            f"`pip install kagglehub`, or point `path` at a copy of kaggle.com/datasets/{dataset.handle}"
        ) from None
    handle = f"{dataset.handle}/versions/{revision}" if revision else dataset.handle
    refused = (exceptions.CredentialError, exceptions.UnauthenticatedError)
    with _reaching(dataset, *refused, exceptions.BackendError, exceptions.NotFoundError):
        return Path(kagglehub.dataset_download(handle))


@contextlib.contextmanager
def _reaching(dataset: Dataset, *errors: type[Exception]) -> Iterator[None]:
    """Turn these errors of a host's client, and those of the system, into one ValueError that says what to do."""
    try:
        yield
    except (OSError, *errors) as error:
        where = "kaggle.com/datasets" if dataset.host == "kaggle" else "huggingface.co/datasets"
        raise ValueError(
            f"source {dataset.source!r}: {where}/{dataset.handle} could not be reached ({type(error).__name__}: "
            f"{error}). Point `path` at a downloaded copy, or use the source 'folder' or 'synthetic'"
        ) from error


def _licence(folder: Path) -> str:
    """The licence on the data set's card, or `not stated`."""
    from huggingface_hub import DatasetCard

    card = folder / "README.md"
    if not card.is_file():
        return "not stated"
    licence = DatasetCard.load(card, ignore_metadata_errors=True).data.get("license")
    if isinstance(licence, list):
        licence = ", ".join(licence)
    return licence or "not stated"


def rows(folder: Path, columns: Sequence[str] | None = None) -> Iterator[tuple[str, dict]]:
    """(name, row) for each row of a copy's Parquet files, in order; only `columns` of them where given.

    A copy without Parquet files is read as images, each with the JSON file of its name as the column
    `annotation`. Raises ValueError when there are neither.
    """
    tables = [folder] if folder.is_file() else sorted(folder.rglob("*.parquet"))
    if tables:
        return _table_rows(tables, columns)
    images = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGES)
    if not images:
        raise ValueError(f"{folder} holds neither Parquet files nor images")
    return _file_rows(folder, images)


def _table_rows(tables: list[Path], columns: Sequence[str] | None) -> Iterator[tuple[str, dict]]:
    # shards are called train-00000-of-00002.parquet
    for split, shards in itertools.groupby(tables, key=lambda file: file.stem.split("-")[0]):
        number = itertools.count()
        for shard in shards:
            try:
                with pyarrow.parquet.ParquetFile(shard) as file:
                    for batch in file.iter_batches(batch_size=16, columns=columns):
                        yield from ((f"{split}/{next(number)}", row) for row in batch.to_pylist())
            except (pyarrow.ArrowException, OSError) as error:
                raise ValueError(f"{shard} is damaged ({error}): download it again") from None


def _file_rows(folder: Path, images: list[Path]) -> Iterator[tuple[str, dict]]:
    annotations = {_key(file, folder): file for file in folder.rglob("*.json")}
    for image in images:
        row = {"image": {"bytes": image.read_bytes()}}
        if annotation := annotations.get(_key(image, folder)):
            row["annotation"] = annotation.read_bytes()
        yield image.relative_to(folder).as_posix(), row


def _key(file: Path, folder: Path) -> tuple[str, str]:
    # train/images/0001.png belongs to train/annotations/0001.json, not to test/annotations/0001.json
    return file.relative_to(folder).parts[0].removesuffix(file.suffix), file.stem
