"""The indexes of a process: what is followed, where they live, and who writes them (docs/decisions/0011)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.service import Chassis
from qianqiao_chassis.store.projection import Projection
from qianqiao_chassis.store.query import Index
from qianqiao_contracts import NeedContent, ResultContent, new_id

from matching.copies import Copies
from matching.embedding.items import ItemVectors
from matching.engine.contents import need_item, result_item
from matching.engine.engine import Engine
from matching.engine.index.opensearch_opening import open_index
from matching.engine.index.place import Place
from matching.engine.model import Model
from matching.fitted import FittedModel
from matching.follower import Follower, Pace
from matching.settings import IndexWriter, MatchingSettings
from matching.upkeep import Elsewhere, Published, Upkeep

_CHANGED: Final = Index(("changed_at", 1))
_CONFIRMED: Final = ("content.last_confirmed", -1)
_OPEN_WITHIN_S: Final = 3.0
"""A start waits this long for an index that has to be built; a small store is read by then."""

type OnAdopted = Callable[[str, bool], Awaitable[None]]
"""Is told that needs and results are scored with the model of this version, and whether that is so from the start."""
log = structlog.get_logger(__name__)


class Indexes:
    """Both indexes of a process, seen to in the background whatever part of the service it runs."""

    def __init__(
        self,
        engine: Engine,
        upkeeps: Sequence[Upkeep],
        identity: Projection,
        *,
        every_s: float,
        fitted: FittedModel | None = None,
        on_adopted: OnAdopted | None = None,
    ) -> None:
        self._engine = engine
        self._upkeeps = upkeeps
        self._identity = identity
        self._every_s = every_s
        self._fitted = fitted
        self._on_adopted = on_adopted
        self._told: str | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def writes(self) -> bool:
        """Whether this process writes all of them."""
        return all(upkeep.writes for upkeep in self._upkeeps)

    def of(self, name: str) -> Upkeep:
        """Return what sees to one of them. KeyError where there is none of that name."""
        return {upkeep.name: upkeep for upkeep in self._upkeeps}[name]

    async def start(self) -> None:
        """Open them, or begin to build what is missing, and go on seeing to them.

        Raises ModelUnusable where a fitted model is named that cannot be read.
        """
        if self._fitted is not None:
            self.adopt(await self._fitted.first())
        store = await _name_of_store(self._identity)
        for upkeep in self._upkeeps:
            upkeep.belongs_to(store)
            await upkeep.open(_OPEN_WITHIN_S)
        await self._tell()
        self._tasks.append(asyncio.create_task(self._for_ever(), name="indexes"))
        if self._fitted is not None:
            self._tasks.append(asyncio.create_task(self._fitted.watch(self.adopt), name="model"))

    async def stop(self) -> None:
        """Write what is fresh, let go of everything."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        for upkeep in self._upkeeps:
            await upkeep.stop()

    def adopt(self, model: Model) -> None:
        """Score with this model as soon as indexes made with it stand; until then with the present one."""
        for upkeep in self._upkeeps:
            upkeep.adopt(model)

    def build_anew(self, why: str) -> None:
        """Have both built anew from the store; what is there is read meanwhile."""
        for upkeep in self._upkeeps:
            upkeep.build_anew(why)

    async def ready(self) -> None:
        """Raise IndexBeingRebuilt where one of them cannot be read."""
        for upkeep in self._upkeeps:
            upkeep.check_ready()

    async def model_ready(self) -> None:
        """Raise Degraded where the file of the fitted model could not be read and the one before still counts."""
        if self._fitted is not None and self._fitted.problem is not None:
            raise self._fitted.problem

    async def tick(self) -> None:
        """See to all that there is to see to now."""
        await self._see_to_all()
        await self._tell()

    async def _tell(self) -> None:
        """Tell that both are scored with another model than before; again later if that could not be written down."""
        needs, results = self._engine.needs.model, self._engine.results.model
        if self._on_adopted is None or needs.version != results.version or self._told == needs.version:
            return
        try:
            await self._on_adopted(needs.version, self._told is None)
        except StoreUnavailable as problem:
            log.warning("another model not written down yet: the store is unreachable", detail=problem.detail)
            return
        if self._told is not None:
            log.info("model taken up", version=needs.version, zh="新模型已启用", en="the new model counts from now on")
        self._told = needs.version

    async def _see_to_all(self) -> None:
        for upkeep in self._upkeeps:
            try:
                await upkeep.tick()
            except StoreUnavailable as problem:
                log.warning("index not seen to: the store is unreachable", index=upkeep.name, detail=problem.detail)
            except Exception:
                log.exception("index not seen to", index=upkeep.name)

    async def _for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.tick()


def followers(
    chassis: Chassis[MatchingSettings],
    engine: Engine,
    vectors: tuple[ItemVectors, ItemVectors] | tuple[None, None] = (None, None),
) -> tuple[Copies[NeedContent], Copies[ResultContent], Follower[NeedContent], Follower[ResultContent]]:
    """Declare the copies of needs and results, and what follows them into the engine, `vectors` of both with them."""
    settings = chassis.settings
    pace = Pace(timedelta(seconds=settings.overlap_s), settings.reread_s)
    of_party = Index(("content.party", 1), _CONFIRMED, ("id", 1))
    of_parties = Index(("content.parties", 1), _CONFIRMED, ("id", 1))
    needs = Copies(chassis.projection("needs", indexes=[_CHANGED, of_party]), NeedContent, chassis.clock)
    results = Copies(chassis.projection("results", indexes=[_CHANGED, of_parties]), ResultContent, chassis.clock)
    return (
        needs,
        results,
        Follower("needs", needs, need_item, engine.needs, pace, vectors[0]),
        Follower("results", results, result_item, engine.results, pace, vectors[1]),
    )


async def _name_of_store(identity: Projection) -> str:
    """Return what the store of this service calls itself, for ever: its indexes must not be taken for another's."""
    await identity.put("store", 1, {"name": new_id()})  # only the first one is kept
    stored = await identity.get("store")
    assert stored is not None
    return str(stored["name"])


def indexes(
    chassis: Chassis[MatchingSettings],
    engine: Engine,
    followed: tuple[Follower[Any], Follower[Any]],
    *,
    may_write: bool,
    on_adopted: OnAdopted | None = None,
) -> Indexes:
    """Return what sees to the indexes, in memory or where the settings say."""
    settings = chassis.settings
    return Indexes(
        engine,
        [
            Upkeep(
                follower,
                shelf,
                place=Place(Path(settings.index_dir) / follower.name) if _on_disk(settings) else None,
                elsewhere=_elsewhere(settings, follower.name),
                may_write=may_write,
            )
            for follower, shelf in zip(followed, (engine.needs, engine.results), strict=True)
        ],
        chassis.projection("index_identity"),
        every_s=settings.settle_every_s,
        fitted=FittedModel(Path(settings.model_file), every_s=settings.model_look_s) if settings.model_file else None,
        on_adopted=on_adopted,
    )


def _on_disk(settings: MatchingSettings) -> bool:
    return bool(settings.index_dir) and settings.opensearch_url is None


def _elsewhere(settings: MatchingSettings, kind: str) -> Elsewhere | None:
    if settings.opensearch_url is None:
        return None

    async def opened(baked: str, anew: bool) -> Published:
        index = await open_index(settings, kind, baked, anew=anew)
        assert index is not None
        return index

    return opened


def writes_inside(settings: MatchingSettings) -> bool:
    """Whether a process of the service itself may write the index."""
    return not _on_disk(settings) or settings.index_writer is IndexWriter.INSIDE
