"""The fixtures other packages build their tests on."""

import os
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pymongo import AsyncMongoClient
from qianqiao_contracts import TOPICS
from qianqiao_stack.topics import create_topics, verify_topics


@pytest.mark.kafka
async def test_a_record_goes_through_the_given_kafka(kafka_bootstrap: str, fresh_topic: Callable[..., str]) -> None:
    topic = fresh_topic(partitions=2)
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, b"value", key=b"key")
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        assert (await consumer.getone()).value == b"value"


async def test_each_test_has_a_database_of_its_own(mongo_url: str, mongo_database: str) -> None:
    async with AsyncMongoClient(mongo_url) as client:
        things = client[mongo_database]["things"]
        assert await things.count_documents({}) == 0
        await things.insert_one({"_id": "one"})
        assert await things.count_documents({}) == 1


@pytest.mark.kafka
async def test_topics_of_the_contracts_are_created_as_declared(contract_topics: str) -> None:
    assert await verify_topics(contract_topics) == []
    assert await create_topics(contract_topics) == []


@pytest.mark.kafka
async def test_a_topic_that_differs_is_told(contract_topics: str, fresh_topic: Callable[..., str]) -> None:
    import dataclasses

    name = fresh_topic(partitions=2)
    wanted = dataclasses.replace(
        next(iter(TOPICS.values())), name=name, partitions=3, retention_days=7, compacted=False
    )
    absent = dataclasses.replace(wanted, name="nowhere")
    sentences = [difference.en for difference in await verify_topics(contract_topics, topics=[wanted, absent])]
    assert sentences == [
        "topic nowhere is missing",
        f"topic {name} has 2 partitions, expected 3",
        f"topic {name} has retention.ms = -1, expected 604800000",
    ]


def test_the_header_names_the_engines(pytester_header: list[str]) -> None:
    assert "kafka = " in pytester_header[0]
    assert "store = " in pytester_header[0]


@pytest.fixture
def pytester_header() -> list[str]:
    from qianqiao_stack.pytest_plugin import pytest_report_header

    return pytest_report_header()


def test_a_password_is_not_in_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    from qianqiao_stack.pytest_plugin import pytest_report_header

    monkeypatch.setitem(os.environ, "QIANQIAO_TEST_MONGO_URL", "mongodb://me:secret@db.example/")
    assert "secret" not in pytest_report_header()[0]
    assert "db.example" in pytest_report_header()[0]
