"""What the consumer promises on a real Kafka: offsets follow effects, through rebalances, outages and stops."""
# ruff: noqa: D102 - the name of a test is its sentence

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from qianqiao_contracts import Event, EventData, NeedPaused, NeedResumed, encode, kafka_headers

from qianqiao_chassis.clock import SystemClock
from qianqiao_chassis.consumer.consumer import Consumer, ConsumerOptions
from qianqiao_chassis.consumer.dispatcher import BatchResult, Dispatcher, More, Tell
from qianqiao_chassis.consumer.handling import Handling
from qianqiao_chassis.consumer.operating import ParkedDesk
from qianqiao_chassis.consumer.parking import Parking
from qianqiao_chassis.consumer.subscriptions import RawRecord, Subscriptions
from qianqiao_chassis.kafka import KafkaConnection
from qianqiao_chassis.store import Projection, Store
from qianqiao_chassis.testing.conformance.store import StoreSuite
from qianqiao_chassis.testing.conformance.subjects import event
from qianqiao_chassis.testing.proxy import Proxy
from qianqiao_chassis.testing.waiting import eventually

_QUICK = ConsumerOptions(max_records=50, grace=10, longest_pause=0.2, watch_every=0.2)


@dataclass(slots=True)
class Member:
    """One process of a service: its handler projects what comes and notes it."""

    copies: Projection
    desk: ParkedDesk
    dispatcher: Dispatcher
    consumer: Consumer
    handled: list[tuple[str, int]] = field(default_factory=list)
    broken: set[tuple[str, int]] = field(default_factory=set)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    """Subjects whose events wait each for a gate of its own."""

    async def handle(self, made: Event[EventData]) -> None:
        """Wait for the gate, fail where told, project."""
        self.entered.set()
        await self.gate.wait()
        if made.subject in self.held:
            await self.held[made.subject].wait()
        if (made.subject, made.sequence) in self.broken:
            raise RuntimeError("broken")
        await self.copies.put(made.subject, made.sequence, {"n": made.sequence})
        self.handled.append((made.subject, made.sequence))


