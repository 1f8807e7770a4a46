"""A service as a process of its own, on a real Apache Kafka: start, work, stop, and how it says what is missing."""

import asyncio
import gzip
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from edge_process import Program, program, until
from edge_sample import party
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from qianqiao_chassis.http.server import HttpServer
from qianqiao_contracts import decode_strict, encode, make_event, new_id

pytestmark = pytest.mark.kafka


async def _close_note(client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    made = await client.post("/v1/notes", json={"text": "你好"}, headers=headers)
    assert made.status_code == 201, made.text
    note = str(made.json()["id"])
    closed = await client.post(f"/v1/notes/{note}/close", headers={**headers, "If-Match": made.headers["etag"]})
    assert closed.status_code == 200, closed.text
    return note


async def _published(kafka: str, subject: str) -> list[str]:
    consumer = AIOKafkaConsumer("registry.policies", bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            async for record in consumer:
                if record.key == subject.encode():
                    return [decode_strict(record.value).type]
    finally:
        await consumer.stop()
    raise AssertionError("unreachable")


async def _publish_party(kafka: str, subject: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        event = make_event(party("桥梁厂"), source="/services/registry", subject=subject, sequence=1)
        await producer.send_and_wait("registry.parties", encode(event), key=subject.encode())
    finally:
        await producer.stop()


async def _name_known(running: Program, subject: str) -> None:
    async with httpx.AsyncClient(base_url=running.url) as client:

        async def look() -> bool | None:
            return (await client.get(f"/v1/names/{subject}")).json()["name"] == "桥梁厂" or None

        await until(look, "the projection")


async def test_request_to_kafka_and_kafka_to_projection(
    tmp_path: Path, contract_topics: str, mongo_url: str, mongo_database: str
) -> None:
    async with program(tmp_path, contract_topics, mongo_url, mongo_database) as running:
        await running.ready()
        async with httpx.AsyncClient(base_url=running.url) as client:
            note = await _close_note(client, running.headers())
            metrics = await client.get("/metrics")
        assert await _published(contract_topics, note) == ["qianqiao.PolicyRetired.v1"]
        assert "http_server_request_duration_seconds_count" in metrics.text
        assert 'le="0.005"' in metrics.text, "bounds are seconds, not milliseconds"
        subject = f"party-{new_id()}"
        await _publish_party(contract_topics, subject)
        await _name_known(running, subject)
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0
        assert running.logged("stopped") is not None


async def test_a_request_in_hand_is_answered_after_sigterm(
    tmp_path: Path, contract_topics: str, mongo_url: str, mongo_database: str
) -> None:
    async with program(tmp_path, contract_topics, mongo_url, mongo_database, EDGE_FOLDER=str(tmp_path)) as running:
        await running.ready()
        async with httpx.AsyncClient(base_url=running.url, timeout=20) as client:
            waiting = asyncio.create_task(client.post("/wait"))

            async def begun() -> bool | None:
                return (tmp_path / "begun").exists() or None

            await until(begun, "the request")
            running.signal(signal.SIGTERM)

            async def refused() -> bool | None:
                try:
                    async with httpx.AsyncClient(base_url=running.url, timeout=2) as other:
                        await other.get("/health/live")
                except httpx.ConnectError:
                    return True
                return None

            await until(refused, "the end of intake")
            assert not waiting.done()
            (tmp_path / "go-on").touch()
            answer = await waiting
        assert answer.status_code == 200
        assert answer.json() == {"finished": True}
        assert await running.ended() == 0


async def test_a_missing_topic_is_named_and_the_process_fails(
    tmp_path: Path, contract_topics: str, mongo_url: str, mongo_database: str
) -> None:
    async with program(
        tmp_path,
        contract_topics,
        mongo_url,
        mongo_database,
        EDGE_TOPIC="nowhere.records",
        QIANQIAO_STARTUP_WAIT_S="0.2",
    ) as running:
        assert await running.ended() == 1
        said = running.logged("not started")
        assert said is not None
        assert said["code"] == "topics-missing"
        assert "nowhere.records" in said["zh"]
        assert "nowhere.records" in said["en"]


async def test_a_store_that_is_away_is_named_and_the_process_fails(tmp_path: Path, contract_topics: str) -> None:
    away = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"
    async with program(tmp_path, contract_topics, away, "t_away", QIANQIAO_STARTUP_WAIT_S="0.2") as running:
        assert await running.ended() == 1
        said = running.logged("not started")
        assert said is not None
        assert said["code"] == "store-unavailable"


async def test_sigterm_during_the_start_ends_it_cleanly(tmp_path: Path, mongo_url: str, mongo_database: str) -> None:
    async with program(tmp_path, "127.0.0.1:9", mongo_url, mongo_database) as running:

        async def waiting() -> bool | None:
            return running.logged("waiting") is not None or None

        await until(waiting, "the wait for Kafka")
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0


async def test_background_work_that_dies_ends_the_process(
    tmp_path: Path, contract_topics: str, mongo_url: str, mongo_database: str
) -> None:
    async with program(tmp_path, contract_topics, mongo_url, mongo_database, EDGE_DIES="1") as running:
        assert await running.ended() == 1
        said = running.logged("a part of the process died")
        assert said is not None
        assert "fragile" in said["part"]
        assert "the background work broke" in said["exception"]


async def test_a_part_of_the_chassis_that_dies_ends_the_process(
    tmp_path: Path, contract_topics: str, mongo_url: str, mongo_database: str
) -> None:
    async with program(tmp_path, contract_topics, mongo_url, mongo_database, EDGE_SWEEP_DIES="1") as running:
        assert await running.ended() == 1
        said = running.logged("a part of the process died")
        assert said is not None
        assert said["part"] == "relay-sweep ended by itself"
        assert "the sweep broke" in said["exception"]


async def test_api_and_worker_as_two_processes(
    tmp_path: Path, contract_topics: str, mongo_url: str, mongo_database: str
) -> None:
    subject = f"party-{new_id()}"
    async with program(tmp_path, contract_topics, mongo_url, mongo_database, "serve", "--only", "api") as api:
        await api.ready()
        await _publish_party(contract_topics, subject)
        async with httpx.AsyncClient(base_url=api.url) as client:
            note = await _close_note(client, api.headers())
            ready = (await client.get("/health/ready")).json()
        assert [check["name"] for check in ready["checks"]] == ["store", "outbox"]
        assert await _published(contract_topics, note) == ["qianqiao.PolicyRetired.v1"]
        async with program(tmp_path, contract_topics, mongo_url, mongo_database, "serve", "--only", "worker") as worker:
            await worker.ready()
            async with httpx.AsyncClient(base_url=worker.url) as client:
                assert (await client.get("/v1/greeting")).status_code == 404
            await _name_known(api, subject)


async def test_wrong_settings_are_named_without_their_values(tmp_path: Path) -> None:
    async with program(
        tmp_path, "none", "none", "none", QIANQIAO_HTTP_PORT="s3cret", QIANQIAO_TRACE_RATIO="7"
    ) as running:
        assert await running.ended() == 2
        text = next(tmp_path.glob("log-*")).read_text(encoding="utf-8")
        assert "QIANQIAO_HTTP_PORT" in text
        assert "QIANQIAO_TRACE_RATIO" in text
        assert "s3cret" not in text


class Collector:
    """Receives spans as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        encoding = dict(scope["headers"]).get(b"content-encoding")
        request = ExportTraceServiceRequest.FromString(gzip.decompress(body) if encoding == b"gzip" else body)
        for resource in request.resource_spans:
            for group in resource.scope_spans:
                self.spans += group.spans
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def test_one_trace_from_the_request_through_the_store(
    tmp_path: Path, contract_topics: str, mongo_url: str, mongo_database: str
) -> None:
    collector, trace_id = Collector(), "0af7651916cd43dd8448eb211c80319c"
    async with HttpServer(collector, "127.0.0.1", 0, grace_s=1) as server:
        endpoint = f"http://127.0.0.1:{server.port}"
        async with program(
            tmp_path, contract_topics, mongo_url, mongo_database, QIANQIAO_OTLP_ENDPOINT=endpoint
        ) as running:
            await running.ready()
            sent = {**running.headers(), "traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
            async with httpx.AsyncClient(base_url=running.url) as client:
                await _close_note(client, sent)
            running.signal(signal.SIGTERM)
            assert await running.ended() == 0
    mine = [span for span in collector.spans if span.trace_id.hex() == trace_id]
    by_name = {span.name: span for span in mine}
    served = by_name["POST /v1/notes/{id}/close"]
    assert served.parent_span_id.hex() == "b7ad6b7169203331"
    assert any(span.parent_span_id == served.span_id for span in mine if span.name.endswith(" notes")), sorted(by_name)
