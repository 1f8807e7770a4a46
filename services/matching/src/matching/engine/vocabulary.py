"""Words as numbers: what is known of each word, in arrays, so that a text's words are weighed without a loop.

Numbers are given as words come and mean nothing outside this process; nothing that is kept depends on them.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from matching.engine.kernels import NEXT
from matching.engine.tables import word_set
from matching.engine.texts import BREAK, NEXT_FIELD

type Integers = npt.NDArray[np.int64]

_MOST: Final = 1 << 17
"""Words kept; bounds memory to some twenty MB however many different words pass by."""
_NO_WORD: Final = 0


def term_hash(word: str) -> int:
    """Return the 32-bit hash of a word, the same in every process."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


class Word(NamedTuple):
    """What is known of a word. Levels are weights in steps, 0 for what says too little to count."""

    key: int
    """Hash, KEY_BITS long; that of the pair for a word of two Chinese characters."""
    level: int
    is_pair: bool
    """Whether it is a word of two Chinese characters, found in a result wherever the two stand side by side."""
    pair_level: int
    """What a Latin run counts for among the pairs of characters, or a pair; 0 for other words."""
    hash: int
    weight: float
    """By how much it helps to find something: nats of information, half of them for what the collection has not."""


class Vocabulary:
    """Gives numbers to words, and forgets all of them when there are too many. For one thread at a time."""

    def __init__(self, describe: Callable[[str], Word]) -> None:
        self._describe = describe
        self._forget()

    def _forget(self) -> None:
        self._numbers: dict[str, int] = dict.fromkeys((BREAK, *word_set("analyzer", "stop")), _NO_WORD)
        self._numbers[NEXT_FIELD] = NEXT
        self._names = ["", ""]
        self.facts = np.zeros((1 << 12, 5), dtype=np.int64)
        """By number: key, level, whether it is a pair, level among pairs, hash."""
        self.weights = np.zeros(1 << 12, dtype=np.float64)
        """By number: nats of information."""

    def numbers(self, words: list[str]) -> Integers:
        """Return the numbers of the words of a text (see `Text`) as they stand; they hold until the next call."""
        if len(self._names) + len(words) > _MOST:
            self._forget()
        numbers = self._numbers
        try:
            return np.fromiter(map(numbers.__getitem__, words), np.int64, len(words))
        except KeyError:
            for word in words:
                if word not in numbers:
                    self._learn(word)
            return np.fromiter(map(numbers.__getitem__, words), np.int64, len(words))

    def look_up(self, words: Sequence[str]) -> list[list[int]]:
        """Return what is known of words: a row of `facts` each."""
        for word in words:
            if word not in self._numbers:
                self._learn(word)
        rows: list[list[int]] = self.facts[[self._numbers[word] for word in words]].tolist()
        return rows

    def names(self, numbers: Integers) -> list[str]:
        """Return words by their numbers."""
        names = self._names
        return [names[number] for number in numbers.tolist()]

    def _learn(self, word: str) -> None:
        number = len(self._names)
        if number >= len(self.facts):
            self.facts = np.concatenate([self.facts, np.zeros_like(self.facts)])
            self.weights = np.concatenate([self.weights, np.zeros_like(self.weights)])
        known = self._describe(word)
        self.facts[number] = known[:5]
        self.weights[number] = known.weight
        self._names.append(word)
        self._numbers[word] = number
