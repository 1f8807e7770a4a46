"""What the guarantees say, after something was killed, doubled or broken while needs flowed (docs/guarantees.md)."""

import asyncio
import random

import pytest

from . import disturb, oracle
from .poison import READERS, Poison
from .quiet import quiet
from .town import Town

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="session")]

NEEDS = 24
WITHIN = 180


async def test_services_killed(town: Town, chance: random.Random) -> None:
    batch = town.batch(NEEDS)
    await disturb.services_killed(town, batch, chance, rounds=1)
    await quiet(town, within=WITHIN)
    assert await oracle.faults(town, batch) == []


async def test_broker_killed(town: Town, chance: random.Random) -> None:
    batch = town.batch(NEEDS)
    await disturb.broker_killed(town, batch, chance, rounds=2)
    await quiet(town, within=WITHIN)
    assert await oracle.faults(town, batch) == []


async def test_store_killed(town: Town, chance: random.Random) -> None:
    batch = town.batch(NEEDS)
    await disturb.store_killed(town, batch, chance, rounds=2)
    await quiet(town, within=WITHIN)
    assert await oracle.faults(town, batch) == []


async def test_everything_twice_and_shuffled(town: Town, chance: random.Random) -> None:
    batch, fresh = town.batch(NEEDS), town.batch(NEEDS // 3)
    await town.publish(batch.events())
    await quiet(town, within=WITHIN)
    before = len(oracle.messages(town))
    again, _ = await asyncio.gather(
        disturb.everything_again(town, await oracle.subjects(town, batch), chance), town.publish(fresh.events())
    )
    assert again > 3 * NEEDS
    await quiet(town, within=WITHIN)
    assert await oracle.faults(town, batch) == []
    assert await oracle.faults(town, fresh) == []
    assert len(oracle.messages(town)) > before, "the fresh needs were told of"


async def test_a_poison_event_among_good_ones(town: Town) -> None:
    poison, batch = Poison(town, "poison"), town.batch(NEEDS)
    await town.publish(batch.events(range(NEEDS // 2)))
    await poison.publish()
    await town.publish(batch.events(range(NEEDS // 2, NEEDS)))
    await quiet(town, within=WITHIN, parked=[poison.subject])
    for service in READERS:
        first, behind = await poison.parked(service)
        assert (first["state"], first["error_code"]) == ("stuck", "contract-violated"), service
        assert (behind["state"], behind["error_code"]) == ("waiting", "behind"), service
    assert await oracle.proposed(town, poison.subject) == frozenset(), "nothing overtakes the parked event"
    assert await oracle.faults(town, batch, apart=[poison.subject]) == []

    await poison.heal()
    await quiet(town, within=WITHIN)
    assert await oracle.proposed(town, poison.subject) == town.expected[0]
    assert await oracle.faults(town, batch) == []


async def test_two_processes_of_each_service(town: Town, chance: random.Random) -> None:
    batch = town.batch(NEEDS)
    await disturb.two_processes(town, batch, chance, rounds=1)
    await quiet(town, within=WITHIN)
    assert await oracle.faults(town, batch) == []


async def test_a_gateway_that_hangs_while_notify_is_killed(town: Town) -> None:
    batch = town.batch(NEEDS // 3)
    at_gateway = await disturb.gateway_hangs(town, batch)
    await quiet(town, within=WITHIN)
    arrived = [one.delivery for one in oracle.messages(town) if one.delivery in at_gateway]
    assert arrived, "the gateway took what it had been given: otherwise this test shows nothing"
    assert len(arrived) == len(set(arrived))
    assert await oracle.faults(town, batch) == []
