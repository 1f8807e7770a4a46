"""Items made ready: a vector of bytes to keep, and the words to search with and to be found by.

What a code says. Result: 16 in the title, 8 in the keywords, and below that how often in the body, in eight steps.
Need: the level of its weight (bits 2 to 6), how often it is asked for (bits 0 and 1, at most three times), and bit 7
for a word that counts among the pairs of characters as well (a Latin run).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.bilingual.expansion import expanded
from matching.engine import layout
from matching.engine.analyzer import is_han
from matching.engine.items import Item
from matching.engine.layout import NEED, RESULT, Contents, Group
from matching.engine.model import Lexicon, Model
from matching.engine.statistics import COUNT_BITS, MOST_LEVEL, SQUARE, SQUARES, STEPS, Statistics, Terms
from matching.engine.tables import table
from matching.engine.texts import Text, pair_key

type Floats = npt.NDArray[np.float64]
type Integers = npt.NDArray[np.int64]

_WEIGHTS: Final = table("weights")
_BM25F: Final = _WEIGHTS["bm25f"]
_FIELDS: Final = [_BM25F["fields"][name] for name in ("title", "keywords", "body")]
_CANDIDATES: Final = _WEIGHTS["candidates"]
_KEPT: Final = _WEIGHTS["vector"]
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
_COUNT: Final = (1 << COUNT_BITS) - 1
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
_WORTH: Final = _OF_CODE * np.array([float(settings["weight"]) for settings in _FIELDS])
"""Occurrences times the weight of their field, by a result's code."""
_K1: Final = float(_BM25F["k1"])

_FLAT: Final = np.array([1 - each["b"] for each in _FIELDS])
_SLOPES: Final = np.array([[each["b"] / each[unit] for each in _FIELDS] for unit in ("words", "bigrams")])
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
    _weighted: Sequence[tuple[str, float]]
    _searched_with: int

    @cached_property
    def heaviest(self) -> Mapping[str, float]:
        """The heaviest words; equal weights in the order of the words, so that the choice is the same everywhere."""
        return dict(sorted(self._weighted, key=lambda pair: (-pair[1], pair[0]))[: self._searched_with])


def query_weights(item: Item, model: Model | None = None) -> dict[str, float]:
    """Return the words of a text with what each is worth: its weight times its capped frequency."""
    return dict(_weighted((model or Model.shipped()).statistics.read(Text.of(item))))


def need_vector(item: Item, model: Model) -> Analysed:
    """Analyse a need. An empty text covers and finds nothing."""
    terms = model.statistics.read(Text.of(item))
    first = terms.first_word
    often = _often(terms.counts)
    codes = terms.levels << 2 | often
    latin = terms.pair_levels * (1 - terms.is_pair)
    codes[first:] |= (latin > 0) * ALSO_PAIR
    worth, latin = SQUARES[terms.levels], SQUARES[latin]
    asked = worth * often
    masses = [int(asked[first:].sum()), int(asked[:first].sum()) + int((latin * often[first:]).sum())]
    group = _kept(Group(_sections(terms), terms.keys, codes), terms.levels)
    weighted, found_by = _weighted(terms), dict(zip(terms.words, _times(terms.counts[first:]).tolist(), strict=True))
    if model.lexicon is not None:
        asked_too = _Translated(model.statistics, model.lexicon)
        weighted += asked_too.take(terms, often[first:])
        group = asked_too.beside(group)
        found_by |= {word: 1 for word, _ in weighted if word not in found_by}
    told = [max(mass / SQUARE, LEAST_MASS) / MASS_UNIT for mass in masses]
    told += _lengths(terms, worth, latin, LOG_ASKED[codes])
    contents = Contents(NEED, item.facets, group, told, embedding=item.embedding)
    return Analysed(layout.pack(contents), found_by, weighted, _CANDIDATES["terms"])


def result_vector(item: Item, model: Model) -> Analysed:
    """Analyse a result."""
    terms = model.statistics.read(Text.of(item))
    first, counts = terms.first_word, terms.counts
    fields = (counts >> 2 * COUNT_BITS, counts >> COUNT_BITS & _COUNT, counts & _COUNT)
    codes = (fields[0] > 0) * IN_TITLE | (fields[1] > 0) * IN_KEYWORDS | _BODY_CODES[fields[2]]
    sections = _sections(terms)
    stored = terms.levels * (sections != PAIR_WORDS)
    lengths = [int(field.sum()) for unit in (slice(first, None), slice(first)) for field in (f[unit] for f in fields)]
    worth, latin = SQUARES[terms.levels], SQUARES[terms.pair_levels * (1 - terms.is_pair)]
    masses = [int(worth[first:].sum()), int(worth[:first].sum()) + int(latin.sum())]
    told = [max(mass / SQUARE, LEAST_MASS) / MASS_UNIT for mass in masses]
    told += _lengths(terms, worth, latin, LOG_OFFERED[codes])
    group = _kept(Group(sections, terms.keys, codes), stored)
    contents = Contents(RESULT, item.facets, group, told, lengths, item.embedding)
    found_by = dict(zip(terms.words, (_times(counts) + fields[0] + fields[1])[first:].tolist(), strict=True))
    return Analysed(layout.pack(contents), found_by, _weighted(terms), _CANDIDATES["reverse_terms"])


