"""What a need and a result have in common, as figures: the features from which a probability is made.

Everything is worked out for many pairs at once, and in whole numbers until the last division, so that a pair gets the
same figures, to the last digit, whichever side it was found from and whoever stood beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from matching.engine import headers
from matching.engine import judging_kernels as judging
from matching.engine import scoring_kernels as kernels
from matching.engine.implied import NOTHING, SHARE, Implied, LookedUp
from matching.engine.index.port import IndexDamagedError
from matching.engine.layout import Codes, Integers, Numbers, Vectors
from matching.engine.model import COVERAGES, FACETS, IMPLIED
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
_COMPARED: Final = (*(unit + kind for unit in _UNITS for kind in _KINDS), "cosine", *FACETS, IMPLIED)
"""Features by their rows in a table of them."""
ROW_OF: Final[Mapping[str, int]] = {
    **{name: row for row, name in enumerate(_COMPARED)},
    **{f"{name}_of_best": judging.OF_BEST + at for at, name in enumerate(COVERAGES)},
    **{f"log_{name}": judging.LOGS + at for at, name in enumerate(COVERAGES)},
}
"""Where in a table of features (judging_kernels.py) what may have a coefficient stands."""
_SCALES: Final = SQUARE * np.array(
    [SHARE_STEPS, LOG_STEPS**2, 1, 1, 1, 1, SHARE_STEPS**2, SHARE_STEPS / STEPS], dtype=np.float64
)
"""By sum: what a share of 1 is counted as."""
_TINY: Final = 1e-9
"""Length of what has no terms, which nothing is divided by but 0."""
_TRL_MOST: Final = 4.0
_YEARS_MOST: Final = 5.0


@dataclass(frozen=True, slots=True)
class Meeting:
    """What one need has in common with results, or one result with needs: an entry for each term that a pair shares."""

    pairs: int
    """How many pairs there are."""
    hits: npt.NDArray[np.int32]
    """A row for each: see scoring_kernels.OWNER. Which term it is `term_of` tells; for pairs of characters it is
    nothing but a number."""
    facets: Integers
    """How many sectors and how many modes each pair shares."""
    implied: Integers
    """What the words of each result imply of the only need, see implied_kernels.implied_by."""


@dataclass(frozen=True, slots=True)
class Query:
    """The one vector of a side that stands alone, ready to be compared with many of the other."""

    slots: npt.NDArray[np.int16]
    rows: npt.NDArray[np.int32]
    """Where its terms are found: see scoring_kernels.looked_up."""
    sectors: Numbers
    modes: Numbers
    implied: LookedUp = NOTHING

    @classmethod
    def of(cls, vectors: Vectors, implied: Implied | None = None) -> Self:
        """Make the only one of these ready, `implied` to be found of it in results. Raises IndexDamagedError."""
        sections, keys, codes = vectors.terms(0)
        if len(keys) >= kernels.QUERY_MOST:
            raise IndexDamagedError("a vector has more terms than are ever kept")
        looked_for = NOTHING if implied is None else implied.looked_up(*_words(sections, keys, codes))
        return cls(*kernels.looked_up(keys, codes, sections), *vectors.facets(0), looked_for)


def _words(sections: Integers, keys: Integers, codes: Codes) -> tuple[Integers, Codes]:
    """The words of a need as numbers, see `term_of`, and their codes."""
    words = keys[sections[0] :].copy()
    words[sections[1] :] += kernels.OTHER_TERM
    return words, codes[sections[0] :]


def meet(needs: Vectors, results: Vectors, *, many_needs: bool, implied: Implied | None = None) -> Meeting:
    """Compare the vectors of one side with the only one of the other; `implied` where that is a need.

    Raises IndexDamagedError.
    """
    many, query = (needs, results) if many_needs else (results, needs)
    return met(Query.of(query, implied), many, many_needs=many_needs)


def met(query: Query, many: Vectors, *, many_needs: bool) -> Meeting:
    """Compare the vectors of one side with one of the other. Raises IndexDamagedError."""
    sound, hits, facets, implied = kernels.meet(
        many.flat,
        many.facet_begins,
        many.term_ends,
        many.numbers,
        query.slots,
        query.rows,
        query.sectors,
        query.modes,
        many_needs,
        ALSO_PAIR,
        PAIR_MOST_LEVEL,
        *query.implied,
    )
    if not sound:
        raise IndexDamagedError("a vector contradicts its own groups")
    return Meeting(len(many), hits, facets, implied)


def term_of(word: Word) -> int:
    """Return the number by which hits (scoring_kernels.TERM) call a word."""
    return word.key if word.is_pair else word.key | kernels.OTHER_TERM


def word_parts(meeting: Meeting, results: Vectors) -> Integers:
    """Return three rows, owner and term of each shared word, and what it adds to the coverage of the need: a share of
    its mass, in steps of weight times SHARE_STEPS.
    """
    parts: Integers = kernels.word_parts(meeting.hits, results.numbers, *SATURATION, SQUARES, SHARE_STEPS)
    return parts


def table_of(meeting: Meeting, needs: Vectors, results: Vectors, *, alone: bool) -> Floats:
    """Return the features of every pair, a row for each (ROW_OF); one of the two sides stands alone.

    LOCAL are the coverages once more, terms that fewer of these results have weighing more. They depend on everything
    the results stand beside, and so may order a list but not decide what is proposed; `alone`: each by itself.
    """
    sums = kernels.add_up(
        meeting.pairs,
        meeting.hits,
        results.numbers,
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
    table: Floats = judging.compared(
        sums,
        meeting.facets,
        _cosines(needs, results, meeting.pairs),
        meeting.implied / (SHARE * SQUARE * MASS_UNIT),
        needs.numbers,
        needs.measures,
        results.numbers,
        results.measures,
        _SCALES,
        MASS_UNIT,
        _TINY,
        _TRL_MOST,
        _YEARS_MOST,
    )
    return table


def compared(meeting: Meeting, needs: Vectors, results: Vectors, *, alone: bool) -> dict[str, Floats]:
    """Return the features of every pair by name, see `table_of`."""
    return dict(zip(_COMPARED, table_of(meeting, needs, results, alone=alone), strict=False))


def _cosines(needs: Vectors, results: Vectors, pairs: int) -> Floats:
    """Cosines of the embeddings, 0 where either has none or they live in different spaces."""
    cosines = np.zeros(pairs)
    if not needs.numbers[:, headers.EMBEDDING].any() or not results.numbers[:, headers.EMBEDDING].any():
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
