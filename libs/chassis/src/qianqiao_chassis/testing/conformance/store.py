"""What the repository promises over any document store."""

# ruff: noqa: D102 - the name of a test is its sentence

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from pymongo.errors import AutoReconnect

from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.context import Cause, caused_by
from qianqiao_chassis.errors import (
    AlreadyExists,
    Invalid,
    NotFound,
    StoreUnavailable,
    TooLarge,
    Unavailable,
    VersionConflict,
)
from qianqiao_chassis.store import Index, Repository, Store
from qianqiao_chassis.store.client import Collection
from qianqiao_chassis.store.documents import OutboxEntry
from qianqiao_chassis.store.outbox import Outbox
from qianqiao_chassis.store.repository import MAX_BACKLOG
from qianqiao_chassis.testing.conformance.subjects import SOURCE, START, Switch, sequences, switch
from qianqiao_chassis.testing.proxy import Proxy
from qianqiao_chassis.testing.waiting import eventually


class Woken:
    """Remembers every wake-up."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []
        self.bodies: list[bytes] = []

    def known(self, outbox: Outbox, id: str) -> int:
        """See Waker."""
        return 0

    def wake(self, outbox: Outbox, id: str, entries: Sequence[OutboxEntry]) -> None:
        """See Waker."""
        self.calls.append((id, [entry.sequence for entry in entries]))
        self.bodies = [entry.body for entry in entries]


class StoreSuite:
    """Fixtures shared by the suites below. Needs `store_url` and `database`."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock(START)

    @pytest.fixture
    async def store(self, store_url: str, database: str) -> AsyncIterator[Store]:
        async with Store(store_url, database) as opened:
            yield opened

    @pytest.fixture
    def woken(self) -> Woken:
        return Woken()

    @pytest.fixture
    async def switches(self, store: Store, clock: FakeClock, woken: Woken) -> Repository[Switch]:
        indexes = [Index(("number", 1), unique=True), Index(("party", 1), ("changes", -1))]
        made = Repository(store, "switches", Switch, source=SOURCE, clock=clock, waker=woken, indexes=indexes)
        await made.ensure_indexes()
        return made


