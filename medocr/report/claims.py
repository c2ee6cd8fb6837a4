"""The claims that the experiments test, each with the contrasts that decide it and what they leave open."""

import dataclasses
from pathlib import Path

import pandas as pd

from medocr.report import benchmarks, findings
from medocr.report.findings import Contrast, Side

BASE = Side("baseline", "base", model="base")
TUNED = Side("baseline", "tuned")
MIX = Side("baseline", "60/40")
ONLY_MEDICAL, MOSTLY_GENERAL = Side("mix-100-0", "100/0"), Side("mix-30-70", "30/70")
CONTINUOUS, LINES = Side("baseline", "continuous"), Side("format-lines", "lines")
BALANCED, QUANTITY = Side("baseline", "balanced"), Side("quantity", "twice as many")
OCR, TRUTH, AGREED = Side("baseline", "RapidOCR"), Side("labels-truth", "truth"), Side("labels-agreed", "agreed")
RANK = {rank: Side("baseline" if rank == 64 else f"rank-{rank}", f"rank {rank}") for rank in (8, 16, 64)}


@dataclasses.dataclass(frozen=True)
class Claim:
    """What is claimed, how the experiments ask, and what their answer does not reach."""

    says: str
    contrasts: tuple[Contrast, ...] = ()
    unknown: str = ""


