"""The policies in force, ready to be judged: a cache in each process of what the service's store holds."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.store.projection import Projection
from qianqiao_contracts import PolicyContent

from matching.policies.domain.conditions import Bank, Compiled, compile_policy
from matching.policies.domain.windows import Standing, application_year, day_after, standing

_PAGE: Final = 200
_AT_ONCE: Final = 20
"""So many policies are made ready before others get their turn; one takes about a third of a millisecond."""
_TERMS: Final = frozenset(
    {"party", "region", "beneficiaries", "conditions", "support_min", "support_max", "support_share", "window", "route"}
)
"""What a new version of a policy is about: a firm that was told of the old one is told again if any of it changed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A policy in force, ready for applications of `year`."""

    id: str
    sequence: int
    content: PolicyContent
    version: str
    compiled: Compiled
    year: int
    standing: Standing
    fresh_until: datetime
    """Its standing, and the year counted from, may be others from this moment on."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a process knows of all policies at one moment."""

    bank: Bank = field(default_factory=Bank)
    entries: dict[str, Entry] = field(default_factory=dict)


def version_of(content: PolicyContent) -> str:
    """Name the terms of a policy. A new telephone number of its desk makes no new version."""
    return hashlib.sha256(content.model_dump_json(include=set(_TERMS)).encode()).hexdigest()[:16]


class Policies:
    """Keeps policies and their shelf. All methods are called in one event loop.

    Another process's write is found by its time stamp, read with an overlap; one by a clock that lags further than
    that is found when everything is looked at once a day, or when this process starts anew.
    """

    def __init__(self, projection: Projection, clock: Clock, overlap: timedelta) -> None:
        self._projection = projection
        self._clock = clock
        self._overlap = overlap
        self._shelf = Shelf()
        self._sequences: dict[str, int] = {}
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()

    async def put(self, id: str, sequence: int, content: PolicyContent | None) -> None:
        """Store what event number `sequence` says: a policy as it is now, or (None) that it is no longer in force."""
        document = None if content is None else content.model_dump(mode="json")
        await self._projection.put(id, sequence, {"content": document, "changed_at": self._clock.now()})

    async def sequences(self, ids: list[str]) -> Mapping[str, int]:
        """Return the number of the last event of each policy, as stored."""
        return {id: found["sequence"] for id, found in (await self._projection.get_many(ids)).items()}

    async def shelf(self, *, anew: bool = False) -> Shelf:
        """Return all policies in force as they stand now; `anew` reads them all from the store."""
        async with self._reading:
            now = self._clock.now()
            if anew:
                self._shelf, self._sequences, self._read_at = Shelf(), {}, None
            await self._read(None if self._read_at is None else self._read_at - self._overlap, now)
            self._read_at = now
            for entry in [entry for entry in self._shelf.entries.values() if entry.fresh_until <= now]:
                self._shelf.entries[entry.id] = self._ready(entry.id, entry.sequence, entry.content, now)
            return self._shelf

    async def _read(self, since: datetime | None, now: datetime) -> None:
        after, taken = "", 0
        while True:
            where: dict[str, Any] = {"id": {"$gt": after}} | ({} if since is None else {"changed_at": {"$gte": since}})
            page = await self._projection.select(where, limit=_PAGE)
            for document in page:
                if self._take(document, now):
                    taken += 1
                    if taken % _AT_ONCE == 0:
                        await asyncio.sleep(0)
            if len(page) < _PAGE:
                return
            after = page[-1]["id"]

    def _take(self, document: Mapping[str, Any], now: datetime) -> bool:
        id, sequence, content = document["id"], document["sequence"], document["content"]
        if sequence <= self._sequences.get(id, 0):
            return False
        self._sequences[id] = sequence
        if content is None:
            self._shelf.entries.pop(id, None)
            return False
        self._shelf.entries[id] = self._ready(id, sequence, PolicyContent.model_validate(content, extra="ignore"), now)
        return True

    def _ready(self, id: str, sequence: int, content: PolicyContent, now: datetime) -> Entry:
        stands, year = standing(content.window, now), application_year(content.window, now)
        moments = [moment for moment in (stands.opens_at, _after(stands.last_moment)) if moment and moment > now]
        compiled = compile_policy(content, year, self._shelf.bank)
        fresh_until = min([*moments, day_after(now)])
        return Entry(id, sequence, content, version_of(content), compiled, year, stands, fresh_until)


def _after(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment + timedelta(microseconds=1)
