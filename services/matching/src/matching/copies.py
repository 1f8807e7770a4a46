"""This service's copies of needs and results: the truth from which every process fills its index.

Content and status of an item are two documents, each guarded by the sequence of the event that wrote it. So a step
that overtakes the content it belongs to (a record taken out of turn by an operator) loses neither.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.store.projection import Projection
from qianqiao_contracts import EventData, NeedContent, ResultContent

_STATUS: Final = "status:"
_PAGE: Final = 100
_STATUSES: Final = 1_000
_OWNER: Final[dict[type[EventData], str]] = {NeedContent: "content.party", ResultContent: "content.parties"}
_IMMATERIAL: Final = {"last_confirmed", "visibility", "channel", "park", "people_roles"}


class Status(StrEnum):
    """Whether an item takes part in matching."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Copy[C: EventData]:
    """An item as this service knows it. `versions` are the events that brought its content and its status."""

    id: str
    versions: tuple[int, int]
    content: C
    is_open: bool

    @property
    def digest(self) -> str:
        """Names the material content: what a person would look at again if it changed."""
        return hashlib.sha256(self.content.model_dump_json(exclude=_IMMATERIAL).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Change:
    """What one stored document says: new content of an item, or its new status."""

    key: str
    item: str
    sequence: int
    changed_at: datetime
    content: dict[str, Any] | None
    status: Status | None
    written: bool = True
    """False for what was stored before already, or overtaken."""


class Copies[C: EventData]:
    """The copies of one kind."""

    def __init__(self, projection: Projection, kind: type[C], clock: Clock) -> None:
        self._projection = projection
        self._kind = kind
        self._clock = clock

    def now(self) -> datetime:
        """The present instant, by the clock that stamps what this process stores."""
        return self._clock.now()

    async def put_content(self, id: str, sequence: int, content: C) -> tuple[Change, Copy[C] | None]:
        """Store the content that event number `sequence` of the item brought, unless a later one is stored.

        Return it and the item as it is now; its status is read beside the writing, not after it.
        """
        document = content.model_dump(mode="json")
        change = Change(id, id, sequence, self._clock.now(), document, None)
        written, status = await asyncio.gather(
            self._projection.put(id, sequence, {"content": document, "changed_at": change.changed_at}),
            self._projection.get(f"{_STATUS}{id}"),
        )
        if not written:
            return replace(change, written=False), await self.get(id)
        return change, self._copy(id, sequence, document, status)

    async def put_status(self, id: str, sequence: int, status: Status) -> Change:
        """Store the status that event number `sequence` of the item brought, unless a later one is stored."""
        change = Change(f"{_STATUS}{id}", id, sequence, self._clock.now(), None, status)
        document = {"of": id, "status": status.value, "changed_at": change.changed_at}
        return replace(change, written=await self._projection.put(change.key, sequence, document))

    async def get(self, id: str) -> Copy[C] | None:
        """Return one copy, None where no content is known."""
        return (await self.get_many([id])).get(id)

    async def get_many(self, ids: Sequence[str]) -> dict[str, Copy[C]]:
        """Return the copies there are, by id."""
        found = await self._projection.get_many([key for id in ids for key in (id, f"{_STATUS}{id}")])
        copies: dict[str, Copy[C]] = {}
        for id in ids:
            stored, status = found.get(id), found.get(f"{_STATUS}{id}")
            if stored is not None:
                copies[id] = self._copy(id, stored["sequence"], stored["content"], status)
        return copies

    async def versions(self, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return the versions of the copies there are, by id, without reading what they say."""
        found = await self._projection.sequences([key for id in ids for key in (id, f"{_STATUS}{id}")])
        return {id: (found[id], found.get(f"{_STATUS}{id}", 0)) for id in ids if id in found}

    async def of_party(self, party: str) -> AsyncIterator[Copy[C]]:
        """Yield a party's needs or results, open or not, the last confirmed first. KeyError for other kinds."""
        owner, last = _OWNER[self._kind], dict[str, Any]()
        while True:
            sort = (("content.last_confirmed", -1), ("id", 1))
            page = await self._projection.select({owner: party, **last}, sort=sort, limit=_PAGE)
            copies = await self.get_many([document["id"] for document in page])
            for copy in copies.values():
                yield copy
            if len(page) < _PAGE:
                return
            confirmed, id = page[-1]["content"]["last_confirmed"], page[-1]["id"]
            beyond = {"content.last_confirmed": confirmed, "id": {"$gt": id}}
            last = {"$or": [{"content.last_confirmed": {"$lt": confirmed}}, beyond]}

    async def with_status(self, changes: Sequence[Change]) -> list[Copy[C]]:
        """Return the items whose content these stored documents are, a page of `changed`, as they are now."""
        stored = {change.item: change for change in changes if change.content is not None}
        statuses = await self._statuses(min(stored), max(stored)) if stored else {}
        return [
            self._copy(id, change.sequence, change.content, statuses.get(f"{_STATUS}{id}"))
            for id, change in stored.items()
            if change.content is not None
        ]

    async def _statuses(self, first: str, last: str) -> dict[str, dict[str, Any]]:
        """Return the statuses from one item to another: few, while a store looks up each key that it is asked for."""
        found: dict[str, dict[str, Any]] = {}
        after = {"$gte": f"{_STATUS}{first}"}
        while True:
            where = {"id": {**after, "$lte": f"{_STATUS}{last}"}}
            page = await self._projection.select(where, limit=_STATUSES)
            found |= {document["id"]: document for document in page}
            if len(page) < _STATUSES:
                return found
            after = {"$gt": page[-1]["id"]}

    def _copy(self, id: str, sequence: int, content: dict[str, Any], status: dict[str, Any] | None) -> Copy[C]:
        versions = (sequence, status["sequence"] if status else 0)
        return Copy(id, versions, self.read(content), status is None or status["status"] == Status.OPEN)

    def read(self, content: dict[str, Any]) -> C:
        """Return stored content; fields that this version does not know are left out."""
        return self._kind.model_validate(content, extra="ignore")

    async def changed(self, since: datetime | None, after: str, most: int) -> list[Change]:
        """Return a page of what changed at or after `since` (None: ever), in the order of the keys after `after`."""
        where: dict[str, Any] = {"id": {"$gt": after}}
        if since is not None:
            where["changed_at"] = {"$gte": since}
        return [_change(document) for document in await self._projection.select(where, limit=most)]

    async def count(self) -> int:
        """Return how many documents there are: one for each content, one for each status."""
        return await self._projection.count()

    async def changed_between(self, since: datetime, until: datetime, after: str, most: int) -> list[Change]:
        """Return a page of what changed in a span of time, both ends included."""
        where = {"id": {"$gt": after}, "changed_at": {"$gte": since, "$lte": until}}
        return [_change(document) for document in await self._projection.select(where, limit=most)]

    async def moved_since(self, ids: Sequence[str], since: datetime) -> set[str]:
        """Return those among the items whose content or status changed after `since`."""
        keys = [key for id in ids for key in (id, f"{_STATUS}{id}")]
        where = {"id": {"$in": keys}, "changed_at": {"$gt": since}}
        return {_change(document).item for document in await self._projection.select(where, limit=len(keys))}


def _change(document: dict[str, Any]) -> Change:
    status = document.get("status")
    return Change(
        document["id"],
        document.get("of", document["id"]),
        document["sequence"],
        document["changed_at"],
        document.get("content"),
        Status(status) if status else None,
    )
