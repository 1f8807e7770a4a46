"""A need for which nothing is found is told so: after the second look, once, with where it can go next."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.abstention import Abstention
from matching.main import SERVICE, compose
from matching.settings import MatchingSettings
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.store.repository import Repository
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import (
    Comparator,
    Constraint,
    Event,
    EventData,
    Measured,
    NeedContent,
    NeedPaused,
    NeedPosted,
    NeedResumed,
    NeedRevised,
    NeedWithdrawn,
    ResultListed,
    ResultWithdrawn,
    Visibility,
)

from .demonstration import NEEDS, RESULTS, variant

type Service = Harness[MatchingSettings]
GAS, GAS_RESULT, NOTHING = "need-gas", "result-gas", "need-nothing"
BUYER, OPTICS, LIBRARY = "party-buyer", "party-optics", "party-library"
LATER = timedelta(seconds=10)


async def looked(*services: Service) -> list[Event[Any]]:
    """Let the second looks pass; return everything published since the last call."""
    for service in services:
        service.clock.advance(LATER)
    for service in services:
        await service.run_due()
        assert await service.parked() == []
    return [event for service in services for event in await service.published()]


def told(events: list[Event[Any]]) -> list[str]:
    """The needs that were told that nothing fits."""
    return [event.data.need for event in events if type(event.data).__name__ == "NoMatchFound"]


def kinds(events: list[Event[Any]]) -> list[str]:
    return [type(event.data).__name__ for event in events]


def revised(content: NeedPosted, **changes: Any) -> NeedRevised:
    return NeedRevised.model_validate(content.model_dump() | changes)


# ---- what is said ---------------------------------------------------------------------------------------------------


async def test_a_need_that_finds_nothing_is_told_after_the_second_look(service: Service) -> None:
    for id, data in RESULTS.items():
        await service.deliver(data, subject=id)
    await service.deliver(NEEDS[NOTHING], subject=NOTHING)
    await service.run_due()
    assert await service.published() == [], "the first look says nothing"
    (event,) = await looked(service)
    said = event.data
    assert (said.need, said.party, said.need_title) == (NOTHING, LIBRARY, NEEDS[NOTHING].title)
    assert 0 < said.looked_at <= len(RESULTS)
    assert said.gaps == ()
    assert [way.route for way in said.routes if way.suits] == ["expert"]
    assert said.routes[0].suits
    assert {way.route for way in said.routes} == {"challenge", "expert", "service"}
    assert (event.subject, event.sequence) == (Abstention.id_of(NOTHING), 1)
    assert await looked(service) == []


async def test_the_closest_results_are_counted_and_the_musts_they_miss_are_named(service: Service) -> None:
    poor = RESULTS[GAS_RESULT].model_copy(update={"measured": (Measured(name="检测下限", value=50, unit="ppm"),)})
    for number in range(3):
        await service.deliver(poor, subject=f"result-{number}")
    hidden = poor.model_copy(update={"visibility": Visibility.TARGETED})
    await service.deliver(hidden, subject="result-hidden")
    await service.deliver(NEEDS[GAS], subject=GAS)
    (event,) = await looked(service)
    (gap,) = event.data.gaps
    assert (gap.kind, event.data.looked_at) == ("constraint", 4)
    assert gap.text_zh == "3 项成果内容接近，但都有必须达到的指标不满足：检测下限（3 项）。"
    assert "检测下限: 3" in gap.text_en


async def test_nothing_of_a_need_that_is_not_open_is_quoted(service: Service) -> None:
    poor = RESULTS[GAS_RESULT].model_copy(update={"measured": (Measured(name="检测下限", value=50, unit="ppm"),)})
    await service.deliver(poor, subject=GAS_RESULT)
    confidential = NEEDS[GAS].model_copy(update={"visibility": Visibility.CONFIDENTIAL})
    await service.deliver(confidential, subject=GAS)
    (event,) = await looked(service)
    assert event.data.need_title is None
    assert event.data.gaps
    written = event.model_dump_json()
    for word in ("甲烷", "检测下限", "ppm", "燃气"):
        assert word not in written


# ---- whom it is not said --------------------------------------------------------------------------------------------


async def test_a_need_that_was_proposed_something_is_not_told(service: Service) -> None:
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    await service.deliver(NEEDS[GAS], subject=GAS)
    assert kinds(await looked(service)) == ["MatchProposed"]
    await service.deliver(ResultWithdrawn(parties=(OPTICS,)), subject=GAS_RESULT, sequence=2)
    await service.deliver(NeedPaused(party=BUYER), subject=GAS, sequence=2)
    await service.deliver(NeedResumed(party=BUYER), subject=GAS, sequence=3)
    assert told(await looked(service)) == []


async def test_a_result_that_arrives_between_the_looks_is_proposed_and_nothing_else_said(service: Service) -> None:
    await service.deliver(NEEDS[GAS], subject=GAS)
    service.clock.advance(timedelta(seconds=3))
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    assert kinds(await looked(service)) == ["MatchProposed"]
    assert await looked(service) == []


async def test_a_look_that_comes_for_a_neighbour_says_nothing_of_a_need_that_has_just_come(service: Service) -> None:
    await service.deliver(NEEDS[NOTHING], subject=NOTHING)
    service.clock.advance(timedelta(seconds=1.9))
    await service.deliver(NEEDS[GAS], subject=GAS)
    service.clock.advance(timedelta(seconds=3.2))  # the look at the first is due and covers the second, too
    await service.run_due()
    assert told(await service.published()) == [NOTHING]
    service.clock.advance(timedelta(seconds=2))
    await service.run_due()
    assert told(await service.published()) == [GAS]


@pytest.mark.parametrize("gone", [NeedWithdrawn(party=LIBRARY), NeedPaused(party=LIBRARY)], ids=["gone", "paused"])
async def test_a_need_that_left_before_the_second_look_is_not_told(service: Service, gone: EventData) -> None:
    await service.deliver(NEEDS[NOTHING], subject=NOTHING)
    await service.deliver(gone, subject=NOTHING, sequence=2)
    assert await looked(service) == []
    if isinstance(gone, NeedPaused):
        await service.deliver(NeedResumed(party=LIBRARY), subject=NOTHING, sequence=3)
        assert told(await looked(service)) == [NOTHING]


async def test_a_need_that_was_ever_accepted_is_not_told(service: Service) -> None:
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    await service.deliver(NEEDS[GAS], subject=GAS)
    (proposed,) = await looked(service)
    for party in (BUYER, OPTICS):
        client = service.client(party=party, roles=["enterprise"])
        (await client.post(f"/v1/matches/{proposed.subject}/interest")).raise_for_status()
    await service.deliver(revised(NEEDS[NOTHING], party=BUYER), subject=GAS, sequence=2)
    assert told(await looked(service)) == []


async def test_what_waits_for_tomorrow_is_not_denied_today(service: Service) -> None:
    """Five were told of today by the old content; what the new one finds comes tomorrow."""
    for number in range(5):
        offer = variant(RESULTS[GAS_RESULT], number, parties=(f"party-{number}",))
        await service.deliver(offer, subject=f"result-{number}")
    await service.deliver(RESULTS["result-weld"], subject="result-weld")
    await service.deliver(NEEDS[GAS], subject=GAS)
    assert kinds(await looked(service)) == ["MatchProposed"] * 5
    await service.deliver(revised(NEEDS["need-weld"]), subject=GAS, sequence=2)
    assert "NoMatchFound" not in kinds(await looked(service))
    service.clock.advance(timedelta(days=1))
    assert "MatchProposed" in kinds(await looked(service))


# ---- once -----------------------------------------------------------------------------------------------------------


async def test_the_same_need_again_is_not_told_again(service: Service) -> None:
    await service.deliver(NEEDS[NOTHING], subject=NOTHING)
    assert told(await looked(service)) == [NOTHING]
    await service.deliver(NEEDS[NOTHING], subject=NOTHING)
    immaterial = revised(NEEDS[NOTHING], last_confirmed=service.clock.now(), visibility=Visibility.SUMMARY)
    await service.deliver(immaterial, subject=NOTHING, sequence=2)
    await service.deliver(NeedPaused(party=LIBRARY), subject=NOTHING, sequence=3)
    await service.deliver(NeedResumed(party=LIBRARY), subject=NOTHING, sequence=4)
    assert await looked(service) == []


async def test_a_need_that_changed_materially_and_finds_nothing_again_is_told_again(service: Service) -> None:
    await service.deliver(NEEDS[NOTHING], subject=NOTHING)
    assert told(await looked(service)) == [NOTHING]
    changed = revised(NEEDS[NOTHING], title="古籍纸张脱酸与霉斑清除")
    await service.deliver(changed, subject=NOTHING, sequence=2)
    (event,) = await looked(service)
    assert (event.data.need_title, event.sequence) == (changed.title, 2)
    await service.deliver(revised(NEEDS[NOTHING]), subject=NOTHING, sequence=3)
    assert await looked(service) == [], "of its first content it was told"


async def test_a_need_whose_proposal_fell_away_with_its_old_content_is_told(service: Service) -> None:
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    await service.deliver(NEEDS[GAS], subject=GAS)
    await service.deliver(revised(NEEDS[NOTHING], party=BUYER), subject=GAS, sequence=2)
    assert kinds(await looked(service)) == ["MatchProposed", "MatchWithdrawn", "NoMatchFound"]


async def test_what_fits_later_is_proposed_as_ever(service: Service) -> None:
    await service.deliver(NEEDS[GAS], subject=GAS)
    assert told(await looked(service)) == [GAS]
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    assert kinds(await looked(service)) == ["MatchProposed"]


async def test_an_answered_match_that_goes_leaves_a_changed_need_with_an_answer(service: Service) -> None:
    """One side's yes keeps a match open though the need was revised; when its result goes, the need has nothing."""
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    await service.deliver(NEEDS[GAS], subject=GAS)
    (proposed,) = await looked(service)
    client = service.client(party=BUYER, roles=["enterprise"])
    (await client.post(f"/v1/matches/{proposed.subject}/interest")).raise_for_status()
    await service.deliver(revised(NEEDS[NOTHING], party=BUYER), subject=GAS, sequence=2)
    assert told(await looked(service)) == []
    await service.deliver(ResultWithdrawn(parties=(OPTICS,)), subject=GAS_RESULT, sequence=2)
    assert kinds(await looked(service)) == ["MatchWithdrawn", "NoMatchFound"]


