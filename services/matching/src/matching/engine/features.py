"""What a need and a result have in common, as figures: the features from which a probability is made.

Everything is worked out for many pairs at once, and in whole numbers until the last division, so that a pair gets the
same figures, to the last digit, whichever side it was found from and whoever stood beside it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.engine import scoring_kernels as kernels
from matching.engine.implied import SHARE, Implied
from matching.engine.index.port import IndexDamagedError
from matching.engine.layout import Integers, Vectors
from matching.engine.model import COVERAGES
from matching.engine.statistics import PAIR_MOST_LEVEL, SQUARE, SQUARES, STEPS
from matching.engine.vectors import (
    ALSO_PAIR,
    IN_BODY,
    IN_KEYWORDS,
    IN_TITLE,
    LOG_ASKED,
    LOG_OFFERED,
    LOG_STEPS,
    MASS_UNIT,
    SATURATION,
)
from matching.engine.vocabulary import Word

type Floats = npt.NDArray[np.float64]
type Features = Mapping[str, Floats]

SHARE_STEPS: Final = 1023
"""Steps of a saturation."""
_UNITS: Final = ("word", "pair")
_KINDS: Final = ("", "_cosine", "_title", "_keywords", "_body", "_reverse", "_local", "_plain")
"""What the sums of a unit are called as features, see scoring_kernels.SUMS."""
_SCALES: Final = SQUARE * np.array(
    [SHARE_STEPS, LOG_STEPS**2, 1, 1, 1, 1, SHARE_STEPS**2, SHARE_STEPS / STEPS], dtype=np.float64
)
"""By sum: what a share of 1 is counted as."""
_TINY: Final = 1e-9
"""Length of what has no terms, which nothing is divided by but 0."""
_TRL_MOST: Final = 4
_YEARS_MOST: Final = 5.0


@dataclass(frozen=True, slots=True)
class Meeting:
    """What one need has in common with results, or one result with needs: an entry for each term that a pair shares."""

    pairs: int
    """How many pairs there are."""
    hits: npt.NDArray[np.int32]
    """A row for each: see scoring_kernels.OWNER. Which term it is `term_of` tells; for pairs of characters it is
    nothing but a number."""
    sectors: Integers
    """How many sectors each pair shares."""
    modes: Integers


def meet(needs: Vectors, results: Vectors, *, many_needs: bool) -> Meeting:
    """Compare the vectors of one side with the only one of the other. Raises IndexDamagedError."""
    many, query = (needs, results) if many_needs else (results, needs)
    begin, (query_sections, keys, codes) = int(query.facet_begins[0]), query.terms(0)
    sectors, modes = int(query.header["sectors"][0]), int(query.header["modes"][0])
    counts = np.stack([many.header[name].astype(np.int64) for name in kernels.COUNTS], axis=1)
    sound, hits, facets = kernels.meet(
        many.flat,
        many.facet_begins,
        many.term_ends,
        counts,
        *kernels.looked_up(keys, codes, np.array(query_sections, dtype=np.int64)),
        query.flat[begin : begin + sectors],
        query.flat[begin + sectors : begin + sectors + modes],
        many_needs,
        ALSO_PAIR,
        PAIR_MOST_LEVEL,
    )
    if not sound:
        raise IndexDamagedError("a vector contradicts its own groups")
    return Meeting(len(many), hits, facets[:, 0], facets[:, 1])


def term_of(word: Word) -> int:
    """Return the number by which `Hits.terms` calls a word."""
    return word.key if word.is_pair else word.key | kernels.OTHER_TERM


def word_parts(meeting: Meeting, results: Vectors) -> Iterator[tuple[int, int, int]]:
    """Yield owner and term of each shared word, and what it adds to the coverage of the need: a share of its mass, in
    steps of weight times SHARE_STEPS.
    """
    words = meeting.hits[meeting.hits[:, kernels.UNIT] == kernels.WORD]
    parts = kernels.word_parts(words, _lengths(results), *SATURATION, SQUARES, SHARE_STEPS)
    owners, terms = words[:, kernels.OWNER].tolist(), words[:, kernels.TERM].tolist()
    yield from zip(owners, terms, parts.tolist(), strict=True)


def compared(meeting: Meeting, needs: Vectors, results: Vectors, *, alone: bool) -> dict[str, Floats]:
    """Return the features of every pair, LOCAL and PLAIN among them; one of the two sides stands alone.

    LOCAL are the coverages once more, terms that fewer of these results have weighing more. They depend on everything
    the results stand beside, and so may order a list but not decide what is proposed; `alone`: each by itself.
    """
    pairs = meeting.pairs
    sums = kernels.add_up(
        pairs,
        meeting.hits,
        _lengths(results),
        *SATURATION,
        SQUARES,
        LOG_ASKED,
        LOG_OFFERED,
        IN_TITLE,
        IN_KEYWORDS,
        IN_BODY,
        alone,
        SHARE_STEPS,
    )
    told, offered = (side.header["masses"].astype(np.float64) for side in (needs, results))
    wholes = np.empty((pairs, len(_UNITS), kernels.SUMS))
    wholes[:] = told[:, :2, None] * MASS_UNIT
    wholes[:, :, kernels.COSINE] = np.maximum(_TINY, told[:, 2:] * offered[:, 2:])
    wholes[:, :, kernels.REVERSE] = offered[:, :2] * MASS_UNIT
    shares = sums / (_SCALES * wholes)
    shares[:, :, : kernels.LOCAL] = np.minimum(1.0, shares[:, :, : kernels.LOCAL])
    features: dict[str, Floats] = {}
    for unit, name in enumerate(_UNITS):
        of_unit = np.ascontiguousarray(shares[:, unit].T)
        features |= {name + kind: of_unit[at] for at, kind in enumerate(_KINDS)}
    features["cosine"] = _cosines(needs, results, pairs)
    return features | _facet_features(meeting, needs, results)


def implied_share(implied: Implied | None, need: Vectors, results: Vectors) -> Floats:
    """Return the share of the mass of the only need that each result has not and that its words imply; 0 where nothing
    is known of that. Raises IndexDamagedError.
    """
    if implied is None:
        return np.zeros(len(results))
    mass = float(need.header["masses"][0][0]) * MASS_UNIT
    return np.asarray(implied.implied(need, results) / (SHARE * SQUARE * mass), dtype=np.float64)


def _lengths(results: Vectors) -> Floats:
    """By result and unit: terms in title, keywords and body."""
    short, long = results.header["short_lengths"], results.header["lengths"]
    lengths = np.empty((len(results), 2, 3))
    lengths[:, :, 0] = short
    lengths[:, 0, 1:], lengths[:, 1, 1:] = long[:, :2], long[:, 2:]
    return lengths


def _facet_features(meeting: Meeting, needs: Vectors, results: Vectors) -> dict[str, Floats]:
    """Facts compared; whatever one of the two does not say is 0."""

    def both(name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.bool_]]:
        need, result = needs.column(name), results.column(name)
        return need, result, (need > 0) & (result > 0)

    same_sector = meeting.sectors > 0
    schemes = (needs.header["schemes"] & results.header["schemes"]) > 0
    modes = both("modes")[2] & (meeting.modes == 0)
    trl, trl_has, trl_known = both("trl")
    confirmed, confirmed_has, dated = both("confirmed")
    region, region_has, located = both("region")
    budget, price = needs.column("fen"), results.column("fen")
    return {
        "sector_same": same_sector.astype(np.float64),
        "sector_other": (schemes & ~same_sector).astype(np.float64),
        "mode_none": modes.astype(np.float64),
        "trl_missing": np.where(trl_known, np.clip(trl - trl_has, 0, _TRL_MOST), 0.0),
        "price_over": ((budget >= 0) & (price >= 0) & (price > budget)).astype(np.float64),
        "region_same": (located & (region // 100 == region_has // 100)).astype(np.float64),
        "years_stale": np.where(dated, np.clip((confirmed - confirmed_has) / 365.25, 0, _YEARS_MOST), 0.0),
    }


def _cosines(needs: Vectors, results: Vectors, pairs: int) -> Floats:
    """Cosines of the embeddings, 0 where either has none or they live in different spaces."""
    cosines = np.zeros(pairs)
    if not needs.header["embedding"].any() or not results.header["embedding"].any():
        return cosines
    for at in range(pairs):
        need = needs.embedding(at if len(needs) > 1 else 0)
        result = results.embedding(at if len(results) > 1 else 0)
        if need and result and need.space == result.space and len(need.values) == len(result.values):
            cosines[at] = cosine(need.values, result.values)
    return cosines


def cosine(left: bytes, right: bytes) -> float:
    """Return the cosine of two vectors of small whole numbers."""
    a, b = (np.frombuffer(values, dtype=np.int8).astype(np.int64) for values in (left, right))
    length = float(np.sqrt(float(a @ a) * float(b @ b)))
    return float(a @ b) / length if length else 0.0


def relative(features: Features, among: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    """Return each coverage as a share of the best among some of the pairs of one need, at most 1."""
    shares: dict[str, Floats] = {}
    for name in COVERAGES:
        values = features[name]
        best = float(values[among].max()) if among.any() else float(values.max(initial=0.0))
        shares[f"{name}_of_best"] = np.minimum(1.0, values / best) if best > 0 else np.ones_like(values)
    return shares
