"""One of three brokers is killed and stays away: two copies of everything are left, and that is enough."""

import asyncio
import random

import pytest

from . import disturb, oracle
from .conftest import built
from .quiet import quiet

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="session")]

NEEDS = 24
WITHIN = 240


async def test_one_of_three_brokers_killed(tmp_path_factory: pytest.TempPathFactory, chance: random.Random) -> None:
    async with built(tmp_path_factory.mktemp("brokers"), brokers=3) as town:
        batch = town.batch(NEEDS)
        victim = chance.choice(town.stack.brokers)

        async def act() -> None:
            await asyncio.to_thread(victim.kill9)

        await disturb.under_load(town, batch, [act, disturb.nothing], chance)
        await quiet(town, within=WITHIN)
        assert not victim.running
        assert await oracle.faults(town, batch) == []
        victim.launch()
        await town.whole()
        again = town.batch(NEEDS // 2)
        await town.publish(again.events())
        await quiet(town, within=WITHIN)
        assert await oracle.faults(town, again) == []
