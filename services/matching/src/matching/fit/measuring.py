"""Figures of needs and the results found for them: what the calibration is learnt from.

The same search, vectors and features as in the service, on an index in memory that holds the given results.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from matching.engine.engine import Engine
from matching.engine.features import Floats, relative
from matching.engine.items import Item
from matching.engine.model import COVERAGES, FACETS, LISTED, Calibration, Model
from matching.engine.score import features_of, probabilities
from matching.engine.shelf import open_with_content
from matching.engine.tables import table
from matching.engine.vectors import need_vector, result_vector
from matching.fit.examples import Known, Verdict

_FOUND: Final[int] = table("weights")["candidates"]["found"]
_KEPT: Final[int] = table("fit")["pairs"]["candidates"]
_AT_ONCE: Final = 500
VERDICT: Final = "verdict"
"""The kind of what people answered."""


@dataclass(frozen=True, slots=True)
class Beside:
    """The results that stand beside each other for one need, with their features."""

    results: tuple[str, ...]
    features: dict[str, Floats]

    def __len__(self) -> int:
        return len(self.results)

    def without(self, result: str) -> "Beside":
        """Return the others."""
        rows = np.array([id != result for id in self.results], dtype=np.bool_)
        return self.only(rows)

    def only(self, rows: npt.NDArray[np.bool_]) -> "Beside":
        """Return some of them."""
        kept = tuple(id for id, keep in zip(self.results, rows.tolist(), strict=True) if keep)
        return Beside(kept, {name: values[rows] for name, values in self.features.items()})

    def compared(self, calibration: Calibration) -> dict[str, Floats]:
        """Return the features, those relative to the best worked out among what `calibration` would propose."""
        if not len(self):
            return self.features | {f"{name}_of_best": np.zeros(0) for name in COVERAGES}
        alone = {f"{name}_of_best": np.ones(len(self)) for name in COVERAGES}
        bounds = probabilities(self.features | alone, calibration)
        return self.features | relative(self.features, bounds >= calibration.propose_from)


class Market:
    """Results in an index in memory, searched as the service searches them."""

    def __init__(self, engine: Engine, model: Model) -> None:
        self._engine = engine
        self._model = model

    @classmethod
    async def of(cls, results: Iterable[Item], model: Model) -> Self:
        """Take in results."""
        engine = Engine.in_memory(model)
        for version, result in enumerate(results, 1):
            await engine.put_result(result, version)
            if version % _AT_ONCE == 0:
                await engine.settle()
        await engine.settle()
        return cls(engine, model)

    def read_by(self, model: Model) -> Self:
        """Return the same results for needs read by another model; it differs in the lexicon alone."""
        return type(self)(self._engine, model)

    async def beside(self, need: Item, also: Sequence[str] = (), instead: Item | None = None) -> Beside:
        """Return what is found for a need, and the results in `also`; `instead` in the place of that result."""
        analysed = need_vector(need, self._model)
        found = await self._engine.results.search(analysed.heaviest, _FOUND)
        missing = set(also) - {held.id for held in found}
        if missing:
            found += (await self._engine.results.get(sorted(missing))).values()
        vectors: dict[str, bytes | memoryview] = {held.id: held.vector for held in open_with_content(found)}
        if instead is not None and instead.id in vectors:
            vectors[instead.id] = result_vector(instead, self._model).vector
        if not vectors:
            return Beside((), {name: np.zeros(0) for name in ("cosine", *COVERAGES, *LISTED, *FACETS)})
        features = features_of(analysed.vector, list(vectors.values()), self._model)
        return Beside(tuple(vectors), {name: np.asarray(values) for name, values in features.items()})


@dataclass(frozen=True, slots=True)
class Case:
    """One need as it is learnt from: what stands beside it, and which of that is known to be right or wrong."""

    beside: Beside
    answers: Floats
    """1 right, 0 wrong, nan not known."""
    kind: str
    group: str
    """Cases of one group are never on both sides of a split."""

    @property
    def right(self) -> str | None:
        """The result known to be right, if it was found."""
        return next((id for id, a in zip(self.beside.results, self.answers.tolist(), strict=True) if a == 1), None)


async def known_cases(market: Market, pairs: Iterable[Known]) -> AsyncIterator[Case]:
    """Yield the cases of needs with their known results; what is not the known one counts as wrong."""
    for pair in pairs:
        # Only what the search finds: a right result that it misses is missed in life, too.
        beside = _nearest(await market.beside(pair.need, instead=pair.instead), pair.right)
        answers = np.array([float(id == pair.right) for id in beside.results])
        yield Case(beside, answers, pair.kind, pair.right)


async def verdict_cases(market: Market, verdicts: Iterable[Verdict]) -> AsyncIterator[Case]:
    """Yield the cases of verdicts, in their order; only the result answered to is known to be right or wrong.

    What is about one pair only is left out, and so is what was answered to a result that is no longer there.
    """
    for verdict in verdicts:
        if verdict.is_about_the_pair_only:
            continue
        beside = _nearest(await market.beside(verdict.need, [verdict.result]), verdict.result)
        if verdict.result in beside.results:
            answers = [float(verdict.wanted) if id == verdict.result else np.nan for id in beside.results]
            yield Case(beside, np.array(answers), VERDICT, verdict.need.id)


def _nearest(beside: Beside, also: str) -> Beside:
    """What covers most of the need, and `also`: the rest is never near a proposal."""
    if len(beside) <= _KEPT:
        return beside
    covered = beside.features["word"] + beside.features["pair_cosine"]
    rows = np.zeros(len(beside), dtype=np.bool_)
    rows[np.argsort(-covered, kind="stable")[:_KEPT]] = True
    rows |= np.array([id == also for id in beside.results], dtype=np.bool_)
    return beside.only(rows)
