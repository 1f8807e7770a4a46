"""The candidate index in OpenSearch: for more than one machine, where a copy in every process would be too much.

What differs from the index in a process's own files, and why it still keeps the port's word:

- Several processes may write it, in any order: every item carries its versions as OpenSearch's own (external) version,
  and what is older than what is held is turned away. There is no one writer, so NotTheWriterError is never raised.
- Items and position are not one transaction. The position is written after every item is on disk, in the translog of
  the shard. Whoever is killed in between leaves items ahead of the position; they are written again, to no effect.
- Other processes see what was written at once, not only after their `refresh`.
- An index whose files are lost or broken is no longer answered from: IndexUnavailable, until an operator deletes or
  restores it. IndexDamagedError is raised for an index that is missing or is not as we made it.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any, Final, Self
from urllib.parse import quote

from matching.engine.index import opensearch_layout as layout
from matching.engine.index.opensearch_client import (
    AGAIN,
    Answer,
    IndexUnavailable,
    OpenSearchClient,
    Patience,
    RequestRefused,
)
from matching.engine.index.port import Entry, Held, IndexDamagedError

_BULK_BYTES: Final = 4_000_000
"""Sent in one request at most, if a single item is not larger. OpenSearch advises 5 to 15 MB."""
_ERRORS: Final = 400
_PUBLISH_TRIES: Final = 5
_IDS_AT_ONCE: Final = 1_000
_NEWER_HELD: Final = 409
_BLOCKED: Final = 403
"""An operator forbade writing for a while."""
_POSITION: Final = f"_doc/{quote(layout.POSITION_ID, safe='')}"
_FILLING: Final = f"_doc/{quote(layout.FILLING_ID, safe='')}"
_THROUGH_ALIAS: Final = {"require_alias": "true"}
"""A write to an index that is gone must not make another one, as OpenSearch would by itself."""


class OpenSearchIndex:
    """Items of one kind, see `CandidateIndex`. Used in one event loop; closes its client when it is closed."""

    def __init__(self, client: OpenSearchClient, kind: str, baked: str) -> None:
        """Make one that is not open yet: `open` or `build` gives one that is."""
        self._client = client
        self._baked = baked
        self._alias = layout.index_name(kind, baked)
        self._name = self._alias
        self._index = ""
        self._position: str | None = None
        self._size = 0
        self._written = -1

    @classmethod
    async def open(cls, client: OpenSearchClient, kind: str, baked: str) -> Self:
        """Open the index that was published last. Raises IndexDamagedError where there is none that can be used."""
        index = cls(client, kind, baked)
        await index.refresh()
        return index

    @classmethod
    async def build(cls, client: OpenSearchClient, kind: str, baked: str) -> Self:
        """Begin a new index beside the one that is open to all, to be filled and then published.

        Several processes that begin at the same time fill the same one, and one that was left half filled is taken up
        again with the position it has reached: what is written twice is the same.
        """
        index = cls(client, kind, baked)
        last = max((_generation(name) for name in await index._holders()), default=0)
        index._index = f"{index._alias}-{last + 1}"
        index._name = f"{index._index}-filling"
        await client.ask(
            "PUT", f"/{index._index}", layout.definition(index._name, baked), expected=(400,), changes=True
        )  # 400: it is there
        await index.refresh()
        return index

    async def publish(self) -> None:
        """Open a built index to all in place of the one before, which is removed; both at once.

        Raises IndexDamagedError where somebody else keeps publishing another one.
        """
        for _ in range(_PUBLISH_TRIES):
            holders = await self._holders()
            if holders == [self._index]:
                self._name = self._alias
                return
            if self._position is not None:
                await self._say_position(_POSITION, self._position)
                await self._ask("POST", "_refresh", changes=True)
            actions: list[object] = [{"add": {"index": self._index, "alias": self._alias}}]
            actions += [{"remove_index": {"index": name}} for name in holders if name != self._index]
            # 404: another process has just removed the one before; then the next round has nothing to remove.
            await self._client.ask("POST", "/_aliases", {"actions": actions}, expected=(404,), changes=True)
        raise IndexDamagedError(f"{self._index} could not be published as {self._alias}")

    @property
    def name(self) -> str:
        """The name under which it is found by all once it is published."""
        return self._alias

    @property
    def published(self) -> bool:
        """Whether it is open to all; False for one that is being filled."""
        return self._name == self._alias

    @property
    def position(self) -> str | None:
        """As of the last `write` or `refresh`."""
        return self._position

    @property
    def size(self) -> int:
        """As of the last `write` or `refresh`."""
        return self._size

    async def search(self, terms: Mapping[str, float], most: int) -> Sequence[Held]:
        """See the port. Of more than 1 024 terms the heaviest are asked for; of items, 10 000 at most are given."""
        if not terms or most <= 0:
            return []
        whole = {"allow_partial_search_results": "false"}
        answer = await self._ask("POST", "_search", layout.query_of(terms, most), params=whole)
        return [layout.held_of(hit["_id"], hit.get("_source", {})) for hit in answer.content["hits"]["hits"]]

    async def get(self, ids: Sequence[str]) -> Mapping[str, Held]:
        """See the port."""
        held: dict[str, Held] = {}
        for some in batched(dict.fromkeys(ids), _IDS_AT_ONCE, strict=False):
            answer = await self._ask("POST", "_mget", {"ids": some}, params={"realtime": "false"})
            for found in answer.content["docs"]:
                if "error" in found:
                    raise _failed_item(found["_id"], int(found.get("status", 404)), found["error"])
                if found["found"]:
                    held[found["_id"]] = layout.held_of(found["_id"], found.get("_source", {}))
        return held

    async def write(self, entries: Sequence[Entry], position: str | None, *, is_last: bool = False) -> None:
        """See the port, and the module for what is not all or nothing here.

        Raises IndexUnavailable where OpenSearch did not take all of it in time: the position was not written then.
        """
        for bulk in _bulks({entry.id: entry for entry in entries}.values()):
            await self._send(bulk)
        if position is not None:
            await self._say_position(_POSITION if self.published else _FILLING, position)
        await self._ask("POST", "_refresh", changes=True)
        self._size = await self._count()
        self._position = self._position if position is None else position

    async def refresh(self) -> bool:
        """See the port. Also looks whether the index is still the one that we made."""
        before = self._written, self._index
        await self._check()
        await self._ask("POST", "_refresh", changes=True)
        self._size, self._position, self._written = await asyncio.gather(
            self._count(), self._read_position(), self._last_written()
        )
        return (self._written, self._index) != before

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] | None = None,
        expected: Iterable[int] = (),
        changes: bool = False,
        patience: Patience | None = None,
    ) -> Answer:
        try:
            return await self._client.ask(
                method,
                f"/{self._name}/{path}",
                body,
                params=params,
                expected=expected,
                changes=changes,
                patience=patience,
            )
        except RequestRefused:
            await self._check()  # an index that is not ours is the likelier reason, and can be told
            raise

    async def _send(self, lines: Mapping[str, bytes]) -> None:
        """Write until every line was taken, or turned away because something newer is held."""
        patience, problem = self._client.patience(changes=True), ""
        while True:
            sent = b"".join(lines.values())
            answer = await self._ask("POST", "_bulk", sent, params=_THROUGH_ALIAS, changes=True, patience=patience)
            again: dict[str, bytes] = {}
            for item in answer.content["items"]:
                result = item["index"]
                if result["status"] in AGAIN:
                    again[result["_id"]] = lines[result["_id"]]
                    problem = f"{result['status']} {result['error'].get('type')}"
                elif result["status"] < _ERRORS:
                    self._written += 1
                elif result["status"] != _NEWER_HELD:
                    await self._check()
                    raise _failed_item(result["_id"], result["status"], result["error"])
            if not again:
                return
            lines = again
            if not await patience.wait():
                raise IndexUnavailable(f"{len(again)} items were not taken: {problem}")

    async def _check(self) -> None:
        answer = await self._client.ask("GET", f"/{self._name}/_mapping")
        (self._index, found), *others = answer.content.items()
        if others:
            raise IndexDamagedError(f"{self._name} is more than one index")
        layout.check_mappings(found["mappings"], self._baked)

    async def _holders(self) -> list[str]:
        """The indexes that are found under the name for all: none, or one."""
        answer = await self._client.ask("GET", f"/{self._alias}/_mapping", expected=(404,))
        return [] if answer.status >= _ERRORS else sorted(answer.content)

    async def _count(self) -> int:
        items = {"query": {"exists": {"field": "open"}}}
        return int((await self._ask("POST", "_count", items)).content["count"])

    async def _say_position(self, where: str, position: str) -> None:
        await self._ask("PUT", where, {"position": position}, params=_THROUGH_ALIAS, changes=True)
        self._written += 1

    async def _read_position(self) -> str | None:
        where = _POSITION if self.published else _FILLING
        answer = await self._ask("GET", where, params={"realtime": "false"}, expected=(404,))
        found = answer.content.get("_source", {}).get("position")
        return None if found is None else str(found)

    async def _last_written(self) -> int:
        """The number of the last write that the shard has seen, whoever wrote; each write counts one."""
        answer = await self._ask("GET", "_stats/docs", params={"level": "shards"})
        shards = answer.content["indices"].values()
        copies = [copy["seq_no"]["max_seq_no"] for index in shards for all in index["shards"].values() for copy in all]
        return max(copies, default=-1)


def _bulks(entries: Iterable[Entry]) -> Iterator[Mapping[str, bytes]]:
    """Lines of bulk requests by id, in parts of a size that OpenSearch digests well."""
    bulk: dict[str, bytes] = {}
    size = 0
    for entry in entries:
        head = {"_id": entry.id, "version": layout.one_number(entry.versions), "version_type": "external"}
        line = f"{json.dumps({'index': head})}\n{json.dumps(layout.document_of(entry))}\n".encode()
        if bulk and size + len(line) > _BULK_BYTES:
            yield bulk
            bulk, size = {}, 0
        bulk[entry.id] = line
        size += len(line)
    if bulk:
        yield bulk


def _failed_item(id: str, status: int, error: Mapping[str, Any]) -> Exception:
    said = f"{id}: {status} {error.get('type')} {str(error.get('reason'))[:300]}"
    if status in AGAIN or status == _BLOCKED:
        return IndexUnavailable(said)
    return IndexDamagedError(said) if error.get("type") == "index_not_found_exception" else RequestRefused(said)


def _generation(name: str) -> int:
    number = name.rsplit("-", 1)[-1]
    return int(number) if number.isdecimal() else 0
