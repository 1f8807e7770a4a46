"""The outbox of one collection as the relay sees it: what waits, and how it is taken out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pymongo import IndexModel, UpdateOne
from pymongo.errors import BulkWriteError

from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.store.client import Collection, Store
from qianqiao_chassis.store.documents import OutboxEntry, outbox_of

OUTBOX_INDEX = IndexModel([("_outbox.at", 1)], sparse=True)


@dataclass(frozen=True, slots=True)
class Pending:
    """The unpublished events of one aggregate, oldest first."""

    id: str
    entries: Sequence[OutboxEntry]


class Waker(Protocol):
    """Told of every write that stored events; must not block."""

    def wake(self, outbox: "Outbox", id: str, entries: Sequence[OutboxEntry]) -> None:
        """Take note of the outbox of a document as it was right after a write, but for what is `known` already."""
        ...

    def known(self, outbox: "Outbox", id: str) -> int:
        """Up to which sequence the events of a document are known already; 0 for none."""
        ...


class Outbox:
    """Unpublished events in the documents of one collection, all of one topic."""

    def __init__(self, store: Store, collection: str, topic: str) -> None:
        self._store = store
        self.collection = collection
        self.topic = topic

    async def waiting(self, stored_before: datetime, limit: int) -> list[Pending]:
        """The whole outbox of up to `limit` documents with an entry stored before then, longest waiting first."""

        async def find(collection: Collection) -> list[Pending]:
            cursor = collection.find({"_outbox.at": {"$lt": stored_before}}, {"_outbox": 1})
            documents = await cursor.sort("_outbox.at", 1).limit(limit).to_list()
            return [Pending(document["_id"], outbox_of(document)) for document in documents]

        return await self._store.run("find_outbox", self.collection, find)

    async def clear(self, published: Mapping[str, Sequence[int]]) -> None:
        """Take published events out, by document id and sequence. Doing it twice changes nothing."""
        writes = [
            UpdateOne({"_id": id}, {"$pull": {"_outbox": {"s": {"$in": list(sequences)}}}})
            for id, sequences in published.items()
        ]

        async def write(collection: Collection) -> None:
            await collection.bulk_write(writes, ordered=False)

        try:
            await self._store.run("clear_outbox", self.collection, write)
        except BulkWriteError as error:
            # Whatever was not taken out is published again by the sweep; nothing is lost.
            raise StoreUnavailable("clearing the outbox failed") from error
