"""Profiles: TOML files that give the notebooks their parameters."""

import ast
import difflib
import errno
import json
import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import BASES, storage

NAME = re.compile(r"[A-Za-z0-9][\w.-]*")  # of a run: paths are made of it
PACKAGE = Path(__file__).resolve().parents[1]
NOTEBOOKS = (PACKAGE / "notebooks").resolve()  # in the repository a link to its top level, in a wheel package data
# Where data/ and results/ go unless told otherwise: the repository, or where an installed package is called.
ROOT = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else Path.cwd()
EXAMPLES = {"STAGE.PARAMETER": "train.max_steps", "PARAMETER": "max_steps"}  # of overrides
SPLITS = ("train.parquet", "validation.parquet", "test.parquet")
TUNED = ("test.parquet", "prepare.json", "train.json", "adapter")  # what an adapter is tried with


@dataclass(frozen=True)
class Stage:
    """One notebook: the files it reads and writes in `data/<run>/`, its record last among the outputs."""

    notebook: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    record: str
    scratch: tuple[str, ...] = ()  # kept between attempts, thrown away by --force

    @property
    def name(self) -> str:
        """The profile's table for this stage: `train` for 04_train."""
        return self.notebook[3:]

    @property
    def path(self) -> Path:
        return NOTEBOOKS / f"{self.notebook}.ipynb"

    @property
    def needs_base(self) -> bool:
        """Whether it loads the base, whose name prepare.json holds."""
        return "prepare.json" in (self.record, *self.reads)


# To add a stage, add its notebook and a line here: the runner takes order, inputs and parameters from them, and
# profiles get a table of its name. The notebook enters its folder by `workspace.enter`, with the same record and
# reads, and writes the record last, by `storage.write_record`; in `summary_cell` it may have a sentence for what it
# found.
STAGES: tuple[Stage, ...] = (
    Stage("01_curate", (), ("pages.parquet",), "curate.json"),
    Stage("02_transcribe", ("pages.parquet",), ("labelled.parquet",), "transcribe.json"),
    Stage("03_prepare", ("labelled.parquet",), (*SPLITS, "README.md"), "prepare.json"),
    Stage("04_train", (*SPLITS[:2], "prepare.json"), ("adapter",), "train.json", ("checkpoints",)),
    Stage("05_evaluate", TUNED, ("predictions.parquet",), "metrics.json"),
    Stage("06_merge", (*TUNED, "predictions.parquet", "metrics.json"), ("merged",), "merge.json"),
    Stage("07_digitize", ("prepare.json", "merged"), ("digitized", "rule.json"), "digitize.json"),
)


@dataclass
class Run:
    """A profile resolved against the notebooks: what each stage runs with, and where.

    Raises ValueError for a name that paths cannot be made of.
    """

    name: str  # of a run in a table of runs: table/variant-seed
    parameters: dict[str, dict]  # stage name → parameter → value, defaults included
    publish: bool
    out: Path
    profile: Path
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in self.name.split("/"):
            check_name(part)

    @property
    def data(self) -> Path:
        return self.out / "data" / self.name

    @property
    def results(self) -> Path:
        return self.out / "results" / self.name

    @property
    def synthetic(self) -> bool:
        """Whether drawn pages are the only source: what the run was asked for decides, not what came of it."""
        return {options.get("source") for options in self.parameters["curate"].get("pages_from", ())} == {"synthetic"}

    def claim(self) -> None:
        """Remember in the run's folder (its table's) whose it is.

        Raises ValueError where it is another profile's, and NotADirectoryError where a file lies in a folder's place.
        """
        for path in (self.data, self.results, *self.data.parents, *self.results.parents):
            if path.exists() and not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(path))
        folder = self.out / "data" / self.name.partition("/")[0]
        known = folder / "profile.json"
        inside = self.profile.is_relative_to(NOTEBOOKS / "profiles")
        profile = self.profile.stem if inside else os.path.relpath(self.profile, folder)
        if known.is_file() and (other := storage.read_json(known).get("profile")) != profile:
            raise ValueError(
                f"{folder} was made by another profile, {other}, and would be overwritten: give this run another name "
                f"with --name, or delete {known} if it is the same profile that has moved"
            )
        storage.write_json(known, {"profile": profile})


def load_profile(profile: str, overrides: Sequence[str] = (), out: Path = ROOT, name: str | None = None) -> Run:
    """Resolve a profile (a name under notebooks/profiles or a path to a TOML) and `stage.parameter=value` overrides.

    The run is called like the profile, unless `name` is given.

    Raises ValueError for an unknown profile, table or parameter, naming what there is.
    """
    path = find(profile)
    content = read(path)
    if "runs" in content:
        raise ValueError(f"{path}: this is a table of runs, not a profile of one")
    return resolve(content, check_name(path.stem if name is None else name), path, overrides, out)


def check_name(name: str) -> str:
    """The name of a run, or of a table of runs, as it is. Raises ValueError where a path cannot be made of it."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot name a run: a name begins with a letter or digit and goes on with letters, digits, '.', "
            "'-' and '_'; rename the profile, or give a name with --name"
        )
    return name


def find(profile: str) -> Path:
    """The TOML file that is meant by a name under notebooks/profiles or by a path."""
    path = Path(profile)
    if path.suffix != ".toml":
        path = NOTEBOOKS / "profiles" / f"{profile}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in (NOTEBOOKS / "profiles").glob("*.toml")))
        raise ValueError(f"no profile {profile!r}: give one of {known}, or the path of a TOML file")
    return path


def read(path: Path) -> dict:
    """What a profile's file holds. Raises ValueError where it is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from None


