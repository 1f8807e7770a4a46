"""What the due loop promises over any document store."""
# ruff: noqa: D102 - the name of a test is its sentence

import asyncio
from datetime import datetime, timedelta

import pytest

from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.context import Cause, caused_by, current_cause
from qianqiao_chassis.due import DueLoop
from qianqiao_chassis.errors import AlreadyExists, StoreUnavailable
from qianqiao_chassis.store import Repository, Store
from qianqiao_chassis.store.timers import DueClaim
from qianqiao_chassis.testing.conformance.store import StoreSuite
from qianqiao_chassis.testing.conformance.subjects import SOURCE, START, Switch
from qianqiao_chassis.testing.proxy import Proxy
from qianqiao_chassis.testing.waiting import eventually


class Ringer:
    """A handler that remembers its calls and settles the aggregate, unless told otherwise."""

    def __init__(self, switches: Repository[Switch]) -> None:
        self.switches = switches
        self.calls: list[str] = []
        self.causes: list[Cause] = []
        self.broken: set[str] = set()
        self.idle: set[str] = set()

    async def __call__(self, switch: Switch) -> None:
        """Note the call and take the due time away."""
        id = switch.id
        self.calls.append(id)
        self.causes.append(current_cause())
        if id in self.broken:
            raise RuntimeError("broken")
        if id not in self.idle:
            _settle(switch)
            await self.switches.save(switch)


LEASE = timedelta(seconds=30)


def _wake(it: Switch) -> None:
    it.wake_at = START


def _settle(it: Switch) -> None:
    it.wake_at = None
    it.changes += 1


