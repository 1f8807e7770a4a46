"""Header names that are not UTF-8, as the fetcher gets them from a broker."""

import struct

import pytest
from aiokafka import TopicPartition
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
    raw = bytearray(builder.build().replace(NAME, GBK))
    struct.pack_into(">q", raw, 0, first_offset)
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
