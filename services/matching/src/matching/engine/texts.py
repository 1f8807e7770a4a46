"""An item's text, read once and fast: its words field by field, and its pairs of neighbouring characters as numbers.

The same terms as analyzer.words and analyzer.bigrams give (a test says so), without a step for every character.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import rjieba

from matching.engine import folding
from matching.engine.analyzer import HAN, LATIN, RUN_LIMIT, fold, stem
from matching.engine.items import Item
from matching.engine.kernels import POINT_BITS, A, B, Points
from matching.engine.tables import word_set

_NOT_HAN: Final = re.compile(rf"[^{HAN}]+")
_LATIN: Final = re.compile(LATIN)
_RUN_OF_HAN: Final = re.compile(f"[{HAN}]+")
NEXT_FIELD: Final = "|"
"""Stands between the words of two fields; no word."""
BREAK: Final = "\n"
"""Stands where words are not neighbours; no word."""
_LAST_POINT: Final = (1 << POINT_BITS) - 1


def _is_han() -> npt.NDArray[np.bool_]:
    """By code point, up to the first behind the planes that hold Chinese characters."""
    is_han = np.zeros((1 << POINT_BITS) + 1, dtype=np.bool_)
    for run in re.finditer(f"[{HAN}]+", "".join(map(chr, range(len(is_han))))):
        is_han[run.start() : run.end()] = True
    return is_han


IS_HAN: Final = _is_han()
"""Whether a Chinese character, by code point; none stands behind."""


def pair_code(pair: str) -> int:
    """Return the number that stands for a pair: both code points."""
    return ord(pair[0]) << POINT_BITS | ord(pair[1])


def pair_of(code: int) -> str:
    """Return the pair that a number stands for."""
    return chr(code >> POINT_BITS & _LAST_POINT) + chr(code & _LAST_POINT)


def pair_key(pair: str) -> int:
    """Return the 16-bit hash of a pair."""
    return ((ord(pair[0]) * A + ord(pair[1]) * B) & 0xFFFFFFFF) >> 16


@dataclass(frozen=True, slots=True)
class Text:
    """The folded fields of an item (title, keywords, body) and its words.

    Chinese words come first, field by field, then all others; NEXT_FIELD stands between fields, BREAK between runs.
    """

    fields: tuple[str, str, str]
    words: list[str]

    @classmethod
    def of(cls, item: Item) -> Self:
        """Read an item."""
        title, keywords, body = (_compared(fold(text)) for _, text in item.fields)
        fields, stop = (title, keywords, body), word_set("analyzer", "stop")
        words: list[str] = rjieba.cut(NEXT_FIELD.join([_NOT_HAN.sub(BREAK, text) for text in fields]))
        for text in fields:
            words.append(NEXT_FIELD)
            words += [stem(run) for run in _LATIN.findall(text) if len(run) <= RUN_LIMIT and run not in stop]
        return cls(fields, words)

    def points(self) -> tuple[Points, int, int]:
        """Return the code points of all fields, a line break between two, and where the second and third begin."""
        joined = bytearray(BREAK.join(self.fields).encode("utf-32-le", "surrogatepass"))
        keywords = len(self.fields[0]) + 1
        return np.frombuffer(joined, dtype=np.uint32), keywords, keywords + len(self.fields[1]) + 1


def _compared(folded: str) -> str:
    """A folded text with another region's words exchanged, as the analyzer compares them."""
    if not folding.may_be_reworded(folded):
        return folded

    def exchanged(run: re.Match[str]) -> str:
        changed = folding.reworded(run.group())
        return changed.text if changed else run.group()

    return _RUN_OF_HAN.sub(exchanged, folded)
