"""Over real HTTP: bodies too large, too slow, broken off; connections and headers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from edge_sample import SampleSettings, compose
from qianqiao_chassis.http.server import HttpServer
from qianqiao_chassis.testing.harness import Harness

LIMIT = 4096


class Wire:
    """One raw connection to a service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split(" ")[1]), headers, body


@pytest.fixture
async def service() -> AsyncIterator[tuple[Harness[SampleSettings], int]]:
    settings: dict[str, Any] = {"http_max_body": LIMIT, "http_body_timeout_s": 0.3}
    async with (
        Harness("t", SampleSettings, compose, settings=settings) as h,
        HttpServer(h.app, "127.0.0.1", 0, grace_s=1) as server,
    ):
        yield h, server.port


@pytest.fixture
async def wire(service: tuple[Harness[SampleSettings], int]) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", service[1])
    yield Wire(reader, writer)
    writer.close()


def head(h: Harness[SampleSettings], *lines: str) -> bytes:
    token = h.tokens.token(subject="u", party="p", roles=["enterprise"])
    fixed = ["POST /v1/notes HTTP/1.1", "Host: t", "Content-Type: application/json", f"Authorization: Bearer {token}"]
    return ("\r\n".join([*fixed, *lines]) + "\r\n\r\n").encode()


async def test_a_declared_ten_megabytes_are_refused_before_they_are_sent(
    service: tuple[Harness[SampleSettings], int], wire: Wire
) -> None:
    await wire.send(head(service[0], "Content-Length: 10485760"))
    status, headers, body = await wire.answer()
    assert status == 413
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/problem+json"
    assert b'"code": "body-too-large"' in body


async def test_an_undeclared_flood_is_refused_at_the_limit(
    service: tuple[Harness[SampleSettings], int], wire: Wire
) -> None:
    await wire.send(head(service[0], "Transfer-Encoding: chunked"))
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    await wire.send(chunk * 5)
    status, _, body = await wire.answer()
    assert status == 413
    assert b'"limit": 4096' in body


async def test_a_client_that_sends_all_ten_megabytes_still_reads_the_refusal(
    service: tuple[Harness[SampleSettings], int], wire: Wire
) -> None:
    await wire.send(head(service[0], "Content-Length: 10485760"))
    block = b"x" * 65_536
    for _ in range(160):
        await wire.send(block)
    status, _, _ = await wire.answer()
    assert status == 413


async def test_a_body_at_the_limit_is_read(service: tuple[Harness[SampleSettings], int], wire: Wire) -> None:
    body = b'{"text": "a"' + b" " * (LIMIT - 13) + b"}"
    assert len(body) == LIMIT
    await wire.send(head(service[0], f"Content-Length: {LIMIT}") + body)
    assert (await wire.answer())[0] == 201


async def test_a_body_that_stops_coming_is_given_up(service: tuple[Harness[SampleSettings], int], wire: Wire) -> None:
    await wire.send(head(service[0], "Content-Length: 100") + b'{"text"')
    status, headers, body = await wire.answer()
    assert status == 408
    assert headers["connection"] == "close"
    assert b'"code": "body-timeout"' in body


async def test_a_client_that_hangs_up_in_mid_body_leaves_the_service_well(
    service: tuple[Harness[SampleSettings], int], wire: Wire
) -> None:
    await wire.send(head(service[0], "Content-Length: 100") + b'{"text"')
    wire.writer.close()
    await wire.writer.wait_closed()
    reader, writer = await asyncio.open_connection("127.0.0.1", service[1])
    other = Wire(reader, writer)
    await other.send(head(service[0], "Content-Length: 13") + b'{"text": "a"}')
    assert (await other.answer())[0] == 201
    writer.close()
    assert await service[0].store.collection("notes").count_documents({}) == 1


async def test_the_connection_is_kept_and_every_answer_has_the_same_headers(
    service: tuple[Harness[SampleSettings], int], wire: Wire
) -> None:
    for path, expected in (("/v1/greeting", 200), ("/nothing", 404), ("/v1/broken", 500), ("/health/live", 200)):
        await wire.send(f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        status, headers, _ = await wire.answer()
        assert status == expected
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-request-id"]
        assert "server" not in headers


async def test_header_bytes_that_are_no_text_are_survived(
    service: tuple[Harness[SampleSettings], int], wire: Wire
) -> None:
    await wire.send(
        b"GET /v1/greeting HTTP/1.1\r\nHost: t\r\nX-Request-Id: \xff\xfe\r\ntraceparent: \xff\r\n"
        b"Authorization: Bearer \xff\xfe\r\nIdempotency-Key: \xff\r\n\r\n"
    )
    status, headers, body = await wire.answer()
    assert status == 401
    assert b"token-malformed" in body
    assert len(headers["x-request-id"]) == 36


async def test_a_request_head_without_end_is_refused(wire: Wire) -> None:
    await wire.send(b"GET /v1/greeting HTTP/1.1\r\nHost: t\r\n")
    for n in range(70):
        await wire.send(f"X-{n}: ".encode() + b"x" * 1000 + b"\r\n")
    status, _, body = await wire.answer()
    assert status == 431
    assert b"head-too-large" in body


async def test_a_head_that_does_not_end_in_time_is_given_up(
    service: tuple[Harness[SampleSettings], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qianqiao_chassis.http.protocol.HEAD_TIMEOUT_S", 0.2)
    for begun in (b"", b"GET /v1/greeting HTTP/1.1\r\nHost"):
        reader, writer = await asyncio.open_connection("127.0.0.1", service[1])
        slow = Wire(reader, writer)
        await slow.send(begun)
        assert (await slow.answer())[0] == 408
        writer.close()


async def test_a_connection_that_pauses_between_requests_is_not_given_up(
    service: tuple[Harness[SampleSettings], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qianqiao_chassis.http.protocol.HEAD_TIMEOUT_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", service[1])
    patient = Wire(reader, writer)
    for pause in (0.0, 0.4):
        await asyncio.sleep(pause)  # the pause itself is what is tested
        await patient.send(b"GET /v1/greeting HTTP/1.1\r\nHost: t\r\n\r\n")
        assert (await patient.answer())[0] == 200
    writer.close()


@pytest.mark.parametrize("request_line", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\r\n\r\nNONSENSE\r\n\r\n"])
async def test_what_is_no_http_is_told_so(wire: Wire, request_line: bytes) -> None:
    await wire.send(request_line)
    status, headers, body = await wire.answer()
    assert status == 400
    assert headers["content-type"] == "application/problem+json"
    assert b"malformed-request" in body
