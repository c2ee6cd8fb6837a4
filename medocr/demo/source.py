"""The source that needs nothing outside the package: pages drawn by `medocr.demo.synthetic`."""

from collections.abc import Iterator, Sequence

from ..schema import Page


def synthetic(
    counts: dict[str, int] | None = None,
    seed: int = 3407,
    groups: Sequence[int] = range(120),
    unlabelled: Sequence[str] = ("lab_report", "form"),
    workers: int = 2,
) -> Iterator[Page]:
    """Drawn pages, by default the 2,462 of `synthetic.RECIPE`; the options are those of `synthetic.pages`."""
    from . import synthetic  # imports the fonts and the word lists, which no other source needs

    counts = synthetic.RECIPE if counts is None else counts
    return synthetic.pages(counts, seed, groups=groups, unlabelled=unlabelled, workers=workers)


def state(**options) -> None:
    """Nothing: the code that draws is all that decides, and the runner knows it."""
