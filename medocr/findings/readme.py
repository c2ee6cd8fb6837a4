"""What README.md and results/README.md say of the results: templates beside this file, filled from the results' files.

python -m medocr.findings.readme    # README.md, results/README.md, and the base notebook's first cell
"""

import functools
import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import jinja2
from scipy import stats

from medocr import markdown
from medocr.findings import claims, evidence
from medocr.metrics import KINDS, LABELS
from medocr.metrics.headline import shifted, surviving
from medocr.report.results import p_value
from medocr.report.style import rounded
from medocr.run import summary_cell
from medocr.schema import DOC_TYPES

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
BASE = RESULTS / "pretrain/00_pretrain_tiny.ipynb"
SECTIONS = (
    "opening",
    "results/numbers",
    "results/gate",
    "results/demo",
    "hardware",
    "results/experiments",
    "results/faults",
    "results/serving",
)
FIELDS = (
    *("field_recall", "header_recall", "test_value_f1", "test_row_f1", "range_f1", "drug_f1", "order_f1", "option_f1"),
    "term_recall",
)


def load(folder: Path) -> dict[str, dict]:
    """The records in a folder of results, by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def by(rows: Iterable[dict], *names: str) -> dict:
    """The rows by their values of these names: by one of them alone, or by a tuple."""
    return {tuple(row[name] for name in names) if len(names) > 1 else row[names[0]]: row for row in rows}


def proportion(wrong: float, number: float) -> str:
    """So many of so many with the exact 95 % interval (Clopper and Pearson) of their share, in percent."""
    low, high = (100 * end for end in stats.binomtest(round(wrong), round(number)).proportion_ci())
    return f"{wrong:.0f} of {number:,.0f} numbers ({100 * wrong / number:.1f} % [{low:.1f}, {high:.1f}])"


@functools.cache
def _environment() -> jinja2.Environment:
    """Everything that the templates can name."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "fmt": format,
        "signed": functools.partial(rounded, sign="+"),
        "minutes": lambda run: sum(row["seconds"] for row in run["stages"]) / 60,
    }
    scores, facts = evidence.load(RESULTS / "experiments")
    verdicts, (total, counted) = claims.verdicts(scores, RESULTS), claims.counts(scores, RESULTS)
    environment.globals |= {
        **{name: load(RESULTS / name) for name in ("demo", "pretrain", "bench", "gpu")},
        "balanced": load(RESULTS / "demo-balanced"),
        "published": tomllib.loads((ROOT / "notebooks/profiles/l4.toml").read_text()),
        **{"by": by, "shifted": shifted, "surviving": surviving, "p_value": p_value, "share": proportion},
        **{"fields": FIELDS, "labels": LABELS, "kinds": KINDS},
        "slices": ("all", "medical", "general", *(name for name in DOC_TYPES if name != "unknown"), "test"),
        "stage_findings": lambda run: summary_cell.findings(RESULTS / run),
        "same_run": lambda run: all(run["same_bytes"].values()) and run["same_scores"],
        **{"runs": len(facts), "total": total, "counted": counted, "demos": claims.demos(RESULTS)},
        "verdicts": markdown.table(verdicts, verdicts.replace("\n", "<br>", regex=True).itertuples(index=False)),
        "provenance": claims.provenance(scores, facts),
    }
    return environment


def render(template: str, macro: str, *arguments) -> str:
    """What a template's macro says; a line that is indented goes on from the one above."""
    text = getattr(_environment().get_template(template).module, macro)(*arguments)
    return re.sub(r"\n +(?=\S)", " ", text).strip()


def section(name: str) -> str:
    """A section of README.md."""
    return render("readme.md.jinja", name.replace("/", "_"))


def index() -> str:
    """`results/README.md`: each executed notebook with its finding, where it comes from, and how long it took."""
    return render("results.md.jinja", "index") + "\n"


def base_opening() -> list[str]:
    """What the notebook on the embedded base opens with: what its card says it reads, and where that comes from."""
    return render("results.md.jinja", "base_opening").split("\n\n")


def marks(name: str) -> tuple[str, str]:
    """The comments in README.md between which a section is written."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def write() -> None:
    """Write all sections, the index of results, and what the notebook on the base opens with."""
    text = (ROOT / "README.md").read_text()
    for name in SECTIONS:
        begin, end = (text.index(mark) for mark in marks(name))
        text = f"{text[:begin]}{marks(name)[0]}\n{section(name)}\n{text[end:]}"
    (ROOT / "README.md").write_text(text)
    (RESULTS / "README.md").write_text(index())
    summary_cell.insert(BASE, *base_opening())


if __name__ == "__main__":
    write()
