"""Receipts and invoices: pages without a medical word."""

import datetime
import random
import tomllib
import types

from . import words
from .draw import Draft, Line
from .templates import DATA, Issuer, issuer, line, row, shown, template

GOODS = tomllib.loads((DATA / "goods.toml").read_text(encoding="utf-8"))
RATES = ("5", "6", "7.5", "8", "8.25", "10", "19", "20")


def receipt(rng: random.Random, number: int) -> Draft:
    """A shop's receipt, drawn for group `number`."""
    style, shop = template("receipt", number), issuer("receipt", number)
    goods = rng.sample(list(GOODS[shop.kind].items()), rng.choice((1, 1, 2, 2, 3, 4)))
    bought = [_item(rng, name, *prices, most=4) for name, prices in goods]
    known = {
        "date": words.day(rng).strftime(shop.date_format),
        "time": words.clock(rng),
        "number": words.digits(rng, rng.choice((4, 5, 6))),
    }
    opening = list(style.opening[: 1 + (rng.random() < 0.6)])
    lines = _letterhead(shop, style, rng) + [line(text, known) for text in opening]
    lines += [row(style.items, item, rule="above" * (not i)) for i, item in enumerate(bought)]
    sums, fields = _sums(rng, style, bought)
    lines += sums
    if rng.random() < 0.3:
        lines += _paid(rng, style, fields)
    if rng.random() < 0.3:
        lines.append(Line((style.thanks,), "c"))
    return Draft(lines, {"issuer": shop.name, **shown(opening, known), **fields}, shop.look)


def invoice(rng: random.Random, number: int) -> Draft:
    """A firm's invoice, drawn for group `number`."""
    style, firm = template("invoice", number), issuer("invoice", number)
    goods = rng.sample(list(GOODS[firm.kind].items()), rng.choice((1, 1, 1, 2, 2, 3)))
    billed = [_item(rng, name, *prices, most=12) for name, prices in goods]
    issued, days = words.day(rng), rng.choice((7, 14, 21, 30))
    known = {
        "number": style.number.format(words.digits(rng, rng.choice((4, 5)))),
        "date": issued.strftime(firm.date_format),
        "client": words.person(rng),
    }
    known |= {"due": (issued + datetime.timedelta(days)).strftime(firm.date_format), "days": str(days)}
    opening = [*style.opening, style.client]
    closing = [style.due] if rng.random() < 0.3 else []
    lines = _letterhead(firm, style, rng) + [line(text, known) for text in opening]
    if style.head:
        lines.append(row(style.items, style.head, bold=True, shade=style.shade, rule=style.rule))
    lines += [row(style.items, item) for item in billed]
    sums, fields = _sums(rng, style, billed)
    lines += sums + [line(text, known) for text in closing]
    return Draft(lines, {"issuer": firm.name, **shown(opening + closing, known), **fields}, firm.look)


def _letterhead(who: Issuer, style: types.SimpleNamespace, rng: random.Random) -> list[Line]:
    extra = [who.street, who.town, f"Tel {who.phone}"][: rng.choice((0, 0, 0, 1, 2))]
    return [Line((who.name,), style.heading, bold=True)] + [Line((text,), style.heading) for text in extra]


def _item(rng: random.Random, name: str, low: float, high: float, most: int) -> dict:
    """One thing sold: its price in whole cents, so that sums are exact."""
    price = max(1, round(100 * rng.uniform(low, high)))
    price = price // 10 * 10 + rng.choice((0, 5, 9)) if price > 60 else price
    quantity = 1 if rng.random() < 0.5 else rng.randrange(2, most + 1)
    return {
        "item": name,
        "quantity": str(quantity),
        "price": _money(price),
        "amount": _money(price * quantity),
        "cents": price * quantity,
    }


def _money(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02}"


def _sums(rng: random.Random, style: types.SimpleNamespace, items: list[dict]) -> tuple[list[Line], dict]:
    """Subtotal, tax and total as lines, and the fields of a page with these items."""
    net = sum(item["cents"] for item in items)
    rate = rng.choice(RATES)
    tax = int(net * float(rate) / 100 + 0.5)
    show = style.money.format
    lines = [Line((style.subtotal, _money(net)), "lr", rule="above")] if style.subtotal else []
    lines.append(Line((style.tax.format(rate), _money(tax)), "lr", rule="above" * (not style.subtotal)))
    lines.append(Line((style.total, show(_money(net + tax))), "lr", bold=True, rule=style.rule))
    fields = {
        "items": [shown([style.items], item) for item in items],
        "subtotal": _money(net) if style.subtotal else None,
        "tax_rate": rate,
        "tax": _money(tax),
        "total": _money(net + tax),
        "currency": style.money.replace("{}", ""),
    }
    return lines, fields


def _paid(rng: random.Random, style: types.SimpleNamespace, fields: dict) -> list[Line]:
    total = round(100 * float(fields["total"].replace(",", "")))
    if style.paid not in ("CASH", "Tendered"):
        return [Line((style.paid, fields["total"]), "lr")]
    given = (total + 499) // 500 * 500 + rng.choice((0, 0, 500, 1000))
    return [Line((style.paid, _money(given)), "lr"), Line(("Change", _money(given - total)), "lr")]
