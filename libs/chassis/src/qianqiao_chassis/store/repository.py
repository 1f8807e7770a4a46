"""Aggregates in the document store: state and events in one atomic write, under an optimistic lock."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bson import encode
from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError

from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import (
    AlreadyExists,
    Invalid,
    NotFound,
    Problem,
    StoreUnavailable,
    Unavailable,
    VersionConflict,
)
from qianqiao_chassis.store.client import Collection, Document, Store
from qianqiao_chassis.store.documents import (
    OutboxEntry,
    aggregate_of,
    entries_of,
    outbox_of,
    split_absent,
    state_of,
)
from qianqiao_chassis.store.gathering import Gathered
from qianqiao_chassis.store.lookups import Lookups
from qianqiao_chassis.store.outbox import OUTBOX_INDEX, Outbox, Waker
from qianqiao_chassis.store.query import Index, beyond, ensure_indexes, stored_filter, stored_name, total_order
from qianqiao_chassis.store.timers import DUE_FIELDS, DUE_INDEX, DueClaim, Timers

MAX_BACKLOG: Final = 500
"""Unpublished events one document may hold. Reached only when the broker is away for long; the document stays far
below the store's 16 MB while events have their usual size."""
_ATTEMPTS: Final = 20
_LARGE: Final = 4 * 1024 * 1024
"""Bytes; a document of this size may be beyond what some engine holds, and goes alone."""


