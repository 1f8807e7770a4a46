"""The example a park's team starts from, run as they would run it, against a real broker."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from qianqiao_contracts import INTAKE_TYPES, TOPICS, decode_strict, signing

_EXAMPLE = Path(__file__).parents[1] / "examples" / "park_publisher.py"
_SECRET = "demonstration-secret"


async def _publish(bootstrap: str, number: str) -> None:
    settings = {
        "KAFKA_BOOTSTRAP": bootstrap,
        "PARK_SOURCE": "/parks/demonstration",
        "PARK_SECRET": _SECRET,
        "PARK_PARTY": "uscc:91350100M000100Y43",
        "NEED_NUMBER": number,
    }
    process = await asyncio.create_subprocess_exec(sys.executable, str(_EXAMPLE), env={**os.environ, **settings})
    assert await asyncio.wait_for(process.wait(), 60) == 0


async def _records(bootstrap: str, key: bytes) -> list[ConsumerRecord]:
    topic = TOPICS["intake.events"]
    partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                found.append(await asyncio.wait_for(consumer.getone(partition), 30))
        return [record for record in found if record.key == key]


@pytest.mark.kafka
async def test_a_need_arrives_signed_and_twice_is_the_same_event(contract_topics: str) -> None:
    number = f"need-demo-{os.urandom(4).hex()}"
    await _publish(contract_topics, number)
    await _publish(contract_topics, number)
    records = await _records(contract_topics, number.encode())
    assert len(records) == 2
    events = []
    for record in records:
        headers = dict(record.headers)
        assert signing.verify(record.value, headers[signing.HEADER], _SECRET)
        assert not signing.verify(record.value, headers[signing.HEADER], "another")
        events.append(decode_strict(record.value))
    assert events[0].subject == number
    assert type(events[0].data) in INTAKE_TYPES
    assert "（演示）" in events[0].data.title
    assert events[0].id == events[1].id