class DueSuite(StoreSuite):
    """Due documents are claimed by lease; a failing one blocks nobody."""

    @pytest.fixture
    def ringer(self, switches: Repository[Switch]) -> Ringer:
        return Ringer(switches)

    async def test_only_what_is_due_and_each_once(
        self, switches: Repository[Switch], ringer: Ringer, clock: FakeClock
    ) -> None:
        loop = DueLoop(switches, ringer, clock)
        for hours in (0, 1, 2):
            await switches.add(Switch(id=f"s-{hours}", wake_at=START + timedelta(hours=hours)))
        await switches.add(Switch(id="s-never"))
        assert await loop.run_once() == 1
        clock.advance(timedelta(hours=2))
        assert await loop.run_once() == 2
        assert await loop.run_once() == 0
        assert ringer.calls == ["s-0", "s-1", "s-2"]
        assert (await switches.get("s-2")).changes == 1

    async def test_a_write_that_is_due_is_claimed_by_the_write_itself(
        self, switches: Repository[Switch], ringer: Ringer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = _looks(switches, monkeypatch)
        async with DueLoop(switches, ringer, clock, every=3_600):
            await eventually(lambda: looks == [[]], what="the first look is over, the next an hour away")
            await switches.add(Switch(id="s-1", wake_at=START))
            assert await switches.claim_due(clock.now(), clock.now() + LEASE) == [], "it is another's already"
            await eventually(lambda: ringer.calls == ["s-1"])
            await eventually(lambda: _is_settled(switches, "s-1"))
            await switches.change("s-1", _wake)
            await eventually(lambda: ringer.calls == ["s-1", "s-1"])
        assert looks == [[], []], "the loop needed no look into the store"

    async def test_what_finds_no_free_place_is_found_as_soon_as_there_is_one(
        self, switches: Repository[Switch], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = _looks(switches, monkeypatch)
        let_go, begun = asyncio.Event(), list[str]()

        async def slow(it: Switch) -> None:
            begun.append(it.id)
            await let_go.wait()
            await switches.change(it.id, _settle)

        async with DueLoop(switches, slow, clock, concurrency=1, every=3_600):
            await eventually(lambda: looks == [[]])
            for number in range(3):
                await switches.add(Switch(id=f"s-{number}", wake_at=START + timedelta(microseconds=number * 1_000)))
                clock.advance(timedelta(milliseconds=1))
            await eventually(lambda: begun == ["s-0"])
            let_go.set()
            await eventually(lambda: begun == ["s-0", "s-1", "s-2"])

    async def test_what_is_new_does_not_overtake_what_waits(
        self, switches: Repository[Switch], ringer: Ringer, clock: FakeClock
    ) -> None:
        await switches.add(Switch(id="s-old", wake_at=START))
        async with DueLoop(switches, ringer, clock) as loop:
            assert loop.reserve(START) is None, "nobody has looked yet whether something waits"
            await eventually(lambda: ringer.calls == ["s-old"])
            await eventually(lambda: loop.reserve(START) is not None)

    async def test_a_claim_written_by_a_process_that_died_is_taken_over(
        self, switches: Repository[Switch], ringer: Ringer, clock: FakeClock
    ) -> None:
        async def died(it: Switch) -> None:
            await asyncio.Event().wait()

        async with asyncio.timeout(10), DueLoop(switches, died, clock, lease=timedelta(seconds=0.2)) as dead:
            await eventually(lambda: dead.reserve(START) is not None, what="the first look is over")
            await switches.add(Switch(id="s-1", wake_at=START))
        loop = DueLoop(switches, ringer, clock)
        assert await loop.run_once() == 0, "the lease is not over yet"
        clock.advance(timedelta(seconds=1))
        assert await loop.run_once() == 1

    async def test_a_write_that_fails_keeps_no_place_occupied(
        self, switches: Repository[Switch], ringer: Ringer, clock: FakeClock
    ) -> None:
        await switches.add(Switch(id="s-taken"))
        async with DueLoop(switches, ringer, clock, concurrency=1):
            for _ in range(3):
                with pytest.raises(AlreadyExists):
                    await switches.add(Switch(id="s-taken", wake_at=START))
            await switches.add(Switch(id="s-1", wake_at=START))
            await eventually(lambda: ringer.calls == ["s-1"])

    async def test_a_handler_that_does_not_end_is_cut_off_and_tried_again_later(
        self, switches: Repository[Switch], clock: FakeClock
    ) -> None:
        calls: list[str] = []

        async def stuck(it: Switch) -> None:
            calls.append(it.id)
            await asyncio.Event().wait()

        await switches.add(Switch(id="s-1", wake_at=START))
        loop = DueLoop(switches, stuck, clock, longest=timedelta(milliseconds=50))
        assert await loop.run_once() == 1
        assert await loop.run_once() == 0
        clock.advance(timedelta(seconds=2))
        assert await loop.run_once() == 1
        assert calls == ["s-1", "s-1"]

    async def test_a_failing_one_waits_longer_each_time_and_blocks_nobody(
        self, switches: Repository[Switch], ringer: Ringer, clock: FakeClock
    ) -> None:
        loop = DueLoop(switches, ringer, clock, concurrency=1)
        ringer.broken = {"s-0"}
        for number in range(3):
            await switches.add(Switch(id=f"s-{number}", wake_at=START))
        assert await loop.run_once() == 3
        assert await loop.run_once() == 0
        for wait in (2, 4, 8):
            clock.advance(timedelta(seconds=wait - 1))
            assert await loop.run_once() == 0
            clock.advance(timedelta(seconds=1))
            assert await loop.run_once() == 1
        ringer.broken = set()
        clock.advance(timedelta(seconds=16))
        assert await loop.run_once() == 1
        assert (await switches.get("s-0")).wake_at is None

    async def test_a_handler_that_saves_nothing_is_called_again_after_the_lease(
        self, switches: Repository[Switch], ringer: Ringer, clock: FakeClock
    ) -> None:
        loop = DueLoop(switches, ringer, clock, lease=timedelta(seconds=30))
        ringer.idle = {"s-1"}
        await switches.add(Switch(id="s-1", wake_at=START))
        assert await loop.run_once() == 1
        clock.advance(timedelta(seconds=29))
        assert await loop.run_once() == 0
        clock.advance(timedelta(seconds=1))
        assert await loop.run_once() == 1

    async def test_a_claim_of_a_dead_process_is_taken_over(
        self, switches: Repository[Switch], ringer: Ringer, clock: FakeClock
    ) -> None:
        await switches.add(Switch(id="s-1", wake_at=START))
        assert len(await switches.claim_due(clock.now(), clock.now() + LEASE)) == 1
        loop = DueLoop(switches, ringer, clock)
        assert await loop.run_once() == 0
        clock.advance(timedelta(seconds=30))
        assert await loop.run_once() == 1

    async def test_two_loops_share_the_work(self, store_url: str, database: str, clock: FakeClock) -> None:
        async with Store(store_url, database) as one, Store(store_url, database) as two:
            ringers = []
            for store in (one, two):
                switches = Repository(store, "switches", Switch, source=SOURCE, clock=clock)
                ringers.append(Ringer(switches))
            await asyncio.gather(*(ringers[0].switches.add(Switch(id=f"s-{n:02}", wake_at=START)) for n in range(20)))
            await asyncio.gather(*(DueLoop(it.switches, it, clock, concurrency=3).run_once() for it in ringers))
            assert sorted(ringers[0].calls + ringers[1].calls) == [f"s-{n:02}" for n in range(20)]

    async def test_a_late_handler_cannot_undo_what_its_successor_saved(
        self, switches: Repository[Switch], clock: FakeClock
    ) -> None:
        await switches.add(Switch(id="s-1", wake_at=START))
        let_go = asyncio.Event()
        outcomes: list[str] = []

        async def slow(mine: Switch) -> None:
            await let_go.wait()
            _settle(mine)
            try:
                await switches.save(mine)
            except Exception as error:
                outcomes.append(type(error).__name__)
                raise

        ringer = Ringer(switches)
        late = asyncio.create_task(DueLoop(switches, slow, clock).run_once())
        await eventually(lambda: _claimed(switches, clock), what="claimed")
        clock.advance(timedelta(seconds=31))
        assert await DueLoop(switches, ringer, clock).run_once() == 1
        let_go.set()
        await late
        assert outcomes == ["VersionConflict"]
        assert (await switches.get("s-1")).changes == 1

    async def test_the_story_goes_on(self, switches: Repository[Switch], ringer: Ringer, clock: FakeClock) -> None:
        cause = Cause("story-1", "event-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        with caused_by(cause):
            await switches.add(Switch(id="s-1", wake_at=START))
        await DueLoop(switches, ringer, clock).run_once()
        assert ringer.causes == [cause]

    async def test_stopping_lets_a_handler_finish(self, switches: Repository[Switch], clock: FakeClock) -> None:
        begun, finished = asyncio.Event(), asyncio.Event()

        async def slow(it: Switch) -> None:
            begun.set()
            await asyncio.sleep(0.05)
            finished.set()

        async with DueLoop(switches, slow, clock):
            await switches.add(Switch(id="s-1", wake_at=START))
            await begun.wait()
        assert finished.is_set()

    async def test_an_outage_passes(self, store_url: str, database: str, clock: FakeClock) -> None:
        async with Proxy.before(store_url) as proxy:
            url = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
            async with Store(url, database, patience_ms=300) as store, Store(store_url, database) as direct:
                behind = Repository(store, "switches", Switch, source=SOURCE, clock=clock)
                ringer = Ringer(behind)
                async with DueLoop(behind, ringer, clock, every=0.05):
                    await proxy.cut()
                    with pytest.raises(StoreUnavailable):
                        await behind.get("s-1")
                    other = Repository(direct, "switches", Switch, source=SOURCE, clock=clock)
                    await other.add(Switch(id="s-1", wake_at=START))
                    await proxy.resume()
                    await eventually(lambda: ringer.calls == ["s-1"])


async def _claimed(switches: Repository[Switch], clock: FakeClock) -> bool:
    return await switches.count({"_due": {"$gt": clock.now()}}) == 1


async def _is_settled(switches: Repository[Switch], id: str) -> bool:
    return (await switches.get(id)).wake_at is None


def _looks(switches: Repository[Switch], monkeypatch: pytest.MonkeyPatch) -> list[list[DueClaim]]:
    """What every look into the store found from now on."""
    original = switches.claim_due
    looks: list[list[DueClaim]] = []

    async def look(now: datetime, lease_until: datetime, *, limit: int = 1) -> list[DueClaim]:
        found = await original(now, lease_until, limit=limit)
        looks.append(found)
        return found

    monkeypatch.setattr(switches, "claim_due", look)
    return looks
