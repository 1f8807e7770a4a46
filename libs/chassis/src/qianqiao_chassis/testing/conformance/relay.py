"""What the relay promises over any document store and any publisher."""
# ruff: noqa: D102 - the name of a test is its sentence

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

import pytest

from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.relay import OutRecord, Publisher, Relay, RelayOptions
from qianqiao_chassis.store import Repository, Store
from qianqiao_chassis.store.outbox import Outbox
from qianqiao_chassis.testing.conformance.store import StoreSuite
from qianqiao_chassis.testing.conformance.subjects import SOURCE, Person, Switch, firsts, sequences, switch
from qianqiao_chassis.testing.proxy import Proxy
from qianqiao_chassis.testing.recording import RecordingPublisher
from qianqiao_chassis.testing.waiting import eventually

_NO_SWEEP = RelayOptions(sweep_every=3_600)


class Broker(Protocol):
    """A publisher's other end: what was published, in order per key."""

    def publisher(self) -> Publisher:
        """A publisher of its own, as another process would have."""
        ...

    async def published(self, count: int) -> list[OutRecord]:
        """Everything published so far, at least `count` records."""
        ...


class RecordingBroker:
    """The broker end of RecordingPublisher."""

    def __init__(self) -> None:
        self._publisher = RecordingPublisher()

    def publisher(self) -> Publisher:
        """See Broker; all share one list."""
        return self._publisher

    async def published(self, count: int) -> list[OutRecord]:
        """See Broker."""
        assert len(self._publisher.records) >= count
        return list(self._publisher.records)


class FailingPublisher:
    """Passes records on, unless `fail` returns an error for one; then its future fails and nothing is sent."""

    def __init__(self, behind: Publisher, fail: Callable[[OutRecord], Exception | None]) -> None:
        self._behind = behind
        self.fail = fail
        self.sent: list[OutRecord] = []

    async def send(self, record: OutRecord) -> asyncio.Future[None]:
        """See Publisher."""
        self.sent.append(record)
        error = self.fail(record)
        if error is None:
            return await self._behind.send(record)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_exception(error)
        return future

    async def close(self) -> None:
        """See Publisher."""
        await self._behind.close()


