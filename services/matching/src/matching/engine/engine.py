"""The engine: both sides of the market, searched and scored."""

from collections import Counter
from collections.abc import Iterable
from itertools import takewhile
from typing import Final, NamedTuple, Self

import numpy as np

from matching.engine.index.port import IndexDamagedError, Versions
from matching.engine.index.tantivy_index import TantivyIndex
from matching.engine.items import Item
from matching.engine.likeness import near_copies
from matching.engine.model import Model
from matching.engine.score import Score, score_needs, score_results
from matching.engine.shelf import Shelf, open_with_content
from matching.engine.tables import table
from matching.engine.vectors import need_vector, result_vector

_CANDIDATES = table("weights")["candidates"]
_new: Final = tuple.__new__
"""Makes a named tuple in a third of the time: there are 128 in each answer."""


class Scoring(NamedTuple):
    """With what all the results of a need were scored, so that their scores can be explained by the same."""

    model: Model
    need: bytes
    """The need's vector."""


class Ranked(NamedTuple):
    """A candidate with its score."""

    id: str
    score: Score
    like: str = ""
    """Of a result that may be proposed: the first in the list that says almost the same, itself if none before does."""
    alike: int = 0
    """How many others of the list say almost the same as it."""
    scoring: Scoring | None = None
    """Of a result that was ranked for a need."""
    vector: bytes = b""
    """Of such a result: the vector that was scored, which may be older or newer than a text read meanwhile."""


class Engine:
    """Ranks results for a need, and finds the needs a result fits. The caller keeps the truth and the order.

    Each side has its own model, so that what is compared with its items is analysed like them; the two differ only
    while a new model is being taken up. All that reads raises IndexBeingRebuilt where there is no index to read.
    """

    def __init__(self, needs: Shelf, results: Shelf) -> None:
        self.needs = needs
        self.results = results

    @classmethod
    def closed(cls, model: Model | None = None) -> Self:
        """Return an engine whose indexes are still to be opened."""
        model = model or Model.shipped()
        return cls(Shelf(need_vector, model), Shelf(result_vector, model))

    @classmethod
    def in_memory(cls, model: Model | None = None) -> Self:
        """Return an engine with empty indexes that end with the process."""
        engine = cls.closed(model)
        for shelf in (engine.needs, engine.results):
            shelf.stand_on(TantivyIndex.in_memory())
        return engine

    @property
    def model(self) -> Model:
        """With which pairs are scored."""
        return self.results.model

    async def put_need(self, item: Item, version: int) -> bool:
        """Hold an open need; False if this version or a later one is held."""
        return await _put(self.needs, item, version)

    async def put_result(self, item: Item, version: int) -> bool:
        """Hold an open result; False if this version or a later one is held."""
        return await _put(self.results, item, version)

    async def rank(self, need: Item, also: Iterable[str] = ()) -> list[Ranked]:
        """Return the results for a need, likeliest first; equal probabilities by finer coverage, then by id.

        What a person leafs through is better ordered by `Score.order`, which may depend on everything listed.

        Results named in `also` are ranked whether or not they are among the candidates found.
        """
        model = self.results.model
        analysed = need_vector(need, model)
        found = await self.results.search(analysed.heaviest, _CANDIDATES["found"])
        missing = set(also)
        if missing:
            missing.difference_update(held.id for held in found)
            found += (await self.results.get(sorted(missing))).values()
        held = open_with_content(found)
        try:
            scores = score_results(analysed.vector, [each.vector for each in held], model, foreign=analysed.foreign)
            scoring = Scoring(model, analysed.vector)
            pairs = zip(held, scores, strict=True)
            ranked = [_new(Ranked, (each.id, score, "", 0, scoring, each.vector)) for each, score in pairs]
            return _with_likes(_in_order(ranked))
        except IndexDamagedError as damage:
            raise self.results.distrust(damage) from damage

    async def needs_for(self, result: Item, *, least: float | None = None) -> list[Ranked]:
        """Return the needs which `result` fits with at least this probability (else that of a proposal), best first."""
        model = self.needs.model
        least = model.calibration.propose_from if least is None else least
        analysed = result_vector(result, model)
        held = open_with_content(await self.needs.search(analysed.heaviest, _CANDIDATES["reverse_found"]))
        try:
            scores = score_needs([each.vector for each in held], analysed.vector, model)
        except IndexDamagedError as damage:
            raise self.needs.distrust(damage) from damage
        found = (Ranked(each.id, pair) for each, pair in zip(held, scores, strict=True) if pair.probability >= least)
        return _in_order(list(found))

    async def settle(self) -> int:
        """Bring what is fresh into the indexes."""
        return await self.needs.settle() + await self.results.settle()


async def _put(shelf: Shelf, item: Item, version: int) -> bool:
    held = (await shelf.get([item.id])).get(item.id)
    if held is not None and held.versions.content >= version:
        return False
    status = held.versions.status if held else 0
    shelf.put(shelf.entry(item.id, Versions(version, status), item, is_open=held is None or held.is_open))
    return True


def score_pair(need: Item, result: Item, model: Model | None = None) -> Score:
    """Score one pair without any index."""
    model = model or Model.shipped()
    return score_results(need_vector(need, model).vector, [result_vector(result, model).vector], model)[0]


def _with_likes(ranked: list[Ranked]) -> list[Ranked]:
    """Say which of those that may be proposed, they come first, are near-copies of each other."""
    fitting = list(takewhile(lambda each: each.score.fits, ranked))
    if not fitting:
        return ranked
    firsts = near_copies([each.vector for each in fitting])
    times = Counter(firsts)
    told = [
        each._replace(like=ranked[first].id, alike=times[first] - 1)
        for each, first in zip(fitting, firsts, strict=True)
    ]
    return [*told, *ranked[len(told) :]]


def _in_order(ranked: list[Ranked]) -> list[Ranked]:
    """Likeliest first; equal probabilities by finer coverage, then by id."""
    likely = np.array([-each.score.probability for each in ranked])
    covered = np.array([-(each.score.word_coverage + each.score.bigram_coverage) for each in ranked])
    order = np.lexsort((covered, likely))
    likely, covered = likely[order], covered[order]
    if ((likely[1:] == likely[:-1]) & (covered[1:] == covered[:-1])).any():  # hardly ever: texts that say the same
        return sorted(ranked, key=_order)
    return [ranked[at] for at in order.tolist()]


def _order(ranked: Ranked) -> tuple[float, float, str]:
    return (-ranked.score.probability, -(ranked.score.word_coverage + ranked.score.bigram_coverage), ranked.id)
