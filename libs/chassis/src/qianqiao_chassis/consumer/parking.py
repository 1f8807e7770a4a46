"""Parked records: what a handler could not take is kept whole, and whatever follows under its key queues behind it.

The store is the truth. The set of parked keys in memory only answers quickly whether a live record must queue; it is
loaded before partitions are read and refreshed by every look of the retry loop.
What can still go wrong: a process that lost its partitions without noticing parks a record that the new owner handles
at the same time. Then the record is handled twice, which handlers must bear anyway.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from bson import Binary
from pydantic import ValidationError
from pymongo import IndexModel, ReturnDocument
from pymongo.errors import PyMongoError
from qianqiao_contracts import TOPICS

from qianqiao_chassis import metrics
from qianqiao_chassis.clock import Clock, SystemClock
from qianqiao_chassis.consumer.subscriptions import RawRecord
from qianqiao_chassis.store.client import Collection, Document, Store
from qianqiao_chassis.store.query import ensure_indexes

_log = structlog.get_logger("qianqiao.parking")

COLLECTION: Final = "parked"
OPEN: Final = ("waiting", "stuck")
_KEEP_CLOSED: Final = timedelta(days=30)
_EMPTIED: Final[Document] = {"value": None, "original": None, "headers": []}
_INDEXES = [
    IndexModel([("state", 1), ("lane", 1), ("partition", 1), ("offset", 1)]),
    IndexModel([("forget_at", 1)], expireAfterSeconds=0),
]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record is parked: a stable code and a text for an operator, without the payload."""

    code: str
    text: str

    @staticmethod
    def of(error: BaseException) -> "Failure":
        """Describe an exception. Text of the handler's own may hold anything, so it is cut short.

        The driver's errors quote the document they are about, pydantic's the values: of those only the kind is said.
        """
        code, text = getattr(error, "code", None), getattr(error, "text", None)
        if isinstance(code, str):
            return Failure(code, (text if isinstance(text, str) else str(error))[:500])
        return Failure(type(error).__name__, _without_values(error)[:500])


BEHIND: Final = Failure("behind", "同一主题键的前一条记录仍在搁置中。 / An earlier record of this key is still parked.")


@dataclass(frozen=True, slots=True)
class Head:
    """The oldest open record of a key: the only one of it that may be tried."""

    id: str
    lane: str
    state: str
    next_at: datetime
    lease: datetime | None
    count: int


def lane_of(record: RawRecord) -> str:
    """The name of a record's queue: topic and key; records without a key queue per partition."""
    if record.key is None:
        return f"{record.topic}|{record.partition}|"
    return f"{record.topic}||{record.key.decode('utf-8', 'replace')}"


def parked_id(record: RawRecord) -> str:
    """The same id however often the record is delivered.

    The timestamp is part of it because a topic that was made anew counts its offsets from 0 again.
    """
    return f"{record.topic}:{record.partition}:{record.offset}:{record.timestamp_ms}"


