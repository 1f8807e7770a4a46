"""What a list is ordered by: the coefficients under which the right result of a need is the likeliest of its list.

The conditional logit: within a list, the odds of two results are the exponential of their difference. Newton steps.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.fit.logistic import Floats

type Places = npt.NDArray[np.int64]

_STEPS: Final = 50
_NEAR: Final = 1e-7
_HALVINGS: Final = 20


def fit_order(lists: Sequence[tuple[Floats, int]], strength: float) -> Floats:
    """Return the coefficients for lists of rows, each with the place of its right row.

    `strength` holds the coefficients of the standardised features near nothing, in lists. None is below zero: to
    have more in common never counts against a result. Raises ValueError for no lists.
    """
    if not lists:
        raise ValueError("no lists to learn from")
    rows = np.concatenate([features for features, _ in lists])
    spread = rows.std(axis=0)
    unit = np.where(spread > _NEAR, spread, 1.0)
    lengths = np.array([len(features) for features, _ in lists])
    begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    right = begins + np.array([at for _, at in lists])
    standard, kept = rows / unit, np.ones(rows.shape[1], dtype=np.bool_)
    weights = np.zeros(rows.shape[1])
    while kept.any():  # at most once for each column
        weights = np.zeros(rows.shape[1])
        weights[kept] = _newton(standard[:, kept], begins, lengths, right, strength)
        if weights.min() >= 0:
            break
        kept &= weights > weights.min() / 2
    return weights / unit


def _newton(rows: Floats, begins: Places, lengths: Places, right: Places, strength: float) -> Floats:
    weights = np.zeros(rows.shape[1])
    loss, chances = _likely(rows, begins, lengths, right, weights, strength)
    for _ in range(_STEPS):
        weighed = rows * chances[:, None]
        means = np.add.reduceat(weighed, begins, axis=0)
        slope = means.sum(axis=0) - rows[right].sum(axis=0) + strength * weights
        curvature = weighed.T @ rows - means.T @ means + np.eye(len(weights)) * (strength + _NEAR)
        step, before = np.linalg.solve(curvature, slope), loss
        for halving in range(_HALVINGS):
            candidate = weights - step / 2**halving
            found, at = _likely(rows, begins, lengths, right, candidate, strength)
            if found <= loss:
                weights, loss, chances = candidate, found, at
                break
        if before - loss < _NEAR * max(1.0, before):
            break
    return weights


def _likely(
    rows: Floats, begins: Places, lengths: Places, right: Places, weights: Floats, strength: float
) -> tuple[float, Floats]:
    """Return the loss and every row's chance of being the right one of its list."""
    odds = rows @ weights
    odds -= np.repeat(np.maximum.reduceat(odds, begins), lengths)
    raised = np.exp(odds)
    chances = raised / np.repeat(np.add.reduceat(raised, begins), lengths)
    loss = -np.log(np.maximum(chances[right], 1e-300)).sum() + strength * float(weights @ weights) / 2
    return float(loss), chances
