"""A real Kafka, one broker and three: what was acknowledged is there after kill -9, and the cluster heals."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from qianqiao_stack.errors import StackError
from qianqiao_stack.kafka import Kafka, Node, kafka_uuid, properties

pytestmark = pytest.mark.kafka


@asynccontextmanager
async def running(kafka: Kafka) -> AsyncIterator[Kafka]:
    kafka.launch()
    try:
        await kafka.ready()
        yield kafka
    finally:
        for broker in kafka.brokers:
            broker.kill9()


async def topic(kafka: Kafka, name: str, copies: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, copies)])
    await admin.close()


async def produce(kafka: Kafka, name: str, first: int, last: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all", enable_idempotence=True) as producer:
        for number in range(first, last):
            await producer.send_and_wait(name, str(number).encode(), key=b"k")


async def values(kafka: Kafka, name: str, count: int) -> list[int]:
    async with AIOKafkaConsumer(name, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest") as consumer:
        async with asyncio.timeout(60):
            return [int((await consumer.getone()).value or b"") for _ in range(count)]


async def test_one_broker_keeps_what_it_acknowledged_and_its_address(tmp_path: Path) -> None:
    first = Kafka(tmp_path)
    async with running(first):
        await topic(first, "t", 1)
        await produce(first, "t", 0, 50)
        first.brokers[0].kill9()
        await first.brokers[0].restart()
        await produce(first, "t", 50, 60)
        assert await values(first, "t", 60) == list(range(60))
        assert "Kafka Server started" in first.brokers[0].log_file.read_text()
        await first.stop()
    second = Kafka(tmp_path)
    assert second.bootstrap == first.bootstrap
    async with running(second):
        assert await values(second, "t", 60) == list(range(60))


async def test_three_brokers_lose_nothing_when_a_leader_is_killed(tmp_path: Path) -> None:
    async with running(Kafka(tmp_path, brokers=3)) as kafka:
        await topic(kafka, "t", 3)
        writing = asyncio.create_task(produce(kafka, "t", 0, 200))
        leader = await leader_of(kafka, "t")
        victim = next(broker for broker in kafka.brokers if broker.node.number == leader)
        victim.kill9()
        await writing
        assert await values(kafka, "t", 200) == list(range(200))
        assert await leader_of(kafka, "t") != leader
        await victim.restart()
        await kafka.ready()


async def leader_of(kafka: Kafka, name: str) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        described = await admin.describe_topics([name])
    finally:
        await admin.close()
    return int(described[0]["partitions"][0]["leader"])


@pytest.fixture(scope="module")
def other_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sizes")
    for number in (1, 2, 3):
        broker = folder / f"broker-{number}"
        broker.mkdir()
        nodes = [Node(i, 100 + i, 200 + i) for i in (1, 2, 3)]
        lines = [f"{k}={v}" for k, v in properties(nodes[number - 1], nodes, broker / "data").items()]
        (broker / "server.properties").write_text("\n".join(lines))
    return folder


def test_data_of_three_brokers_does_not_start_as_one(other_size: Path) -> None:
    with pytest.raises(StackError) as refusal:
        Kafka(other_size, brokers=1)
    assert refusal.value.code == "stack-kafka-other-size"
    assert "qianqiao reset" in refusal.value.zh


def test_copies_and_sync_follow_the_size(tmp_path: Path) -> None:
    nodes = [Node(i, 100 + i, 200 + i) for i in (1, 2, 3)]
    one, three = properties(nodes[0], nodes[:1], tmp_path), properties(nodes[0], nodes, tmp_path)
    assert (one["default.replication.factor"], one["min.insync.replicas"]) == ("1", "1")
    assert (three["default.replication.factor"], three["min.insync.replicas"]) == ("3", "2")
    assert three["controller.quorum.voters"] == "1@127.0.0.1:201,2@127.0.0.1:202,3@127.0.0.1:203"
    assert one["auto.create.topics.enable"] == "false"


def test_ids_are_as_kafka_writes_them() -> None:
    ids = {kafka_uuid() for _ in range(500)}
    assert len(ids) == 500
    assert all(len(one) == 22 and not one.startswith("-") for one in ids)


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        kafka = Kafka(tmp_path, ports=[taken.getsockname()[1]])
        kafka.launch()
        try:
            with pytest.raises(StackError) as failure:
                await kafka.brokers[0].ready(lambda: False, within=60)
        finally:
            kafka.brokers[0].kill9()
    assert failure.value.code == "stack-process-ended"
    assert "Address already in use" in kafka.brokers[0].log_file.read_text()
