"""The service as a process of its own, on a real Kafka: from the events on the topics to the mail, and a clean stop."""

import asyncio
import os
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.parser import BytesParser
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from qianqiao_contracts import EventData, encode, kafka_headers, make_event

pytestmark = pytest.mark.kafka

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def _serving(settings: dict[str, Any], port: int) -> AsyncIterator[None]:
    given = {f"QIANQIAO_{name.upper()}": str(value) for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "notify", "serve", env={**os.environ, **given, "QIANQIAO_HTTP_PORT": str(port)}
    )
    try:
        async with asyncio.timeout(90), httpx.AsyncClient(trust_env=False) as client:
            while not await _ready(client, port):
                assert process.returncode is None, "the service ended instead of starting"
                await asyncio.sleep(0.2)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(60):
            assert await process.wait() == 0, "a clean stop"


async def _ready(client: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await client.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200
    except httpx.HTTPError:
        return False


async def _publish(producer: AIOKafkaProducer, data: EventData, subject: str) -> None:
    event = make_event(data, source=f"/services/{data.topic.owner}", subject=subject, sequence=1, traceparent=TRACE)
    await producer.send_and_wait(data.topic.name, encode(event), key=subject.encode(), headers=kafka_headers(event))


async def test_from_kafka_to_the_mail(
    contract_topics: str, mongo_url: str, mongo_database: str, story: Any,
    scripted_smtp: Any, mail_settings: Any, eventually: Any,
) -> None:  # fmt: skip
    mine = f"party-{uuid.uuid4()}"
    contact = story.contact(mine, channels=("email",))
    proposed = story.proposed(party_a=mine, party_b=f"party-{uuid.uuid4()}")
    place = {"kafka_bootstrap": contract_topics, "mongo_url": mongo_url, "mongo_database": mongo_database}
    async with scripted_smtp() as smtp, _serving(mail_settings(smtp.port) | place, _free_port()):
        async with AIOKafkaProducer(bootstrap_servers=contract_topics) as producer:
            for _ in range(2):
                await _publish(producer, contact, contact.contact)
                await _publish(producer, story.party("演示企业"), mine)
                await _publish(producer, story.party("演示大学"), proposed.party_b)
                await _publish(producer, proposed, f"match-of-{mine}")
        await eventually(lambda: any(mine.encode() in raw for raw in smtp.messages), within_s=120)
        raw = [raw for raw in smtp.messages if mine.encode() in raw]
    assert len(raw) == 1
    mail = BytesParser(policy=policy.default).parsebytes(raw[0])
    assert mail["X-Trace-Id"] == TRACE.split("-")[1]
