"""The engine: both sides of the market, searched and scored."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from matching.engine.candidates import CandidateIndex, TantivyIndex
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.score import Score, score_needs, score_results
from matching.engine.shelf import Shelf
from matching.engine.tables import table
from matching.engine.vectors import need_vector, result_vector

_CANDIDATES = table("weights")["candidates"]


class Ranked(NamedTuple):
    """A candidate with its score."""

    id: str
    score: Score


class Engine:
    """Holds needs and results in memory and ranks results for a need. The caller keeps the truth and the order."""

    def __init__(self, make_index: Callable[[], CandidateIndex] = TantivyIndex, model: Model | None = None) -> None:
        self.model = model or Model.shipped()
        self.needs: Shelf = Shelf(make_index)
        self.results: Shelf = Shelf(make_index)

    def put_need(self, item: Item, version: int) -> bool:
        """Hold a need; False if this version or a later one is held."""
        return version > self.needs.version(item.id) and self.needs.put(item.id, version, need_vector(item, self.model))

    def put_result(self, item: Item, version: int) -> bool:
        """Hold a result; False if this version or a later one is held."""
        return version > self.results.version(item.id) and self.results.put(
            item.id, version, result_vector(item, self.model)
        )

    def rank(self, need: Item, also: Iterable[str] = ()) -> list[Ranked]:
        """Return the results for a need, best first; equal probabilities by finer coverage, then by id.

        Results named in `also` are ranked whether or not they are among the candidates found.
        """
        analysed = need_vector(need, self.model)
        found = self.results.search(analysed.heaviest, _CANDIDATES["found"])
        ids = [id for id in dict.fromkeys([*found, *also]) if id in self.results]
        vectors = [vector for id in ids if (vector := self.results.vector(id)) is not None]
        scores = score_results(analysed.vector, vectors, self.model)
        return sorted((Ranked(id, score) for id, score in zip(ids, scores, strict=True)), key=_order)

    def needs_for(self, result: Item, *, least: float | None = None) -> list[Ranked]:
        """Return the needs which `result` fits with at least this probability (else that of a proposal), best first."""
        least = self.model.calibration.propose_from if least is None else least
        analysed = result_vector(result, self.model)
        ids = self.needs.search(analysed.heaviest, _CANDIDATES["reverse_found"])
        vectors = [vector for id in ids if (vector := self.needs.vector(id)) is not None]
        scores = score_needs(vectors, analysed.vector, self.model)
        found = (Ranked(id, pair) for id, pair in zip(ids, scores, strict=True) if pair.probability >= least)
        return sorted(found, key=_order)

    def settling(self) -> Sequence[Callable[[], int]]:
        """Return the index work to be done in a thread, see `Shelf.settling`."""
        return [work for shelf in (self.needs, self.results) if (work := shelf.settling()) is not None]


def score_pair(need: Item, result: Item, model: Model | None = None) -> Score:
    """Score one pair without any index."""
    model = model or Model.shipped()
    return score_results(need_vector(need, model).vector, [result_vector(result, model).vector], model)[0]


def _order(ranked: Ranked) -> tuple[float, float, str]:
    return (-ranked.score.probability, -(ranked.score.word_coverage + ranked.score.bigram_coverage), ranked.id)
