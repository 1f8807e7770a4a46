"""Keeping proposals of finance right: what suits and may be told is proposed, what no longer does is taken back.

Idempotent, and read again after writing, like all proposing (docs/decisions/0006 and 0014).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import MatchKind

from matching.domain import NO_LONGER_PROPOSED, Match, latest_rounds
from matching.finance.domain.judging import judge
from matching.finance.domain.offer import Offer, OfferState
from matching.finance.domain.proposals import basis_of, choose, finance_proposal
from matching.finance.domain.request import Request, RequestState
from matching.pages import read_all
from matching.policies.domain.profile import Profile
from matching.proposing import Market

_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that a request is judged by, as it was read."""

    request: Request
    profile: Profile
    offers: Mapping[str, Offer]
    barred: frozenset[str]
    at: datetime

    @property
    def versions(self) -> tuple[object, ...]:
        """What must not have changed when it is read again."""
        offers = {id: offer.marks for id, offer in self.offers.items()}
        return self.request.marks, self.profile.version, offers, self.barred


@dataclass(frozen=True, slots=True)
class FinanceRefresher:
    """Judges requests by offers and makes the open matches say exactly that."""

    requests: Repository[Request]
    offers: Repository[Offer]
    profiles: Repository[Profile]
    market: Market
    delay: timedelta

    # ---- what has to be looked at ----------------------------------------------------------------------------------

    async def firm_changed(self, party: str) -> None:
        """A firm's profile changed."""
        await self._mark(await read_all(self.requests, {"party": party, "state": RequestState.OPEN.value}))

    async def bars_changed(self, party: str, others: Sequence[str]) -> None:
        """A party put others on its do-not-match list, or took them off."""
        for each in (party, *others):
            await self.firm_changed(each)

    async def refused(self, match: Match, *, later: bool) -> None:
        """A proposal was declined or lapsed: another offer may take its place."""
        if (request := await self.requests.find(match.proposal.request or "")) is not None:
            await self._mark([request], self.delay if later else timedelta())

    async def offer_due(self, seen: Offer) -> None:
        """An offer changed or ended: look at every request that lets its party see anything, or was proposed it."""
        now = self.market.clock.now()
        granted = await read_all(self.requests, {"grants.to": seen.party, "state": RequestState.OPEN.value})
        matches = await read_all(self.market.matches, {"proposal.offer": seen.id})
        proposed = {match.proposal.request for match in matches if match.is_open}
        more = await read_all(self.requests, {"id": {"$in": sorted(id for id in proposed if id is not None)}})
        await self._mark([*{request.id: request for request in (*granted, *more)}.values()])
        await self.offers.change(seen.id, lambda held: held.seen_to(seen.marks, now))

    async def _mark(self, requests: Sequence[Request], delay: timedelta = timedelta()) -> None:
        due = self.market.clock.now() + delay
        for request in requests:
            await self.requests.change(request.id, lambda held: held.mark(due))

    # ---- one request -----------------------------------------------------------------------------------------------

    async def request_due(self, due: Request) -> None:
        """See to a request that changed, or of which a consent ran out, or that ended."""
        now = self.market.clock.now()
        await self.refresh(due.id)
        await self.requests.change(due.id, lambda held: held.seen_to(due.marks, now))

    async def refresh(self, id: str) -> None:
        """Propose what suits and take back what does not."""
        for _ in range(_ROUNDS):
            seen = await self._see(id)
            if seen is None or not await self._settle(seen):
                return
            again = await self._see(id)
            if again is not None and again.versions == seen.versions:
                return
        # Still moving after three rounds: whatever moved it left it marked.

    async def _see(self, id: str) -> Seen | None:
        now = self.market.clock.now()
        request = await self.requests.find(id)
        if request is None:
            return None
        parties = sorted({grant.to for grant in request.grants})
        where = {"party": {"$in": parties}, "state": OfferState.OPEN.value}
        offers = {offer.id: offer for offer in await read_all(self.offers, where) if offer.stands(now)}
        profile = await self.profiles.find(request.party) or Profile.of(request.party)
        return Seen(request, profile, offers, await self.market.barred_around(request.party), now)

    async def _settle(self, seen: Seen) -> bool:
        """Write what differs; return whether anything was proposed."""
        request = seen.request
        matches = await read_all(self.market.matches, {"proposal.request": request.id})
        latest = latest_rounds([match for match in matches if match.proposal.kind is MatchKind.FINANCE])
        told = [offer for offer in seen.offers.values() if request.shown_to(offer.party, offer.id, seen.at)]
        eligible = [offer for offer in told if self._suits(seen, offer)]
        chosen = choose(request, eligible, latest)
        await self._take_back(seen, latest, {offer.id for offer in chosen}, {offer.id for offer in eligible})
        wrote = [await self._propose(request, offer, latest.get(offer.id)) for offer in chosen]
        return any(wrote)

    async def _propose(self, request: Request, offer: Offer, held: Match | None) -> bool:
        return await self.market.keeper.make_open(
            held, basis_of(request, offer), lambda: finance_proposal(request, offer)
        )

    @staticmethod
    def _suits(seen: Seen, offer: Offer) -> bool:
        if seen.profile.registered.closed or offer.party in seen.barred or offer.party == seen.request.party:
            return False
        items = seen.request.shown_to(offer.party, offer.id, seen.at)
        return judge(offer.terms, seen.request.terms, seen.profile.at(seen.at), items, seen.at).is_eligible

    async def _take_back(
        self, seen: Seen, latest: Mapping[str, Match], chosen: Collection[str], eligible: Collection[str]
    ) -> None:
        keeper = self.market.keeper
        for offer, match in latest.items():
            if not match.is_open or offer in chosen:
                continue
            gone = await self._gone(seen, match, offer)
            if gone is not None:
                code, party = gone
                await keeper.close([match], code, party=party)
            elif match.untouched:
                # Barred and no longer eligible are told alike: nobody learns of a do-not-match list.
                await keeper.take_back(match, "superseded" if offer in eligible else NO_LONGER_PROPOSED)

    async def _gone(self, seen: Seen, match: Match, offer: str) -> tuple[str, str] | None:
        """Return the cause that ends even what one side has answered, and on whose side it lies; None for others."""
        firm, bank = match.proposal.party_a, match.proposal.parties_b[0]
        if seen.profile.registered.closed:
            return "party_closed", firm
        if not seen.request.stands(seen.at):
            return "request_gone", firm
        if not seen.request.shown_to(bank, offer, seen.at):
            return "consent_revoked", firm
        held = await self.offers.find(offer)
        return ("offer_gone", bank) if held is None or not held.stands(seen.at) else None
