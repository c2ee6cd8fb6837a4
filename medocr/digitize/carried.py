"""What holds for a page though an earlier one prints it: the patient's sex, and the headings of a table that goes on.

Reference ranges may be apart for the sexes, and of two bounds in a row (`<5.0 <0.5`) the headings say which is the
result.
"""

from .. import fields
from ..fields.analytes import NAME_HEADINGS, RANGE_HEADINGS, RESULT_HEADINGS

FEWEST = 3  # words of a heading


def over(before: str, text: str) -> str:
    """The lines that hold on the next page: the sex and the headings of this page, else those from before."""
    header = fields.read_header(text)
    sex = f"Sex: {header['sex']}" if "sex" in header else _line(before, "Sex:")
    headings = [line for line in text.split("\n") if _is_heading(line)]
    heading = headings[-1] if headings else next((line for line in before.split("\n") if _is_heading(line)), "")
    return "\n".join(filter(None, (sex, heading)))


def read_fields(text: str, doc_type: str, before: str) -> dict:
    """`fields.read_fields`, with analyte rows as they read after the lines from before."""
    read = fields.read_fields(text, doc_type)
    if before and read.get("analytes"):
        number = before.count("\n") + 1
        rows = [dict(vars(row)) for row in fields.read_analytes(f"{before}\n{text}")]
        read["analytes"] = [{**row, "line": row["line"] - number} for row in rows if row["line"] >= number]
    return read


def _line(text: str, start: str) -> str:
    return next((line for line in text.split("\n") if line.startswith(start)), "")


def _is_heading(line: str) -> bool:
    """Whether a line has headings of name, result and range, and no number."""
    words = [word.strip(":|*").lower() for word in line.split()]
    kinds = (NAME_HEADINGS, RANGE_HEADINGS, RESULT_HEADINGS)
    return len(words) >= FEWEST and not any(map(str.isdigit, line)) and all(set(words) & set(kind) for kind in kinds)
