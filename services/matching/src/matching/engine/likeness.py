"""Results that say almost the same: shown once, the others told beside it."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.engine.kernels import KEY_BITS
from matching.engine.layout import RESULT, Vectors, read
from matching.engine.tables import table

_ALIKE: Final[float] = table("weights")["alike"]["share"]
_MOST: Final[int] = table("weights")["alike"]["compared"]


def near_copies(vectors: Sequence[bytes | memoryview]) -> list[int]:
    """Return, for each result of a list, the place of the first that says almost the same; its own if none does.

    Almost the same: of all terms the two have, most are common to both. Only results that stand first among their
    likes are compared with, and only so many of them; the answer depends on the order of the list and on nothing else.
    Raises IndexDamagedError.
    """
    results = read(vectors, RESULT)
    firsts: list[tuple[int, npt.NDArray[np.bool_], int]] = []
    found = []
    for number in range(len(results)):
        terms = _terms(results, number)
        alike = next((first for first, held, size in firsts if _share(held, size, terms) >= _ALIKE), None)
        if alike is None and len(firsts) < _MOST and terms.size:
            held = np.zeros(2 << KEY_BITS, dtype=np.bool_)
            held[terms] = True
            firsts.append((number, held, terms.size))
        found.append(number if alike is None else alike)
    return found


def _terms(results: Vectors, number: int) -> npt.NDArray[np.int64]:
    """The keys of a result's pairs, and of its other words beside them."""
    (pairs, _, _), keys, _ = results.terms(number)
    keys[pairs:] += 1 << KEY_BITS
    return keys


def _share(held: npt.NDArray[np.bool_], size: int, terms: npt.NDArray[np.int64]) -> float:
    """Common terms as a share of all terms of the two."""
    common = int(np.count_nonzero(held[terms]))
    return common / max(1, size + terms.size - common)
