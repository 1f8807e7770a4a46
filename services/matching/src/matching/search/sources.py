"""Where documents come from: this service's copies of needs, results and parties, and its policies."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.store.projection import Projection
from qianqiao_contracts import EventData, PolicyContent

from matching.copies import Copies
from matching.search.documents import Document, of_policy

_PAGE: Final = 200


class FromCopies[C: EventData]:
    """Documents from copies, whose status may be closed."""

    def __init__(self, copies: Copies[C], document: Callable[[str, C], Document]) -> None:
        self._copies = copies
        self._document = document

    def now(self) -> datetime:
        """The present instant, by the clock that stamps what is stored."""
        return self._copies.now()

    async def changed(self, since: datetime | None, after: str) -> Sequence[tuple[str, str]]:
        """Return a page of what changed since then, as key and id."""
        return [(change.key, change.item) for change in await self._copies.changed(since, after, _PAGE)]

    async def read(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """Return the open ones of these."""
        copies = await self._copies.get_many(ids)
        return {id: self._document(id, copy.content) for id, copy in copies.items() if copy.is_open}


class FromPolicies:
    """Documents from the projection of policies, whose content is null once they are no longer in force."""

    def __init__(self, projection: Projection, clock: Clock) -> None:
        self._projection = projection
        self._clock = clock

    def now(self) -> datetime:
        """The present instant, by the clock that stamps what is stored."""
        return self._clock.now()

    async def changed(self, since: datetime | None, after: str) -> Sequence[tuple[str, str]]:
        """Return a page of what changed since then, as key and id."""
        where: dict[str, Any] = {"id": {"$gt": after}} | ({} if since is None else {"changed_at": {"$gte": since}})
        return [(found["id"], found["id"]) for found in await self._projection.select(where, limit=_PAGE)]

    async def read(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """Return those of these that are in force."""
        found = await self._projection.get_many(list(ids))
        return {
            id: of_policy(id, PolicyContent.model_validate(each["content"], extra="ignore"))
            for id, each in found.items()
            if each["content"] is not None
        }
