"""Keeps an index abreast of the service's store (docs/decisions/0004 and 0011)."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import batched
from typing import Final

import structlog
from qianqiao_contracts import EventData

from matching.copies import Change, Copies, Copy
from matching.embedding.items import ItemVectors
from matching.engine.bulk import Bulk, Made
from matching.engine.index.port import CandidateIndex, Held
from matching.engine.items import Item
from matching.engine.shelf import Shelf
from matching.merging import AT_ONCE, UNKNOWN, Merger
from matching.position import Position

_PAGE: Final = 200
_SETTLE_FROM: Final = 1_000
"""So many fresh items make their index be brought up to date at once, whoever is responsible for it otherwise."""
_BUILD_PAGE: Final = 1_000
BUILD_SETTLES: Final = 15_000
"""Items that a build commits together: few commits make few and large segments, which are searched faster, and 64 of
them, which are merged to one, are just under a million; each item takes some ten kilobytes until then."""
_FEW: Final = 500
"""Once a reading behind a build brings no more than this, the rest is a matter of a moment."""
_READINGS: Final = 20
_COPIES: Final = 1_000
"""Copies kept in memory: those that were proposed last."""

type Told = Callable[[int], None]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How closely the store is followed."""

    overlap: timedelta
    """Each reading begins this much before the moment at which the last one began."""
    fresh_for: float
    """Seconds for which a reading is fresh."""


@dataclass(frozen=True, slots=True)
class _Batch[C: EventData]:
    """A page of a build, and its open items analysed."""

    page: Sequence[Change]
    copies: Mapping[str, Copy[C]]
    items: Sequence[Item]
    made: Sequence[Made]


