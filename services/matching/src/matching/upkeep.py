"""Seeing to an index of one kind: opening it, writing it or following who does, and building a new one where needed.

A new one is needed where there is none, where damage was found, where it was made with another model, and where more
than half of it is waste. It is built from the service's own store beside the old one, which is read meanwhile if it can
be, and takes its place in one step (docs/decisions/0011-index-on-disk.md).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, cast

import structlog
from opentelemetry import metrics
from qianqiao_chassis.errors import StoreUnavailable

from matching.engine.index.place import Place
from matching.engine.index.port import CandidateIndex, IndexDamagedError
from matching.engine.index.tantivy_index import TantivyIndex, baked_of
from matching.engine.model import Model
from matching.engine.shelf import Shelf
from matching.follower import Follower
from matching.unavailable import IndexBeingRebuilt

_WASTE: Final = 0.5
_WASTE_FROM: Final = 16 << 20
"""Bytes of records below which waste is not worth a new index."""
_CHECK_EVERY_S: Final = 3600.0
_CHECK_PAUSE_S: Final = 0.002
_TOLD_EVERY_S: Final = 5.0
_AGAIN_AFTER_S: Final = 2.0
"""Seconds until a build that failed is begun again."""
_SHARE: Final = metrics.get_meter("qianqiao.matching").create_gauge(
    "qianqiao.matching.index.built", description="share of the store that a new index has taken in; 1 = none is built"
)
_ITEMS: Final = metrics.get_meter("qianqiao.matching").create_gauge(
    "qianqiao.matching.index.items", description="items that the index holds"
)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Progress:
    """How far a build has come."""

    name: str
    why: str
    total: int
    done: int = 0
    began: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Documents a second."""
        return self.done / max(time.monotonic() - self.began, 1e-3)

    @property
    def remaining_s(self) -> float | None:
        """Seconds left at this rate, None while that is not known."""
        return max(0.0, self.total - self.done) / self.rate if self.done else None

    def tell(self, done: int) -> None:
        """Take note; log it now and then."""
        self.done = done
        _SHARE.set(min(1.0, done / max(self.total, 1)), {"index": self.name})
        if time.monotonic() - self._told >= _TOLD_EVERY_S:
            self._told = time.monotonic()
            log.info("index being built", index=self.name, why=self.why, zh=self.zh, en=self.en)

    @property
    def zh(self) -> str:
        """For people."""
        left = "" if self.remaining_s is None else f"，约剩 {self.remaining_s:.0f} 秒"
        return f"索引重建中：{self.done}/{self.total}，每秒 {self.rate:.0f} 条{left}"

    @property
    def en(self) -> str:
        """For people."""
        left = "" if self.remaining_s is None else f", about {self.remaining_s:.0f} s left"
        return f"building the index: {self.done} of {self.total}, {self.rate:.0f} a second{left}"


class Published(CandidateIndex, Protocol):
    """An index that lives elsewhere, filled beside the one that is open to all and then put in its place."""

    @property
    def published(self) -> bool:
        """Whether it is open to all."""
        ...

    async def publish(self) -> None:
        """Open it to all."""
        ...


type Elsewhere = Callable[[str, bool], Awaitable[Published]]
"""Opens the index made with what is named, or one to be filled: where there is none, and if a new one is asked for."""


