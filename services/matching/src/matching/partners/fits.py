"""What fits what, as partners see it: the one place where they depend on the engine."""

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from qianqiao_contracts import NeedContent, ResultContent

from matching.copies import Copy
from matching.engine.contents import result_item
from matching.engine.engine import Ranked
from matching.engine.reasons import may_quote
from matching.engine.tables import table
from matching.pairs import Pair
from matching.partners.domain.evidence import Fit
from matching.proposing import Market, Proposer

_REMEMBERED: Final = 4_000
"""Needs; each takes some kilobytes."""
_MOST: Final[int] = table("partners")["looking"]["most_fits"]


class Fits(Protocol):
    """Finds what fits a listing well enough to be proposed, among what both sides may see."""

    async def of_need(self, need: Copy[NeedContent]) -> list[Fit]:
        """Return the fits of a need, one for each party of each result."""
        ...

    async def of_result(self, result: Copy[ResultContent]) -> list[Fit]:
        """Return the fits of a result, one for each of its parties."""
        ...


class _State(NamedTuple):
    """What a ranking rests on."""

    need: tuple[int, int]
    results: int


@dataclass(slots=True)
class _Said:
    """What the engine said of a need."""

    state: _State
    found: dict[str, Ranked]
    """Those that fit, the best so many of them."""
    looked_at: array[int]
    """Hashes of the ids of all results that were ranked."""
    fits: list[Fit] | None = None


class EngineFits:
    """Asks the engine; the same probability from either side.

    What it said of a need is remembered while neither the need nor any result changes: a party's needs are all looked
    at whenever one of them changes, and proposing has just ranked that one.
    """

    def __init__(self, market: Market, proposer: Proposer) -> None:
        self._market = market
        self._proposer = proposer
        self._said: OrderedDict[str, _Said] = OrderedDict()
        proposer.on_ranked.append(self._hear)

    async def of_need(self, need: Copy[NeedContent]) -> list[Fit]:
        """See Fits."""
        said = await self._ask(need)
        if said.fits is None:
            results = await self._market.followed_results.copies(list(said.found))
            said.fits = list(_fits((need, result, said.found[id]) for id, result in results.items()))
        return said.fits

    async def of_result(self, result: Copy[ResultContent]) -> list[Fit]:
        """See Fits."""
        await self._market.followed_needs.catch_up()
        ranked = await self._market.engine.needs_for(result_item(result.id, result.content))
        needs = await self._market.needs.get_many([each.id for each in ranked[:_MOST]])
        return [fit for need in needs.values() for fit in await self._fits_of(need, result)]

    async def _ask(self, need: Copy[NeedContent]) -> _Said:
        await self._market.followed_results.catch_up()
        state = _State(need.versions, self._market.engine.results.changes)
        said = self._said.get(need.id)
        if said is not None and said.state == state:
            self._said.move_to_end(need.id)
            return said
        await self._proposer.rank(need)  # which is heard
        return self._said[need.id]

    def _hear(self, need: Copy[NeedContent], changes: int, ranked: Sequence[Ranked]) -> None:
        found = {each.id: each for each in ranked[:_MOST] if each.score.band is not None}
        state = _State(need.versions, changes)
        self._said[need.id] = _Said(state, found, array("q", (hash(each.id) for each in ranked)))
        self._said.move_to_end(need.id)
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)

    async def _fits_of(self, need: Copy[NeedContent], result: Copy[ResultContent]) -> list[Fit]:
        # How well it fits a need depends on what else does, which only the ranking for that need knows.
        if hash(result.id) in (await self._ask(need)).looked_at:
            return [fit for fit in await self.of_need(need) if fit.result == result.id]
        fit = await self._fit(need, result)
        return [] if fit is None else list(_fits([(need, result, fit)]))

    async def _fit(self, need: Copy[NeedContent], result: Copy[ResultContent]) -> Ranked | None:
        ranked = await self._proposer.rank(need, [result.id])
        return next((each for each in ranked if each.id == result.id and each.score.band is not None), None)


def _fits(pairs: Iterable[tuple[Copy[NeedContent], Copy[ResultContent], Ranked]]) -> Iterable[Fit]:
    for need, result, ranked in pairs:
        # A listing that others may not see says nothing here: that there is a partner for it would tell of it.
        if may_quote(need.content, result.content) and Pair.of(need, result, ranked).is_admissible:
            for party in result.content.parties:
                yield Fit(
                    need=need.id,
                    result=result.id,
                    wants=need.content.party,
                    gives=party,
                    probability=ranked.score.probability,
                )
