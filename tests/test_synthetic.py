import collections
import itertools
import random
import re

import numpy as np
import pytest
from tokenizers import Tokenizer

import medocr
import medocr.fields
from medocr.demo import synthetic
from medocr.demo.synthetic import draw, general, lab, prescription, templates
from medocr.demo.tiny import corpus
from medocr.schema import DOMAIN_OF

TYPES = tuple(synthetic.RECIPE)
EACH = 48


@pytest.fixture(scope="module")
def drawn():
    """Some pages of each type, by type."""
    pages = list(synthetic.pages(dict.fromkeys(TYPES, EACH), workers=1))
    return {doc_type: [page for page in pages if page.doc_type == doc_type] for doc_type in TYPES}


def draft(doc_type: str, number: int) -> tuple[draw.Draft, draw.Sheet]:
    rng = random.Random(number)
    drafts = (synthetic.DRAWN_BY[doc_type](rng, number) for _ in range(synthetic.MOST_DRAFTS))
    return next((d, sheet) for d in drafts if (sheet := draw.arrange(d)))


def test_the_recipe_is_the_published_one():
    assert sum(synthetic.RECIPE.values()) == 2462
    medical = sum(count for doc_type, count in synthetic.RECIPE.items() if DOMAIN_OF[doc_type] == "medical")
    assert round(100 * medical / 2462, 1) == 59.4


def test_pages_depend_on_the_seed_and_not_on_workers():
    counts = {"receipt": 50, "form": 14}
    alone = list(synthetic.pages(counts, workers=1))
    assert list(synthetic.pages(counts, workers=2)) == alone
    assert list(synthetic.pages({"receipt": 5}, workers=1)) == alone[:5]
    assert next(synthetic.pages({"receipt": 1}, seed=1)).id != alone[0].id


def test_counts_and_labels(drawn):
    for doc_type, pages in drawn.items():
        assert len(pages) == EACH
        for page in pages:
            assert page.domain == DOMAIN_OF[doc_type]
            assert page.truth
            assert not page.contains_phi
            unlabelled = doc_type in ("lab_report", "form")
            assert page.text == (None if unlabelled else page.truth)
            assert page.label_origin == (None if unlabelled else "synthetic")
    everything = list(itertools.chain(*drawn.values()))
    assert len({page.id for page in everything}) == len(everything)
    assert len({page.origin for page in everything}) == len(everything)


def test_groups_are_many_and_held_out_ones_apart():
    for doc_type in TYPES:
        groups = {templates.group(doc_type, number) for number in range(160)}
        assert len(groups) == 160
        run = {templates.group(doc_type, n) for n in synthetic._groups(doc_type, 500, 3407, range(120))}
        numbers = {*synthetic._groups(doc_type, 200, 3407, synthetic.HELD_OUT_GROUPS)}
        assert not numbers & {*corpus.GROUPS}
        held_out = {templates.group(doc_type, number) for number in numbers}
        assert not run & held_out
        layouts = {name.split("/")[1] for name in held_out}
        assert not {name.split("/")[1] for name in run} & layouts
        assert len(layouts) == (200 if doc_type == "form" else 40)
        assert len(run) == (500 if doc_type == "form" else 120)
    titles = {templates.template("form", n).title for n in range(8)}
    assert titles == {*templates.TEMPLATES["form"]["style"]["title"]}
    names = {templates.issuer("lab_report", n).name for n in range(160)}
    assert len(names) > 120


def test_pages_are_small_and_of_few_sizes(drawn):
    pages = list(itertools.chain(*drawn.values()))
    sizes = collections.Counter(page.open().size for page in pages)
    assert all(width % 28 == 0 and height % 28 == 0 for width, height in sizes)
    assert max(width for width, _ in sizes) == 13 * 28
    assert max(height for _, height in sizes) <= 12 * 28
    assert len(sizes) <= 24
    assert sum(width * height for width, height in sizes.elements()) / len(pages) / 784 < 110
    assert 120 < sum(len(page.truth) for page in pages) / len(pages) < 170
    assert max(len(page.truth) for page in pages) < 300
    assert max(len(page.image) for page in pages) < 40_000


