"""What a batch promises that takes in records while its handlers wait."""
# ruff: noqa: D102 - the name of a test is its sentence

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from qianqiao_contracts import Event, EventData

from qianqiao_chassis.consumer.dispatcher import BatchResult
from qianqiao_chassis.consumer.subscriptions import RawRecord
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.testing.conformance.brokerless import TOPIC, BrokerlessSuite, Service, stream
from qianqiao_chassis.testing.waiting import eventually


@dataclass(slots=True)
class Arrivals:
    """Records that arrive one group after the other, and what was told meanwhile."""

    groups: asyncio.Queue[Sequence[RawRecord] | Exception] = field(default_factory=asyncio.Queue)
    told: list[BatchResult] = field(default_factory=list)

    async def more(self) -> Sequence[RawRecord]:
        """The next group."""
        found = await self.groups.get()
        if isinstance(found, Exception):
            raise found
        return found


class OpenBatchSuite(BrokerlessSuite):
    """Nobody waits for the slow handler of another key, order and commits stay right."""

    async def test_no_event_waits_for_the_slow_handler_of_another(self, it: Service) -> None:
        let_go, arrivals = asyncio.Event(), Arrivals()
        it.act = _slow_for("n-1", let_go)
        running = asyncio.create_task(it.dispatcher.dispatch(stream("n-1", 1), arrivals.more, arrivals.told.append))
        for number in range(20):
            # Longer than the pause between two looks at what may be committed.
            arrivals.groups.put_nowait(stream(f"n-other-{number}", 1, first_offset=number, partition=1))
            await asyncio.sleep(0.03)
        await eventually(lambda: len(it.handled) == 20)
        assert not running.done()
        assert arrivals.told, "what is settled may be committed while the slow one goes on"
        assert all((TOPIC, 0) not in result.commit for result in arrivals.told), "but nothing past what is at work"
        let_go.set()
        result = await running
        told = [result.commit.get((TOPIC, 1), 0) for result in arrivals.told]
        assert told == sorted(told)
        assert result.commit[(TOPIC, 0)] == 1
        assert max(*told, result.commit.get((TOPIC, 1), 0)) == 20
        assert result.again == {}

    async def test_what_arrives_for_a_key_at_work_keeps_its_order(self, it: Service) -> None:
        let_go, arrivals = asyncio.Event(), Arrivals()
        it.act = _slow_for("n-1", let_go)
        records = stream("n-1", 6)
        running = asyncio.create_task(it.dispatcher.dispatch(records[:2], arrivals.more))
        for one in records[2:]:
            arrivals.groups.put_nowait([one])
        await eventually(arrivals.groups.empty)
        assert it.handled == []
        let_go.set()
        result = await running
        assert it.of("n-1") == [1, 2, 3, 4, 5, 6]
        assert result.commit == {(TOPIC, 0): 6}

    async def test_an_interrupt_closes_it_and_gives_back_what_was_not_begun(self, it: Service) -> None:
        let_go, arrivals = asyncio.Event(), Arrivals()
        it.act = _slow_for("n-1", let_go)
        running = asyncio.create_task(it.dispatcher.dispatch(stream("n-1", 1), arrivals.more))
        arrivals.groups.put_nowait(stream("n-1", 3)[1:])
        await eventually(arrivals.groups.empty)
        it.dispatcher.interrupt()
        let_go.set()
        async with asyncio.timeout(5):
            result = await running
        assert it.of("n-1") == [1]
        assert result.commit == {(TOPIC, 0): 1}
        assert result.again == {(TOPIC, 0): 1}

    async def test_an_outage_gives_back_all_that_is_not_settled(self, it: Service) -> None:
        let_go, arrivals = asyncio.Event(), Arrivals()

        async def act(made: Event[EventData]) -> None:
            if made.subject == "n-away":
                raise StoreUnavailable
            if made.subject == "n-1":
                await let_go.wait()

        it.act = act
        first = [*stream("n-1", 1), *stream("n-1", 2, first_offset=7, partition=0)[1:]]
        running = asyncio.create_task(it.dispatcher.dispatch(first, arrivals.more))
        arrivals.groups.put_nowait(stream("n-2", 1, partition=1))
        arrivals.groups.put_nowait(stream("n-away", 2, first_offset=1, partition=1))
        await eventually(arrivals.groups.empty)
        await asyncio.sleep(0)
        let_go.set()
        result = await running
        assert result.store_away
        assert result.commit == {(TOPIC, 0): 8, (TOPIC, 1): 1}
        assert result.again == {(TOPIC, 0): 8, (TOPIC, 1): 1}

    async def test_records_that_cannot_be_fetched_cost_none_in_hand(self, it: Service) -> None:
        let_go, arrivals = asyncio.Event(), Arrivals()
        it.act = _slow_for("n-1", let_go)
        running = asyncio.create_task(it.dispatcher.dispatch(stream("n-1", 2), arrivals.more))
        arrivals.groups.put_nowait(ConnectionError("gone"))
        await eventually(arrivals.groups.empty)
        let_go.set()
        result = await running
        assert it.of("n-1") == [1, 2]
        assert result.commit == {(TOPIC, 0): 2}

    async def test_a_batch_that_is_full_closes(self, it: Service) -> None:
        let_go, arrivals = asyncio.Event(), Arrivals()
        it.act = _slow_for("n-1", let_go)
        running = asyncio.create_task(it.dispatcher.dispatch(stream("n-1", 1), arrivals.more, arrivals.told.append))
        many = stream("n-1", 3_001)
        for start in range(1, 3_001, 100):
            arrivals.groups.put_nowait(many[start : start + 100])
        await eventually(lambda: arrivals.groups.qsize() == 10)
        await asyncio.sleep(0.3)
        assert arrivals.groups.qsize() == 10, "what one slow handler holds up is bounded"
        let_go.set()
        result = await running
        assert result.commit == {(TOPIC, 0): 2_001}


def _slow_for(subject: str, let_go: asyncio.Event) -> Callable[[Event[EventData]], Awaitable[None]]:
    async def act(made: Event[EventData]) -> None:
        if made.subject == subject:
            await let_go.wait()

    return act
