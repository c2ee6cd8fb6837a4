"""What the README says of the results, made from their files.

python -m medocr.findings.readme    # README.md, medocr/README.md, results/README.md, and the base notebook's first cell
"""

import json
from pathlib import Path

from medocr import markdown
from medocr.findings import index, serving
from medocr.findings.index import RESULTS, ROOT
from medocr.metrics import LABELS
from medocr.metrics.headline import harm
from medocr.report.style import rounded
from medocr.run import summary_cell
from medocr.schema import DOC_TYPES

BASE = RESULTS / "pretrain/00_pretrain_tiny.ipynb"
DEMO, FULL = RESULTS / "demo", RESULTS / "demo-full"
ROWS = {"all": "all pages", "medical": "medical", "general": "general"} | {
    name: name.replace("_", " ") for name in DOC_TYPES if name != "unknown"
}
FIELDS = (
    *("field_recall", "header_recall", "test_value_f1", "test_row_f1", "range_f1", "drug_f1", "option_f1"),
    "term_recall",
)


def load(name: str, run: Path = DEMO) -> dict:
    """A record of a committed run."""
    return json.loads((run / name).read_text())


def _compared(run: Path = DEMO) -> dict[tuple[str, str], dict]:
    return {(row["slice"], row["metric"]): row for row in load("metrics.json", run)["comparisons"]}


def opening_section() -> str:
    """The first screen: one page read by both models, what improved, what got worse, and of what model that is."""
    cer = {name: _compared()[name, "cer"] for name in ("medical", "general")}
    figures = {name: f"{row['base']:.3f} to {row['tuned']:.3f}" for name, row in cer.items()}
    return "\n".join(
        [
            "[![A prescription, its text, and what the base and the fine-tuned model read]"
            "(results/demo/figures/example_best.png)](results/README.md)",
            "",
            "*The page that gained most: struck through is what is missing, underlined what is wrong or extra.*",
            "",
            f"- **Better:** the character error rate of medical pages went from {figures['medical']}, by "
            f"{_interval(cer['medical'])}; that of general pages from {figures['general']}, by "
            f"{_interval(cer['general'])}.",
            f"- **Worse:** {_harm()}.",
            f"- **Of what:** {index.stand_in()[0].lower()}{index.stand_in()[1:]} Full-size results need a GPU and "
            "are not in this repository yet.",
        ]
    )


def _harm() -> str:
    return "; ".join(harm(load("metrics.json"))) or "no kind of clinical error became clearly more frequent"


def results_section() -> str:
    """The README's results, made from the demo run's records."""
    compared = _compared()
    rates = [_row(shown, compared[name, "cer"]) for name, shown in ROWS.items() if (name, "cer") in compared]
    fields = [_row(LABELS[name], compared["medical", name]) for name in FIELDS]
    run, trained = load("run.json"), load("train.json")
    minutes = sum(row["seconds"] for row in run["stages"]) / 60
    return "\n".join(
        [
            f"{index.stand_in()} Character error rate (CER, mean per page; lower is better):",
            "",
            _table("pages", rates),
            "",
            "Fields extracted from medical pages (F1 or share found; higher is better):",
            "",
            _table("medical pages", fields),
            "",
            f"More frequent after fine-tuning: {_harm()}.",
            "",
            _merged(),
            "",
            f"{trained['steps']} optimizer steps in {trained['precision']} at {index.rate()}; all seven notebooks took "
            f"{minutes:.1f} minutes on {run['cores']} CPU cores. {_full()}",
            "",
            "![Character error rate of base and tuned by slice](results/demo/figures/cer_by_slice.png)",
        ]
    )


