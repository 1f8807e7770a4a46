"""Header names that are not UTF-8, as the fetcher gets them from a broker."""

import struct
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from qianqiao_chassis.consumer.consumer import Consumer

NAME, GBK = b"source", "来源号".encode("gbk")
RECORDS = (("first", b"fine"), (NAME.decode(), b"odd"), ("last", b"fine"))


def odd_batch(first_offset: int) -> bytes:
    """Three records in a batch as a broker keeps it, the name of the middle one's header in GBK."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 100_000)
    for place, (name, value) in enumerate(RECORDS):
        builder.append(place, 1_000, b"key", b"value %d" % place, [(name, value)])
    raw = bytearray(renamed(builder.build()))
    struct.pack_into(">q", raw, 0, first_offset)
    return bytes(raw)


def renamed(batch: bytes) -> bytes:
    """The batch with the one name in GBK, its checksum made anew."""
    raw = bytearray(bytes(batch).replace(NAME, GBK))
    struct.pack_into(">I", raw, 17, calc_crc32c(memoryview(bytes(raw))[21:]))
    return bytes(raw)


def read(data: bytes) -> list[fetcher.ConsumerRecord]:
    partition = TopicPartition("intake.events", 0)
    return list(fetcher.PartitionRecords(partition, fetcher.MemoryRecords(data), [], 0, None, None, True, 0))


def test_a_header_name_that_is_not_utf8_stops_nobody() -> None:
    assert Consumer is not None, "importing it is what makes the difference"
    found = read(odd_batch(0) + odd_batch(3))
    assert [record.offset for record in found] == [0, 1, 2, 3, 4, 5]
    assert [record.value for record in found[:3]] == [b"value 0", b"value 1", b"value 2"]
    assert [record.headers[0][0] for record in found[:3]] == ["first", GBK.decode("utf-8", "replace"), "last"]
    assert [record.headers[0][1] for record in found[:3]] == [b"fine", b"odd", b"fine"]


def test_the_library_still_fails_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from aiokafka.record.memory_records import MemoryRecords

    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    with pytest.raises(UnicodeDecodeError):
        read(odd_batch(0))


@pytest.mark.kafka
async def test_a_real_broker_takes_such_a_record_and_hands_it_out(kafka_bootstrap: str) -> None:
    partition = TopicPartition(f"odd-names-{uuid.uuid4().hex[:8]}", 0)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(partition.topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        batch = producer.create_batch()
        for place, (name, value) in enumerate(RECORDS):
            batch.append(key=b"key", value=b"value %d" % place, timestamp=1_000, headers=[(name, value)])
        batch._buffer = bytearray(renamed(batch._build()))
        await (await producer.send_batch(batch, partition.topic, partition=0))
    async with AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest") as reader:
        reader.assign([partition])
        found = [await reader.getone() for _ in RECORDS]
    assert [record.value for record in found] == [b"value 0", b"value 1", b"value 2"]
    assert found[1].headers == ((GBK.decode("utf-8", "replace"), b"odd"),)
