"""What of a document's fields holds, after what persons decided: which are settled, and which may be final."""

import dataclasses
from collections.abc import Mapping

from ..review.columns import NAMED_BY


@dataclasses.dataclass(frozen=True)
class Settled:
    """A field as it goes into a Bundle: columns with a person's corrections, and whether it is final."""

    id: str
    kind: str
    name: str
    columns: dict
    text: str
    page: int
    final: bool


def settled(record: Mapping, decisions: Mapping[str, Mapping]) -> list[Settled]:
    """The fields of a record that a person has not taken away.

    Final are those that a person accepted or corrected, and those that the risk rule passed. Of a document that was
    stopped, since a page names another patient, nothing holds but what a person let stand.
    """
    kept = []
    for field in record["fields"]:
        decision = decisions.get(field["id"], {})
        what = decision.get("decision")
        if what == "absent" or (record["stopped"] and what is None):
            continue
        columns = {**field["columns"], **(decision.get("columns") or {} if what == "correct" else {})}
        final = what in ("accept", "correct") or field["status"] == "passed"
        name = str(columns.get(NAMED_BY.get(field["kind"], ""), field["name"]))
        text = " ".join((decision.get("text") or field["text"]).split())  # as a person saw it printed
        kept.append(Settled(field["id"], field["kind"], name, columns, text, field["page"], final))
    return kept


def reviewers(decisions: Mapping[str, Mapping]) -> list[str]:
    """Who decided, each once, in order."""
    return list(dict.fromkeys(str(row["by"]) for row in decisions.values() if row.get("by")))


def decided_at(decisions: Mapping[str, Mapping]) -> str | None:
    """When the last decision was made; None where there is none."""
    return max((str(row["at"]) for row in decisions.values() if row.get("at")), default=None)
