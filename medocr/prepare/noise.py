"""Known errors put into training answers, for the experiment that asks what label noise costs."""

import random
import re
import string

ALPHABETS = (string.digits, string.ascii_lowercase, string.ascii_uppercase)


def damaged(text: str, share: float, rng: random.Random) -> str:
    """The text with one character replaced in each word that `share` (a probability) hits.

    A digit becomes another digit, an ASCII letter another of its case; a word without either stays as it is.
    """
    return re.sub(r"\S+", lambda word: _one_wrong(word[0], rng) if rng.random() < share else word[0], text)


def _one_wrong(word: str, rng: random.Random) -> str:
    places = [(i, letters) for i, character in enumerate(word) for letters in ALPHABETS if character in letters]
    if not places:
        return word
    i, alphabet = rng.choice(places)
    return word[:i] + rng.choice(alphabet.replace(word[i], "")) + word[i + 1 :]
