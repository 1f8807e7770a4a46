"""When nothing moves any more: every record read, every event published, every message handed over."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from pymongo.errors import PyMongoError
from qianqiao_contracts import TOPICS, TYPES
from qianqiao_stack.services import SERVICES

from .town import Town

SERVICES_FOLDER = Path(__file__).parents[2] / "services"
RAW = {"registry": {"intake.events"}}
"""Topics that are read record by record, which reads.json does not name."""
OUTBOXES = {
    "registry": ("parties", "contacts", "needs", "results", "refusals"),
    "matching": ("matches", "abstentions"),
    "notify": ("deliveries",),
    "agreements": ("agreements",),
    "challenges": ("challenges",),
}
SOON = timedelta(minutes=20)
"""Timers further away than this belong to the business, not to what is under way."""
HAND_OVER = timedelta(seconds=5)
"""The receivers answer at once: a hand-over that takes longer has lost its process."""
POLL_SECONDS = 1.0


class StillMovingError(AssertionError):
    """Something still moves, or stands still for ever: the text says what."""


@dataclass
class Activity:
    """What is under way at one moment."""

    ends: dict[str, int] = field(default_factory=dict)
    lag: dict[str, int] = field(default_factory=dict)
    outbox: dict[str, int] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    parked: dict[str, str] = field(default_factory=dict)

    @property
    def none(self) -> bool:
        """Whether nothing is."""
        return not (self.lag or self.outbox or self.timers or self.parked)


async def quiet(town: Town, *, within: float, parked: Iterable[str] = ()) -> None:
    """Wait until nothing was under way at two moments, with nothing published between them.

    Records of the subjects ``parked`` may wait as long as they like.
    """
    deadline = time.monotonic() + within
    before: Activity | None = None
    async with _Bus(town.stack.kafka_bootstrap) as bus:
        while True:
            now = await _activity(town, bus, {subject.encode() for subject in parked})
            if before is not None and now.none and before.none and now.ends == before.ends:
                return
            if time.monotonic() > deadline:
                raise StillMovingError(f"still under way after {within:.0f} s: {now}")
            before = now
            await asyncio.sleep(POLL_SECONDS)


def topics_read(service: str) -> set[str]:
    """The topics a service subscribes to."""
    types = json.loads((SERVICES_FOLDER / service / "reads.json").read_text(encoding="utf-8"))
    return {TYPES[name].topic.name for name in types} | RAW.get(service, set())


class _Bus:
    """Offsets, as the broker knows them."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def __aenter__(self) -> "_Bus":
        self._admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def ends(self, topics: set[str]) -> dict[TopicPartition, int]:
        partitions = [TopicPartition(topic, n) for topic in topics for n in range(TOPICS[topic].partitions)]
        return dict(await self._consumer.end_offsets(partitions))

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        offsets = await self._admin.list_consumer_group_offsets(group)
        return {partition: found.offset for partition, found in offsets.items()}


async def _activity(town: Town, bus: _Bus, apart: set[bytes]) -> Activity:
    found = Activity()
    topics = {service: topics_read(service) for service in SERVICES}
    ends = await bus.ends(set().union(*topics.values(), {"notify.deliveries", "intake.rejections"}))
    found.ends = {f"{p.topic}/{p.partition}": end for p, end in ends.items()}
    for service, read in topics.items():
        done = await bus.committed(service)
        behind = sum(end - max(done.get(p, 0), 0) for p, end in ends.items() if p.topic in read)
        if behind:
            found.lag[service] = behind
    if not found.lag:  # the store is asked only when the bus says nothing: it has enough to do
        await _look_into_stores(town, found, apart)
    return found


async def _look_into_stores(town: Town, found: Activity, apart: set[bytes]) -> None:
    try:
        found.outbox = await _outboxes(town)
        found.timers = await _timers(town)
        for service in SERVICES:
            async for row in town.collection(service, "parked").find({"state": "waiting"}):
                if row["key"] not in apart:
                    found.parked[f"{service} {row['_id']}"] = row["error"]["text"]
    except PyMongoError as error:
        found.timers["store"] = 1
        found.parked["store"] = repr(error)


async def _outboxes(town: Town) -> dict[str, int]:
    """Aggregates with events that are not published yet."""
    found = {}
    for service, names in OUTBOXES.items():
        for name in names:
            waiting = {"_outbox.at": {"$lt": datetime.now(UTC) + SOON}}
            if stored := len(await town.collection(service, name).find(waiting, {"_id": 1}).limit(100).to_list()):
                found[name] = stored
    return found


async def _timers(town: Town) -> dict[str, int]:
    """What a timer will do soon."""
    found = {}
    soon = {"$or": [{"_due": {"$lt": datetime.now(UTC) + SOON}}, {"_tries": {"$exists": True}}]}
    for service, name in (("matching", "looks"), ("notify", "notices")):
        if due := len(await town.collection(service, name).find(soon, {"_id": 1}).to_list()):
            found[name] = due
    deliveries = town.collection("notify", "deliveries").find(soon, {"state": 1, "history": 1})
    if moving := sum([_is_moving(row) async for row in deliveries]):
        found["deliveries"] = moving
    return found


def _is_moving(delivery: Mapping[str, Any]) -> bool:
    """To be handed over, or being handed over; not one whose process died at the gateway."""
    recent = (datetime.now(UTC) - HAND_OVER).isoformat()[:19]
    state, since = delivery["state"], delivery["history"][-1]["at"][:19]
    return state in {"ready", "held", "retry_wait"} or (state == "handing_over" and since > recent)
