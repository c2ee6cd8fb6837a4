"""The claims of claims.toml: their verdicts, what decided them, and what they rest on."""

import collections
import dataclasses
import json
import tomllib
from pathlib import Path

import pandas as pd

from medocr.findings import benchmarks, evidence
from medocr.findings.evidence import Contrast, Side

NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
RANKS = (8, 16, 64)


@dataclasses.dataclass(frozen=True)
class Claim:
    """What is claimed, how the experiments ask, and what their answer does not reach."""

    says: str
    contrasts: tuple[Contrast, ...]
    open: str
    confounded: bool

    @classmethod
    def of(cls, table: dict) -> "Claim":
        """A claim from its table in claims.toml."""
        kinds: dict[str, dict] = {"decide": {}, "no_loss": {"no_loss": True}, "also": {"decides": False}}
        asked = [(row, options) for kind, options in kinds.items() for row in table.get(kind, ())]
        contrasts = tuple(Contrast(SIDES[a], SIDES[b], *on, **options) for (a, b, *on), options in asked)
        return cls(table["says"], contrasts, table["open"], table.get("confounded", False))


_TABLES = tomllib.loads(Path(__file__).with_name("claims.toml").read_text(encoding="utf-8"))
SIDES = {
    name: Side(variant, "base", "base") if name.startswith("base") else Side(variant, name)
    for name, variant in _TABLES["sides"].items()
}
CLAIMS = {key: Claim.of(table) for key, table in _TABLES["claims"].items()}
MEASURED = _TABLES["measured"]


