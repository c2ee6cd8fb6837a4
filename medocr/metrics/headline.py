"""What fine-tuning changed, in a few sentences made from the numbers of `summarise`: gains, harm, and what stayed."""

from medocr.metrics.names import HIGHER_IS_BETTER, LABELS, MEDICAL
from medocr.metrics.safety import KINDS
from medocr.metrics.statistics import ENOUGH_PAGES, changed
from medocr.schema import DOC_TYPES

NAMED = 3  # of the greatest gains
ALPHA = 0.05  # a Holm-corrected p below this survives the correction


def headline(summary: dict[str, list[dict]]) -> str:
    """What became of CER; then what improved on medical pages, what got worse, and what is undecided.

    The 95 % interval of what improved or got worse excludes zero. They are not corrected for the number of metrics:
    a sentence says how many of the clinical errors survive Holm's correction. Without medical pages, all are meant.
    Clinical errors are told by document type: pooled with pages that cannot have them, they would look too rare.
    """
    paired = {(row["slice"], row["metric"]): row for row in summary["comparisons"]}
    if ("all", "cer") not in paired:
        return "Base and tuned have read no page in common, so nothing can be said about what fine-tuning changed."
    where = "medical" if ("medical", "cer") in paired else "all"
    errors = shifted(summary), shifted(summary, rarer=True)
    return " ".join([_error_rate(paired), *_fields(paired, where, *errors)])


def shifted(summary: dict[str, list[dict]], rarer: bool = False) -> list[dict]:
    """The clinical errors that became more frequent, or rarer, by an interval without zero; by type where one did."""
    paired = {(row["slice"], row["metric"]): row for row in summary["comparisons"]}
    rows = []
    for kind in KINDS:
        by_type = [paired[name, kind] for name in DOC_TYPES if (name, kind) in paired]
        pooled = paired.get(("medical", kind), paired.get(("all", kind)))
        chosen = [row for row in by_type if _shifted(row, rarer)]
        rows += chosen or ([pooled] if pooled and _shifted(pooled, rarer) else [])
    return rows


def surviving(rows: list[dict]) -> str:
    """How many comparisons survive Holm's correction for all metrics of their slice."""
    corrected = [row.get("p_holm") for row in rows]
    return f"{sum(p is not None and p < ALPHA for p in corrected)} of {len(rows)}"


def _shifted(row: dict, rarer: bool) -> bool:
    return changed(row) and _worse(row) != rarer


def _error_rate(paired: dict[tuple[str, str], dict]) -> str:
    whole = paired["all", "cer"]
    few = ", too few to judge by," if whole["n"] < ENOUGH_PAGES else ""
    sentence = f"On {whole['n']:,} pages{few} fine-tuning {_verb(whole)} the character error rate, {_change(whole)}"
    by_domain = {name: paired[name, "cer"] for name in ("medical", "general") if (name, "cer") in paired}
    parts = [
        f"on {name} pages from {row['base']:.3f} to {row['tuned']:.3f} (n = {row['n']:,})"
        for name, row in by_domain.items()
    ]
    return sentence + (f"; {' and '.join(parts)}" if len(parts) > 1 else "") + "."


def _fields(paired: dict[tuple[str, str], dict], where: str, harm: list[dict], rarer: list[dict]) -> list[str]:
    """A sentence on what improved, one on what got worse, and one on what is undecided."""
    rows = [paired[where, name] for name in MEDICAL if (where, name) in paired]
    if not rows and not harm:
        return []
    moved = [row for row in rows if changed(row)]
    gains = sorted((row for row in moved if not _worse(row)), key=lambda row: -abs(row["difference"]))
    worse = [_field(row) for row in moved if _worse(row)] + [_error(row) for row in harm]
    same = [LABELS[row["metric"]] for row in rows if row not in moved]
    named = "; ".join(map(_field, gains[:NAMED])) or "nothing"
    more = f"; and {len(gains) - NAMED} more" if len(gains) > NAMED else ""
    sentences = [
        f"On {where} pages, better (95 % interval excludes zero): {named}{more}.",
        f"Worse (95 % interval excludes zero): {'; '.join(worse) or 'nothing'}.",
    ]
    if harm or rarer:
        counts = f"{surviving(harm)} kinds that became more frequent and {surviving(rarer)} that became rarer"
        sentences.append(f"Of the clinical errors, {counts} survive Holm's correction.")
    why = "interval includes zero" + ", or too few pages" * any(row["n"] < ENOUGH_PAGES for row in rows)
    return sentences + ([f"Undecided ({why}): {'; '.join(same)}."] if same else [])


def _worse(row: dict) -> bool:
    return changed(row) and (row["difference"] < 0) == (row["metric"] in HIGHER_IS_BETTER)


def _field(row: dict) -> str:
    return f"{LABELS[row['metric']]} {row['base']:.3f} to {row['tuned']:.3f}"


def _error(row: dict) -> str:
    """A kind of error per 100 pages, with the interval of the difference."""
    where = f" on {row['slice'].replace('_', ' ')}s" if row["slice"] in DOC_TYPES else ""
    base, tuned, low, high = (100 * row[key] for key in ("base", "tuned", "low", "high"))
    interval = f"95 % interval of the difference {low:+.1f} to {high:+.1f}, n = {row['n']:,}"
    return f"{KINDS[row['metric']]}{where}, {base:.1f} to {tuned:.1f} per 100 pages ({interval.replace('-', '−')})"


def _verb(row: dict) -> str:
    if not changed(row):
        return "did not clearly change"
    return "lowered" if row["difference"] < 0 else "raised"


def _change(row: dict) -> str:
    figures = f"from {row['base']:.3f} to {row['tuned']:.3f}"
    if row["low"] is None:
        return f"{figures} (too few pages for an interval)"
    interval = f"difference {row['difference']:+z.3f}, 95 % interval {row['low']:+z.3f} to {row['high']:+z.3f}"
    return f"{figures} ({interval.replace('-', '−')})"
