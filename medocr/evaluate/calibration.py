"""Does the model know when it is wrong? The probability of each number it read, beside whether the number is right."""

import bisect
import itertools
import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from rapidfuzz.distance import Levenshtein

from medocr.metrics.text import NUMBER

CAUGHT = 0.95  # share of the wrong numbers that a person should get to see


def numbers_read(reading) -> dict:
    """The numbers in a reading (`model.Reading`) with the mean and the least probability of their tokens, in order."""
    text = "".join(reading.pieces)
    ends = list(itertools.accumulate(len(piece) for piece in reading.pieces))
    read = {"number": [], "mean": [], "least": []}
    for match in NUMBER.finditer(text):
        first, last = bisect.bisect_right(ends, match.start()), bisect.bisect_left(ends, match.end())
        logprobs = reading.token_logprobs[first : last + 1]
        read["number"].append(match.group())
        read["mean"].append(round(math.exp(math.fsum(logprobs) / len(logprobs)), 5))
        read["least"].append(round(math.exp(min(logprobs)), 5))
    return read


def calibration(predictions: Iterable) -> pd.DataFrame:
    """One row per number that a model read: id, doc_type, model, number, mean, least, right.

    A number is right where a shortest edit script between the page's numbers and those read keeps it.
    """
    frames = []
    for prediction in predictions:
        if not prediction.numbers:
            continue
        numbers = prediction.numbers["number"]
        right = np.zeros(len(numbers), bool)
        for block in Levenshtein.opcodes(NUMBER.findall(prediction.target), numbers):
            right[block.dest_start : block.dest_end] = block.tag == "equal"
        about = {name: getattr(prediction, name) for name in ("id", "doc_type", "model")}
        frames.append(pd.DataFrame({**prediction.numbers, "right": right}).assign(**about))
    columns = ["id", "doc_type", "model", "number", "mean", "least", "right"]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def to_check(numbers: pd.DataFrame) -> float | None:
    """Share of numbers, the least probable first, that a person must look at to see CAUGHT of the wrong ones.

    None where no number is wrong, or none was read.
    """
    wrong = ~numbers.sort_values("least", kind="stable")["right"].to_numpy(bool)
    if not wrong.any():
        return None
    seen = np.cumsum(wrong) / wrong.sum()
    return float((np.argmax(seen >= CAUGHT) + 1) / len(wrong))
