"""Memory of a service that takes 100 000 events: how much in the end, and whether it still grows."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import psutil  # type: ignore[import-untyped]
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pymongo import AsyncMongoClient
from qianqiao_contracts import PartyKind, PartyRegistered, PartyRevised, encode, make_event
from qianqiao_stack.home import Home
from qianqiao_stack.plan import Plan
from qianqiao_stack.stack import Stack

from bench.engines import Engines

SERVICE = "agreements"
PARTIES = 2_000
SAMPLES = 10
WITHIN = 900
TOPIC = PartyRevised.topic.name


async def measure(on: Engines, home: Home, *, events: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Feed ``registry.parties`` to the agreements service, which keeps a copy of every party."""
    database = f"bench_{os.getpid()}_{SERVICE}"
    plan = Plan(
        kafka_bootstrap=on.bootstrap,
        mongo_url=on.mongo_url,
        services=(SERVICE,),
        receivers=False,
        env={"QIANQIAO_MONGO_DATABASE": database},
        trace_ratio=0.01,
    )
    async with Stack(Home(home.path / "memory"), plan) as stack:
        process = psutil.Process(stack.services[SERVICE][0].pid)
        began, samples = time.perf_counter(), [_sample(process, 0)]
        for part in range(SAMPLES):
            await _feed(on.bootstrap, part, events // SAMPLES)
            await _taken(on.bootstrap, SERVICE)
            samples.append(_sample(process, (part + 1) * (events // SAMPLES)))
            say(f"{SERVICE}: {samples[-1]['events']:,} events, {samples[-1]['rss_mb']:.0f} MB")
        took = time.perf_counter() - began
    async with AsyncMongoClient[dict[str, Any]](on.mongo_url) as client:
        await client.drop_database(database)
    growth = samples[-1]["rss_mb"] - samples[SAMPLES // 2]["rss_mb"]
    last = samples[-1]["rss_mb"]
    return {SERVICE: {"events": events, "rss_mb": last, "growth_mb": growth, "rate": events / took, "samples": samples}}


def _sample(process: Any, events: int) -> dict[str, float]:
    return {"events": events, "rss_mb": process.memory_info().rss / 1e6}


async def _feed(bootstrap: str, part: int, count: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=5)
    async with producer:
        sent = []
        for number in range(count):
            subject = f"party-bench-{number % PARTIES}"
            sequence = part * -(-count // PARTIES) + number // PARTIES + 1
            kind = PartyRegistered if sequence == 1 else PartyRevised
            data = kind(name=f"演示单位 {number} {part}", kind=PartyKind.ENTERPRISE, verified=True)
            event = make_event(data, source="/services/registry", subject=subject, sequence=sequence)
            sent.append(await producer.send(TOPIC, encode(event), key=subject.encode()))
        await asyncio.gather(*sent)


async def _taken(bootstrap: str, group: str) -> None:
    """Return once the group has committed everything on the topic. Raises TimeoutError."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    async with asyncio.timeout(WITHIN), consumer:
        partitions = [TopicPartition(TOPIC, number) for number in range(PartyRevised.topic.partitions)]
        ends = await consumer.end_offsets(partitions)
        while True:
            done = [await consumer.committed(partition) or 0 for partition in partitions]
            if all(offset >= ends[partition] for partition, offset in zip(partitions, done, strict=True)):
                return
            await asyncio.sleep(0.2)
