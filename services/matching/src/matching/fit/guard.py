"""Keeps a feature from being learnt from with what it was itself learnt from.

A feature that comes out of a model (a lexicon, trained vectors) fits the pairs that model was trained on better than
any pair it will ever see. A calibration learnt from such pairs trusts it too much and fails in life; the matching
reference (4.8) measured 8 to 12 points. So such a feature says which pairs it was learnt from, and is either worked
out anew for every fold, by a model that has not seen the fold, or not learnt from at all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from matching.fit.logistic import Floats

MADE_BY_MODELS: Final = frozenset({"cosine"})
"""Features of the engine that come out of a trained model."""


class LeakError(ValueError):
    """A feature was about to be learnt from with pairs that its own model was learnt from."""

    def __init__(self, feature: str, pairs: int) -> None:
        self.feature = feature
        self.pairs = pairs
        super().__init__(
            f"特征 {feature} 的模型学过这里的 {pairs} 组供需，须逐折重学或弃用 / "
            f"the model of feature {feature} was learnt from {pairs} of these pairs: cross-fit it or drop it"
        )


class Learnt(Protocol):
    """A model that gives every row a feature."""

    @property
    def learnt_from(self) -> frozenset[str]:
        """The groups (see Case.group) whose pairs it has seen."""
        ...

    def values(self, rows: Sequence[int]) -> Floats:
        """Return the feature of these rows."""
        ...


type Learn = Callable[[Sequence[int]], Learnt]
"""Learns the model of a feature from these rows."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Which group each row of a table belongs to, and the fold of each group."""

    groups: Sequence[str]
    folds: Sequence[int]

    def of_fold(self, fold: int) -> list[int]:
        """Return the rows of one fold."""
        return [row for row, of in enumerate(self.folds) if of == fold]

    def of_others(self, fold: int) -> list[int]:
        """Return the rows of the other folds."""
        return [row for row, of in enumerate(self.folds) if of != fold]


def unseen_values(feature: str, model: Learnt, rows: Rows, wanted: Sequence[int]) -> Floats:
    """Return a learnt feature for rows of pairs which its model has not seen. Raises LeakError for any it has."""
    seen = {rows.groups[row] for row in wanted} & model.learnt_from
    if seen:
        raise LeakError(feature, len(seen))
    return model.values(wanted)


def cross_fitted(feature: str, learn: Learn, rows: Rows) -> Floats:
    """Return a learnt feature for every row, each from a model learnt without the row's fold. Raises LeakError."""
    values = np.zeros(len(rows.groups))
    for fold in sorted(set(rows.folds)):
        own = rows.of_fold(fold)
        values[own] = unseen_values(feature, learn(rows.of_others(fold)), rows, own)
    return values


def check(features: Iterable[str], groups: Iterable[str], seen: Mapping[str, frozenset[str]]) -> None:
    """Raise LeakError where a feature made by a model is to be learnt from with pairs that the model has seen.

    `seen` tells for each such feature the groups whose pairs its model was learnt from; one that does not tell has
    seen all of them.
    """
    asked = frozenset(groups)
    for feature in features:
        if feature.removeprefix("log_").removesuffix("_of_best") in MADE_BY_MODELS:
            known = asked & seen[feature] if feature in seen else asked
            if known:
                raise LeakError(feature, len(known))
