"""What an operator can do with parked records. Every act is written into the record's own audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog
from bson import Binary

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.consumer.parking import COLLECTION, OPEN, closed, topic_of
from qianqiao_chassis.errors import Conflict, Invalid, NotFound, Refused
from qianqiao_chassis.store.client import Collection, Document, Store

_log = structlog.get_logger("qianqiao.parking")

type ParkedState = Literal["waiting", "stuck", "done", "dropped"]


@dataclass(frozen=True, slots=True)
class Act:
    """One entry of the audit: who did what, when and why."""

    at: datetime
    who: str
    what: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A parked record as an operator sees it. `value` is the payload as text, None for a null record."""

    id: str
    topic: str
    partition: int
    offset: int
    key: str | None
    value: str | None
    headers: tuple[tuple[str, str], ...]
    state: ParkedState
    error_code: str
    error_text: str
    attempts: int
    parked_at: datetime
    next_at: datetime
    audit: tuple[Act, ...]


class ParkedDesk:
    """Lists, shows, retries, edits and drops parked records, in any process of the service.

    Every method raises StoreUnavailable when the store does not answer.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(
        self, *, state: ParkedState | None = None, topic: str | None = None, limit: int = 50, after: str | None = None
    ) -> Sequence[ParkedRecord]:
        """Return records in the order of their ids, those still open unless a state is named; `after` is an id."""
        where: Document = {"state": state or {"$in": list(OPEN)}}
        if topic is not None:
            where["topic"] = topic
        if after is not None:
            where["_id"] = {"$gt": after}

        async def find(collection: Collection) -> Sequence[Document]:
            return await collection.find(where).sort("_id", 1).limit(limit).to_list()

        return [_shown(document) for document in await self._store.run("find", COLLECTION, find)]

    async def show(self, id: str) -> ParkedRecord:
        """Return one record. Raises NotFound."""
        return _shown(await self._get(id))

    async def retry(self, id: str, *, who: str) -> ParkedRecord:
        """Let it be tried at once. Raises NotFound, Refused (closed, or not the first of its key), Conflict (busy)."""
        await self._must_be_first(await self._get(id))
        change = {"state": "waiting", "next_at": self._clock.now(), "attempts": 0}
        return await self._act(id, change, self._entry(who, "retry", None))

    async def edit_and_retry(self, id: str, value: bytes | None, *, who: str, reason: str) -> ParkedRecord:
        """Replace the payload and let it be tried at once; the first payload is kept beside it. Raises as `retry`."""
        document = await self._get(id)
        await self._must_be_first(document)
        change = {
            "state": "waiting",
            "next_at": self._clock.now(),
            "attempts": 0,
            "value": None if value is None else Binary(value),
            "original": document.get("original", document["value"]),
        }
        return await self._act(id, change, self._entry(who, "edit", _given(reason)))

    async def drop(self, id: str, *, who: str, reason: str) -> ParkedRecord:
        """Give it up for good; the next of its key goes on. Raises NotFound, Refused (closed), Conflict (busy)."""
        return await self._act(
            id, closed("dropped", topic_of(id), self._clock), self._entry(who, "drop", _given(reason))
        )

    async def _act(self, id: str, change: Document, entry: Document) -> ParkedRecord:
        now = self._clock.now()
        free = {"$or": [{"lease": None}, {"lease": {"$lte": now}}]}

        async def write(collection: Collection) -> Document | None:
            return await collection.find_one_and_update(
                {"_id": id, "state": {"$in": list(OPEN)}, **free},
                {"$set": {**change, "lease": None}, "$push": {"audit": entry}},
                return_document=True,
            )

        document = await self._store.run("find_one_and_update", COLLECTION, write)
        if document is None:
            raise _closed_or_busy(await self._get(id))
        # Beside the audit in the record, which is forgotten with it.
        _log.info("operator acted on a parked record", id=id, who=entry["who"], what=entry["what"])
        return _shown(document)

    async def _must_be_first(self, document: Document) -> None:
        lane = {"lane": document["lane"], "state": {"$in": list(OPEN)}}

        async def first(collection: Collection) -> Document | None:
            return await collection.find_one(lane, {"_id": 1}, sort=[("partition", 1), ("offset", 1)])

        head = await self._store.run("find_one", COLLECTION, first)
        if head is not None and head["_id"] != document["_id"]:
            raise Refused(
                "parked-not-first",
                f"同一主题键还有更早的搁置记录，请先处理：{head['_id']}。",
                f"An earlier record of this key is parked; deal with that one first: {head['_id']}.",
                extra={"first": head["_id"]},
            )

    async def _get(self, id: str) -> Document:
        document = await self._store.run("find_one", COLLECTION, lambda c: c.find_one({"_id": id}))
        if document is None:
            raise NotFound("parked-not-found", f"没有这条搁置记录：{id}。", f"No such parked record: {id}.")
        return document

    def _entry(self, who: str, what: str, reason: str | None) -> Document:
        return {"at": self._clock.now(), "who": who, "what": what, "reason": reason}


def _given(reason: str) -> str:
    if not reason.strip():
        raise Invalid("reason-required", "请说明原因。", "A reason is required.")
    return reason


def _closed_or_busy(document: Document) -> Conflict:
    if document["state"] not in OPEN:
        return Refused(
            "parked-closed",
            "这条记录已经处理完毕，不能再操作。",
            "This record is closed already.",
            extra={"state": document["state"]},
        )
    return Conflict(
        "parked-busy", "这条记录正在重试，请稍后再操作。", "It is being tried right now; try again in a moment."
    )


def _shown(document: Document) -> ParkedRecord:
    return ParkedRecord(
        id=document["_id"],
        topic=document["topic"],
        partition=document["partition"],
        offset=document["offset"],
        key=_text(document["key"]),
        value=_text(document["value"]),
        headers=tuple((name, _text(value) or "") for name, value in document["headers"]),
        state=document["state"],
        error_code=document["error"]["code"],
        error_text=document["error"]["text"],
        attempts=document["attempts"],
        parked_at=document["parked_at"],
        next_at=document["next_at"],
        audit=tuple(Act(act["at"], act["who"], act["what"], act["reason"]) for act in document["audit"]),
    )


def _text(value: Any) -> str | None:
    return None if value is None else bytes(value).decode("utf-8", errors="replace")
