"""All request bodies together: no more of them is held than the budget allows, however many connections there are."""

import asyncio
import gc
import json
from typing import Any

import pytest
from edge_sample import SampleSettings, compose
from qianqiao_chassis.http.body_limit import BodyLimit
from qianqiao_chassis.http.server import HttpServer
from qianqiao_chassis.http.state import KEY, RequestState
from qianqiao_chassis.testing.harness import Harness
from qianqiao_chassis.testing.waiting import eventually
from starlette.types import Message, Receive, Scope, Send

LIMIT, BUDGET = 100, 250


class Client:
    """One request whose body comes in pieces, when the test says so."""

    def __init__(self, app: BodyLimit) -> None:
        self.sent: list[Message] = []
        self._pieces: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "http", "headers": [], KEY: RequestState("request-1")}
        self.request = asyncio.create_task(app(scope, self._pieces.get, self._send))  # type: ignore[arg-type]

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    async def piece(self, size: int, *, last: bool = False) -> None:
        self._pieces.put_nowait({"type": "http.request", "body": b"x" * size, "more_body": not last})
        for _ in range(5):
            await asyncio.sleep(0)

    async def hang_up(self) -> None:
        self._pieces.put_nowait({"type": "http.disconnect"})
        await self.ended()

    async def ended(self) -> None:
        async with asyncio.timeout(5):
            await self.request

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None


class App:
    """Answers when it may, and holds its body until then."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def bounded(app: App, monkeypatch: pytest.MonkeyPatch) -> BodyLimit:
    monkeypatch.setattr("qianqiao_chassis.http.body_limit.LINGER_S", 0.01)
    return BodyLimit(app, limit=LIMIT, timeout_s=5, budget=BUDGET)


async def test_what_arrives_beyond_the_budget_is_refused_for_now(bounded: BodyLimit, app: App) -> None:
    app.may_answer.set()
    first, second, third = (Client(bounded) for _ in range(3))
    await first.piece(90)
    await second.piece(90)
    await third.piece(90)
    await third.ended()
    assert third.status == 503
    headers = dict(third.sent[0]["headers"])
    assert int(headers[b"retry-after"]) > 0
    body = json.loads(third.sent[1]["body"])
    assert body["code"] == "bodies-too-many"
    assert body["title"]
    assert body["title_en"]
    await first.piece(10, last=True)
    await first.ended()
    again = Client(bounded)
    await again.piece(90, last=True)
    await again.ended()
    assert (first.status, again.status) == (200, 200)
    await second.hang_up()
    assert bounded.budget.held == 0


async def test_a_body_counts_until_its_request_is_answered(bounded: BodyLimit, app: App) -> None:
    held = [Client(bounded) for _ in range(2)]
    for client in held:
        await client.piece(100, last=True)
    late = Client(bounded)
    await late.piece(60, last=True)
    await late.ended()
    assert late.status == 503
    small = Client(bounded)
    await small.piece(0, last=True)
    app.may_answer.set()
    await asyncio.gather(*(client.ended() for client in [*held, small]))
    assert [client.status for client in [*held, small]] == [200, 200, 200]
    assert bounded.budget.held == 0


async def test_announcing_holds_nothing_and_every_end_gives_back(bounded: BodyLimit, app: App) -> None:
    gone, large = Client(bounded), Client(bounded)
    await gone.piece(50)
    assert bounded.budget.held == 50
    await gone.hang_up()
    await large.piece(60)
    await large.piece(60)
    await large.ended()
    assert large.status == 413
    slow = BodyLimit(app, limit=LIMIT, timeout_s=0.01, budget=BUDGET)
    late = Client(slow)
    await late.piece(50)
    await late.ended()
    assert late.status == 408
    failing = BodyLimit(_fail, limit=LIMIT, timeout_s=5, budget=BUDGET)
    broken = Client(failing)
    await broken.piece(50, last=True)
    with pytest.raises(ZeroDivisionError):
        await broken.ended()
    assert (bounded.budget.held, slow.budget.held, failing.budget.held) == (0, 0, 0)


async def test_a_refused_body_is_let_go_before_the_rest_of_it_is_thrown_away(
    bounded: BodyLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qianqiao_chassis.http.body_limit.LINGER_S", 5)
    large = Client(bounded)
    await large.piece(60)
    await large.piece(60)
    assert large.status == 413
    assert bounded.budget.held == 0
    gc.collect()
    kept = [one for one in gc.get_objects() if isinstance(one, list) and one == [b"x" * 60]]
    assert kept == []
    await large.piece(0, last=True)
    await large.ended()


async def test_one_largest_body_always_fits(app: App) -> None:
    app.may_answer.set()
    client = Client(BodyLimit(app, limit=LIMIT, timeout_s=5, budget=1))
    await client.piece(LIMIT, last=True)
    await client.ended()
    assert client.status == 200


async def test_over_real_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qianqiao_chassis.http.body_limit.LINGER_S", 0.05)
    settings: dict[str, Any] = {"http_max_body": 4096, "http_body_budget": 10_000}
    async with (
        Harness("t", SampleSettings, compose, settings=settings) as h,
        HttpServer(h.app, "127.0.0.1", 0, grace_s=1) as server,
    ):
        token = h.tokens.token(subject="u", party="p", roles=["enterprise"])
        head = (
            f"POST /v1/notes HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}"
            "\r\nContent-Length: 4096\r\n\r\n"
        ).encode()
        body = b'{"text": "a"' + b" " * 4083 + b"}"
        wires = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
        for _, writer in wires:
            writer.write(head + body[:4000])
        refused = [reader for reader, _ in wires]
        await eventually(lambda: sum(bool(reader._buffer) for reader in refused) == 18)  # type: ignore[attr-defined]
        answers = []
        for reader, writer in wires:
            writer.write(body[4000:])
            answers.append((await reader.readline()).split(b" ")[1])
            writer.close()
        assert (answers.count(b"503"), answers.count(b"201")) == (18, 2)


async def _fail(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError
