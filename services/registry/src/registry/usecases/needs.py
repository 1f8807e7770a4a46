"""Posting needs and leading them through their life."""

from datetime import datetime
from typing import Any, override

from qianqiao_contracts import NeedChannel, Reason

from registry.domain.lifecycle import Actor
from registry.domain.listing import Origin
from registry.domain.need import Need, NeedText
from registry.usecases.listings import PARTY_CLOSED, Listings
from registry.usecases.rights import require_party


class Needs(Listings[Need]):
    """Use cases of needs."""

    async def post(self, id_: str, party: str, content: NeedText, channel: NeedChannel, by: Actor) -> Need:
        """Publish a need; the same request again gives the same need.

        Raises Forbidden (`not-your-party`), Invalid (`party-unknown`, `party-closed`, `contact-data-in-public-text`).
        """
        require_party(by, party)
        owner = (await self._parties.require_open([party], "party"))[0]
        now = self._clock.now()
        need = Need.post(
            id_,
            content,
            party=party,
            park=owner.content.park,
            channel=channel,
            confirmed=now,
            rules=self.rules,
            bands=self.bands_of(content),
            by=by,
            now=now,
        )
        return (await self.add(need))[0]

    async def revise(self, id_: str, content: NeedText, by: Actor, if_revision: int | None) -> Need:
        """Replace what it says. Raises Forbidden, Refused, Invalid, VersionConflict."""
        bands, now = self.bands_of(content), self._clock.now()
        return await self.change(id_, by, lambda need: need.revise(content, bands, by, now), if_revision)

    async def pause(self, id_: str, reason: Reason | None, by: Actor, if_revision: int | None) -> Need:
        """Take no new matches for now. Raises Forbidden, Refused, VersionConflict."""
        now = self._clock.now()
        return await self.change(id_, by, lambda need: need.pause(by, now, reason), if_revision)

    async def resume(self, id_: str, reason: Reason | None, by: Actor, if_revision: int | None) -> Need:
        """Open it again. Raises Forbidden, Refused, VersionConflict."""
        now = self._clock.now()
        return await self.change(id_, by, lambda need: need.resume(self.rules, by, now, reason), if_revision)

    async def renew(self, id_: str, reason: Reason | None, by: Actor, if_revision: int | None) -> Need:
        """Confirm that it still holds. Raises Forbidden, Refused, VersionConflict."""
        now = self._clock.now()
        return await self.change(id_, by, lambda need: need.renew(self.rules, by, now, reason), if_revision)

    async def withdraw(self, id_: str, reason: Reason, by: Actor, if_revision: int | None) -> Need:
        """Take it back for good. Raises Forbidden, Refused, VersionConflict."""
        now = self._clock.now()
        return await self.change(id_, by, lambda need: need.withdraw(by, now, reason), if_revision)

    async def party_closed(self, party: str, by: Actor) -> None:
        """Withdraw what a closed party still had open."""
        now = self._clock.now()
        await self.withdraw_all({"party": party}, lambda need: need.withdraw(by, now, PARTY_CLOSED))

    def adopted(
        self,
        id_: str,
        content: NeedText,
        *,
        party: str,
        park: str | None,
        confirmed: datetime,
        by: Actor,
        origin: Origin,
    ) -> Need:
        """Make a need of what an outside system posted; it is stored by `add`."""
        return Need.post(
            id_,
            content,
            party=party,
            park=park,
            channel=NeedChannel.INTAKE,
            confirmed=confirmed,
            rules=self.rules,
            bands=self.bands_of(content),
            by=by,
            now=self._clock.now(),
            origin=origin,
        )

    @override
    def _owned_by(self, party: str) -> dict[str, Any]:
        return {"party": party}
