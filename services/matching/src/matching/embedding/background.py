"""Vectors of needs and results, made in the background and kept in the service's store. No event waits for one.

A document is one item in one space; the space in use is named with what is read, and changes only when nearly
everything has a vector in the new one. So vectors of two models are never compared.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.store.projection import Projection

from matching.embedding.port import Embedder, EmbeddingError, Kind
from matching.embedding.quantising import quantise

log = structlog.get_logger(__name__)

_BATCH: Final = 32
_LONGEST_PAUSE_S: Final = 60.0
_ENOUGH: Final = 0.99
_QUERIES_AT_ONCE: Final = 8
_QUERIES_KEPT: Final = 512


@dataclass(frozen=True, slots=True)
class Text:
    """An item to be embedded. `digest` names the text: what did not change is not embedded again."""

    key: str
    """Kind and id, as `need:…`, `result:…`."""
    version: int
    digest: str
    text: str
    kind: Kind = Kind.PASSAGE


@dataclass(frozen=True, slots=True)
class Stored:
    """A vector in one byte a dimension, and the space it belongs to."""

    space: str
    digest: str
    vector: bytes


type Arrived = Callable[[Sequence[Text]], Awaitable[None]]
"""Sees to texts whose vectors are there. What it raises of StoreUnavailable has it called again later."""
type Page = Callable[[str], Awaitable[Sequence[Text]]]
"""Reads the items whose keys come after the one given, in the order of their keys; empty at the end."""


class Embeddings:
    """Queue, store and query side. Used in one event loop; `run` is background work of the service."""

    def __init__(
        self, projection: Projection, embedder: Embedder, *, queue: int = 10_000, query_budget_s: float = 0.03
    ) -> None:
        self._projection = projection
        self._embedder = embedder
        self._most = queue
        self._query_budget_s = query_budget_s
        self._size = _BATCH
        self._waiting: OrderedDict[str, Text] = OrderedDict()
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self._serving = embedder.space_id
        self._asking: dict[str, asyncio.Task[bytes | None]] = {}
        self._answered: OrderedDict[str, bytes] = OrderedDict()
        self.on_arrived: Arrived | None = None
        self.left_out = 0
        """Texts not taken because the queue was full; the next sweep finds them."""

    @property
    def space(self) -> str:
        """The space that is read, empty where there is none."""
        return self._serving

    @property
    def waiting(self) -> int:
        """Texts that wait for their vector."""
        return len(self._waiting)

    def offer(self, text: Text) -> bool:
        """Queue a text, in place of an earlier version of it. Never waits; False if there is no model or no room."""
        if not self._embedder.space_id:
            return False
        held = self._waiting.get(text.key)
        if held is None and len(self._waiting) >= self._most:
            self.left_out += 1
            return False
        if held is None or held.version < text.version:
            self._waiting[text.key] = text
            self._wake.set()
        return True

    async def read(self, keys: Sequence[str]) -> Mapping[str, Stored]:
        """Return the vectors there are in the space being read. Raises StoreUnavailable."""
        if not self._serving:
            return {}
        found = await self._projection.get_many([_id(key, self._serving) for key in keys])
        return {str(each["key"]): _stored(each) for each in found.values()}

    async def vector_of(self, text: Text) -> bytes | None:
        """Return the vector of a need, from memory, the store or the model; None where none is there within the budget.

        While it is being asked for nobody waits a second time.
        """
        if (known := self._answered.get(text.text)) is not None:
            return known
        if not self._serving or text.text in self._asking:
            return None
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self._query_budget_s):
                stored = (await self.read([text.key])).get(text.key)
        except (TimeoutError, StoreUnavailable):
            return None
        if stored is not None and stored.digest == text.digest:
            if stored.space == self._serving:
                self._remember(text.text, stored.vector)
            return stored.vector
        return await self.query(text.text, within=self._query_budget_s - (time.monotonic() - begun))

    async def query(self, text: str, *, within: float | None = None) -> bytes | None:
        """Return the vector of what somebody asks, None where there is none within the budget.

        An answer that comes late is kept for the next time the same is asked.
        """
        if not self._serving or self._serving != self._embedder.space_id:
            return None
        if (known := self._answered.get(text)) is not None:
            self._answered.move_to_end(text)
            return known
        asking = self._asking.get(text)
        if asking is None:
            if len(self._asking) >= _QUERIES_AT_ONCE:
                return None
            asking = self._asking[text] = asyncio.create_task(self._ask(text), name="embed a query")
        done, _ = await asyncio.wait({asking}, timeout=self._query_budget_s if within is None else max(0.0, within))
        return asking.result() if done and not asking.cancelled() else None

    async def _ask(self, text: str) -> bytes | None:
        try:
            vector = quantise((await self._embedder.embed([text], Kind.QUERY))[0])
        except EmbeddingError as error:
            log.info("query goes without a vector", reason=str(error))
            return None
        finally:
            self._asking.pop(text, None)
        self._remember(text, vector)
        return vector

    def _remember(self, text: str, vector: bytes) -> None:
        self._answered[text] = vector
        while len(self._answered) > _QUERIES_KEPT:
            self._answered.popitem(last=False)

    async def run(self) -> None:
        """Embed what waits, for ever; after a failure later, at growing distances up to a minute."""
        pause = 0.0
        while True:
            if pause:
                await asyncio.sleep(pause)
            elif not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            pause = 0.0 if await self.step() else min(max(2 * pause, 0.5), _LONGEST_PAUSE_S)

    async def step(self) -> bool:
        """Embed and store one batch; False if that failed, in which case it waits on, behind the others.

        A failure halves the next batch, so that one text which the model refuses holds up no other for long.
        """
        batch = [self._waiting.popitem(last=False)[1] for _ in range(min(self._size, len(self._waiting)))]
        self._taken.set()
        try:
            await self._embed(await self._lacking(batch))
            await self._tell(batch)
        except (EmbeddingError, StoreUnavailable) as error:
            log.warning("texts wait on for their vectors", texts=len(batch), reason=str(error))
            for text in batch:
                self._waiting.setdefault(text.key, text)
            self._size = max(1, self._size // 2)
            return False
        self._size = min(_BATCH, 2 * self._size)
        return True

    async def _tell(self, texts: Sequence[Text]) -> None:
        if texts and self.on_arrived is not None and self._serving == self._embedder.space_id:
            await self.on_arrived(texts)

    async def _lacking(self, batch: Sequence[Text]) -> list[Text]:
        space = self._embedder.space_id
        known = await self._projection.get_many([_id(text.key, space) for text in batch])
        digests = {each["key"]: each["digest"] for each in known.values()}
        return [text for text in batch if digests.get(text.key) != text.digest]

    async def _embed(self, batch: Sequence[Text]) -> None:
        if not batch:
            return
        space = self._embedder.space_id
        for kind in Kind:
            texts = [text for text in batch if text.kind is kind]
            if not texts:
                continue
            vectors = await self._embedder.embed([text.text for text in texts], kind)
            for text, vector in zip(texts, vectors, strict=True):
                document = {"key": text.key, "space": space, "digest": text.digest, "vector": quantise(vector)}
                await self._projection.put(_id(text.key, space), text.version, document)

    async def choose_space(self, items: int) -> str:
        """Read the model's space where it holds nearly all of `items`, else the older one that holds most.

        Called at start and after a sweep. Raises StoreUnavailable.
        """
        mine = self._embedder.space_id
        if not mine:
            self._serving = ""
        elif await self._projection.count({"space": mine}) >= _ENOUGH * items:
            self._serving = mine
        else:
            other = await self._projection.select({"space": {"$ne": mine}}, limit=1)
            self._serving = str(other[0]["space"]) if other else mine
        return self._serving

    async def sweep(self, page: Page) -> int:
        """Offer every item that lacks a vector, waiting while the queue is full; then choose the space to be read.

        Return how many items there are. Once the new space is read, the vectors of the old one are removed.
        """
        if not self._embedder.space_id:
            return 0
        after, items = "", 0
        while texts := await page(after):
            after = texts[-1].key
            items += len(texts)
            lacking = await self._lacking(texts)
            for text in lacking:
                await self._room()
                self.offer(text)
            await self._tell([text for text in texts if text not in lacking])
        if await self.choose_space(items) == self._embedder.space_id:
            await self._forget_others()
        return items

    async def _room(self) -> None:
        while len(self._waiting) >= self._most:
            self._taken.clear()
            await self._taken.wait()

    async def _forget_others(self) -> None:
        while old := await self._projection.select({"space": {"$ne": self._serving, "$exists": True}}, limit=200):
            for each in old:
                await self._projection.remove(each["id"])

    async def stop(self) -> None:
        """End what is under way."""
        for asking in list(self._asking.values()):
            asking.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        await self._embedder.close()


def _id(key: str, space: str) -> str:
    return f"{key}@{space}"


def _stored(document: Mapping[str, object]) -> Stored:
    vector = document["vector"]
    if not isinstance(vector, bytes):
        raise TypeError("a stored vector is bytes")
    return Stored(str(document["space"]), str(document["digest"]), vector)
