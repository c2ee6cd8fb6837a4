"""What fine-tuning changed, in a few sentences made from the numbers of `summarise`: gains, harm, and what stayed."""

from medocr.metrics.names import HIGHER_IS_BETTER, LABELS, MEDICAL
from medocr.metrics.safety import KINDS
from medocr.metrics.statistics import clear

NAMED = 3  # of the greatest gains


def headline(summary: dict[str, list[dict]]) -> str:
    """What became of CER; then, of what is asked of medical pages, what gained, what got worse, what did not change.

    Clearly means that the 95 % interval lies on one side of zero. Where no page is medical, all pages are told of.
    """
    paired = {(row["slice"], row["metric"]): row for row in summary["comparisons"]}
    if ("all", "cer") not in paired:
        return "Base and tuned have read no page in common, so nothing can be said about what fine-tuning changed."
    where = "medical" if ("medical", "cer") in paired else "all"
    asked = [paired[where, name] for name in (*MEDICAL, *KINDS) if (where, name) in paired]
    return " ".join([_error_rate(paired), *(_asked(asked, where) if asked else [])])


def _error_rate(paired: dict[tuple[str, str], dict]) -> str:
    whole = paired["all", "cer"]
    sentence = f"On {whole['n']:,} pages fine-tuning {_verb(whole)} the character error rate, {_change(whole)}"
    found = {name: paired[name, "cer"] for name in ("medical", "general") if (name, "cer") in paired}
    parts = [
        f"on {name} pages from {row['base']:.3f} to {row['tuned']:.3f} (n = {row['n']:,})"
        for name, row in found.items()
    ]
    return sentence + (f"; {' and '.join(parts)}" if len(parts) > 1 else "") + "."


def _asked(rows: list[dict], where: str) -> list[str]:
    """A sentence on what gained, one on what got worse, and one on the questions that came out alike."""
    changed = [row for row in rows if clear(row["low"], row["high"])]
    gains = sorted((row for row in changed if _better(row)), key=lambda row: -abs(row["difference"]))
    worse = [row for row in changed if not _better(row)]
    same = [LABELS[row["metric"]] for row in rows if row not in changed and row["metric"] in MEDICAL]
    named = "; ".join(map(_told, gains[:NAMED])) or "nothing"
    more = f"; and {len(gains) - NAMED} more" if len(gains) > NAMED else ""
    told = [
        f"Of what is asked of {where} pages clearly better: {named}{more}.",
        f"Clearly worse: {'; '.join(map(_told, worse)) or 'nothing'}.",
    ]
    return told + ([f"Not clearly changed: {'; '.join(same)}."] if same else [])


def _better(row: dict) -> bool:
    return (row["difference"] > 0) == (row["metric"] in HIGHER_IS_BETTER)


def _told(row: dict) -> str:
    """A metric with both figures; a kind of error per 100 pages, with the interval of the difference."""
    name = row["metric"]
    if name not in KINDS:
        return f"{LABELS[name]} {row['base']:.3f} to {row['tuned']:.3f}"
    base, tuned, low, high = (100 * row[key] for key in ("base", "tuned", "low", "high"))
    interval = f"95 % interval of the difference {low:+.1f} to {high:+.1f}"
    return f"{KINDS[name]}, {base:.1f} to {tuned:.1f} per 100 pages ({interval})"


def _verb(row: dict) -> str:
    if not clear(row["low"], row["high"]):
        return "did not clearly change"
    return "lowered" if row["difference"] < 0 else "raised"


def _change(row: dict) -> str:
    figures = f"from {row['base']:.3f} to {row['tuned']:.3f}"
    if row["low"] is None:
        return f"{figures} (too few pages for an interval)"
    told = f"difference {row['difference']:+z.3f}, 95 % interval {row['low']:+z.3f} to {row['high']:+z.3f}"
    return f"{figures} ({told.replace('-', '−')})"