# ---- crashes and two processes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before writing", "after writing"])
async def test_a_store_that_fails_while_it_is_said_loses_and_doubles_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    await service.deliver(NEEDS[NOTHING], subject=NOTHING)
    add_once = Repository.add_once

    async def fail(self: Repository[Any], aggregate: Any) -> bool:
        if isinstance(aggregate, Abstention):
            if after:
                await add_once(self, aggregate)
            raise StoreUnavailable("test")
        return await add_once(self, aggregate)

    with monkeypatch.context() as patch:
        patch.setattr(Repository, "add_once", fail)
        assert told(await looked(service)) == ([NOTHING] if after else [])
    service.clock.advance(timedelta(minutes=10))
    events = await looked(service)
    assert told(events) == ([] if after else [NOTHING])
    assert await looked(service) == []


async def test_a_need_stored_by_a_process_that_died_before_marking_it_is_told_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = next(found for found in service.chassis.wiring.repositories if found.name == "looks")

    async def away(*_: Any, **__: Any) -> bool:
        raise StoreUnavailable("test")

    with monkeypatch.context() as patch:
        patch.setattr(looks, "add_once", away)
        with pytest.raises(StoreUnavailable):
            await service.deliver(NEEDS[NOTHING], subject=NOTHING)
    service.clock.advance(timedelta(minutes=5))
    await service.deliver(NEEDS[NOTHING], subject=NOTHING)
    assert told(await looked(service)) == [NOTHING]