class Parking:
    """Keeps records that could not be handled, in one collection of the service's store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # lane -> a number that changes whenever a park begins or ends, so that a refresh that asked the store before
        # forgets no lane that was parked meanwhile
        self._lanes: dict[str, int] = {}
        self._changes = 0
        self._in_flight: Counter[str] = Counter()

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        await ensure_indexes(self._store, COLLECTION, _INDEXES)

    def blocks(self, lane: str) -> bool:
        """Whether records of this queue must wait behind a parked one."""
        return lane in self._lanes

    @property
    def lanes(self) -> frozenset[str]:
        """The queues with a parked record, as known here."""
        return frozenset(self._lanes)

    async def park(
        self, record: RawRecord, failure: Failure, *, state: str = "waiting", delay: timedelta = timedelta(0)
    ) -> None:
        """Keep a record; from this call on its queue is blocked here. Keeping it twice changes nothing.

        It is tried again after `delay`, or never by itself when its state is stuck.
        Raises StoreUnavailable; the queue then stays blocked until a refresh finds nothing parked in it.
        """
        lane = lane_of(record)
        self._in_flight[lane] += 1
        self._touch(lane)
        try:
            await self._keep(record, lane, failure, state, delay)
            if record.value is None:
                await self.supersede(lane)
        finally:
            self._in_flight[lane] -= 1
            if not self._in_flight[lane]:
                del self._in_flight[lane]
            self._touch(lane)

    async def _keep(self, record: RawRecord, lane: str, failure: Failure, state: str, delay: timedelta) -> None:
        document = _document(record, lane, failure, state, self._clock.now(), delay)

        async def write(collection: Collection) -> bool:
            result = await collection.update_one({"_id": parked_id(record)}, {"$setOnInsert": document}, upsert=True)
            return result.upserted_id is not None

        if await self._store.run("park", COLLECTION, write):
            metrics.PARKED.add(1, {"topic": record.topic, "code": failure.code})
            _log.warning(
                "record parked",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                code=failure.code,
            )

    async def supersede(self, lane: str) -> int:
        """Drop what is parked before a tombstone of a compacted topic, so that an erasure waits for nobody.

        The tombstone says that its subject is gone, so nothing before it needs to be handled any more. What is being
        tried at this moment is left alone: it is superseded when that fails. Returns how many were dropped.
        """
        now = self._clock.now()

        async def write(collection: Collection) -> int:
            where = {"lane": lane, "state": {"$in": list(OPEN)}}
            tombstone = await collection.find_one({**where, "value": None}, sort=[("offset", -1)])
            if tombstone is None or not _is_compacted(tombstone["topic"]):
                return 0
            before: Document = {**where, "offset": {"$lt": tombstone["offset"]}}
            before["$or"] = [{"lease": None}, {"lease": {"$lte": now}}]
            act = {"at": now, "who": "tombstone", "what": "drop", "reason": tombstone["_id"]}
            change = {**closed("dropped", tombstone["topic"], self._clock), "lease": None}
            result = await collection.update_many(before, {"$set": change, "$push": {"audit": act}})
            return result.modified_count

        dropped = await self._store.run("supersede", COLLECTION, write)
        if dropped:
            _log.warning("parked records superseded by an erasure", records=dropped)
        return dropped

    async def heads(self) -> list[Head]:
        """The oldest open record of every queue; refreshes the set of blocked queues on the way."""
        before = dict(self._lanes)
        pipeline: list[dict[str, Any]] = [
            {"$match": {"state": {"$in": list(OPEN)}}},
            {"$sort": {"lane": 1, "partition": 1, "offset": 1}},
            {
                "$group": {
                    "_id": "$lane",
                    "head": {"$first": "$_id"},
                    "state": {"$first": "$state"},
                    "next_at": {"$first": "$next_at"},
                    "lease": {"$first": "$lease"},
                    "count": {"$sum": 1},
                }
            },
        ]

        async def find(collection: Collection) -> list[Document]:
            return await (await collection.aggregate(pipeline)).to_list()

        heads = [_head(row) for row in await self._store.run("aggregate", COLLECTION, find)]
        self._refresh(before, {head.lane for head in heads})
        return heads

    async def claim(self, head: Head, lease_until: datetime) -> tuple[RawRecord, int] | None:
        """Take the record for a try, unless somebody else has it or it is closed; also return its attempts so far."""
        now = self._clock.now()
        document = await self._update(
            {"_id": head.id, "state": "waiting", "$or": [{"lease": None}, {"lease": {"$lte": now}}]},
            {"$set": {"lease": lease_until}},
        )
        return None if document is None else (record_of(document), document["attempts"])

    async def succeed(self, id: str) -> None:
        """Close a record: its handler took it."""
        await self._update({"_id": id}, {"$set": {**closed("done", topic_of(id), self._clock), "lease": None}})

    async def fail(self, id: str, failure: Failure, next_at: datetime | None) -> None:
        """Note a failed try; without `next_at` the record is stuck until an operator acts."""
        change: Document = {"error": {"code": failure.code, "text": failure.text}, "lease": None}
        change |= {"state": "stuck"} if next_at is None else {"next_at": next_at}
        await self._update({"_id": id, "state": "waiting"}, {"$set": change, "$inc": {"attempts": 1}})

    async def release(self, id: str) -> None:
        """Give a claim back without counting the try."""
        await self._update({"_id": id}, {"$set": {"lease": None}})

    async def _update(self, where: Document, update: Document) -> Document | None:
        async def write(collection: Collection) -> Document | None:
            return await collection.find_one_and_update(where, update, return_document=ReturnDocument.AFTER)

        return await self._store.run("find_one_and_update", COLLECTION, write)

    def _touch(self, lane: str) -> None:
        self._changes += 1
        self._lanes[lane] = self._changes

    def _refresh(self, before: dict[str, int], stored: Iterable[str]) -> None:
        """Take over what the store says, except about queues that were parked while it was being asked."""
        meanwhile = {
            lane: number
            for lane, number in self._lanes.items()
            if before.get(lane) != number or lane in self._in_flight
        }
        self._lanes = {**dict.fromkeys(stored, 0), **meanwhile}
        metrics.PARKED_KEYS.set(len(self._lanes))


def closed(state: str, topic: str, clock: Clock) -> Document:
    """What changes when a record of `topic` is closed. Of personal data only that there was a record is kept.

    The store forgets it by its own clock, hence that date is the machine's.
    """
    change: Document = {"state": state, "closed_at": clock.now(), "forget_at": SystemClock().now() + _KEEP_CLOSED}
    known = TOPICS.get(topic)
    return change | _EMPTIED if known is None or known.personal_data else change


def topic_of(id: str) -> str:
    """The topic in the id of a parked record."""
    return id.split(":", 1)[0]


def _is_compacted(topic: str) -> bool:
    known = TOPICS.get(topic)
    return known is not None and known.compacted


def record_of(document: Document) -> RawRecord:
    """The record as it came, or as an operator edited it."""
    return RawRecord(
        topic=document["topic"],
        partition=document["partition"],
        offset=document["offset"],
        key=None if document["key"] is None else bytes(document["key"]),
        value=None if document["value"] is None else bytes(document["value"]),
        headers=tuple((name, bytes(value)) for name, value in document["headers"]),
        timestamp_ms=document["timestamp_ms"],
    )


def _without_values(error: BaseException) -> str:
    if isinstance(error, PyMongoError):
        return f"code {getattr(error, 'code', None)}"
    if isinstance(error, ValidationError):
        wrong = error.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in wrong[:20])
    return str(error)


def _document(record: RawRecord, lane: str, failure: Failure, state: str, now: datetime, delay: timedelta) -> Document:
    return {
        "lane": lane,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": None if record.key is None else Binary(record.key),
        "value": None if record.value is None else Binary(record.value),
        "headers": [[name, Binary(value)] for name, value in record.headers],
        "state": state,
        "error": {"code": failure.code, "text": failure.text},
        "attempts": 0,
        "parked_at": now,
        "next_at": now + delay,
        "lease": None,
        "audit": [],
    }


def _head(row: Document) -> Head:
    return Head(row["head"], row["_id"], row["state"], row["next_at"], row["lease"], row["count"])
