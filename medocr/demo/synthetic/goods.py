"""What shops sell and firms bill: kind → (names of issuers, goods as (name, lowest price, highest price))."""

from .words import table


def _goods(file: str) -> dict[str, tuple[tuple[str, ...], list[tuple[str, float, float]]]]:
    kinds = {}
    for name, value in table(file):
        if name.startswith("["):
            goods: list[tuple[str, float, float]] = []
            kinds[name.strip("[]")] = (tuple(value.split("; ")), goods)
        else:
            low, high = map(float, value.split())
            goods.append((name, low, high))
    return kinds


SHOPS, SERVICES = _goods("shops.txt"), _goods("services.txt")
