"""What handling, parking and retrying promise over any document store, wherever the records come from."""
# ruff: noqa: D102 - the name of a test is its sentence

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from qianqiao_contracts import Event, EventData, NeedPaused, NeedResumed, NeedWithdrawn, encode

from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.consumer.dispatcher import TRIES, Dispatcher
from qianqiao_chassis.consumer.handling import Handling
from qianqiao_chassis.consumer.operating import ParkedDesk
from qianqiao_chassis.consumer.parking import Parking, lane_of
from qianqiao_chassis.consumer.retrying import RetryLoop, RetryPlan
from qianqiao_chassis.consumer.subscriptions import RawRecord, Subscriptions
from qianqiao_chassis.context import Cause, current_cause
from qianqiao_chassis.errors import Invalid, NotFound, Refused, StoreUnavailable
from qianqiao_chassis.store import Projection, Store
from qianqiao_chassis.testing.conformance.store import StoreSuite
from qianqiao_chassis.testing.conformance.subjects import event, record
from qianqiao_chassis.testing.proxy import Proxy
from qianqiao_chassis.testing.waiting import eventually

TRACE = f"00-{'a' * 32}-{'b' * 16}-00"

TOPIC = "registry.needs"


@dataclass(slots=True)
class Service:
    """A consumer without a broker: its handler notes (subject, sequence) and does what `act` says."""

    dispatcher: Dispatcher
    parking: Parking
    retry: RetryLoop
    desk: ParkedDesk
    handled: list[tuple[str, int]] = field(default_factory=list)
    tombstones: list[str] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    broken: set[tuple[str, int]] = field(default_factory=set)
    act: Callable[[Event[EventData]], Awaitable[None]] | None = None
    tries: int = 0

    async def handle(self, made: Event[EventData]) -> None:
        """The handler."""
        self.tries += 1
        self.causes.append(current_cause())
        if (made.subject, made.sequence) in self.broken:
            raise RuntimeError("broken")
        if self.act is not None:
            await self.act(made)
        self.handled.append((made.subject, made.sequence))

    async def erased(self, key: str) -> None:
        """The tombstone handler."""
        self.tombstones.append(key)

    def of(self, subject: str) -> list[int]:
        """The sequences handled of one subject, in order."""
        return [sequence for handled, sequence in self.handled if handled == subject]


def service(store: Store, clock: FakeClock) -> Service:
    """A service over a store."""
    subscriptions = Subscriptions()
    parking = Parking(store, clock)
    handling = Handling(subscriptions, timeout=timedelta(seconds=5))
    plan = RetryPlan(delays=(timedelta(seconds=1), timedelta(seconds=10)), lease=timedelta(seconds=60))
    made = Service(
        Dispatcher(handling, parking, plan=plan),
        parking,
        RetryLoop(parking, handling, clock, plan=plan),
        ParkedDesk(store, clock),
    )
    subscriptions.on(NeedPaused, NeedResumed)(made.handle)
    subscriptions.on_tombstone(TOPIC)(made.erased)
    return made


def stream(subject: str, count: int, *, first_offset: int = 0, step: int = 1, partition: int = 0) -> list[RawRecord]:
    """`count` events of a subject, on one partition."""
    return [record(event(subject, n + 1), offset=first_offset + n * step, partition=partition) for n in range(count)]


