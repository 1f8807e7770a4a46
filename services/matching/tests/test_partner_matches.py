"""Partners through the whole service: who is proposed to whom, when it is taken back, and what both are told."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from matching.engine.engine import Engine, Ranked
from matching.engine.items import Item
from matching.main import SERVICE, compose
from matching.partners.refreshing import Partners
from matching.settings import MatchingSettings
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import (
    EventData,
    NeedWithdrawn,
    PartyClosed,
    PartyKind,
    PartyRegistered,
    Reason,
    ResultRevised,
    ResultWithdrawn,
    Visibility,
)

from .demonstration import NEEDS, RESULTS

type Service = Harness[MatchingSettings]
type Arrival = tuple[str, int, EventData]
A, B, C = "party-a", "party-b", "party-c"


def party(name: str, kind: PartyKind = PartyKind.ENTERPRISE) -> PartyRegistered:
    return PartyRegistered(name=name, kind=kind)


def need(topic: str, owner: str, **more: Any) -> Arrival:
    return f"need-{topic}-{owner}", 1, NEEDS[f"need-{topic}"].model_copy(update={"party": owner, **more})


def result(topic: str, owner: str, **more: Any) -> Arrival:
    return f"result-{topic}-{owner}", 1, RESULTS[f"result-{topic}"].model_copy(update={"parties": (owner,), **more})


PARTIES: list[Arrival] = [
    (A, 1, party("（演示）甲公司")),
    (B, 1, party("（演示）乙公司")),
    (C, 1, party("（演示）丙公司")),
]
BOTH_WAYS = [need("gas", A), result("gas", B), need("weld", B), result("weld", A)]
ONE_WAY = [need("gas", A), result("gas", B), need("chitosan", A), result("chitosan", B)]


async def settle(*services: Service) -> None:
    """Let all reminders pass."""
    for _ in range(4):
        for service in services:
            service.advance(timedelta(seconds=35))
            await service.run_due()


async def play(service: Service, *arrivals: Arrival) -> None:
    for id, sequence, data in arrivals:
        await service.deliver(data, subject=id, sequence=sequence)
    await settle(service)


def client(service: Service, owner: str) -> httpx.AsyncClient:
    return service.client(party=owner, roles=["enterprise"])


async def partners_told(service: Service) -> list[Any]:
    return [event for event in await service.published() if getattr(event.data, "kind", None) == "partner"]


async def names(service: Service) -> list[str]:
    return [type(event.data).__name__ for event in await partners_told(service)]


async def open_partners(service: Service) -> set[tuple[str, str]]:
    operator = service.client(roles=["operator"])
    answer = await operator.get("/v1/matches", params={"kind": "partner", "limit": "100"})
    items = answer.raise_for_status().json()["items"]
    return {(each["party_a"], each["parties_b"][0]) for each in items if each["state"] in {"proposed", "one_side"}}


# ---- proposing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
async def test_two_who_have_what_the_other_needs_are_proposed_whatever_came_first(service: Service, seed: int) -> None:
    arrivals = [*PARTIES, *BOTH_WAYS]
    random.Random(seed).shuffle(arrivals)
    await play(service, *arrivals)
    (event,) = await partners_told(service)
    data = event.data
    assert (data.party_a, data.party_b, data.need, data.result) == (A, B, None, None)
    assert data.band == "高度"
    assert {reason.kind for reason in data.reasons} == {"listing"}
    summary, *each = data.reasons
    assert "2 组供需相合" in summary.text_zh
    assert "双方互有所需" in summary.text_zh
    assert "Each has what the other needs" in summary.text_en
    told = {(reason.evidence_need, reason.evidence_result) for reason in each}
    assert told == {
        (NEEDS["need-gas"].title, RESULTS["result-gas"].title),
        (NEEDS["need-weld"].title, RESULTS["result-weld"].title),
    }
    assert all("（演示）甲公司" in reason.text_zh and "（演示）乙公司" in reason.text_en for reason in each)


async def test_one_pair_of_listings_is_no_partnership_nor_are_copies_of_one_result(service: Service) -> None:
    copies = [(f"result-gas-{number}", 1, result("gas", B)[2]) for number in range(4)]
    await play(service, *PARTIES, need("gas", A), *copies)
    assert await partners_told(service) == []


async def test_two_pairs_in_one_direction_do(service: Service) -> None:
    await play(service, *PARTIES, *ONE_WAY)
    (event,) = await partners_told(service)
    assert "双方互有所需" not in event.data.reasons[0].text_zh


async def test_nobody_is_proposed_to_a_party_nobody_has_registered_or_that_left(service: Service) -> None:
    await play(service, PARTIES[0], *BOTH_WAYS)
    assert await partners_told(service) == []
    await play(service, PARTIES[1])
    assert await names(service) == ["MatchProposed"]
    await play(service, (B, 2, PartyClosed(reason=Reason(code="dissolved"))))
    assert await names(service) == ["MatchWithdrawn"]


async def test_nothing_is_proposed_twice(service: Service) -> None:
    await play(service, *PARTIES, *BOTH_WAYS)
    assert await names(service) == ["MatchProposed"]
    await play(service, *BOTH_WAYS, *PARTIES)
    assert await partners_told(service) == []
    assert await service.parked() == []


# ---- what may be told ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("visibility", [Visibility.TARGETED, Visibility.CONFIDENTIAL])
async def test_what_others_may_not_see_neither_counts_nor_is_quoted(service: Service, visibility: Visibility) -> None:
    hidden = result("chitosan", B, visibility=visibility)
    await play(service, *PARTIES, need("gas", A), result("gas", B), need("chitosan", A), hidden)
    assert await partners_told(service) == []
    await play(service, need("weld", B), result("weld", A))
    (event,) = await partners_told(service)
    assert RESULTS["result-chitosan"].title not in event.model_dump_json()
    assert "2 组" in event.data.reasons[0].text_zh


async def test_a_listing_that_becomes_hidden_takes_its_proposal_with_it(service: Service) -> None:
    await play(service, *PARTIES, *BOTH_WAYS)
    await service.published()
    _, _, content = result("gas", B, visibility=Visibility.TARGETED)
    await play(service, (BOTH_WAYS[1][0], 2, ResultRevised.model_validate(dict(content))))
    (event,) = await partners_told(service)
    assert event.data.reason.code == "no_longer_proposed"


# ---- barred and competing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("owner", "other"), [(A, B), (B, A)])
async def test_a_do_not_match_list_holds_in_both_directions_and_backwards(
    service: Service, owner: str, other: str
) -> None:
    await play(service, *PARTIES, *BOTH_WAYS)
    assert await names(service) == ["MatchProposed"]
    await client(service, owner).put("/v1/do-not-match", json={"parties": [other]})
    await settle(service)
    (withdrawn,) = await partners_told(service)
    assert (withdrawn.data.reason.code, withdrawn.data.party) == ("no_longer_proposed", None)
    await client(service, owner).put("/v1/do-not-match", json={"parties": []})
    await settle(service)
    assert await names(service) == ["MatchProposed"]


async def test_competitors_are_not_partners(service: Service) -> None:
    """Two enterprises that offer nearly the same in one sector, though each has what the other needs."""
    same = [result("inverter", A), result("inverter", B)]
    nearly_all = [result("weld", B), result("gas", A)]
    await play(service, *PARTIES, *BOTH_WAYS, *same, *nearly_all)
    assert await open_partners(service) == set()
    university = PartyRegistered.model_validate(dict(party("（演示）乙大学", PartyKind.UNIVERSITY)))
    await play(service, (B, 2, university))
    assert await open_partners(service) == {(A, B)}


# ---- answering -----------------------------------------------------------------------------------------------------


async def answer(service: Service, owner: str, match: str, *, code: str | None = None) -> None:
    path = f"/v1/matches/{match}/{'decline' if code else 'interest'}"
    body = {"reason": {"code": code}} if code else None
    (await client(service, owner).post(path, json=body)).raise_for_status()
    await settle(service)


async def test_both_interested_is_accepted_and_not_asked_again(service: Service) -> None:
    await play(service, *PARTIES, *BOTH_WAYS)
    (proposed,) = await partners_told(service)
    await answer(service, A, proposed.subject)
    await answer(service, B, proposed.subject)
    assert await names(service) == ["MatchInterest", "MatchInterest", "MatchAccepted"]
    await play(service, need("vision", A), result("vision", B))
    assert await partners_told(service) == []


async def test_a_refusal_stands_until_there_is_as_much_again_and_for_good_among_competitors(service: Service) -> None:
    await play(service, *PARTIES, *BOTH_WAYS)
    (proposed,) = await partners_told(service)
    await answer(service, B, proposed.subject, code="timing")
    assert await names(service) == ["MatchDeclined"]
    await play(service, need("vision", A), result("vision", B))
    assert await partners_told(service) == []
    await play(service, need("chitosan", A), result("chitosan", B))
    (again,) = await partners_told(service)
    assert again.subject != proposed.subject
    assert NEEDS["need-gas"].title not in again.model_dump_json()
    await answer(service, A, again.subject, code="competitor")
    await play(service, need("inverter", A), result("inverter", B))
    assert await names(service) == ["MatchDeclined"]


async def test_silence_lapses_and_the_next_best_takes_the_place(service: Service) -> None:
    others = [f"party-{number}" for number in range(4)]
    known: list[Arrival] = [(A, 1, party("（演示）甲公司"))]
    known += [(other, 1, party(f"（演示）{other}", PartyKind.UNIVERSITY)) for other in others]
    offers = [result(topic, other) for other in others for topic in ("gas", "weld")]
    await play(service, *known, need("gas", A), need("weld", A), *offers)
    assert (
        await open_partners(service) == {(f"party-{number}", A) for number in range(3)}
        or len(await open_partners(service)) == 3
    )
    first = await open_partners(service)
    service.advance(timedelta(days=15))
    await settle(service)
    second = await open_partners(service)
    assert second
    assert not first & second


# ---- taking back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [0, 1])
async def test_what_a_proposal_rested_on_is_gone(service: Service, gone: int) -> None:
    await play(service, *PARTIES, *BOTH_WAYS)
    await service.published()
    id = BOTH_WAYS[gone][0]
    step = NeedWithdrawn(party=A) if gone == 0 else ResultWithdrawn(parties=(B,))
    await play(service, (id, 2, step))
    assert await names(service) == ["MatchWithdrawn"]


async def test_an_answered_proposal_stays(service: Service) -> None:
    await play(service, *PARTIES, *BOTH_WAYS)
    (proposed,) = await partners_told(service)
    await answer(service, A, proposed.subject)
    await service.published()
    await play(service, (BOTH_WAYS[0][0], 2, NeedWithdrawn(party=A)))
    assert await partners_told(service) == []


async def test_more_evidence_revises_an_open_proposal(service: Service) -> None:
    await play(service, *PARTIES, *BOTH_WAYS)
    (proposed,) = await partners_told(service)
    await play(service, need("vision", A), result("vision", B))
    (revised,) = await partners_told(service)
    assert (revised.subject, type(revised.data).__name__) == (proposed.subject, "MatchProposed")
    assert "3 组" in revised.data.reasons[0].text_zh


async def test_three_at_most_and_the_same_three_in_any_order(service: Service) -> None:
    others = [f"party-{number}" for number in range(5)]
    known: list[Arrival] = [(A, 1, party("（演示）甲公司"))]
    known += [(other, 1, party(f"（演示）{other}", PartyKind.UNIVERSITY)) for other in others]
    offers = [result(topic, other) for other in others for topic in ("gas", "weld")]
    arrivals = [*known, need("gas", A), need("weld", A), *offers]
    random.Random(3).shuffle(arrivals)
    await play(service, *arrivals)
    assert {a if b == A else b for a, b in await open_partners(service)} == {"party-0", "party-1", "party-2"}


# ---- several processes, and processes that die ---------------------------------------------------------------------


@pytest.fixture
async def two(mongo_url: str, mongo_database: str) -> AsyncIterator[list[Service]]:
    settings = {"mongo_database": mongo_database}
    first = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
    second = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
    async with first, second:
        yield [first, second]


async def test_two_processes_propose_once_what_arrives_at_both(two: list[Service]) -> None:
    arrivals = [*PARTIES, *BOTH_WAYS, *ONE_WAY[2:]]
    chance = random.Random(7)
    for id, sequence, data in chance.sample(arrivals * 2, len(arrivals) * 2):
        await chance.choice(two).deliver(data, subject=id, sequence=sequence)
    for _ in range(9):
        for service in two:
            service.advance(timedelta(seconds=15))
        await asyncio.gather(*(service.run_due() for service in two))
    assert await open_partners(two[0]) == {(A, B)}
    told = [event for service in two for event in await partners_told(service)]
    assert len({(event.subject, event.sequence) for event in told}) == len(told)
    assert {event.subject for event in told} == {told[0].subject}
    assert [await service.parked() for service in two] == [[], []]


@pytest.mark.parametrize("dies_in", ["_look", "_settle", "_told"])
async def test_a_process_that_dies_in_the_middle_leaves_the_rest_to_the_next(
    service: Service, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    async def dies(*_: Any, **__: Any) -> None:
        raise RuntimeError("the process ends here")

    with monkeypatch.context() as broken:
        broken.setattr(Partners, dies_in, dies)
        await play(service, *PARTIES, *BOTH_WAYS)
    assert await partners_told(service) == []
    service.advance(timedelta(minutes=20))
    await settle(service)
    assert await names(service) == ["MatchProposed"]


async def test_what_changes_while_a_match_is_written_is_seen(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other side finds somebody better, and settles, after its record was read and before the match is there."""
    told, once = Partners._told, iter([True])

    async def meanwhile(self: Partners, found: Any) -> Any:
        listings = await told(self, found)
        if next(once, False):
            await self.records.change(B, lambda held: held.want((), held.marks + 1))
            await self._settle(B, A)
        return listings

    monkeypatch.setattr(Partners, "_told", meanwhile)
    await play(service, *PARTIES, *BOTH_WAYS)
    assert (await names(service))[:2] == ["MatchProposed", "MatchWithdrawn"]


