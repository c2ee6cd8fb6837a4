"""Receipts and invoices: who issued them, when, what for, the tax and the total."""

import bisect
import dataclasses
import itertools
import re

from .text import DATE, MONTH_FIRST, clean, lower, number, plain
from .words import pattern, patterns

PRINTED = {name: re.compile(regex, re.IGNORECASE) for name, regex in patterns("receipt").items()}
SUMS = dict(patterns("sum"))
SUMS |= {name: f"{pattern('sum', name)}|{SUMS[name]}" for name in ("subtotal", "total", "discount")}
SUM = re.compile(  # of `text.lower`
    r"(?<![\w-])(?:"
    + "|".join(f"(?P<{name}>{pattern})" for name, pattern in SUMS.items())
    + r")(?![\w])(?:[ .]{2,90}(?=[ ][\d$£€₹¥]))?"  # leaders, or the gap to a column
)
DATE_VALUE = re.compile(rf"(?<![\w./:-])(?:{DATE}|{MONTH_FIRST})", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Item:
    """A line of a receipt: what, how many, the price of one, and the amount, as far as printed."""

    item: str
    quantity: float | None = None
    price: float | None = None
    amount: float | None = None


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What a receipt says; None where it does not. Amounts are numbers without currency, `tax_rate` in percent.

    `tip` is any charge for service or delivery; `earlier` a balance that was due before.
    """

    issuer: str | None = None
    number: str | None = None
    date: str | None = None
    items: tuple[Item, ...] = ()
    subtotal: float | None = None
    tax: float | None = None
    tax_rate: float | None = None
    total: float | None = None
    discount: float | None = None
    tip: float | None = None
    earlier: float | None = None


def read_receipt(text: str) -> Receipt:
    """The issuer, number, date, items and sums of a receipt or invoice, line by line or run together."""
    text = clean(text)
    flat = plain(text)
    amounts = [*PRINTED["amount"].finditer(flat)]
    lined = "\n" in flat
    labels = [match for match in SUM.finditer(lower(flat)) if _is_label(flat, match, lined)]
    sums = _sums(flat, labels, amounts)
    sums.pop("paid", None)
    first = min((match.start() for match in labels), default=len(flat))
    issued = (DATE_VALUE.match(flat, label.end()) for label in PRINTED["issued"].finditer(flat))
    date = next(filter(None, issued), None) or DATE_VALUE.search(flat)
    numbered = PRINTED["number"].search(flat)
    return Receipt(
        issuer=_issuer(flat, text),
        number=(numbered["id"] or numbered["hash"]) if numbered else None,
        date=text[slice(*date.span())] if date else None,
        items=tuple(_items(flat, amounts, first)),
        **sums,
    )


def money(printed: str) -> float:
    """`$1,234.50`, `1.234,50 €`, `12,50` → the number."""
    if printed.startswith("."):
        return float(printed[:3])
    digits = re.sub(r"[^\d.,-]", "", printed).strip(".,")
    negative = digits.startswith("-")
    digits = digits.strip("-")
    if re.search(r",\d{2}$", digits):
        digits = digits.replace(".", "").replace(",", ".")
    return number(digits.replace(",", "")) * (-1 if negative else 1)


def _is_label(flat: str, match: re.Match, lined: bool) -> bool:
    """A word for a sum only where an amount or a rate follows shortly: `Total 12.00`, `VAT 20% 2.00`."""
    before = flat[max(0, match.start() - 60) : match.start()].rpartition("\n")[2].strip()
    apart = lined and match.lastgroup in ("total", "subtotal", "tax") and len(before.split()) <= 2
    follows = PRINTED["amount follows"].match(flat, match.end(), match.end() + 40)
    return follows is not None and (apart or not before[-1:].isalpha())


def _sums(flat: str, labels: list[re.Match], amounts: list[re.Match]) -> dict[str, float]:
    """The amount after each label; the last total wins, and taxes add up."""
    sums: dict[str, float] = {}
    starts = [amount.start() for amount in amounts]
    for index, label in enumerate(labels):
        limit = labels[index + 1].start() if index + 1 < len(labels) else len(flat)
        after = bisect.bisect_left(starts, label.end())
        amount = amounts[after] if after < len(starts) and starts[after] < min(limit, label.end() + 60) else None
        name = label.lastgroup
        before = flat[max(0, label.start() - 9) : label.start()]
        rate = PRINTED["rate"].search(flat, label.end(), min(limit, label.end() + 14)) or PRINTED["rate before"].search(
            before
        )
        if name == "tax" and rate:
            sums.setdefault("tax_rate", number(rate[1]))
        if not amount:
            _take_whole(sums, label, flat, limit, bare=not amounts)
            continue
        value = money(amount.group()) + _thousands(flat[label.end() : amount.start()], amount.group())
        if name == "subtotal" and label.group().startswith("net") and sums.keys() & {"subtotal", "tax", "discount"}:
            name = "total"  # `Net Amount` under a subtotal is what is to be paid
        if name == "tax":
            part = PRINTED["part of tax"].search(label.group())
            sums["tax"] = round(sums.get("tax", 0.0) + value, 2) if part else sums.get("tax", value)
        elif name == "total":
            reduced = round(sums.get("total", 0.0) - abs(sums.get("discount", 0.0)), 2) == value
            sums["total"] = value if reduced else max(value, sums.get("total", value))
        else:
            sums.setdefault(name, value)
    return sums


def _take_whole(sums: dict[str, float], label: re.Match, flat: str, limit: int, *, bare: bool) -> None:
    """A total or a tax that is printed without decimals."""
    start, name = label.end(), label.lastgroup
    if name == "total":
        match = PRINTED["whole"].search(flat, start, min(limit, start + 24)) or (
            bare and PRINTED["bare total"].match(flat, start)
        )
        if match:
            sums["total"] = number(match.group(1))
    elif name == "tax" and (match := PRINTED["after rate"].match(flat, start, limit)):
        sums["tax"] = sums.get("tax", 0.0) + number(match.group(1))


def _thousands(before: str, printed: str) -> float:
    """The thousands that stand apart from a sum's amount by a space: the 1000 of `Total TTC 1 481,40 €`."""
    apart = re.fullmatch(r"[^\d\n]{0,20}?[ ](\d{1,3})[ ]", before)
    return float(apart.group(1)) * 1000 if apart and re.match(r"\d{3},\d{2}", printed) else 0.0


def _issuer(flat: str, text: str) -> str | None:
    """The first line that names somebody; in a text without lines, the words before the first digit or label."""
    at = 0
    several = "\n" in flat
    for line in flat[:1500].split("\n"):
        start, at = at, at + len(line) + 1
        printed = text[start : start + len(line)].strip(" |#*=-")
        if labelled := PRINTED["issuer"].match(printed):
            return labelled.group(1).strip()
        if not several:
            head = re.match(r"[^\d:#]{2,60}", printed)
            title = PRINTED["own text"].search(printed, 0, head.end() + 3) if head else None  # `Stokes Deli Ticket:`
            return (printed[: title.start()] if title else head.group()).strip(" -|,") or None if head else None
        named = sum(map(str.isalpha, printed)) >= 3 and not PRINTED["title"].match(printed)
        if named and not DATE_VALUE.match(printed):
            return re.split(r"\s{3,}|[|]", printed)[0].strip() or None
    return None


def _items(flat: str, amounts: list[re.Match], first_sum: int) -> list[Item]:
    """What stands before each amount above the sums, on its line or since the amount before it."""
    lined, end = "\n" in flat, 0
    pending: list[tuple[str, list[re.Match]]] = []
    for amount in itertools.takewhile(lambda amount: amount.start() < first_sum, amounts):
        start = max(end, flat.rfind("\n", end, amount.start()) + 1)
        words = flat[start : amount.start()].strip(" |\t@:.$£€₹")
        if pending and start == end and sum(map(str.isalpha, words)) < 2:  # a further amount of the item
            pending[-1][1].append(amount)
            if count := re.fullmatch(r"[x×@ ]*(\d{1,3})[x×@ ]*", words):
                pending[-1] = f"{pending[-1][0]} {count[1]}", pending[-1][1]
        else:
            pending.append((words, [amount]))
        end = amount.end()
    if not lined:  # run together: after its heading
        pending = [(PRINTED["heading"].split(words[-200:])[-1].strip(), prices) for words, prices in pending]
    return [item for words, prices in pending if (item := _item(words[-70:], prices))]


def _item(words: str, amounts: list[re.Match]) -> Item | None:
    quantity = PRINTED["quantity"].search(words)
    count = None
    if quantity:
        count = float(quantity.group("first") or quantity.group("last") or quantity.group("tied"))
        words = re.sub(r"^[xX@-]?[ ]|[ ][xX@-]$", "", words[: quantity.start()] + words[quantity.end() :]).strip(" |")
    if sum(map(str.isalpha, words)) < 2 or PRINTED["no item"].match(words) or len(words) > 60:
        return None
    values = [money(amount.group()) for amount in amounts]
    return Item(" ".join(words.replace("|", " ").split()), count, values[-2] if len(values) > 1 else None, values[-1])
