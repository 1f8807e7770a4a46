"""Do-not-match lists: what they bar, what they take back, and that nobody learns of them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matching.barring.bars import Bars
from matching.barring.domain import DoNotMatch
from matching.main import SERVICE, compose
from matching.proposing import Proposer
from matching.settings import MatchingSettings
from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import WITHDRAWAL_REASONS

from .demonstration import NEEDS, RESULTS

type Service = Harness[MatchingSettings]
GAS, GAS_RESULT = "need-gas", "result-gas"
BUYER, OPTICS = "party-buyer", "party-optics"
LISTS = st.lists(st.sets(st.sampled_from("abcdef"), max_size=4), max_size=6)


def client(service: Service, party: str) -> httpx.AsyncClient:
    return service.client(party=party, roles=["enterprise"])


async def bar(service: Service, party: str, *others: str) -> None:
    answer = await client(service, party).put("/v1/do-not-match", json={"parties": list(others)})
    assert answer.raise_for_status().json()["parties"] == sorted(others)
    await service.run_due()


async def list_gas(service: Service) -> None:
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    await service.deliver(NEEDS[GAS], subject=GAS)


async def told(service: Service) -> list[tuple[str, str | None]]:
    return [(type(event.data).__name__, getattr(event.data, "need", None)) for event in await service.published()]


# ---- the list itself -----------------------------------------------------------------------------------------------


@given(LISTS)
def test_what_changed_is_waiting_until_it_was_seen_to(lists: list[set[str]]) -> None:
    clock, held, before = FakeClock(), DoNotMatch.of("party-x"), set[str]()
    turned = set[str]()
    for wanted in lists:
        held.state(wanted, clock.now())
        turned |= before ^ wanted
        before = wanted
    assert (set(held.others), set(held.changed)) == (before, turned)
    assert (held.due_at() is None) == (not turned)
    later = clock.now() + timedelta(seconds=5)
    held.seen_to(held.model_copy(update={"revision": 7}), later)
    assert set(held.changed) == turned
    if turned:
        held.seen_to(held.model_copy(), later)
        assert (set(held.changed), held.due_at()) == (turned, later), "and once more"
        held.seen_to(held.model_copy(), later)
    assert (held.changed, held.due_at(), held.recorded) == ((), None, ())


async def test_a_party_keeps_its_own_list_and_nobody_else_sees_it(service: Service) -> None:
    await bar(service, BUYER, OPTICS, "party-nobody-knows")
    assert (await client(service, BUYER).get("/v1/do-not-match")).json()["parties"] == ["party-nobody-knows", OPTICS]
    assert (await client(service, OPTICS).get("/v1/do-not-match")).json() == {"revision": 0, "parties": []}
    operator = service.client(roles=["operator"])
    assert service.problem(await operator.get("/v1/do-not-match"))["status"] == 403
    assert service.problem(await operator.put("/v1/do-not-match", json={"parties": []}))["status"] == 403
    own = await client(service, BUYER).put("/v1/do-not-match", json={"parties": [BUYER]})
    assert service.problem(own)["code"] == "not-match-self"
    stale = await client(service, BUYER).put("/v1/do-not-match", json={"parties": []}, headers={"If-Match": '"1"'})
    assert service.problem(stale)["status"] == 412 or service.problem(stale)["status"] == 409
    assert await service.published() == []


# ---- needs and results ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("owner", "other"), [(BUYER, OPTICS), (OPTICS, BUYER)])
async def test_neither_direction_is_proposed(service: Service, owner: str, other: str) -> None:
    await bar(service, owner, other)
    await list_gas(service)
    await service.run_due()
    assert await told(service) == []
    await bar(service, owner)
    assert await told(service) == [("MatchProposed", GAS)]


@pytest.mark.parametrize(("owner", "other"), [(BUYER, OPTICS), (OPTICS, BUYER)])
async def test_an_unanswered_proposal_is_taken_back_without_saying_why(
    service: Service, owner: str, other: str
) -> None:
    await list_gas(service)
    (proposed,) = await service.published()
    await bar(service, owner, other)
    (withdrawn,) = await service.published()
    assert (withdrawn.subject, withdrawn.data.party) == (proposed.subject, None)
    assert withdrawn.data.reason.model_dump() == {"code": "no_longer_proposed", "text": None}
    assert "名单" not in WITHDRAWAL_REASONS.label(withdrawn.data.reason.code)
    seen = (await client(service, other).get(f"/v1/matches/{proposed.subject}")).json()
    assert (seen["state"], seen["declined_by"]) == ("withdrawn", None)
    await bar(service, owner)
    assert await told(service) == [("MatchProposed", GAS)]


async def test_what_was_answered_is_for_the_parties_to_decline(service: Service) -> None:
    await list_gas(service)
    (proposed,) = await service.published()
    (await client(service, OPTICS).post(f"/v1/matches/{proposed.subject}/interest")).raise_for_status()
    await service.published()
    await bar(service, BUYER, OPTICS)
    assert await told(service) == []


async def test_a_result_of_several_parties_is_barred_by_any_of_them(service: Service) -> None:
    joint = RESULTS[GAS_RESULT].model_copy(update={"parties": ("party-lead", OPTICS)})
    await bar(service, OPTICS, BUYER)
    await service.deliver(joint, subject=GAS_RESULT)
    await service.deliver(NEEDS[GAS], subject=GAS)
    assert await told(service) == []


async def test_a_process_that_dies_after_the_list_was_stored_leaves_the_rest_to_the_next(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await list_gas(service)
    await service.published()

    async def dies(*_: Any) -> None:
        raise RuntimeError("the process ends here")

    with monkeypatch.context() as broken:
        broken.setattr(Proposer, "refresh", dies)
        await bar(service, BUYER, OPTICS)
    assert await told(service) == []
    service.advance(timedelta(minutes=10))
    await service.run_due()
    assert await told(service) == [("MatchWithdrawn", GAS)]


@pytest.fixture
async def two(mongo_url: str, mongo_database: str) -> AsyncIterator[list[Service]]:
    settings = {"mongo_database": mongo_database}
    first = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
    second = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
    async with first, second:
        yield [first, second]


async def test_two_processes_agree_on_a_list(two: list[Service]) -> None:
    first, second = two
    await asyncio.gather(
        first.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT),
        second.deliver(NEEDS[GAS], subject=GAS),
        bar(second, OPTICS, BUYER),
    )
    for _ in range(2):
        for service in two:
            service.advance(timedelta(seconds=10))
            await service.run_due()
    operator = first.client(roles=["operator"])
    items = (await operator.get("/v1/matches")).raise_for_status().json()["items"]
    assert [item for item in items if item["state"] in {"proposed", "one_side"}] == []


async def test_a_list_that_changes_while_another_process_proposes_leaves_no_proposal(
    two: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is stored, and seen to, after the proposer has read it and before it wrote the match."""
    first, second = two
    select, once = Proposer._select, iter([True])

    async def meanwhile(self: Proposer, *given: Any) -> Any:
        found = await select(self, *given)
        if next(once, False):
            await bar(second, OPTICS, BUYER)
        return found

    await first.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    monkeypatch.setattr(Proposer, "_select", meanwhile)
    await first.deliver(NEEDS[GAS], subject=GAS)
    assert await told(first) == [("MatchProposed", GAS)]
    second.advance(timedelta(seconds=5))
    await second.run_due()
    assert await told(second) == [("MatchWithdrawn", GAS)]


async def test_a_party_on_very_many_lists_is_barred_by_all(service: Service) -> None:
    clock = service.clock
    repository = next(held for held in service.chassis.wiring.repositories if held.name == "do_not_match")
    for number in range(203):
        held = DoNotMatch.of(f"party-{number:03d}")
        held.state([OPTICS], clock.now())
        await repository.add(held)
    assert len(await Bars(repository, clock, timedelta()).around(OPTICS)) == 203
