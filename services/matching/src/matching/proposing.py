"""Proposing: for one need, find what fits best, and make the open proposals say exactly that.

Everything that changes on either side ends here. What is proposed for a need depends on what is open and on the rules,
not on the order in which it came (docs/decisions/0006-proposals-deterministic.md).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import batched
from typing import Final

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import NeedContent, ResultContent

from matching.copies import Copies, Copy
from matching.domain import (
    NO_LONGER_PROPOSED,
    Match,
    Plan,
    Rules,
    barred,
    choose,
    latest_rounds,
    next_day,
    plan,
)
from matching.embedding.items import ItemVectors
from matching.engine.contents import need_item
from matching.engine.engine import Engine, Ranked
from matching.engine.items import Item
from matching.follower import Follower
from matching.keeping import Keeper
from matching.pairs import Pair
from matching.together import together

_READ_AT_ONCE: Final = 10
_ROUNDS: Final = 3
_MATCHES_OF_A_NEED: Final = 2_000


type BarredAround = Callable[[str], Awaitable[frozenset[str]]]
"""Names the parties that a party must not be matched with, whichever of the two wants it so."""


@dataclass(frozen=True, slots=True)
class Market:
    """What proposing stands on: the copies, the index that follows them, the matches."""

    needs: Copies[NeedContent]
    results: Copies[ResultContent]
    followed_needs: Follower[NeedContent]
    followed_results: Follower[ResultContent]
    engine: Engine
    matches: Repository[Match]
    clock: Clock
    rules: Rules
    barred_around: BarredAround
    vectors: ItemVectors | None = None
    """Vectors of needs, where a language model is used."""

    async def need_item(self, need: Copy[NeedContent]) -> Item:
        """Return a need as it is compared: with its vector where that counts and is at hand at once."""
        item = need_item(need.id, need.content)
        if self.vectors is None or not self.engine.model.calibration.compares_embeddings:
            return item
        return await self.vectors.at_once(item)

    @property
    def keeper(self) -> Keeper:
        """Writes matches."""
        return Keeper(self.matches, self.clock, self.rules)


@dataclass(frozen=True, slots=True)
class _Selection:
    """What should be proposed for a need now, best first, and what was looked at for it."""

    need: Copy[NeedContent]
    chosen: tuple[Pair, ...]
    admissible: tuple[str, ...]
    """All that were looked at and may be proposed, best first."""
    scored_by: str
    """Version of the model."""


type Begun = tuple[list[Match], Copy[NeedContent]]
type Remind = Callable[[str, datetime], Awaitable[None]]
"""Has a need looked at again at a moment."""


type OnRanked = Callable[[Copy[NeedContent], int, Sequence[Ranked]], None]
"""Is told what was ranked for a need, and at which count of the results' changes."""


