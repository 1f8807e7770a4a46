"""Registering, revising, verifying and closing parties."""

from collections.abc import Mapping, Sequence
from typing import Any

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import AlreadyExists, FieldError, Forbidden, Invalid
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import PartyKind, Reason

from registry.domain.lifecycle import Actor
from registry.domain.party import USCC_PREFIX, Party, PartyText
from registry.usecases.rights import require_party


class Parties:
    """Use cases of parties."""

    def __init__(self, parties: Repository[Party], clock: Clock) -> None:
        self.records = parties
        self._clock = clock

    async def register(self, id_: str, content: PartyText, *, verified: bool, by: Actor) -> Party:
        """Register a party: itself, one of the caller's park, or any for an operator.

        The same request again gives the same party.
        Raises Forbidden (`not-your-party`, `not-a-park`, `verify-not-allowed`),
        AlreadyExists (`uscc-taken`, `party-exists`).
        """
        if not by.operator and id_ != by.party:
            await self._require_park(by, content.park)
        if verified and not by.operator:
            raise Forbidden("verify-not-allowed", "只有平台可以核验主体。", "Only the platform verifies parties.")
        now = self._clock.now()
        return await self.add(Party.register(id_, content, verified=verified, by=by, now=now))

    async def _require_park(self, by: Actor, park: str | None) -> None:
        """Others are registered by their park alone: a party that is registered as one."""
        require_party(by, park or "")
        own = await self.records.find(by.party or "")
        if own is None or own.closed or own.content.kind is not PartyKind.PARK:
            raise Forbidden("not-a-park", "只有园区可以代为登记。", "Only a park registers others.")

    async def add(self, party: Party) -> Party:
        """Store a new party; an equal one that is there already is returned. Raises AlreadyExists."""
        try:
            added = await self.records.add_once(party)
        except AlreadyExists:
            raise uscc_taken() from None
        if added:
            return party
        there = await self.records.get(party.id)
        if there.origin != party.origin or there.log[0].by != party.log[0].by:
            raise AlreadyExists("party-exists", "该主体已登记。", "This party is registered already.")
        return there

    async def get(self, id_: str) -> Party:
        """Return a party; what is kept of it here is public. Raises NotFound."""
        return await self.records.get(id_)

    async def revise(self, id_: str, content: PartyText, by: Actor, if_revision: int | None) -> Party:
        """Replace what is known of it. Raises NotFound, Forbidden, Refused, VersionConflict, AlreadyExists."""
        require_party(by, id_)
        now = self._clock.now()
        try:
            return await self.records.change(id_, lambda party: party.revise(content, by, now), if_revision=if_revision)
        except AlreadyExists:
            raise uscc_taken() from None

    async def verify(self, id_: str, by: Actor) -> Party:
        """Mark its identity as checked; operators only, which the route sees to. Raises NotFound, Refused."""
        now = self._clock.now()
        return await self.records.change(id_, lambda party: party.verify(by, now))

    async def close(self, id_: str, reason: Reason, by: Actor, if_revision: int | None) -> Party:
        """Close it. Raises NotFound, Forbidden, Refused (`party-closed`), VersionConflict."""
        require_party(by, id_)
        now = self._clock.now()
        return await self.records.change(id_, lambda party: party.close(by, now, reason), if_revision=if_revision)

    async def select(self, filters: Mapping[str, Any], *, limit: int, after: str | None) -> list[Party]:
        """Return parties by id."""
        return await self.records.select(filters, limit=limit, after=after)

    async def require_open(self, ids: Sequence[str], path: str) -> list[Party]:
        """Return the parties in the order asked for. Raises Invalid (`party-unknown`, `party-closed`) at `path`."""
        wanted = list(dict.fromkeys(ids))
        if len(wanted) == 1:
            only = await self.records.find(wanted[0])
            found = {} if only is None else {only.id: only}
        else:
            found = {party.id: party for party in await self.records.select({"id": {"$in": wanted}}, limit=len(wanted))}
        for id_ in wanted:
            if id_ not in found:
                raise _invalid(path, "party-unknown", f"没有登记过主体 {id_}。", f"No party {id_} is registered.")
            if found[id_].closed:
                raise _invalid(path, "party-closed", f"主体 {id_} 已注销或退出。", f"The party {id_} is closed.")
        return [found[id_] for id_ in wanted]

    async def named(self, name: str, adopted: str) -> Party | None:
        """Return the party an outside system means by `name`: our id, `uscc:<code>`, or what it registered itself.

        `adopted` is the id we gave to what that system registered under this name.
        """
        if name.startswith(USCC_PREFIX):
            found = await self.records.select({"uscc_key": name.removeprefix(USCC_PREFIX)}, limit=1)
            return found[0] if found else None
        return await self.records.find(name) or await self.records.find(adopted)


def uscc_taken() -> AlreadyExists:
    """The answer when another party has this credit code."""
    zh, en = "该统一社会信用代码已被另一主体登记。", "Another party is registered with this credit code."
    return AlreadyExists("uscc-taken", zh, en, errors=[FieldError("uscc", "uscc-taken", zh, en)])


def _invalid(path: str, code: str, zh: str, en: str) -> Invalid:
    return Invalid(code, zh, en, errors=[FieldError(path, code, zh, en)])
