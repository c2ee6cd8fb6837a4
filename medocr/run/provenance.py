"""What made a result: the code and the libraries that a stage uses, the commit, and when.

A stage's code is its notebook and all modules of medocr that it imports, directly or in turn, without comments and
docstrings: a reworded sentence makes no stage run again, a changed metric does. Of a package whose `__init__.py` only
hands on names, the modules of those names count that are used: a changed figure of 05 trains no model anew.
"""

import ast
import functools
import hashlib
import json
import platform
import re
import time
from collections.abc import Iterator
from pathlib import Path

from ..sources import SOURCES
from ..storage import commit, version
from .profile import PACKAGE

# Libraries whose version decides what a stage computes.
DECIDING = ("torch", "transformers", "trl", "peft", "rapidocr", "onnxruntime", "unsloth")
DOTTED = re.compile(r"medocr(\.\w+)+(:\w+)?")  # a module that is imported by its name, where it is registered


def notebook_code(path: Path) -> str:
    """A notebook's code as one program: without its parameters, which are known apart, and without magics."""
    cells = json.loads(path.read_text())["cells"]
    code = [c for c in cells if c["cell_type"] == "code" and "parameters" not in c["metadata"].get("tags", ())]
    lines = "\n".join("".join(cell["source"]) for cell in code).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("%", "!")))


@functools.cache
def code_hashes(source: str) -> tuple[dict[str, str], dict[str, str | None]]:
    """The modules of medocr that a program imports, directly or in turn, and the deciding libraries.

    Returns module → hash of its code and of the data beside it, and library → installed version.
    """
    modules, libraries, waiting = {}, set(), list(_imports(ast.parse(source), ""))
    while waiting:
        name = waiting.pop()
        if name.partition(".")[0] != "medocr":
            libraries.add(name.partition(".")[0])
            continue
        parts = name.split(".")
        for module in (".".join(parts[:length]) for length in range(1, len(parts) + 1)):
            if module not in modules and (file := _file(module)):
                modules[module], imported = _module(module, file)
                waiting += imported
    return dict(sorted(modules.items())), {name: version(name) for name in DECIDING if name in libraries}


@functools.cache
def code_hash(source: str) -> str:
    """A hash of what Python code does: the same for other comments, docstrings and line breaks, in all Pythons."""
    return _short(repr(_canonical(ast.parse(source))))


def _file(module: str) -> Path | None:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return next((p for p in (path / "__init__.py", path.with_suffix(".py")) if p.is_file()), None)


@functools.cache
def _module(name: str, file: Path) -> tuple[str, tuple[str, ...]]:
    """The hash of a module, of a package with its data files, and the names that it imports.

    A package that only hands on names is its data files: whoever imports from it names the modules behind it.
    """
    source = file.read_text(encoding="utf-8")
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    handed_on = bool(_exports(name))
    parts = [] if handed_on else [code_hash(source)]
    if file.name == "__init__.py":
        data = [p for p in (*file.parent.glob("*"), *(file.parent / "data").rglob("*")) if p.is_file()]
        parts += [_short(p.read_bytes()) for p in sorted(data) if p.suffix not in (".py", ".md")]
    return _short(" ".join(parts)), () if handed_on else tuple(_imports(ast.parse(source), package))


@functools.cache
def _exports(package: str) -> dict[str, str]:
    """Name → full name of what a package hands on whose `__init__.py` does nothing else; empty for other modules."""
    file = _file(package)
    if not file or file.name != "__init__.py":
        return {}
    body = [node for node in ast.parse(file.read_text(encoding="utf-8")).body if not _is_text(node)]
    imports = [node for node in body if isinstance(node, ast.ImportFrom)]
    others = [ast.unparse(node.targets[0]) for node in body if isinstance(node, ast.Assign)]
    if len(imports) + len(others) < len(body) or set(others) - {"__all__"}:
        return {}
    return {alias.asname or alias.name: full for node in imports for alias, full in _from(node, package)}


def _from(node: ast.ImportFrom, package: str) -> Iterator[tuple[ast.alias, str]]:
    """Each name that a `from a import b` brings, with its full name behind all packages that only hand it on."""
    base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    source = ".".join([*base, *([node.module] if node.module else [])])
    for alias in node.names:
        yield alias, _exports(source).get(alias.name, f"{source}.{alias.name}")


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """The full names that a program imports; of a package that hands names on, those that the program uses."""
    packages: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name for alias in node.names for name in (alias.name, *_exports(alias.name).values()))
        elif isinstance(node, ast.ImportFrom):
            for alias, full in _from(node, package):
                packages[alias.asname or alias.name] = full
                yield full
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            yield node.value.partition(":")[0]
    yield from _used(tree, {name: full for name, full in packages.items() if _exports(full)})


def _used(tree: ast.AST, packages: dict[str, str]) -> Iterator[str]:
    """The full names behind `package.name`; all that a package hands on where the program uses it in another way."""
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    taken = {id(node.value) for node in attributes}
    for node in attributes:
        if isinstance(node.value, ast.Name) and (full := packages.get(node.value.id)):
            yield _exports(full).get(node.attr, f"{full}.{node.attr}")
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in taken]
    for name in {node.id for node in names} & set(packages):
        yield from _exports(packages[name]).values()


def _canonical(node) -> object:
    """A syntax tree as nested lists, without what differs between Pythons, and without docstrings."""
    if isinstance(node, list):
        return [_canonical(item) for item in node if not _is_text(item)]
    if not isinstance(node, ast.AST):
        return node
    fields = [(name, value) for name, value in ast.iter_fields(node) if name not in ("ctx", "kind", "type_comment")]
    return [type(node).__name__, *((name, _canonical(value)) for name, value in fields if value not in (None, []))]


def _is_text(node) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _short(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:12]


def stamp() -> dict[str, str]:
    """Commit, time and Python of what is made now."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"commit": commit(), "at": at, "python": platform.python_version()}


def stage_code(notebook: Path, parameters: dict) -> tuple[dict[str, str], dict[str, str | None]]:
    """What a stage's result depends on beside its parameters and inputs: (notebook and modules → hash, libraries).

    The sources that the parameters name count as imported, however they are registered.
    """
    source = notebook_code(notebook)
    names = [options["source"] for options in parameters.get("pages_from", ()) if options.get("source") in SOURCES]
    loaders = "\n".join(f"import {SOURCES[name][0].__module__}" for name in names)
    modules, libraries = code_hashes(f"{source}\n{loaders}")
    return {"notebook": code_hash(source), **modules}, libraries


def one_hash(code: dict[str, str]) -> str:
    """One hash for all of a stage's code."""
    return _short(json.dumps(code, sort_keys=True))


def row(record: dict) -> dict:
    """What `run.json` says of a finished stage, made now or earlier, from its sealed record."""
    about = {**record["made"], **record.get("machine", {})}
    about |= {"precision": record["precision"]} if "precision" in record else {}
    return {**about, "code": one_hash(record["made_from"]["code"]), "seconds": record["seconds"]}


def commits(rows: list[dict]) -> str:
    """The commits that stages were made at; one, where all were made together."""
    return ", ".join(dict.fromkeys(row["commit"] for row in rows if "commit" in row))
