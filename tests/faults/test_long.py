"""The same faults, many more rounds: 300 needs each on an embedded store, 2 000 on one that is given.

``QIANQIAO_TEST_NEEDS`` names another number.
"""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable

import pytest

from . import disturb, oracle
from .needs import Batch
from .quiet import quiet
from .town import Town

pytestmark = [pytest.mark.long, pytest.mark.kafka, pytest.mark.asyncio(loop_scope="session")]

NEEDS = int(os.environ.get("QIANQIAO_TEST_NEEDS") or (2000 if os.environ.get("QIANQIAO_TEST_MONGO_URL") else 300))
SECONDS_PER_NEED = 6

type Disturbance = Callable[[Town, Batch, random.Random], Awaitable[None]]


async def _checked(town: Town, chance: random.Random, name: str, disturbance: Disturbance) -> None:
    batch, begun = town.batch(NEEDS), time.monotonic()
    arrived = len(oracle.messages(town))
    await disturbance(town, batch, chance)
    disturbed = time.monotonic() - begun
    await quiet(town, within=120 + SECONDS_PER_NEED * NEEDS)
    took, told = time.monotonic() - begun, len(oracle.messages(town)) - arrived
    assert await oracle.faults(town, batch) == []
    doubtful = await oracle.doubtful(town)
    figures = f"disturbed {disturbed:.0f} s, quiet after {took:.0f} s, {told} messages, {doubtful} in doubt"
    print(f"{name}: {NEEDS} needs, {figures}")


async def test_services_killed_many_times(town: Town, chance: random.Random) -> None:
    await _checked(town, chance, "services killed", lambda t, b, c: disturb.services_killed(t, b, c, rounds=6))


async def test_broker_killed_many_times(town: Town, chance: random.Random) -> None:
    await _checked(town, chance, "broker killed", lambda t, b, c: disturb.broker_killed(t, b, c, rounds=6))


async def test_store_killed_many_times(town: Town, chance: random.Random) -> None:
    await _checked(town, chance, "store killed", lambda t, b, c: disturb.store_killed(t, b, c, rounds=6))


async def test_two_processes_many_times(town: Town, chance: random.Random) -> None:
    await _checked(town, chance, "two processes", lambda t, b, c: disturb.two_processes(t, b, c, rounds=3))


async def test_everything_twice_and_shuffled_at_length(town: Town, chance: random.Random) -> None:
    first = town.batch(NEEDS // 2)
    await town.publish(first.events())
    await quiet(town, within=120 + SECONDS_PER_NEED * NEEDS)

    async def again(town: Town, batch: Batch, chance: random.Random) -> None:
        keys = await oracle.subjects(town, first)
        await asyncio.gather(disturb.everything_again(town, keys, chance), town.publish(batch.events()))

    await _checked(town, chance, "everything again", again)
    assert await oracle.faults(town, first) == []