class DispatchSuite(StoreSuite):
    """Order per key, one bad record stops nobody, offsets follow effects."""

    @pytest.fixture
    async def it(self, store: Store, clock: FakeClock) -> Service:
        made = service(store, clock)
        await made.parking.ensure_indexes()
        return made

    async def test_keys_side_by_side_and_each_in_order(self, it: Service) -> None:
        waiting = {f"n-{n}": asyncio.Event() for n in range(3)}

        async def meet(made: Event[EventData]) -> None:
            # Every key waits for every other: only possible when they run side by side.
            waiting[made.subject].set()
            for other in waiting.values():
                await other.wait()

        it.act = meet
        records = sorted(
            (r for n in range(3) for r in stream(f"n-{n}", 4, first_offset=n, step=3)), key=lambda r: r.offset
        )
        async with asyncio.timeout(10):
            result = await it.dispatcher.dispatch(records)
        assert result.commit == {(TOPIC, 0): 12}
        assert result.again == {}
        assert all(it.of(subject) == [1, 2, 3, 4] for subject in waiting)

    async def test_the_cause_reaches_the_handler(self, it: Service) -> None:
        made = event("n-1", 1).model_copy(update={"correlationid": "story-1", "traceparent": TRACE})
        await it.dispatcher.dispatch([record(made, offset=0)])
        assert it.causes == [Cause("story-1", made.id, TRACE)]

    async def test_a_passing_failure_is_overcome_without_parking(self, it: Service) -> None:
        it.broken = {("n-1", 1)}

        async def mend() -> None:
            await eventually(lambda: it.tries >= 1)
            it.broken.clear()

        mending = asyncio.create_task(mend())
        await it.dispatcher.dispatch(stream("n-1", 2))
        await mending
        assert it.of("n-1") == [1, 2]
        assert await it.desk.list() == []

    async def test_a_poison_record_is_parked_and_its_key_queues_behind_it(self, it: Service) -> None:
        it.broken = {("n-1", 2)}
        result = await it.dispatcher.dispatch([*stream("n-1", 4), *stream("n-2", 3, first_offset=4)])
        assert result.commit == {(TOPIC, 0): 7}
        assert it.of("n-1") == [1]
        assert it.of("n-2") == [1, 2, 3]
        parked = await it.desk.list()
        assert [(p.offset, p.error_code, p.state) for p in parked] == [
            (1, "RuntimeError", "waiting"),
            (2, "behind", "waiting"),
            (3, "behind", "waiting"),
        ]
        assert it.tries == 1 + TRIES + 3

    async def test_a_later_batch_still_queues_behind(self, it: Service, store: Store, clock: FakeClock) -> None:
        it.broken = {("n-1", 1)}
        await it.dispatcher.dispatch(stream("n-1", 1))
        it.broken.clear()
        await it.dispatcher.dispatch(stream("n-1", 3)[1:])
        assert it.of("n-1") == []
        successor = service(store, clock)
        await successor.parking.heads()
        await successor.dispatcher.dispatch(stream("n-1", 4)[3:])
        assert successor.handled == []
        clock.advance(timedelta(seconds=1))
        assert await successor.retry.run_once() == 4
        assert successor.of("n-1") == [1, 2, 3, 4]
        await successor.dispatcher.dispatch(stream("n-1", 5)[4:])
        assert successor.of("n-1") == [1, 2, 3, 4, 5]
        assert await successor.desk.list() == []

    async def test_retries_wait_longer_and_end_stuck(self, it: Service, clock: FakeClock) -> None:
        it.broken = {("n-1", 1)}
        await it.dispatcher.dispatch(stream("n-1", 2))
        assert await it.retry.run_once() == 0
        for pause, tries in ((1, 1), (9, 0), (1, 1)):
            clock.advance(timedelta(seconds=pause))
            assert await it.retry.run_once() == tries
        stuck = (await it.desk.list(state="stuck"))[0]
        assert (stuck.offset, stuck.attempts) == (0, 2)
        clock.advance(timedelta(days=1))
        it.broken.clear()
        assert await it.retry.run_once() == 0
        assert it.of("n-1") == []
        await it.desk.retry(stuck.id, who="操作员")
        assert await it.retry.run_once() == 2
        assert it.of("n-1") == [1, 2]
        assert [act.what for act in (await it.desk.show(stuck.id)).audit] == ["retry"]

    async def test_what_cannot_be_read_is_kept_whole_until_edited(self, it: Service) -> None:
        good = stream("n-1", 1)[0]
        spoilt = good._replace(value=b'{"specversion": "1.0", "data"', headers=(("ce_type", b"\xff"), ("x", b"")))
        result = await it.dispatcher.dispatch([spoilt, *stream("n-2", 1, first_offset=1)])
        assert result.commit == {(TOPIC, 0): 2}
        assert it.handled == [("n-2", 1)]
        (parked,) = await it.desk.list(state="stuck", topic=TOPIC)
        assert parked.value == '{"specversion": "1.0", "data"'
        with pytest.raises(Invalid):
            await it.desk.edit_and_retry(parked.id, good.value, who="操作员", reason=" ")
        await it.desk.edit_and_retry(parked.id, good.value, who="操作员", reason="截断，已向园区核实")
        assert await it.retry.run_once() == 1
        assert it.of("n-1") == [1]
        closed = await it.desk.show(parked.id)
        assert closed.state == "done"
        assert [(act.who, act.what) for act in closed.audit] == [("操作员", "edit")]
        with pytest.raises(Refused):
            await it.desk.drop(parked.id, who="操作员", reason="太晚")

    async def test_odd_records(self, it: Service) -> None:
        later = event("n-1", 1, NeedWithdrawn(party="party-1"))
        future = encode(event("n-3", 1)).replace(b"NeedPaused.v1", b"NeedPaused.v9")
        records = [
            RawRecord(TOPIC, 0, 0, b"n-0", None, ()),
            RawRecord(TOPIC, 0, 1, None, None, ()),
            RawRecord(TOPIC, 0, 2, b"n-3", future, (("ce_type", b"qianqiao.NeedPaused.v9"),)),
            record(later, offset=3),
            RawRecord(TOPIC, 0, 4, b"\xff\xfe", encode(event("n-4", 1)), (("ce_type", b""), ("traceparent", b"\xff"))),
            RawRecord(TOPIC, 0, 5, None, encode(event("n-5", 1)), ()),
        ]
        result = await it.dispatcher.dispatch(records)
        assert result.commit == {(TOPIC, 0): 6}
        assert sorted(it.handled) == [("n-4", 1), ("n-5", 1)]
        assert it.tombstones == ["n-0"]
        assert await it.desk.list() == []

    async def test_only_the_first_of_a_key_may_be_tried_and_a_dropped_one_lets_the_next_go(self, it: Service) -> None:
        it.broken = {("n-1", 1)}
        await it.dispatcher.dispatch(stream("n-1", 3))
        first, second, _ = await it.desk.list()
        with pytest.raises(Refused) as refused:
            await it.desk.retry(second.id, who="操作员")
        assert refused.value.extra["first"] == first.id
        await it.desk.drop(first.id, who="操作员", reason="重复")
        assert await it.retry.run_once() == 2
        assert it.of("n-1") == [2, 3]
        with pytest.raises(NotFound):
            await it.desk.show("nothing")

    async def test_records_that_come_again_are_not_parked_again(self, it: Service, clock: FakeClock) -> None:
        it.broken = {("n-1", 1)}
        records = stream("n-1", 2)
        for _ in range(3):
            await it.dispatcher.dispatch(records)
        assert len(await it.desk.list()) == 2
        it.broken.clear()
        clock.advance(timedelta(seconds=1))
        await it.retry.run_once()
        assert it.of("n-1") == [1, 2]

    async def test_two_retry_loops_try_each_record_once(self, store: Store, clock: FakeClock, it: Service) -> None:
        it.broken = {(f"n-{n}", 1) for n in range(6)}
        await it.dispatcher.dispatch([r for n in range(6) for r in stream(f"n-{n}", 3, first_offset=n * 3)])
        it.broken.clear()
        other = service(store, clock)
        clock.advance(timedelta(seconds=1))
        await asyncio.gather(it.retry.run_once(), other.retry.run_once())
        both = it.handled + other.handled
        assert sorted(both) == sorted((f"n-{n}", s) for n in range(6) for s in (1, 2, 3))

    async def test_a_live_record_never_overtakes_one_being_retried(self, it: Service, clock: FakeClock) -> None:
        it.broken = {("n-1", 1)}
        await it.dispatcher.dispatch(stream("n-1", 1))
        it.broken.clear()
        clock.advance(timedelta(seconds=1))
        records = stream("n-1", 40)

        async def live() -> None:
            for position in range(1, 40):
                await it.dispatcher.dispatch(records[position : position + 1])
                await asyncio.sleep(0)

        async def retry() -> None:
            while len(it.of("n-1")) < 40:
                await it.retry.run_once()
                await asyncio.sleep(0)

        async with asyncio.timeout(30):
            await asyncio.gather(live(), retry())
        assert it.of("n-1") == list(range(1, 41))

    async def test_a_slow_handler_is_cut_off_and_parked(self, store: Store, clock: FakeClock) -> None:
        made = service(store, clock)
        made.dispatcher.handling._timeout = 0.02

        async def hang(_: Event[EventData]) -> None:
            await asyncio.Event().wait()

        made.act = hang
        await made.dispatcher.dispatch(stream("n-1", 1))
        assert [parked.error_code for parked in await made.desk.list()] == ["TimeoutError"]

    async def test_an_interrupted_batch_finishes_what_it_began(self, it: Service) -> None:
        begun, let_go = asyncio.Event(), asyncio.Event()

        async def slow(_: Event[EventData]) -> None:
            begun.set()
            await let_go.wait()

        it.act = slow
        records = [*stream("n-1", 3), *stream("n-2", 3, partition=1)]
        running = asyncio.create_task(it.dispatcher.dispatch(records))
        await begun.wait()
        it.dispatcher.interrupt()
        let_go.set()
        result = await running
        assert sorted(it.handled) == [("n-1", 1), ("n-2", 1)]
        assert result.commit == {(TOPIC, 0): 1, (TOPIC, 1): 1}
        assert result.again == {(TOPIC, 0): 1, (TOPIC, 1): 1}

    async def test_what_can_be_neither_handled_nor_parked_is_not_passed_over(
        self, it: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        it.broken = {("n-1", 2)}
        monkeypatch.setattr(it.parking, "park", _explode)
        result = await it.dispatcher.dispatch([*stream("n-1", 3), *stream("n-2", 2, partition=1)])
        assert result.blocked
        assert result.commit == {(TOPIC, 0): 1, (TOPIC, 1): 2}
        assert result.again == {(TOPIC, 0): 1}

    async def test_an_outage_settles_nothing_after_it(self, store_url: str, database: str, clock: FakeClock) -> None:
        async with Proxy.before(store_url) as proxy:
            url = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
            async with Store(url, database, patience_ms=300) as store:
                made = service(store, clock)
                copies = Projection(store, "copies")

                async def project(event: Event[EventData]) -> None:
                    if (event.subject, event.sequence) == ("n-1", 3):
                        await proxy.cut()
                    await copies.put(event.subject, event.sequence, {"n": event.sequence})

                made.act = project
                records = stream("n-1", 5)
                result = await made.dispatcher.dispatch(records)
                assert result.store_away
                assert result.commit == {(TOPIC, 0): 2}
                assert result.again == {(TOPIC, 0): 2}
                await proxy.resume()
                made.act = lambda event: copies_put(copies, event)
                await eventually(lambda: _answers(store), what="the store answers again")
                again = await made.dispatcher.dispatch(records[2:])
                assert again.commit == {(TOPIC, 0): 5}
                assert (await copies.get("n-1") or {})["n"] == 5
                assert await made.desk.list() == []

    async def test_doubled_and_shuffled_across_keys_comes_to_the_same(self, it: Service, store: Store) -> None:
        copies = Projection(store, "copies")
        it.act = lambda event: copies_put(copies, event)
        chance = random.Random(7)  # noqa: S311 - a seed makes the run repeatable
        queues = [stream(f"n-{n}", 6) for n in range(8)]
        records = []
        while any(queues):
            queue = chance.choice([queue for queue in queues if queue])
            records.append(queue.pop(0))
            if chance.random() < 0.4:
                records.append(chance.choice(records))
        records = [it._replace(offset=number) for number, it in enumerate(records)]
        for start in range(0, len(records), 10):
            await it.dispatcher.dispatch(records[start : start + 10])
        rows = await copies.select(limit=20)
        assert [(row["id"], row["n"], row["sequence"]) for row in rows] == [(f"n-{n}", 6, 6) for n in range(8)]
        assert it.dispatcher.handling.counts["duplicates"] == len(records) - 48
        assert it.dispatcher.handling.counts["gaps"] == 0

    async def test_a_gap_is_counted_unless_partitions_changed_hands(self, it: Service) -> None:
        one, two, three, four, five = stream("n-1", 5)
        await it.dispatcher.dispatch([one, two, four])
        assert it.dispatcher.handling.counts["gaps"] == 1
        it.dispatcher.handling.gaps.forget()
        await it.dispatcher.dispatch([three, five])
        assert it.dispatcher.handling.counts["gaps"] == 2
        it.dispatcher.handling.gaps.forget()
        await it.dispatcher.dispatch([five._replace(offset=9)])
        assert it.dispatcher.handling.counts["gaps"] == 2

    async def test_a_lane_parked_while_the_store_is_asked_is_not_forgotten(
        self, it: Service, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original, asked, may_answer = store.run, asyncio.Event(), asyncio.Event()

        async def run(operation: str, collection: str, call: Any) -> Any:
            answer = await original(operation, collection, call)
            if operation == "aggregate":
                asked.set()
                await may_answer.wait()
            return answer

        records = stream("n-1", 1)
        it.broken = {("n-1", 1)}
        with monkeypatch.context() as patched:
            patched.setattr(store, "run", run)
            asking = asyncio.create_task(it.parking.heads())
            await asked.wait()
            await it.dispatcher.dispatch(records)
            may_answer.set()
            assert await asking == []
        assert it.parking.blocks(lane_of(records[0]))
        assert len(await it.parking.heads()) == 1
        await it.desk.drop((await it.desk.list())[0].id, who="操作员", reason="重复")
        await it.parking.heads()
        assert not it.parking.blocks(lane_of(records[0]))


async def copies_put(copies: Projection, event: Event[EventData]) -> None:
    """A handler that projects."""
    await copies.put(event.subject, event.sequence, {"n": event.sequence})


async def _explode(*args: object, **kwargs: object) -> None:
    raise ZeroDivisionError


async def _answers(store: Store) -> bool:
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    return True
