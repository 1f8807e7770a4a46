"""Items made ready: a vector of bytes to keep, and the words to search with and to be found by.

What a code says. Result: 16 in the title, 8 in the keywords, and below that how often in the body, in eight steps.
Need: the level of its weight (bits 2 to 6), how often it is asked for (bits 0 and 1, at most three times), and bit 7
for a word that counts among the pairs of characters as well (a Latin run).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.bilingual.expansion import expanded, han_share
from matching.engine import kernels, layout
from matching.engine.analyzer import is_han
from matching.engine.index.port import FoundBy
from matching.engine.items import Item
from matching.engine.layout import NEED, RESULT, Contents
from matching.engine.model import Lexicon, Model
from matching.engine.statistics import COUNT_BITS, MOST_LEVEL, SQUARE, STEPS, Statistics, Terms
from matching.engine.tables import table
from matching.engine.texts import Text, pair_key

type Floats = npt.NDArray[np.float64]
type Integers = npt.NDArray[np.int64]

_WEIGHTS: Final = table("weights")
_BM25F: Final = _WEIGHTS["bm25f"]
_FIELDS: Final = [_BM25F["fields"][name] for name in ("title", "keywords", "body")]
_TRANSLATION: Final = _WEIGHTS["translation"]
_FOREIGN: Final[float] = table("bilingual")["expansion"]["han_share"]
_CANDIDATES: Final = _WEIGHTS["candidates"]
_MOST: Final[tuple[int, int]] = (_WEIGHTS["vector"]["pairs"], _WEIGHTS["vector"]["words"])
CAP: Final[int] = _BM25F["query_cap"]
LEAST_MASS: Final[float] = _BM25F["least_mass"]
"""A need or result that says less, in squares of nats, counts as saying this much."""
MASS_UNIT: Final = 16.0
"""Squares of nats in a mass as it is stored."""
PAIRS, PAIR_WORDS, OTHER_WORDS = range(3)
"""Sections of a vector: pairs of characters; words that are pairs (of needs); all other words."""
IN_TITLE: Final = 16
IN_KEYWORDS: Final = 8
ALSO_PAIR: Final = 128
_CODES: Final = 32
_OFTEN: Final = np.array([0, 1, 2, 3, 4, 5, 7, 11], dtype=np.int64)
"""How often a term stands in the body, by the lowest three bits of a result's code."""
_BODY_CODES: Final = np.searchsorted(_OFTEN, np.arange(1 << COUNT_BITS), side="right").astype(np.int64) - 1


def _occurrences() -> Integers:
    codes = np.arange(_CODES)
    return np.stack([codes >> 4 & 1, codes >> 3 & 1, _OFTEN[codes & 7]], axis=1)


_OF_CODE: Final = _occurrences()
"""Occurrences in title, keywords and body that a result's code stands for."""
IN_BODY: Final = _OF_CODE[:, 2] > 0
"""Whether in the body, by a result's code."""


def _norms(unit: str) -> list[list[float]]:
    return [[1 - each["b"] for each in _FIELDS], [each["b"] / each[unit] for each in _FIELDS]]


_FLAT_AND_SLOPE: Final = np.array([_norms("words"), _norms("bigrams")])
SATURATION: Final = (
    _FLAT_AND_SLOPE[:, 0].copy(),
    _FLAT_AND_SLOPE[:, 1].copy(),
    np.stack([float(settings["weight"]) * _OF_CODE[:, at] for at, settings in enumerate(_FIELDS)]),
    float(_BM25F["k1"]),
)
"""BM25F, as the loops of scoring_kernels.py take it: by unit and field what a length is divided by (flat, and for each
term), by field and result's code what an occurrence is worth, and k1."""
LOG_STEPS: Final = 64
_ASKED: Final = np.rint((1 + np.log(np.maximum(1, np.arange(CAP + 1)))) * LOG_STEPS).astype(np.int64)
LOG_ASKED: Final = _ASKED[np.arange(1 << 8) & 3]
"""How often a term is asked for, damped, by a need's code, in LOG_STEPS."""
LOG_OFFERED: Final = np.rint(
    (1 + np.log(np.maximum(1, _OF_CODE @ [int(settings["weight"]) for settings in _FIELDS]))) * LOG_STEPS
).astype(np.int64)
"""The same of a result, occurrences weighted by field, by its code."""


@dataclass(frozen=True)
class Analysed:
    """An item made ready: its vector to keep, and all words to be found by."""

    vector: bytes
    found_by: Mapping[str, int]
    _words: Sequence[str]
    _worth: Callable[[], Floats]
    _searched_with: int
    foreign: bool = False
    """Whether it is a need in another language, found and ordered by what is translated."""

    @cached_property
    def heaviest(self) -> Mapping[str, float]:
        """The heaviest words; equal weights in the order of the words, so that the choice is the same everywhere."""
        words, worth, most = self._words, self._worth(), self._searched_with
        if len(words) > most:
            heavy = np.flatnonzero(worth >= np.partition(worth, -most)[-most])
            words, worth = [words[at] for at in heavy.tolist()], worth[heavy]
        weighted = zip(words, worth.tolist(), strict=True)
        return dict(sorted(weighted, key=lambda pair: (-pair[1], pair[0]))[:most])


def query_weights(item: Item, model: Model | None = None) -> dict[str, float]:
    """Return the words of a text with what each is worth: its weight times its capped frequency."""
    terms = (model or Model.shipped()).statistics.read(Text.of(item))
    _, _, times = kernels.asked(terms.facts, terms.first_word, CAP, _ASKED, *_MOST)
    return dict(zip(terms.words, (terms.weights * np.minimum(times, CAP)).tolist(), strict=True))