class RelaySuite(StoreSuite):
    """Every stored event is published, at least once, in order per aggregate."""

    @pytest.fixture
    def broker(self) -> Broker:
        return RecordingBroker()

    def process(
        self, store: Store, clock: FakeClock, publisher: Publisher, options: RelayOptions = _NO_SWEEP
    ) -> tuple[Relay, Repository[Switch]]:
        """A relay and its repository, as one process of a service has them."""
        relay = Relay(publisher, clock=clock, options=options)
        repository = Repository(store, "switches", Switch, source=SOURCE, clock=clock, waker=relay)
        assert repository.outbox is not None
        relay.watch(repository.outbox)
        return relay, repository

    async def left(self, repository: Repository[Switch], clock: FakeClock) -> int:
        """How many events are still in the store."""
        assert repository.outbox is not None
        waiting = await repository.outbox.waiting(clock.now() + timedelta(days=1), 1_000)
        return sum(len(pending.entries) for pending in waiting)

    async def test_a_write_is_published_without_a_sweep(self, store: Store, clock: FakeClock, broker: Broker) -> None:
        relay, switches = self.process(store, clock, broker.publisher())
        async with relay:
            await switches.add(switch("s-1", flips=3))
            await switches.change("s-1", Switch.flip)
            await relay.drained()
        records = await broker.published(4)
        assert sequences([record.value or b"" for record in records]) == {"s-1": [1, 2, 3, 4]}
        assert {record.key for record in records} == {"s-1"}
        assert dict(records[0].headers)["ce_type"] == b"qianqiao.NeedPaused.v1"
        assert await self.left(switches, clock) == 0

    async def test_many_at_once_in_order_per_aggregate(self, store: Store, clock: FakeClock, broker: Broker) -> None:
        relay, switches = self.process(store, clock, broker.publisher())
        async with relay:

            async def live(id: str) -> None:
                await switches.add(switch(id))
                for _ in range(4):
                    await switches.change(id, Switch.flip)

            await asyncio.gather(*(live(f"s-{n}") for n in range(15)))
            await relay.drained()
        records = await broker.published(75)
        assert sequences([record.value or b"" for record in records]) == {f"s-{n}": [1, 2, 3, 4, 5] for n in range(15)}
        assert await self.left(switches, clock) == 0

    async def test_a_crash_between_write_and_wake_is_found_by_the_sweep(
        self, store: Store, clock: FakeClock, broker: Broker
    ) -> None:
        dead = Repository(store, "switches", Switch, source=SOURCE, clock=clock)
        await dead.add(switch("s-1", flips=2))
        clock.advance(timedelta(seconds=3))
        relay, switches = self.process(store, clock, broker.publisher(), RelayOptions(sweep_every=0.05))
        async with relay:

            async def nothing_left() -> bool:
                return await self.left(switches, clock) == 0

            await eventually(nothing_left, what="the sweep publishes")
        assert sequences([r.value or b"" for r in await broker.published(2)]) == {"s-1": [1, 2]}

    async def test_a_young_event_is_left_to_the_process_that_wrote_it(
        self, store: Store, clock: FakeClock, broker: Broker
    ) -> None:
        dead = Repository(store, "switches", Switch, source=SOURCE, clock=clock)
        await dead.add(switch("s-1"))
        relay, _ = self.process(store, clock, broker.publisher())
        async with relay:
            clock.advance(timedelta(seconds=1))
            assert await relay.sweep() == 0
            clock.advance(timedelta(seconds=2))
            assert await relay.sweep() == 1
            assert relay.oldest_age == timedelta(seconds=3)
            await relay.drained()
            await relay.sweep()
            assert relay.oldest_age == timedelta(0)

    async def test_a_crash_between_publishing_and_clearing_repeats_but_keeps_the_order(
        self, store: Store, clock: FakeClock, broker: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        relay, switches = self.process(store, clock, broker.publisher())
        with monkeypatch.context() as patched:
            patched.setattr(Outbox, "clear", _never)
            async with relay, asyncio.timeout(20):
                await switches.add(switch("s-1", flips=3))

                async def all_published() -> bool:
                    return len(await broker.published(0)) == 3

                await eventually(all_published, what="published, not cleared")
                relay._options = RelayOptions(grace=0)  # dies without draining
        assert await self.left(switches, clock) == 3
        clock.advance(timedelta(seconds=3))
        successor, _ = self.process(store, clock, broker.publisher())
        async with successor:
            await switches.change("s-1", Switch.flip)
            await successor.sweep()
            await successor.drained()
        numbers = sequences([r.value or b"" for r in await broker.published(7)])["s-1"]
        assert firsts(numbers) == [1, 2, 3, 4]
        assert await self.left(switches, clock) == 0

    async def test_two_relays_at_once_keep_the_order(self, store: Store, clock: FakeClock, broker: Broker) -> None:
        one, switches = self.process(store, clock, broker.publisher())
        two, others = self.process(store, clock, broker.publisher())
        async with one, two:
            await switches.add(switch("s-1"))
            for _ in range(6):
                await asyncio.gather(
                    switches.change("s-1", Switch.flip),
                    others.change("s-1", Switch.flip),
                    one.sweep(timedelta(seconds=-1)),
                    two.sweep(timedelta(seconds=-1)),
                )
            await one.drained()
            await two.drained()
        numbers = sequences([r.value or b"" for r in await broker.published(13)])["s-1"]
        assert firsts(numbers) == list(range(1, 14))
        assert await self.left(switches, clock) == 0

    async def test_nothing_overtakes_a_failed_event(self, store: Store, clock: FakeClock, broker: Broker) -> None:
        failures = {2: 3}

        def fail(record: OutRecord) -> Exception | None:
            number = sequences([record.value or b""])[record.key][0]
            if failures.get(number, 0) > 0 and record.key == "s-1":
                failures[number] -= 1
                return ConnectionError("broker away")
            return None

        publisher = FailingPublisher(broker.publisher(), fail)
        relay, switches = self.process(store, clock, publisher)
        async with relay:
            await switches.add(switch("s-1", flips=3))
            await switches.add(switch("s-2", flips=3))
            await relay.drained()
        tried = sequences([record.value or b"" for record in publisher.sent])
        assert tried == {"s-1": [1, 2, 2, 2, 2, 3], "s-2": [1, 2, 3]}
        assert sequences([r.value or b"" for r in await broker.published(6)])["s-1"] == [1, 2, 3]

    async def test_an_old_view_of_the_outbox_is_not_published_again(
        self, store: Store, clock: FakeClock, broker: Broker
    ) -> None:
        relay, switches = self.process(store, clock, broker.publisher())
        outbox = switches.outbox
        assert outbox is not None
        async with relay:
            made = await switches.add(switch("s-1"))
            early = await outbox.waiting(clock.now() + timedelta(days=1), 10)
            made.flip()
            await switches.save(made)
            await relay.drained()
            for pending in early:
                relay.wake(outbox, "s-1", pending.entries)
            await relay.drained()
        assert sequences([r.value or b"" for r in await broker.published(2)]) == {"s-1": [1, 2]}

    async def test_an_erasing_event_is_followed_by_a_tombstone(
        self, store: Store, clock: FakeClock, broker: Broker
    ) -> None:
        relay = Relay(broker.publisher(), clock=clock, options=_NO_SWEEP)
        people = Repository(store, "people", Person, source=SOURCE, clock=clock, waker=relay)
        assert people.outbox is not None
        relay.watch(people.outbox)
        async with relay:
            person = Person(id="contact-1")
            person.erase()
            await people.add(person)
            await relay.drained()
        records = await broker.published(2)
        assert [(record.key, record.value is None) for record in records] == [
            ("contact-1", False),
            ("contact-1", True),
        ]

    async def test_clearing_waits_for_the_store(self, store_url: str, database: str, clock: FakeClock) -> None:
        broker = RecordingBroker()
        async with Proxy.before(store_url) as proxy:
            url = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
            async with Store(url, database, patience_ms=300) as store:
                held = asyncio.Event()
                relay, switches = self.process(store, clock, _Held(broker.publisher(), held))
                async with relay:
                    await switches.add(switch("s-1"))
                    await proxy.cut()
                    held.set()
                    await eventually(lambda: broker.publisher().records, what="published")  # type: ignore[attr-defined]
                    with pytest.raises(StoreUnavailable):
                        await switches.get("s-1")
                    assert relay.pending == 1
                    await proxy.resume()
                    await relay.drained()
                    await eventually(lambda: _reachable(store), what="the store answers again")
                    assert await self.left(switches, clock) == 0

    async def test_stopping_publishes_what_is_in_hand(self, store: Store, clock: FakeClock, broker: Broker) -> None:
        relay, switches = self.process(store, clock, broker.publisher())
        async with relay:
            await asyncio.gather(*(switches.add(switch(f"s-{n}", flips=2)) for n in range(10)))
        assert await self.left(switches, clock) == 0
        assert len(await broker.published(20)) == 20


class _Held:
    """Hands records on only after `held` is set."""

    def __init__(self, behind: Publisher, held: asyncio.Event) -> None:
        self._behind = behind
        self._held = held

    async def send(self, record: OutRecord) -> asyncio.Future[None]:
        """See Publisher."""
        await self._held.wait()
        return await self._behind.send(record)

    async def close(self) -> None:
        """See Publisher."""
        await self._behind.close()


async def _reachable(store: Store) -> bool:
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    return True


async def _never(outbox: Outbox, published: dict[str, Sequence[int]]) -> None:
    raise StoreUnavailable("dead")
