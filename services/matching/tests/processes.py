"""Processes of the service as far as their indexes go: all on one store and one directory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from matching.copies import Copies, Status
from matching.engine.contents import need_item, result_item
from matching.engine.engine import Engine
from matching.engine.index.place import Place
from matching.engine.model import Model
from matching.engine.vectors import result_vector
from matching.follower import Follower
from matching.indexing import Indexes, OnAdopted, followers, indexes
from matching.settings import MatchingSettings
from qianqiao_chassis.clock import SystemClock
from qianqiao_chassis.service import Chassis
from qianqiao_chassis.store.client import Store
from qianqiao_chassis.store.projection import Projection
from qianqiao_chassis.wiring import Wiring
from qianqiao_contracts import NeedContent, ResultContent

from .demonstration import NEEDS, RESULTS

GAS = NEEDS["need-gas"]


@dataclass
class Process:
    """What one process of the service has of all this."""

    results: Copies[ResultContent]
    engine: Engine
    followed: Follower[ResultContent]
    kept: Indexes
    directory: Path
    identity: Projection
    reads: list[Any]
    """Since when each page was read; None = from the beginning."""

    @property
    def place(self) -> Path:
        """Where the index of results is."""
        return self.directory / "results"

    @property
    def generation(self) -> Path:
        """The one that is current."""
        current = Place(self.place).current()
        assert current is not None
        return current

    async def listed(self, id: str, sequence: int, content: ResultContent) -> None:
        """As the event does."""
        change, _ = await self.results.put_content(id, sequence, content)
        await self.followed.take(change)

    async def step(self, id: str, sequence: int, status: Status) -> None:
        """As the event does."""
        await self.followed.take(await self.results.put_status(id, sequence, status))

    async def fitting(self, need: NeedContent = GAS) -> list[str]:
        """Which results fit a need, as proposing sees it."""
        await self.followed.catch_up(to_the_last=True)
        return [each.id for each in await self.engine.rank(need_item("n", need)) if each.score.fits]

    async def until(self, done: Callable[[], bool]) -> None:
        """See to the index until something holds."""
        for _ in range(400):
            await self.kept.tick()
            if done():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it never came to hold")

    async def holds_the_truth(self, model: Model | None = None) -> None:
        """Compare all that is known with the store and with an analysis from scratch."""
        await self.followed.catch_up(to_the_last=True)
        ids = [f"result-{n}" for n in range(60)] + list(RESULTS)
        stored = await self.results.get_many(ids)
        held = {id: each for id, each in (await self.followed.known(ids)).items() if each.versions.content}
        assert held.keys() == stored.keys()
        for id, copy in stored.items():
            assert held[id].versions[:2] == copy.versions
            assert held[id].is_open == copy.is_open
            vector = result_vector(result_item(id, copy.content), model or Model.shipped()).vector
            assert held[id].vector == (vector if copy.is_open else b"")


type Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(mongo_url: str, mongo_database: str, tmp_path: Path) -> AsyncIterator[Start]:
    """Start a process; all share the store and the directory."""
    stack = AsyncExitStack()

    async def begin(
        *,
        may_write: bool = True,
        on_adopted: OnAdopted | None = None,
        overlap_s: float = 2.0,
        **more: Any,
    ) -> Process:
        store = await stack.enter_async_context(Store(mongo_url, mongo_database))
        settings = MatchingSettings(
            mongo_url=mongo_url,
            mongo_database=mongo_database,
            index_dir=str(tmp_path),
            settle_every_s=60,
            reread_s=0,
            overlap_s=overlap_s,
            **more,
            _env_prefix="QIANQIAO_NOT_READ_IN_TESTS_",
        )
        clock = SystemClock()
        wiring = Wiring("matching", store, clock)
        engine = Engine.closed()
        chassis = Chassis("matching", settings, clock, wiring)
        _, results, followed_needs, followed_results = followers(chassis, engine)
        reads = counted(results)
        kept = indexes(chassis, engine, (followed_needs, followed_results), may_write=may_write, on_adopted=on_adopted)
        await wiring.ensure_indexes()
        await kept.start()
        process = Process(results, engine, followed_results, kept, tmp_path, Projection(store, "index_identity"), reads)
        stack.push_async_callback(kept.stop)
        return process

    async with stack:
        yield begin


def counted(results: Copies[ResultContent]) -> list[Any]:
    reads: list[Any] = []
    changed = results.changed

    async def counting(since: Any, after: str, most: int) -> Any:
        page = await changed(since, after, most)
        reads.extend((since, change.key) for change in page)
        return page

    results.changed = counting  # type: ignore[method-assign]
    return reads


def variant(number: int) -> ResultContent:
    content = RESULTS["result-gas"]
    return content.model_copy(update={"parties": (f"party-{number}",), "keywords": ("甲烷", "激光", f"型号{number}")})


async def fill(process: Process, count: int) -> None:
    for id, content in RESULTS.items():
        await process.listed(id, 1, content)
    for number in range(count):
        await process.listed(f"result-{number}", 1, variant(number))
