"""The texts about results that are made from their files: the README's findings, and the index `results/README.md`."""

import json
import tomllib
from pathlib import Path

from medocr import markdown
from medocr.findings import claims, evidence, records
from medocr.run import summary_cell

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
RUNS = ("demo", "demo-full")


def _load(path: Path) -> dict:
    return json.loads(path.read_text())


def stand_in() -> str:
    """What every number is of."""
    millions = _load(RESULTS / "pretrain/card.json")["parameters"] / 1e6
    return f"All scores are of a {millions:.0f}-million-weight stand-in on drawn pages; none is PaddleOCR-VL's."


def rate() -> str:
    """The demo's learning rate beside the published one."""
    published = tomllib.loads((ROOT / "notebooks/profiles/l4.toml").read_text())["train"]["learning_rate"]
    times = _load(RESULTS / "demo/train.json")["recipe"]["learning_rate"] / published
    return f"{times:.0f} times the published learning rate (why: [log](results/LOG.md))"


def findings_section() -> str:
    """The README's table of claims and verdicts, made from the experiments' results."""
    scores, facts = evidence.load(RESULTS / "experiments")
    table = claims.verdicts(scores, RESULTS)
    sentences = [
        claims.provenance(scores, facts, RESULTS).replace("`python -m medocr run experiments`", "`make experiments`")
    ]
    if len(facts):
        steps = _load(RESULTS / "demo/train.json")["steps"]
        sentences.append(
            f"The demo above took {steps} steps: compare the two sides of a line here, not this table with that."
        )
    return "\n".join(
        [
            " ".join(sentences),
            "",
            markdown.table(table, table.itertuples(index=False)),
            "",
            claims.demos(RESULTS),
        ]
    )


def faults_section() -> str:
    """What a kill costs: the README's sentence, from the benchmark."""
    record = _load(RESULTS / "bench/faults.json")
    killed = max(record["rows"], key=lambda row: row["kills"])
    return (
        "Every answer is stored as it comes, and what is stored is neither asked nor paid for again. A kill can cost "
        f"again only what was in flight: {record['pages']:,} pages at faulty servers, killed {killed['kills']} times "
        f"with up to {record['in_flight']} requests in flight, paid for {killed['paid_twice']} of "
        f"{killed['answers']:,} answers twice ([faults.json](results/bench/faults.json))."
    )


def index() -> str:
    """`results/README.md`: each executed notebook with its finding, where it comes from, and how long it took."""
    parts = [
        "# Results",
        "",
        "What runs left to be read: executed notebooks, their figures and records. All pages are drawn, none is a real "
        f"document. {stand_in()} [LOG.md](LOG.md) tells the experiments in the order of time.",
        "",
    ]
    for run in RUNS:
        parts += [*_run_table(RESULTS / run), ""]
    parts += _others()
    return "\n".join(parts).rstrip() + "\n"


def _run_table(folder: Path) -> list[str]:
    run = _load(folder / "run.json")
    seconds = {row["stage"]: row["seconds"] for row in run["stages"]}
    total = sum(seconds.values()) / 60
    head = (
        f"`{run['commit']}`, torch {run['versions']['torch']}, {run['cores']} CPU cores, {total:.1f} minutes; "
        f"[one page]({folder.name}/index.html)" + (f"; {run['accepted']}" if run.get("accepted") else "")
    )
    rows = [
        (f"[{name}]({folder.name}/{name}.ipynb)", finding, f"{seconds[name]:.0f}")
        for name, finding in summary_cell.findings(folder).items()
    ]
    table = markdown.table(("notebook", "what it found", "seconds"), rows, "llr")
    return [f"## {folder.name}", "", head, "", table]


def base_opening() -> tuple[str, ...]:
    """What the notebook on the embedded base opens with: what its card says it reads, and where that comes from."""
    card = _load(RESULTS / "pretrain/card.json")
    rates = {(row["by"], row["value"]): row for row in card["errors"]}

    def rates_of(fonts: str, kinds: dict[str, str]) -> str:
        return ", ".join(f"{shown} {rates[f'kind in {fonts} fonts', kind]['cer']:.1%}" for kind, shown in kinds.items())

    general = {"receipt": "receipts", "invoice": "invoices", "random text": "random text"}
    medical = {"prescription": "prescriptions", "form": "forms", "lab_report": "lab reports"}
    pages = rates["kind in seen fonts", "receipt"]["pages"]
    finding = (
        f"CER on {pages} held-out pages of each kind, in the fonts that runs print in: {rates_of('seen', general)}; "
        f"in fonts that no sitting had: {rates_of('unseen', general)}. Medical pages, which it never saw: "
        f"{rates_of('seen', medical)}."
    )
    return finding, f"{card['steps']:,} steps in {card['hours']} hours on {card['machine']}", "not PaddleOCR-VL"


def _others() -> list[str]:
    """The experiments, the base's pretraining and the benchmarks."""
    card = _load(RESULTS / "pretrain/card.json")
    scores, facts = evidence.load(RESULTS / "experiments")
    total, verdicts = claims.counts(scores, RESULTS)
    linked = "[08_findings](experiments/08_findings.ipynb)" if len(facts) else "08_findings"
    benches = sorted(path for folder in ("bench", "gpu") for path in (RESULTS / folder).glob("*.json"))
    return [
        "## experiments",
        "",
        f"{linked}. {total} claims: {verdicts}. {claims.provenance(scores, facts, RESULTS)}",
        "",
        "## pretrain",
        "",
        f"[00_pretrain_tiny](pretrain/00_pretrain_tiny.ipynb): the embedded base, {card['parameters']:,} parameters, "
        f"{card['steps']:,} steps in {card['hours']} hours.",
        "",
        "## Benchmarks",
        "",
        "Records of `make bench` and of single measurements, each with the versions it was made with:",
        "",
        *(records.line(path, RESULTS) for path in benches),
    ]