def _sections(terms: Terms) -> Integers:
    sections = np.zeros_like(terms.counts)
    sections[terms.first_word :] = OTHER_WORDS - terms.is_pair
    return sections


def _times(counts: Integers) -> Integers:
    """How often terms stand in all fields."""
    times: Integers = (counts >> 2 * COUNT_BITS) + (counts >> COUNT_BITS & _COUNT) + (counts & _COUNT)
    return times


def _often(counts: Integers) -> Integers:
    return np.minimum(_times(counts), CAP)


def _weighted(terms: Terms) -> list[tuple[str, float]]:
    worth = terms.weights * _often(terms.counts[terms.first_word :])
    return list(zip(terms.words, worth.tolist(), strict=True))


def _kept(group: Group, levels: Integers) -> Group:
    """What says enough to count; of too many the heaviest."""
    kept = np.flatnonzero(levels)
    if len(kept) > _KEPT["words"]:
        pairs = group.sections[kept] == PAIRS
        chosen = [_heaviest(kept[pairs], levels, _KEPT["pairs"]), _heaviest(kept[~pairs], levels, _KEPT["words"])]
        kept = np.concatenate(chosen)
    return Group(group.sections[kept], group.keys[kept], group.codes[kept])


def _heaviest(places: Integers, levels: Integers, most: int) -> Integers:
    return places[np.argsort(-levels[places], kind="stable")[:most]] if len(places) > most else places


def _lengths(terms: Terms, worth: Integers, latin: Integers, damped: Integers) -> list[float]:
    """The lengths of a text as a vector of words and as one of pairs; a Latin run counts in both."""
    first, parts = terms.first_word, damped * damped * worth
    also = damped[first:] * damped[first:] * latin
    told = [int(parts[first:].sum()), int(parts[:first].sum() + also.sum())]
    return [math.sqrt(length / SQUARE) / LOG_STEPS for length in told]


def saturation(lengths: Floats, codes: Integers, unit: int) -> Floats:
    """Return how fully results cover terms, between 0 and 1, by the code of each term and the lengths of its result.

    BM25F: frequencies over the fields, weighted and normalised by length. `lengths` are terms in title, keywords and
    body, row by row; `unit` tells what is counted, words (0) or pairs (1).
    """
    value = (_WORTH[codes] / (_FLAT + _SLOPES[unit] * lengths)).sum(axis=1)
    return np.asarray(value / (_K1 + value), dtype=np.float64)


class _Translated:
    """Translations that a need looks for as well, each for its share of the word: they only cover what it asks for."""

    def __init__(self, statistics: Statistics, lexicon: Lexicon) -> None:
        self._statistics = statistics
        self._lexicon = lexicon
        self._codes: dict[tuple[int, int], int] = {}

    def take(self, terms: Terms, often: Integers) -> list[tuple[str, float]]:
        """Look for the translations of the words of a need; return them with what they are worth."""
        counts = dict(zip(terms.words, often.tolist(), strict=True))
        levels = dict(zip(terms.words, terms.levels[terms.first_word :].tolist(), strict=True))
        pair_levels = dict(zip(terms.words, terms.pair_levels.tolist(), strict=True))
        found = expanded(counts, self._lexicon)
        for word, each in found.items():
            if levels[each.source]:
                said = self._lexicon.weight(each.source) or levels[each.source] / STEPS
                root = math.sqrt(each.weight / counts[each.source] / said)  # of the share: weights are squared later
                among = (pair_levels[each.source] / STEPS or said) * root
                self._ask(word, said * root, among, counts[each.source])
        return [(word, each.weight) for word, each in found.items()]

    def _ask(self, word: str, weight: float, pair_weight: float, often: int) -> None:
        known = self._statistics.word(word)
        latin = ALSO_PAIR if known.pair_level and not known.is_pair else 0
        section = PAIR_WORDS if known.is_pair else OTHER_WORDS
        self._codes.setdefault((section, known.key), _translated_level(weight) << 2 | often | latin)
        inside = [word[at : at + 2] for at in range(len(word) - 1)] if is_han(word) else []
        for pair in inside:
            self._codes.setdefault(
                (PAIRS, pair_key(pair)), _translated_level(pair_weight / math.sqrt(len(inside))) << 2 | often
            )

    def beside(self, group: Group) -> Group:
        """Return the terms of a need with the translations; what it says itself goes before."""
        own = set(zip(group.sections.tolist(), group.keys.tolist(), strict=True))
        more = [(section, key, code) for (section, key), code in self._codes.items() if (section, key) not in own]
        added = np.array(more, dtype=np.int64).reshape(-1, 3)
        return Group(*(np.concatenate([old, added[:, at]]) for at, old in enumerate(group)))


def _translated_level(weight: float) -> int:
    """At least one step: a share of a word may say less than would count by itself."""
    return min(MOST_LEVEL, max(1, round(weight * STEPS)))