class Upkeep:
    """Sees to the index of one kind. `tick` is called again and again; nothing else needs to be."""

    def __init__(
        self,
        follower: Follower[Any],
        shelf: Shelf,
        *,
        place: Place | None = None,
        elsewhere: Elsewhere | None = None,
        may_write: bool = True,
    ) -> None:
        """Without a place, here or elsewhere, the index ends with the process."""
        self.follower = follower
        self.name = follower.name
        self._shelf = shelf
        self._place = place
        self._elsewhere = elsewhere
        self._store = ""
        self._may_write = may_write
        self._model = shelf.model
        self._building: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None
        self._checked_at = time.monotonic()
        self._again_at = 0.0
        self._anew: str | None = None
        self._open: Path | None = None
        self.progress: Progress | None = None

    @property
    def writes(self) -> bool:
        """Whether this process writes the index."""
        return self._place is None or self._place.is_mine

    def belongs_to(self, store: str) -> None:
        """Name the store that is followed: an index of another one is of no use, however alike it looks."""
        self._store = store

    def _baked(self, model: Model) -> str:
        return f"{model.baked_version} store/{self._store}"

    # ---- called from outside ----------------------------------------------------------------------------------------

    async def open(self, within: float) -> None:
        """Open what is there; where there is nothing to read, wait for a new one at most this many seconds."""
        try:
            await self.tick()
        except StoreUnavailable as problem:  # the index may be elsewhere, and away
            log.warning("index not opened yet", index=self.name, detail=problem.detail)
        if self._building is not None and not self._shelf.readable:
            await asyncio.wait([self._building], timeout=within)

    async def tick(self) -> None:
        """See to what there is to see to now. Never raises but for the store."""
        await self._end_build()
        self._score_as_told()
        self._look_for_damage()
        if self._shelf.damage is not None and self._place is not None and not self.writes:
            self._place.suspect()
        if (not self._shelf.readable and not (self.writes and self._shelf.damage)) or self._moved():
            await self._open_what_is_there()
        elif self._place is not None and not self.writes and self._may_write and self._place.lock():
            log.info("index taken over for writing", index=self.name)
            await self._open_what_is_there()
        may_build = self.writes and self._building is None and time.monotonic() >= self._again_at
        if may_build and (why := self._why_anew()) is not None:
            self._begin_build(why)
        await self._keep_up()

    def build_anew(self, why: str) -> None:
        """Have a new index built from the store in any case."""
        self._anew = why

    def adopt(self, model: Model) -> None:
        """Have items analysed with this model from now on; what is there is read until a new index has been built."""
        self._model = model

    def _score_as_told(self) -> None:
        """Take up a model that differs in nothing but how it scores: no index has to be built for it."""
        shelf, model = self._shelf, self._model
        if shelf.model is not model and (shelf.index is None or shelf.model.baked_version == model.baked_version):
            shelf.score_with(model)

    def check_ready(self) -> None:
        """Raise IndexBeingRebuilt, with how far it is, where nothing can be read."""
        if not self._shelf.readable:
            problem = IndexBeingRebuilt()
            if self.progress is not None:
                problem.zh, problem.en = self.progress.zh, self.progress.en
            raise problem

    async def stop(self) -> None:
        """End what is under way, write what is fresh, and let go of everything."""
        for task in (self._building, self._checking):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._building = None
        await self.follower.stop()
        with suppress(Exception):
            await self.follower.settle()
        await _close(self._shelf.stand_on(None))
        if self._place is not None:
            self._place.unlock()

    # ---- reading and writing what is there --------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        if not self._shelf.readable:
            return
        try:
            if self.writes:
                await self.follower.catch_up()
                await self.follower.settle()
            else:
                await self._shelf.refresh()
        except IndexBeingRebuilt as damage:
            log.error("index damaged", index=self.name, detail=damage.detail)
        except OSError as error:
            log.error("index not written; what is new stays findable", index=self.name, detail=str(error))
        if (index := self._shelf.index) is not None:
            _ITEMS.set(index.size, {"index": self.name})

    def _moved(self) -> bool:
        """Whether another process has made another generation current, of a model that is ours."""
        if self._place is None or self.writes:
            return False
        with suppress(IndexDamagedError):
            current = self._place.current()
            return current is not None and current != self._open and baked_of(current) == self._baked(self._model)
        return False

    async def _open_what_is_there(self) -> None:
        if self._building is not None:
            return
        if self._place is not None:
            await self._open_current(self._place)
        elif self._elsewhere is not None:
            index = await self._elsewhere(self._baked(self._model), False)
            if index.published:
                await self._stand_on(index, None)
            else:
                await _close(index)

    async def _open_current(self, place: Place) -> None:
        writes = self._may_write and place.lock()
        try:
            current = place.current()
            if current is None or baked_of(current) != self._baked(self._model):
                return
            index = await asyncio.to_thread(TantivyIndex.open, current, writes=writes)
        except IndexDamagedError as damage:
            await self._damaged(damage)
            return
        await self._stand_on(index, current)

    async def _stand_on(self, index: CandidateIndex, current: Path | None) -> None:
        same = current is not None and current == self._open
        if same and self._shelf.readable:
            await _close(self._shelf.stand_on(index))
            return
        shadow = self._shelf.successor(self._model, index)
        if not self._shelf.readable:
            self._shelf.become(shadow)
            if not self.follower.resume():
                await _close(self._shelf.stand_on(None))
                return
            before = None
        else:
            before = await self.follower.take_over(shadow, _nothing)
        self._open = current
        await _close(before)
        log.info("index opened", index=self.name, items=index.size, position=index.position, writes=self.writes)

    # ---- damage -----------------------------------------------------------------------------------------------------

    def _look_for_damage(self) -> None:
        """Read the whole index through once in a while, and when a reader asks for it."""
        if self._checking is not None and self._checking.done():
            self._checking = None
        index = self._shelf.index
        if self._place is None or not self.writes or not isinstance(index, TantivyIndex) or self._checking is not None:
            return
        if self._place.is_suspect() or time.monotonic() - self._checked_at > _CHECK_EVERY_S:
            self._checked_at = time.monotonic()
            self._checking = asyncio.create_task(self._check(index), name=f"check {self.name}")

    async def _check(self, index: TantivyIndex) -> None:
        try:
            await asyncio.to_thread(index.check, _CHECK_PAUSE_S)
        except IndexDamagedError as damage:
            if self._shelf.index is index:
                self._shelf.distrust(damage)
        except Exception as error:  # closed meanwhile
            log.info("index not checked to the end", index=self.name, detail=str(error))

    async def _damaged(self, damage: IndexDamagedError) -> None:
        log.error("index damaged", index=self.name, detail=str(damage), zh="索引已损坏，将重建", en="it is built anew")
        assert self._place is not None
        if not self.writes:
            self._place.suspect()
            return
        with suppress(IndexDamagedError):
            if (current := self._place.current()) is not None:
                self._place.set_aside(current)
        self._open = None

    # ---- building ---------------------------------------------------------------------------------------------------

    def _why_anew(self) -> str | None:
        index = self._shelf.index
        if self._shelf.damage is not None:
            return "damaged"
        if index is None:
            return "none"
        if self._shelf.model.baked_version != self._model.baked_version:
            return "outdated"
        if isinstance(index, TantivyIndex) and index.bytes > _WASTE_FROM and index.waste > _WASTE:
            return "waste"
        return self._anew

    def _begin_build(self, why: str) -> None:
        self.progress = Progress(self.name, why, 0)
        self._building = asyncio.create_task(self._build(why), name=f"build {self.name}")

    async def _end_build(self) -> None:
        task = self._building
        if task is None or not task.done():
            return
        self._building, self.progress = None, None
        error = task.exception()
        if error is not None:
            self._again_at = time.monotonic() + _AGAIN_AFTER_S
            if not isinstance(error, StoreUnavailable):
                log.error("index not built; trying again", index=self.name, exc_info=error)

    async def _build(self, why: str) -> None:
        model, progress = self._model, self.progress
        assert progress is not None
        if why == "damaged":
            await self._give_up_damaged()
        progress.total = await self.follower.total()
        path, index = await self._begun(model, why)
        shadow = self._shelf.successor(model, index)
        try:
            log.info("index being built", index=self.name, why=why, zh=progress.zh, en=progress.en)
            await self.follower.build(shadow, progress.tell)
            before = await self.follower.take_over(shadow, lambda: self._promote(path, index))
        except BaseException:
            await _close(index)
            raise
        _SHARE.set(1.0, {"index": self.name})
        await _close(before)
        if self._place is not None:
            await asyncio.to_thread(self._place.tidy)
        seconds = round(time.monotonic() - progress.began, 3)
        log.info("index built", index=self.name, why=why, items=index.size, seconds=seconds)

    async def _promote(self, path: Path | None, index: CandidateIndex) -> None:
        self._anew = None
        if self._elsewhere is not None:
            await cast(Published, index).publish()
        if self._place is not None and path is not None:
            self._place.make_current(path)
            self._open = path

    async def _give_up_damaged(self) -> None:
        before = self._shelf.stand_on(None)
        self._shelf.damage = None
        await _close(before)
        if self._place is not None and self._open is not None:
            aside = self._place.set_aside(self._open)
            log.error("index set aside", index=self.name, path=None if aside is None else aside.name)
        self._open = None

    async def _begun(self, model: Model, why: str) -> tuple[Path | None, CandidateIndex]:
        """A new index to fill, or one that was being filled when the process ended."""
        place, baked = self._place, self._baked(model)
        if self._elsewhere is not None:
            return None, await self._elsewhere(baked, why not in ("none", "outdated"))
        if place is None:
            return None, TantivyIndex.in_memory()
        begun = place.begun(baked)
        if begun is not None:
            try:
                return begun, await asyncio.to_thread(TantivyIndex.open, begun, writes=True)
            except IndexDamagedError as damage:
                log.warning("a begun index is of no use", index=self.name, detail=str(damage))
        await asyncio.to_thread(place.tidy)
        path = place.next()
        return path, await asyncio.to_thread(TantivyIndex.create, path, baked)


async def _nothing() -> None:
    """Nothing is to be done."""


async def _close(index: CandidateIndex | None) -> None:
    if index is not None:
        with suppress(Exception):
            await index.close()
