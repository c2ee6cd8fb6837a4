"""The claims that the experiments test, each with the contrasts that decide it and what they leave open."""

import collections
import dataclasses
import json
from pathlib import Path

import pandas as pd

from medocr.findings import benchmarks, evidence
from medocr.findings.evidence import Contrast, Side

BASE = Side("baseline", "base", model="base")
TUNED = Side("baseline", "tuned")
MIX = Side("baseline", "60/40")
ONLY_MEDICAL, MOSTLY_GENERAL = Side("mix-100-0", "100/0"), Side("mix-30-70", "30/70")
CONTINUOUS, LINES = Side("baseline", "continuous"), Side("format-lines", "lines")
BALANCED, QUANTITY = Side("baseline", "balanced"), Side("quantity", "twice as many")
OCR, TRUTH = Side("baseline", "OCR labels"), Side("labels-truth", "true labels")
AGREED = Side("labels-agreed", "agreed labels")
NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
RANK = {rank: Side("baseline" if rank == 64 else f"rank-{rank}", f"rank {rank}") for rank in (8, 16, 64)}
PICKED = {rank: Side(f"suited-{rank}", f"rank {rank}, picked setting") for rank in (8, 16, 64)}
EPOCHS = Side("quantity-epochs", "twice as many, twice the steps")
LONG_BASE = Side("long-60-40", "base", model="base")
LONG = {mix: Side(f"long-{mix.replace('/', '-')}", f"{mix}, demo's steps") for mix in ("100/0", "60/40", "30/70")}


@dataclasses.dataclass(frozen=True)
class Claim:
    """What is claimed, how the experiments ask, and what their answer does not reach."""

    says: str
    contrasts: tuple[Contrast, ...] = ()
    unknown: str = ""
    confounded: bool = False  # something else than what is claimed differs between the sides: not to be taken away


