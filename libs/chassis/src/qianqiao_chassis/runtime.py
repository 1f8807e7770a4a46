"""A service at work: one process with HTTP, consumer, relay and timers in one event loop, or a part of them.

The order of the `async with` blocks is the order of the start; the stop goes the other way: HTTP finishes its
requests, then the consumer its records, then the timers, then the relay publishes what is in hand, then the store
closes.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Literal

import structlog

from qianqiao_chassis.assembly import authenticator, http_app
from qianqiao_chassis.clock import Clock, SystemClock
from qianqiao_chassis.consumer.consumer import Consumer, ConsumerOptions
from qianqiao_chassis.consumer.dispatcher import Dispatcher
from qianqiao_chassis.consumer.handling import Handling
from qianqiao_chassis.consumer.operating import ParkedDesk
from qianqiao_chassis.consumer.parking import Parking
from qianqiao_chassis.consumer.retrying import RetryLoop
from qianqiao_chassis.due import DueLoop
from qianqiao_chassis.health import Check, Health, NotReady, merged
from qianqiao_chassis.http.idempotency_store import StoredIdempotency
from qianqiao_chassis.http.parked import parked_routes
from qianqiao_chassis.http.routes import Routes
from qianqiao_chassis.http.server import HttpServer
from qianqiao_chassis.relay.kafka import KafkaPublisher
from qianqiao_chassis.relay.relay import Relay
from qianqiao_chassis.service import Chassis, Compose
from qianqiao_chassis.settings import ServiceSettings
from qianqiao_chassis.startup import wait_for_store, wait_for_topics
from qianqiao_chassis.store.client import Store
from qianqiao_chassis.telemetry import instance_id
from qianqiao_chassis.wiring import Wiring

type Only = Literal["api", "worker"] | None
STALE = timedelta(seconds=30)
"""A consumer that had no answer from a broker for so long is not ready."""
log = structlog.get_logger("qianqiao.service")


class Died(Exception):  # noqa: N818 - what happened to a part of the process
    """A part that should run for ever ended; the process ends with an error, for the orchestrator to see."""


class Process[S: ServiceSettings]:
    """One process of a service. `run` returns when it was told to stop, or raises what killed it."""

    def __init__(self, service: str, settings: S, compose: Compose[S], *, only: Only = None) -> None:
        self._settings = settings
        self._only = only
        self._clock: Clock = SystemClock()
        self._store = Store(
            settings.mongo_url.get_secret_value(),
            settings.mongo_database or service,
            concurrency=settings.mongo_concurrency,
            app_name=f"qianqiao-{service}",
        )
        self.chassis: Chassis[S] = Chassis(service, settings, self._clock, Wiring(service, self._store, self._clock))
        compose(self.chassis)
        self.health = Health(service, {})
        self.port: int | None = None
        self._stop = asyncio.Event()
        self._vital: list[asyncio.Task[None]] = []

    def stop(self) -> None:
        """Begin the stop: not ready from now on. Safe to call again."""
        self.health.stopping = True
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop` is called. Raises Problem (not started), Died, TimeoutError (grace exceeded)."""
        stack = AsyncExitStack()
        try:
            await self._unless_stopped(asyncio.create_task(self._start(stack), name="start"))
            await self._until_stopped()
        except BaseException:
            try:
                await self._close(stack)
            except Exception:  # what ended the process matters more than what broke on its way out
                log.warning("error while stopping", exc_info=True)
            raise
        await self._close(stack)
        log.info("stopped")

    async def _close(self, stack: AsyncExitStack) -> None:
        self.stop()
        log.info("stopping", grace_s=self._settings.stop_grace_s)
        async with asyncio.timeout(self._settings.stop_grace_s):
            await stack.aclose()

    async def _unless_stopped(self, start: asyncio.Task[None]) -> None:
        """Wait for the start, or give it up when the process is told to stop meanwhile."""
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait([start, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not start.done():
            start.cancel()
            await asyncio.wait([start])
        if not start.cancelled():
            start.result()

    async def _start(self, stack: AsyncExitStack) -> None:
        wiring, settings = self.chassis.wiring, self._settings
        await stack.enter_async_context(self._store)
        await wait_for_store(self._store, settings.startup_wait_s)
        await wait_for_topics(self._topics(), settings.kafka_connection(), settings.startup_wait_s)
        await wiring.ensure_indexes()
        idempotency = StoredIdempotency(self._store, self._clock)
        await idempotency.prepare()
        parking = Parking(self._store, self._clock)
        await parking.ensure_indexes()
        relay = await self._enter_vital(stack, self._relay())
        await self._hooks(stack)
        checks: dict[str, Check] = {"store": self._store.ping, "outbox": self._outbox_check(relay)}
        if self._only != "api":
            consumer = await self._start_work(stack, parking)
            checks["consumer"] = self._consumer_check(consumer)
        self.health.checks = merged(checks, self.chassis.checks)
        check = authenticator(settings, self._clock)
        app = http_app(self.health, self._routes(), settings, check, idempotency)
        server = await stack.enter_async_context(
            HttpServer(app, settings.http_host, settings.http_port, grace_s=settings.stop_grace_s * 0.6)
        )
        self._watch("http", server.failed())
        self.port = server.port
        # What the start has made stays for ever: looking through it again and again would only make long pauses.
        gc.collect()
        gc.freeze()
        log.info("serving", url=f"http://{settings.http_host}:{server.port}", only=self._only or "all")

    def _topics(self) -> list[str]:
        topics = {outbox.topic for outbox in self.chassis.wiring.outboxes}
        if self._only != "api":
            topics.update(self.chassis.subscriptions.topics)
        return sorted(topics)

    def _routes(self) -> list[Routes]:
        if self._only == "worker":
            return []
        return [*self.chassis.routes, parked_routes(ParkedDesk(self._store, self._clock))]

    def _relay(self) -> Relay:
        connection = self._settings.kafka_connection()
        publisher = KafkaPublisher(connection, client_id=f"{self.chassis.service}-relay-{instance_id()}")
        relay = Relay(publisher, clock=self._clock)
        for outbox in self.chassis.wiring.outboxes:
            relay.watch(outbox)
        self.chassis.wiring.waker.relay = relay
        return relay

    async def _hooks(self, stack: AsyncExitStack) -> None:
        for hook in self.chassis.stop_hooks:
            stack.push_async_callback(hook)
        for hook in self.chassis.start_hooks:
            await hook()

    async def _start_work(self, stack: AsyncExitStack, parking: Parking) -> Consumer:
        chassis, settings = self.chassis, self._settings
        for name, work in chassis.background_work.items():
            await stack.enter_async_context(self._background(name, work))
        for due in chassis.due_work:
            loop = DueLoop(due.repository, due.handler, self._clock, lease=due.lease, concurrency=due.concurrency)
            await self._enter_vital(stack, loop)
        handling = Handling(chassis.subscriptions)
        dispatcher = Dispatcher(handling, parking)
        consumer = Consumer(
            settings.kafka_connection(),
            chassis.service,
            chassis.subscriptions.topics,
            dispatcher,
            options=ConsumerOptions(grace=settings.stop_grace_s * 0.6),
        )
        await self._enter_vital(stack, RetryLoop(parking, handling, self._clock))
        await stack.enter_async_context(consumer)
        self._watch("consumer", consumer.failed())
        return consumer

    @asynccontextmanager
    async def _background(self, name: str, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        task = self._watch(name, work())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):  # what it died of was reported by _until_stopped
                await task

    def _watch(self, name: str, running: Awaitable[None]) -> asyncio.Task[None]:
        async def run() -> None:
            await running

        task = asyncio.create_task(run(), name=name)
        self._vital.append(task)
        return task

    async def _enter_vital[P](self, stack: AsyncExitStack, part: AbstractAsyncContextManager[P]) -> P:
        """Start a part; the tasks it leaves running must run until the stop, or the process has died.

        Only for parts whose start does not wait: then nothing but the part can have begun a task meanwhile.
        """
        before = asyncio.all_tasks()
        entered = await stack.enter_async_context(part)
        self._vital.extend(asyncio.all_tasks() - before)
        return entered

    async def _until_stopped(self) -> None:
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([stop, *self._vital], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
        if self._stop.is_set():
            return
        for task in self._vital:
            if task.done():
                error = None if task.cancelled() else task.exception()
                raise Died(f"{task.get_name()} ended by itself") from error

    def _outbox_check(self, relay: Relay) -> Check:
        limit = timedelta(seconds=self._settings.outbox_max_age_s)

        async def check() -> None:
            age = relay.oldest_age
            if age > limit:
                seconds = int(age.total_seconds())
                raise NotReady(
                    "outbox-old",
                    f"最旧的未发布事件已等待 {seconds} 秒。",
                    f"The oldest unpublished event has waited for {seconds} s.",
                )

        return check

    @staticmethod
    def _consumer_check(consumer: Consumer) -> Check:
        async def check() -> None:
            if not consumer.joined:
                raise NotReady("group-not-joined", "尚未加入消费组。", "The consumer group is not joined yet.")
            if consumer.contact_age > STALE:
                raise NotReady("broker-silent", "Kafka 长时间没有回应。", "Kafka has not answered for a while.")

        return check


async def run_until_signal[S: ServiceSettings](process: Process[S]) -> None:
    """Run `process`; SIGTERM and SIGINT stop it. A second signal ends it at once."""
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        log.info("signal received", signal=number.name)
        process.stop()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await process.run()
