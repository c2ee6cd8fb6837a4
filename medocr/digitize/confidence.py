"""Which fields need no person: those read so surely that at most a given share of them is wrong.

The raw scores of a reader promise nothing by themselves. A threshold is fixed on pages whose fields somebody has
checked, so that, of the fields that pass, the upper bound of the wrong share is within the risk. Fields of one page are
wrong together, so the bound is that of Clopper and Pearson for as many independent fields as they are worth: their
number over the design effect 1 + (m − 1)ρ, with m the mean size of a page's group and ρ the correlation within pages
(Kish, Survey Sampling, 1965; the estimate of ρ is that of one-way analysis of variance).

The laxest of many thresholds whose bounds fit would be chosen by luck: where all pass 2.1 % wrong, 18 % of such choices
break a promise of 2 % that may be broken by 10 %. So thresholds are tested in a fixed order, from strict to lax, until
one does not fit (fixed-sequence testing; Angelopoulos et al., Learn then Test, 2021); counts alone say where it begins.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import fastjsonschema
import numpy as np
import pandas as pd
from scipy import stats

from .. import review, storage

RISK, DELTA = 0.02, 0.10  # the share of wrong fields among those passed, and how often the bound may be missed
FEWEST_PAGES = 20  # that hold a field of the kind: with fewer nothing is said of how fields of one page go together
STEPS = 60  # thresholds that are tried
ROOM = (2, 1, 0)  # independent fields that may be wrong at the first threshold tested: as many as the counts allow
OF_THRESHOLD = ("threshold", "passed", "wrong", "bound", "design_effect")
_READER = {"type": "object", "required": ["name", "hash"]}
_OF_KIND = {"type": "object", "required": ["threshold"], "properties": {"threshold": {"type": ["number", "null"]}}}
_KINDS = {"type": "object", "additionalProperties": _OF_KIND}
_validated = fastjsonschema.compile({"type": "object", "properties": {"reader": _READER, "kinds": _KINDS}})


@dataclasses.dataclass(frozen=True)
class Rule:
    """For one reader: the least confidence by kind of field that needs no person, and how it was found.

    `kinds` holds for each kind `threshold` (None: everything goes to a person, `why` says so), `pages`, `fields`,
    `wrong_share` of all, `passed` and `wrong` of those that the threshold passes, `bound` of their wrong share, and
    `least_reviewed`: what no threshold could leave out. Kinds of which so few were checked that no threshold could be
    found though none were wrong share one (`shared` names them), and keep the promise together.
    """

    reader: dict
    risk: float
    delta: float
    kinds: dict[str, dict]

    def settle(self, record: dict) -> None:
        """Pass the fields of a record that need no person; say in its warnings where a kind has no threshold."""
        if record["reader"] != self.reader:
            other = f"the thresholds given are of {self.reader['name']}" if self.reader else "no thresholds are given"
            record["warnings"].append(f"{other}: a person looks at everything")
            return
        for field in record["fields"]:
            threshold = self.kinds.get(field["kind"], {}).get("threshold")
            sure = None not in (threshold, field["confidence"]) and field["confidence"] >= threshold
            field["status"] = "passed" if sure and not field["reasons"] else "review"
        for kind in sorted({field["kind"] for field in record["fields"]}):
            known = self.kinds.get(kind, {"threshold": None, "why": "no page with such fields was checked"})
            if known["threshold"] is None:
                record["warnings"].append(
                    f"{kind}: no threshold ({known.get('why', 'none is given')}): a person looks at everything"
                )

    def write(self, path: str | Path) -> None:
        storage.write_json(path, dataclasses.asdict(self))


NOBODY = Rule({}, RISK, DELTA, {})  # where nothing was checked


def read_rule(path: str | Path) -> Rule:
    """The rule that a file holds. Raises ValueError where it holds none."""
    try:
        return Rule(**_validated(json.loads(Path(path).read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} holds no thresholds ({error}): 07_digitize writes such a file, rule.json") from None


def fit(checked: pd.DataFrame, reader: Mapping, *, risk: float = RISK, delta: float = DELTA) -> Rule:
    """The rule of a reader from fields that somebody checked: a row each, as `checked_field` makes it.

    Raises ValueError for a risk or a delta that is no share."""
    for name, share in (("risk", risk), ("delta", delta)):
        if not 0 < share < 1:
            raise ValueError(f"{name} is {share}: give a share between 0 and 1, such as 0.02")
    kinds = {kind: _fit(rows, risk, delta) for kind, rows in checked.groupby("kind")}
    few = [kind for kind, about in kinds.items() if about["threshold"] is None and about["few"]]
    shared = _fit(checked[checked["kind"].isin(few)], risk, delta) if len(few) > 1 else {"threshold": None}
    if shared["threshold"] is not None:
        threshold = {name: shared[name] for name in OF_THRESHOLD}
        kinds |= {kind: {**about, **threshold, "shared": few} for kind, about in kinds.items() if kind in few}
    return Rule(dict(reader), risk, delta, kinds)


def _fit(rows: pd.DataFrame, risk: float, delta: float) -> dict:
    base = float(1 - rows["right"].astype(bool).mean())
    about = {"pages": int(rows["page"].nunique()), "fields": len(rows), "wrong_share": round(base, 4)}
    about |= {"least_reviewed": round(least_reviewed(base, risk), 4), "threshold": None, "few": True}
    within = correlation(~rows["right"].to_numpy(bool), rows["page"])
    rows = rows[rows["confidence"].notna() & ~rows["reasons"].astype(bool)]
    if (pages := rows["page"].nunique()) < FEWEST_PAGES:
        return {**about, "why": f"{pages} checked pages have such fields: {FEWEST_PAGES} are needed at least"}
    curve = risk_curve(rows, within, delta)
    last = curve.iloc[-1]
    about["few"] = bool(upper(0, last["passed"], last["design_effect"], delta) > risk)  # though none were wrong
    tested = curve[_first(curve, risk, delta) :]
    fitting = tested[(tested["bound"] <= risk).cumprod().astype(bool)]
    if fitting.empty:
        bound = tested["bound"].iloc[0]
        return {**about, "why": f"on these pages the wrong share can be bounded by {bound:.1%}, not {risk:.1%}"}
    best = fitting.iloc[-1]
    return {**about, **{name: round(float(best[name]), 5) for name in OF_THRESHOLD}}


def _first(curve: pd.DataFrame, risk: float, delta: float) -> int:
    """Which threshold is tested first: the strictest that would fit with ROOM wrong; the laxest where none would."""
    for wrong in ROOM:
        fitting = upper(wrong * curve["design_effect"], curve["passed"], curve["design_effect"], delta) <= risk
        if fitting.any():
            return int(fitting.argmax())
    return len(curve) - 1


def risk_curve(rows: pd.DataFrame, within: float, delta: float = DELTA) -> pd.DataFrame:
    """For thresholds from strict to lax: threshold, share and number passed, wrong among them, and the bound.

    `rows` are fields of one kind with a confidence and without reasons; `within` is the correlation of their errors
    within pages, taken from fields with reasons as well: a wrong field or two cannot tell it.
    """
    ordered = rows.sort_values("confidence", ascending=False, kind="stable")
    scores, wrong = ordered["confidence"].to_numpy(float), ~ordered["right"].to_numpy(bool)
    last = np.flatnonzero(np.append(scores[1:] < scores[:-1], True)) + 1  # a threshold passes all of one score
    last = last[np.unique(np.linspace(0, len(last) - 1, STEPS).astype(int))]
    curve = pd.DataFrame({"threshold": scores[last - 1], "share": last / len(rows), "passed": last})
    curve["wrong"] = np.cumsum(wrong)[last - 1]
    curve["design_effect"] = [design_effect(ordered["page"][:passed], within) for passed in last]
    return curve.assign(bound=upper(curve["wrong"], curve["passed"], curve["design_effect"], delta))


def upper(wrong, passed, design_effect=1.0, delta: float = DELTA) -> np.ndarray:
    """The Clopper–Pearson upper bound, at confidence 1 − δ, of a wrong share among so many fields, less the effect."""
    wrong, passed = np.asarray(wrong, float) / design_effect, np.asarray(passed, float) / design_effect
    return np.where(wrong < passed, stats.beta.ppf(1 - delta, wrong + 1, np.maximum(passed - wrong, 1e-9)), 1.0)


def design_effect(pages: Sequence, within: float) -> float:
    """1 + (m − 1)ρ, at least 1: `pages` names each field's page, `within` is ρ, m a field's mean page size."""
    return max(1.0, 1 + ((np.bincount(pd.factorize(pages)[0]) ** 2).sum() / len(pages) - 1) * within)


def correlation(wrong: np.ndarray, pages: Sequence) -> float:
    """The intraclass correlation of errors within pages, from 0 to 1: one-way analysis of variance."""
    pages = pd.factorize(pages)[0]
    sizes = np.bincount(pages).astype(float)
    groups, total = len(sizes), sizes.sum()
    if groups < 2 or total == groups:
        return 0.0
    means = np.bincount(pages, weights=wrong) / sizes
    between = (sizes * (means - np.mean(wrong)) ** 2).sum() / (groups - 1)
    inside = (sizes * means * (1 - means)).sum() / (total - groups)
    size = (total - (sizes**2).sum() / total) / (groups - 1)
    spread = between + (size - 1) * inside
    return float(np.clip((between - inside) / spread, 0, 1)) if spread > 0 else 0.0


def outcome(rule: Rule, rows: pd.DataFrame) -> pd.DataFrame:
    """What a rule does with fields that it was not made from: a row per kind, and one for all.

    `passed` and `share` of the fields, `wrong` among them, their share and its two-sided 95 % interval, in which fields
    of one page count for as many as they are worth; `wrong_share` of all fields, passed or not.
    """
    parts = [(kind, part) for kind, part in rows.groupby("kind")] + [("all", rows)]
    return pd.DataFrame([{"kind": kind, **_outcome(rule, part)} for kind, part in parts])


def _outcome(rule: Rule, rows: pd.DataFrame) -> dict:
    least = rows["kind"].map(lambda kind: (rule.kinds.get(kind) or {}).get("threshold")).astype(float)
    passed = rows[(rows["confidence"].astype(float) >= least) & ~rows["reasons"].astype(bool)]
    wrong = ~passed["right"].to_numpy(bool)
    about = {"fields": len(rows), "wrong_share": float(1 - rows["right"].astype(bool).mean())}
    about |= {"passed": len(passed), "share": len(passed) / max(1, len(rows)), "wrong": int(wrong.sum())}
    if not len(passed):
        return {**about, "passed_wrong": None, "low": None, "high": None}
    design = design_effect(passed["page"], correlation(~rows["right"].to_numpy(bool), rows["page"]))
    worth, k = len(passed) / design, wrong.sum() / design
    low = float(stats.beta.ppf(0.025, k, worth - k + 1)) if k else 0.0
    high = float(upper(wrong.sum(), len(passed), design, 0.025))
    return {**about, "passed_wrong": float(wrong.mean()), "low": low, "high": high}


def least_reviewed(base: float, risk: float) -> float:
    """The share of fields that a person has to look at whatever the threshold: (μ − α) / (1 − α), or none.

    Of all fields μ are wrong; a share s may pass with αs of them, and the rest of the wrong ones are at most 1 − s.
    """
    return max(0.0, (base - risk) / (1 - risk))


def checked_field(record: Mapping, field: Mapping, right: bool) -> dict:
    """A field of a record, of which somebody knows whether it is right, that is as printed, as a row for `fit`.

    `reasons` says whether the page itself speaks against it: such fields always go to a person.
    """
    about = {"kind": field["kind"], "page": f"{record['id']}/{field['page']}", "confidence": field["confidence"]}
    return {**about, "right": right, "reasons": bool(field["reasons"])}


def checked(folder: str | Path) -> tuple[pd.DataFrame, dict]:
    """The fields of a digitised folder that persons decided on, as `fit` wants them, and the folder's reader.

    A field that was accepted was right; one that was corrected, or is not on the page, was wrong. A document
    that was reviewed as another reader read it counts when all is decided: what both read alike is right more often.
    Raises ValueError where nothing was decided there, or by more than one reader.
    """
    rows, readers = [], []
    for record in review.documents(folder):
        decisions = {decision.field: decision for decision in review.decisions_on(folder, record)}
        asked = [field for field in record["fields"] if field["id"] in decisions]
        if len(asked) < len(record["fields"]) and record.get("read_again"):
            continue
        readers += [record["reader"]] * bool(decisions)
        rows += [checked_field(record, field, decisions[field["id"]].decision == "accept") for field in asked]
    if not rows or any(reader != readers[0] for reader in readers):
        what = "documents of more than one reader" if rows else "no decision of a person"
        raise ValueError(f"{folder} holds {what}: thresholds come from one reader's documents that persons reviewed")
    return pd.DataFrame(rows), readers[0]
