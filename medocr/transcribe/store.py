"""Every answer that a provider gave, in SQLite, written as it comes: what is stored is never asked again."""

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ..storage import batches

PAGES_AT_ONCE = 500  # SQLite takes at least 999 parameters in a statement


@dataclasses.dataclass
class Answer:
    """What a provider read on one page, as it came.

    `finish` is `stop`, or what else ended the answer: `length`, `no_choice`, `refusal`, `content_filter`, or `error`
    with its cause in `detail`.
    """

    text: str
    confidence: float | None = None  # mean over the characters, 0 to 1
    lowest: float | None = None  # of the least certain piece of text
    seconds: float | None = None
    finish: str = "stop"
    detail: str = ""
    tries: int = 1
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    cost: float | None = None  # in the currency of the provider's prices


class Provider(Protocol):
    """Something that reads pages. Its name, model, prompt and parameters are the identity of its answers."""

    name: str
    model: str
    prompt: str  # the version of the prompt; empty where there is none
    parameters: dict  # whatever else changes the answers, as JSON values
    local: bool  # whether pages stay on this machine
    label_origin: str

    def answers(self, images: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Answer]]:
        """Read (id, encoded image) pairs as they are needed; yield (id, answer) as they come, in any order."""


COLUMNS = [field.name for field in dataclasses.fields(Answer)]
# One model at two providers is two readers: each serves its own way.
KEY = ("prompt", "provider", "model", "parameters")
NAMES = ("image", *KEY, *COLUMNS, "created")
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS answers ({", ".join(NAMES)}, PRIMARY KEY (image, {", ".join(KEY)})) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    token TEXT PRIMARY KEY, {", ".join(KEY)}, batch TEXT, images TEXT, finished INTEGER DEFAULT 0, file TEXT
) WITHOUT ROWID;
"""


class Store(contextlib.AbstractContextManager):
    """Answers by image (sha256), prompt, provider, model and parameters; the last as JSON.

    Other processes may read while this one writes. One thread at a time may use it, whichever that is.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=30, check_same_thread=False)
        except (OSError, sqlite3.OperationalError) as error:
            raise ValueError(f"{self.path} cannot be opened ({error}): name a file in a folder of yours") from error
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")  # survives a killed process; each commit costs no fsync
            self._db.executescript(SCHEMA)
            if tuple(row[1] for row in self._db.execute("PRAGMA table_info(answers)")) != NAMES:
                raise sqlite3.DatabaseError("another version of medocr made it")
            if "file" not in [row[1] for row in self._db.execute("PRAGMA table_info(batches)")]:  # 0.1 knew no files
                self._db.execute("ALTER TABLE batches ADD COLUMN file TEXT")
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ValueError(f"{self.path} is no store of answers ({error}): move it away, or name another") from error

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def __len__(self) -> int:
        return self._db.execute("SELECT count(*) FROM answers").fetchone()[0]

    def put(self, provider: Provider, image: str, answer: Answer) -> None:
        """Keep an answer, at once and for good; one that is there already is replaced."""
        values = [image, *key(provider), *dataclasses.astuple(answer), datetime.now(UTC).isoformat(timespec="seconds")]
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT OR REPLACE INTO answers VALUES ({marks})", values)

    def get(self, provider: Provider, image: str) -> Answer | None:
        """The stored answer for an image, if there is one."""
        return self.answers(provider, [image]).get(image)

    def answers(self, provider: Provider, images: Iterable[str]) -> dict[str, Answer]:
        """The stored answers for those of the images that have one."""
        return {image: Answer(*values) for image, *values in self._rows(provider, images, COLUMNS)}

    def missing(self, provider: Provider, images: Iterable[str]) -> list[str]:
        """Those of the images that have no answer yet, in their order."""
        images = list(dict.fromkeys(images))
        known = {image for (image,) in self._rows(provider, images, ())}
        return [image for image in images if image not in known]

    def _rows(self, provider: Provider, images: Iterable[str], columns: Sequence[str]) -> Iterator[tuple]:
        for part in batches(images, PAGES_AT_ONCE):
            yield from self._db.execute(
                f"SELECT {', '.join(('image', *columns))} FROM answers WHERE ({', '.join(KEY)}) = (?, ?, ?, ?) "
                f"AND image IN ({', '.join('?' * len(part))})",
                (*key(provider), *part),
            )

    def batches(self, provider: Provider) -> list[tuple[str, str | None, list[str], str | None]]:
        """The provider's unfinished batches: token, its own id (None while it may not know of it), images, file."""
        rows = self._db.execute(
            f"SELECT token, batch, images, file FROM batches WHERE NOT finished AND ({', '.join(KEY)}) = (?, ?, ?, ?)",
            key(provider),
        )
        return [(token, batch, json.loads(images), file) for token, batch, images, file in rows]

    def put_batch(
        self, provider: Provider, token: str, batch: str | None, images: list[str], finished=False, file=None
    ) -> None:
        """Note a batch before it is sent (its file without its id), when it is there, and when its answers are in."""
        values = (token, *key(provider), batch, json.dumps(images), finished, file)
        self._db.execute(f"INSERT OR REPLACE INTO batches VALUES ({', '.join('?' * len(values))})", values)


def key(provider: Provider) -> tuple[str, str, str, str]:
    """What an answer depends on beside the image, in the order of `KEY`."""
    parameters = json.dumps(provider.parameters, sort_keys=True, ensure_ascii=False)
    return provider.prompt, provider.name, provider.model, parameters