def rank_costs(scores: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """For each rank that has run: rank, trainable, step_cpu_seconds (median of its runs), and of its medical CER the
    mean cer, its 95 % interval low and high, seeds, pages and groups.
    """
    rows = []
    for rank in RANKS:
        variant = SIDES[f"rank {rank}"].variant
        tuned = scores[(scores["variant"] == variant) & (scores["model"] == "tuned")]
        runs = facts[facts["variant"] == variant]
        if tuned.empty:
            continue
        medical = tuned[tuned["domain"] == "medical"].pivot(index=["id", "group"], columns="seed", values="cer")
        groups = medical.index.get_level_values("group")
        low, high = evidence.crossed_interval(medical.to_numpy(), groups)
        costs = {"trainable": int(runs["trainable"].iloc[0]), "step_cpu_seconds": runs["step_cpu_seconds"].median()}
        error = {"cer": float(medical.to_numpy().mean()), "low": low, "high": high, "seeds": medical.mean().tolist()}
        rows.append({"rank": rank, **costs, **error, "pages": len(medical), "groups": groups.nunique()})
    return pd.DataFrame(rows)


def judge(scores: pd.DataFrame, claim: Claim) -> tuple[str, list[str]]:
    """A claim's verdict, and in words the figures of the contrasts that have their runs: of those that decide, and of
    the same sides' CER on general pages, which a gain on medical ones may have cost.

    A contrast whose own verdict is another than the claim's has it behind its figures.
    """
    deciding = {contrast.sides for contrast in claim.contrasts if contrast.decides}
    on_general = [c for c in claim.contrasts if (c.metric, c.pages) == ("cer", "general") and c.sides in deciding]
    told = [contrast for contrast in claim.contrasts if contrast.decides or contrast in on_general]
    measurements = [evidence.measure(scores, contrast) for contrast in told]
    verdict = evidence.together(measurements)
    return verdict, [f"{m}" if m.word == verdict else f"{m} ({m.word.strip('()')})" for m in measurements if m.seeds]


def conclusion(scores: pd.DataFrame, facts: pd.DataFrame, claim: Claim) -> str:
    """A claim's verdict with its figures, on what it rests, and what stays open, in Markdown."""
    sides = [side for contrast in claim.contrasts for side in (contrast.left, contrast.right)]
    runs = facts[facts["variant"].isin([side.variant for side in sides])] if len(facts) else facts
    verdict, statements = judge(scores, claim)
    lines = [f"**{claim.says}** Verdict on the tiny model: **{verdict}**."]
    if listed := "; ".join(statements):
        lines.append(f"{listed[0].upper()}{listed[1:]}.")
    if len(runs):
        looks = runs["steps"] * runs["batch"]
        lines.append(
            f"It rests on {len(runs)} runs ({_seeds(runs)}) of {_span(runs['steps'], ',d')} optimizer steps, which "
            f"look at {_span(looks, ',d')} of {_span(runs['pages'], ',d')} training pages ({_epochs(runs)} epochs)."
        )
    return " ".join([*lines, f"Open for the full-size model: {claim.open[0].lower()}{claim.open[1:]}"])


def _seeds(facts: pd.DataFrame) -> str:
    """How many variants there are, and how many seeds they have."""
    of = collections.Counter(facts.groupby("variant")["seed"].nunique().tolist())
    seeds = {n: f"{NUMBERS.get(n, n)} seed{'s' * (n > 1)}" for n in sorted(of, reverse=True)}
    shares = [f"{shown} each" if len(of) == 1 else f"{of[n]} with {shown}" for n, shown in seeds.items()]
    alone = "; one seed alone decides nothing" if min(of) < evidence.FEWEST_SEEDS else ""
    return f"{of.total()} variant{'s' * (of.total() > 1)}, {', '.join(shares)}{alone}"


def _epochs(facts: pd.DataFrame) -> str:
    return _span(facts["steps"] * facts["batch"] / facts["pages"], ".1f")


def _span(values: pd.Series, form: str) -> str:
    ends = dict.fromkeys(format(value, form) for value in (values.min(), values.max()))
    return " to ".join(ends)


def measured(results: Path, key: str) -> str:
    """The verdict on a claim that a single measurement decides, and what stays open, in Markdown."""
    verdict, because = benchmarks.judged(results)[key]
    claim = MEASURED[key]
    because = f": {because}" if because else ""
    return f"**{claim['says']}** Verdict: **{verdict}**{because}. Open for the full-size model: {claim['open']}."


def verdicts(scores: pd.DataFrame, results: Path) -> pd.DataFrame:
    """Every claim with its verdict and what decided it (a line for each comparison)."""
    judged = [(claim.says, *judge(scores, claim)) for claim in CLAIMS.values()]
    rows = [(says, verdict, "\n".join(statements)) for says, verdict, statements in judged]
    rows += [(MEASURED[key]["says"], *judgement) for key, judgement in benchmarks.judged(results).items()]
    return pd.DataFrame(rows, columns=["claim", "verdict", "what decided it [95 % over pages and seeds]"])


def counts(scores: pd.DataFrame, results: Path) -> tuple[int, str]:
    """How many claims there are, and how many came out how."""
    by_verdict = verdicts(scores, results)["verdict"].value_counts()
    order = (evidence.HOLDS, evidence.FAILS, evidence.UNSURE, evidence.UNTESTED, evidence.MISSING)
    return by_verdict.sum(), ", ".join(f"{by_verdict[verdict]} {verdict}" for verdict in order if verdict in by_verdict)


def overview(scores: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """A row for each variant: runs, steps, pages to train on and held out, error of read labels, weights and time."""
    if facts.empty:
        return pd.DataFrame(columns=["variant", "runs"])
    by_variant, held_out = facts.groupby("variant", sort=False), scores.groupby("variant")["id"].nunique()
    table = by_variant.agg(runs=("seed", "size"), steps=("steps", "max"))
    table["training / held-out pages"] = by_variant["pages"].max().map("{:,} / ".format) + held_out.map("{:,}".format)
    table["label CER"] = by_variant["label_cer"].mean()
    table["set aside"] = by_variant["set_aside"].max()
    table["trained weights"] = by_variant["trainable"].max()
    table["CPU minutes each"] = by_variant["cpu_seconds"].median() / 60
    return table.reset_index()


def provenance(scores: pd.DataFrame, facts: pd.DataFrame) -> str:
    """The runs behind the findings, in one or two sentences."""
    if facts.empty:
        return "No run has been made yet: `python -m medocr run experiments` makes them."
    commits = ", ".join(
        f"`{name}`" for name in sorted({name for names in facts["commit"] for name in names.split(", ")})
    )
    precisions = facts["precision"].value_counts()
    of = facts.groupby("variant")["precision"].agg(set).to_dict()
    compared = [(of.get(c.left.variant), of.get(c.right.variant)) for claim in CLAIMS.values() for c in claim.contrasts]
    differ = any(left != right for left, right in compared if left and right)
    mixed = " Precisions differ, so that two sides of a claim may differ by them alone." if differ else ""
    held_out = scores.groupby("variant")[["id", "group"]].nunique()
    same = "the same " if scores["id"].nunique() == held_out["id"].min() else ""
    return (
        f"{len(facts)} runs: {_seeds(facts)}. Every run took {_span(facts['steps'], ',d')} optimizer steps "
        f"({_epochs(facts)} epochs) in {' or '.join(precisions.index)} and was scored on {same}"
        f"{_span(held_out['id'], ',d')} pages in {_span(held_out['group'], ',d')} groups; "
        f"{facts['cpu_seconds'].sum() / 3600:.1f} hours of one core altogether, made at {commits}.{mixed}"
    )


def demos(results: Path) -> str:
    """What the longer runs did to general pages: a sentence, empty where none has run."""
    sentences = []
    for path in sorted(Path(results).glob("demo*/metrics.json")):
        trained = json.loads((path.parent / "train.json").read_text())
        rows = json.loads(path.read_text())["comparisons"]
        row = next(row for row in rows if (row["slice"], row["metric"]) == ("general", "cer"))
        change = Contrast(SIDES["tuned"], SIDES["base"], "cer", "general")
        by, low, high = (change.number(row[key], "+") for key in ("difference", "low", "high"))
        sentences.append(
            f"{path.parent.name}'s {trained['steps']} steps in {trained['precision']} change the CER of general pages "
            f"by {by} [{low}, {high}] (n = {row['n']}, one seed)"
        )
    return f"Longer runs of the 60/40 mix: {'; '.join(sentences)}." if sentences else ""