class Follower[C: EventData]:
    """Follows the copies of one kind. All methods are called in one event loop.

    A time stamp is the writer's clock, and a write may become visible a little after it: each reading therefore
    begins `overlap` before the moment when the last one began. What can still go wrong: a process whose clock lags by
    more than the overlap writes an item that this process misses until its second look or the next build.
    """

    def __init__(
        self,
        name: str,
        copies: Copies[C],
        item_of: Callable[[str, C], Item],
        shelf: Shelf,
        pace: Pace,
        vectors: ItemVectors | None = None,
    ) -> None:
        self.name = name
        self._copies = copies
        self._shelf = shelf
        self._pace = pace
        self._vectors = vectors
        self._merging = Merger(copies, item_of, vectors)
        self._attached: set[str] | None = None
        self._fresh_until = 0.0
        self._copied: OrderedDict[str, Copy[C]] = OrderedDict()
        self._latest: datetime | None = None
        self._read_at: datetime | None = None
        self._reading: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._settling: asyncio.Task[int] | None = None
        self._meanwhile: list[Change] | None = None

    @property
    def latest(self) -> datetime | None:
        """The latest time stamp that may have been seen, None before the first."""
        return self._latest

    async def known(self, ids: Sequence[str]) -> Mapping[str, Held]:
        """Return what this process knows of items: versions, and whether they take part in matching."""
        return await self._shelf.get(ids)

    # ---- following --------------------------------------------------------------------------------------------------

    def resume(self) -> bool:
        """Follow on from where the index below had been brought; False where it says nothing, or was never finished."""
        position = Position.of(self._shelf.position)
        if position is None or position.scanned is not None:
            return False
        self._follow_from(position.read_at)
        return True

    async def catch_up(self, *, to_the_last: bool = False) -> None:
        """Take in what others stored up to a fraction of a second ago; calls made during a reading share the next one.

        Two items that meet within that fraction on two processes are matched by the second look. With `to_the_last`
        everything that was stored before this call is taken in.
        """
        if time.monotonic() < self._fresh_until and not to_the_last:
            return
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._reading), name=f"catch up {self.name}")
        await asyncio.shield(self._next)

    async def look_back(self, since: datetime) -> None:
        """Take in everything changed at or after `since`, also what became visible late."""
        await self._read(since - self._pace.overlap)

    async def take(self, change: Change) -> None:
        """Take in one change that this process stored itself, without a reading."""
        if self._meanwhile is not None:
            self._meanwhile.append(change)
        await self._take([change])

    async def copies(self, ids: Sequence[str]) -> dict[str, Copy[C]]:
        """Return the copies of items as this process knows them: from memory where that is the version it follows."""
        held = await self._shelf.get(ids)
        known = {
            id: copy
            for id in ids
            if (copy := self._copied.get(id)) and copy.versions == held.get(id, UNKNOWN).versions[:2]
        }
        if missing := [id for id in ids if id not in known]:
            read = await self._copies.get_many(missing)
            known |= read
            self._copied.update(known)  # what was known, too: others may have pushed it out during the reading
        for id in known:
            self._copied.move_to_end(id)
        while len(self._copied) > _COPIES:
            self._copied.popitem(last=False)
        return known

    async def settle(self) -> int:
        """Bring fresh items into the index, with the position that they fulfil; return how many changes that were."""
        return await self._shelf.settle(self._position)

    async def stop(self) -> None:
        """Wait for what is under way."""
        under_way = [task for task in (self._reading, self._next, self._settling) if task is not None]
        await asyncio.gather(*under_way, return_exceptions=True)

    def _position(self) -> str | None:
        # Asked when it is fixed what is written: all that was taken in before this moment, and a reading counts only
        # once all of it was taken in. So the position is never ahead of what is committed with it.
        return None if self._read_at is None else str(Position(self._read_at))

    def _follow_from(self, read_at: datetime) -> None:
        self._read_at = read_at
        self._latest = read_at  # at least: what is in the index may have been stamped at any time before
        self._fresh_until = 0.0

    async def _read_after(self, earlier: Awaitable[None] | None) -> None:
        if earlier is not None:
            await asyncio.gather(earlier, return_exceptions=True)
        self._reading, self._next = self._next, None
        await self._read(None if self._read_at is None else self._read_at - self._pace.overlap)

    async def _read(self, since: datetime | None) -> None:
        after, latest, read_at = "", self._latest, self._copies.now()
        fresh_until = time.monotonic() + self._pace.fresh_for
        complete = since is None or (self._read_at is not None and since <= self._read_at - self._pace.overlap)
        index = self._shelf.index
        while page := await self._copies.changed(since, after, _PAGE):
            await self._take(page)
            latest, after = _later(latest, page), page[-1].key
            if len(page) < _PAGE:
                break
        if index is not self._shelf.index:  # another index has taken the place of the one that was brought up to date
            return
        # Only a whole reading moves the watermark: pages come in the order of keys, not of time. What this process
        # wrote itself never does, or it would hide what others wrote shortly before.
        self._latest = latest
        if complete:
            self._read_at = read_at if self._read_at is None else max(self._read_at, read_at)
            self._fresh_until = max(self._fresh_until, fresh_until)

    async def _take(self, changes: Sequence[Change]) -> None:
        await self._merging.changes(self._shelf, changes)
        self._settle_soon()

    def _settle_soon(self) -> None:
        idle = self._settling is None or self._settling.done()
        if idle and self._shelf.unsettled >= _SETTLE_FROM:
            self._settling = asyncio.create_task(self.settle(), name=f"settle {self.name}")

    # ---- vectors of language models ---------------------------------------------------------------------------------

    async def attach(self, ids: Sequence[str]) -> list[Item]:
        """Take in vectors that have come to be stored for these items as they are now; return the items that gained.

        An item of which something later is on its way is left out: taking that in has it asked for again.
        """
        vectors, gained = self._vectors, list[Item]()
        if vectors is None:
            return gained
        if self._attached is not None:
            self._attached.update(ids)
        copies = await self._copies.get_many(ids)
        items = self._merging.items(copies)
        found = await vectors.read(list(items.values()))
        held = await self._shelf.get(list(found))
        for id, embedding in found.items():
            now = held.get(id)
            if now is None or not now.is_open or now.versions[:2] != copies[id].versions:
                continue
            item = replace(items[id], embedding=embedding)
            entry = self._shelf.entry(id, now.versions._replace(extra=now.versions.extra + 1), item, is_open=True)
            if entry.vector != bytes(now.vector):
                self._shelf.put(entry)
                gained.append(item)
        self._settle_soon()
        return gained

    # ---- building ---------------------------------------------------------------------------------------------------

    async def total(self) -> int:
        """Return how many documents a build reads."""
        return await self._copies.count()

    async def build(self, shadow: Shelf, told: Told) -> None:
        """Fill a shelf from the whole store, and then from what changed meanwhile, until little is left.

        `told` is called with the number of documents that were read. A build that was interrupted goes on where it
        last committed.
        """
        self._attached = set()
        position = Position.of(shadow.position) or Position(self._copies.now(), "")
        if position.scanned is not None:
            bulk = shadow.bulk()
            try:
                await self._scan(shadow, position, told, bulk)
            finally:
                bulk.close()
        since = position.read_at
        for _ in range(_READINGS):
            began, read = self._copies.now(), await self._changed_since(since, shadow)
            since = began
            await shadow.settle(lambda: str(Position(began)), at_any_rate=True)  # noqa: B023 - called before the next
            if read <= _FEW:
                return

    async def take_over(self, shadow: Shelf, ready: Callable[[], Awaitable[None]]) -> CandidateIndex | None:
        """Have a shelf that was built take the place of the present one, in one step and with everything taken so far.

        `ready` is called just before; if it raises, nothing has happened here. Return the index before.
        """
        position = Position.of(shadow.position)
        if position is None or position.scanned is not None:
            raise ValueError("the shelf was not built")
        self._meanwhile = []
        try:
            before = await self._taken_over(shadow, position, ready)
        finally:
            self._meanwhile = None
        late, self._attached = self._attached, None
        for some in batched(sorted(late or ()), _PAGE, strict=False):
            await self.attach(some)
        return before

    async def _taken_over(
        self, shadow: Shelf, position: Position, ready: Callable[[], Awaitable[None]]
    ) -> CandidateIndex | None:
        async with self._shelf.unchanging():
            read_at = self._copies.now()
            await self._changed_since(position.read_at, shadow)
            async with shadow.unchanging():
                await ready()
                while self._meanwhile:
                    some, self._meanwhile = self._meanwhile, []
                    await self._merging.changes(shadow, some)
                before = self._shelf.become(shadow)
                self._follow_from(read_at)
                return before

    async def _scan(self, shadow: Shelf, position: Position, told: Told, bulk: Bulk) -> None:
        after, read = position.scanned or "", 0
        coming = asyncio.create_task(self._read_ahead(after, bulk))
        try:
            while (batch := await coming).page:
                after, read = batch.page[-1].key, read + len(batch.page)
                coming = asyncio.create_task(self._read_ahead(after, bulk))  # while this one is taken in
                shadow.expect(batch.items, batch.made)
                items = {item.id: item for item in batch.items}
                for some in batched(batch.copies, AT_ONCE, strict=False):
                    await self._merging.copies(
                        shadow, batch.copies, {id: items[id] for id in some if id in items}, some
                    )
                    await asyncio.sleep(0)
                await self._merging.changes(shadow, [change for change in batch.page if change.status is not None])
                told(read)
                if shadow.unsettled >= BUILD_SETTLES:
                    scanned = str(Position(position.read_at, after))
                    await shadow.settle(lambda: scanned)  # noqa: B023 - called before the next
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await shadow.settle(lambda: str(Position(position.read_at)), at_any_rate=True, is_last=True)

    async def _read_ahead(self, after: str, bulk: Bulk) -> "_Batch[C]":
        page = await self._copies.changed(None, after, _BUILD_PAGE)
        # Items whole, so that none is put as open first and closed later; steps whose content never came remain.
        copies = {copy.id: copy for copy in await self._copies.with_status(page)}
        items = list(self._merging.items(copies).values())
        return _Batch(page, copies, items, await bulk.made(items))

    async def _changed_since(self, since: datetime, shelf: Shelf) -> int:
        """Bring everything that changed since then into a shelf; return how many documents that were."""
        after, read = "", 0
        while page := await self._copies.changed(since - self._pace.overlap, after, _PAGE):
            await self._merging.changes(shelf, page)
            after, read = page[-1].key, read + len(page)
        return read


def _later(latest: datetime | None, page: Sequence[Change]) -> datetime | None:
    newest = max(change.changed_at for change in page)
    return newest if latest is None else max(latest, newest)
