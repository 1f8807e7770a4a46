"""Vectors of language models for items: which text of an item is embedded, and which stored vector is its own."""

import hashlib
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from matching.copies import Copies
from matching.embedding.background import Embeddings, Page, Text
from matching.embedding.port import Kind
from matching.engine.items import Embedding, Item

_LONGEST: Final = 4_000
"""Characters of an item that are embedded; models read fewer."""
_PAGE: Final = 200

type Arrived = Callable[[Sequence[str]], Awaitable[None]]
"""Sees to items, named by id, whose vectors are there."""


class ItemVectors:
    """The vectors of items of one kind. Needs are embedded as what asks, results as what is asked for."""

    def __init__(self, embeddings: Embeddings, name: str, kind: Kind) -> None:
        self._embeddings = embeddings
        self._name = name
        self._kind = kind

    def text(self, item: Item, version: int) -> Text:
        """Return what is embedded of an item."""
        said = item.text[:_LONGEST]
        digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return Text(f"{self._name}:{item.id}", version, digest, said, self._kind)

    def offer(self, item: Item, version: int) -> None:
        """Have an item embedded when there is time. Never waits."""
        if item.text.strip():
            self._embeddings.offer(self.text(item, version))

    async def read(self, items: Sequence[Item]) -> Mapping[str, Embedding]:
        """Return the vectors there are of these texts, by id of the item. Raises StoreUnavailable."""
        texts = {text.key: text for text in (self.text(item, 0) for item in items)}
        stored = await self._embeddings.read(list(texts))
        return {
            key.partition(":")[2]: Embedding(number_of(each.space), each.vector)
            for key, each in stored.items()
            if each.digest == texts[key].digest
        }

    async def at_once(self, item: Item) -> Item:
        """Return an item with its vector, or as it is where there is none within the budget."""
        vector = await self._embeddings.vector_of(self.text(item, 0)) if item.text.strip() else None
        return item if vector is None else replace(item, embedding=Embedding(number_of(self._embeddings.space), vector))


def number_of(space: str) -> int:
    """Return the number by which vectors name a space."""
    return zlib.crc32(space.encode())


def pages(kinds: Mapping[str, tuple[Copies[Any], Callable[[str, Any], Item], ItemVectors]]) -> Page:
    """Return what reads the texts of all open items, kind by kind, in the order of their keys."""
    names = sorted(kinds)

    async def page(after: str) -> Sequence[Text]:
        kind, _, last = after.partition(":")
        for name in names[names.index(kind) if after else 0 :]:
            copies, item_of, vectors = kinds[name]
            last = last if name == kind else ""
            while changes := await copies.changed(None, last, _PAGE):
                last = changes[-1].key
                items = [
                    (item_of(copy.id, copy.content), copy) for copy in await copies.with_status(changes) if copy.is_open
                ]
                if texts := [vectors.text(item, copy.versions[0]) for item, copy in items if item.text.strip()]:
                    return texts
        return []

    return page
