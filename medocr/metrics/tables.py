"""TEDS: how alike two HTML tables are, as trees (Zhong, ShafieiBavani, Jimeno Yepes 2020, arXiv:1911.10683)."""

from collections.abc import Iterator

import lxml.html
from apted import APTED, Config
from lxml import etree
from rapidfuzz.distance import Levenshtein

CELLS = ("td", "th")


def teds(reference_html: str, predicted_html: str, structure_only: bool = False) -> float:
    """Tree-edit-distance similarity of the first table in each text: 1 − distance / nodes of the larger tree, 0 to 1.

    Adding or removing a node costs 1; renaming one 1 where tag or span differ, otherwise between two cells the
    normalised edit distance of their contents, character by character and markup by tag. `structure_only` leaves the
    contents out. A prediction without a table scores 0. Raises ValueError for a reference without one.
    """
    reference, predicted = _table(reference_html), _table(predicted_html)
    if reference is None:
        raise ValueError("the reference holds no <table>: TEDS compares with a table")
    if predicted is None:
        return 0.0
    nodes = max(sum(1 for _ in table.iterdescendants(etree.Element)) for table in (reference, predicted))
    trees = [_Node(table, structure_only) for table in (predicted, reference)]
    distance = APTED(*trees, _Costs()).compute_edit_distance()
    return max(0.0, 1.0 - distance / nodes) if nodes else 1.0


def _table(html: str) -> lxml.html.HtmlElement | None:
    try:
        parser = lxml.html.HTMLParser(remove_comments=True, encoding="utf-8")
        root = lxml.html.fromstring(html.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, ValueError):  # nothing in it, or characters that XML forbids
        return None
    return next(root.iter("table"), None)


class _Node:
    """A table, section, row or cell: what is compared of it, and its children; what is in a cell is its content."""

    def __init__(self, element: lxml.html.HtmlElement, structure_only: bool) -> None:
        self.cell = element.tag in CELLS
        spans = (element.get("colspan", "1"), element.get("rowspan", "1")) if self.cell else ()
        self.shape = (element.tag, *spans)
        self.content = list(_tokens(element)) if self.cell and not structure_only else []
        inside = () if self.cell else element.iterchildren(etree.Element)
        self.children = [_Node(child, structure_only) for child in inside]


def _tokens(element: lxml.html.HtmlElement) -> Iterator[str]:
    """What a cell holds: its characters, and its markup as opening and closing tags."""
    yield from element.text or ""
    for child in element.iterchildren(etree.Element):
        yield f"<{child.tag}>"
        yield from _tokens(child)
        if child.tag != "br":
            yield f"</{child.tag}>"
        yield from child.tail or ""


class _Costs(Config):
    def rename(self, first: _Node, second: _Node) -> float:
        if first.shape != second.shape:
            return 1.0
        return Levenshtein.normalized_distance(first.content, second.content)

    def children(self, node: _Node) -> list[_Node]:
        return node.children
