"""Pretraining pages as tensors: drawn on the fly, with each character's place on the page.

The places are what makes learning from scratch quick: they say which cell (28 × 28 px, one visual token) holds
which characters, and where the next one is. Both are only used by losses of the pretraining.
"""

import dataclasses
import itertools
import math
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import IterableDataset

from medocr.demo.synthetic.draw import CELL, Draft, Sheet, arrange, paint, scan
from medocr.demo.tiny import architecture, corpus
from medocr.demo.tiny.corpus import Text

PATCH = 14
SLOTS = 4  # characters of a cell that the letter loss asks for
NOWHERE = -100


@dataclasses.dataclass(frozen=True)
class Stage:
    """One part of the curriculum: how many lines a page has and what share of pages are receipts or invoices."""

    name: str
    lines: tuple[int, int]
    documents: float
    batch: int
    until: float  # share of the sitting's time at which the next stage begins
    reading: bool = True  # False: the language model rests, only letters are learnt


@dataclasses.dataclass
class Drawn:
    """One page: grey levels (height, width), its text, a line per line, and the cell of each character or NOWHERE."""

    pixels: np.ndarray
    text: str
    cells: list[int]
    about: dict[str, str | int]  # face, size in px, lines, scan

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[0] // CELL, self.pixels.shape[1] // CELL


def draw(rng: random.Random, text: Text, stage: Stage) -> Drawn:
    """Draw one page of a stage."""
    while True:
        family = corpus.family(rng)
        document = rng.random() < stage.documents
        draft = corpus.receipt_or_invoice(rng) if document else text.draft(rng, rng.randint(*stage.lines), family)
        if drawn := render(draft, rng, family, narrow=not document):
            return drawn


def render(draft: Draft, rng: random.Random, family: str, *, narrow: bool) -> Drawn | None:
    """Print a draft in a font family and scan most of its pages; `narrow` leaves out the empty cells on the right.

    None when it does not fit on a page.
    """
    draft.look = dataclasses.replace(draft.look, family=family)
    sheet = arrange(draft)
    if not sheet:
        return None
    image = paint(sheet, ink=rng.randrange(0, 90), paper=rng.randrange(226, 256))
    scanned = rng.random() < 0.8
    if scanned:
        image = scan(image, rng)
    width = _used(sheet) if narrow else sheet.width
    pixels = np.asarray(image)[:, :width]
    about = {
        "face": Path(draft.look.family).name,
        "size": sheet.runs[-1][0].font.size,
        "lines": len(draft.lines),
        "scan": "scanned" if scanned else "clean",
    }
    return Drawn(pixels, draft.text, _cells(sheet, width), about)


def _used(sheet: Sheet) -> int:
    right = max(run.x + run.font.getlength(run.text) for runs in sheet.runs for run in runs)
    return min(sheet.width, math.ceil((right + 6) / CELL) * CELL)


def _cells(sheet: Sheet, width: int) -> list[int]:
    """The cell that holds each character's centre; spaces between lines are nowhere."""
    cells = []
    for line, runs in zip(sheet.lines, sheet.runs, strict=True):
        cells += [NOWHERE] * bool(cells)
        text, at = line.text, 0
        for run in runs:
            if not text.startswith(run.text, at):  # the space between two columns
                cells.append(NOWHERE)
                at += 1
            row = int((run.y - 0.3 * run.font.size) // CELL)
            edges = [run.x + run.font.getlength(run.text[:i]) for i in range(len(run.text) + 1)]
            columns = (int((left + right) / 2 // CELL) for left, right in itertools.pairwise(edges))
            cells += [row * (width // CELL) + min(column, width // CELL - 1) for column in columns]
            at += len(run.text)
    return cells


class Batches(IterableDataset):
    """Endless batches of pages of equal size, for `DataLoader(batch_size=None)`; set `stage` by making a new one."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.seed = stage, seed

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        torch.set_num_threads(1)
        rng, text = random.Random(self.seed), Text(self.seed)
        tokenizer = architecture.make_tokenizer()
        waiting: dict[tuple, list[Drawn]] = {}
        while True:
            page = draw(rng, text, self.stage)
            same = waiting.setdefault(page.size, [])
            same.append(page)
            if len(same) == self.stage.batch:
                yield collate(waiting.pop(page.size), tokenizer)


def collate(pages: list[Drawn], tokenizer) -> dict[str, torch.Tensor]:
    """Pages of one size as tensors.

    pixels (pages × patches, 3, 14, 14) as the image processor gives them; grid (pages, 3); answer (pages, longest)
    of token ids with </s> and padding; cells (pages, longest) with each token's cell; letters (pages, cells, SLOTS).
    """
    rows, columns = pages[0].size
    texts = [page.text.replace("\n", " ") for page in pages]
    answers = [tokenizer(text)["input_ids"] + [architecture.EOS] for text in texts]
    longest = max(map(len, answers))
    answer = torch.full((len(pages), longest), architecture.PAD)
    cells = torch.full((len(pages), longest), NOWHERE)
    letters = torch.full((len(pages), rows * columns, SLOTS), architecture.PAD)
    for i, (page, text, tokens) in enumerate(zip(pages, texts, answers, strict=True)):
        answer[i, : len(tokens)] = torch.tensor(tokens)
        cells[i, : len(page.cells)] = torch.tensor(page.cells)
        used = [0] * (rows * columns)
        for token, cell, character in zip(tokens, page.cells, text, strict=False):
            if cell != NOWHERE and character != " " and used[cell] < SLOTS:
                letters[i, cell, used[cell]] = token
                used[cell] += 1
    grey = torch.from_numpy(np.stack([page.pixels for page in pages])).float().sub(255).div(127.5)
    patches = grey.unflatten(1, (-1, PATCH)).unflatten(3, (-1, PATCH)).transpose(2, 3).flatten(0, 2)
    return {
        "pixels": patches[:, None].expand(-1, 3, -1, -1).contiguous(),
        "grid": torch.tensor([[1, rows * 2, columns * 2]] * len(pages)),
        "answer": answer,
        "cells": cells,
        "letters": letters,
    }