class Group:
    """A topic of its own and a group of its own."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.connection = KafkaConnection(bootstrap)
        self.topic = topic
        self.name = f"g-{uuid.uuid4().hex[:12]}"

    def member(self, store: Store, options: ConsumerOptions = _QUICK, *, open_gate: bool = True) -> Member:
        """A member, not yet joined."""
        subscriptions = Subscriptions()
        parking = Parking(store, SystemClock())
        dispatcher = Dispatcher(Handling(subscriptions, timeout=timedelta(seconds=20)), parking)
        consumer = Consumer(self.connection, self.name, [self.topic], dispatcher, options=options)
        made = Member(Projection(store, "copies"), ParkedDesk(store, SystemClock()), dispatcher, consumer)
        subscriptions.on(NeedPaused, NeedResumed)(made.handle)
        if open_gate:
            made.gate.set()
        return made

    async def publish(self, events: Sequence[Event[EventData]]) -> None:
        """Publish events in order."""
        async with self.producer() as producer:
            sent = [
                await producer.send(self.topic, encode(it), key=it.subject.encode(), headers=kafka_headers(it))
                for it in events
            ]
            await asyncio.gather(*sent)

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        """A plain producer."""
        producer = AIOKafkaProducer(**self.connection.client_options(), enable_idempotence=True)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def committed_sum(self) -> int:
        """All committed offsets together, asked for without joining the group."""
        admin = AIOKafkaAdminClient(**self.connection.client_options())
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.name)
        finally:
            await admin.close()
        return sum(max(it.offset, 0) for it in offsets.values())

    async def committed(self) -> dict[int, int]:
        """The group's committed offset per partition, 0 where there is none. Joins the group for a moment."""
        consumer = AIOKafkaConsumer(**self.connection.client_options(), group_id=self.name, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = await _partitions(consumer, self.topic)
            return {number: await consumer.committed(TopicPartition(self.topic, number)) or 0 for number in partitions}
        finally:
            await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    consumer.subscribe([topic])
    await eventually(lambda: consumer.partitions_for_topic(topic))
    consumer.unsubscribe()
    return sorted(consumer.partitions_for_topic(topic))


def lives(subjects: int, events: int) -> list[Event[EventData]]:
    """The events of so many subjects, interleaved."""
    return [event(f"n-{subject}", number + 1) for number in range(events) for subject in range(subjects)]


class ConsumerSuite(StoreSuite):
    """Needs `kafka_bootstrap` and `fresh_topic` beside the store."""

    @pytest.fixture
    def group(self, kafka_bootstrap: str, fresh_topic: Callable[..., str]) -> Group:
        return Group(kafka_bootstrap, fresh_topic(3))

    async def test_every_event_is_handled_in_order_and_committed(self, group: Group, store: Store) -> None:
        await group.publish(lives(8, 10))
        member = group.member(store)
        async with member.consumer:
            await eventually(lambda: len(member.handled) == 80)
            await eventually(lambda: member.consumer.joined and sum(member.consumer.lag.values()) == 0)
        for subject in range(8):
            assert [number for name, number in member.handled if name == f"n-{subject}"] == list(range(1, 11))
        assert sum((await group.committed()).values()) == 80

    async def test_a_new_member_goes_on_where_the_last_one_stopped(self, group: Group, store: Store) -> None:
        await group.publish(lives(3, 4))
        first = group.member(store)
        async with first.consumer:
            await eventually(lambda: len(first.handled) == 12)
        await group.publish([event("n-0", 5), event("n-1", 5)])
        second = group.member(store)
        async with second.consumer:
            await eventually(lambda: len(second.handled) == 2)
        assert sorted(second.handled) == [("n-0", 5), ("n-1", 5)]

    async def test_odd_records_stop_nobody(self, group: Group, store: Store) -> None:
        good = event("n-1", 1)
        async with group.producer() as producer:
            await producer.send_and_wait(group.topic, b"{", key=b"bad-json", partition=0)
            await producer.send_and_wait(
                group.topic, encode(good), key=b"n-1", partition=0, headers=[("ce_type", None), ("x", b"\xff\xfe")]
            )
            await producer.send_and_wait(group.topic, None, key=b"null", partition=0)
            await producer.send_and_wait(group.topic, encode(event("n-2", 1)), key=b"n-2", partition=0)
        member = group.member(store)
        async with member.consumer:
            await eventually(lambda: len(member.handled) == 2)
            await eventually(lambda: _settled(member) == 4)
        assert member.handled == [("n-1", 1), ("n-2", 1)]
        assert [parked.key for parked in await member.desk.list()] == ["bad-json"]
        assert (await group.committed())[0] == 4

    async def test_poison_among_good_ones_is_parked_and_the_rest_goes_on(self, group: Group, store: Store) -> None:
        await group.publish(lives(4, 5))
        member = group.member(store)
        member.broken = {("n-1", 3)}
        async with member.consumer:
            await eventually(lambda: len(member.handled) == 17)
            await eventually(lambda: _settled(member) == 20)
        assert [number for name, number in member.handled if name == "n-1"] == [1, 2]
        assert sorted(parked.error_code for parked in await member.desk.list()) == ["RuntimeError", "behind", "behind"]
        assert sum((await group.committed()).values()) == 20

    async def test_nothing_is_committed_while_the_store_is_away(
        self, group: Group, store_url: str, database: str
    ) -> None:
        async with Proxy.before(store_url) as proxy:
            url = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
            async with Store(url, database, patience_ms=300) as store:
                member = group.member(store)
                async with member.consumer:
                    await group.publish(lives(3, 2))
                    await eventually(lambda: len(member.handled) == 6)
                    await proxy.cut()
                    await group.publish([event(f"n-{n}", 3) for n in range(3)])
                    await eventually(lambda: member.consumer.store_away)
                    assert sum((await group.committed()).values()) == 6
                    await proxy.resume()
                    await eventually(lambda: len(member.handled) == 9)
                    await eventually(lambda: not member.consumer.store_away)
                assert await member.desk.list() == []
                assert sorted(member.handled[6:]) == [("n-0", 3), ("n-1", 3), ("n-2", 3)]
        assert sum((await group.committed()).values()) == 9

    async def test_stopping_finishes_and_commits_what_is_at_its_handler(self, group: Group, store: Store) -> None:
        await group.publish([event("n-1", number) for number in range(1, 6)])
        member = group.member(store, open_gate=False)
        async with member.consumer:
            await member.entered.wait()
            asyncio.get_running_loop().call_later(0.05, member.gate.set)
        assert member.handled == [("n-1", 1)]
        assert sum((await group.committed()).values()) == 1

    async def test_a_stop_that_cannot_wait_leaves_the_work_uncommitted(self, group: Group, store: Store) -> None:
        await group.publish([event("n-1", 1)])
        options = ConsumerOptions(grace=0.1, watch_every=0.2)
        member = group.member(store, options, open_gate=False)
        async with member.consumer:
            await member.entered.wait()
        assert member.handled == []
        assert sum((await group.committed()).values()) == 0
        successor = group.member(store)
        async with successor.consumer:
            await eventually(lambda: successor.handled == [("n-1", 1)])

    async def test_a_rebalance_loses_nothing_and_keeps_the_order(self, group: Group, store: Store) -> None:
        one, two = group.member(store), group.member(store)
        async with one.consumer:
            for start in range(0, 40, 5):
                await group.publish([event(f"n-{s}", n + 1) for n in range(start, start + 5) for s in range(6)])
                if start == 10:
                    joining = asyncio.create_task(two.consumer.__aenter__())
            await joining
            await eventually(lambda: two.consumer.joined and one.consumer.joined)
            await group.publish([event(f"n-{s}", 41) for s in range(6)])
            await eventually(lambda: {n for _, n in one.handled + two.handled} >= {41})
            await eventually(lambda: len(set(one.handled + two.handled)) == 6 * 41)
            await two.consumer.__aexit__(None, None, None)
            await group.publish([event(f"n-{s}", 42) for s in range(6)])
            await eventually(lambda: len(set(one.handled + two.handled)) == 6 * 42)
        for subject in range(6):
            for member in (one, two):
                numbers = [number for name, number in member.handled if name == f"n-{subject}"]
                assert numbers == sorted(numbers)
        rows = await one.copies.select(limit=10)
        assert [row["n"] for row in rows] == [42] * 6
        assert sum((await group.committed()).values()) == 6 * 42
        assert one.dispatcher.handling.counts["gaps"] + two.dispatcher.handling.counts["gaps"] == 0

    async def test_no_key_waits_for_the_slow_handler_of_another(self, group: Group, store: Store) -> None:
        member = group.member(store)
        let_go = member.held["n-slow"] = asyncio.Event()
        async with member.consumer:
            await group.publish([event("n-slow", 1)])
            await member.entered.wait()
            for number in range(1, 4):
                await group.publish([event(f"n-{subject}", number) for subject in range(12)])
                await eventually(lambda number=number: len(member.handled) == 12 * number)
            await eventually(lambda: _at_least(1, group), what="others are committed meanwhile")
            assert await group.committed_sum() < 37
            await group.publish([event("n-slow", 2)])
            let_go.set()
            await eventually(lambda: _settled(member) == 38)
        assert [it for it in member.handled if it[0] == "n-slow"] == [("n-slow", 1), ("n-slow", 2)]
        assert sum((await group.committed()).values()) == 38

    async def test_what_is_at_its_handler_is_committed_before_the_partitions_go(
        self, group: Group, store: Store
    ) -> None:
        one, two = group.member(store, open_gate=False), group.member(store)
        await group.publish([event("n-1", 1)])
        async with one.consumer:
            await one.entered.wait()
            joining = asyncio.create_task(two.consumer.__aenter__())
            await eventually(lambda: not one.consumer.joined, what="one is asked to give its partitions up")
            one.gate.set()
            await joining
            await eventually(lambda: two.consumer.joined and one.consumer.joined)
            await two.consumer.__aexit__(None, None, None)
        assert one.handled == [("n-1", 1)]
        assert two.handled == []
        assert sum((await group.committed()).values()) == 1

    async def test_a_parked_key_stays_parked_at_the_next_owner(self, group: Group, store: Store) -> None:
        await group.publish([event("n-1", 1), event("n-1", 2)])
        one = group.member(store)
        one.broken = {("n-1", 1)}
        async with one.consumer:
            await eventually(lambda: _settled(one) == 2)
        await group.publish([event("n-1", 3), event("n-2", 1)])
        two = group.member(store)
        async with two.consumer:
            await eventually(lambda: two.handled == [("n-2", 1)])
            await eventually(lambda: _settled(two) == 4)
        assert [parked.offset for parked in await two.desk.list()] == [0, 1, 2]

    async def test_nothing_is_lost_when_dispatching_or_committing_fails(
        self, group: Group, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        member = group.member(store, ConsumerOptions(max_records=4, poll_ms=5, watch_every=0.2))
        once = {"dispatch": 2, "commit": 2}
        original = member.dispatcher.dispatch

        async def dispatch(
            records: Sequence[RawRecord], more: More | None = None, tell: Tell | None = None
        ) -> BatchResult:
            if once["dispatch"] > 0:
                once["dispatch"] -= 1
                raise ZeroDivisionError
            return await original(records, more, tell)

        monkeypatch.setattr(member.dispatcher, "dispatch", dispatch)
        async with member.consumer:
            consumer = member.consumer._subscriber.consumer
            commit = consumer.commit

            async def failing(offsets: dict[TopicPartition, int]) -> None:
                if once["commit"] > 0:
                    once["commit"] -= 1
                    raise ConnectionError
                await commit(offsets)

            monkeypatch.setattr(consumer, "commit", failing)
            await group.publish(lives(2, 12))
            await eventually(lambda: len(set(member.handled)) == 24)
            await eventually(lambda: _settled(member) == 24)
            await eventually(lambda: once["commit"] == 0, what="a commit that failed is tried again")
        for subject in ("n-0", "n-1"):
            assert [number for name, number in member.handled if name == subject] == list(range(1, 13))
        assert sum((await group.committed()).values()) == 24

    async def test_a_coordinator_that_is_not_found_again_is_noticed(
        self, group: Group, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        member = group.member(store, ConsumerOptions(watch_every=1.0, group_patience=2.0))
        async with member.consumer:
            await eventually(lambda: member.consumer.joined)
            await asyncio.sleep(0.5)
            assert not member.consumer._watcher.done(), "nothing is wrong yet"  # type: ignore[union-attr]
            coordinator = member.consumer._subscriber.consumer._coordinator
            found = asyncio.Event()
            with monkeypatch.context() as patch:
                patch.setattr(coordinator, "ensure_coordinator_known", found.wait)
                coordinator.coordinator_dead()
                outcome = (await asyncio.wait({asyncio.ensure_future(member.consumer.failed())}, timeout=30))[0]
            found.set()
            assert "coordinator" in str(next(iter(outcome)).exception())

    async def test_what_the_client_knows_of_the_cluster_outlives_an_error(
        self, group: Group, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        member = group.member(store)
        async with member.consumer:
            await eventually(lambda: member.consumer.joined)
            consumer = member.consumer._subscriber.consumer
            with monkeypatch.context() as patch:
                patch.setattr(consumer._client.cluster, "update_metadata", _raise)
                consumer._client.force_metadata_update()
                await eventually(consumer._client._sync_task.done)
            consumer._coordinator.coordinator_dead()
            async with asyncio.timeout(20):
                await consumer._client.force_metadata_update()
            await group.publish(lives(1, 3))
            await eventually(lambda: _settled(member) == 3)
        assert sum((await group.committed()).values()) == 3

    async def test_a_member_without_a_share_notices_that_the_broker_is_away(
        self, kafka_bootstrap: str, fresh_topic: Callable[..., str], store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        group = Group(kafka_bootstrap, fresh_topic(1))
        options = ConsumerOptions(watch_every=0.5, group_patience=2.0)
        members = [group.member(store, options), group.member(store, options)]
        async with members[0].consumer, members[1].consumer:
            await eventually(lambda: all(member.consumer.joined for member in members))
            await eventually(lambda: sorted(len(_mine(member)) for member in members) == [0, 1])
            idle = next(member.consumer for member in members if not _mine(member))
            assert idle.contact_age < timedelta(seconds=5)
            client, coordinator = idle._subscriber.consumer._client, idle._subscriber.consumer._coordinator
            with monkeypatch.context() as away:
                away.setattr(client, "force_metadata_update", _not_updated)
                away.setattr(coordinator, "coordinator_id", None)
                away.setattr(coordinator, "ensure_coordinator_known", asyncio.Event().wait)
                await eventually(lambda: idle.contact_age > timedelta(seconds=4))
            assert idle._watcher is not None
            assert not idle._watcher.done(), "an outage is not a coordinator that was lost"

    async def test_a_dead_loop_is_noticed(self, group: Group, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        member = group.member(store)
        async with member.consumer:
            await eventually(lambda: member.consumer.joined)
            monkeypatch.setattr(member.consumer._subscriber.consumer, "getmany", _explode)
            with pytest.raises(ZeroDivisionError):
                async with asyncio.timeout(10):
                    await member.consumer.failed()


def _settled(member: Member) -> int:
    return sum(member.consumer._settled.values())


def _mine(member: Member) -> set[TopicPartition]:
    return set(member.consumer._subscriber.consumer.assignment())


async def _not_updated() -> bool:
    return False


def _raise(*args: object) -> None:
    raise ZeroDivisionError


async def _explode(*args: object, **kwargs: object) -> None:
    raise ZeroDivisionError


async def _at_least(committed: int, group: Group) -> bool:
    return await group.committed_sum() >= committed