class Proposer:
    """Keeps the proposals of a need right. One refresh per need at a time in a process; across processes the id of a
    match, its revision and the checks after writing keep what two of them do at once consistent."""

    def __init__(self, market: Market, remind: Remind) -> None:
        self._market = market
        self._remind = remind
        self._keeper = market.keeper
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self.on_ranked: list[OnRanked] = []

    async def refresh(self, need_id: str, *, begun: Begun | None = None) -> None:
        """Propose what fits the need best now; take back what nobody answered and no longer does. Idempotent.

        `begun` is what the caller has just read.
        """
        async with self._alone(need_id) as waited:
            for number in range(_ROUNDS):
                # What changed while we wrote may not be in this process's view yet.
                if number:
                    await self._market.followed_results.catch_up(to_the_last=True)
                if await self._refresh_once(need_id, None if number or waited else begun):
                    return
        # Still moving after three rounds: whoever moved it refreshes it, too, and the second look follows.

    async def rank(self, need: Copy[NeedContent], also: Collection[str] = ()) -> list[Ranked]:
        """Return the results known for a need, best first, whatever their band; those in `also` in any case."""
        market = self._market
        await market.followed_results.catch_up()
        item, changes = await market.need_item(need), market.engine.results.changes
        ranked = await market.engine.rank(item, also)
        if not also:
            for told in self.on_ranked:
                told(need, changes, ranked)
        return ranked

    async def close(self, matches: Sequence[Match], reason: str, *, party: str | None = None) -> None:
        """Take back the open ones among `matches`."""
        await self._keeper.close(matches, reason, party=party)

    async def finds(self, need: Copy[NeedContent]) -> bool:
        """Tell whether anything would be proposed for a need, were there no limit to what it is told in a day."""
        latest = latest_rounds(await self.existing(need.id))
        return bool((await self._select(need, latest)).chosen)

    async def existing(self, need_id: str) -> list[Match]:
        """Return every match there is for a need."""
        return await self._market.matches.find_by("proposal.need", need_id, limit=_MATCHES_OF_A_NEED)

    async def _refresh_once(self, need_id: str, begun: Begun | None) -> bool:
        """Return whether need and results were still the same after writing."""
        market = self._market
        # Matches first, then the index: so every result that an existing match names is in what is searched.
        existing: list[Match]
        need: Copy[NeedContent] | None
        if begun is None:
            existing, need = await asyncio.gather(self.existing(need_id), market.needs.get(need_id))
        else:
            existing, need = begun
        if need is None:
            return True
        if not need.is_open:
            await self.close(existing, "need_gone", party=need.content.party)
            return True
        latest = latest_rounds(existing)
        selection = await self._select(need, latest)
        plan = self._plan(selection, latest, existing)
        if plan.postponed:
            await self._remind(need_id, next_day(market.clock.now()))
        opened = [pair for pair in selection.chosen if pair.result.id in plan.open]
        written = await together(
            self._make_open(pair, latest.get(pair.result.id), selection.scored_by) for pair in opened
        )
        proposed = [pair for pair, wrote in zip(opened, written, strict=True) if wrote]
        await self._take_back(selection, latest, plan.kept)
        return not proposed or await self._unchanged(selection, proposed)

    async def _make_open(self, pair: Pair, held: Match | None, model: str) -> bool:
        scored_by = f"{model} cosine" if pair.score.cosine else model
        return await self._keeper.make_open(held, pair.basis, partial(pair.proposal, scored_by), scored_by=scored_by)

    async def _select(self, need: Copy[NeedContent], latest: dict[str, Match]) -> _Selection:
        scored_by = self._market.engine.model.version
        everything, never = await asyncio.gather(
            self.rank(need, latest), self._market.barred_around(need.content.party)
        )
        fitting = [ranked for ranked in everything if ranked.score.fits]
        pairs: dict[str, Pair] = {}
        chosen: list[str] = []
        for some in batched(fitting, _READ_AT_ONCE, strict=False):
            results = await self._market.followed_results.copies([ranked.id for ranked in some])
            for ranked in some:
                if (result := results.get(ranked.id)) is not None:
                    pair = Pair.of(need, result, ranked)
                    open_to_both = pair.is_admissible and never.isdisjoint(result.content.parties)
                    if open_to_both and not barred(latest.get(result.id), pair.basis):
                        pairs[result.id] = pair
            chosen = choose((pair.candidate for pair in pairs.values()), self._market.rules)
            if len(chosen) == self._market.rules.per_need:
                break
        return _Selection(need, tuple(pairs[id] for id in chosen), tuple(pairs), scored_by)

    def _plan(self, selection: _Selection, latest: dict[str, Match], existing: Sequence[Match]) -> Plan:
        chosen = [pair.result.id for pair in selection.chosen]
        replaceable = [
            id for id in selection.admissible if id not in chosen and (held := latest.get(id)) and held.untouched
        ]
        return plan(chosen, replaceable, existing, self._market.clock.now(), self._market.rules)

    async def _take_back(self, selection: _Selection, latest: dict[str, Match], kept: frozenset[str]) -> None:
        """Withdraw unanswered proposals that are no longer among the chosen, but for those that are `kept`."""
        chosen = {pair.result.id for pair in selection.chosen} | kept
        gone = {id: match for id, match in latest.items() if match.untouched and id not in chosen}
        known = await self._market.followed_results.known(list(gone)) if gone else {}
        for result_id, match in gone.items():
            held = known.get(result_id)
            if result_id in selection.admissible:
                reason = "superseded"
            elif held is None or (held.is_open and not held.versions.content):
                continue  # not in this process's view yet: leave it to whoever proposed it, and to the second look
            else:
                reason = NO_LONGER_PROPOSED if held.is_open else "result_gone"
            await self._keeper.take_back(match, reason)

    async def _unchanged(self, selection: _Selection, proposed: Sequence[Pair]) -> bool:
        """Look again after writing: what changed and did not see our match must be seen by us."""
        market, need = self._market, selection.need
        results_then = {pair.result.id: pair.result.versions for pair in proposed}
        need_now, results_now = await asyncio.gather(
            market.needs.versions([need.id]), market.results.versions(list(results_then))
        )
        return need_now == {need.id: need.versions} and results_now == results_then

    @asynccontextmanager
    async def _alone(self, need_id: str) -> AsyncIterator[bool]:
        """Hold the need; tells whether that had to be waited for."""
        lock, users = self._locks.get(need_id, (asyncio.Lock(), 0))
        self._locks[need_id] = (lock, users + 1)
        try:
            waited = lock.locked()
            async with lock:
                yield waited
        finally:
            lock, users = self._locks[need_id]
            if users == 1:
                del self._locks[need_id]
            else:
                self._locks[need_id] = (lock, users - 1)
