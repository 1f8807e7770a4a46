"""What keeps a Kafka client from standing still after a broker was lost, on the event loop that services run on."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from qianqiao_chassis import kafka_client
from qianqiao_chassis.kafka import KafkaConnection
from qianqiao_chassis.relay import KafkaPublisher, OutRecord
from qianqiao_chassis.testing.waiting import eventually

pytestmark = pytest.mark.kafka


def test_a_connection_that_was_lost_is_an_error_of_kafka_not_of_the_event_loop(kafka_bootstrap: str) -> None:
    host, _, port = kafka_bootstrap.partition(":")

    async def asked_once_it_was_lost() -> None:
        kafka_client.install()
        connection = await create_conn(host, int(port))
        connection._read_task.cancel()  # it has not noticed yet
        connection._writer.transport.abort()
        await asyncio.sleep(0.05)
        await connection.send(MetadataRequest([]))

    with pytest.raises(KafkaConnectionError):
        uvloop.run(asked_once_it_was_lost())


async def test_a_producer_outlives_an_error_in_what_it_learns_of_the_cluster(
    kafka_bootstrap: str, fresh_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = KafkaPublisher(KafkaConnection(kafka_bootstrap), client_id="relay-metadata")
    await (await publisher.send(OutRecord(fresh_topic(1), "n-1", b"{}", ())))
    assert publisher._producer is not None
    client = publisher._producer.client
    with monkeypatch.context() as patch:
        patch.setattr(client.cluster, "update_metadata", _raise)
        client.force_metadata_update()
        await eventually(client._sync_task.done)
    async with asyncio.timeout(20):
        await (await publisher.send(OutRecord(fresh_topic(1), "n-1", b"{}", ())))  # a topic it has to learn of
    await publisher.close()


def _raise(*args: object) -> None:
    raise ZeroDivisionError
