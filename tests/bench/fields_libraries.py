"""`python -m tests.bench.fields_libraries`: ucumvert, price-parser and dateparser beside medocr's own code.

On the hand-written texts of tests/: units as printed against the UCUM codes of the right rows, money against the right
sums, dates against days written here. Each library and medocr have the same strings. Needs the three libraries, which
medocr does not; the figures stand in medocr/fields/data/README.md.
"""

import re
import time

from medocr.digitize import dates
from medocr.fields import quantities, receipts, unit_code
from tests.bench import fields_cases

FILES = ("fields_by_others.jsonl", "held_out_fields.jsonl", "held_out_fields_2.jsonl", "held_out_fields_3.jsonl")
DATES = {  # as the texts print them, and the day where the page's language leaves no doubt
    "03/15/1961": None,
    "February 5, 2026": "2026-02-05",
    "07.11.1948": "1948-11-07",
    "03.02.2025": "2025-02-03",
    "22/08/1990": "1990-08-22",
    "15. Mai 1943": "1943-05-15",
    "3 février 1960": "1960-02-03",
    "29 maart 2014": "2014-03-29",
    "Aug 15, 2023": "2023-08-15",
    "2024-01-31": "2024-01-31",
    "31-Jan-2024": "2024-01-31",
    "12 de março de 2020": "2020-03-12",
    "4 maja 2021": "2021-05-04",
    "20240131": "2024-01-31",
    "02/14/2023": "2023-02-14",
}


EQUAL = [  # two codes, and the factor from one to the other; None where they are no one quantity
    *(
        ("10*3/uL", "10*9/L", 1),
        ("u[IU]/mL", "m[IU]/L", 1),
        ("ng/mL", "ug/L", 1),
        ("g", "mg", 1000),
        ("g/dL", "g/L", 10),
    ),
    *(("mg/dL", "mmol/L", None), ("U/L", "[IU]/L", None), ("/uL", "10*3/uL", 0.001), ("ug/dL", "mg/L", 0.01)),
    *(
        ("pg/mL", "ng/L", 1),
        ("fL", "L", 1e-15),
        ("mmol/mol", "%", None),
        ("mL/min/{1.73_m2}", "mL/s/{1.73_m2}", 1 / 60),
    ),
]


def units() -> list[tuple[str, list[str]]]:
    """Units as printed beside a right row's value, with the codes that are right."""
    pairs = set()
    for case in (case for file in FILES for case in fields_cases.load(file) if case["reader"] == "analytes"):
        for row in (row for row in case["right"] if row["unit"]):
            codes = row["unit"] if isinstance(row["unit"], list) else [row["unit"]]
            value = f"{row['value']:g}" if isinstance(row["value"], float | int) else str(row["value"])
            found = re.search(rf"{re.escape(value).replace('[.]', '[.,]')}0?\s+([^\s\d<>(\[|]\S*)", case["text"])
            if found and re.search(r"/|%|L$", found[1]):
                pairs.add((found[1], tuple(codes)))
    return sorted((printed, list(codes)) for printed, codes in pairs)


def money() -> list[tuple[str, float]]:
    """What follows a sum's label on a line of the receipts, with the right number."""
    pairs = []
    for case in (case for file in FILES for case in fields_cases.load(file) if case["reader"] == "receipt"):
        numbers = {value for value in case["right"].values() if isinstance(value, float)}
        for line in case["text"].splitlines():
            last = re.search(r"(?:[$€£]|Rs\.?)?\s?[\d.,' ]*\d(?:/-)?(?:\s?(?:[$€£]|zł|PLN|EUR))?$", line)
            digits = re.sub(r"\D", "", last[0]) if last else ""
            for value in numbers:
                if digits in (f"{value:.2f}".replace(".", ""), f"{value:.0f}"):
                    pairs.append((last[0].strip(), value))
    return sorted(set(pairs))


def main() -> None:
    """Print how many of each kind medocr and the library have right, and how long the library takes to load."""
    started = time.process_time()
    import dateparser
    import price_parser
    import ucumvert

    registry = ucumvert.PintUcumRegistry()
    loaded = round(time.process_time() - started, 2)
    print(f"loading the three: {loaded} s")

    def same(printed: str, codes: list[str]) -> bool:
        try:
            one = registry.from_ucum(printed)
            return any(one == registry.from_ucum(code) for code in codes)
        except Exception:  # its grammar's errors have no common class
            return False

    every = units()
    print(
        "units",
        len(every),
        "medocr",
        sum(unit_code(u) in c for u, c in every),
        "ucumvert",
        sum(same(*u) for u in every),
    )
    print("  ucumvert lacks", [u for u, c in every if not same(u, c)])
    right = [_factor(registry, *pair[:2]) for pair in EQUAL]
    mine = [quantities.equal((1.0, one), (factor or 1.0, other)) == bool(factor) for one, other, factor in EQUAL]
    theirs = [
        f == pair[2] or bool(f and pair[2] and abs(f / pair[2] - 1) < 1e-9)
        for f, pair in zip(right, EQUAL, strict=True)
    ]
    print(
        "equal",
        len(EQUAL),
        "medocr",
        sum(mine),
        "ucumvert and pint",
        sum(theirs),
        list(zip(EQUAL, right, mine, strict=True)),
    )
    sums = money()
    print("money", len(sums), "medocr", sum(_ours(p) == v for p, v in sums), end=" ")
    theirs = [price_parser.Price.fromstring(printed).amount_float for printed, _ in sums]
    print("price-parser", sum(a == v for a, (_, v) in zip(theirs, sums, strict=True)))
    print(
        "  ", [(p, a) for a, (p, v) in zip(theirs, sums, strict=True) if a != v], [p for p, v in sums if _ours(p) != v]
    )
    days = {printed: day for printed, day in DATES.items() if day}
    read = {printed: dateparser.parse(printed, settings={"DATE_ORDER": "DMY"}) for printed in days}
    ours = sum(dates.iso(printed) == day for printed, day in days.items())
    print(
        "dates",
        len(days),
        "medocr",
        ours,
        "dateparser",
        sum(bool(read[p]) and str(read[p].date()) == day for p, day in days.items()),
    )
    print("  ", [(p, str(read[p])[:10]) for p, day in days.items() if not read[p] or str(read[p].date()) != day])


def _factor(registry, one: str, other: str) -> float | None:
    """From one unit to another by ucumvert and pint; None where they cannot tell."""
    try:
        return float(registry.from_ucum(one).to(registry.from_ucum(other).units).magnitude)
    except Exception:  # as above
        return None


def _ours(printed: str) -> float | None:
    found = receipts.read_receipt(f"Total {printed}")
    return found.total


if __name__ == "__main__":
    main()