def is_table(profile: str) -> bool:
    """Whether a profile holds a table of runs (see `findings.experiments`). Raises ValueError where there is none."""
    return "runs" in read(find(profile))


def resolve(content: dict, name: str, path: Path, overrides: Sequence[str], out: Path) -> Run:
    """A run named `name` from the tables of a profile, which lies at `path`; raises what `load_profile` does."""
    publish = content.pop("publish", False)
    if not isinstance(publish, bool):
        raise ValueError(f"{path}: publish = {publish!r} should be true or false")
    tables: dict[str, dict] = {stage.name: {} for stage in STAGES}
    for name_of_table, values in content.items():
        if isinstance(values, dict):
            check_known(name_of_table, (*tables, "publish"), f"{path}: table or setting")
        else:
            check_known(name_of_table, ("publish",), f"{path}: setting")
        tables[name_of_table] |= values
    for override in overrides:
        full_name, value = parse_override(override)
        stage_name, _, parameter = full_name.partition(".")
        check_known(stage_name, tables, "table")
        tables[stage_name][parameter] = value
    parameters = {stage.name: _resolve(stage, tables[stage.name], path) for stage in STAGES}
    _check_providers(parameters)
    _resolve_paths(parameters, path.resolve().parent)
    return Run(name, parameters, publish, Path(out).resolve(), path.resolve(), tuple(overrides))


def parse_override(override: str, form: str = "STAGE.PARAMETER") -> tuple[str, object]:
    """The name and the value of `NAME=VALUE`: a value is TOML, or a bare word, which is a string."""
    name, equals, text = override.partition("=")
    if not equals or name.count(".") != form.count("."):
        raise ValueError(f"{override}: write {form}=VALUE, for example {EXAMPLES[form]}=20")
    try:
        return name, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return name, text


def check_known(name: str, known: Iterable[str], what: str) -> None:
    """Raise ValueError, with what may be meant, for a name that is not among those known."""
    if name not in (known := list(known)):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
        raise ValueError(f"{what} {name!r} is unknown: {hint}")


def _resolve(stage: Stage, given: dict, path: Path) -> dict:
    """The stage's parameters: the notebook's defaults under the given values, types checked."""
    values = default_parameters(stage.path)
    for name, value in given.items():
        check_known(name, [n for n in values if n != "data"], f"{path.name}: [{stage.name}] parameter")
        default = values[name]
        fits = isinstance(value, type(default)) or (isinstance(default, float) and isinstance(value, int))
        if default is not None and (not fits or isinstance(value, bool) != isinstance(default, bool)):
            raise ValueError(
                f"{path.name}: {stage.name}.{name} = {value!r} should be {type(default).__name__}, like {default!r}"
            )
        values[name] = value
    return values


def _resolve_paths(parameters: dict[str, dict], folder: Path) -> None:
    """Paths in a profile are meant from the profile's own folder; a model's also from where the command runs."""
    for options in parameters["curate"].get("pages_from", ()):
        named = isinstance(options, dict) and isinstance(options.get("source"), str)
        if not named or not isinstance(options.get("path", ""), str):
            raise ValueError(f"pages_from holds {options!r}: as in {{ source = 'folder', path = 'scans' }}")
        if "path" in options:
            options["path"] = str((folder / _from_home(options["path"])).resolve())
    base = _from_home(parameters["prepare"]["base"])
    local = next((p for p in (folder / base, Path(base)) if p.is_dir()), None)
    if base not in BASES and local:
        parameters["prepare"]["base"] = str(local.resolve())
    engine, _, file = parameters["transcribe"].get("annotator", "").partition(":")
    if file.endswith(".onnx"):
        file = _from_home(file)
        local = next((p for p in (folder / file, Path(file)) if p.is_file()), folder / file)
        parameters["transcribe"]["annotator"] = f"{engine}:{local.resolve()}"


def _from_home(path: str) -> str:
    """The path with `~` as its user's home; as it is where there is no such user."""
    return os.path.expanduser(path)  # noqa: PTH111


def _check_providers(parameters: dict[str, dict]) -> None:
    """Raise ValueError for a provider's or server's wrong settings, before anything of a key among them is written."""
    providers, merge = parameters["transcribe"].get("providers", ()), parameters["merge"]
    server, variable = merge.get("server", ""), merge.get("server_key_variable", "")
    if not providers and not server and not variable:
        return
    from ..transcribe.providers import OpenAIProvider, named  # with much that most runs do without

    if not all(isinstance(table, dict) for table in providers):
        raise ValueError("transcribe.providers: each is a table, as in { name = 'one', base_url = 'https://…', … }")
    named(providers)
    if server or variable:
        OpenAIProvider("merge.server", server or "https://localhost", merge["served_as"] or "listed", variable)


def default_parameters(notebook: Path) -> dict:
    """The literals of a notebook's parameters cell."""
    cells = json.loads(notebook.read_text())["cells"]
    cell = next(c for c in cells if "parameters" in c["metadata"].get("tags", []))
    assignments = ast.parse("".join(cell["source"])).body
    return {ast.unparse(a.targets[0]): ast.literal_eval(a.value) for a in assignments if isinstance(a, ast.Assign)}
