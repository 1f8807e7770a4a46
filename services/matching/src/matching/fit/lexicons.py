"""Lexicons learnt without some of the results: a title must not be translated by what was learnt from it (guard.py)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from zlib import crc32

from matching.bilingual.lexicon import Lexicon, Pair, learn
from matching.engine.tables import table

_LEAST: Final[int] = table("bilingual")["learning"]["least_pairs"]


class Lexicons:
    """What is said in both languages, by result, parted into folds by the results' ids."""

    folds: Final[int] = table("fit")["pairs"]["folds"]

    def __init__(self, pairs: Mapping[str, Sequence[Pair]]) -> None:
        self._pairs = pairs
        self.count = sum(map(len, pairs.values()))
        self.are_enough = self.count >= _LEAST

    def fold_of(self, result: str) -> int:
        """Return the fold of a result."""
        return crc32(f"lexicon:{result}".encode()) % self.folds

    def without(self, fold: int) -> Lexicon:
        """Learn from the other folds. Blocking, seconds."""
        return learn(self._of(fold))

    def whole(self) -> Lexicon:
        """Learn from everything. Blocking, seconds."""
        return learn(self._of(None))

    def _of(self, left_out: int | None) -> Iterator[Pair]:
        for result, pairs in self._pairs.items():
            if self.fold_of(result) != left_out:
                yield from pairs
