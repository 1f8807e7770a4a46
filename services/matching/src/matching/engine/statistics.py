"""What terms are worth: how rarely a word or a pair of characters stands in a document.

The shipped statistics are a fixed background (weights.py). A snapshot of the platform's own document frequencies can
take its place, smoothed with that background as its prior: what the platform has seen often is known from it, what it
has hardly seen keeps the weight of general language. A snapshot is versioned data, never a running count, so that a
score stays a function of two items and a model (docs/decisions/0006, 0012).
"""

import math
import threading
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.engine import kernels, weights
from matching.engine.analyzer import is_han
from matching.engine.items import Item
from matching.engine.kernels import COUNT_BITS as COUNT_BITS
from matching.engine.tables import table
from matching.engine.texts import IS_HAN, Text, pair_code, pair_key, pair_of
from matching.engine.vocabulary import Vocabulary, Word, term_hash

type Integers = npt.NDArray[np.int64]
type Floats = npt.NDArray[np.float64]

_LEARN: Final = table("weights")["learning"]
_LEAST: Final[float] = table("weights")["vector"]["least"]
STEPS: Final = 2
"""Levels to a nat of weight."""
MOST_LEVEL: Final = 31
PAIR_MOST_LEVEL: Final = round(weights.PAIR_MOST * STEPS)
"""Greatest level of what counts among pairs."""
SQUARES: Final = np.arange(MOST_LEVEL + 1, dtype=np.int64) ** 2
"""What a term counts for, by its level: its weight squared, in squares of a step. Squared, since the many half-common
words of a long text would otherwise drown the few telling ones."""
SQUARE: Final = STEPS * STEPS
"""Squares of a step to the square of a nat."""
PAIR: Final = 2
_SLOTS: Final = 1 << 21
"""Pairs whose level is kept at hand; at most 17 MB, of which only what is used takes memory."""


@dataclass(frozen=True, slots=True)
class Frequencies:
    """In how many documents terms stand: hashes ascending with their counts, the rarest left out."""

    hashes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    counts: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    floor: int = 0
    """What was left out stands in no more documents than this."""

    def of(self, hash: int) -> float:
        """Return in how many documents a term stands; half the floor for one that was left out."""
        at = int(np.searchsorted(self.hashes, np.uint64(hash)))
        if at < len(self.hashes) and int(self.hashes[at]) == hash:
            return float(self.counts[at])
        return self.floor / 2


@dataclass(frozen=True, slots=True)
class Terms:
    """The different terms of a text: its pairs of characters, ascending by hash, and from `first_word` on its words."""

    facts: Integers
    """What is known of each, in rows: see kernels.COUNTS."""
    first_word: int
    words: list[str]
    weights: Floats
    """Of each word: nats of information."""

    @property
    def counts(self) -> Integers:
        """How often each stands in title, keywords and body, COUNT_BITS each."""
        counts: Integers = self.facts[kernels.COUNTS]
        return counts

    @property
    def levels(self) -> Integers:
        """Weights in steps, 0 for what says too little to count."""
        levels: Integers = self.facts[kernels.LEVELS]
        return levels

    @property
    def pair_levels(self) -> Integers:
        """Of each word: what it counts for among the pairs, if it is none."""
        return self.facts[kernels.PAIR_LEVELS, self.first_word :]

    @property
    def hashes(self) -> Integers:
        """Of each word: 32 bits."""
        return self.facts[kernels.HASHES, self.first_word :]

    @property
    def codes(self) -> Integers:
        """Of each pair: its number, see texts.py."""
        return self.facts[kernels.NUMBERS, : self.first_word]


