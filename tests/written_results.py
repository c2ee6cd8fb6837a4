"""The texts about results that are made from their files: the README's findings, and the index `results/README.md`."""

import json
from pathlib import Path

from medocr.report import benchmarks, claims, findings
from medocr.run import opening

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
RUNS = ("demo", "demo-full")


def _load(path: Path) -> dict:
    return json.loads(path.read_text())


def findings_section() -> str:
    """The README's table of claims and verdicts, made from the experiments' results."""
    scores, facts = findings.load(RESULTS / "experiments")
    rows = [(claim.says, claims.decide(scores, claim), _decisive(scores, claim)) for claim in claims.CLAIMS.values()]
    rows += [(benchmarks.SAYS[key], *found) for key, found in benchmarks.judged(RESULTS).items()]
    return "\n".join(
        [
            "| claim | verdict | what decided it: difference [95 % over pages and seeds] |",
            "|---|---|---|",
            *(f"| {says} | {verdict} | {measured} |" for says, verdict, measured in rows),
            "",
            claims.provenance(scores, facts).replace("`python -m medocr run experiments`", "`make experiments`"),
        ]
    )


def _decisive(scores, claim: claims.Claim) -> str:
    """The contrasts that decide a claim, each in a few words."""
    table = findings.table(scores, [contrast for contrast in claim.contrasts if contrast.decides])
    return "; ".join(f"{row['measured']} {row['difference [95 %]']}" for row in table.to_dict("records"))


def index() -> str:
    """`results/README.md`: each executed notebook with its finding, where it comes from, and how long it took."""
    parts = [
        "# Results",
        "",
        "What runs left to be read: executed notebooks, their figures and records. All pages are drawn, none is a real "
        "document. [LOG.md](LOG.md) tells the experiments in the order of time.",
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
        f"[one page]({folder.name}/index.html)"
    )
    rows = [
        f"| [{name}]({folder.name}/{name}.ipynb) | {finding} | {seconds[name]:.0f} |"
        for name, finding in opening.findings(folder).items()
    ]
    return [f"## {folder.name}", "", head, "", "| notebook | what it found | seconds |", "|---|---|---:|", *rows]


def _others() -> list[str]:
    """The experiments, the base's pretraining and the benchmarks."""
    card = _load(RESULTS / "pretrain/card.json")
    scores, facts = findings.load(RESULTS / "experiments")
    verdicts = claims.verdicts(scores, RESULTS)["verdict"].value_counts()
    told = ", ".join(f"{n} {verdict}" for verdict, n in sorted(verdicts.items()))
    linked = "[07_findings](experiments/07_findings.ipynb)" if len(facts) else "07_findings"
    benches = sorted(path for folder in ("bench", "gpu") for path in (RESULTS / folder).glob("*.json"))
    return [
        "## experiments",
        "",
        f"{linked}: of {verdicts.sum()} claims {told}. {claims.provenance(scores, facts)}",
        "",
        "## pretrain",
        "",
        f"[00_pretrain_tiny](pretrain/00_pretrain_tiny.ipynb): the embedded base, {card['parameters']:,} parameters, "
        f"{card['steps']:,} steps in {card['hours']} hours.",
        "",
        "## Benchmarks",
        "",
        "Records of `make bench` and of single measurements, each with the versions it was made with: "
        + ", ".join(f"[{path.parent.name}/{path.name}]({path.relative_to(RESULTS)})" for path in benches)
        + ".",
    ]
