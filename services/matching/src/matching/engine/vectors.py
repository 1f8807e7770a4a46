"""Items as compact bytes, so that hundreds of candidates are scored in one pass and 100 000 fit in memory.

Terms are 32-bit hashes. Two terms collide about once in four thousand million pairs; a collision adds a little noise to
one score and cannot appear in a reason, because reasons are made from the texts. Weights are kept in steps; the steps
are part of the score's definition, so both directions and all processes agree to the last digit.
"""

import json
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from matching.engine.analyzer import bigrams, words
from matching.engine.index.port import IndexDamagedError
from matching.engine.items import Facets, Item
from matching.engine.model import Model
from matching.engine.tables import table

_BM25F: Final = table("weights")["bm25f"]
_CANDIDATES: Final = table("weights")["candidates"]
_CAP: Final[int] = _BM25F["query_cap"]
LEAST_MASS: Final[float] = _BM25F["least_mass"]
"""A need or result whose words weigh less counts as weighing this much."""
IN_TITLE: Final = 4
"""Bit of a result word's flags; the two bits below it hold the word's frequency, at most the cap."""
SATURATION_STEPS: Final = 255
WEIGHT_STEPS: Final = 6
"""Steps to a unit of weight; the greatest weight that one byte holds is 42.5."""
_NEED: Final = 1
_RESULT: Final = 2