class Statistics:
    """Term weights, immutable. `documents` is 0 for the fixed background. Safe to use from several threads."""

    def __init__(self, documents: int = 0, words: Frequencies | None = None, pairs: Frequencies | None = None) -> None:
        self.documents = documents
        self.words = words or Frequencies()
        self.pairs = pairs or Frequencies()
        self.version = f"statistics/{self._digest()}" if documents else weights.VERSION
        self._lock = threading.Lock()
        self._vocabulary = Vocabulary(self.word)
        self._pairs = np.zeros(_SLOTS, dtype=np.int64)

    def _digest(self) -> str:
        digest = zlib.crc32(weights.VERSION.encode() + self.documents.to_bytes(8, "little"))
        for some in (self.words, self.pairs):
            digest = zlib.crc32(some.counts.tobytes(), zlib.crc32(some.hashes.tobytes(), digest))
        return f"{digest:08x}"

    def word_weight(self, word: str) -> float:
        """Return what a word says, in nats of information; always above zero."""
        background = weights.word_weight(word)
        return self._smoothed(background, self.words.of(term_hash(word))) if self.documents else background

    def pair_weight(self, pair: str) -> float:
        """Return what a pair of neighbouring characters says; always above zero."""
        background = weights.bigram_weight(pair)
        return self._smoothed(background, self.pairs.of(pair_code(pair))) if self.documents else background

    def word(self, word: str) -> Word:
        """Return what is known of a word."""
        hash, weight = term_hash(word), self.word_weight(word)
        searched = weight / 2 if self.documents and not self.words.of(hash) else weight  # stands in no document
        written_in_han = is_han(word)
        if written_in_han and len(word) == PAIR:
            pair_level = level_of(self.pair_weight(word))
            return Word(pair_key(word), level_of(weight) if pair_level else 0, True, pair_level, hash, searched)
        level = level_of(weight)
        return Word(
            hash >> (32 - kernels.KEY_BITS),
            level,
            False,
            0 if written_in_han else min(level, PAIR_MOST_LEVEL),
            hash,
            searched,
        )

    def known(self, words: Sequence[str]) -> list[Word]:
        """Return what is known of words; their weights are left out (0)."""
        with self._lock:
            rows = self._vocabulary.look_up(words)
        return [Word(key, level, bool(is_pair), among, hash, 0.0) for key, level, is_pair, among, hash in rows]

    def read(self, text: Text) -> Terms:
        """Weigh the terms of a text."""
        with self._lock:
            known = self._vocabulary
            found = kernels.occurrences(text.points, *text.bounds, IS_HAN, known.numbers(text.words))
            found.sort()
            facts, pairs, unknown = kernels.counted(found, known.facts, self._pairs)
            if unknown:
                self._weigh(facts[:, :pairs])
            numbers = facts[kernels.NUMBERS, pairs:]
            return Terms(facts, pairs, known.names(numbers), known.weights[numbers])

    def _weigh(self, pairs: Integers) -> None:
        """Work out the levels that were not at hand."""
        codes, levels = pairs[kernels.NUMBERS], pairs[kernels.LEVELS]
        for at in np.flatnonzero(levels == kernels.UNKNOWN).tolist():
            code = int(codes[at])
            level = level_of(self.pair_weight(pair_of(code)))
            kernels.keep(code, level, self._pairs)
            levels[at] = level

    def _smoothed(self, background: float, frequency: float) -> float:
        """A term's weight after the platform's documents were seen; the background counts as some documents more."""
        prior = float(_LEARN["prior_documents"])
        share = (frequency + prior * math.exp(-background)) / (self.documents + prior)
        # No more than a term says that half a document has, or than the background makes of it.
        most = min(float(_LEARN["most"]), max(background, math.log(2 * self.documents + 2)))
        return min(most, max(float(_LEARN["least"]), -math.log(share)))

    @classmethod
    def learn(cls, items: Iterable[Item], *, most: int = _LEARN["kept"]) -> "Statistics":
        """Count in how many documents words and pairs stand, in one pass; keep the `most` frequent of each.

        Memory is bounded: counting keeps a few times `most` terms and forgets the rarest when there are more.
        """
        background, documents = cls(), 0
        words, pairs = _Counting(most), _Counting(most)
        for item in items:
            terms = background.read(Text.of(item))
            words.add(terms.hashes.tolist())
            pairs.add(terms.codes.tolist())
            documents += 1
        return cls(documents, words.frequencies(), pairs.frequencies())


def level_of(weight: float) -> int:
    """Return a weight in steps; 0 for one that says too little to count."""
    return min(MOST_LEVEL, round(weight * STEPS)) if weight >= _LEAST else 0


class _Counting:
    """Counts terms and forgets the rarest when there are too many; the floor tells what was forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._room = 4 * most
        self._counts: Counter[int] = Counter()
        self._floor = 0

    def add(self, terms: list[int]) -> None:
        self._counts.update(terms)
        if len(self._counts) > self._room:
            self._forget(self._room // 2)

    def _forget(self, keep: int) -> None:
        if len(self._counts) <= keep:
            return
        counts = np.fromiter(self._counts.values(), np.int64, len(self._counts))
        least = int(np.partition(counts, -keep - 1)[-keep - 1])
        self._floor = max(self._floor, least)
        self._counts = Counter({term: count for term, count in self._counts.items() if count > least})

    def frequencies(self) -> Frequencies:
        self._forget(self._most)
        hashes = np.fromiter(self._counts.keys(), np.uint64, len(self._counts))
        counts = np.fromiter(self._counts.values(), np.uint32, len(self._counts))
        order = np.argsort(hashes)
        return Frequencies(hashes[order], counts[order], self._floor)
