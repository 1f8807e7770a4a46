"""What finance parties and firms can ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import NotFound, Refused
from qianqiao_chassis.http import Caller
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import MatchKind, new_id

from matching.domain import OPEN, Match, State
from matching.engine.tables import table
from matching.finance.domain.judging import Judgement, judge
from matching.finance.domain.offer import Offer, OfferState, OfferTerms
from matching.finance.domain.proposals import draw
from matching.finance.domain.request import Grant, Request, RequestTerms
from matching.pages import read_all
from matching.policies.domain.facts import Key
from matching.policies.domain.outcomes import Outcome
from matching.policies.domain.profile import Profile

_ORDER = {outcome: place for place, outcome in enumerate(Outcome)}
_SHOWN = OPEN | {State.ACCEPTED}


@dataclass(frozen=True, slots=True)
class Compared:
    """One offer for a request: what it comes to by all the firm knows of itself, and by what its party may see."""

    offer: Offer
    own: Judgement
    told: Judgement
    shown: frozenset[Key]


@dataclass(frozen=True, slots=True)
class Pack:
    """What a finance party sees of a firm: the items consented to, with their values now."""

    match: Match
    request: Request
    profile: Profile
    items: frozenset[Key]
    at: datetime


@dataclass(frozen=True, slots=True)
class Finance:
    """The use cases. A request is the firm's: nobody else learns that there is one, but by its consent."""

    requests: Repository[Request]
    offers: Repository[Offer]
    profiles: Repository[Profile]
    matches: Repository[Match]
    clock: Clock

    # ---- offers ----------------------------------------------------------------------------------------------------

    async def make_offer(self, party: str, terms: OfferTerms) -> Offer:
        """List an offer. Raises Invalid, Refused (`too-many-offers`)."""
        held = await self.offers.count({"party": party, "state": OfferState.OPEN.value})
        if held >= table("finance")["limits"]["most_offers"]:
            raise Refused("too-many-offers", "在架产品过多，请先下架一些。", "Too many offers; withdraw some first.")
        return await self.offers.add(Offer.make(f"offer-{new_id()}", party, terms, self.clock.now()))

    async def revise_offer(self, id: str, party: str, terms: OfferTerms, revision: int | None) -> Offer:
        """Change an offer. Raises NotFound, Forbidden, Invalid, Refused, VersionConflict."""
        await self.offer(id)
        now = self.clock.now()
        return await self.offers.change(id, lambda held: held.revise(party, terms, now), if_revision=revision)

    async def withdraw_offer(self, id: str, party: str) -> Offer:
        """Take an offer off the list. Raises NotFound, Forbidden."""
        await self.offer(id)
        now = self.clock.now()
        return await self.offers.change(id, lambda held: held.withdraw(party, now))

    async def offer(self, id: str) -> Offer:
        """Return an offer. Raises NotFound."""
        found = await self.offers.find(id)
        if found is None:
            raise NotFound("offer-not-found", "没有这个金融产品。", "There is no such offer of finance.")
        return found

    async def list_offers(self, party: str | None, *, limit: int, after: str | None) -> list[Offer]:
        """Return open offers in the order in which they were listed; of one finance party where it is given."""
        where = {"state": OfferState.OPEN.value} | ({} if party is None else {"party": party})
        return await self.offers.select(where, limit=limit, after=after)

    # ---- requests --------------------------------------------------------------------------------------------------

    async def make_request(self, party: str, terms: RequestTerms) -> Request:
        """State a request; nobody else sees it until the firm consents. Raises Invalid."""
        return await self.requests.add(Request.make(f"request-{new_id()}", party, terms, self.clock.now()))

    async def request(self, id: str, caller: Caller) -> Request:
        """Return a request to its firm. Raises NotFound, also for anybody else's."""
        found = await self.requests.find(id)
        if found is None or found.party != caller.party:
            raise NotFound(
                "request-not-found",
                "没有这条融资需求，或您无权查看。",
                "There is no such request, or it is not yours.",
            )
        return found

    async def list_requests(self, party: str, *, limit: int, after: str | None) -> list[Request]:
        """Return a firm's own requests."""
        return await self.requests.select({"party": party}, limit=limit, after=after)

    async def revise_request(self, id: str, caller: Caller, terms: RequestTerms, revision: int | None) -> Request:
        """Change a request. Raises NotFound, Invalid, Refused, VersionConflict."""
        held, now = await self.request(id, caller), self.clock.now()
        return await self.requests.change(id, lambda each: each.revise(held.party, terms, now), if_revision=revision)

    async def withdraw_request(self, id: str, caller: Caller) -> Request:
        """Take a request back. Raises NotFound."""
        held, now = await self.request(id, caller), self.clock.now()
        return await self.requests.change(id, lambda each: each.withdraw(held.party, now))

    async def consent(
        self, id: str, caller: Caller, matching: bool, grants: Sequence[Grant], revision: int | None
    ) -> Request:
        """Say who may see what of a request. What is not named is revoked, at once. Raises NotFound, Invalid,
        Refused, VersionConflict."""
        held, now = await self.request(id, caller), self.clock.now()
        return await self.requests.change(
            id,
            lambda each: each.consent(held.party, caller.subject, matching, grants, now),
            if_revision=revision,
        )

    async def compare(self, id: str, caller: Caller) -> list[Compared]:
        """Return all offers for a request, for the firm's own eyes: the nearest first, then as drawn. NotFound."""
        request, now = await self.request(id, caller), self.clock.now()
        facts = (await self._profile(request.party)).at(now)
        found: list[Compared] = []
        for offer in await read_all(self.offers, {"state": OfferState.OPEN.value}):
            if offer.stands(now):
                shown = request.shown_to(offer.party, offer.id, now)
                own = judge(offer.terms, request.terms, facts, None, now)
                told = judge(offer.terms, request.terms, facts, shown, now)
                found.append(Compared(offer, own, told, shown))
        return sorted(found, key=lambda each: (_ORDER[each.own.assessment.outcome], draw(request.id, each.offer.id)))

    # ---- what a finance party sees ---------------------------------------------------------------------------------

    async def pack(self, match_id: str, caller: Caller) -> Pack:
        """Return what the finance party of a match may see, and record that it looked; the firm sees the same, not
        recorded. Raises NotFound, Refused (`consent-ended`, `match-not-open`)."""
        match = await self.matches.find(match_id)
        if match is None or match.proposal.kind is not MatchKind.FINANCE or caller.party not in match.parties:
            raise NotFound(
                "match-not-found", "没有这条对接建议，或您无权查看。", "There is no such match, or it is not yours."
            )
        offer, now = await self.offer(match.proposal.offer or ""), self.clock.now()
        request = await self.requests.get(match.proposal.request or "")
        if caller.party == request.party:
            items = request.shown_to(offer.party, offer.id, now)
        else:
            items = await self._viewed(match, offer, caller, now)
        return Pack(match, request, await self._profile(request.party), items, now)

    async def _viewed(self, match: Match, offer: Offer, caller: Caller, now: datetime) -> frozenset[Key]:
        if match.state not in _SHOWN:
            raise Refused("match-not-open", "这条对接已结束，不能再查看资料。", "This match is over: no more is shown.")
        seen: list[frozenset[Key]] = []
        # Decided and recorded in one write, so a consent revoked before it is a view that does not happen.
        await self.requests.change(
            match.proposal.request or "",
            lambda held: seen.append(held.view(offer, match.id, caller.subject, now)),
        )
        return seen[-1]

    async def _profile(self, party: str) -> Profile:
        return await self.profiles.find(party) or Profile.of(party)
