"""Memory of services that take 100 000 events: how much in the end, and whether it still grows."""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil  # type: ignore[import-untyped]
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pymongo import AsyncMongoClient
from qianqiao_contracts import (
    TOPICS,
    EventData,
    PartyKind,
    PartyRegistered,
    PartyRevised,
    ResultListed,
    ResultRevised,
    encode,
    make_event,
)
from qianqiao_stack.home import Home
from qianqiao_stack.plan import Plan
from qianqiao_stack.stack import Stack

from bench import texts
from bench.engines import Engines
from bench.topics import fresh_topic

SUBJECTS = 2_000
SAMPLES = 10
WITHIN = 900

type Say = Callable[[str], None]
type Make = Callable[[int, int], EventData]


@dataclass(frozen=True, slots=True)
class Feed:
    """Events of ``SUBJECTS`` subjects, each revised again and again, for the services that keep copies of them.

    ``make(number, sequence)`` is an event's content.
    """

    topic: str
    subject: str
    services: tuple[str, ...]
    make: Make


def _party(number: int, sequence: int) -> EventData:
    kind = PartyRegistered if sequence == 1 else PartyRevised
    return kind(name=f"演示单位 {number} {sequence}", kind=PartyKind.ENTERPRISE, verified=True)


def _result(number: int, sequence: int) -> EventData:
    kind = ResultListed if sequence == 1 else ResultRevised
    content = {"visibility": "公开", "last_confirmed": "2026-11-24T00:00:00Z"}
    return kind.model_validate({**texts.result(number + sequence * SUBJECTS, f"party-bench-{number}"), **content})


FEEDS = (
    Feed(PartyRevised.topic.name, "party-bench", ("agreements", "challenges", "notify"), _party),
    Feed(ResultRevised.topic.name, "result-bench", ("matching",), _result),
)


async def measure(on: Engines, home: Home, *, events: int, say: Say) -> dict[str, Any]:
    """Feed every service that keeps copies; samples of each, by service."""
    found: dict[str, Any] = {}
    for feed in FEEDS:
        found |= await _measure(on, home, feed, events, say)
    return found


async def _measure(on: Engines, home: Home, feed: Feed, events: int, say: Say) -> dict[str, Any]:
    databases = {name: f"bench_{os.getpid()}_{name}" for name in feed.services}
    plan = Plan(
        kafka_bootstrap=on.bootstrap,
        mongo_url=on.mongo_url,
        services=feed.services,
        receivers=False,
        service_env={name: {"QIANQIAO_MONGO_DATABASE": database} for name, database in databases.items()},
        trace_ratio=0.01,
    )
    folder = Home(home.path / "memory")
    folder.create().reset()
    await fresh_topic(on.bootstrap, [feed.topic])
    async with Stack(folder, plan) as stack:
        processes = {name: psutil.Process(stack.services[name][0].pid) for name in feed.services}
        began, samples = time.perf_counter(), [_sample(processes, 0)]
        for part in range(SAMPLES):
            await _feed(on.bootstrap, feed, part, events // SAMPLES)
            await asyncio.gather(*(_taken(on.bootstrap, feed.topic, name) for name in feed.services))
            samples.append(_sample(processes, (part + 1) * (events // SAMPLES)))
            shown = ", ".join(f"{name} {samples[-1][name]:.0f} MB" for name in feed.services)
            say(f"{samples[-1]['events']:,.0f} events: {shown}")
        took = time.perf_counter() - began
    async with AsyncMongoClient[dict[str, Any]](on.mongo_url) as client:
        for database in databases.values():
            await client.drop_database(database)
    return {name: _row(name, samples, events, events / took) for name in feed.services}


def _row(name: str, samples: list[dict[str, float]], events: int, rate: float) -> dict[str, Any]:
    mine = [{"events": sample["events"], "rss_mb": sample[name]} for sample in samples]
    half = SAMPLES // 2
    # Medians, because the allocator gives memory back at odd moments.
    before, after = (statistics.median(it["rss_mb"] for it in some) for some in (mine[1 : half + 1], mine[half + 1 :]))
    last, growth = mine[-1]["rss_mb"], after - before
    return {"events": events, "rss_mb": last, "growth_mb": growth, "rate": rate, "samples": mine}


def _sample(processes: Mapping[str, Any], events: int) -> dict[str, float]:
    return {"events": events, **{name: process.memory_info().rss / 1e6 for name, process in processes.items()}}


async def _feed(bootstrap: str, feed: Feed, part: int, count: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=5)
    async with producer:
        sent = []
        for number in range(count):
            subject = f"{feed.subject}-{number % SUBJECTS}"
            sequence = part * -(-count // SUBJECTS) + number // SUBJECTS + 1
            data = feed.make(number % SUBJECTS, sequence)
            event = make_event(data, source="/services/registry", subject=subject, sequence=sequence)
            sent.append(await producer.send(feed.topic, encode(event), key=subject.encode()))
        await asyncio.gather(*sent)


async def _taken(bootstrap: str, topic: str, group: str) -> None:
    """Return once the group has committed everything on the topic. Raises TimeoutError."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    async with asyncio.timeout(WITHIN), consumer:
        partitions = [TopicPartition(topic, number) for number in range(TOPICS[topic].partitions)]
        ends = await consumer.end_offsets(partitions)
        while True:
            done = [await consumer.committed(partition) or 0 for partition in partitions]
            if all(offset >= ends[partition] for partition, offset in zip(partitions, done, strict=True)):
                return
            await asyncio.sleep(0.2)
