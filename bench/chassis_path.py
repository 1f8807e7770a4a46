"""The same work through the chassis: repository with embedded outbox, relay, consumer, projection, traces."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from pydantic import Field
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.clock import SystemClock
from qianqiao_chassis.consumer.consumer import Consumer
from qianqiao_chassis.consumer.dispatcher import Dispatcher
from qianqiao_chassis.consumer.handling import Handling
from qianqiao_chassis.consumer.parking import Parking
from qianqiao_chassis.consumer.retrying import RetryLoop
from qianqiao_chassis.consumer.subscriptions import Subscriptions
from qianqiao_chassis.context import Cause, caused_by, current_traceparent
from qianqiao_chassis.kafka import KafkaConnection
from qianqiao_chassis.relay.kafka import KafkaPublisher
from qianqiao_chassis.relay.relay import Relay
from qianqiao_chassis.store.client import Store
from qianqiao_chassis.store.repository import Repository
from qianqiao_chassis.wiring import Wiring
from qianqiao_contracts import Event, NeedPosted, NeedRevised

from bench.workload import Plan, Timing, posted, revised, timed

PATIENCE = 240


class BenchNeed(Aggregate):
    """A need with nothing but its content."""

    topic = "registry.needs"

    content: dict[str, Any] = Field(default_factory=dict)


class _Dropped(SpanExporter):
    """Takes finished spans and forgets them: the cost measured is that of making and batching them."""

    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def _trace(ratio: float) -> None:
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(ratio)))
    provider.add_span_processor(BatchSpanProcessor(_Dropped()))
    trace.set_tracer_provider(provider)


async def _write(needs: Repository[BenchNeed], ids: list[str], changes: int) -> None:
    tracer = trace.get_tracer("bench")
    kept = {key: BenchNeed(id=key) for key in ids}
    for version in range(1, changes + 1):
        for number, need in enumerate(kept.values()):
            data = posted(number) if version == 1 else revised(number)
            need.content = data.model_dump(mode="json")
            need.record(data)
            with tracer.start_as_current_span("request"), caused_by(Cause("bench", "bench", current_traceparent())):
                kept[need.id] = await (needs.add(need) if version == 1 else needs.save(need))


class _Counter:
    """Counts the events whose effect is stored."""

    def __init__(self) -> None:
        self._left = 0
        self._done = asyncio.Event()

    def expect(self, events: int) -> None:
        self._left = events
        self._done.clear()

    def add(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._done.set()

    async def committed(self, consumer: Consumer) -> None:
        """Return once all that was expected is stored, and the batch with the last of it is committed."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._done.wait()
        except TimeoutError:
            counts = dict(consumer._dispatcher.handling.counts)
            state = f"lag {sum(consumer.lag.values())}, joined {consumer.joined}, {counts}"
            raise RuntimeError(f"{self._left} events were not handled within {PATIENCE} s: {state}") from None
        async with consumer._batch:  # free once the batch in hand is committed
            pass


async def _round(plan: Plan, needs: Repository[BenchNeed], counter: _Counter, consumer: Consumer) -> None:
    counter.expect(plan.events)
    await asyncio.gather(*(_write(needs, ids, plan.changes) for ids in plan.shares()))
    await counter.committed(consumer)


async def _event_path(plan: Plan, name: str, ratio: float) -> Timing:
    _trace(ratio)
    timing = Timing(name, plan.events)
    clock, connection = SystemClock(), KafkaConnection(plan.bootstrap)
    store = Store(plan.mongo_url, plan.database)
    wiring = Wiring("registry", store, clock)
    needs = wiring.repository("needs", BenchNeed, [])
    projection = wiring.projection("projections", [])
    counter = _Counter()
    subscriptions = Subscriptions()

    @subscriptions.on(NeedPosted, NeedRevised)
    async def project(event: Event[Any]) -> None:
        await projection.put(event.subject, event.sequence, event.data.model_dump(mode="json"))
        counter.add()

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(store)
        await wiring.ensure_indexes()
        parking = Parking(store, clock)
        await parking.ensure_indexes()
        relay = Relay(KafkaPublisher(connection, client_id="bench"), clock=clock)
        for outbox in wiring.outboxes:
            relay.watch(outbox)
        wiring.waker.relay = relay
        await stack.enter_async_context(relay)
        handling = Handling(subscriptions)
        dispatcher = Dispatcher(handling, parking)
        # As in a service: what an overloaded store refuses is parked and tried again.
        await stack.enter_async_context(RetryLoop(parking, handling, clock))
        consumer = Consumer(connection, plan.database, subscriptions.topics, dispatcher)
        await stack.enter_async_context(consumer)
        await _round(plan.warm_up(), needs, counter, consumer)
        with timed(timing):
            await _round(plan, needs, counter, consumer)
        timing.notes["projections"] = len(
            await projection.select({"sequence": plan.changes}, limit=plan.aggregates + 1)
        )
        timing.notes["parked"] = await store.database["parked"].count_documents({})
        timing.notes["gaps"] = dispatcher.handling.counts["gaps"]
        await store.database.client.drop_database(plan.database)
    return timing


async def event_path(plan: Plan) -> Timing:
    """Write, publish, project and commit, with 1 % of the traces kept."""
    return await _event_path(plan, "chassis, 1 % of traces", 0.01)


async def event_path_all_traces(plan: Plan) -> Timing:
    """The same with every trace kept."""
    return await _event_path(plan, "chassis, all traces", 1.0)


async def consume_only(plan: Plan) -> Timing:
    """Take ``plan.events`` waiting events through the whole consumer; the handler only counts."""
    _trace(0.01)
    timing = Timing("chassis consumer", plan.events)
    clock = SystemClock()
    counter = _Counter()
    subscriptions = Subscriptions()

    @subscriptions.on(NeedPosted, NeedRevised)
    async def count(event: Event[Any]) -> None:
        counter.add()

    async with Store(plan.mongo_url, plan.database) as store:
        parking = Parking(store, clock)
        await parking.ensure_indexes()
        dispatcher = Dispatcher(Handling(subscriptions), parking)
        consumer = Consumer(KafkaConnection(plan.bootstrap), plan.database, subscriptions.topics, dispatcher)
        counter.expect(plan.events)
        async with AsyncExitStack() as stack:
            with timed(timing):
                await stack.enter_async_context(consumer)
                await counter.committed(consumer)
        await store.database.client.drop_database(plan.database)
    return timing
