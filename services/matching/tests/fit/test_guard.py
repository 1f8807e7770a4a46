"""The leak trap: a feature whose model has seen the pairs looks perfect in learning and is worth nothing in life."""

from collections.abc import Sequence

import numpy as np
import pytest
from matching.fit.guard import LeakError, Rows, check, cross_fitted, unseen_values
from matching.fit.logistic import Floats, Prior, fit, log_loss

COUNT = 600
CHANCE = np.random.default_rng(8)
ANSWERS = (CHANCE.random(COUNT) < 0.3).astype(np.float64)
HONEST = ANSWERS + CHANCE.normal(size=COUNT)
NOISE = CHANCE.normal(size=COUNT)
GROUPS = [f"need-{at // 2}" for at in range(COUNT)]
ROWS = Rows(GROUPS, [(at // 2) % 5 for at in range(COUNT)])


class Memory:
    """Knows by heart the answers it was learnt from; of others it knows nothing."""

    def __init__(self, rows: Sequence[int]) -> None:
        self.learnt_from = frozenset(GROUPS[row] for row in rows)

    def values(self, rows: Sequence[int]) -> Floats:
        return np.array([ANSWERS[row] if GROUPS[row] in self.learnt_from else NOISE[row] for row in rows])


def learnt(feature: Floats, rows: range) -> tuple[float, float]:
    """The coefficient of the feature, and the log loss in life, where its model has seen nothing."""
    some = list(rows)
    features = np.column_stack([HONEST[some], feature[some]])
    found = fit(features, ANSWERS[some], Prior(np.zeros(2), np.full(2, 0.1)))
    later = list(range(COUNT // 2, COUNT))
    in_life = np.column_stack([HONEST[later], NOISE[later]])
    return float(found.coefficients[1]), log_loss(found.probabilities(in_life), ANSWERS[later])


def test_the_guard_stops_what_would_do_harm_and_cross_fitting_makes_it_harmless() -> None:
    first = range(COUNT // 2)
    leaking = Memory(first).values(range(COUNT))
    honest = cross_fitted("memory", Memory, Rows(GROUPS[: COUNT // 2], ROWS.folds[: COUNT // 2]))
    trusted, harmed = learnt(leaking, first)
    ignored, loss = learnt(np.concatenate([honest, NOISE[COUNT // 2 :]]), first)
    assert trusted > 3
    assert abs(ignored) < 0.3
    assert harmed > loss + 0.2
    with pytest.raises(LeakError, match="memory") as stopped:
        unseen_values("memory", Memory(first), ROWS, list(first))
    assert stopped.value.pairs == COUNT // 4  # two rows of a need are one group


def test_a_group_in_two_folds_is_a_leak_too() -> None:
    rows = Rows(["need-0", "need-0", "need-1"], [0, 1, 1])
    with pytest.raises(LeakError):
        cross_fitted("memory", Memory, rows)


def test_fitting_refuses_a_feature_whose_model_has_seen_the_pairs_or_does_not_tell() -> None:
    check(["word", "pair_cosine"], ["need-1"], {})
    check(["cosine"], ["need-1"], {"cosine": frozenset({"need-2"})})
    for seen in ({}, {"cosine": frozenset({"need-1"})}):
        with pytest.raises(LeakError):
            check(["cosine"], ["need-1"], seen)
