"""Keeps the index of a process abreast of the store, kind by kind."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from qianqiao_chassis.errors import Unavailable

from matching.search.documents import Document, Kind
from matching.search.index import SearchIndex

_PAGE: Final = 200
_AT_ONCE: Final = 10
"""Documents taken before others get their turn; one takes a fraction of a millisecond."""
_COMMIT_EVERY: Final = 5_000

log = structlog.get_logger(__name__)


class Source(Protocol):
    """The store's documents of one kind."""

    def now(self) -> datetime:
        """The present instant, by the clock that stamps what is stored."""
        ...

    async def changed(self, since: datetime | None, after: str) -> Sequence[tuple[str, str]]:
        """Return a page of what changed since then (None: ever), as key and id, in the order of the keys."""
        ...

    async def read(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """Return what of these can be found at all: what is closed or gone is absent."""
        ...


class Feed:
    """Fills the index from the store and follows it. All methods are called in one event loop.

    Readings overlap like those of the index of matching, and take a changed document again rather than miss one.
    """

    def __init__(
        self, index: SearchIndex, sources: Mapping[Kind, Source], *, overlap: timedelta, fresh_for: float
    ) -> None:
        self._index = index
        self._sources = sources
        self._overlap = overlap
        self._fresh_for = fresh_for
        self._fresh_until = 0.0
        self._read_at: dict[Kind, datetime] = {}
        self._building: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()
        self._uncommitted = 0

    def build(self) -> None:
        """Begin to fill the index from the whole store; searches are refused until that is done."""
        self._building = asyncio.create_task(self._read_all(), name="build search index")

    async def stop(self) -> None:
        """End what is under way."""
        if self._building is not None:
            self._building.cancel()
            await asyncio.gather(self._building, return_exceptions=True)

    async def catch_up(self) -> None:
        """Take in what was stored up to a moment ago. Raises Unavailable while the index is being built."""
        if self._building is None or not self._building.done():
            raise Unavailable(
                "search-being-built",
                "检索索引正在建立，请稍后再试。",
                "The search index is being built; please try again in a moment.",
            )
        if self._building.exception() is not None:  # the store was away; what was read stays read
            self.build()
            await self.catch_up()
        async with self._reading:
            if time.monotonic() >= self._fresh_until:
                await self._read_all()
                self._fresh_until = time.monotonic() + self._fresh_for

    async def _read_all(self) -> None:
        for kind, source in self._sources.items():
            read_at = source.now()
            since = self._read_at.get(kind)
            await self._read(kind, source, None if since is None else since - self._overlap)
            self._read_at[kind] = read_at
        await self._commit()

    async def _read(self, kind: Kind, source: Source, since: datetime | None) -> None:
        after, read = "", 0
        while page := await source.changed(since, after):
            after = page[-1][0]
            await self._take(source, list(dict.fromkeys(id for _, id in page)))
            read += len(page)
            if self._uncommitted >= _COMMIT_EVERY:
                await self._commit()
                log.info("search index being built", kind=kind.value, read=read)

    async def _take(self, source: Source, ids: Sequence[str]) -> None:
        documents = await source.read(ids)
        for number, id in enumerate(ids, 1):
            if (document := documents.get(id)) is not None:
                self._index.put(document)
            else:
                self._index.drop(id)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        self._uncommitted += len(ids)

    async def _commit(self) -> None:
        if self._uncommitted:
            self._uncommitted = 0
            await asyncio.to_thread(self._index.commit)
