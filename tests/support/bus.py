"""Reading what is on the bus, from the first record to the last one there is now."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from qianqiao_contracts import TOPICS, Event, EventError, decode


@dataclass(frozen=True)
class Sighting:
    """One record as it stands on the topic; ``event`` is None for a null record and for one that is no event."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    event: Event[Any] | None
    value: bytes | None


async def read_topics(bootstrap: str, topics: Sequence[str]) -> list[Sighting]:
    """Return every record of the topics up to the ends seen when the call began, in order per partition."""
    return [_sighting(record) for record in await read_records(bootstrap, topics)]


async def read_records(bootstrap: str, topics: Sequence[str]) -> list[Any]:
    """Return the same as aiokafka's ConsumerRecord, undecoded."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for topic in topics for n in range(TOPICS[topic].partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        seen: list[Any] = []
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                seen += [record for record in records if record.offset < ends[partition]]
        return seen
    finally:
        await consumer.stop()


def _sighting(record: Any) -> Sighting:
    try:
        event = None if record.value is None else decode(record.value)
    except EventError:
        event = None
    return Sighting(record.topic, record.partition, record.offset, record.timestamp, event, record.value)


def sequence_faults(sightings: Iterable[Sighting]) -> list[str]:
    """Return a sentence for every subject whose first occurrences are not 1, 2, 3 … in that order.

    A repeated event is no fault: publishing is at least once. A number that first appears after a higher one, or never,
    is.
    """
    highest: dict[tuple[str, str], int] = defaultdict(int)
    faults = []
    for sighting in sightings:
        if sighting.event is None:
            continue
        key = (sighting.topic, sighting.event.subject)
        number = sighting.event.sequence
        if number > highest[key] + 1:
            faults.append(f"{key}: {number} follows {highest[key]}")
        highest[key] = max(highest[key], number)
    return faults


def distinct(sightings: Iterable[Sighting], *types: type) -> list[Event[Any]]:
    """Return the events of these data types, each once however often it was published."""
    unique: dict[tuple[str, int], Event[Any]] = {}
    for sighting in sightings:
        if sighting.event is not None and isinstance(sighting.event.data, types):
            unique.setdefault((sighting.event.subject, sighting.event.sequence), sighting.event)
    return list(unique.values())
