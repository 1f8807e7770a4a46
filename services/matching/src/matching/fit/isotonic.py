"""Isotonic regression: the non-decreasing curve from probability to what came true (pool adjacent violators)."""

import numpy as np

from matching.fit.logistic import Floats

type Curve = tuple[tuple[float, float], ...]
"""Points (probability, corrected probability), ascending in both; between them in a straight line."""


def curve(probabilities: Floats, answers: Floats) -> Curve:
    """Return the curve through the means of the pooled blocks; without rows, the curve that corrects nothing."""
    if not len(probabilities):
        return ((0.0, 0.0), (1.0, 1.0))
    order = np.argsort(probabilities, kind="stable")
    blocks: list[tuple[float, float, int]] = []
    for at, answer in zip(probabilities[order].tolist(), answers[order].tolist(), strict=True):
        block = (at, answer, 1)
        while blocks and blocks[-1][1] / blocks[-1][2] >= block[1] / block[2]:
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
        blocks.append(block)
    return tuple((total / count, right / count) for total, right, count in blocks)


def corrected(probabilities: Floats, by: Curve) -> Floats:
    """Return the probabilities as the curve corrects them; beyond its ends they stay at the ends."""
    xs, ys = zip(*by, strict=True)
    return np.asarray(np.interp(probabilities, xs, ys), dtype=np.float64)
