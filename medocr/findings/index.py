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
    """What faults, kills and attacks came to: the README's paragraphs, from the benchmarks."""
    told = {"attacks": _attacked, "kills": _killed}
    further = [tell() for name, tell in told.items() if (RESULTS / f"bench/{name}.json").exists()]
    return "\n\n".join([_faults(), *further])


def _faults() -> str:
    record = _load(RESULTS / "bench/faults.json")
    killed = max(record["rows"], key=lambda row: row["kills"])
    return (
        "Every answer is stored as it comes, and what is stored is neither asked nor paid for again. A kill can cost "
        f"again only what was in flight: {record['pages']:,} pages at faulty servers, killed {killed['kills']} times "
        f"with up to {record['in_flight']} requests in flight, paid for {killed['paid_twice']} of "
        f"{killed['answers']:,} answers twice ([faults.json](results/bench/faults.json))."
    )


def _attacked() -> str:
    record = _load(RESULTS / "bench/attacks.json")
    through = [row["tried"] for row in record["rows"] if row["survived"] is False]
    untried = [row["tried"] for row in record["rows"] if row["survived"] is None]
    return (
        f"Of {record['tried']} attacks ({', '.join(dict.fromkeys(row['topic'] for row in record['rows']))}) "
        f"{record['survived']} came to nothing{'; through got: ' + '; '.join(through) if through else ''}"
        f"{'; not tried there: ' + '; '.join(untried) if untried else ''} "
        "([attacks.json](results/bench/attacks.json))."
    )


def _killed() -> str:
    record = _load(RESULTS / "bench/kills.json")
    run = record["run"]
    same = all(run["same_bytes"].values()) and run["same_scores"]
    return (
        f"A run killed {len(run['kills'])} times at random {'ended' if same else 'did not end'} with the adapter, "
        f"merged model and scores of the run left alone, and left {len(run['left_behind']) or 'nothing'} behind"
        f"{_reading(record.get('read'))} ([kills.json](results/bench/kills.json))."
    )


def _reading(read: dict | None) -> str:
    """Of a reading that was killed, where one was."""
    if read is None:
        return ""
    lines = "the same" if read["same_lines"] else "other"
    return f"; a reading killed {len(read['kills'])} times ended with {lines} lines"


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
