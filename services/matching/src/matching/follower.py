"""Keeps the in-memory index of this process abreast of the service's store (docs/decisions/0004)."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from qianqiao_contracts import EventData

from matching.copies import Change, Copies, Copy, Status
from matching.engine.items import Item
from matching.engine.shelf import Shelf

_PAGE: Final = 200
_BREATH: Final = 0.003
"""Seconds of indexing after which the event loop gets a turn."""
_SETTLE_FROM: Final = 500
"""So many fresh items make their index be brought up to date at once, whoever is responsible for it otherwise."""

_COPIES: Final = 1_000
"""Copies kept in memory: those that were proposed last."""

type Put = Callable[[Item, int], bool]
log = structlog.get_logger(__name__)


class Follower[C: EventData]:
    """Follows the copies of one kind. All methods are called in one event loop.

    A time stamp is the writer's clock, and a write may become visible a little after it: each reading therefore
    begins `overlap` before the moment when the last one began. What can still go wrong: a process whose clock lags by
    more than the overlap writes an item that this process misses until its second look or its next start.
    """

    def __init__(
        self,
        name: str,
        copies: Copies[C],
        item_of: Callable[[str, C], Item],
        shelf: Shelf,
        put: Put,
        *,
        overlap: timedelta,
        fresh_for: float,
    ) -> None:
        self._name = name
        self._copies = copies
        self._item_of = item_of
        self._shelf = shelf
        self._put = put
        self._overlap = overlap
        self._fresh_for = fresh_for
        self._fresh_until = 0.0
        self._copied: OrderedDict[str, Copy[C]] = OrderedDict()
        self._closed: dict[str, tuple[int, bool]] = {}
        self._latest: datetime | None = None
        self._read_at: datetime | None = None
        self._reading: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._settling: asyncio.Task[int] | None = None

    @property
    def latest(self) -> datetime | None:
        """The latest time stamp seen, None before the first."""
        return self._latest

    def is_closed(self, id: str) -> bool:
        """Tell whether the item is known to take no part in matching."""
        return self._closed.get(id, (0, False))[1]

    async def rebuild(self) -> int:
        """Fill the index from the whole store, with progress in the log; return how many items it then holds."""
        begun, after, read = time.monotonic(), "", 0
        latest: datetime | None = None
        read_at = self._copies.now()
        while page := await self._copies.changed(None, after, _PAGE):
            await self._take(page)
            latest = _later(latest, page)
            after = page[-1].key
            if read // 5_000 != (read + len(page)) // 5_000:
                log.info("index being rebuilt", index=self._name, read=read + len(page))
            read += len(page)
            if self._shelf.unsettled >= 5_000:
                await self.settle()
        self._latest, self._read_at = latest, read_at
        await self.settle()
        seconds = round(time.monotonic() - begun, 3)
        log.info("index rebuilt", index=self._name, items=len(self._shelf), seconds=seconds)
        return len(self._shelf)

    async def catch_up(self, *, to_the_last: bool = False) -> None:
        """Take in what others stored up to a fraction of a second ago; calls made during a reading share the next one.

        Two items that meet within that fraction on two processes are matched by the second look. With `to_the_last`
        everything that was stored before this call is taken in.
        """
        if time.monotonic() < self._fresh_until and not to_the_last:
            return
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._reading), name=f"catch up {self._name}")
        await asyncio.shield(self._next)

    async def look_back(self, since: datetime) -> None:
        """Take in everything changed at or after `since`, also what became visible late."""
        await self._read(since - self._overlap)

    async def take(self, change: Change) -> None:
        """Take in one change that this process stored itself, without a reading."""
        await self._take([change])

    async def copies(self, ids: Sequence[str]) -> dict[str, Copy[C]]:
        """Return the copies of items as this process knows them: from memory where that is the version it follows."""
        known = {id: copy for id in ids if (copy := self._copied.get(id)) and copy.versions == self._versions(id)}
        if missing := [id for id in ids if id not in known]:
            read = await self._copies.get_many(missing)
            known |= read
            self._copied.update(known)  # what was known, too: others may have pushed it out during the reading
        for id in known:
            self._copied.move_to_end(id)
        while len(self._copied) > _COPIES:
            self._copied.popitem(last=False)
        return known

    def _versions(self, id: str) -> tuple[int, int]:
        return self._shelf.version(id), self._closed.get(id, (0, False))[0]

    async def settle(self) -> int:
        """Bring fresh items into the candidate index, in a thread; return how many changes that were."""
        work = self._shelf.settling()
        return 0 if work is None else await asyncio.to_thread(work)

    async def stop(self) -> None:
        """Wait for what is under way."""
        under_way = [task for task in (self._reading, self._next, self._settling) if task is not None]
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _read_after(self, earlier: Awaitable[None] | None) -> None:
        if earlier is not None:
            await asyncio.gather(earlier, return_exceptions=True)
        self._reading, self._next = self._next, None
        await self._read(None if self._read_at is None else self._read_at - self._overlap)

    async def _read(self, since: datetime | None) -> None:
        after, latest, read_at = "", self._latest, self._copies.now()
        fresh_until = time.monotonic() + self._fresh_for
        complete = since is None or (self._read_at is not None and since <= self._read_at - self._overlap)
        while page := await self._copies.changed(since, after, _PAGE):
            await self._take(page)
            latest, after = _later(latest, page), page[-1].key
            if len(page) < _PAGE:
                break
        # Only a whole reading moves the watermark: pages come in the order of keys, not of time. What this process
        # wrote itself never does, or it would hide what others wrote shortly before.
        self._latest = latest
        if complete:
            self._read_at = read_at if self._read_at is None else max(self._read_at, read_at)
            self._fresh_until = max(self._fresh_until, fresh_until)

    async def _take(self, page: Sequence[Change]) -> None:
        reopened: list[str] = []
        breath = time.monotonic()
        for change in page:
            if change.status is not None:
                if self._take_status(change):
                    reopened.append(change.item)
            elif change.content is not None and not self.is_closed(change.item):
                self._take_content(change.item, change.sequence, change.content)
            if time.monotonic() - breath > _BREATH:
                await asyncio.sleep(0)
                breath = time.monotonic()
        if reopened:
            for copy in (await self._copies.get_many(reopened)).values():
                if not self.is_closed(copy.id):
                    self._put(self._item_of(copy.id, copy.content), copy.versions[0])
        self._settle_soon()

    def _take_status(self, change: Change) -> bool:
        """Return whether the item has just been opened and is to be fetched."""
        sequence, _ = self._closed.get(change.item, (0, False))
        if change.sequence <= sequence:
            return False
        closed = change.status is Status.CLOSED
        self._closed[change.item] = (change.sequence, closed)
        if closed:
            self._shelf.drop(change.item)
        return not closed and change.item not in self._shelf

    def _take_content(self, id: str, sequence: int, content: dict[str, object]) -> None:
        if sequence > self._shelf.version(id):
            self._put(self._item_of(id, self._copies.read(content)), sequence)

    def _settle_soon(self) -> None:
        idle = self._settling is None or self._settling.done()
        if idle and self._shelf.unsettled >= _SETTLE_FROM:
            self._settling = asyncio.create_task(self.settle(), name=f"settle {self._name}")


def _later(latest: datetime | None, page: Sequence[Change]) -> datetime | None:
    newest = max(change.changed_at for change in page)
    return newest if latest is None else max(latest, newest)