@pytest.fixture
async def other(service: Service, mongo_url: str, mongo_database: str) -> Any:
    settings = {"mongo_database": mongo_database}
    async with Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings) as harness:
        yield harness


async def test_two_processes_that_look_at_once_say_it_once(service: Service, other: Service) -> None:
    await service.deliver(NEEDS[NOTHING], subject=NOTHING)
    for process in (service, other):
        process.clock.advance(LATER)
    found = next(repository for repository in service.chassis.wiring.repositories if repository.name == "looks")
    (look,) = await found.select()
    handlers = [_handler(process) for process in (service, other)]
    await asyncio.gather(*(handle(look) for handle in handlers))
    events = [event for process in (service, other) for event in await process.published()]
    assert {(event.id, event.sequence) for event in events} == {(events[0].id, 1)}
    assert set(told(events)) == {NOTHING}


def _handler(process: Service) -> Callable[[Any], Awaitable[None]]:
    (work,) = (work for work in process.chassis.due_work if work.repository.name == "looks")
    return work.handler


async def test_a_result_on_another_process_in_the_same_second_gets_its_chance(service: Service, other: Service) -> None:
    await asyncio.gather(
        service.deliver(NEEDS[GAS], subject=GAS), other.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    )
    events = await looked(service, other)
    assert told(events) == []
    assert set(kinds(events)) == {"MatchProposed"}


# ---- the rule: no open need at rest is without an answer ------------------------------------------------------------

CONTENTS = ["need-gas", "need-weld", "need-nothing", "need-strict"]
STRICT = NEEDS["need-weld"].model_copy(
    update={"constraints": (Constraint(name="气孔率", comparator=Comparator.LE, value=1, unit="%"),)}
)
POROUS = RESULTS["result-weld"].model_copy(update={"measured": (Measured(name="气孔率", value=4, unit="%"),)})
OFFERS: list[ResultListed] = [RESULTS["result-gas"], RESULTS["result-weld"], POROUS]

