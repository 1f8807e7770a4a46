"""Which word of one language stands for which of the other: IBM model 1, fitted by expectation maximisation.

Every word of one side of a pair is taken to come from one word of the other side, or from none; which one it is follows
from all pairs together. Own implementation in numpy; model: Brown et al. 1993, order of words left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

type Ids = Sequence[int]
"""The words of one side of a pair as numbers, each once."""
type Integers = npt.NDArray[np.int64]
type Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Aligned:
    """Pairs of words that stand together somewhere, and p(target|source) of each. Sources ascend, then targets."""

    source: Integers
    target: Integers
    probability: Floats


@dataclass(frozen=True, slots=True)
class _Links:
    """Every possible link of a target token: the kind of link it is, and the token it belongs to."""

    kind: npt.NDArray[np.int64]
    token: npt.NDArray[np.int64]
    tokens: int
    source_of_kind: Integers
    target_of_kind: Integers


def align(pairs: Sequence[tuple[Ids, Ids]], sources: int, targets: int, rounds: int) -> Aligned:
    """Fit p(target|source) on pairs of (source words, target words), numbered below `sources` and `targets`.

    Both sides of a pair hold at least one word. Time and memory grow with the sum of the products of their lengths.
    """
    links = _linked(pairs, sources, targets)
    kinds = len(links.source_of_kind)
    probability = np.ones(kinds)
    for _ in range(rounds):
        expected = probability[links.kind]
        expected /= np.bincount(links.token, weights=expected, minlength=links.tokens)[links.token]
        counted = np.bincount(links.kind, weights=expected, minlength=kinds)
        probability = counted / np.bincount(links.source_of_kind, weights=counted)[links.source_of_kind]
    real = links.source_of_kind < sources
    return Aligned(links.source_of_kind[real], links.target_of_kind[real], probability[real])


def _linked(pairs: Sequence[tuple[Ids, Ids]], sources: int, targets: int) -> _Links:
    nothing = sources  # one more source: what has no counterpart
    here, there, token, tokens = [], [], [], 0
    for source, target in pairs:
        possible = np.array([*source, nothing], dtype=np.int64)
        here.append(np.tile(possible, len(target)))
        there.append(np.repeat(np.array(target, dtype=np.int64), len(possible)))
        token.append(np.repeat(np.arange(tokens, tokens + len(target)), len(possible)))
        tokens += len(target)
    if not pairs:
        none = np.zeros(0, dtype=np.int64)
        return _Links(none, none, 0, none, none)
    keys, kind = np.unique(np.concatenate(here) * targets + np.concatenate(there), return_inverse=True)
    return _Links(kind, np.concatenate(token), tokens, keys // targets, keys % targets)
