"""Where pages come from: one loader per source, each yielding `Page`s, and `Rejection`s for what cannot become one."""

import importlib
import inspect
import itertools
import json
import typing
from collections.abc import Iterator
from hashlib import sha256

from .. import DEMO_SOURCES
from ..schema import Page, Rejection, check_types
from . import folder, hub
from . import reviewed as reviews

__all__ = ["SOURCES", "fingerprint", "holds_phi", "load", "load_all"]


_OUTSIDE = {name: importlib.import_module(module, "medocr") for name, module in DEMO_SOURCES.items()}
# name → (loader, what its result depends on besides the options)
SOURCES = {
    **{name: (getattr(loaders, name), loaders.state) for name, loaders in _OUTSIDE.items()},
    "folder": (folder.folder, folder.state),
    **{dataset.source: (loader, hub.state(dataset)) for dataset, loader in hub.LOADERS},
    "reviewed": (reviews.reviewed, reviews.state),
}


def load(name: str, **options) -> Iterator[Page | Rejection]:
    """The pages of a source, one by one and always in the same order.

    Raises ValueError at once for an unknown source or option, a folder without documents, or a data
    set that cannot be reached.
    """
    _check(name, options)
    loader, _ = SOURCES[name]
    return loader(**options)


def load_all(tables: list[dict]) -> Iterator[Page | Rejection]:
    """The pages of several sources in turn; each table has `source`, a name, and that source's options.

    Raises ValueError at once, before the first page, if one of them is wrong.
    """
    for table in tables:
        if "source" not in table:
            raise ValueError(f"{table} names no source: add `source`, one of {', '.join(SOURCES)}")
    options = [{key: value for key, value in table.items() if key != "source"} for table in tables]
    loaded = [load(table["source"], **of) for table, of in zip(tables, options, strict=True)]
    return itertools.chain.from_iterable(loaded)


def fingerprint(name: str, **options) -> str:
    """A hash that changes when what `load` would yield changes. Raises what `load` raises at once."""
    _check(name, options)
    _, state = SOURCES[name]
    content = {"name": name, "options": options, "state": state(**options)}
    # where the files lie and how many processes draw does not change the pages
    content["options"] = {k: v for k, v in options.items() if k not in ("path", "workers")}
    return sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def holds_phi(source: str, **options) -> bool:
    """Whether a source's pages are taken to hold health information: as its options say, else as its loader does."""
    _check(source, options)
    parameter = inspect.signature(SOURCES[source][0]).parameters.get("contains_phi")
    return options.get("contains_phi", True if parameter is None else parameter.default)


def _check(name: str, options: dict) -> None:
    if name not in [*SOURCES]:  # a list, for what a profile holds may have no hash
        raise ValueError(f"source {name!r} is not one of {', '.join(SOURCES)}")
    parameters = inspect.signature(SOURCES[name][0]).parameters
    for option in options:
        if option not in parameters:
            raise ValueError(f"source {name!r} has no option {option!r}: it takes {', '.join(parameters)}")
    check_types(options, typing.get_type_hints(SOURCES[name][0]))
    for parameter in parameters.values():
        if parameter.default is parameter.empty and parameter.name not in options:
            raise ValueError(f"source {name!r} needs the option {parameter.name!r}")
