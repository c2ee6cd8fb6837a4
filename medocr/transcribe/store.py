"""Every answer that a provider gave, in SQLite, written as it comes: what is stored is never asked again."""

import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

PAGES_AT_ONCE = 500  # SQLite takes at least 999 parameters in a statement


@dataclasses.dataclass
class Answer:
    """What a provider read on one page. `finish` is `stop`, `length`, or `error` with its cause in `detail`."""

    text: str
    confidence: float | None = None  # mean over the characters, 0 to 1
    lowest: float | None = None  # of the least certain piece of text
    seconds: float | None = None
    finish: str = "stop"
    detail: str = ""
    tries: int = 1
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    cost: float | None = None


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
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS answers (
    image TEXT, prompt TEXT, model TEXT, parameters TEXT, {", ".join(COLUMNS)}, created TEXT,
    PRIMARY KEY (image, prompt, model, parameters)
) WITHOUT ROWID
"""


class Store:
    """Answers by image (sha256), prompt, model and parameters. Other processes may read while this one writes."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")  # survives a killed process; each commit costs no fsync
            self._db.execute(SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ValueError(f"{self.path} is no store of answers ({error}): move it away, or name another") from error

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def __len__(self) -> int:
        return self._db.execute("SELECT count(*) FROM answers").fetchone()[0]

    def put(self, provider: Provider, image: str, answer: Answer) -> None:
        """Keep an answer, at once and for good; one that is there already is replaced."""
        values = [image, *_key(provider), *dataclasses.astuple(answer), datetime.now(UTC).isoformat(timespec="seconds")]
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT OR REPLACE INTO answers VALUES ({marks})", values)

    def get(self, provider: Provider, image: str) -> Answer | None:
        """The stored answer for an image, if there is one."""
        found = self._db.execute(
            f"SELECT {', '.join(COLUMNS)} FROM answers WHERE image = ? AND (prompt, model, parameters) = (?, ?, ?)",
            (image, *_key(provider)),
        ).fetchone()
        return Answer(*found) if found else None

    def missing(self, provider: Provider, images: Iterable[str]) -> list[str]:
        """Those of the images that have no answer yet, in their order."""
        images = list(dict.fromkeys(images))
        known: set[str] = set()
        for start in range(0, len(images), PAGES_AT_ONCE):
            part = images[start : start + PAGES_AT_ONCE]
            rows = self._db.execute(
                f"SELECT image FROM answers WHERE (prompt, model, parameters) = (?, ?, ?) "
                f"AND image IN ({', '.join('?' * len(part))})",
                (*_key(provider), *part),
            )
            known.update(image for (image,) in rows)
        return [image for image in images if image not in known]


def _key(provider: Provider) -> tuple[str, str, str]:
    parameters = json.dumps(provider.parameters, sort_keys=True, ensure_ascii=False)
    return provider.prompt, f"{provider.name}/{provider.model}", parameters
