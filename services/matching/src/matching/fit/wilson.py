"""Bounds of a share that was counted."""

import math
from statistics import NormalDist


def lower_bound(right: int, of: int, confidence: float) -> float:
    """Return the one-sided lower Wilson bound of the share `right / of`; 0 where nothing was counted."""
    if of <= 0:
        return 0.0
    z = NormalDist().inv_cdf(confidence)
    share, square = right / of, z * z / of
    centre = share + square / 2
    spread = z * math.sqrt(share * (1 - share) / of + square / (4 * of))
    return max(0.0, (centre - spread) / (1 + square))
