"""What needs and results have in common: finding, settling, expiring, looking for duplicates."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import AlreadyExists
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import Reason, Visibility, derived_id

from registry.domain.duplicates import DuplicateRules, PossibleDuplicate, fingerprint, most_alike, shown_bands
from registry.domain.lifecycle import Actor
from registry.domain.listing import Listing, ListingRules, Sight
from registry.domain.settlement import Settlement
from registry.usecases.parties import Parties
from registry.usecases.rights import not_there, require_owner

OPEN = ("published", "paused", "expired")
"""Statuses from which a listing can come back or still be settled."""


class Screened(Protocol):
    """The content of a listing, as the screening for near-duplicates reads it."""

    @property
    def visibility(self) -> Visibility:
        """Who may see it."""

    def compared(self, sight: Sight) -> str:
        """The text to compare, as far as `sight` goes."""


class Listings[L: Listing]:
    """Use cases of one kind of listing. Every method raises NotFound for what the actor may not know of."""

    def __init__(
        self,
        listings: Repository[L],
        parties: Parties,
        clock: Clock,
        rules: ListingRules,
        duplicates: DuplicateRules,
    ) -> None:
        self.records = listings
        self._parties = parties
        self._clock = clock
        self.rules = rules
        self._duplicates = duplicates

    async def get(self, id_: str, by: Actor) -> tuple[L, Sight]:
        """Return a listing and how much of it the actor may see."""
        listing = await self.records.get(id_)
        sight = listing.sight_of(by.party, operator=by.operator)
        if sight is Sight.NOTHING:
            raise not_there(id_)
        return listing, sight

    async def select(
        self, filters: Mapping[str, Any], by: Actor, *, limit: int, after: str | None
    ) -> list[tuple[L, Sight]]:
        """Return the listings the actor may see, by id."""
        where = {"$and": [dict(filters), self._visible_to(by)]} if not by.operator else filters
        found = await self.records.select(where, limit=limit, after=after)
        return [(listing, listing.sight_of(by.party, operator=by.operator)) for listing in found]

    async def change(self, id_: str, by: Actor, decide: Callable[[L], None], if_revision: int | None = None) -> L:
        """Let an owner or operator change a listing. Raises Forbidden, VersionConflict and what `decide` raises."""

        def checked(listing: L) -> None:
            require_owner(by, listing)
            decide(listing)

        return await self.records.change(id_, checked, if_revision=if_revision)

    async def settle(self, id_: str, by: Actor, *, partner: str, statement: str, exclusive: bool = False) -> L:
        """An owner says with whom it happened and how; it waits for the partner's yes.

        Raises Forbidden, Refused, Invalid (`party-unknown`, `party-closed`), Conflict (`too-many-settlements`).
        """
        await self._parties.require_open([partner], "partner")
        now = self._clock.now()
        settlement = Settlement(
            id=f"settlement-{derived_id('settlement', id_, partner, statement, str(exclusive))}",
            partners=(partner,),
            opened_at=now,
            statement=statement,
            exclusive=exclusive,
        )
        return await self.change(id_, by, lambda listing: listing.propose_settlement(settlement, by, now))

    async def confirm(self, id_: str, settlement: str, by: Actor) -> L:
        """Give one side's yes. Raises NotFound, Forbidden (`not-a-side`), Refused."""
        await self.get(id_, by)
        now = self._clock.now()
        return await self.records.change(id_, lambda listing: listing.confirm_settlement(settlement, by, now))

    async def agreed(self, id_: str, agreement: str, signatories: tuple[str, ...], *, exclusive: bool) -> None:
        """Keep a signed agreement about the listing until both sides confirm that it settles it.

        An agreement in which no owner of the listing takes part settles nothing.
        """
        now = self._clock.now()

        def decide(listing: L) -> None:
            partners = tuple(party for party in signatories if party not in listing.owners)
            if len(partners) == len(signatories) or not partners:
                return
            listing.await_settlement(
                Settlement(id=agreement, partners=partners, opened_at=now, agreement=agreement, exclusive=exclusive)
            )

        await self.records.change(id_, decide)

    async def no_longer_agreed(self, id_: str, agreement: str) -> None:
        """Forget a confirmation that waits for an agreement which was terminated; what is settled stays settled."""
        await self.records.change(id_, lambda listing: listing.drop_settlement(agreement))

    async def expire(self, due_listing: L) -> None:
        """Take a listing off the lists if its time has passed; for the due loop, which may call twice."""
        now = self._clock.now()

        def decide(listing: L) -> None:
            due = listing.due_at()
            if due is not None and due <= now:
                listing.expire(now)

        await self.records.change(due_listing.id, decide)

    def bands_of(self, content: Screened) -> list[str]:
        """Return the fingerprint that is stored with a listing."""
        whole = fingerprint(content.compared(Sight.ALL), self._duplicates)
        if content.visibility is not Visibility.SUMMARY:
            return whole
        return [*whole, *shown_bands(fingerprint(content.compared(Sight.SUMMARY), self._duplicates))]

    async def possible_duplicates(self, listing: L, by: Actor) -> tuple[PossibleDuplicate, ...]:
        """Return listings that read much like this one, of those the actor may see. Nothing is ever merged.

        Of a listing the actor sees in part, that part alone is looked for and compared: neither what is named nor
        what is not may tell how alike the hidden text is.
        """
        text = listing.compared_text(listing.sight_of(by.party, operator=by.operator))
        bands = fingerprint(text, self._duplicates)
        if not bands:
            return ()
        whole: dict[str, Any] = {"bands": {"$in": bands}}
        if not by.operator:
            whole = {"$and": [whole, {"$or": self._wholly_visible_to(by)}]}
        alike = {"$or": [whole, {"bands": {"$in": shown_bands(bands)}}]}
        found = await self.records.select(
            {"$and": [alike, {"id": {"$ne": listing.id}, "status": {"$in": list(OPEN)}}]},
            limit=self._duplicates.max_compared,
        )
        seen = [(other, other.sight_of(by.party, operator=by.operator)) for other in found]
        texts = [(other.id, other.title, other.compared_text(sight)) for other, sight in seen]
        return most_alike(text, texts, self._duplicates)

    async def add(self, listing: L) -> tuple[L, bool]:
        """Store a new listing; returns the stored one and whether this call stored it.

        Raises AlreadyExists (`listing-exists`) when the id is another party's.
        """
        if await self.records.add_once(listing):
            return listing, True
        there = await self.records.get(listing.id)
        if there.owners != listing.owners:
            raise AlreadyExists("listing-exists", "该标识已被占用。", "The id is taken.")
        return there, False

    async def withdraw_all(self, filters: Mapping[str, Any], withdraw: Callable[[L], None]) -> None:
        """Withdraw everything open that matches; can be repeated."""
        while found := await self.records.select({**filters, "status": {"$in": list(OPEN)}}, limit=50):
            for listing in found:
                await self.records.change(listing.id, withdraw)

    def _visible_to(self, by: Actor) -> Mapping[str, Any]:
        return {"$or": [{"content.visibility": Visibility.SUMMARY.value}, *self._wholly_visible_to(by)]}

    def _wholly_visible_to(self, by: Actor) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = [{"content.visibility": Visibility.PUBLIC.value}]
        if by.party is not None:
            shown += [
                self._owned_by(by.party),
                {"content.audience": by.party, "content.visibility": Visibility.TARGETED.value},
            ]
        return shown

    def _owned_by(self, party: str) -> dict[str, Any]:
        raise NotImplementedError


PARTY_CLOSED = Reason(code="party_closed")
