"""Keeping the copy of the parties, and showing it."""

from dataclasses import dataclass

from qianqiao_chassis.store.projection import Projection

from challenges.domain import KnownParty


@dataclass(frozen=True, slots=True)
class Parties:
    """The service's own copy of registry's parties. Every method may raise StoreUnavailable."""

    projection: Projection

    async def keep(self, id: str, sequence: int, party: KnownParty) -> None:
        """Remember a party; an event older than what is kept changes nothing."""
        await self.projection.put(id, sequence, party.model_dump(mode="json"))

    async def forget(self, id: str, sequence: int) -> None:
        """Drop a party that closed; an older event cannot bring it back."""
        await self.projection.remove(id, sequence)

    async def after(self, id: str | None, limit: int) -> list[tuple[str, KnownParty]]:
        """Up to `limit` parties in the order of their ids, those after `id`."""
        beyond = {} if id is None else {"id": {"$gt": id}}
        found = await self.projection.select(beyond, limit=limit)
        return [(row["id"], KnownParty.model_validate(row)) for row in found]
