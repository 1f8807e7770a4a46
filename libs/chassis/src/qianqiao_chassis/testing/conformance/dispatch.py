"""What dispatching promises over any document store, wherever the records come from."""
# ruff: noqa: D102 - the name of a test is its sentence

import asyncio
import random

import pytest
from qianqiao_contracts import Event, EventData, NeedWithdrawn, encode

from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.consumer.subscriptions import RawRecord
from qianqiao_chassis.context import Cause
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.store import Projection, Store
from qianqiao_chassis.testing.conformance.brokerless import TOPIC, BrokerlessSuite, Service, service, stream
from qianqiao_chassis.testing.conformance.subjects import event, record
from qianqiao_chassis.testing.proxy import Proxy
from qianqiao_chassis.testing.waiting import eventually

TRACE = f"00-{'a' * 32}-{'b' * 16}-00"


class DispatchSuite(BrokerlessSuite):
    """Order per key, keys side by side, offsets follow effects."""

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

    async def test_what_a_handler_waits_for_may_be_cancelled_without_a_record_being_passed_over(
        self, it: Service
    ) -> None:
        async def shared(made: Event[EventData]) -> None:
            await asyncio.sleep(0)
            if (made.subject, made.sequence) == ("n-1", 1):
                other = asyncio.create_task(asyncio.sleep(60))
                other.cancel()
                await other

        it.act = shared
        result = await it.dispatcher.dispatch([*stream("n-1", 3), *stream("n-2", 1, partition=1)])
        assert result.commit == {(TOPIC, 0): 3, (TOPIC, 1): 1}
        assert [parked.key for parked in await it.desk.list()] == ["n-1", "n-1", "n-1"]

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
