"""One town for the tests that leave it whole; one event loop for all of them, because it lives through them."""

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from . import oracle
from .needs import EMPTY, PERIOD
from .quiet import quiet
from .town import Town


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """One broker, one process of each service, and what an undisturbed run ends in."""
    async with built(tmp_path_factory.mktemp("town")) as town:
        yield town


@asynccontextmanager
async def built(home: Path, *, brokers: int = 1) -> AsyncIterator[Town]:
    """A town that has learnt what to expect; nothing of it runs afterwards."""
    async with Town(home, brokers=brokers) as town:
        await learn(town)
        yield town
    assert [one.name for one in (*town.stack.processes(), *town.seconds.values()) if one.running] == []


async def learn(town: Town) -> None:
    """Run one period of needs undisturbed: what every other run must end in."""
    batch = town.batch(PERIOD)
    await town.publish(batch.events())
    await quiet(town, within=180)
    town.expected = await oracle.proposals(town, batch)
    assert {place for place, titles in enumerate(town.expected) if not titles} == EMPTY, town.expected
    assert await oracle.faults(town, batch) == []


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """The chance that picks moments and victims; ``QIANQIAO_TEST_SEED`` repeats a run as far as time allows."""
    seed = os.environ.get("QIANQIAO_TEST_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"QIANQIAO_TEST_SEED={seed}")
    return random.Random(f"{seed}/{request.node.name}")