CLAIMS = {
    "tuning": Claim(
        "Fine-tuning improved test values, headers and reference ranges.",
        (
            Contrast(TUNED, BASE, "test_value_f1"),
            Contrast(TUNED, BASE, "header_recall"),
            Contrast(TUNED, BASE, "range_f1"),
            Contrast(TUNED, BASE, "cer", decides=False),
        ),
        "How well the full-size base reads such pages before tuning, and so how much there is to gain; and whether "
        "what is learnt from drawn pages carries over to scans.",
    ),
    "quantity": Claim(
        "Balanced data beat a larger, unbalanced and damaged set at equal steps.",
        (
            Contrast(BALANCED, QUANTITY, "cer", "medical"),
            Contrast(BALANCED, QUANTITY, "field_recall", "medical"),
            Contrast(BALANCED, QUANTITY, "cer", "general", decides=False),
            Contrast(MOSTLY_GENERAL, QUANTITY, "cer", "medical", decides=False),
        ),
        "Over several epochs a larger set may help more than in runs that do not see all of it, and this one was made "
        "worse on purpose. 30/70 has its share of medical pages without duplicates and label noise: any difference "
        "there is due to these.",
    ),
    "epochs": Claim(
        "Balanced data beat that larger set at equal epochs, too.",
        (
            Contrast(BALANCED, EPOCHS, "cer", "medical"),
            Contrast(BALANCED, EPOCHS, "field_recall", "medical"),
            Contrast(BALANCED, EPOCHS, "cer", "general", decides=False),
        ),
        "A larger set without copies and damaged labels is not tried, with as many steps or more.",
    ),
    "mix": Claim(
        "The 60/40 mix prevented forgetting.",
        (
            Contrast(MIX, ONLY_MEDICAL, "cer", "general"),
            Contrast(MIX, BASE, "cer", "general", no_loss=True),
            Contrast(ONLY_MEDICAL, BASE, "cer", "general", decides=False),
            Contrast(MIX, ONLY_MEDICAL, "cer", "medical", decides=False),
            Contrast(MOSTLY_GENERAL, MIX, "cer", "general", decides=False),
            Contrast(MOSTLY_GENERAL, MIX, "cer", "medical", decides=False),
        ),
        "Receipts and invoices stand for all that a general reader knows; tables, formulas and other languages, which "
        "the full-size model reads as well, may be forgotten unseen.",
    ),
    "forgetting": Claim(
        "The 60/40 mix prevented forgetting over the demo's steps.",
        (
            Contrast(LONG["60/40"], LONG["100/0"], "cer", "general"),
            Contrast(LONG["60/40"], LONG_BASE, "cer", "general", no_loss=True),
            Contrast(LONG["30/70"], LONG["60/40"], "cer", "general", decides=False),
            Contrast(LONG["60/40"], LONG["100/0"], "cer", "medical", decides=False),
        ),
        "Receipts and invoices stand for all that a general reader knows.",
    ),
    "format": Claim(
        "Continuous text beat line by line.",
        (
            Contrast(CONTINUOUS, LINES, "cer", "medical"),
            Contrast(CONTINUOUS, LINES, "field_recall", "medical"),
            Contrast(CONTINUOUS, LINES, "test_value_f1", "medical", decides=False),
            Contrast(CONTINUOUS, LINES, "drug_f1", "medical", decides=False),
            Contrast(CONTINUOUS, LINES, "cer", "general", decides=False),
        ),
        "Which format the full-size model learns more easily, and how well other parsers read fields from either.",
    ),
    "labels": Claim(
        "An OCR's labels train as well as the truth.",
        (
            Contrast(OCR, TRUTH, "cer", "unlabelled", no_loss=True),
            Contrast(OCR, TRUTH, "field_recall", "unlabelled", no_loss=True),
            Contrast(OCR, TRUTH, "field_recall", "form", decides=False),
            Contrast(OCR, TRUTH, "field_recall", "lab_report", decides=False),
            Contrast(AGREED, TRUTH, "cer", "unlabelled", decides=False),
            Contrast(AGREED, OCR, "cer", "unlabelled", decides=False),
        ),
        "Labels of real scans may be far worse than those of drawn pages, with effects not measured here.",
    ),
    "rank": Claim(
        "Rank 64 reads better than 16 and 8 at equal steps, with alpha like the rank and one learning rate.",
        (
            Contrast(RANK[64], RANK[16], "cer", "medical"),
            Contrast(RANK[64], RANK[8], "cer", "medical"),
            Contrast(RANK[64], RANK[16], "cer", "general", decides=False),
            Contrast(RANK[64], RANK[8], "cer", "general", decides=False),
        ),
        "The rate was chosen for rank 64, and alpha shrinks with the rank, so that the smaller ranks may lose by their "
        "setting alone. Rank 64 is large relative to the embedded model's layers and small relative to the full-size "
        "model's, where ranks may compare otherwise.",
        confounded=True,
    ),
    "suited": Claim(
        "Rank 64 reads better than 16 and 8, each at the best of two (rank 64) or four settings of alpha and learning "
        "rate by validation loss, one seed.",
        (
            Contrast(PICKED[64], PICKED[16], "cer", "medical"),
            Contrast(PICKED[64], PICKED[8], "cer", "medical"),
            Contrast(PICKED[64], PICKED[16], "cer", "general", decides=False),
            Contrast(PICKED[64], PICKED[8], "cer", "general", decides=False),
            Contrast(PICKED[64], RANK[64], "cer", "medical", decides=False),
            Contrast(PICKED[64], RANK[64], "cer", "general", decides=False),
        ),
        "All three settings that were picked have the higher of the two learning rates tried (rank.json among the "
        "benchmarks), so that better ones may lie beyond, and another seed may pick others; and ranks may compare "
        "otherwise at full size.",
    ),
}


def rank_costs(scores: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """For each rank that has run: rank, trainable, step_cpu_seconds (median of its runs), and of its medical CER the
    mean cer, its 95 % interval low and high, seeds, pages and groups.
    """
    rows = []
    for rank, side in RANK.items():
        tuned = scores[(scores["variant"] == side.variant) & (scores["model"] == "tuned")]
        runs = facts[facts["variant"] == side.variant]
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
    return " ".join([*lines, f"Open for the full-size model: {claim.unknown[0].lower()}{claim.unknown[1:]}"])


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


def verdicts(scores: pd.DataFrame, results: Path) -> pd.DataFrame:
    """Every claim with its verdict and what decided it (lines parted by <br>)."""
    judged = [(claim.says, *judge(scores, claim)) for claim in CLAIMS.values()]
    rows = [(says, verdict, "<br>".join(statements)) for says, verdict, statements in judged]
    rows += [(benchmarks.SAYS[key], *judgement) for key, judgement in benchmarks.judged(results).items()]
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
    mixed = " Precisions differ, so that two sides of a claim may differ by them alone." if len(precisions) > 1 else ""
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
        change = Contrast(TUNED, BASE, "cer", "general")
        by, low, high = (change.number(row[key], "+") for key in ("difference", "low", "high"))
        sentences.append(
            f"{path.parent.name}'s {trained['steps']} steps in {trained['precision']} change the CER of general pages "
            f"by {by} [{low}, {high}] (n = {row['n']}, one seed)"
        )
    return f"Longer runs of the 60/40 mix: {'; '.join(sentences)}." if sentences else ""
