"""Listing results and leading them through their life."""

from datetime import datetime
from typing import Any, override

from qianqiao_contracts import Reason

from registry.domain.lifecycle import Actor
from registry.domain.listing import Origin
from registry.domain.result import Result, ResultText
from registry.usecases.listings import PARTY_CLOSED, Listings
from registry.usecases.rights import require_party


class Results(Listings[Result]):
    """Use cases of results."""

    async def list_(self, id_: str, parties: tuple[str, ...], content: ResultText, by: Actor) -> Result:
        """Put a result on offer; the caller acts for the leading party. The same request again gives the same result.

        Raises Forbidden (`not-your-party`), Invalid (`party-unknown`, `party-closed`, `contact-data-in-public-text`).
        """
        require_party(by, parties[0])
        await self._parties.require_open(parties, "parties")
        result = self._listed(id_, content, parties, self._clock.now(), by, None)
        return (await self.add(result))[0]

    async def revise(self, id_: str, content: ResultText, by: Actor, if_revision: int | None) -> Result:
        """Replace what it says. Raises Forbidden, Refused, Invalid, VersionConflict."""
        bands, now = self.bands_of(content), self._clock.now()
        return await self.change(id_, by, lambda result: result.revise(content, bands, by, now), if_revision)

    async def renew(self, id_: str, reason: Reason | None, by: Actor, if_revision: int | None) -> Result:
        """Confirm that it still holds. Raises Forbidden, Refused, VersionConflict."""
        now = self._clock.now()
        return await self.change(id_, by, lambda result: result.renew(self.rules, by, now, reason), if_revision)

    async def withdraw(self, id_: str, reason: Reason, by: Actor, if_revision: int | None) -> Result:
        """Take it off the list for good. Raises Forbidden, Refused, VersionConflict."""
        now = self._clock.now()
        return await self.change(id_, by, lambda result: result.withdraw(by, now, reason), if_revision)

    async def party_closed(self, party: str, by: Actor) -> None:
        """Withdraw what a closed party alone had on offer; what it shares with others stays theirs."""
        now = self._clock.now()
        await self.withdraw_all({"parties": [party]}, lambda result: result.withdraw(by, now, PARTY_CLOSED))

    def adopted(
        self, id_: str, content: ResultText, *, parties: tuple[str, ...], confirmed: datetime, by: Actor, origin: Origin
    ) -> Result:
        """Make a result of what an outside system listed; it is stored by `add`."""
        return self._listed(id_, content, parties, confirmed, by, origin)

    def _listed(
        self,
        id_: str,
        content: ResultText,
        parties: tuple[str, ...],
        confirmed: datetime,
        by: Actor,
        origin: Origin | None,
    ) -> Result:
        return Result.list_(
            id_,
            content,
            parties=parties,
            confirmed=confirmed,
            rules=self.rules,
            bands=self.bands_of(content),
            by=by,
            now=self._clock.now(),
            origin=origin,
        )

    @override
    def _owned_by(self, party: str) -> dict[str, Any]:
        return {"parties": party}