@lru_cache(maxsize=1 << 15)
def term_hash(term: str) -> int:
    """Return the 32-bit hash of a term, the same in every process."""
    return zlib.crc32(term.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Analysed:
    """An item made ready: its vector to keep, the heaviest words to search with, and all words to be found by."""

    vector: bytes
    heaviest: Mapping[str, float]
    found_by: Mapping[str, int]


class NeedVector(NamedTuple):
    """What a need asks for: hashes ascending (uint32); weights in steps and frequencies (uint8) beside them."""

    words: bytes
    weights: bytes
    frequencies: bytes
    bigrams: bytes
    bigram_weights: bytes
    mass: int
    """Sum of `weights`, or the least mass in steps."""
    bigram_mass: int
    facets: Facets


class ResultVector(NamedTuple):
    """What a result offers: hashes ascending (uint32); saturations in steps and flags (uint8) beside them."""

    words: bytes
    saturations: bytes
    flags: bytes
    bigrams: bytes
    bigram_saturations: bytes
    title_mass: float
    mass: float
    facets: Facets


_HEAD: Final = struct.Struct("<BIHHddH")


def _packed(
    kind: int,
    words: tuple[bytes, bytes, bytes],
    pairs: tuple[bytes, bytes],
    first: float,
    second: float,
    facets: Facets,
) -> bytes:
    told = json.dumps([sorted(facets.sectors), sorted(facets.modes), facets.trl, facets.fen]).encode()
    body = b"".join((*words, *pairs, told))
    head = _HEAD.pack(kind, zlib.crc32(body), len(words[1]), len(pairs[1]), first, second, len(told))
    return head + body


def _unpacked(kind: int, vector: bytes | memoryview) -> tuple[list[bytes], float, float, Facets]:
    held = bytes(vector)
    try:
        found, check, words, pairs, first, second, _ = _HEAD.unpack_from(held)
    except struct.error as error:
        raise IndexDamagedError("a vector is cut short") from error
    body = held[_HEAD.size :]
    if found != kind or zlib.crc32(body) != check:
        raise IndexDamagedError("a vector is damaged or of another kind")
    parts, at = [], 0
    for length in (4 * words, words, words, 4 * pairs, pairs):
        parts.append(body[at : at + length])
        at += length
    sectors, modes, trl, fen = json.loads(body[at:])
    return parts, first, second, Facets(frozenset(sectors), frozenset(modes), trl, fen)


def read_need(vector: bytes | memoryview) -> NeedVector:
    """Return what a need's vector holds. Raises IndexDamagedError."""
    parts, mass, pair_mass, facets = _unpacked(_NEED, vector)
    words, weights, frequencies, pairs, pair_weights = parts
    return NeedVector(words, weights, frequencies, pairs, pair_weights, round(mass), round(pair_mass), facets)


def read_result(vector: bytes | memoryview) -> ResultVector:
    """Return what a result's vector holds. Raises IndexDamagedError."""
    parts, title_mass, mass, facets = _unpacked(_RESULT, vector)
    words, saturations, flags, pairs, pair_saturations = parts
    return ResultVector(words, saturations, flags, pairs, pair_saturations, title_mass, mass, facets)


type _Terms = list[tuple[str, list[str]]]
"""Field names with their terms in order."""


def query_weights(item: Item, model: Model | None = None) -> dict[str, float]:
    """Return the words of a text with what each is worth: its weight times its capped frequency."""
    return _weighted(_counted(_words(item)), model or Model.shipped())


def word_saturations(item: Item) -> dict[str, float]:
    """Return the words of a result with how fully each is covered, between 0 and 1."""
    return _saturations(_words(item), "words")


def need_vector(item: Item, model: Model) -> Analysed:
    """Analyse a need. An empty text covers and finds nothing."""
    fields = _words(item)
    counts = _counted(fields)
    weighted = _weighted(counts, model)
    pairs = {pair: min(n, _CAP) * model.statistics.pair_weight(pair) for pair, n in _counted(_bigrams(item)).items()}
    hashes, kept = _ordered(weighted)
    pair_hashes, kept_pairs = _ordered(pairs)
    weights = _steps((weighted[word] for word in kept), WEIGHT_STEPS)
    pair_weights = _steps((pairs[pair] for pair in kept_pairs), WEIGHT_STEPS)
    frequencies = bytes(min(counts[word], _CAP) for word in kept)
    least = round(LEAST_MASS * WEIGHT_STEPS)
    masses = (max(sum(weights), least), max(sum(pair_weights), least))
    vector = _packed(_NEED, (hashes, weights, frequencies), (pair_hashes, pair_weights), *masses, item.facets)
    return Analysed(vector, _heaviest(weighted, _CANDIDATES["terms"]), _found_by(fields))


def result_vector(item: Item, model: Model) -> Analysed:
    """Analyse a result."""
    fields = _words(item)
    counts = _counted(fields)
    title = set(fields[0][1])
    saturations = _saturations(fields, "words")
    pairs = _saturations(_bigrams(item), "bigrams")
    hashes, kept = _ordered(saturations)
    pair_hashes, kept_pairs = _ordered(pairs)
    weighted = _weighted(counts, model)
    flags = bytes(min(counts[word], _CAP) | (IN_TITLE if word in title else 0) for word in kept)
    vector = _packed(
        _RESULT,
        (hashes, _steps((saturations[word] for word in kept), SATURATION_STEPS), flags),
        (pair_hashes, _steps((pairs[pair] for pair in kept_pairs), SATURATION_STEPS)),
        max(sum(model.statistics.word_weight(word) for word in sorted(title)), 1e-9),
        max(sum(weighted.values()), LEAST_MASS),
        item.facets,
    )
    return Analysed(vector, _heaviest(weighted, _CANDIDATES["reverse_terms"]), _found_by(fields))


def _words(item: Item) -> _Terms:
    return [(name, words(text)) for name, text in item.fields]


def _bigrams(item: Item) -> _Terms:
    return [(name, bigrams(text)) for name, text in item.fields]


def _counted(fields: _Terms) -> Counter[str]:
    return Counter(term for _, terms in fields for term in terms)


def _weighted(counts: Mapping[str, int], model: Model) -> dict[str, float]:
    return {word: min(count, _CAP) * model.statistics.word_weight(word) for word, count in counts.items()}


def _found_by(fields: _Terms) -> dict[str, int]:
    """Words for the candidate index, those of title and keywords counted as often as their field weighs."""
    found: dict[str, int] = {}
    for name, terms in fields:
        weight = int(_BM25F["fields"][name]["weight"])
        for word in terms:
            found[word] = found.get(word, 0) + weight
    return found


def _saturations(fields: _Terms, unit: str) -> dict[str, float]:
    """BM25F: a term's frequency over the fields, weighted and normalised by length, between 0 and 1."""
    total: dict[str, float] = {}
    for name, terms in fields:
        settings = _BM25F["fields"][name]
        norm = 1 - settings["b"] + settings["b"] * len(terms) / settings[unit]
        for term, count in Counter(terms).items():
            total[term] = total.get(term, 0.0) + settings["weight"] * count / norm
    k1 = float(_BM25F["k1"])
    return {term: value / (k1 + value) for term, value in total.items()}


def _heaviest(weighted: Mapping[str, float], most: int) -> dict[str, float]:
    """The heaviest terms; equal weights in the order of the terms, so that the choice is the same everywhere."""
    return dict(sorted(weighted.items(), key=lambda pair: (-pair[1], pair[0]))[:most])


def _ordered(terms: Mapping[str, float]) -> tuple[bytes, list[str]]:
    """Hashes ascending and their terms; of two colliding terms the first of the alphabet stands for both."""
    by_hash: dict[int, str] = {}
    for term in sorted(terms):
        by_hash.setdefault(term_hash(term), term)
    keys = sorted(by_hash)
    return np.array(keys, dtype=np.uint32).tobytes(), [by_hash[key] for key in keys]


def _steps(values: Iterable[float], steps: int) -> bytes:
    """One byte each, never 0: what is there counts for something."""
    return bytes(min(255, max(1, round(value * steps))) for value in values)