class Repository[A: Aggregate]:
    """Loads and saves aggregates of one kind.

    Every method raises StoreUnavailable when the store does not answer; then the write may or may not have happened,
    and events of a write that did are found by the relay's sweep.
    Filters name the aggregate's own fields ("id" included; nested ones with dots) and MongoDB operators.
    Times are stored as RFC 3339 text in UTC; a field that is None by default and now is stored as absent.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        kind: type[A],
        *,
        source: str,
        clock: Clock,
        waker: Waker | None = None,
        indexes: Sequence[Index] = (),
    ) -> None:
        self.name = name
        self.kind = kind
        self.outbox = None if kind.topic is None else Outbox(store, name, kind.topic)
        self._store = store
        self._source = source
        self._clock = clock
        self._waker = waker
        self._indexes = tuple(indexes)
        self.timers = Timers(store, name)
        self._finding = Gathered[str, Document | None]("find", name, self._read)
        self._adding = Gathered[Document, None]("insert", name, self._insert)
        self._lookups = Lookups(store, name, leave_out=["_outbox"])

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing: the service's own, the outbox's and the timer's."""
        models = [index.model() for index in self._indexes]
        if self.outbox is not None:
            models.append(OUTBOX_INDEX)
        if self.kind.due_at is not Aggregate.due_at:
            models.append(DUE_INDEX)
        await ensure_indexes(self._store, self.name, models)

    async def get(self, id: str) -> A:
        """Return the aggregate. Raises NotFound."""
        found = await self.find(id)
        if found is None:
            raise self._not_found(id)
        return found

    async def find(self, id: str) -> A | None:
        """Return the aggregate or None."""
        document = await self._finding.ask(id)
        return None if document is None else aggregate_of(self.kind, document)

    async def add(self, aggregate: A) -> A:
        """Store a new aggregate with what it recorded. Raises AlreadyExists (id or a unique index), TooLarge."""
        entries = self._entries(aggregate)
        document, _ = self._next(aggregate, len(entries))
        with self.timers.stamped(document, aggregate.due_at()) as stamp:
            await self._adding.ask({**document, **stamp, "_outbox": [entry.document() for entry in entries]})
            self._stored(aggregate, entries, entries)
        return aggregate

    async def add_once(self, aggregate: A) -> bool:
        """Store it unless its id is taken; True if this call stored it. For handlers, with a derived id.

        Raises AlreadyExists when it is another unique value that is taken.
        """
        try:
            await self.add(aggregate)
        except AlreadyExists:
            taken = await self._store.run(
                "find_one", self.name, lambda c: c.find_one({"_id": aggregate.id}, {"_id": 1})
            )
            if taken is None:
                raise
            return False
        return True

    async def save(self, aggregate: A) -> A:
        """Store a changed aggregate and what it recorded. Raises VersionConflict, NotFound, TooLarge, AlreadyExists."""
        entries = self._entries(aggregate)
        guard: Document = {"_id": aggregate.id, "_rev": aggregate.revision}
        if entries:
            guard[f"_outbox.{MAX_BACKLOG - 1}"] = {"$exists": False}

        document, absent = self._next(aggregate, len(entries))
        with self.timers.stamped(document, aggregate.due_at()) as stamp:
            update: Document = {
                "$set": {**{name: value for name, value in document.items() if name != "_id"}, **stamp},
                "$unset": dict.fromkeys([*absent, *(name for name in DUE_FIELDS if name not in stamp)], ""),
            }
            if entries:
                update["$push"] = {"_outbox": {"$each": [entry.document() for entry in entries]}}

            async def write(collection: Collection) -> Document | None:
                return await collection.find_one_and_update(
                    guard, update, projection={"_outbox.s": 1}, return_document=ReturnDocument.AFTER
                )

            written = await self._store.run("find_one_and_update", self.name, write)
            if written is None:
                await self._explain(aggregate)
                raise AssertionError("unreachable: _explain always raises")
            self._stored(aggregate, entries, await self._whole_outbox(written, entries))
        return aggregate

    async def change(
        self, id: str, decide: Callable[[A], None], *, if_revision: int | None = None, held: A | None = None
    ) -> A:
        """Load, let `decide` change it, save; return it as saved. A decision that changes nothing writes nothing.

        On a lost race it is loaded and decided again, so `decide` must do nothing but change the aggregate.
        With `if_revision` there is no second try: VersionConflict. Raises NotFound and whatever `decide` raises.
        `held` is the aggregate as the caller read it a moment ago: where that is still so, loading it is saved.
        """
        if held is not None and (changed := await self._change_as_read(held, decide)) is not None:
            return changed
        for attempt in range(_ATTEMPTS):
            aggregate = await self.get(id)
            if if_revision is not None and aggregate.revision != if_revision:
                raise VersionConflict(expected=if_revision, actual=aggregate.revision, subject=id)
            before = state_of(aggregate)
            decide(aggregate)
            if not aggregate.recorded and state_of(aggregate) == before:
                return aggregate
            try:
                return await self.save(aggregate)
            except VersionConflict:
                if if_revision is not None or attempt == _ATTEMPTS - 1:
                    raise
            # Losers of a race come back spread out, not all at once.
            await asyncio.sleep(random.uniform(0, 0.002 * (attempt + 1)))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _change_as_read(self, held: A, decide: Callable[[A], None]) -> A | None:
        """Return it as saved; None where it has to be decided on what is stored now: to refuse, or to change nothing,
        is right only there."""
        aggregate = held.model_copy(deep=True)
        try:
            decide(aggregate)
        except Problem:
            return None
        if not aggregate.recorded and state_of(aggregate) == state_of(held):
            return None
        try:
            return await self.save(aggregate)
        except VersionConflict:
            return None

    async def select(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        sort: Sequence[tuple[str, int]] = (("id", 1),),
        limit: int = 50,
        after: str | None = None,
    ) -> list[A]:
        """Return up to `limit` aggregates that match, in order; `after` is the id of the last one already seen.

        Raises Invalid (code cursor-unknown) when `after` names nothing.
        """
        order = total_order(sort)
        where = stored_filter(filter or {})
        if after is not None:
            where = {"$and": [where, beyond(await self._last_seen(after), order)]}

        async def find(collection: Collection) -> list[Document]:
            cursor = collection.find(where, {"_outbox": 0})
            return await cursor.sort(order).limit(limit).to_list()

        return [aggregate_of(self.kind, document) for document in await self._store.run("find", self.name, find)]

    async def find_by(self, field: str, value: str, *, limit: int = 50) -> list[A]:
        """Return up to `limit` aggregates with this value in an indexed field (dots lead inwards), by id.

        Unlike `select`, lookups made at the same time share one request.
        """
        found = await self._lookups.by(stored_name(field), value, limit)
        return [aggregate_of(self.kind, document) for document in found]

    async def count(self, filter: Mapping[str, Any] | None = None) -> int:
        """Return how many aggregates match."""
        where = stored_filter(filter or {})
        return await self._store.run("count_documents", self.name, lambda c: c.count_documents(where))

    async def claim_due(self, now: datetime, lease_until: datetime, *, limit: int = 1) -> list[DueClaim]:
        """Claim up to `limit` aggregates that are due, longest first. Empty only when there is none."""
        return await self.timers.claim(now, lease_until, limit)

    def claimed(self, claim: DueClaim) -> A:
        """The aggregate as it was claimed."""
        return aggregate_of(self.kind, claim.document)

    async def postpone_due(self, claim: DueClaim, until: datetime) -> None:
        """Move the end of a claim, unless a save has ended it meanwhile."""
        await self.timers.postpone(claim, until)

    async def _read(self, ids: Sequence[str]) -> list[Document | None]:
        if len(ids) == 1:
            where: Document = {"_id": ids[0]}
        else:
            where = {"_id": {"$in": list(set(ids))}}
        found = await self._store.run("find", self.name, lambda c: c.find(where, {"_outbox": 0}).to_list())
        by_id = {document["_id"]: document for document in found}
        return [by_id.get(id) for id in ids]

    async def _insert(self, documents: Sequence[Document]) -> list[Exception | None]:
        if len(documents) == 1:
            await self._store.run("insert_one", self.name, lambda c: c.insert_one(documents[0]))
            return [None]
        if any(len(encode(document)) > _LARGE for document in documents):
            # An engine that refuses a document for its size does not tell what it did with the others.
            return [await self._alone(document) for document in documents]
        try:
            await self._store.run("insert_many", self.name, lambda c: c.insert_many(documents, ordered=False))
        except BulkWriteError as error:
            failed = {failure["index"] for failure in error.details.get("writeErrors", [])}
            if not failed:
                raise StoreUnavailable("the write was not confirmed") from error
            # Alone again, each tells exactly what is wrong with it.
            again = {index: await self._alone(documents[index]) for index in sorted(failed)}
            return [again.get(index) for index in range(len(documents))]
        return [None] * len(documents)

    async def _alone(self, document: Document) -> Exception | None:
        try:
            await self._store.run("insert_one", self.name, lambda c: c.insert_one(document))
        except Exception as error:
            return error
        return None

    def _entries(self, aggregate: A) -> list[OutboxEntry]:
        return entries_of(aggregate, source=self._source, now=self._clock.now())

    def _next(self, aggregate: A, events: int) -> tuple[Document, list[str]]:
        """What a write stores, but for outbox and timer, and the fields that are absent then."""
        state, absent = split_absent(self.kind, state_of(aggregate))
        numbers = {"_rev": aggregate.revision + 1, "_seq": aggregate.sequence + events}
        return {"_id": aggregate.id, **numbers, **state}, absent

    def _stored(self, aggregate: A, entries: Sequence[OutboxEntry], outbox: Sequence[OutboxEntry]) -> None:
        aggregate.revision += 1
        aggregate.sequence += len(entries)
        aggregate.clear_recorded()
        if entries and self._waker is not None and self.outbox is not None:
            self._waker.wake(self.outbox, aggregate.id, outbox)

    async def _whole_outbox(self, written: Document, entries: Sequence[OutboxEntry]) -> Sequence[OutboxEntry]:
        """The outbox as the write left it. Bodies are read only where older events wait that the relay does not know:
        those of a process that died, or of one that is at work beside us."""
        if not entries or self._waker is None or self.outbox is None:
            return entries
        id = written["_id"]
        known = self._waker.known(self.outbox, id)
        if all(entry["s"] <= known or entry["s"] >= entries[0].sequence for entry in written.get("_outbox") or ()):
            return entries
        try:
            document = await self._store.run(
                "find_outbox", self.name, lambda c: c.find_one({"_id": id}, {"_outbox": 1})
            )
        except StoreUnavailable:
            return ()  # the write is done; the sweep finds what it stored
        # Read a moment later: what was taken out meanwhile is published, what was added stands behind ours.
        return () if document is None else outbox_of(document)

    async def _explain(self, aggregate: A) -> None:
        id = aggregate.id
        stored = await self._store.run("find_one", self.name, lambda c: c.find_one({"_id": id}, {"_rev": 1}))
        if stored is None:
            raise self._not_found(id)
        if stored["_rev"] == aggregate.revision:
            raise Unavailable(
                "outbox-full",
                "尚未发出的事件过多，消息系统恢复后请重试。",
                "Too many events are still unpublished; try again once the broker is back.",
                extra={"subject": id},
            )
        raise VersionConflict(expected=aggregate.revision, actual=stored["_rev"], subject=id)

    async def _last_seen(self, id: str) -> Document:
        document = await self._store.run("find_one", self.name, lambda c: c.find_one({"_id": id}, {"_outbox": 0}))
        if document is None:
            raise Invalid(
                "cursor-unknown", "分页游标已失效，请从第一页重新读取。", "The page cursor is no longer valid."
            )
        return document

    def _not_found(self, id: str) -> NotFound:
        return NotFound("not-found", f"没有找到：{id}。", f"There is no {id}.", extra={"subject": id})
