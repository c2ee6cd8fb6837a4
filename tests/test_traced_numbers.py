"""Numbers in prose stand in a file: of the log in the results it links to, elsewhere in the code that decides them."""

import json
import re
import subprocess
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(r"(?<![\w.,/@-])\d[\d,]*(?:\.\d+)?(?:e-\d+)?(?![\w/]|\.\d)(?:\s?%)?")
NAMES = re.compile(r"`[^`]*`|\]\([^)]*\)|https?://\S+|\d{4}-\d\d-\d\d|```.*?```|<!--.*?-->", re.DOTALL)
PARAGRAPHS = [p for p in (ROOT / "results/LOG.md").read_text().split("\n\n") if re.match(r"\*\*\d{4}-", p)]


def numbers(prose: str) -> list[str]:
    """The numbers of a text, but for those in code, links and dates."""
    return NUMBER.findall(NAMES.sub(" ", prose))


def stands_in(shown: str, values: set[float]) -> bool:
    """Whether a number, rounded as shown (a percentage also as a share), is among the values."""
    plain = shown.rstrip("% ").replace(",", "")
    scale = 0.01 if "%" in shown else 1.0
    decimals = len(plain.partition(".")[2]) if "e" not in plain else 12
    reach = (0.5 + 1e-6) * 10**-decimals
    return any(abs(value / scale - float(plain)) <= reach for value in values)


def values_of(content, prose: str = "") -> set[float]:
    """All numbers in what a JSON file holds, but for rows about a metric that the prose does not name."""
    if isinstance(content, dict):
        if content.get("metric", "").lower() not in prose.lower():
            return set()
        content = list(content.values())
    if isinstance(content, list):
        return set().union(*(values_of(one, prose) for one in content))
    return {float(content)} if isinstance(content, int | float) and not isinstance(content, bool) else set()


@pytest.mark.parametrize("paragraph", PARAGRAPHS, ids=lambda text: text[2:60].split(".")[0])
def test_the_log_says_what_the_results_said_then(paragraph):
    commit = re.search(r"`([0-9a-f]{7})`", paragraph)
    values = set()
    for link in re.findall(r"\]\(([^)]+\.json)\)", paragraph):
        if commit is None:  # a paragraph that names no commit speaks of the file as it is
            values |= values_of(json.loads((ROOT / "results" / link).read_text()), paragraph)
            continue
        shown = subprocess.run(["git", "show", f"{commit[1]}:results/{link}"], cwd=ROOT, capture_output=True, text=True)
        if shown.returncode:
            pytest.skip("this checkout lacks the commit")
        values |= values_of(json.loads(shown.stdout), paragraph)
    assert not [shown for shown in numbers(paragraph) if not stands_in(shown, values)]


def test_a_number_that_stands_nowhere_is_found_out():
    rows = [{"metric": "cer", "value": 0.0893}, {"metric": "wer", "value": 0.21}, {"metric": "cer", "value": 1246}]
    values = values_of(rows, "a CER of 8.9 %")
    assert [one for one in numbers("at `7` 0.089 8.9 % 1,246 0.088 0.21 9 % 9.0 %") if not stands_in(one, values)] == [
        *("0.088", "0.21", "9.0 %")
    ]


@pytest.fixture(scope="module")
def decided() -> set[float]:
    """Numbers in the package, the notebooks' code, the profiles and the project's settings."""
    files = [*(ROOT / "medocr").rglob("*.py"), *(ROOT / "notebooks/profiles").glob("*.toml"), ROOT / "pyproject.toml"]
    text = "\n".join(path.read_text() for path in files)
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        text += "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
    return {float(one.replace("_", "").replace(",", "")) for one in re.findall(r"\d[\d_,]*(?:\.\d+)?(?:e-\d+)?", text)}


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_numbers_in_a_notebooks_prose_are_decided_by_code(path, decided):
    prose = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")
    assert not [shown for shown in numbers(prose) if not stands_in(shown, decided)]


def test_numbers_in_the_readmes_prose_are_decided_by_code(decided):
    text = re.sub(r"<!-- ([\w/]+): begin -->.*?<!-- \1: end -->", "", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert not [shown for shown in numbers(text) if not stands_in(shown, decided)]