class RepositorySuite(StoreSuite):
    """State and events in one write, under the optimistic lock."""

    async def test_what_was_added_comes_back(self, switches: Repository[Switch]) -> None:
        added = await switches.add(switch("s-1", flips=2))
        found = await switches.get("s-1")
        assert found == added
        assert (found.revision, found.sequence, found.changes) == (1, 2, 2)

    async def test_nothing_there(self, switches: Repository[Switch]) -> None:
        assert await switches.find("s-0") is None
        with pytest.raises(NotFound):
            await switches.get("s-0")
        with pytest.raises(NotFound):
            await switches.save(Switch(id="s-0", revision=3))

    async def test_an_id_is_taken_once(self, switches: Repository[Switch]) -> None:
        assert await switches.add_once(switch("s-1")) is True
        assert await switches.add_once(switch("s-1")) is False
        with pytest.raises(AlreadyExists):
            await switches.add(switch("s-1"))

    @pytest.mark.parametrize("huge", [False, True], ids=["small", "one too large"])
    async def test_adds_at_once_each_learn_their_own_fate(
        self, switches: Repository[Switch], woken: Woken, huge: bool
    ) -> None:
        await switches.add(Switch(id="s-taken", number="A"))
        good = [switch(f"s-{number}") for number in range(20)]
        bad = [switch("s-taken"), Switch(id="s-other", number="A")]
        bad += [Switch(id="s-huge", notes=["长" * 6_000_000])] * huge
        fates = await asyncio.gather(*(switches.add(it) for it in [*good, *bad, switch("s-0")]), return_exceptions=True)
        assert [type(fate) for fate in fates] == [
            *[Switch] * 20, AlreadyExists, AlreadyExists, *[TooLarge] * huge, AlreadyExists
        ]  # fmt: skip
        assert await switches.count() == 21
        assert sorted(id for id, _ in woken.calls) == sorted(it.id for it in good)

    async def test_finds_at_once_each_get_their_own(self, switches: Repository[Switch]) -> None:
        for number in range(3):
            await switches.add(Switch(id=f"s-{number}", changes=number))
        found = await asyncio.gather(*(switches.find(id) for id in ("s-0", "s-9", "s-2", "s-0", "s-1")))
        assert [it and it.changes for it in found] == [0, None, 2, 0, 1]
        assert found[0] is not found[3], "what one caller changes must not show at another's"

    async def test_a_unique_value_is_taken_once_and_its_absence_any_number_of_times(
        self, switches: Repository[Switch]
    ) -> None:
        await switches.add(Switch(id="s-1", number="A"))
        await switches.add(Switch(id="s-2"))
        await switches.add(Switch(id="s-3"))
        with pytest.raises(AlreadyExists):
            await switches.add_once(Switch(id="s-4", number="A"))
        third = await switches.get("s-3")
        third.number = "A"
        with pytest.raises(AlreadyExists):
            await switches.save(third)
        first = await switches.get("s-1")
        first.number = None
        await switches.save(first)
        await switches.add(Switch(id="s-5", number="A"))

    async def test_save_counts_revisions_and_events(self, switches: Repository[Switch], woken: Woken) -> None:
        made = await switches.add(switch("s-1"))
        made.flip()
        made.flip()
        await switches.save(made)
        made.notes.append("no event")
        await switches.save(made)
        assert (made.revision, made.sequence) == (3, 3)
        assert await switches.get("s-1") == made
        assert woken.calls == [("s-1", [1]), ("s-1", [1, 2, 3])]
        assert sequences(woken.bodies) == {"s-1": [1, 2, 3]}

    async def test_a_stale_save_is_refused_with_both_revisions(self, switches: Repository[Switch]) -> None:
        await switches.add(switch("s-1"))
        mine, yours = await switches.get("s-1"), await switches.get("s-1")
        yours.flip()
        await switches.save(yours)
        mine.flip()
        with pytest.raises(VersionConflict) as refused:
            await switches.save(mine)
        assert (refused.value.expected, refused.value.actual) == (1, 2)
        assert (await switches.get("s-1")).changes == 2

    async def test_no_update_is_lost_in_a_race(self, switches: Repository[Switch], woken: Woken) -> None:
        await switches.add(Switch(id="s-1"))
        await asyncio.gather(*(switches.change("s-1", Switch.flip) for _ in range(12)))
        after = await switches.get("s-1")
        assert (after.changes, after.sequence, after.revision) == (12, 12, 13)
        assert sequences(woken.bodies) == {"s-1": list(range(1, 13))}

    async def test_change_with_a_revision_does_not_try_again(self, switches: Repository[Switch]) -> None:
        await switches.add(switch("s-1"))
        await switches.change("s-1", Switch.flip, if_revision=1)
        with pytest.raises(VersionConflict):
            await switches.change("s-1", Switch.flip, if_revision=1)

    async def test_what_was_just_read_is_changed_without_reading_it_again(self, switches: Repository[Switch]) -> None:
        read = await switches.add(switch("s-1"))
        assert (await switches.change("s-1", Switch.flip, held=read)).changes == 2
        assert (read.changes, read.revision, read.recorded) == (1, 1, ()), "what the caller read stays as it was"

    async def test_what_was_read_and_has_moved_is_decided_anew(self, switches: Repository[Switch]) -> None:
        read = await switches.add(switch("s-1"))
        await switches.change("s-1", Switch.flip)
        assert (await switches.change("s-1", Switch.flip, held=read)).changes == 3

        def flip_once_more(it: Switch) -> None:
            if it.changes == 1:
                raise Invalid("no", "不行", "no")
            if it.changes != 2:
                it.flip()

        assert (await switches.change("s-1", flip_once_more, held=read)).changes == 4, "refused only as it was read"
        read.changes = 2
        assert (await switches.change("s-1", flip_once_more, held=read)).changes == 5, "unchanged only as it was read"

    async def test_lookups_at_once_each_get_their_own(self, switches: Repository[Switch]) -> None:
        for number in range(6):
            await switches.add(Switch(id=f"s-{number}", party=["many", "many", "many", "some", "some", "one"][number]))
        asked = (("many", 50), ("one", 50), ("none", 50), ("some", 50), ("many", 2), ("one", 1))
        found = await asyncio.gather(*(switches.find_by("party", value, limit=limit) for value, limit in asked))
        assert [[it.id for it in some] for some in found] == [
            ["s-0", "s-1", "s-2"], ["s-5"], [], ["s-3", "s-4"], ["s-0", "s-1"], ["s-5"]
        ]  # fmt: skip
        crowded = await asyncio.gather(*(switches.find_by("party", it, limit=1) for it in ("many", "some", "one")))
        assert [[it.id for it in some] for some in crowded] == [["s-0"], ["s-3"], ["s-5"]]

    async def test_lookups_go_into_parts_and_lists(self, switches: Repository[Switch]) -> None:
        await switches.add(Switch(id="s-1", notes=["red", "blue"]))
        await switches.add(Switch(id="s-2", notes=["blue"]))
        found = await asyncio.gather(*(switches.find_by("notes", note) for note in ("red", "blue")))
        assert [[it.id for it in some] for some in found] == [["s-1"], ["s-1", "s-2"]]

    async def test_a_decision_that_changes_nothing_writes_nothing(self, switches: Repository[Switch]) -> None:
        await switches.add(switch("s-1"))
        assert (await switches.change("s-1", lambda _: None)).revision == 1
        assert (await switches.get("s-1")).revision == 1

    async def test_what_a_decision_raises_is_raised_and_nothing_is_written(self, switches: Repository[Switch]) -> None:
        await switches.add(switch("s-1"))

        def refuse(it: Switch) -> None:
            it.flip()
            raise Invalid("no", "不行", "no")

        with pytest.raises(Invalid):
            await switches.change("s-1", refuse)
        assert (await switches.get("s-1")).changes == 1

    async def test_events_carry_their_cause(self, switches: Repository[Switch], woken: Woken) -> None:
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        with caused_by(Cause("story-1", "event-1", trace)):
            await switches.add(switch("s-1"))
        assert b'"correlationid":"story-1"' in woken.bodies[0]
        assert b'"causationid":"event-1"' in woken.bodies[0]
        assert trace.encode() in woken.bodies[0]

    async def test_published_events_are_taken_out_and_others_stay(
        self, switches: Repository[Switch], clock: FakeClock
    ) -> None:
        outbox = switches.outbox
        assert outbox is not None
        await switches.add(switch("s-1", flips=3))
        await switches.add(switch("s-2", flips=1))
        await outbox.clear({"s-1": [1, 2], "s-2": [1], "s-3": [9]})
        await outbox.clear({"s-1": [1]})
        later = clock.now() + timedelta(seconds=1)
        waiting = await outbox.waiting(later, 10)
        assert [(pending.id, [e.sequence for e in pending.entries]) for pending in waiting] == [("s-1", [3])]
        assert await outbox.waiting(clock.now(), 10) == []

    async def test_clearing_and_saving_at_once_lose_nothing(self, switches: Repository[Switch]) -> None:
        outbox = switches.outbox
        assert outbox is not None
        await switches.add(switch("s-1"))
        for number in range(1, 9):
            await asyncio.gather(outbox.clear({"s-1": [number]}), switches.change("s-1", Switch.flip))
        waiting = await outbox.waiting(START + timedelta(days=1), 10)
        assert [entry.sequence for entry in waiting[0].entries] == [9]
        assert (await switches.get("s-1")).changes == 9

    async def test_a_backlog_is_bounded(self, switches: Repository[Switch]) -> None:
        made = await switches.add(switch("s-1", flips=MAX_BACKLOG - 1))
        made.flip()
        await switches.save(made)
        made.flip()
        with pytest.raises(Unavailable) as refused:
            await switches.save(made)
        assert refused.value.code == "outbox-full"

    async def test_a_document_the_store_cannot_hold_is_refused(self, switches: Repository[Switch]) -> None:
        with pytest.raises(TooLarge):
            await switches.add(Switch(id="s-1", notes=["长" * 6_000_000]))

    async def test_pages_are_complete_and_in_order(self, switches: Repository[Switch]) -> None:
        for number in range(7):
            await switches.add(Switch(id=f"s-{number}", changes=number % 3, number=None if number % 2 else f"{number}"))
        for sort in ([("id", 1)], [("changes", -1)], [("changes", 1), ("id", -1)], [("number", 1)], [("number", -1)]):
            whole = [it.id for it in await switches.select(sort=sort)]
            paged: list[str] = []
            while page := await switches.select(sort=sort, limit=2, after=paged[-1] if paged else None):
                paged += [it.id for it in page]
            assert paged == whole
            assert len(whole) == 7
        assert [it.id for it in await switches.select({"changes": {"$gte": 2}, "id": {"$ne": "s-2"}})] == ["s-5"]
        assert await switches.count({"$or": [{"id": "s-1"}, {"changes": 0}]}) == 4
        with pytest.raises(Invalid):
            await switches.select(after="s-99")

    async def test_a_claim_is_exclusive_and_ends_with_a_save(
        self, switches: Repository[Switch], clock: FakeClock
    ) -> None:
        for number in range(4):
            await switches.add(Switch(id=f"s-{number}", wake_at=START + timedelta(seconds=number)))
        now = START + timedelta(seconds=2)
        claims = await asyncio.gather(*(switches.claim_due(now, now + timedelta(seconds=30)) for _ in range(6)))
        assert sorted(claim.id for found in claims for claim in found) == ["s-0", "s-1", "s-2"]

        def done(it: Switch) -> None:
            it.wake_at = None

        def again(it: Switch) -> None:
            it.wake_at = START
            it.notes.append("again")

        await switches.change("s-0", done)
        await switches.change("s-1", again)
        again_claimed = (await switches.claim_due(now, now + timedelta(seconds=30)))[0]
        assert (again_claimed.id, again_claimed.tries) == ("s-1", 1)
        later = now + timedelta(seconds=31)
        taken_over = [await switches.claim_due(later, later + timedelta(seconds=30), limit=2) for _ in range(3)]
        assert sorted((claim.id, claim.tries) for found in taken_over for claim in found) == [
            ("s-1", 2),
            ("s-2", 2),
            ("s-3", 1),
        ]

    async def test_an_outage_says_so_and_passes(self, store_url: str, database: str, clock: FakeClock) -> None:
        async with Proxy.before(store_url) as proxy:
            url = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
            async with Store(url, database, patience_ms=300) as store:
                repository = Repository(store, "switches", Switch, source=SOURCE, clock=clock)
                await repository.add(switch("s-1"))
                await proxy.cut()
                with pytest.raises(StoreUnavailable):
                    await repository.get("s-1")
                await proxy.resume()
                await eventually(lambda: answers_again(repository), what="the store answers again")

    async def test_callers_in_the_queue_hear_of_an_outage_together(self, store_url: str, database: str) -> None:
        asked = 0

        async def fail(_: Collection) -> None:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0)
            raise AutoReconnect

        async with Store(store_url, database, concurrency=4) as store:
            calls = (store.run("any", "any", fail) for _ in range(40))
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(answer, StoreUnavailable) for answer in answers)
        assert asked == 4


async def answers_again(repository: Repository[Switch]) -> bool:
    """Whether the one switch can be read."""
    try:
        return (await repository.get("s-1")).changes == 1
    except StoreUnavailable:
        return False
