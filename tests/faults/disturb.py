"""What is done to a town while needs flow. Every function publishes a whole batch and leaves all processes running."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from qianqiao_contracts import TOPICS
from qianqiao_stack.process import Process, until
from qianqiao_stack.services import SERVICES

from tests.support.bus import read_records

from .needs import Batch
from .town import Town

type Record = tuple[str, bytes, bytes | None, list[tuple[str, bytes]]]
type Act = Callable[[], Awaitable[None]]

LONGEST_MOMENT = 0.8
"""Acts come so long after a part of the load at most: while it is at every stage of its way."""
LONGEST_ABSENCE = 1.0
MESSAGES_AT_GATEWAY = 2


async def under_load(town: Town, batch: Batch, acts: Sequence[Act], chance: random.Random) -> None:
    """Publish the batch in as many parts as there are acts, and after each part, at some moment, act."""
    share = -(-batch.count // len(acts))
    for number, act in enumerate(acts):
        part = range(number * share, min((number + 1) * share, batch.count))
        if part:
            await town.publish(batch.events(part))
        await asyncio.sleep(chance.uniform(0, LONGEST_MOMENT))
        await act()


async def nothing() -> None:
    """An act that leaves everything as it is."""


def killed(process: Process, chance: random.Random) -> Act:
    """Kill -9, and start it again a moment later; nobody waits until it is ready."""

    async def act() -> None:
        await asyncio.to_thread(process.kill9)
        await asyncio.sleep(chance.uniform(0, LONGEST_ABSENCE))
        process.launch()

    return act


async def services_killed(town: Town, batch: Batch, chance: random.Random, *, rounds: int) -> None:
    """Each service is killed once in every round, in random order."""
    acts = []
    for _ in range(rounds):
        order = [town.process(name) for name in SERVICES]
        chance.shuffle(order)
        acts += [killed(process, chance) for process in order]
    await under_load(town, batch, acts, chance)
    await town.whole()


async def broker_killed(town: Town, batch: Batch, chance: random.Random, *, rounds: int) -> None:
    """The only broker is killed and comes back with its data."""
    kafka = town.stack.kafka
    assert kafka is not None
    (broker,) = kafka.brokers

    async def act() -> None:
        await asyncio.to_thread(broker.kill9)
        await asyncio.sleep(chance.uniform(0.5, 2.0))
        broker.launch()
        await kafka.ready()

    await under_load(town, batch, [act] * rounds, chance)
    await town.whole()


async def store_killed(town: Town, batch: Batch, chance: random.Random, *, rounds: int) -> None:
    """The store is gone for some seconds, and comes back with everything it acknowledged."""

    async def act() -> None:
        await town.store_away()
        await asyncio.sleep(chance.uniform(0.5, 3.0))
        await town.store_back()

    await under_load(town, batch, [act] * rounds, chance)
    await town.whole()


async def everything_again(town: Town, keys: set[str], chance: random.Random) -> int:
    """Send the records of these keys once more: every key's in order, each of them twice, the keys shuffled.

    That is the worst a relay may do that dies, and whose successor publishes whole outboxes. Returns how many.
    """
    by_key: dict[tuple[str, bytes], list[Record]] = {}
    for record in await read_records(town.stack.kafka_bootstrap, list(TOPICS)):
        if record.key and record.key.decode() in keys:
            kept = (record.topic, record.key, record.value, list(record.headers))
            by_key.setdefault((record.topic, record.key), []).append(kept)
    queues = [deque(one for record in records for one in (record, record)) for records in by_key.values()]
    again = []
    while queues:
        queue = chance.choice(queues)
        again.append(queue.popleft())
        if not queue:
            queues.remove(queue)
    await town.republish(again)
    return len(again)


async def two_processes(town: Town, batch: Batch, chance: random.Random, *, rounds: int) -> None:
    """A second process of each service joins, is killed or stopped, and joins again, all under load."""

    async def join() -> None:
        await town.start_seconds()

    async def die() -> None:
        victims = list(town.seconds.values())
        chance.shuffle(victims)
        for victim in victims[: len(victims) // 2]:
            await asyncio.to_thread(victim.kill9)
        await asyncio.gather(*(victim.stop() for victim in victims))

    await under_load(town, batch, [act for _ in range(rounds) for act in (join, die)], chance)


async def gateway_hangs(town: Town, batch: Batch) -> int:
    """Notify is killed with messages at a gateway that hangs; the gateway wakes up and takes what it was given.

    Returns how many deliveries were at the gateway then.
    """
    receivers = town.stack.receivers
    assert receivers is not None
    receivers.pause()
    try:
        await town.publish(batch.events())
        deliveries = town.collection("notify", "deliveries")
        at_gateway = {"state": "handing_over", "ticket.channel": "sms"}

        async def enough() -> bool:
            return bool(await deliveries.count_documents(at_gateway) >= MESSAGES_AT_GATEWAY)

        assert await until(enough, within=60), "no text message reached the gateway"
        await asyncio.to_thread(town.process("notify").kill9)
        count: int = await deliveries.count_documents(at_gateway)
    finally:
        receivers.resume()
    await town.whole()
    return count
