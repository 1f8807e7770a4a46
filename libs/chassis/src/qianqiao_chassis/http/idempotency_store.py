"""Idempotency keys in the document store (collection `idempotency`), forgotten by the store itself after a day."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from bson import Binary
from pymongo import IndexModel, ReturnDocument
from qianqiao_contracts import new_id

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import AlreadyExists
from qianqiao_chassis.http.idempotency import KEEP, LEASE, Answer, Claim
from qianqiao_chassis.store.client import Collection, Document, Store
from qianqiao_chassis.store.query import ensure_indexes

COLLECTION = "idempotency"


class StoredIdempotency:
    """The keys of one service, shared by all its processes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def prepare(self) -> None:
        """Make the index by which the store forgets; call once at start."""
        await ensure_indexes(self._store, COLLECTION, [IndexModel([("expires", 1)], expireAfterSeconds=0)])

    async def claim(self, id: str, digest: str) -> Claim:
        """See IdempotencyStore. One insert where the key is new, a read and a guarded update where it is not."""
        while True:
            token = new_id()
            fresh = self._fresh(digest, token)
            try:
                await self._store.run("insert", COLLECTION, partial(_insert, {"_id": id, **fresh}))
            except AlreadyExists:
                claim = await self._known(id, digest, fresh)
                if claim is None:
                    continue
                return claim
            return Claim("mine", token)

    async def _known(self, id: str, digest: str, fresh: dict[str, Any]) -> Claim | None:
        """What the stored key says; None when it changed meanwhile and must be looked at again."""
        kept = await self._store.run("find", COLLECTION, lambda c: c.find_one({"_id": id}))
        if kept is None:
            return None
        age = self._clock.now() - kept["since"]
        if age < KEEP:
            if kept["digest"] != digest:
                return Claim("other")
            if kept.get("status") is not None:
                return Claim("done", answer=_answer(kept))
            if age < LEASE:
                return Claim("running")
        held = {"_id": id, "token": kept["token"]}
        change = {"$set": fresh, "$unset": {"status": "", "headers": "", "body": ""}}
        taken = await self._store.run(
            "take_over",
            COLLECTION,
            lambda c: c.find_one_and_update(held, change, return_document=ReturnDocument.AFTER),
        )
        return Claim("mine", fresh["token"]) if taken is not None else None

    def _fresh(self, digest: str, token: str) -> dict[str, Any]:
        # `since` is the clock of the rules, `expires` the machine's: the store's reaper knows no other.
        return {
            "digest": digest,
            "token": token,
            "since": self._clock.now(),
            "expires": datetime.now(UTC) + KEEP + timedelta(hours=1),
        }

    async def settle(self, id: str, token: str, answer: Answer) -> None:
        """See IdempotencyStore."""
        kept = {
            "status": answer.status,
            "headers": [[Binary(name), Binary(value)] for name, value in answer.headers],
            "body": Binary(answer.body),
        }
        await self._store.run("settle", COLLECTION, lambda c: c.update_one({"_id": id, "token": token}, {"$set": kept}))

    async def release(self, id: str, token: str) -> None:
        """See IdempotencyStore."""
        await self._store.run(
            "release", COLLECTION, lambda c: c.delete_one({"_id": id, "token": token, "status": None})
        )


async def _insert(document: Document, collection: Collection) -> None:
    await collection.insert_one(document)


def _answer(kept: dict[str, Any]) -> Answer:
    headers = tuple((bytes(name), bytes(value)) for name, value in kept["headers"])
    return Answer(int(kept["status"]), headers, bytes(kept["body"]))
