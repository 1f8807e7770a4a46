"""What parking and retrying promise over any document store, wherever the records come from."""
# ruff: noqa: D102 - the name of a test is its sentence

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from qianqiao_contracts import Event, EventData

from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.consumer.dispatcher import TRIES
from qianqiao_chassis.consumer.parking import lane_of
from qianqiao_chassis.errors import Invalid, NotFound, Refused
from qianqiao_chassis.store import Store
from qianqiao_chassis.testing.conformance.brokerless import TOPIC, BrokerlessSuite, Service, service, stream
from qianqiao_chassis.testing.waiting import eventually


class ParkingSuite(BrokerlessSuite):
    """One bad record stops nobody: it is put aside, its key queues behind it, and it is tried again."""

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
