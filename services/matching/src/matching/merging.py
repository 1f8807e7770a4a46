"""Merging: what documents of the store say is brought into a shelf, whatever their order and however often."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import batched
from typing import Final

from qianqiao_contracts import EventData

from matching.copies import Change, Copies, Copy, Status
from matching.embedding.items import ItemVectors
from matching.engine.index.port import Entry, Held, Versions
from matching.engine.items import Item
from matching.engine.shelf import Shelf

AT_ONCE: Final = 8
"""Changes taken before the event loop gets a turn: a few milliseconds of analysis."""
UNKNOWN: Final = Held("", Versions(0, 0), True, b"")


@dataclass(frozen=True, slots=True)
class Merger[C: EventData]:
    """Merges what one kind of copies says."""

    stored: Copies[C]
    item_of: Callable[[str, C], Item]
    vectors: ItemVectors | None

    async def changes(self, shelf: Shelf, changes: Sequence[Change]) -> None:
        """Bring changes in; others get their turn in between."""
        for some in batched(changes, AT_ONCE, strict=False):
            await self._merge(shelf, some)
            if len(changes) > AT_ONCE:
                await asyncio.sleep(0)

    async def _merge(self, shelf: Shelf, changes: Sequence[Change]) -> None:
        """Bring changes into a shelf, in any order, each as often as it comes: only what is later counts, part by part.

        What an item is now is asked for all of them at once and kept up from there: nothing else runs in between.
        """
        held = dict(await shelf.get([change.item for change in changes]))
        reopened: list[str] = []
        for change in changes:
            now = held.get(change.item, UNKNOWN)
            if change.content is not None:
                entry = self._with_content(shelf, now, change, change.content)
            elif change.status is Status.CLOSED:
                entry = _closed(now, change)
            else:
                entry = None
                if change.sequence > now.versions.status:
                    reopened.append(change.item)
            if entry is not None:
                shelf.put(entry)
                held[entry.id] = Held(entry.id, entry.versions, entry.is_open, entry.vector)
        if reopened:
            copies = await self.stored.get_many(reopened)
            await self.copies(shelf, copies, self.items(copies), reopened, changes)

    def _with_content(self, shelf: Shelf, now: Held, change: Change, content: dict[str, object]) -> Entry | None:
        if change.sequence <= now.versions.content:
            return None
        versions = Versions(change.sequence, now.versions.status, now.versions.extra)
        item = self.item_of(change.item, self.stored.read(content)) if now.is_open else None
        if item is not None and self.vectors is not None:
            self.vectors.offer(item, change.sequence)
        return shelf.entry(change.item, versions, item, is_open=now.is_open)

    def items(self, copies: Mapping[str, Copy[C]]) -> dict[str, Item]:
        """The open ones as the engine sees them."""
        return {id: self.item_of(id, copy.content) for id, copy in copies.items() if copy.is_open}

    async def copies(
        self,
        shelf: Shelf,
        copies: Mapping[str, Copy[C]],
        items: dict[str, Item],
        ids: Sequence[str],
        changes: Sequence[Change] = (),
    ) -> None:
        """Bring in items as they were just read whole; of one without content `changes` say the status."""
        if self.vectors is not None:
            for id, embedding in (await self.vectors.read(list(items.values()))).items():
                items[id] = replace(items[id], embedding=embedding)
        held = await shelf.get(ids)
        for id in ids:
            now, copy = held.get(id, UNKNOWN), copies.get(id)
            if copy is not None:
                item = items.get(id)
                versions = Versions(*copy.versions, now.versions.extra + bool(item and item.embedding))
                if _is_later(versions, now.versions):
                    if item is not None and item.embedding is None and self.vectors is not None:
                        self.vectors.offer(item, versions.content)
                    shelf.put(shelf.entry(id, versions, item, is_open=copy.is_open))
            elif now.versions.content == 0:
                status = max(change.sequence for change in changes if change.item == id)
                shelf.put(shelf.entry(id, Versions(0, max(status, now.versions.status)), None, is_open=True))


def _closed(now: Held, change: Change) -> Entry | None:
    if change.sequence <= now.versions.status:
        return None
    return Entry(change.item, Versions(now.versions.content, change.sequence, now.versions.extra), False, {}, b"")


def _is_later(versions: Versions, held: Versions) -> bool:
    """Whether something is newer and nothing older."""
    content, status = versions.content, versions.status
    return (content, status) != held[:2] and content >= held.content and status >= held.status
