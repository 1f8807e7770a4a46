"""Logistic regression towards a prior: Newton steps, a few features, many rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

type Floats = npt.NDArray[np.float64]

_STEPS: Final = 60
_NEAR: Final = 1e-8
_HALVINGS: Final = 30
_FAR: Final = 700.0


@dataclass(frozen=True, slots=True)
class Prior:
    """Where the coefficients are expected, and how strongly, in rows of the standardised features."""

    means: Floats
    strengths: Floats


@dataclass(frozen=True, slots=True)
class Fitted:
    """Log-odds are `intercept` plus the features times `coefficients`."""

    intercept: float
    coefficients: Floats

    def probabilities(self, features: Floats) -> Floats:
        """Return the probability of every row."""
        return sigmoid(features @ self.coefficients + self.intercept)


def sigmoid(odds: Floats) -> Floats:
    """Return probabilities for log-odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -_FAR, _FAR))), dtype=np.float64)


def log_loss(probabilities: Floats, answers: Floats) -> float:
    """Return the mean negative logarithm of what was given to what came true, in nats."""
    safe = np.clip(probabilities, 1e-6, 1 - 1e-6)
    return float(-np.mean(answers * np.log(safe) + (1 - answers) * np.log(1 - safe)))


def fit(features: Floats, answers: Floats, prior: Prior, *, positive: Sequence[bool] = ()) -> Fitted:
    """Return the most probable coefficients. `answers` are 0 or 1. Raises ValueError where there is nothing to learn.

    Coefficients marked `positive` are 0 where they would be below. A column without variation keeps its prior mean.
    """
    if not len(answers) or answers.min() == answers.max():
        raise ValueError("answers of both kinds are needed")
    must = np.array(positive, dtype=np.bool_) if len(positive) else np.zeros(features.shape[1], dtype=np.bool_)
    out = np.zeros(features.shape[1], dtype=np.bool_)
    while True:  # at most once for each column
        found = _fit(np.where(out, 0.0, features), answers, Prior(np.where(out, 0.0, prior.means), prior.strengths))
        below = must & ~out & (found.coefficients < 0)
        if not below.any():
            return found
        out |= below & (found.coefficients * features.std(axis=0) <= _half_of_the_worst(found, features, below))


def _half_of_the_worst(found: Fitted, features: Floats, below: npt.NDArray[np.bool_]) -> float:
    """Only what is clearly below is taken out at once; the others may come back above when that is gone."""
    return float((found.coefficients * features.std(axis=0))[below].min()) / 2


def _fit(features: Floats, answers: Floats, prior: Prior) -> Fitted:
    spread = features.std(axis=0)
    moves = spread > _NEAR
    unit = np.where(moves, spread, 1.0)
    offset = features @ np.where(moves, 0.0, prior.means)
    centre = features.mean(axis=0)
    rows = np.column_stack([np.ones(len(features)), (features[:, moves] - centre[moves]) / unit[moves]])
    means = np.concatenate([[0.0], (prior.means * unit)[moves]])
    strengths = np.concatenate([[0.0], prior.strengths[moves]])
    weights = _newton(rows, answers, offset, means, strengths)
    coefficients = prior.means.astype(np.float64).copy()
    coefficients[moves] = weights[1:] / unit[moves]
    return Fitted(float(weights[0] - coefficients[moves] @ centre[moves]), coefficients)


def _newton(rows: Floats, answers: Floats, offset: Floats, means: Floats, strengths: Floats) -> Floats:
    weights = means.copy()
    weights[0] = np.log(answers.mean() / (1 - answers.mean()))
    loss = _loss(rows, answers, offset, weights, means, strengths)
    for _ in range(_STEPS):
        probability = sigmoid(rows @ weights + offset)
        slope = rows.T @ (probability - answers) + strengths * (weights - means)
        curvature = (rows * (probability * (1 - probability))[:, None]).T @ rows + np.diag(strengths + _NEAR)
        step = np.linalg.solve(curvature, slope)
        weights, before = _descended(rows, answers, offset, weights, step, means, strengths, loss)
        if loss - before < _NEAR * max(1.0, loss):
            return weights
        loss = before
    return weights


def _descended(
    rows: Floats,
    answers: Floats,
    offset: Floats,
    weights: Floats,
    step: Floats,
    means: Floats,
    strengths: Floats,
    loss: float,
) -> tuple[Floats, float]:
    """Go as far along the step as it helps; return where that is, and the loss there."""
    for halving in range(_HALVINGS):
        candidate = weights - step / 2**halving
        found = _loss(rows, answers, offset, candidate, means, strengths)
        if found <= loss:
            return candidate, found
    return weights, loss


def _loss(rows: Floats, answers: Floats, offset: Floats, weights: Floats, means: Floats, strengths: Floats) -> float:
    odds = rows @ weights + offset
    likelihood = np.logaddexp(0, odds).sum() - answers @ odds
    return float(likelihood + (strengths * (weights - means) ** 2).sum() / 2)
