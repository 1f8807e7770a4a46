"""The consumer suite on a real Apache Kafka, with every store given; the relay's own suite on Kafka beside it."""

import uuid
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from qianqiao_chassis.kafka import KafkaConnection
from qianqiao_chassis.relay import KafkaPublisher, OutRecord
from qianqiao_chassis.testing.conformance.consumer import ConsumerSuite
from qianqiao_chassis.testing.conformance.relay import Broker, RelaySuite

pytestmark = pytest.mark.kafka


class TestConsumer(ConsumerSuite):
    pass


class KafkaBroker:
    """One topic of a real Kafka; records for any topic go there, so that tests do not meet."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._connection = KafkaConnection(bootstrap)
        self._topic = topic

    def publisher(self) -> KafkaPublisher:
        publisher = KafkaPublisher(self._connection, client_id=f"relay-{uuid.uuid4().hex[:6]}")
        original = publisher.send
        publisher.send = lambda record: original(OutRecord(self._topic, record.key, record.value, record.headers))  # type: ignore[method-assign]
        return publisher

    async def published(self, count: int) -> list[OutRecord]:
        consumer = AIOKafkaConsumer(**self._connection.client_options(), enable_auto_commit=False)
        await consumer.start()
        try:
            partition = TopicPartition(self._topic, 0)
            consumer.assign([partition])
            end = (await consumer.end_offsets([partition]))[partition]
            assert end >= count
            consumer.seek(partition, 0)
            records: list[OutRecord] = []
            while len(records) < end:
                for batch in (await consumer.getmany(timeout_ms=1_000)).values():
                    records += [OutRecord(r.topic, r.key.decode(), r.value, tuple(r.headers)) for r in batch]
            return records
        finally:
            await consumer.stop()


class TestRelayOnKafka(RelaySuite):
    @pytest.fixture
    def broker(self, kafka_bootstrap: str, fresh_topic: Callable[..., str]) -> Broker:
        return KafkaBroker(kafka_bootstrap, fresh_topic(1))
