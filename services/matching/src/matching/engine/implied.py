"""What the words of a result imply: words that stand in most texts in which one of its own stands.

A result on 转炉 (converters) need not say 炼钢 (steelmaking) where nearly all others on them do; it answers a need that
asks for it all the same. The share of the texts with a word v that have u as well, shrunk by a text without, is how
surely v implies u: the translation model of document retrieval (A. Berger, J. Lafferty, SIGIR 1999), co-occurrence in
place of a learnt alignment, and the surest sign alone counted. Learnt from results and never from needs. It orders
lists and decides nothing: an implied word is no reason for a proposal.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from matching.engine import implied_kernels as kernels
from matching.engine.items import Item
from matching.engine.kernels import IS_PAIR, KEYS, LEVELS
from matching.engine.layout import Codes
from matching.engine.scoring_kernels import OTHER_TERM
from matching.engine.statistics import SQUARES, Statistics
from matching.engine.tables import table
from matching.engine.texts import Text

type Integers = npt.NDArray[np.int64]
type Numbers = npt.NDArray[np.uint32]

SHARE: Final = kernels.SHARE
_LEARN: Final = table("weights")["implied"]
_WORTH: Final = np.array([int(SQUARES[code >> 2 & 31]) * (code & 3) for code in range(256)], dtype=np.int64)
"""What a word of a need asks for, by its code, as a coverage counts it."""


class LookedUp(NamedTuple):
    """What is looked for in the words of results, see implied_kernels.looked_up."""

    slots: npt.NDArray[np.int16]
    rows: npt.NDArray[np.int32]
    asking: Integers


NOTHING: Final = LookedUp(np.zeros(0, np.int16), np.zeros((0, 4), np.int32), np.zeros(0, np.int64))
"""What is looked for where nothing is known of what words imply."""


@dataclass(frozen=True, eq=False)
class Implied:
    """Signs of terms, immutable. Terms are numbers: the hash of a pair, or that of another word and OTHER_TERM."""

    terms: Numbers
    """Terms that have signs, ascending."""
    ends: Numbers
    """Where the signs of each end."""
    signs: Numbers
    """Terms with how surely each implies the one it is a sign of, see implied_kernels.SHARE."""

    @cached_property
    def version(self) -> str:
        """Names what is implied: two of one name are the same."""
        digest = 0
        for part in (self.terms, self.ends, self.signs):
            digest = zlib.crc32(part.tobytes(), digest)
        return f"implied/{digest:08x}"

    def looked_up(self, words: Integers, codes: Codes) -> LookedUp:
        """Make the words of a need, as numbers, with their codes, ready to be looked for in what results imply."""
        return LookedUp(*kernels.looked_up(words, codes, _WORTH, self.terms, self.ends, self.signs))

    @classmethod
    def learn(cls, items: Sequence[Item], statistics: Statistics) -> Self | None:
        """Count which words stand together in results, at most so many, taken evenly from all; None for no signs."""
        step = -(-len(items) // int(_LEARN["texts"])) or 1
        texts = [_words(item, statistics) for item in items[::step]]
        known = _middling(texts)
        numbers = [_places(text, known) for text in texts]
        counts, signs = kernels.counted(
            np.concatenate([np.zeros(0, np.int64), *numbers]),
            np.cumsum([len(each) for each in numbers], dtype=np.int64),
            len(known),
            int(_LEARN["together"]),
            int(_LEARN["unseen"]),
            int(_LEARN["signs"]),
            round(float(_LEARN["share"]) * kernels.SHARE),
        )
        if not len(signs):
            return None
        having = counts > 0
        packed = known[signs[:, 0]] << kernels.SHARE_BITS | signs[:, 1]
        return cls(
            known[having].astype(np.uint32), np.cumsum(counts[having]).astype(np.uint32), packed.astype(np.uint32)
        )


def _words(item: Item, statistics: Statistics) -> Integers:
    """The different words of a text that count at all, as numbers, ascending."""
    terms = statistics.read(Text.of(item))
    facts = terms.facts[:, terms.first_word :]
    numbers: Integers = np.where(facts[IS_PAIR] > 0, facts[KEYS], facts[KEYS] + OTHER_TERM)
    return np.unique(numbers[facts[LEVELS] > 0])


def _places(text: Integers, known: Integers) -> Integers:
    """Where those words of a text stand that are known."""
    places = np.minimum(np.searchsorted(known, text), len(known) - 1)
    found: Integers = places[known[places] == text] if len(known) else places[:0]
    return found


def _middling(texts: Sequence[Integers]) -> Integers:
    """Words in several texts, but not in so many that nothing need imply them."""
    known, having = np.unique(np.concatenate([np.zeros(0, np.int64), *texts]), return_counts=True)
    common = float(_LEARN["common"]) * len(texts)
    middling: Integers = known[(having >= int(_LEARN["least"])) & (having <= max(common, float(_LEARN["least"])))]
    return middling
