"""The house itself: which module may import which, what the light stages load, what is committed."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "medocr"
RECIPE = (
    *(
        "schema",
        "storage",
        "markdown",
        "workspace",
        "fields",
        "metrics",
        "review",
        "sources",
        "ocr",
        "preflight",
        "curate",
        "transcribe",
        "prepare",
    ),
    *("cpu", "model", "train", "evaluate", "merge", "report", "run", "read", "digitize"),
)
ORDER = [*RECIPE, "demo", "findings", "__main__"]


def imported(path: Path) -> set[str]:
    """The medocr modules that a file imports, anywhere in it."""
    inside = path.relative_to(PACKAGE).with_suffix("").parts[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = list(inside[: len(inside) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if node.level or module.split(".")[0] == "medocr":
                module = module.removeprefix("medocr").strip(".")
                names |= {module.split(".")[0]} if module else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("medocr.")}
    return names


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_those_above_it(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own == "__init__":
        return
    later = set(ORDER[ORDER.index(own) + 1 :])
    assert not imported(path) & later


def test_nothing_up_to_prepare_loads_torch():
    light = ", ".join(
        name
        for name in ORDER[: ORDER.index("prepare") + 1]
        if (PACKAGE / name).exists() or (PACKAGE / f"{name}.py").exists()
    )
    code = f"import sys; from medocr import {light}; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_functions_and_files_stay_short():
    long = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        if len(text.splitlines()) > 330:
            long.append(str(path))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > 50:
                long.append(f"{path}: {node.name}")
    assert not long


def test_only_small_files_and_no_secrets_are_committed():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        limit = 16e6 if name.startswith("medocr/demo/tiny/") else 2e6
        if path.suffix != ".ipynb" and path.exists():
            assert path.stat().st_size <= limit, name
        if path.suffix in (".py", ".toml", ".md", ".ipynb", ".json", ".yml") and path.exists():
            assert not re.search(r"\b(hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16})\b", path.read_text()), (
                name
            )


def test_every_fault_on_the_list_can_still_be_put_into_the_code():
    listed = tomllib.loads((ROOT / "tests/bench/mutations.toml").read_text())
    for name, part in listed.items():
        code = (ROOT / name).read_text()
        for old, new, *tests in part["changes"]:
            assert code.count(old) == 1, (
                f"{name} holds {old!r} {code.count(old)} times: bring mutations.toml up to date"
            )
            compile(code.replace(old, new), name, "exec")
            for file, test in re.findall(r"(tests/\w+\.py)::(\w+)", " ".join([part["tests"], *tests])):
                assert f"def {test}(" in (ROOT / file).read_text(), f"{file} has no {test}"


def test_every_attack_on_the_list_has_its_test():
    for topic in tomllib.loads((ROOT / "tests/bench/attacks.toml").read_text()).values():
        for _, place in topic.values():
            file, _, test = place.partition("::")
            assert f"def {test}(" in (ROOT / "tests" / file).read_text(), f"{file} has no {test}"


@pytest.mark.parametrize(
    "path", sorted([*ROOT.glob("tests/bench/*.py"), *ROOT.glob("tests/gpu/*.py")]), ids=lambda path: path.stem
)
def test_what_a_benchmark_imports_from_the_package_is_there(path):
    """Benchmarks run rarely, and many import inside functions: a renamed name would go unnoticed for weeks."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "medocr":
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.util.find_spec(f"{node.module}.{alias.name}"), (
                    alias.name
                )
