"""A whole service in process: real store, real routes, real dispatch of events; no broker, and a clock to move."""

import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from qianqiao_contracts import Event, EventData, decode_strict, encode, kafka_headers, make_event, new_id

from qianqiao_chassis.assembly import authenticator, http_app
from qianqiao_chassis.auth import GivenKeys
from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.consumer.dispatcher import Dispatcher
from qianqiao_chassis.consumer.handling import Handling
from qianqiao_chassis.consumer.operating import ParkedDesk, ParkedRecord
from qianqiao_chassis.consumer.parking import Parking
from qianqiao_chassis.consumer.retrying import RetryLoop
from qianqiao_chassis.consumer.subscriptions import RawRecord
from qianqiao_chassis.due import DueLoop
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.health import Health
from qianqiao_chassis.http.callers import Caller
from qianqiao_chassis.http.idempotency_store import StoredIdempotency
from qianqiao_chassis.http.parked import parked_routes
from qianqiao_chassis.relay.relay import Relay
from qianqiao_chassis.service import Chassis, Compose
from qianqiao_chassis.settings import ServiceSettings
from qianqiao_chassis.store.client import Store
from qianqiao_chassis.testing.recording import RecordingPublisher
from qianqiao_chassis.testing.tokens import TokenIssuer
from qianqiao_chassis.wiring import Wiring

_MAX_DUE_ROUNDS = 1_000


