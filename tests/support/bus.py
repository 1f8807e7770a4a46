"""Reading what is on the bus, from the first record to the last one there is now."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from qianqiao_contracts import Event, decode


@dataclass(frozen=True)
class Sighting:
    """One record as it stands on the topic."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    event: Event[Any] | None
    value: bytes | None


async def read_topics(bootstrap: str, topics: Sequence[str]) -> list[Sighting]:
    """Return every record of the topics up to the ends seen when the call began, in order per partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = []
        for topic in topics:
            found = consumer.partitions_for_topic(topic)
            if found is None:  # not yet in this client's metadata
                await consumer._client.fetch_all_metadata()
                found = consumer.partitions_for_topic(topic) or set()
            partitions += [TopicPartition(topic, number) for number in sorted(found)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        seen: list[Sighting] = []
        while any(await consumer.position(p) < ends[p] for p in partitions):
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                seen += [_sighting(partition, record) for record in records if record.offset < ends[partition]]
        return seen
    finally:
        await consumer.stop()


def _sighting(partition: TopicPartition, record: Any) -> Sighting:
    event = None if record.value is None else decode(record.value)
    return Sighting(partition.topic, partition.partition, record.offset, record.timestamp, event, record.value)


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
