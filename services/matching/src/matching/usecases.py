"""What callers and events can ask for."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from qianqiao_chassis.errors import NotFound
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import MatchKind, NeedContent, ResultContent

from matching.abstaining import Abstainer
from matching.copies import Change, Copy, Status
from matching.domain import OPEN, Look, Match, decline_reason
from matching.engine.contents import result_item
from matching.looking import Looked, SecondLooks
from matching.pages import read_all
from matching.pairs import Pair
from matching.proposing import Market, Proposer
from matching.together import together

_PAGE: Final = 200
_SECOND: Final = timedelta(seconds=1)
_SIDE_BY_SIDE: Final = 4
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Refill(Protocol):
    """Has looked at what may take the place of a match that was refused; `later`: once that is written, too."""

    async def __call__(self, match: Match, *, later: bool) -> None:
        """Write it down."""


type OnListings = Callable[[datetime, datetime], Awaitable[None]]
"""Sees to what else depends on listings, once some changed in a span of time."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Everything the service does. Event handlers may be called again for the same event: all of it is idempotent."""

    market: Market
    proposer: Proposer
    looks: Repository[Look]
    second: SecondLooks
    overlap: timedelta
    abstainer: Abstainer
    refills: Mapping[MatchKind, Refill]
    """For matches of parties rather than listings: who sees to what may take the place of one that was refused."""
    on_listings: Sequence[OnListings] = ()
    looked: Looked = field(default_factory=Looked)

    # ---- what changes on either side -------------------------------------------------------------------------------

    async def need_changed(self, id: str, sequence: int, content: NeedContent) -> None:
        """A need was posted or revised."""
        change, need = await self._stored(self.market.needs.put_content(id, sequence, content))
        await self.market.followed_needs.take(change)
        await self._mark_again(change)
        # Nobody can have proposed anything for what was not known before this write. Who learnt of it since may be
        # doing so now: what is proposed twice has the same id, and both look at the need again after writing.
        is_new = change.written and sequence == 1
        await self.proposer.refresh(id, begun=([], need) if is_new and need is not None else None)

    async def need_stepped(self, id: str, sequence: int, status: Status) -> None:
        """A need left matching or came back."""
        change = await self._stored(self.market.needs.put_status(id, sequence, status))
        await self.market.followed_needs.take(change)
        await self._mark_again(change)
        await self.proposer.refresh(id)

    async def result_changed(self, id: str, sequence: int, content: ResultContent) -> None:
        """A result was listed or revised."""
        former = await self.market.results.get(id)
        change, _ = await self._stored(self.market.results.put_content(id, sequence, content))
        await self.market.followed_results.take(change)
        await self._refresh_around(id, former.content if former else None)

    async def result_stepped(self, id: str, sequence: int, status: Status) -> None:
        """A result left matching or came back."""
        change = await self._stored(self.market.results.put_status(id, sequence, status))
        await self.market.followed_results.take(change)
        await self._refresh_around(id)

    async def _stored[T](self, put: Coroutine[Any, Any, T]) -> T:
        """Store a change and, beside it, that it is to be looked at again."""
        marked = asyncio.create_task(self.second.mark())
        try:
            return await put
        finally:
            await marked

    async def _mark_again(self, change: Change) -> None:
        """Have a need looked at a second time whose event came before: whoever stored it may have died before it was
        marked, and no look covers the time at which it was stored."""
        if not change.written:
            await self.second.name(change.item, later=True)

    async def _refresh_around(self, result_id: str, former: ResultContent | None = None) -> None:
        """Refresh every need that the result fits, or fitted by its former content, or is proposed for.

        Where it fits it may have held down others, though it was never proposed itself (docs/decisions/0012).
        """
        market = self.market
        await market.followed_needs.catch_up()
        result = await market.results.get(result_id)
        if result is None:
            return
        matches = await self._matches_of_result(result_id)
        if not result.is_open:
            # One side answered, so it stayed although the need may have changed since: that need may be left with
            # nothing. Said before, since once it is closed it is not found here any more.
            await together(self.second.name(m.proposal.pair[0], later=True) for m in matches if not m.untouched)
            await self.proposer.close(matches, "result_gone", party=result.content.parties[0])
        contents = [result.content] if former in (None, result.content) else [result.content, former]
        items = [result_item(result_id, content) for content in contents if content is not None]
        fitting = [ranked.id for item in items for ranked in await market.engine.needs_for(item)]
        await self._refresh_all(list(dict.fromkeys([*fitting, *(match.proposal.pair[0] for match in matches)])))

    async def _matches_of_result(self, result_id: str) -> list[Match]:
        """Those that a change of the result may change: open ones."""
        return await read_all(self.market.matches, {"proposal.result": result_id, "state": {"$in": sorted(OPEN)}})

    async def _refresh_all(self, needs: Sequence[str]) -> None:
        slots = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def one(need: str) -> None:
            async with slots:
                await self.proposer.refresh(need)

        await together(one(need) for need in needs)

    async def bars_changed(self, party: str, others: Sequence[str]) -> None:
        """A party put others on its do-not-match list, or took them off: see to the needs of all of them."""
        for owner in (party, *others):
            needs = [need async for need in self.market.needs.of_party(owner)]
            await self._refresh_all([need.id for need in needs if need.is_open])

    async def look_anew(self, needs: Sequence[str]) -> None:
        """Pairs are scored anew: bring these needs up to date, and tell those that find nothing any more."""
        await self._refresh_all(needs)
        await self.abstainer.tell(needs)

    async def vectors_arrived(self, needs: Sequence[str], results: Sequence[str]) -> None:
        """Vectors of a language model are there for these: take them in, and have looked at again what they concern."""
        market = self.market
        asked = [item.id for item in await market.followed_needs.attach(needs)]
        for result in await market.followed_results.attach(results):
            if market.engine.model.calibration.compares_embeddings:
                asked += [ranked.id for ranked in await market.engine.needs_for(result)]
        if market.engine.model.calibration.compares_embeddings:
            await together(self.second.name(need) for need in dict.fromkeys(asked))

    async def all_listings_changed(self) -> None:
        """Pairs are scored anew: see to what else depends on listings."""
        for others in self.on_listings:
            await others(_BEGINNING, self.now())

    # ---- timers ----------------------------------------------------------------------------------------------------

    async def lapse(self, due: Match) -> None:
        """Close a match whose time is over; the next best may take its place."""
        lapsed: list[bool] = []
        # Said before as well: once the match has lapsed nothing of its own would bring the next best any more.
        await self._refill(due, later=True)
        match = await self.market.matches.change(due.id, lambda held: lapsed.append(held.lapse(self.now())), held=due)
        if lapsed[-1]:
            await self._refill(match)

    async def _refill(self, refused: Match, *, later: bool = False) -> None:
        """Have looked at what may take the place of a match."""
        if refused.proposal.need is not None:
            await self.second.name(refused.proposal.need, later=later)
        else:
            await self.refills[refused.proposal.kind](refused, later=later)

    async def look_again(self, look: Look) -> None:
        """Refresh the needs that a look covers, where any result changed at about the same time; tell those that still
        find nothing."""
        for need in look.needs:
            await self.proposer.refresh(need)
        await self.abstainer.tell(look.needs)
        if look.since is not None and look.until is not None:
            await self._look_between(look.since, look.until)
        await self.looks.change(look.id, lambda held: held.done(look), held=look)

    async def _look_between(self, since: datetime, until: datetime) -> None:
        followed = self.market.followed_results
        begin, end, after = since - self.overlap, until + self.overlap, ""
        for others in self.on_listings:
            await others(begin, end)
        await followed.look_back(begin)
        results_moved = followed.latest is not None and followed.latest >= begin
        enough = self.now() - self.second.delay + _SECOND
        while page := await self.market.needs.changed_between(begin, end, after, _PAGE):
            # What changed later has a look of its own.
            waiting = self.looked.without([change for change in page if change.changed_at <= enough])
            needs = list(dict.fromkeys(change.item for change in waiting))
            if results_moved:
                await self._refresh_all(needs)
            await self.abstainer.tell(needs)
            self.looked.add(waiting)
            after = page[-1].key

    def now(self) -> datetime:
        """Return the present instant."""
        return self.market.clock.now()

    # ---- what callers ask for --------------------------------------------------------------------------------------

    async def find(self, id: str, party: str | None, *, operator: bool) -> Match:
        """Return a match the caller may see. Raises NotFound also for one that is not the caller's."""
        match = await self.market.matches.find(id)
        if match is None or not (operator or party in match.parties):
            raise NotFound(
                "match-not-found", "没有这条对接建议，或您无权查看。", "There is no such match, or it is not yours."
            )
        return match

    async def list(
        self, party: str | None, given: Mapping[str, str | None], *, limit: int, after: str | None
    ) -> list[Match]:
        """Return matches, newest first: those of `party`, or everyone's for None; `given` fields have these values."""
        where: dict[str, Any] = {} if party is None else {"parties": party}
        where |= {field: value for field, value in given.items() if value is not None}
        return await self.market.matches.select(where, sort=(("proposed_at", -1), ("id", 1)), limit=limit, after=after)

    async def say_yes(self, id: str, party: str, subject: str, revision: int | None) -> Match:
        """Record interest of `party`. Raises NotFound, Refused, VersionConflict."""
        await self.find(id, party, operator=False)
        now = self.now()
        return await self.market.matches.change(
            id, lambda match: match.say_yes(party, subject, now), if_revision=revision
        )

    async def say_no(
        self,
        id: str,
        party: str,
        subject: str,
        *,
        code: str,
        text: str | None,
        private: str | None,
        revision: int | None,
    ) -> Match:
        """Record a refusal of `party`; the next best result may take the place. Raises NotFound, Invalid, Refused."""
        reason = decline_reason(code, text)
        await self.find(id, party, operator=False)
        now = self.now()
        declined = await self.market.matches.change(
            id, lambda match: match.say_no(party, subject, reason, private, now), if_revision=revision
        )
        await self._refill(declined)
        return declined

    async def need(self, id: str, party: str | None, *, operator: bool) -> Copy[NeedContent]:
        """Return the copy of a need for its owner or an operator. Raises NotFound."""
        copy = await self.market.needs.get(id)
        if copy is None or not (operator or copy.content.party == party):
            raise NotFound(
                "need-not-found", "没有这条需求，或您无权查看。", "There is no such need, or it is not yours."
            )
        return copy

    async def browse(self, need: Copy[NeedContent], most: int) -> Sequence[Pair]:
        """Return the best results for a need, whatever their band."""
        known = [candidate for candidate in await self.proposer.rank(need) if candidate.score.shares_anything]
        ranked = sorted(known, key=lambda candidate: -candidate.score.order)[:most]
        results = await self.market.results.get_many([candidate.id for candidate in ranked])
        return [
            Pair.of(need, results[candidate.id], candidate)
            for candidate in ranked
            if candidate.id in results and results[candidate.id].is_open
        ]
