"""Copies of other services' aggregates, and read models: plain documents guarded by the event sequence."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.store.client import Collection, Document, Store
from qianqiao_chassis.store.gathering import Gathered
from qianqiao_chassis.store.lookups import Lookups
from qianqiao_chassis.store.query import Index, ensure_indexes, stored_filter, total_order

_DUPLICATE_KEY: Final = 11_000
_RESERVED = frozenset({"id", "sequence"})

type _Found = Mapping[str, Mapping[str, Any]]


class Projection:
    """Documents by id, each written only by a later event than the one it shows.

    Documents come back with "id" and "sequence". Values must be what BSON holds (JSON values and aware datetimes,
    kept to the millisecond). Every method raises StoreUnavailable when the store does not answer.
    """

    def __init__(self, store: Store, name: str, *, indexes: Sequence[Index] = ()) -> None:
        self.name = name
        self._store = store
        self._indexes = tuple(indexes)
        self._putting = Gathered[Document, bool]("put", name, self._put_all)
        self._finding = Gathered[Sequence[str], _Found]("find", name, self._find_all)
        self._numbering = Gathered[Sequence[str], _Found]("find", name, self._number_all)
        self._lookups = Lookups(store, name, where={"_removed": {"$exists": False}})

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        await ensure_indexes(self._store, self.name, [index.model() for index in self._indexes])

    async def put(self, id: str, sequence: int, document: Mapping[str, Any]) -> bool:
        """Replace the document where the stored sequence is lower; True if this call wrote it.

        Puts made at the same time share one bulk write. False also when a later one of the same write overtook it.
        Raises ValueError for the reserved field names "id", "sequence" and those that begin with _.
        """
        if taken := [name for name in document if name in _RESERVED or name.startswith("_")]:
            raise ValueError(f"reserved field names: {', '.join(sorted(taken))}")
        return await self._putting.ask({"_id": id, "_seq": sequence, **document})

    async def remove(self, id: str, sequence: int | None = None) -> bool:
        """Erase the content, keep id and sequence so that an older event cannot bring it back; True if it did.

        Without `sequence` (a tombstone carries none) whatever is stored now is erased.
        """
        if sequence is not None:
            return await self._putting.ask({"_id": id, "_seq": sequence, "_removed": True})
        stored = await self._store.run(
            "find_one", self.name, lambda c: c.find_one({"_id": id}, {"_seq": 1, "_removed": 1})
        )
        if stored is None or stored.get("_removed"):
            return False
        replacement = {"_id": id, "_seq": stored["_seq"], "_removed": True}
        guard = {"_id": id, "_seq": stored["_seq"]}
        result = await self._store.run("replace_one", self.name, lambda c: c.replace_one(guard, replacement))
        # A later event overtook the tombstone between the two calls: erase what it brought, too.
        return True if result.matched_count else await self.remove(id)

    async def get(self, id: str) -> dict[str, Any] | None:
        """Return the document or None (also when it was removed)."""
        return (await self.get_many([id])).get(id)

    async def get_many(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the documents there are, by id."""
        if not ids:
            return {}
        found = await self._finding.ask(ids)
        return {id: _shown(found[id]) for id in ids if id in found and not found[id].get("_removed")}

    async def sequences(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the sequences of the documents there are, by id: enough to tell whether they are what was read."""
        if not ids:
            return {}
        found = await self._numbering.ask(ids)
        return {id: found[id]["_seq"] for id in ids if id in found and not found[id].get("_removed")}

    async def find_by(self, field: str, value: str, *, limit: int = 50) -> list[dict[str, Any]]:
        """Return up to `limit` documents with this value in an indexed field, by id, removed ones left out.

        Unlike `select`, lookups made at the same time share one request.
        """
        return [_shown(document) for document in await self._lookups.by(field, value, limit)]

    async def select(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        sort: Sequence[tuple[str, int]] = (("id", 1),),
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """Return up to `limit` documents that match, removed ones left out."""
        where = {**stored_filter(filter or {}), "_removed": {"$exists": False}}
        order = total_order(sort)
        found = await self._store.run("find", self.name, lambda c: c.find(where).sort(order).limit(limit).to_list())
        return [_shown(document) for document in found]

    async def count(self, filter: Mapping[str, Any] | None = None) -> int:
        """Return how many documents match, removed ones left out."""
        where = {**stored_filter(filter or {}), "_removed": {"$exists": False}}
        return await self._store.run("count_documents", self.name, lambda c: c.count_documents(where))

    async def _find_all(self, asked: Sequence[Sequence[str]]) -> list[_Found]:
        return [await self._read(asked)] * len(asked)

    async def _number_all(self, asked: Sequence[Sequence[str]]) -> list[_Found]:
        return [await self._read(asked, {"_seq": 1, "_removed": 1})] * len(asked)

    async def _read(self, asked: Sequence[Sequence[str]], fields: Document | None = None) -> _Found:
        wanted = {id for ids in asked for id in ids}
        where: Document = {"_id": {"$in": list(wanted)}} if len(wanted) > 1 else {"_id": next(iter(wanted))}
        documents = await self._store.run("find", self.name, lambda c: c.find(where, fields).to_list())
        return {document["_id"]: document for document in documents}

    async def _put_all(self, puts: Sequence[Document]) -> list[bool | Exception]:
        latest: dict[str, Document] = {}
        for document in puts:
            held = latest.get(document["_id"])
            if held is None or document["_seq"] > held["_seq"]:
                latest[document["_id"]] = document
        written = await self._replace(list(latest.values()))
        return [document["_id"] in written and latest[document["_id"]] is document for document in puts]

    async def _replace(self, documents: Sequence[Document]) -> set[str]:
        """Write what is newer than stored; return the ids written.

        The upsert of a document whose stored sequence is not lower hits the unique _id: that is the guard. The same
        error also meets the loser of two first writes at once, who may be the newer one, hence the second look.
        """
        written: set[str] = set()
        todo = list(documents)
        while todo:
            refused = await self._bulk(todo)
            written.update(document["_id"] for document in todo if document["_id"] not in refused)
            todo = await self._newer_than_stored([document for document in todo if document["_id"] in refused])
        return written

    async def _bulk(self, documents: Sequence[Document]) -> set[str]:
        writes = [
            ReplaceOne({"_id": document["_id"], "_seq": {"$lt": document["_seq"]}}, document, upsert=True)
            for document in documents
        ]

        async def write(collection: Collection) -> None:
            await collection.bulk_write(writes, ordered=False)

        try:
            await self._store.run("put", self.name, write)
        except BulkWriteError as error:
            failures: list[dict[str, Any]] = error.details.get("writeErrors", [])
            if not failures:
                raise StoreUnavailable("the write was not confirmed") from error
            if any(failure.get("code") != _DUPLICATE_KEY for failure in failures):
                raise
            return {documents[failure["index"]]["_id"] for failure in failures}
        return set()

    async def _newer_than_stored(self, documents: Sequence[Document]) -> list[Document]:
        if not documents:
            return []
        ids = [document["_id"] for document in documents]

        async def find(collection: Collection) -> list[Document]:
            return await collection.find({"_id": {"$in": ids}}, {"_seq": 1}).to_list()

        stored = {row["_id"]: row["_seq"] for row in await self._store.run("find", self.name, find)}
        return [document for document in documents if stored.get(document["_id"], 0) < document["_seq"]]


def _shown(document: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in document.items() if not name.startswith("_")}
    return {"id": document["_id"], "sequence": document["_seq"], **shown}
