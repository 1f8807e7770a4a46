"""When a document must be looked at next, and who does it: `_due` is also the lease of whoever looks.

A claim moves `_due` to the end of its lease, so what is claimed is simply not due, and what its claimer leaves behind
when it dies becomes due again by itself. A save of the aggregate ends the claim by storing its own next moment.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from pymongo import IndexModel, ReturnDocument

from qianqiao_chassis.context import Cause, current_cause, current_traceparent
from qianqiao_chassis.store.client import Collection, Document, Store

DUE_INDEX: Final = IndexModel([("_due", 1)], sparse=True)
DUE_FIELDS: Final = ("_due", "_cause", "_tries")


@dataclass(frozen=True, slots=True)
class DueClaim:
    """An aggregate claimed by the due loop, as it is stored without its outbox.

    `tries` counts the claims since its last save, this one included.
    """

    document: Document
    tries: int
    cause: Cause
    lease_until: datetime

    @property
    def id(self) -> str:
        """Of the aggregate."""
        return str(self.document["_id"])


class Taker(Protocol):
    """A due loop as the writes see it: it may take on what a write leaves due, without a look into the store."""

    def reserve(self, due: datetime) -> datetime | None:
        """Keep a place free and say until when the aggregate is leased; None: do not claim it with the write."""
        ...

    def take(self, claim: DueClaim) -> None:
        """The write is done; use the place."""
        ...

    def release(self) -> None:
        """The write failed, or may have; give the place back."""
        ...

    def hear(self, due: datetime) -> None:
        """A write left something due then, claimed by nobody. Must not block."""
        ...


class Timers:
    """The due moments of one collection. Its methods raise StoreUnavailable when the store does not answer."""

    def __init__(self, store: Store, collection: str) -> None:
        self._store = store
        self._collection = collection
        self.taker: Taker | None = None

    @contextmanager
    def stamped(self, document: Document, due: datetime | None) -> Iterator[Document]:
        """Give the fields that the write inside the block must store; when it succeeds, the loop is told.

        `document` is what the write stores, without its outbox.

        What is due at once and finds a loop with a free place is stored as claimed: nobody else looks at it, and it
        needs no claim of its own.
        """
        if due is None:
            yield {}
            return
        cause = current_cause()
        cause = Cause(cause.correlationid, cause.causationid, current_traceparent())
        taker = self.taker
        lease_until = None if taker is None else taker.reserve(due)
        fields: Document = {"_due": due, "_cause": list(cause)}
        if taker is None or lease_until is None:
            yield fields
            if taker is not None:
                taker.hear(due)
            return
        try:
            yield {**fields, "_due": lease_until, "_tries": 1}
        except BaseException:
            taker.release()
            raise
        taker.take(DueClaim(document, 1, cause, lease_until))

    async def claim(self, now: datetime, lease_until: datetime, limit: int) -> list[DueClaim]:
        """Claim up to `limit` of what is due, longest first. Empty only when nothing is due."""
        while candidates := await self._due(now, limit):
            claims = await asyncio.gather(*(self._claim_one(seen, lease_until) for seen in candidates))
            if claimed := [claim for claim in claims if claim is not None]:
                return claimed
        return []

    async def postpone(self, claim: DueClaim, until: datetime) -> None:
        """Move the end of a claim, unless a save has ended it meanwhile."""
        mine = {"_id": claim.id, "_due": claim.lease_until, "_tries": claim.tries}

        async def move(collection: Collection) -> None:
            await collection.update_one(mine, {"$set": {"_due": until}})

        await self._store.run("postpone_due", self._collection, move)

    async def _due(self, now: datetime, limit: int) -> list[Document]:
        # Two steps, because a find-and-modify over a sorted range costs the stores ten times one by its id.
        async def find(collection: Collection) -> list[Document]:
            cursor = collection.find({"_due": {"$lte": now}}, {"_due": 1}).sort("_due", 1)
            return await cursor.limit(limit).to_list()

        return await self._store.run("find_due", self._collection, find)

    async def _claim_one(self, seen: Document, lease_until: datetime) -> DueClaim | None:
        async def claim(collection: Collection) -> Document | None:
            return await collection.find_one_and_update(
                {"_id": seen["_id"], "_due": seen["_due"]},
                {"$set": {"_due": lease_until}, "$inc": {"_tries": 1}},
                projection={"_outbox": 0},
                return_document=ReturnDocument.AFTER,
            )

        document = await self._store.run("claim_due", self._collection, claim)
        if document is None:
            return None  # another process was faster, or a save moved it
        return DueClaim(document, document["_tries"], Cause(*document.get("_cause", ())), lease_until)
