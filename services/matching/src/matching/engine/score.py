"""The one score of a need and a result: how much of the need the result covers, as a probability.

It depends on the two items and on versioned data, on nothing else: not on the collection, the direction in which the
pair was found, or the order of arrival.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from matching.engine.items import Facets
from matching.engine.model import Calibration, Model
from matching.engine.vectors import (
    IN_TITLE,
    SATURATION_STEPS,
    WEIGHT_STEPS,
    NeedVector,
    ResultVector,
    read_need,
    read_result,
)

type Floats = npt.NDArray[np.float64]
type Integers = npt.NDArray[np.int64]

_SIEVE: Final = 1 << 16


class Score(NamedTuple):
    """How well a result fits a need. Coverages are shares between 0 and 1; `probability` is rounded to 4 digits."""

    word_coverage: float
    bigram_coverage: float
    title_coverage: float
    reverse_coverage: float
    facet_effect: float
    probability: float
    band: str | None = None
    """Name of the band, None below the least probability that is proposed."""

    @property
    def fits(self) -> bool:
        """Whether the pair may be proposed as far as texts and facets say."""
        return self.band is not None


def facet_effect(need: Facets, result: Facets, model: Model) -> float:
    """Return what the facts add to the log-odds; bounded, and 0 for what either side does not say."""
    rules = model.calibration.facets
    effect = _sector_effect(need.sectors, result.sectors, rules)
    if need.trl is not None and result.trl is not None and result.trl < need.trl:
        effect += max(rules["trl_most"], rules["trl_per_level"] * (need.trl - result.trl))
    if need.fen is not None and result.fen is not None and need.fen < result.fen:
        effect += rules["price"]
    if need.modes and result.modes and not need.modes & result.modes:
        effect += rules["mode"]
    return effect


def _sector_effect(need: frozenset[str], result: frozenset[str], rules: Mapping[str, float]) -> float:
    if need & result:
        return rules["sector_same"]
    schemes = {code.partition(":")[0] for code in need} & {code.partition(":")[0] for code in result}
    return rules["sector_other"] if schemes else 0.0


def score_results(asked: bytes, offered: Sequence[bytes | memoryview], model: Model) -> list[Score]:
    """Score many results against one need, in their order. Raises IndexDamagedError for a damaged vector."""
    need, results = read_need(asked), [read_result(vector) for vector in offered]
    hits = _meet(need.words, [result.words for result in results])
    pairs = _meet(need.bigrams, [result.bigrams for result in results])
    return _scores(
        _Hits(
            hits.owner,
            weights=hits.of_query(need.weights),
            frequencies=hits.of_query(need.frequencies),
            saturations=hits.of_candidates([result.saturations for result in results]),
            flags=hits.of_candidates([result.flags for result in results]),
        ),
        pairs.owner,
        pairs.of_query(need.bigram_weights) * pairs.of_candidates([result.bigram_saturations for result in results]),
        [(need, result) for result in results],
        model,
    )


def score_needs(asked: Sequence[bytes | memoryview], offered: bytes, model: Model) -> list[Score]:
    """Score one result against many needs, in their order; the same figures as `score_results`, to the last digit."""
    needs, result = [read_need(vector) for vector in asked], read_result(offered)
    hits = _meet(result.words, [need.words for need in needs])
    pairs = _meet(result.bigrams, [need.bigrams for need in needs])
    return _scores(
        _Hits(
            hits.owner,
            weights=hits.of_candidates([need.weights for need in needs]),
            frequencies=hits.of_candidates([need.frequencies for need in needs]),
            saturations=hits.of_query(result.saturations),
            flags=hits.of_query(result.flags),
        ),
        pairs.owner,
        pairs.of_candidates([need.bigram_weights for need in needs]) * pairs.of_query(result.bigram_saturations),
        [(need, result) for need in needs],
        model,
    )


@dataclass(frozen=True, slots=True)
class _Hits:
    """One entry for each word that a need and a result share: whose pair it is, and what both say of it."""

    owner: Integers
    weights: Integers
    frequencies: Integers
    saturations: Integers
    flags: Integers


def _scores(
    hits: _Hits,
    pair_owner: Integers,
    pair_products: Integers,
    pairs: Sequence[tuple[NeedVector, ResultVector]],
    model: Model,
) -> list[Score]:
    def summed(owner: Integers, values: Floats) -> list[float]:
        sums: list[float] = np.bincount(owner, weights=values, minlength=len(pairs)).tolist()
        return sums

    covered = summed(hits.owner, (hits.weights * hits.saturations).astype(np.float64))
    bigrams = summed(pair_owner, pair_products.astype(np.float64))
    units = hits.weights / (np.maximum(hits.frequencies, 1) * WEIGHT_STEPS)
    title = summed(hits.owner, units * ((hits.flags & IN_TITLE) > 0))
    reverse = summed(hits.owner, units * (hits.flags & (IN_TITLE - 1)))
    return [
        _score(
            covered[at] / SATURATION_STEPS / need.mass,
            bigrams[at] / SATURATION_STEPS / need.bigram_mass,
            min(1.0, title[at] / result.title_mass),
            min(1.0, reverse[at] / result.mass),
            facet_effect(need.facets, result.facets, model),
            model.calibration,
        )
        for at, (need, result) in enumerate(pairs)
    ]


def _score(
    words: float, bigrams: float, title: float, reverse: float, facets: float, calibration: Calibration
) -> Score:
    rules = calibration.probability
    odds = (
        rules["intercept"]
        + rules["word_coverage"] * math.log(words + rules["floor"])
        + rules["bigram_coverage"] * math.log(bigrams + rules["floor"])
        + rules["title_coverage"] * title
        + rules["reverse_coverage"] * reverse
        + facets
    )
    probability = round(1 / (1 + math.exp(-odds)), 4) if words > 0 or bigrams > 0 else 0.0
    return Score(words, bigrams, title, reverse, facets, probability, calibration.band_of(probability))


@dataclass(frozen=True, slots=True)
class _Meeting:
    """Where terms of the candidates equal terms of the query: positions on both sides, and whose they are."""

    query_at: Integers
    candidate_at: Integers
    owner: Integers

    def of_query(self, values: bytes) -> Integers:
        return np.frombuffer(values, dtype=np.uint8).astype(np.int64)[self.query_at]

    def of_candidates(self, values: Sequence[bytes]) -> Integers:
        return np.frombuffer(b"".join(values), dtype=np.uint8)[self.candidate_at].astype(np.int64)


def _meet(query: bytes, candidates: Sequence[bytes]) -> _Meeting:
    wanted = np.frombuffer(query, dtype=np.uint32)
    terms = np.frombuffer(b"".join(candidates), dtype=np.uint32)
    if not wanted.size or not terms.size:
        nothing = np.zeros(0, dtype=np.int64)
        return _Meeting(nothing, nothing, nothing)
    sieve = np.zeros(_SIEVE, dtype=np.bool_)
    sieve[wanted & (_SIEVE - 1)] = True
    likely = np.flatnonzero(sieve[terms & (_SIEVE - 1)])  # few terms of a candidate are in the query: sieve first
    place = np.minimum(np.searchsorted(wanted, terms[likely]), wanted.size - 1)
    equal = wanted[place] == terms[likely]
    at = likely[equal]
    ends = np.cumsum([len(block) // terms.itemsize for block in candidates])
    return _Meeting(place[equal], at, np.searchsorted(ends, at, side="right"))
