"""Medical fields read from text: header, analyte rows, drug orders, forms and receipts; and the lexicon.

The text may be a label, a model's output or another reader's, line by line or run together, with markdown or HTML
tables. What is not in the text is absent from what is read: nothing is guessed, corrected or invented.
"""

from .analytes import Analyte, read_analytes
from .drugs import DrugOrder, read_drugs
from .forms import Option, read_options
from .header import read_header
from .lexicon import Term, read_terms, recognise_drug
from .receipts import Item, Receipt, read_receipt
from .units import unit_code

__all__ = [
    "Analyte",
    "DrugOrder",
    "Item",
    "Option",
    "Receipt",
    "Term",
    "read_analytes",
    "read_drugs",
    "read_fields",
    "read_header",
    "read_options",
    "read_receipt",
    "read_terms",
    "recognise_drug",
    "unit_code",
]

GENERAL = ("receipt", "invoice")


def read_fields(text: str, doc_type: str = "unknown") -> dict:
    """The fields found in a text, for JSON: those of `header`, `analytes`, `drugs`, `options`, `receipt` that hold any.

    `doc_type` says what to look for: receipts and invoices hold no medical rows and other types no sums;
    "unknown" reads everything, and sums only where nothing medical was found.
    """
    if doc_type in GENERAL:
        return _filled({"receipt": _receipt(text)})
    result = _filled(
        {
            "header": read_header(text),
            "analytes": [dict(vars(analyte)) for analyte in read_analytes(text)],
            "drugs": [dict(vars(order)) for order in read_drugs(text)],
            "options": [dict(vars(option)) for option in read_options(text)],
        }
    )
    medical = result.keys() & {"analytes", "drugs", "options"}
    return result if doc_type != "unknown" or medical else result | _filled({"receipt": _receipt(text)})


def _receipt(text: str) -> dict:
    """A receipt's fields, or nothing where no amount is printed."""
    receipt = dict(vars(read_receipt(text)))
    receipt["items"] = [dict(vars(item)) for item in receipt["items"]]
    return _filled(receipt) if receipt["items"] or receipt["total"] is not None else {}


def _filled(fields: dict) -> dict:
    return {name: value for name, value in fields.items() if value not in (None, [], {}, "")}