CLAIMS = {
    "tuning": Claim(
        "Fine-tuning improved test values, headers and reference ranges.",
        (
            Contrast(TUNED, BASE, "test_value_f1"),
            Contrast(TUNED, BASE, "header_recall"),
            Contrast(TUNED, BASE, "range_f1"),
            Contrast(TUNED, BASE, "cer", decides=False),
        ),
        "How well the full-size base reads such pages to begin with, and so how much is left to gain; and whether what "
        "is learnt from drawn pages carries over to scans.",
    ),
    "quantity": Claim(
        "Balanced data beat a larger, unbalanced set.",
        (
            Contrast(BALANCED, QUANTITY, "cer", "medical"),
            Contrast(BALANCED, QUANTITY, "field_recall", "medical"),
            Contrast(BALANCED, QUANTITY, "cer", "general", decides=False),
            Contrast(MOSTLY_GENERAL, QUANTITY, "cer", "medical", decides=False),
        ),
        "At equal steps more pages mean fewer looks at each, and over several epochs they may do more. 30/70 has the "
        "larger set's share of medical pages without its copies and wrong letters: it tells the two apart.",
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
    "format": Claim(
        "Continuous text beat line by line.",
        (
            Contrast(CONTINUOUS, LINES, "cer", "medical"),
            Contrast(CONTINUOUS, LINES, "field_recall", "medical"),
            Contrast(CONTINUOUS, LINES, "test_value_f1", "medical", decides=False),
            Contrast(CONTINUOUS, LINES, "drug_f1", "medical", decides=False),
            Contrast(CONTINUOUS, LINES, "cer", "general", decides=False),
        ),
        "Which format the full-size model learns more easily, and what a reader other than medocr's makes of either.",
    ),
    "labels": Claim(
        "An OCR's labels train as well as the truth.",
        (
            Contrast(OCR, TRUTH, "cer", "unlabelled", no_loss=True),
            Contrast(OCR, TRUTH, "field_recall", "unlabelled", no_loss=True),
            Contrast(AGREED, TRUTH, "cer", "unlabelled", no_loss=True, decides=False),
            Contrast(AGREED, OCR, "cer", "unlabelled", decides=False),
        ),
        "Labels of real scans may be far worse than those of drawn pages; what those do to a model is open.",
    ),
    "rank": Claim(
        "Rank 64 is worth its weights.",
        (
            Contrast(RANK[64], RANK[16], "cer", "medical"),
            Contrast(RANK[64], RANK[8], "cer", "medical"),
            Contrast(RANK[64], RANK[16], "cer", "general", decides=False),
            Contrast(RANK[64], RANK[8], "cer", "general", decides=False),
        ),
        "A rank of 64 is wide beside the embedded model's layers and narrow beside the full-size model's: how ranks "
        "compare there is open.",
    ),
}


def decide(scores: pd.DataFrame, claim: Claim) -> str:
    """The verdict on a claim that contrasts decide."""
    found = [findings.measure(scores, contrast) for contrast in claim.contrasts if contrast.decides]
    return findings.together([one and one["verdict"] for one in found])


def rank_costs(scores: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """For each rank that has run: rank, trainable, seconds_per_step (median of its runs), cer (medical), seeds."""
    rows = []
    for rank, side in RANK.items():
        own = scores[(scores["variant"] == side.variant) & (scores["model"] == "tuned")]
        runs = facts[facts["variant"] == side.variant]
        if own.empty:
            continue
        by_seed = own[own["domain"] == "medical"].groupby("seed")["cer"].mean()
        costs = {"trainable": int(runs["trainable"].iloc[0]), "seconds_per_step": runs["seconds_per_step"].median()}
        rows.append({"rank": rank, **costs, "cer": by_seed.mean(), "seeds": by_seed.tolist()})
    return pd.DataFrame(rows)


def conclusion(scores: pd.DataFrame, facts: pd.DataFrame, claim: Claim) -> str:
    """A claim's verdict, on what it rests, and what stays open, in Markdown."""
    sides = [side for contrast in claim.contrasts for side in (contrast.left, contrast.right)]
    runs = facts[facts["variant"].isin([side.variant for side in sides])] if len(facts) else facts
    lines = [f"**{claim.says}** Verdict: **{decide(scores, claim)}**."]
    if len(runs):
        looks = runs["steps"] * runs["batch"] / runs["pages"]
        lines.append(
            f"It rests on {len(runs)} runs ({runs['seed'].nunique()} seeds, "
            f"{_span(runs['steps'], ',.0f')} optimizer steps, {_span(looks, '.1f')} epochs)."
        )
    return " ".join([*lines, f"Open for the full-size model: {claim.unknown[0].lower()}{claim.unknown[1:]}"])


def _span(values: pd.Series, form: str) -> str:
    ends = dict.fromkeys(format(value, form) for value in (values.min(), values.max()))
    return " to ".join(ends)


def verdicts(scores: pd.DataFrame, results: Path) -> pd.DataFrame:
    """Every claim with its verdict."""
    rows = [{"claim": claim.says, "verdict": decide(scores, claim)} for claim in CLAIMS.values()]
    judged = benchmarks.judged(results)
    rows += [{"claim": benchmarks.SAYS[key], "verdict": verdict} for key, (verdict, _) in judged.items()]
    return pd.DataFrame(rows)


def overview(facts: pd.DataFrame) -> pd.DataFrame:
    """A row for each variant: its runs, steps, training pages, error of labels that were read, weights and time."""
    if facts.empty:
        return pd.DataFrame(columns=["variant", "runs"])
    by_variant = facts.groupby("variant", sort=False)
    table = by_variant.agg(runs=("seed", "size"), steps=("steps", "max"), training_pages=("pages", "max"))
    table["label CER"] = by_variant["label_cer"].mean()
    table["set aside"] = by_variant["set_aside"].max()
    table["trained weights"] = by_variant["trainable"].max()
    table["minutes each"] = (by_variant["seconds"].median() / 60).round(1)
    return table.rename(columns={"training_pages": "training pages"}).reset_index()


def provenance(scores: pd.DataFrame, facts: pd.DataFrame) -> str:
    """One sentence on the runs behind the findings."""
    if facts.empty:
        return "No run has been made yet: `python -m medocr run experiments` makes them."
    commits = ", ".join(f"`{name}`" for name in sorted(set(facts["commit"])))
    return (
        f"{len(facts)} runs with {facts['seed'].nunique()} seeds, {facts['seconds'].sum() / 3600:.1f} hours altogether "
        f"(two at once, each with one of {facts['cores'].max()} cores), scored on {scores['id'].nunique():,} pages in "
        f"{scores['group'].nunique()} groups; made at {commits}."
    )