@pytest.mark.parametrize("doc_type", TYPES)
def test_every_group_prints_whole_lines_apart_from_each_other(doc_type):
    for number in range(160):
        written, sheet = draft(doc_type, number)
        lowest = 0
        for line, runs in zip(sheet.lines, sheet.runs, strict=True):
            boxes = [run.font.getbbox(run.text, anchor="ls") for run in runs]
            assert min(run.x + box[0] for run, box in zip(runs, boxes, strict=True)) >= 3, line.text
            assert max(run.x + box[2] for run, box in zip(runs, boxes, strict=True)) <= sheet.width - 3
            assert min(run.y + box[1] for run, box in zip(runs, boxes, strict=True)) >= lowest, written.text
            lowest = max(run.y + box[3] for run, box in zip(runs, boxes, strict=True))
            ends = [run.x + run.font.getlength(run.text) for run in runs]
            assert all(end <= run.x + 0.01 for end, run in zip(ends, runs[1:], strict=False)), line.text
            assert re.sub(r"\s", "", "".join(run.text for run in runs)) == re.sub(r"\s", "", line.text)
        assert lowest <= sheet.height, written.text


@pytest.mark.parametrize("doc_type", TYPES)
def test_no_ink_at_the_edge(doc_type):
    for number in range(0, 160, 9):
        _, sheet = draft(doc_type, number)
        clean = np.asarray(draw.paint(sheet))
        edge = np.concatenate([clean[:2].ravel(), clean[-1:].ravel(), clean[:, :3].ravel(), clean[:, -3:].ravel()])
        assert (edge == 255).all()
        assert (clean < 128).mean() > 0.01


def test_the_tiny_tokenizer_knows_every_character(drawn):
    tokenizer = Tokenizer.from_file(str(medocr.BASES["tiny"] / "tokenizer.json"))
    used = set("".join(page.truth for page in itertools.chain(*drawn.values())).replace("\n", " "))
    assert not [sign for sign in sorted(used) if tokenizer.decode(tokenizer.encode(sign).ids) != sign]


def test_header_fields_stand_in_the_text(drawn):
    for page in itertools.chain(drawn["prescription"], drawn["lab_report"], drawn["form"]):
        assert page.fields["header"]["facility"] == page.truth.split("\n")[0]
        assert all(value in page.truth for value in page.fields["header"].values()), page.truth


def test_analytes_stand_on_their_lines_and_their_flags_agree(drawn):
    flags = collections.Counter()
    for page in drawn["lab_report"]:
        for analyte in page.fields["analytes"]:
            printed = analyte["printed"]
            lines = [line for line in page.truth.split("\n") if line.startswith(analyte["name"])]
            assert any(all(text in line for text in printed.values()) for line in lines), page.truth
            flags[analyte["flag"]] += 1
            value, low, high, flag = (analyte[name] for name in ("value", "low", "high", "flag"))
            if isinstance(value, str):
                normal = value == printed["range"] or value[0] == "<"
                assert flag in ((None, "N") if normal else ("A",))
            else:
                assert printed["value"] == f"{value:.{len(printed['value'].partition('.')[2])}f}"
                above, below = high is not None and value > high, low is not None and value < low
                expected = ("H", "HH", "A") if above else ("L", "LL", "A") if below else (None, "N")
                assert flag in expected, analyte
            assert bool(printed["flag"]) == bool(flag)
    assert {"H", "L", "A", None} <= flags.keys()
    assert flags[None] + flags["N"] > flags.total() / 2


def test_analytes_are_many_and_their_ranges_ordered():
    assert len({test.names[0] for test in lab.ANALYTES + lab.FINDINGS}) >= 60
    for test in lab.ANALYTES:
        assert test.panel in lab.PANELS
        for low, high in test.ranges.values():
            assert not (low and high) or float(low) < float(high)
    assert not {ucum for ucum in lab.UCUM.values() if "µ" in ucum or "²" in ucum}


def test_drug_orders_stand_in_the_text(drawn):
    assert len({drug.name for drug in prescription.DRUGS}) >= 80
    seen = collections.Counter()
    for page in drawn["prescription"]:
        for order in page.fields["drugs"]:
            drug, strength = re.escape(order["drug"]), re.escape(order["strength"])
            assert re.search(rf"{drug}\s{strength}|{strength}\s{drug}", page.truth)
            number = order["strength"].removesuffix(order["unit"]).strip()
            assert order["dose"] == (number if "/" in number else float(number))
            assert order["route"] == "SL" or order["form"] != "SL tab"
            for name in ("form", "route", "frequency", "duration"):
                assert order[name] is None or order[name] in page.truth
                seen[name] += order[name] is not None
    assert min(seen.values()) > 10