def need_vector(item: Item, model: Model) -> Analysed:
    """Analyse a need. An empty text covers and finds nothing."""
    terms = model.statistics.read(Text.of(item))
    foreign = model.lexicon is not None and _is_foreign(terms)
    if model.lexicon is not None and foreign:
        _weigh_by(model.lexicon, terms)
    group, sums, times = kernels.asked(terms.facts, terms.first_word, CAP, _ASKED, *_MOST)
    often = np.minimum(times, CAP)
    words, worth = terms.words, terms.weights * often
    found_by = dict(zip(words, times.tolist(), strict=True))
    if model.lexicon is not None:
        asked_too = _Translated(model.statistics, model.lexicon)
        translations = asked_too.take(dict(zip(words, often.tolist(), strict=True)))
        foreign = foreign and bool(translations)
        words, worth = [*words, *translations], np.concatenate([worth, list(translations.values())])
        group = asked_too.beside(group)
        found_by |= {word: 1 for word in translations if word not in found_by}
    contents = Contents(NEED, item.facets, group, _told(sums), embedding=item.embedding)
    searched_with = _CANDIDATES["translated_terms" if foreign else "terms"]
    return Analysed(layout.pack(contents), found_by, words, lambda: worth, searched_with, foreign)


def _is_foreign(terms: Terms) -> bool:
    often = np.minimum(kernels.times(terms.facts, terms.first_word), CAP)
    return han_share(dict(zip(terms.words, often.tolist(), strict=True))) < _FOREIGN


def _weigh_by(lexicon: Lexicon, terms: Terms) -> None:
    """Have each Latin word of a text weigh what all its translations would.

    The collection, being Chinese, has hardly seen such a word and takes it for a rare one: it would outweigh what is
    translated.
    """
    levels, among = terms.levels[terms.first_word :], terms.pair_levels
    for at, word in enumerate(terms.words):
        weight = None if is_han(word) or not levels[at] else lexicon.weight(word)
        if weight is not None:
            levels[at] = _translated_level(math.sqrt(_TRANSLATION["typical"] * weight))
            among[at] = min(among[at], levels[at])


def result_vector(item: Item, model: Model) -> Analysed:
    """Analyse a result."""
    terms = model.statistics.read(Text.of(item))
    group, sums, times = kernels.offered(terms.facts, terms.first_word, _BODY_CODES, LOG_OFFERED, *_MOST)
    lengths = sums[kernels.COUNTED :].tolist()
    contents = Contents(RESULT, item.facets, group, _told(sums), lengths, item.embedding)

    def worth() -> Floats:  # of no use where many are only indexed
        worth: Floats = terms.weights * np.minimum(kernels.times(terms.facts, terms.first_word), CAP)
        return worth

    found_by = FoundBy.of(terms.words, times)
    return Analysed(layout.pack(contents), found_by, terms.words, worth, _CANDIDATES["reverse_terms"])


def _told(sums: Integers) -> list[float]:
    """What a vector says of its text as a whole: masses and lengths, each by words and by pairs."""
    masses, lengths = sums[: kernels.LENGTH].tolist(), sums[kernels.LENGTH : kernels.COUNTED].tolist()
    return [
        *(max(mass / SQUARE, LEAST_MASS) / MASS_UNIT for mass in masses),
        *(math.sqrt(length / SQUARE) / LOG_STEPS for length in lengths),
    ]


class _Translated:
    """Translations that a need looks for as well, each for its share of the word: they only cover what it asks for."""

    def __init__(self, statistics: Statistics, lexicon: Lexicon) -> None:
        self._statistics = statistics
        self._lexicon = lexicon
        self._worth: dict[tuple[int, int], float] = {}
        self._codes: dict[tuple[int, int], int] = {}

    def take(self, counts: Mapping[str, int]) -> dict[str, float]:
        """Look for the translations of the words of a need; return them with what they are worth."""
        found = expanded(counts, self._lexicon)
        for word, each in found.items():
            often = counts[each.source]
            self._ask(word, _TRANSLATION["typical"] * each.weight / often, often)
        return {word: each.weight for word, each in found.items()}

    def _ask(self, word: str, worth: float, often: int) -> None:
        known = self._statistics.word(word)
        latin = ALSO_PAIR if known.pair_level and not known.is_pair else 0
        self._add((PAIR_WORDS if known.is_pair else OTHER_WORDS, known.key), worth, often | latin)
        inside = [word[at : at + 2] for at in range(len(word) - 1)] if is_han(word) else []
        for pair in inside:
            self._add((PAIRS, pair_key(pair)), worth / len(inside), often)

    def _add(self, term: tuple[int, int], worth: float, code: int) -> None:
        """Several words that a term stands for make it worth more."""
        self._worth[term] = self._worth.get(term, 0.0) + worth
        level = _translated_level(math.sqrt(self._worth[term]))
        self._codes[term] = level << 2 | (self._codes.get(term, 0) | code) & ~(MOST_LEVEL << 2)

    def beside(self, group: Integers) -> Integers:
        """Return the terms of a need with the translations; what it says itself goes before."""
        own = set((group >> 8).tolist())
        terms = (section << (8 + kernels.KEY_BITS) | key << 8 | code for (section, key), code in self._codes.items())
        return np.concatenate([group, [term for term in terms if term >> 8 not in own]]).astype(np.int64)


def _translated_level(weight: float) -> int:
    """At least one step: a share of a word may say less than would count by itself."""
    return min(MOST_LEVEL, max(1, round(weight * STEPS)))
