"""The one score of a need and a result: how much of the need the result covers, as a probability.

It depends on the two items and a versioned model; and, where several results stand beside one need, on the best of
them, since half a coverage means much when nothing covers more and little beside one that covers all. `score_results`
with everything that is open is therefore the canonical place. A pair scored alone stands beside nothing better: its
probability is an upper bound.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from matching.engine import judging_kernels as judging
from matching.engine.features import ROW_OF, Floats, compared, meet, relative, table_of
from matching.engine.layout import NEED, RESULT, Vectors, read
from matching.engine.model import COVERAGES, FACETS, Calibration, Model

_DIGITS: Final = 4
_MOST: Final = 0.99
"""Surer than this no regression on known pairs makes anybody."""
_ODDS_DIGITS: Final = 9
"""Digits of the log-odds that count; beyond them processors may differ."""
_TOLD: Final = [ROW_OF[name] for name in ("word", "pair", "word_title", "word_reverse", "cosine")]
"""Rows of the features that a score tells, in its order."""
_new: Final = tuple.__new__
"""Makes a named tuple in half the time."""


class Score(NamedTuple):
    """How well a result fits a need. Coverages are shares between 0 and 1; `probability` is rounded to 4 digits."""

    word_coverage: float
    bigram_coverage: float
    title_coverage: float
    reverse_coverage: float
    cosine: float
    facet_effect: float
    """What the facts add to the log-odds; 0 for what either side does not say."""
    probability: float
    order: float
    """The greater, the earlier in a list; it may depend on everything listed beside it, the probability does not."""
    band: str | None = None
    """Name of the band, None below the least probability that is proposed."""

    @property
    def shares_anything(self) -> bool:
        """Whether the two have anything in common but facts."""
        return self.word_coverage > 0 or self.bigram_coverage > 0 or self.cosine > 0

    @property
    def fits(self) -> bool:
        """Whether the pair may be proposed as far as texts and facets say."""
        return self.band is not None


def score_results(
    need: bytes, results: Sequence[bytes | memoryview], model: Model, *, foreign: bool = False
) -> list[Score]:
    """Score the results that stand beside each other for one need, in their order.

    `foreign`: the need is in another language, so that lists are ordered by what is translated (`Analysed.foreign`).
    Raises IndexDamagedError for a damaged vector.
    """
    if not results:
        return []
    asked, offered = read([need], NEED), read(results, RESULT)
    meeting = meet(asked, offered, many_needs=False, implied=model.implied)
    table = table_of(meeting, asked, offered, alone=False)
    return _scores(table, model, alone=False, foreign=foreign)


def score_needs(needs: Sequence[bytes | memoryview], result: bytes, model: Model) -> list[Score]:
    """Score one result against many needs, in their order, each as if the result stood alone beside the need.

    The same figures, to the last digit, as `score_results` gives for that result alone, but for `order`, which has no
    list to order. Raises IndexDamagedError.
    """
    if not needs:
        return []
    asked, offered = read(needs, NEED), read([result], RESULT)
    table = table_of(meet(asked, offered, many_needs=True), asked, offered, alone=True)
    return _scores(table, model, alone=True, foreign=False)


def features_of(need: bytes, results: Sequence[bytes | memoryview], model: Model) -> dict[str, Floats]:
    """Return every feature of results that stand beside each other for one need, as `score_results` takes them.

    Raises IndexDamagedError.
    """
    return _beside_each_other(read([need], NEED), read(results, RESULT), model)


def _beside_each_other(need: Vectors, results: Vectors, model: Model) -> dict[str, Floats]:
    calibration = model.calibration
    meeting = meet(need, results, many_needs=False, implied=model.implied)
    features = compared(meeting, need, results, alone=False)
    bounds = probabilities(features | _alone(len(results)), calibration)
    # Only what might be proposed itself can push others down: so whoever's coming or going matters is found by bound.
    return features | relative(features, bounds >= calibration.propose_from)


def _alone(pairs: int) -> dict[str, Floats]:
    """What is relative to the best, for pairs that stand alone: they are the best."""
    return {f"{name}_of_best": np.ones(pairs) for name in COVERAGES}


def probabilities(features: Mapping[str, Floats], calibration: Calibration) -> Floats:
    """Return the probability of every pair, rounded. What shares nothing with the need does not fit it."""
    odds = calibration.intercept + _weighed(features, calibration.coefficients, calibration.floor)
    probability = np.minimum(_MOST, 1 / (1 + np.exp(-np.clip(np.round(odds, _ODDS_DIGITS), -700, 700))))
    shared = (features["word"] > 0) | (features["pair"] > 0) | (features["cosine"] > 0)
    return np.round(np.where(shared, probability, 0.0), _DIGITS)


def _weighed(features: Mapping[str, Floats], coefficients: Mapping[str, float], floor: float) -> Floats:
    total = np.zeros(len(features["word"]))
    for name, weight in coefficients.items():
        if name.startswith("log_"):
            total += weight * np.log(features[name.removeprefix("log_")] + floor)
        else:
            total += weight * features[name]
    return total


@lru_cache(maxsize=4)
def _formulas(model: Model, *, foreign: bool) -> tuple[Any, ...]:
    """What the calibration of a model says, as `judging_kernels.judged` takes it: rows of the table with their weights.

    Kept of the present model and of the one before, for needs in either language.
    """
    calibration = model.calibration
    facets = {name: weight for name, weight in calibration.coefficients.items() if name in FACETS}
    given: list[Any] = [calibration.intercept, calibration.floor, calibration.propose_from]
    for formula in (calibration.coefficients, facets, calibration.order_for(foreign=foreign)):
        given.append(np.array([ROW_OF[name] for name in formula], dtype=np.int64))
        given.append(np.array(list(formula.values()), dtype=np.float64))
    return (*given, _MOST, 10.0**_ODDS_DIGITS, 10.0**_DIGITS)


def _scores(table: Floats, model: Model, *, alone: bool, foreign: bool) -> list[Score]:
    judged = judging.judged(table, alone, *_formulas(model, foreign=foreign))
    probability = judged[judging.PROBABILITY]
    bands: list[str | None] = [None] * len(probability)
    for at in np.flatnonzero(probability >= model.calibration.propose_from).tolist():
        bands[at] = model.calibration.band_of(float(probability[at]))
    columns = (*table[_TOLD].tolist(), *judged.tolist(), bands)
    return [_new(Score, row) for row in zip(*columns, strict=True)]