def test_boxes_are_ticked_as_the_fields_say(drawn):
    ticks = collections.Counter()
    for page in drawn["form"]:
        for option in page.fields["options"]:
            assert f"{'☑' if option['ticked'] else '☐'} {option['label']}" in page.truth
            ticks[option["ticked"]] += 1
        assert page.truth.count("☑") + page.truth.count("☐") == len(page.fields["options"])
    assert min(ticks[True], ticks[False]) > 20


@pytest.mark.parametrize("doc_type", ["receipt", "invoice"])
def test_totals_add_up_and_stand_in_the_text(drawn, doc_type):
    def cents(amount: str) -> int:
        return round(100 * float(amount.replace(",", "")))

    for page in drawn[doc_type]:
        fields = page.fields
        net = sum(cents(item["amount"]) for item in fields["items"])
        assert fields["subtotal"] is None or cents(fields["subtotal"]) == net
        assert abs(cents(fields["tax"]) - net * float(fields["tax_rate"]) / 100) <= 0.5
        assert cents(fields["total"]) == net + cents(fields["tax"])
        for name in ("issuer", "tax", "total", "date", "number", "client", "due"):
            assert fields.get(name, "") in page.truth
        for item in fields["items"]:
            lines = [line for line in page.truth.split("\n") if item["item"] in line]
            assert any(all(text in line for text in item.values()) for line in lines)


def test_general_pages_hold_no_medical_word(drawn):
    tests = [name for test in lab.ANALYTES + lab.FINDINGS for name in test.names if len(name) > 2]
    words = {
        *tests,
        *(drug.name for drug in prescription.DRUGS),
        "Patient",
        "DOB",
        "MRN",
        "Rx",
        "mg",
        "PO",
        "BID",
        "Clinic",
    }
    words -= {"Color", "Blood"}  # everyday words
    medical = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, sorted(words))) + r")(?!\w)", re.IGNORECASE)
    goods = [name for kind in general.GOODS.values() for name in kind]
    for text in [*goods, *(page.truth for page in drawn["receipt"] + drawn["invoice"])]:
        assert not medical.search(text), text


def test_bad_requests_are_named():
    with pytest.raises(ValueError, match="'x_ray' are unknown: choose from prescription"):
        next(synthetic.pages({"x_ray": 1}))
    for count in (-1, 2.5, "2"):
        with pytest.raises(ValueError, match="whole number, 0 or more"):
            next(synthetic.pages({"form": count}))
    with pytest.raises(ValueError, match="'lab_reports' are unknown"):
        next(synthetic.pages({"lab_report": 1}, unlabelled=["lab_reports"]))
    with pytest.raises(ValueError, match="groups is empty"):
        next(synthetic.pages({"form": 1}, groups=[]))
    assert list(synthetic.pages({"form": 0})) == []


def test_new_shapes_are_read_as_they_were_drawn():
    """Previous results with their date, and the dose before the drug: what was drawn and what is read agree."""
    previous = first = 0
    for number in range(130, 140):  # a template with a column for previous results
        for seed in range(4):
            written = synthetic.DRAWN_BY["lab_report"](random.Random(seed), number)
            rows = [(row.get("previous"), row.get("previous_date")) for row in written.fields["analytes"]]
            if any(date for _, date in rows):
                previous += 1
                read = medocr.fields.read_analytes(written.text)
                assert [(row.previous, row.previous_date) for row in read] == rows, written.text
    for number in range(160):
        written = synthetic.DRAWN_BY["prescription"](random.Random(number), number)
        lead = [order for order in written.fields["drugs"] if f"{order['strength']} {order['drug']}" in written.text]
        read = {order.drug: order.dose for order in medocr.fields.read_drugs(written.text)} if lead else {}
        first += bool(lead)
        assert all(read[order["drug"]] == order["dose"] for order in lead), written.text
    assert previous >= 10
    assert first >= 20
