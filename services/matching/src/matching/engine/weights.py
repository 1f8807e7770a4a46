"""What a term is worth: a fixed background, the same in every process, on every day, for every collection.

Weights learnt from the collection would be a little better at ranking (one to two points of nDCG@10 on the
development pack) but would make the score of a pair depend on what else was listed when it was scored; see
docs/decisions/0006-proposals-deterministic.md.
"""

import math
from functools import lru_cache
from typing import Final

import rjieba

from matching.engine.analyzer import is_han
from matching.engine.tables import table, word_set

_DATA = table("weights")["background"]
VERSION: Final = f"background/{table('weights')['version']}"
PAIR_MOST: Final = float(_DATA["bigram_most"])
"""No pair of characters says more."""
_CACHE: Final = 1 << 15
"""Terms remembered; bounds memory to a few MB however many different terms pass by."""


_WEAK: Final = word_set("weights", "weak")
_STOP: Final = word_set("analyzer", "stop")
_LEAST: Final = float(_DATA["least"])
_SMOOTHING: Final[int] = _DATA["smoothing"]
_PAIR_SMOOTHING: Final[int] = _DATA["bigram_smoothing"]
_PAIR_STOP: Final[float] = _DATA["bigram_stop_factor"]
_WEAK_FACTOR: Final[float] = _DATA["weak_factor"]
_DOCUMENTS: Final[float] = _DATA["corpus"] / _DATA["words_per_document"]


def _information(frequency: float) -> float:
    return math.log(_DOCUMENTS / frequency)


@lru_cache(maxsize=_CACHE)
def word_weight(word: str) -> float:
    """Return the weight of a word: the rarer in general language, the more it says. Always above zero."""
    if is_han(word):
        value = _information(rjieba.suggest_freq(word) + _SMOOTHING)
        if len(word) == 1:
            value *= _DATA["single_factor"]
    else:
        value = _information(_DATA["digits_frequency" if _is_number(word) else "latin_frequency"])
    if word in _WEAK:
        value *= _WEAK_FACTOR
    return max(_LEAST, value)


@lru_cache(maxsize=_CACHE)
def bigram_weight(pair: str) -> float:
    """Return the weight of a character pair (or of a Latin run standing among them). Always above zero."""
    if not is_han(pair):
        return min(word_weight(pair), PAIR_MOST)
    value = PAIR_MOST
    if rjieba.has_word(pair):
        value = min(value, _information(rjieba.suggest_freq(pair) + _PAIR_SMOOTHING))
    if pair in _WEAK:
        value *= _WEAK_FACTOR
    if pair[0] in _STOP or pair[-1] in _STOP:
        value *= _PAIR_STOP
    return max(_LEAST, value)


@lru_cache(maxsize=_CACHE)
def is_known(word: str) -> bool:
    """Tell whether a person would recognise the word: the segmenter knows it, and did not guess it."""
    return not is_han(word) or bool(rjieba.has_word(word))


def _is_number(word: str) -> bool:
    return word.replace(".", "").replace("-", "").replace("/", "").isdigit()
