"""Which way up a page stands, by the pieces of text that were found on it."""

import numpy as np

LONG = 2.0  # longer over shorter side of a piece that tells which way its line runs
TALL = 1.5  # height over width of a piece whose line runs upwards or downwards
SAMPLE = 12  # pieces of a page, the longest, that are read both ways


class LyingOnItsSide(Exception):
    """Raised instead of reading a page whose lines run upwards or downwards; says by what turn it stands upright."""

    def __init__(self, turn: int) -> None:
        super().__init__(f"turn it by {turn} degrees clockwise")
        self.turn = turn


def upwards(corners: np.ndarray) -> list[int]:
    """The pieces of text, corners (n, 4, 2), whose lines run upwards or downwards, longest first.

    None where most of the longer pieces lie flat: then the page does not lie on its side.
    """
    sizes = corners.max(1) - corners.min(1)
    long = sizes.max(1) > LONG * sizes.min(1)
    tall = long & (sizes[:, 1] > TALL * sizes[:, 0])
    order = np.argsort(-sizes[:, 1] / sizes[:, 0], kind="stable")
    return [int(row) for row in order if tall[row]] if 2 * tall.sum() > long.sum() else []