async def test_matches_of_needs_and_results_are_told_as_before(service: Service) -> None:
    await play(service, *PARTIES, *BOTH_WAYS)
    kinds = [event.data.kind for event in await service.published()]
    assert sorted(kinds) == ["need_result", "need_result", "partner"]
    mine = (await client(service, A).get("/v1/matches", params={"kind": "need_result"})).json()["items"]
    assert {item["need"] for item in mine} == {BOTH_WAYS[0][0], BOTH_WAYS[2][0]}


# ---- how often ------------------------------------------------------------------------------------------------------


async def test_a_party_whose_listings_change_all_the_time_is_looked_at_once_in_a_while(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await play(service, *PARTIES[:2], *BOTH_WAYS)
    look, looks = Partners._look, list[str]()

    async def counted(self: Partners, party: str, past: Any) -> Any:
        looks.append(party)
        return await look(self, party, past)

    monkeypatch.setattr(Partners, "_look", counted)
    for second in range(40):
        await service.deliver(NEEDS["need-weld"].model_copy(update={"party": A}), subject=f"need-more-{second}")
        service.advance(timedelta(seconds=1))
        await service.run_due()
    assert looks.count(A) == 1
    looks.clear()
    await service.deliver(PARTIES[0][2].model_copy(update={"name": "（演示）甲集团"}), subject=A, sequence=2)
    await service.run_due()
    assert looks == [A], "what does not change all the time does not wait"


async def test_partners_are_looked_for_with_what_proposing_has_ranked(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await play(service, *PARTIES[:2], *[arrival for arrival in BOTH_WAYS if arrival[0].startswith("result")])
    rank, ranked = Engine.rank, list[str]()

    async def counted(self: Engine, item: Item, also: Sequence[str] = ()) -> list[Ranked]:
        ranked.extend([] if also else [item.id])
        return await rank(self, item, also)

    monkeypatch.setattr(Engine, "rank", counted)
    needs = [arrival for arrival in BOTH_WAYS if arrival[0].startswith("need")]
    await play(service, *needs)
    assert await names(service) == ["MatchProposed"]
    assert sorted(ranked) == sorted(id for id, _, _ in needs)
