"""What is done to a town while needs flow. Every function publishes a whole batch and leaves all processes running."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import httpx
from qianqiao_contracts import TOPICS
from qianqiao_stack.demo import cast
from qianqiao_stack.process import Process, until
from qianqiao_stack.services import SERVICES
from support.bus import read_records

from .needs import Batch
from .town import Town

type Record = tuple[str, bytes, bytes | None, list[tuple[str, bytes]]]
type Act = Callable[[], Awaitable[None]]

LONGEST_MOMENT = 0.4
"""Acts come so long after the first need of a part was adopted: while the others are at every stage of their way."""
LONGEST_ABSENCE = 1.0
MESSAGES_AT_GATEWAY = 2
BYTES_FOLLOW = 0.5
"""Long enough for the bytes that follow the mark; were it not, the test would say that nothing arrived."""
CHANGES = 5
PEOPLE = 8


async def under_load(
    town: Town, batch: Batch, acts: Sequence[Act], chance: random.Random, numbers: range | None = None
) -> None:
    """Publish the needs of these numbers, or all, in as many parts as there are acts; after each part act."""
    numbers = numbers or range(batch.count)
    share = -(-len(numbers) // len(acts))
    for place, act in enumerate(acts):
        part = numbers[place * share : (place + 1) * share]
        if part:
            await town.publish(batch.events(part))
            await _flowing(town, batch, part)
        await asyncio.sleep(chance.uniform(0, LONGEST_MOMENT))
        await act()


async def _flowing(town: Town, batch: Batch, part: range) -> None:
    receipts = town.collection("registry", "receipts")
    any_of_them = {"_id": {"$in": [batch.receipt(number) for number in part]}}

    async def adopted() -> bool:
        return await receipts.find_one(any_of_them, {"_id": 1}) is not None

    assert await until(adopted, within=90), "none of these needs was adopted"


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
    """The only broker is killed and comes back with its data.

    While it is away needs come over HTTP, and registry is killed with their events stored and not published.
    """
    kafka = town.stack.kafka
    assert kafka is not None
    (broker,) = kafka.brokers
    registry, half = town.process("registry"), batch.count // 2
    share = -(-half // rounds)
    parts = iter([range(half + i * share, min(half + (i + 1) * share, batch.count)) for i in range(rounds)])

    async def act() -> None:
        await asyncio.to_thread(broker.kill9)
        await town.post(batch.events(next(parts)))
        await asyncio.sleep(chance.uniform(0.5, 2.0))
        await asyncio.to_thread(registry.kill9)
        broker.launch()
        registry.launch()
        await town.whole()

    await under_load(town, batch, [act] * rounds, chance, numbers=range(half))


async def store_killed(town: Town, batch: Batch, chance: random.Random, *, rounds: int) -> None:
    """The store is gone for some seconds, and comes back with everything it acknowledged."""

    async def act() -> None:
        await town.store_away()
        await asyncio.sleep(chance.uniform(0.5, 3.0))
        await town.store_back()

    await under_load(town, batch, [act] * rounds, chance)
    await town.whole()


async def everything_again(town: Town, keys: set[str], chance: random.Random) -> int:
    """Send the records of these keys again, the keys shuffled: 1 1 2 2 3 3, and then 1 2 once more.

    That is the worst relays may do that die and whose successors publish whole outboxes, the last of them dying on the
    way: old events come after new ones. Returns how many.
    """
    by_key: dict[tuple[str, bytes], list[Record]] = {}
    for record in await read_records(town.stack.kafka_bootstrap, list(TOPICS)):
        if record.key and record.key.decode() in keys:
            kept = (record.topic, record.key, record.value, list(record.headers))
            by_key.setdefault((record.topic, record.key), []).append(kept)
    queues = [deque([one for one in rows for _ in range(2)] + rows[:-1]) for rows in by_key.values()]
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
        await both_change_one_need(town)

    async def die() -> None:
        victims = list(town.seconds.values())
        chance.shuffle(victims)
        for victim in victims[: len(victims) // 2]:
            await asyncio.to_thread(victim.kill9)
        await asyncio.gather(*(victim.stop() for victim in victims))

    await under_load(town, batch, [act for _ in range(rounds) for act in (join, die)], chance)


async def both_change_one_need(town: Town) -> None:
    """Several people at each of the two processes of registry change one need at the same moment, again and again.

    Every change that was answered with success must have been made on top of all others.
    """
    owner, row = town.member("laser"), cast.table("needs")["needs"][5]
    body = {"party": owner.party, "title": row["title"], "difficulty": row["difficulty"]}
    need = await town.people.do(owner, "POST", "registry", "/v1/needs", body=body)
    headers = {"authorization": f"Bearer {town.people.token(owner)}"}
    doors = [town.process("registry").url, town.seconds["registry"].url]
    made = 0
    async with httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as client:
        for turn in range(CHANGES):
            asked = [
                client.patch(f"{doors[person % 2]}/v1/needs/{need['id']}", json={"goal": f"{turn}, {person}"})
                for person in range(PEOPLE)
            ]
            answers = await asyncio.gather(*asked)
            codes = [answer.status_code for answer in answers]
            assert set(codes) in ({200}, {200, 409}), [answer.text for answer in answers]
            made += codes.count(200)
    now = await town.people.do(owner, "GET", "registry", f"/v1/needs/{need['id']}")
    assert now["revision"] == need["revision"] + made, "a change that was confirmed is lost"


async def gateway_hangs(town: Town, batch: Batch) -> set[str]:
    """Notify is killed with messages at a gateway that hangs; the gateway wakes up and takes what it was given.

    Returns the deliveries that were at the gateway then.
    """
    receivers = town.stack.receivers
    assert receivers is not None
    receivers.pause()
    try:
        await town.publish(batch.events())

        async def enough() -> bool:
            return len(await _at_gateway(town)) >= MESSAGES_AT_GATEWAY

        assert await until(enough, within=60), "no text message reached the gateway"
        await asyncio.sleep(BYTES_FOLLOW)
        await asyncio.to_thread(town.process("notify").kill9)
        at_gateway = await _at_gateway(town)
    finally:
        receivers.resume()
    await town.whole()
    return at_gateway


async def _at_gateway(town: Town) -> set[str]:
    """Texts that a worker has taken up and that nobody has answered, whether or not they are marked so."""
    taken = [{"state": "handing_over"}, {"state": "ready", "_tries": {"$exists": True}}]
    rows = town.collection("notify", "deliveries").find({"ticket.channel": "sms", "$or": taken}, {"_id": 1})
    return {row["_id"] async for row in rows}