class Harness[S: ServiceSettings]:
    """`async with Harness("registry", RegistrySettings, compose) as h:` — the service runs inside the block.

    Without `mongo_url` an in-memory document store is started for the block. `settings` are field values of the
    settings class; the environment is not read. `clock` stands still until the test moves it. Background work is not
    run; call what it does yourself.
    """

    def __init__(
        self,
        service: str,
        settings_type: type[S],
        compose: Compose[S],
        *,
        mongo_url: str | None = None,
        settings: Mapping[str, Any] | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.service = service
        self.clock = clock or FakeClock()
        self.publisher = RecordingPublisher()
        self._settings_type = settings_type
        self._compose = compose
        self._mongo_url = mongo_url
        self._given = dict(settings or {})
        self._stack = AsyncExitStack()
        self._offsets = itertools.count()
        self._seen = 0

    async def __aenter__(self) -> Self:
        """Start everything."""
        _trace_ids()
        await self._stack.__aenter__()
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Stop everything, in the reverse order."""
        await self._stack.aclose()

    async def _start(self) -> None:
        url = self._mongo_url
        if url is None:
            url = await self._stack.enter_async_context(_memory_store())
        database = str(self._given.pop("mongo_database", f"t_{new_id().replace('-', '')}"))
        self.settings: S = self._settings_type(
            **{"mongo_url": url, "mongo_database": database, **self._given},
            _env_prefix="QIANQIAO_NOT_READ_IN_TESTS_",
        )
        self.store = await self._stack.enter_async_context(Store(url, database))
        self._stack.push_async_callback(self._drop, database)
        wiring = Wiring(self.service, self.store, self.clock)
        self.chassis: Chassis[S] = Chassis(self.service, self.settings, self.clock, wiring)
        self._compose(self.chassis)
        await wiring.ensure_indexes()
        idempotency = StoredIdempotency(self.store, self.clock)
        await idempotency.prepare()
        self.relay = Relay(self.publisher, clock=self.clock)
        for outbox in wiring.outboxes:
            self.relay.watch(outbox)
        await self._stack.enter_async_context(self.relay)
        wiring.waker.relay = self.relay
        await self._start_dispatch()
        self.tokens = TokenIssuer(self.clock, issuer=self.settings.jwt_issuer, audience=self.settings.jwt_audience)
        check = authenticator(self.settings, self.clock, GivenKeys(self.tokens.jwks))
        self.health = Health(self.service, dict(self.chassis.checks))
        routes = [*self.chassis.routes, parked_routes(self.desk)]
        self.app = http_app(self.health, routes, self.settings, check, idempotency)
        for hook in self.chassis.start_hooks:
            await hook()
        for hook in self.chassis.stop_hooks:  # pushed in order, so run last declared first
            self._stack.push_async_callback(hook)

    async def _start_dispatch(self) -> None:
        parking, handling = Parking(self.store, self.clock), Handling(self.chassis.subscriptions)
        await parking.ensure_indexes()
        self.desk = ParkedDesk(self.store, self.clock)
        self._dispatcher = Dispatcher(handling, parking)
        self._dues = [
            DueLoop(work.repository, work.handler, self.clock, lease=work.lease, concurrency=work.concurrency)
            for work in self.chassis.due_work
        ]
        self._retries = RetryLoop(parking, handling, self.clock)

    async def _drop(self, database: str) -> None:
        await self.store.database.client.drop_database(database)

    def client(
        self,
        *,
        party: str | None = None,
        roles: Sequence[str] = (),
        subject: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.AsyncClient:
        """Return an HTTP client of the service: with a valid token when a party, role or subject is given, else none.

        It need not be closed.
        """
        sent = dict(headers or {})
        if party is not None or roles or subject is not None:
            who = subject or f"user-of-{party or 'operator'}"
            sent["Authorization"] = f"Bearer {self.tokens.token(subject=who, party=party, roles=roles)}"
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=f"http://{self.service}", headers=sent)

    def caller(self, *, party: str | None = None, roles: Sequence[str] = (), subject: str = "user") -> Caller:
        """Return a caller as a route would see it, for calling use cases directly."""
        return Caller(subject, party, frozenset(roles))

    async def deliver(
        self,
        event: EventData | Event[Any],
        *,
        subject: str = "subject-1",
        sequence: int = 1,
        source: str | None = None,
        **envelope: Any,
    ) -> Event[Any]:
        """Hand the service an event as if Kafka had delivered it, and return the event.

        Data is put into an envelope first: `source` is by default the owner of its topic, `envelope` may hold
        `correlationid`, `causationid`, `traceparent`, `id`, `time`. A handler that fails parks the record (`parked`).
        """
        if isinstance(event, EventData):
            envelope.setdefault("time", self.clock.now())
            owner = source or f"/services/{type(event).topic.owner}"
            event = make_event(event, source=owner, subject=subject, sequence=sequence, **envelope)
        headers = {name: bytes(value) for name, value in kafka_headers(event)}
        await self.deliver_raw(type(event.data).topic.name, encode(event), key=event.subject.encode(), headers=headers)
        return event

    async def deliver_raw(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Mapping[str, bytes] | None = None,
    ) -> None:
        """Hand the service a record as it is: bytes that are no event, a null value (tombstone), odd headers."""
        offset = next(self._offsets)
        sent = tuple((headers or {}).items())
        result = await self._dispatcher.dispatch([RawRecord(topic, 0, offset, key, value, sent, offset)])
        if result.store_away:
            raise StoreUnavailable("the record was neither handled nor parked")

    async def parked(self) -> list[ParkedRecord]:
        """Return the records now parked, in the order of their arrival."""
        return sorted(await self.desk.list(limit=1_000), key=lambda record: record.offset)

    async def retry_parked(self) -> int:
        """Try parked records whose time has come at `clock.now()`; return how many tries were made."""
        return await self._retries.run_once()

    async def published(self) -> list[Event[Any]]:
        """Return what the service published since the last call, in order; each must pass the strict contract."""
        await self.relay.drained()
        records = self.publisher.records[self._seen :]
        self._seen = len(self.publisher.records)
        return [decode_strict(record.value) for record in records if record.value is not None]

    async def run_due(self) -> int:
        """Run the timers over everything due at `clock.now()` until nothing is; return how many calls were made."""
        total = 0
        for _ in range(_MAX_DUE_ROUNDS):
            made = 0
            for loop in self._dues:
                made += await loop.run_once()
            total += made
            if made == 0:
                return total
        raise AssertionError("a timer stays due after it was handled: its handler saves no later due_at")

    def advance(self, by: timedelta) -> None:
        """Move the clock."""
        self.clock.advance(by)

    def problem(self, response: httpx.Response) -> dict[str, Any]:
        """Return the problem in `response`; AssertionError if it is not a complete one in both languages."""
        assert response.headers["content-type"] == "application/problem+json", response.text
        body: dict[str, Any] = json.loads(response.content)
        assert body["status"] == response.status_code
        assert all(body[member] for member in ("type", "code", "title", "title_en", "instance")), body
        return body


def _trace_ids() -> None:
    """Give spans ids, once a process: without a provider an outbox would carry no trace."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())


@asynccontextmanager
async def _memory_store() -> AsyncIterator[str]:
    """A document store of our own in this process, spoken to over the wire."""
    from mongoeco.engines import MemoryEngine  # only tests have it installed
    from mongoeco.wire import AsyncMongoEcoProxyServer

    server = AsyncMongoEcoProxyServer(engine=MemoryEngine(), host="127.0.0.1", port=0)
    await server.start()
    try:
        yield f"mongodb://{server.address.host}:{server.address.port}"
    finally:
        await server.close()
