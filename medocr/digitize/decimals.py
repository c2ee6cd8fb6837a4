"""JSON whose numbers keep the digits that were printed: FHIR's decimals are not floats."""

import json
import re
import secrets
from decimal import Decimal


def dumps(content: object, indent: int | None = 1) -> str:
    """JSON text in which a Decimal stands with all its digits: 4.10 is not 4.1. Without `indent` it is made faster."""
    mark = secrets.token_hex(8)  # that no page can have printed

    def plain(value: object) -> str:
        if not isinstance(value, Decimal) or not value.is_finite():
            raise ValueError(f"{value!r} cannot stand in JSON")
        return f"{mark}{value:f}"

    text = json.dumps(content, indent=indent, ensure_ascii=False, default=plain)
    return re.sub(rf'"{mark}([^"]*)"', r"\1", text)


def loads(text: str) -> dict:
    """JSON text with its numbers as Decimals."""
    return json.loads(text, parse_float=Decimal)