def _merged() -> str:
    """The merged model beside the adapter, and RapidOCR beside both."""
    scores = {
        row["model"]: row for row in load("merge.json")["scores"] if (row["slice"], row["metric"]) == ("all", "cer")
    }
    peers = {
        row["model"]: row for row in load("metrics.json")["scores"] if (row["slice"], row["metric"]) == ("peers", "cer")
    }
    pages = load("merge.json")["parity"]["figures"]["pages"]
    return (
        f"The merged float16 model passes the parity gate ({pages} pages) and has a CER of "
        f"{scores['merged']['value']:.3f} on the {scores['merged']['n']} test pages (adapter: "
        f"{scores['tuned']['value']:.3f}). On {peers['ocr']['n']} of these pages off-the-shelf RapidOCR has a CER of "
        f"{peers['ocr']['value']:.3f}, the tuned stand-in {peers['tuned']['value']:.3f}: the stand-in shows what the "
        "recipe does and is not meant for reading."
    )


def _full() -> str:
    """What all of the recipe's steps reach."""
    cer, trained = _compared(FULL), load("train.json", FULL)
    parts = [f"{cer[name, 'cer']['tuned']:.3f} on {name} pages" for name in ("medical", "general")]
    return (
        f"All {trained['steps']} steps of the recipe ([results/demo-full](results/demo-full/), in "
        f"{trained['precision']}) reach {' and '.join(parts)}."
    )


def _interval(row: dict) -> str:
    low, high = (rounded(row[key], sign="+") for key in ("low", "high"))
    return f"[{low}, {high}]"


def _row(name: str, row: dict) -> tuple[str, ...]:
    change = rounded(row["difference"], sign="+")
    return (name, f"{row['n']:,}", f"{row['base']:.3f}", f"{row['tuned']:.3f}", f"{change} {_interval(row)}")


def _table(what: str, rows: list[tuple]) -> str:
    return markdown.table((what, "n", "base", "tuned", "difference [95 %]"), rows, "lrrrr")


def hardware_section() -> str:
    """What each command needs and how long it took; of the L4 what arithmetic and another card's steps say."""
    l4 = load("l4.json", RESULTS / "gpu")
    computed, measured = l4["computed"], l4["measured"]["unsloth"]
    minutes = computed["minutes_at_share_of_peak"]
    rows = [
        ("`make run`", "the recipe with half of its steps, embedded model", *_took(DEMO)),
        ("`medocr run demo-full`", "all of its steps, embedded model", *_took(FULL)),
        (
            "`medocr run l4`",
            "PaddleOCR-VL",
            "one NVIDIA L4 (24 GB)",
            f"not measured; by arithmetic {computed['memory_gb_total']:.1f} GB and {minutes['40%']:.0f} to "
            f"{minutes['25%']:.0f} minutes of training at 40 to 25 % of the card's peak; carried over from steps with "
            f"random weights on an {measured['card']}: {measured['peak_memory_gb']:.1f} GB, "
            f"{measured['hours']:.1f} hours",
        ),
    ]
    return markdown.table(("command", "what", "machine", "time"), rows)


def _took(run: Path) -> tuple[str, str]:
    record = load("run.json", run)
    seconds = sum(row["seconds"] for row in record["stages"])
    return f"{record['cores']} CPU cores", f"{seconds / 60:.1f} minutes ({load('train.json', run)['precision']})"


SECTIONS = {
    "opening": opening_section,
    "results/demo": results_section,
    "hardware": hardware_section,
    "results/experiments": index.findings_section,
    "results/faults": index.faults_section,
    "results/serving": serving.section,
}


def page(name: str) -> Path:
    """The file that a section is written into."""
    return ROOT / ("medocr/README.md" if name == "cpu" else "README.md")


def marks(name: str) -> tuple[str, str]:
    """The comments in its page between which a section is written."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def write() -> None:
    """Write all sections, the index of results, and what the notebook on the base opens with."""
    for name, section in SECTIONS.items():
        text = page(name).read_text()
        begin, end = (text.index(mark) for mark in marks(name))
        page(name).write_text(f"{text[:begin]}{marks(name)[0]}\n{section().strip()}\n{text[end:]}")
    (RESULTS / "README.md").write_text(index.index())
    summary_cell.insert(BASE, *index.base_opening())


if __name__ == "__main__":
    write()
