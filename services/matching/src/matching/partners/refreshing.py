"""Keeping proposals of partners right: two parties that are among the best for each other are proposed. Idempotent.

Whom a party would have depends on what is open, who refused and who is barred, not on the order in which it came. It is
stored, and both sides store theirs before they read the other's: whichever of two changes last sees the other
(docs/decisions/0013-partners.md).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import Any, Final

from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import MatchKind, NeedContent, PartyContent, ResultContent, Visibility

from matching.copies import Copies, Copy
from matching.domain import NO_LONGER_PROPOSED, OPEN, REFUSED, Match, State, latest_by
from matching.engine.tables import table
from matching.pages import read_all
from matching.partners.domain.competing import Offering, competes
from matching.partners.domain.evidence import Fit, Prospect, prospect, wanted
from matching.partners.domain.prospects import Prospects, mutual
from matching.partners.fits import Fits
from matching.partners.telling import Listings, partner_proposal
from matching.proposing import Market

_PAGE: Final = 200
_ROUNDS: Final = 3
_MOST_LISTINGS: Final[int] = table("partners")["looking"]["most_listings"]
_NEVER_AGAIN: Final = frozenset(table("partners")["proposals"]["never_again_after"])
LEASE: Final = timedelta(minutes=2)
"""Longer than it takes to look for the partners of a party with as many listings as are looked at."""
_REST: Final = timedelta(seconds=table("partners")["looking"]["rest_s"])
_TOLD: Final = frozenset({Visibility.PUBLIC, Visibility.SUMMARY})


@dataclass(frozen=True, slots=True)
class Past:
    """What two parties were proposed before: listings whose fits were refused, and whether it is over for good."""

    refused: frozenset[str] = frozenset()
    over: bool = False

    @classmethod
    def of(cls, matches: Iterable[Match]) -> "Past":
        """Sum up all matches of the two."""
        refused: set[str] = set()
        over = False
        for match in matches:
            if match.state in REFUSED:
                refused |= set(match.proposal.listings)
            never = match.reason is not None and match.reason.code in _NEVER_AGAIN
            over = over or match.state is State.ACCEPTED or (match.state is State.DECLINED and never)
        return cls(frozenset(refused), over)


@dataclass(frozen=True, slots=True)
class Partners:
    """Looks for partners and makes the open matches say exactly that."""

    records: Repository[Prospects]
    market: Market
    parties: Copies[PartyContent]
    fits: Fits
    delay: timedelta

    # ---- what has to be looked at ----------------------------------------------------------------------------------

    async def mark(self, parties: Iterable[str], *, spread: bool, later: bool = False, rested: bool = False) -> None:
        """Have parties looked at as soon as may be, or `later`; with `spread` their own listings changed.

        `rested`: what changes again and again is looked at once in a while. Survives a crash.
        """
        due = self.market.clock.now() + (self.delay if later else timedelta())
        rest = _REST if rested else timedelta()
        for some in batched(sorted(set(parties)), _PAGE, strict=False):
            records = await self._records(*some)
            for party in some:
                held = records.get(party)
                if held is None and await self.records.add_once(Prospects.marked(party, due, spread=spread)):
                    continue
                if held is not None and held.awaits(due, spread=spread, rest=rest):
                    continue
                await self.records.change(party, lambda held: held.mark(due, spread=spread, rest=rest), held=held)

    async def party_changed(self, party: str) -> None:
        """A party was registered, revised or closed."""
        await self.mark([party], spread=True)

    async def bars_changed(self, party: str, others: Sequence[str]) -> None:
        """A party put others on its do-not-match list, or took them off."""
        await self.mark([party, *others], spread=False)

    async def refused(self, match: Match, *, later: bool) -> None:
        """A proposal was declined or lapsed: the next best may take its place, on both sides."""
        await self.mark(match.parties, spread=False, later=later)

    async def listings_changed(self, since: datetime, until: datetime) -> None:
        """Mark the parties of all needs and results that changed in a span of time, or were named and changed."""
        parties: set[str] = set()
        for copies in (self.market.needs, self.market.results):
            after = ""
            while page := await copies.changed_between(since, until, after, _PAGE):
                after = page[-1].key
                items = list(dict.fromkeys(change.item for change in page))
                parties |= {owner for copy in (await copies.get_many(items)).values() for owner in _owners(copy)}
                parties |= {party for match in await self._naming(items) for party in match.parties}
        await self.mark(parties, spread=True, rested=True)

    async def _naming(self, listings: Sequence[str]) -> list[Match]:
        where = {"proposal.listings": {"$in": list(listings)}, "state": {"$in": sorted(OPEN)}}
        return await self._all(where)

    # ---- one party -------------------------------------------------------------------------------------------------

    async def due(self, seen: Prospects) -> None:
        """Look anew whom a marked party would have, and settle it with each of them."""
        now = self.market.clock.now()
        begun = await self.records.change(seen.id, lambda record: record.begin(now, LEASE), held=seen)
        past = await self._past(seen.id)
        found = await self._look(seen.id, past)
        best = wanted(found.values())
        held = await self.records.change(seen.id, lambda record: record.want(best, begun.marks), held=begun)
        if begun.spread:
            await self._spread(seen.id, found)
        open_ = {party for match in past.open_ for party in match.parties}
        others = {each.other for each in (*begun.wanted, *held.wanted)} | open_
        for other in sorted(others - {seen.id}):
            await self._settle(seen.id, other)
        await self.records.change(seen.id, lambda record: record.done(begun), held=held)

    async def _spread(self, party: str, found: Mapping[str, Prospect]) -> None:
        """Mark those who would now want the party more, or less, than they do."""
        records = {record.id: record for record in await read_all(self.records, {"wanted.other": party})}
        missing = sorted(set(found) - set(records))
        records |= {record.id: record for record in await read_all(self.records, {"id": {"$in": missing}})}
        turned = {other: each.model_copy(update={"other": party}) for other, each in found.items()}
        moved = [record.id for record in records.values() if record.would_change(party, turned.get(record.id))]
        await self.mark(moved, spread=False, rested=True)
        await self.mark(set(found) - set(records), spread=True)

    async def _look(self, party: str, past: "_History") -> dict[str, Prospect]:
        """Return everybody who is worth a proposal to the party."""
        me = await self.parties.get(party)
        if me is None or not me.is_open:
            return {}
        needs, results = await self._listings(party)
        by_other: dict[str, list[Fit]] = {}
        for need in needs:
            for fit in await self.fits.of_need(need):
                by_other.setdefault(fit.gives, []).append(fit)
        for result in results:
            for fit in await self.fits.of_result(result):
                if fit.gives == party:
                    by_other.setdefault(fit.wants, []).append(fit)
        likely = {other: prospect(other, fits) for other, fits in by_other.items() if other != party}
        others = [other for other, each in likely.items() if each is not None]
        barred = await self.market.barred_around(party)
        known = await self.parties.get_many([other for other in others if other not in barred])
        mine = Offering.of(me.content.kind.value, [result.content for result in results])
        found: dict[str, Prospect] = {}
        for other, copy in sorted(known.items()):
            before = past.between(other)
            worth = None if before.over else prospect(other, by_other[other], before.refused)
            if worth is not None and copy.is_open and not await self._competes(mine, other, copy.content):
                found[other] = worth
        return found

    async def _competes(self, mine: Offering, other: str, content: PartyContent) -> bool:
        if content.kind.value != mine.kind:
            return False
        _, results = await self._listings(other)
        return competes(mine, Offering.of(content.kind.value, [result.content for result in results]))

    async def _listings(self, party: str) -> tuple[list[Copy[NeedContent]], list[Copy[ResultContent]]]:
        """Return what a party has open and others may see, the last confirmed first, so many at most."""
        needs, results = await asyncio.gather(_most(self.market.needs, party), _most(self.market.results, party))
        return needs, results

    # ---- two parties -----------------------------------------------------------------------------------------------

    async def _settle(self, one: str, other: str) -> None:
        """Make the match of two parties say what their prospects say; read again after writing."""
        first, second = sorted((one, other))
        for _ in range(_ROUNDS):
            records = await self._records(first, second)
            if not await self._settle_once(first, second, records):
                return
            now = await self._records(first, second)
            if {id: record.wanted for id, record in now.items()} == {id: each.wanted for id, each in records.items()}:
                return
        # Still moving after three rounds: whoever moved it settles it, too.

    async def _settle_once(self, first: str, second: str, records: Mapping[str, Prospects]) -> bool:
        """Return whether anything was written."""
        matches = await self._all({"$and": [{"parties": first}, {"parties": second}]})
        latest = latest_by(matches, lambda match: match.proposal.kind).get(MatchKind.PARTNER)
        keeper, found = self.market.keeper, mutual(records, first, second)
        past = Past.of(matches)
        if found is not None and not past.over:
            found = prospect(second, found.fits, past.refused)
        if found is None or past.over or second in await self.market.barred_around(first):
            return await self._take_back(latest)
        told = await self._told(found)
        if told is None:
            return await self._take_back(latest)
        known = await self.parties.get_many([first, second])
        names = {id: copy.content.name for id, copy in known.items()}
        return await keeper.make_open(latest, told.digest(), lambda: partner_proposal(first, found, told, names))

    async def _take_back(self, latest: Match | None) -> bool:
        if latest is None or not latest.untouched:
            return False
        await self.market.keeper.take_back(latest, NO_LONGER_PROPOSED)
        return True

    async def _told(self, found: Prospect) -> Listings | None:
        """Return the listings named as they are now; None where one is no longer open, or to be seen."""
        ids = list(found.listings)
        needs, results = await asyncio.gather(self.market.needs.get_many(ids), self.market.results.get_many(ids))
        listings = Listings(needs, results)
        seen = [*map(_to_be_told, needs.values()), *map(_to_be_told, results.values())]
        return listings if all(seen) and len(seen) == len(ids) else None

    async def _records(self, *parties: str) -> dict[str, Prospects]:
        found = await self.records.select({"id": {"$in": list(parties)}}, limit=len(parties))
        return {record.id: record for record in found}

    async def _past(self, party: str) -> "_History":
        return _History(party, tuple(await self._all({"parties": party})))

    async def _all(self, where: Mapping[str, Any]) -> list[Match]:
        """Return every match of partners that is meant."""
        return await read_all(self.market.matches, {**where, "proposal.kind": MatchKind.PARTNER.value})


@dataclass(frozen=True, slots=True)
class _History:
    """All partner matches of one party."""

    party: str
    matches: tuple[Match, ...]

    @property
    def open_(self) -> tuple[Match, ...]:
        return tuple(match for match in self.matches if match.is_open)

    def between(self, other: str) -> Past:
        return Past.of(match for match in self.matches if other in match.parties)


async def _most[C: (NeedContent, ResultContent)](copies: Copies[C], party: str) -> list[Copy[C]]:
    found: list[Copy[C]] = []
    async for copy in copies.of_party(party):
        if _to_be_told(copy):
            found.append(copy)
        if len(found) == _MOST_LISTINGS:
            break
    return found


def _to_be_told(copy: Copy[NeedContent] | Copy[ResultContent]) -> bool:
    return copy.is_open and copy.content.visibility in _TOLD


def _owners(copy: Copy[NeedContent] | Copy[ResultContent]) -> tuple[str, ...]:
    content = copy.content
    return (content.party,) if isinstance(content, NeedContent) else content.parties
