"""Which way up a page stands, by the pieces of text that were found on it."""

import numpy as np

LONG = 2.0  # longer over shorter side of a piece that tells which way its line runs
TALL = 1.5  # height over width of a piece whose line runs upwards or downwards
SAMPLE = 8  # pieces of a page that are read both ways


class LyingOnItsSide(Exception):
    """Raised instead of reading a page whose lines run upwards or downwards; says by what turn it stands upright."""

    def __init__(self, turn: int) -> None:
        super().__init__(f"turn it by {turn} degrees clockwise")
        self.turn = turn


def sampled(items: list) -> list:
    """At most `SAMPLE` of a list, evenly spread from its middle on: of pieces by length, those with enough to read."""
    longer = items[len(items) // 2 :]
    return longer[:: -(-len(longer) // SAMPLE)]


def lies_on_its_side(corners: np.ndarray) -> bool:
    """Whether most of the longer pieces of text, corners (n, 4, 2), are taller than they are wide."""
    sizes = corners.max(1) - corners.min(1)
    long = sizes.max(1) > LONG * sizes.min(1)
    return bool(long.any() and (sizes[:, 1] > TALL * sizes[:, 0])[long].mean() > 0.5)
