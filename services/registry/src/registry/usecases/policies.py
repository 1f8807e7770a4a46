"""Writing policies down, publishing, revising and retiring them."""

from collections.abc import Callable, Mapping
from typing import Any

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import AlreadyExists, Forbidden
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import PartyKind, Reason

from registry.domain.lifecycle import Actor
from registry.domain.listing import Origin
from registry.domain.party import Party
from registry.domain.policy import Policy, PolicyRules, PolicyText
from registry.usecases.parties import Parties
from registry.usecases.rights import acts_for, not_there, require_party

ISSUERS = (PartyKind.GOVERNMENT, PartyKind.PARK)


class Policies:
    """Use cases of policies. Government bodies and parks issue them; an operator may do it for them."""

    def __init__(self, records: Repository[Policy], parties: Parties, clock: Clock, rules: PolicyRules) -> None:
        self.records = records
        self.rules = rules
        self._parties = parties
        self._clock = clock

    async def draft(self, id_: str, party: str, content: PolicyText, by: Actor) -> Policy:
        """Write a policy down; the same request again gives the same policy.

        Raises Forbidden (`not-your-party`, `not-an-issuer`), Invalid (`party-unknown`, `party-closed`, see
        PolicyText.check), AlreadyExists (`policy-exists`).
        """
        require_party(by, party)
        require_issuer((await self._parties.require_open([party], "party"))[0])
        policy = Policy.draft(id_, content, party=party, rules=self.rules, by=by, now=self._clock.now())
        return (await self.add(policy))[0]

    async def add(self, policy: Policy) -> tuple[Policy, bool]:
        """Store a new policy; returns the stored one and whether this call stored it. Raises AlreadyExists."""
        if await self.records.add_once(policy):
            return policy, True
        there = await self.records.get(policy.id)
        if there.party != policy.party:
            raise AlreadyExists("policy-exists", "该标识已被占用。", "The id is taken.")
        return there, False

    async def get(self, id_: str, by: Actor) -> Policy:
        """Return a policy; one that was never published to its issuer and operators only. Raises NotFound."""
        policy = await self.records.find(id_)
        if policy is None or not (policy.is_public or acts_for(by, policy.party)):
            raise not_there(id_)
        return policy

    async def select(self, filters: Mapping[str, Any], by: Actor, *, limit: int, after: str | None) -> list[Policy]:
        """Return the policies the actor may see, by id."""
        if by.operator:
            return await self.records.select(filters, limit=limit, after=after)
        seen: list[dict[str, Any]] = [{"status": {"$in": ["published", "retired"]}}]
        if by.party is not None:
            seen.append({"party": by.party})
        return await self.records.select({"$and": [dict(filters), {"$or": seen}]}, limit=limit, after=after)

    async def revise(self, id_: str, content: PolicyText, by: Actor, if_revision: int | None) -> Policy:
        """Replace what it says. Raises NotFound, Forbidden, Refused, Invalid, VersionConflict."""
        now = self._clock.now()
        return await self._change(id_, by, lambda policy: policy.revise(content, self.rules, by, now), if_revision)

    async def publish(self, id_: str, by: Actor, if_revision: int | None) -> Policy:
        """Put it into effect. Raises NotFound, Forbidden, Refused, VersionConflict."""
        now = self._clock.now()
        return await self._change(id_, by, lambda policy: policy.publish(by, now), if_revision)

    async def retire(self, id_: str, reason: Reason, by: Actor, if_revision: int | None) -> Policy:
        """End it. Raises NotFound, Forbidden, Refused, VersionConflict."""
        now = self._clock.now()
        return await self._change(id_, by, lambda policy: policy.retire(reason, by, now), if_revision)

    async def discard(self, id_: str, by: Actor, if_revision: int | None) -> Policy:
        """Give up a draft. Raises NotFound, Forbidden, Refused, VersionConflict."""
        now = self._clock.now()
        return await self._change(id_, by, lambda policy: policy.discard(by, now), if_revision)

    def adopted(self, id_: str, content: PolicyText, *, party: str, by: Actor, origin: Origin) -> Policy:
        """Make a published policy of what an outside system published; it is stored by `add`. Raises Invalid."""
        now = self._clock.now()
        policy = Policy.draft(id_, content, party=party, rules=self.rules, by=by, now=now, origin=origin)
        policy.publish(by, now)
        return policy

    async def _change(self, id_: str, by: Actor, decide: Callable[[Policy], None], if_revision: int | None) -> Policy:
        require_party(by, (await self.get(id_, by)).party)
        return await self.records.change(id_, decide, if_revision=if_revision)


def require_issuer(party: Party) -> None:
    """Raise Forbidden (code `not-an-issuer`) for a party that issues no policies."""
    if party.content.kind not in ISSUERS:
        raise Forbidden(
            "not-an-issuer", "只有政府部门和园区可以发布政策。", "Only government bodies and parks issue policies."
        )
