"""Abstaining: a need for which nothing is found is told so, with what comes closest and where it can go next.

It is said after the second look, never before: what arrives on another process in the same seconds gets its chance.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import NeedContent, NoMatchFound

from matching.abstention import Abstention, is_answered
from matching.copies import Copy
from matching.engine.engine import Ranked
from matching.nomatch import is_shown, missed, route_values
from matching.pairs import Pair
from matching.proposing import Market, Proposer
from matching.together import together

_SIDE_BY_SIDE: Final = 4
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Abstainer:
    """Says that nothing was found, once for each material content of a need. Idempotent, in any number of processes."""

    market: Market
    proposer: Proposer
    abstentions: Repository[Abstention]
    delay: timedelta
    """How long after a change it is looked at a second time."""

    async def tell(self, needs: Sequence[str]) -> None:
        """Tell those among the needs that are open, have no answer and find nothing.

        Who changed so lately that the second look is still to come is left to that look. One look serves all that
        changed in a second of the clock, so it may come a second early for the last of them.
        """
        market = self.market
        moved = await market.needs.moved_since(needs, market.clock.now() - (self.delay - _SECOND))
        copies = await market.needs.get_many([need for need in needs if need not in moved])
        waiting = [need for need in copies.values() if need.is_open]
        # Asked for all of them in one turn, so that they share a few requests.
        answered = await together(self._answered(need) for need in waiting)
        slots = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def one(need: Copy[NeedContent]) -> None:
            async with slots:
                await self._tell(need)

        await together(one(need) for need, known in zip(waiting, answered, strict=True) if not known)

    async def _tell(self, need: Copy[NeedContent]) -> None:
        if await self.proposer.finds(need):
            return  # what is found and not yet proposed waits for another day, or is being proposed
        said = await self._said(need)
        now = await self.market.needs.get(need.id)
        if now is None or now.versions != need.versions or await self._answered(need):
            return  # it changed meanwhile: another look follows; or somebody else was faster
        abstention = Abstention.about(need.id)
        abstention.tell(need.digest, said)
        if not await self.abstentions.add_once(abstention):
            await self.abstentions.change(abstention.id, lambda held: held.tell(need.digest, said))

    async def _answered(self, need: Copy[NeedContent]) -> bool:
        held, matches = await asyncio.gather(
            self.abstentions.find(Abstention.id_of(need.id)), self.proposer.existing(need.id)
        )
        return (held is not None and need.digest in held.told) or is_answered(matches, need.digest)

    async def _said(self, need: Copy[NeedContent]) -> NoMatchFound:
        shown = is_shown(need.content)
        ranked = await self.proposer.rank(need)
        return NoMatchFound(
            need=need.id,
            party=need.content.party,
            need_title=need.content.title if shown else None,
            looked_at=len(ranked),
            gaps=missed(need.content, await self._close(need, ranked)),
            routes=route_values(need.content, quote=shown),
        )

    async def _close(self, need: Copy[NeedContent], ranked: Sequence[Ranked]) -> list[Pair]:
        """Return the pairs whose texts would do for a proposal."""
        close = [candidate for candidate in ranked if candidate.score.fits]
        results = await self.market.results.get_many([candidate.id for candidate in close])
        return [Pair.of(need, results[one.id], one) for one in close if one.id in results]