NEED_STEPS = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([*CONTENTS, "pause", "resume", "withdraw"]))
RESULT_STEPS = st.tuples(st.sampled_from(["x", "y"]), st.sampled_from([*map(str, range(len(OFFERS))), "withdraw"]))
ELSE = st.tuples(st.just(""), st.sampled_from(["again", "time", "yes", "no"]))


class Town:
    """Plays steps on a service and keeps what each need says now, by what was delivered alone."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.sequences: dict[str, int] = {}
        self.said: dict[str, str] = {}
        """Titles of the needs that are open."""
        self.paused: dict[str, str] = {}
        self.listed: set[str] = set()
        self.last: tuple[EventData, str, int] | None = None

    async def deliver(self, id: str, data: EventData) -> None:
        self.sequences[id] = self.sequences.get(id, 0) + 1
        self.last = (data, id, self.sequences[id])
        await self.service.deliver(data, subject=id, sequence=self.sequences[id])

    async def step(self, who: str, what: str) -> None:
        if who in {"a", "b"}:
            await self.need(f"need-{who}", what)
        elif who in {"x", "y"}:
            await self.result(f"result-{who}", what)
        elif what == "again" and self.last:
            data, id, sequence = self.last
            await self.service.deliver(data, subject=id, sequence=sequence)
        elif what == "time":
            self.service.clock.advance(timedelta(seconds=3))
            await self.service.run_due()
        else:
            await self.answer(what)

    async def need(self, id: str, what: str) -> None:
        if what in CONTENTS:
            content = STRICT if what == "need-strict" else NEEDS[what]
            # Every content has a title of its own, by which events tell for which content they are meant.
            named: dict[str, Any] = content.model_dump() | {"party": BUYER, "title": f"{content.title} {id} {what}"}
            kind: type[NeedContent] = NeedRevised if id in self.sequences else NeedPosted
            await self.deliver(id, kind.model_validate(named))
            place = self.paused if id in self.paused else self.said
            place[id] = named["title"]
        elif what == "resume" and id in self.paused:
            self.said[id] = self.paused.pop(id)
            await self.deliver(id, NeedResumed(party=BUYER))
        elif what in {"pause", "withdraw"} and id in self.said:
            self.paused[id] = self.said.pop(id)
            await self.deliver(id, NeedPaused(party=BUYER) if what == "pause" else NeedWithdrawn(party=BUYER))

    async def result(self, id: str, what: str) -> None:
        if what != "withdraw":
            await self.deliver(id, OFFERS[int(what)])
            self.listed.add(id)
        elif id in self.listed:
            self.listed.remove(id)
            await self.deliver(id, ResultWithdrawn(parties=(OPTICS,)))

    async def answer(self, what: str) -> None:
        client = self.service.client(party=BUYER, roles=["enterprise"])
        for item in (await client.get("/v1/matches", params={"state": "proposed"})).json()["items"][:1]:
            path = f"/v1/matches/{item['id']}/{'interest' if what == 'yes' else 'decline'}"
            body = None if what == "yes" else {"reason": {"code": "timing"}}
            (await client.post(path, json=body)).raise_for_status()


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(st.one_of(NEED_STEPS, NEED_STEPS, RESULT_STEPS, ELSE), min_size=1, max_size=12))
def test_no_open_need_at_rest_is_without_an_answer(steps: list[tuple[str, str]]) -> None:
    asyncio.run(_answered_at_rest(steps))


async def _answered_at_rest(steps: list[tuple[str, str]]) -> None:
    async with Harness(SERVICE, MatchingSettings, compose) as service:
        town = Town(service)
        for who, what in steps:
            await town.step(who, what)
        for rest in (LATER, LATER, timedelta(days=1), LATER):
            service.clock.advance(rest)
            await service.run_due()
        assert await service.parked() == []
        events = await service.published()
        told_of = [event.data.need_title for event in events if type(event.data).__name__ == "NoMatchFound"]
        proposed = {event.data.need_title for event in events if type(event.data).__name__ == "MatchProposed"}
        operator = service.client(roles=["operator"])
        items = (await operator.get("/v1/matches", params={"limit": "100"})).json()["items"]
        open_now = {item["need"] for item in items if item["state"] in {"proposed", "one_side", "accepted"}}
        for id, title in town.said.items():
            assert id in open_now or title in proposed or title in told_of, f"{id} has no answer"
        assert len(told_of) == len(set(told_of)), "told twice of one content"
