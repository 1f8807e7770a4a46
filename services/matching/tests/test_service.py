"""The whole service in process: events in, requests in, events out."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from matching.settings import MatchingSettings
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.store.repository import Repository
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import (
    Comparator,
    Constraint,
    Event,
    EventData,
    Maturity,
    Measured,
    NeedExpired,
    NeedPaused,
    NeedPosted,
    NeedRenewed,
    NeedResumed,
    NeedRevised,
    NeedSolved,
    NeedWithdrawn,
    ResultContent,
    ResultExpired,
    ResultListed,
    ResultRenewed,
    ResultRevised,
    ResultTaken,
    ResultWithdrawn,
    Visibility,
)

from .demonstration import CONFIRMED, FITS, NEEDS, RESULTS, need, result, variant

type Service = Harness[MatchingSettings]
GAS, GAS_RESULT = "need-gas", "result-gas"
BUYER, OPTICS = "party-buyer", "party-optics"


async def deliver_all(service: Service, items: dict[str, Any]) -> None:
    for id, data in items.items():
        await service.deliver(data, subject=id, sequence=1)


async def listed(service: Service) -> Service:
    await deliver_all(service, RESULTS)
    assert await service.published() == []
    return service


async def gas_match(service: Service) -> str:
    """The gas need and its result, proposed; returns the match's id."""
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    await service.deliver(NEEDS[GAS], subject=GAS)
    (proposed,) = await service.published()
    return proposed.subject


def pairs(events: list[Event[Any]], kind: str) -> list[tuple[str, str]]:
    return [(event.data.need, event.data.result) for event in events if type(event.data).__name__ == kind]


def kinds(events: list[Event[Any]]) -> list[str]:
    return [type(event.data).__name__ for event in events]


async def open_pairs(service: Service) -> set[tuple[str, str]]:
    items = await everything(service)
    return {(item["need"], item["result"]) for item in items if item["state"] in {"proposed", "one_side"}}


async def everything(service: Service) -> list[dict[str, Any]]:
    operator = service.client(roles=["operator"])
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        page = (await operator.get("/v1/matches", params=query)).raise_for_status().json()
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found


async def looked_again(service: Service) -> None:
    """Let every second look pass, so that it cannot be what mends something later."""
    for _ in range(2):
        service.clock.advance(timedelta(minutes=10))
        await service.run_due()


def repository(service: Service, name: str) -> Repository[Any]:
    (found,) = (repository for repository in service.chassis.wiring.repositories if repository.name == name)
    return found


def buyer(service: Service) -> httpx.AsyncClient:
    return service.client(party=BUYER, roles=["enterprise"])


def optics(service: Service) -> httpx.AsyncClient:
    return service.client(party=OPTICS, roles=["university"])


# ---- proposing ------------------------------------------------------------------------------------------------------


async def test_a_need_is_proposed_the_result_that_fits_with_reasons(service: Service) -> None:
    await listed(service)
    event = await service.deliver(NEEDS["need-inverter"], subject="need-inverter", correlationid="story-1")
    (proposed,) = await service.published()
    data = proposed.data
    assert (data.need, data.result) == ("need-inverter", "result-inverter")
    assert (data.party_a, data.party_b) == (BUYER, "party-lab")
    assert data.band.value == "高度"
    assert [(check.name, check.verdict) for check in data.constraints] == [("切换时间", "met"), ("额定功率", "met")]
    assert any("储能变流器" in reason.text_zh for reason in data.reasons)
    assert data.gaps
    assert data.expires_at == service.clock.now() + timedelta(days=14)
    assert (proposed.correlationid, proposed.causationid, proposed.sequence) == ("story-1", event.id, 1)


@pytest.mark.parametrize("results_first", [True, False])
async def test_both_orders_of_arrival_end_in_the_same_proposals(service: Service, results_first: bool) -> None:
    sides = (RESULTS, NEEDS) if results_first else (NEEDS, RESULTS)
    for side in sides:
        await deliver_all(service, side)
    assert sorted(pairs(await service.published(), "MatchProposed")) == sorted(FITS.items())


async def test_an_honest_no_match_is_no_proposal(service: Service) -> None:
    await listed(service)
    await service.deliver(NEEDS["need-nothing"], subject="need-nothing")
    assert await service.published() == []


async def test_the_same_events_again_propose_nothing_again(service: Service) -> None:
    await listed(service)
    await service.deliver(NEEDS[GAS], subject=GAS)
    assert len(await service.published()) == 1
    await service.deliver(NEEDS[GAS], subject=GAS)
    await deliver_all(service, RESULTS)
    await service.run_due()
    assert await service.published() == []
    assert await service.parked() == []


async def test_a_party_is_never_proposed_to_itself(service: Service) -> None:
    own = RESULTS[GAS_RESULT].model_copy(update={"parties": ("party-other", BUYER)})
    await service.deliver(own, subject=GAS_RESULT)
    await service.deliver(NEEDS[GAS], subject=GAS)
    assert await service.published() == []


async def test_an_unmet_must_is_never_proposed_and_an_unknown_one_is(service: Service) -> None:
    poor = RESULTS[GAS_RESULT].model_copy(update={"measured": (Measured(name="检测下限", value=50, unit="ppm"),)})
    silent = RESULTS[GAS_RESULT].model_copy(update={"measured": (), "parties": ("party-silent",)})
    await service.deliver(poor, subject="result-poor")
    await service.deliver(silent, subject="result-silent")
    await service.deliver(NEEDS[GAS], subject=GAS)
    (proposed,) = await service.published()
    assert proposed.data.result == "result-silent"
    assert [check.verdict for check in proposed.data.constraints] == ["unknown"]
    assert proposed.data.constraints[0].note == "no_figure"
    assert any(gap.kind == "constraint" for gap in proposed.data.gaps)
    (match,) = (await buyer(service).get("/v1/matches")).raise_for_status().json()["items"]
    candidates = (await buyer(service).get(f"/v1/needs/{GAS}/candidates")).raise_for_status().json()["items"]
    (silent_view,) = [candidate for candidate in candidates if candidate["result"] == "result-silent"]
    for view in (match, silent_view):
        assert [question["name"] for question in view["questions"]] == ["检测下限"]
        assert view["constraints"][0]["evidence_need"] == "检测下限 ≤ 5 ppm"


async def test_a_thousandfold_result_makes_no_storm(service: Service) -> None:
    content = RESULTS[GAS_RESULT]
    for number in range(30):
        await service.deliver(content, subject=f"result-copy-{number:02d}")
    await service.deliver(NEEDS[GAS], subject=GAS)
    (proposed,) = await service.published()  # one stands for all that say the same
    alike = [reason.text_zh for reason in proposed.data.reasons if reason.kind == "alike"]
    assert alike == ["另有 29 项成果几乎相同。"]
    for number in range(30):
        other = content.model_copy(update={"parties": (f"party-{number}",)})
        await service.deliver(other, subject=f"result-other-{number:02d}")
    assert len(await open_pairs(service)) == 1


async def test_a_better_result_takes_the_place_of_an_unanswered_proposal(service: Service) -> None:
    def offer(number: int, summary: str) -> ResultListed:
        offered = result("甲烷传感器", summary, "precision_instruments", "甲烷", party=f"party-{number}")
        return variant(offered, number)

    said = "可调谐半导体激光吸收光谱甲烷传感器，抗潮湿、不中毒、响应快，适合燃气管网巡检和微量泄漏检测。"
    for number in range(5):
        await service.deliver(offer(number, said), subject=f"result-{number}")
    await service.deliver(NEEDS[GAS], subject=GAS)
    assert len(pairs(await service.published(), "MatchProposed")) == 5
    better = RESULTS[GAS_RESULT]
    await service.deliver(better, subject=GAS_RESULT)
    assert await service.published() == [], "five were told of today; the sixth waits"
    assert len(await open_pairs(service)) == 5
    service.clock.advance(timedelta(days=1))
    await service.run_due()
    events = await service.published()
    assert sorted(kinds(events)) == ["MatchProposed", "MatchWithdrawn"]
    (withdrawn,) = [event for event in events if type(event.data).__name__ == "MatchWithdrawn"]
    assert withdrawn.data.reason.code == "superseded"
    pairs_now = await open_pairs(service)
    assert len(pairs_now) == 5
    assert (GAS, GAS_RESULT) in pairs_now


async def test_confidential_text_is_not_quoted_in_events(service: Service) -> None:
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    await service.deliver(NEEDS[GAS].model_copy(update={"visibility": Visibility.CONFIDENTIAL}), subject=GAS)
    (proposed,) = await service.published()
    assert "甲烷" not in proposed.model_dump_json()
    assert proposed.data.need_title is None


# ---- what closes and reopens ----------------------------------------------------------------------------------------

GONE: list[EventData] = [
    NeedWithdrawn(party=BUYER),
    NeedPaused(party=BUYER),
    NeedExpired(party=BUYER),
    NeedSolved(party=BUYER),
]


@pytest.mark.parametrize("gone", GONE, ids=lambda event: type(event).__name__)
async def test_a_need_that_is_gone_closes_its_proposals(service: Service, gone: EventData) -> None:
    await gas_match(service)
    await service.deliver(gone, subject=GAS, sequence=2)
    (withdrawn,) = await service.published()
    assert type(withdrawn.data).__name__ == "MatchWithdrawn"
    assert (withdrawn.data.reason.code, withdrawn.data.party) == ("need_gone", BUYER)
    await service.deliver(RESULTS["result-gas"], subject="result-gas-2")
    assert await service.published() == []


RESULT_GONE: list[EventData] = [
    ResultWithdrawn(parties=(OPTICS,)),
    ResultExpired(parties=(OPTICS,)),
    ResultTaken(parties=(OPTICS,), exclusive=True),
]


@pytest.mark.parametrize("gone", RESULT_GONE, ids=lambda event: type(event).__name__)
async def test_a_result_that_is_gone_closes_its_proposals(service: Service, gone: EventData) -> None:
    await gas_match(service)
    await service.deliver(gone, subject=GAS_RESULT, sequence=2)
    (withdrawn,) = await service.published()
    assert (withdrawn.data.reason.code, withdrawn.data.party) == ("result_gone", OPTICS)
    await service.deliver(NEEDS[GAS], subject="need-gas-2")
    assert await service.published() == []


async def test_a_result_taken_by_one_of_many_stays(service: Service) -> None:
    await gas_match(service)
    await service.deliver(ResultTaken(parties=(OPTICS,)), subject=GAS_RESULT, sequence=2)
    assert await service.published() == []


@pytest.mark.parametrize(
    ("subject", "away", "back"),
    [
        (GAS, NeedPaused(party=BUYER), NeedResumed(party=BUYER)),
        (GAS, NeedExpired(party=BUYER), NeedRenewed(party=BUYER, last_confirmed=CONFIRMED)),
        (GAS_RESULT, ResultExpired(parties=(OPTICS,)), ResultRenewed(parties=(OPTICS,), last_confirmed=CONFIRMED)),
    ],
    ids=["pause", "expire", "result"],
)
async def test_what_comes_back_is_proposed_again(
    service: Service, subject: str, away: EventData, back: EventData
) -> None:
    match = await gas_match(service)
    await service.deliver(away, subject=subject, sequence=2)
    await service.deliver(back, subject=subject, sequence=3)
    events = await service.published()
    assert kinds(events) == ["MatchWithdrawn", "MatchProposed"]
    assert [(event.subject, event.sequence) for event in events] == [(match, 2), (match, 3)]


async def test_a_step_that_overtakes_its_content_is_not_lost(service: Service) -> None:
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    await service.deliver(NeedPaused(party=BUYER), subject=GAS, sequence=2)
    await service.deliver(NEEDS[GAS], subject=GAS, sequence=1)
    assert await service.published() == []
    await service.deliver(NeedResumed(party=BUYER), subject=GAS, sequence=3)
    assert pairs(await service.published(), "MatchProposed") == [(GAS, GAS_RESULT)]


async def test_a_revised_need_is_matched_anew(service: Service) -> None:
    await listed(service)
    await gas_match_after_listing(service)
    revised = NeedRevised.model_validate(NEEDS["need-weld"].model_dump())
    await service.deliver(revised, subject=GAS, sequence=2)
    events = await service.published()
    assert pairs(events, "MatchProposed") == [(GAS, "result-weld")]
    assert pairs(events, "MatchWithdrawn") == [(GAS, GAS_RESULT)]


async def gas_match_after_listing(service: Service) -> None:
    await service.deliver(NEEDS[GAS], subject=GAS)
    assert pairs(await service.published(), "MatchProposed") == [(GAS, GAS_RESULT)]


async def test_a_revision_that_changes_nothing_visible_is_silent(service: Service) -> None:
    await gas_match(service)
    same = NEEDS[GAS].model_dump() | {"last_confirmed": service.clock.now()}
    await service.deliver(NeedRevised.model_validate(same), subject=GAS, sequence=2)
    assert await service.published() == []


async def test_a_revised_result_that_now_fails_a_must_is_taken_back(service: Service) -> None:
    await gas_match(service)
    worse = RESULTS[GAS_RESULT].model_dump() | {"measured": (Measured(name="检测下限", value=80, unit="ppm"),)}
    await service.deliver(ResultRevised.model_validate(worse), subject=GAS_RESULT, sequence=2)
    (withdrawn,) = await service.published()
    assert withdrawn.data.reason.code == "no_longer_proposed"


async def test_a_stale_event_changes_nothing(service: Service) -> None:
    await gas_match(service)
    better = NEEDS[GAS].model_dump() | {"goal": "两年内完成国产化。"}
    await service.deliver(NeedRevised.model_validate(better), subject=GAS, sequence=3)
    await service.published()
    old = NEEDS["need-weld"].model_dump()
    await service.deliver(NeedRevised.model_validate(old), subject=GAS, sequence=2)
    assert await service.published() == []


# ---- answering ------------------------------------------------------------------------------------------------------


async def test_both_say_yes(service: Service) -> None:
    match = await gas_match(service)
    first = (await buyer(service).post(f"/v1/matches/{match}/interest")).raise_for_status()
    assert (first.json()["state"], first.headers["etag"]) == ("one_side", '"2"')
    again = await buyer(service).post(f"/v1/matches/{match}/interest")
    assert again.json()["state"] == "one_side"
    second = (await optics(service).post(f"/v1/matches/{match}/interest")).json()
    assert second["state"] == "accepted"
    assert [answer["party"] for answer in second["interested"]] == [BUYER, OPTICS]
    events = await service.published()
    assert kinds(events) == ["MatchInterest", "MatchInterest", "MatchAccepted"]
    assert [event.sequence for event in events] == [2, 3, 4]
    await service.deliver(NeedSolved(party=BUYER), subject=GAS, sequence=2)
    assert await service.published() == []  # accepted is accepted


async def test_a_decline_needs_a_code_and_bars_the_pair(service: Service) -> None:
    match = await gas_match(service)
    path = f"/v1/matches/{match}/decline"
    for body, code in (
        ({}, "invalid-request"),
        ({"reason": {"code": "nonsense"}}, "decline-reason-unknown"),
        ({"reason": {"code": "other"}}, "decline-text-missing"),
        ({"reason": {"code": "timing"}, "extra": 1}, "invalid-request"),
    ):
        refused = await optics(service).post(path, json=body)
        assert (refused.status_code, service.problem(refused)["code"]) == (422, code)
    whole = {"reason": {"code": "timing", "text": "今年排期已满"}, "private_text": "对方预算太低"}
    declined = (await optics(service).post(path, json=whole)).raise_for_status().json()
    assert (declined["state"], declined["declined_by"], declined["private_text"]) == ("declined", OPTICS, None)
    events = await service.published()
    assert kinds(events) == ["MatchDeclined"]
    assert "预算太低" not in events[0].model_dump_json()
    operator = service.client(roles=["operator"])
    assert (await operator.get(f"/v1/matches/{match}")).json()["private_text"] == "对方预算太低"
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    await service.run_due()
    assert await service.published() == []
    changed = NEEDS[GAS].model_dump() | {"goal": "改为分期交付，首期为样机。"}
    await service.deliver(NeedRevised.model_validate(changed), subject=GAS, sequence=2)
    (anew,) = await service.published()
    assert kinds([anew]) == ["MatchProposed"]
    assert anew.subject != match


async def test_after_a_decline_the_next_best_takes_the_place(service: Service) -> None:
    for number in range(6):
        offer = variant(RESULTS[GAS_RESULT], number, parties=(f"party-{number}",))
        await service.deliver(offer, subject=f"result-{number}")
    await service.deliver(NEEDS[GAS], subject=GAS)
    proposed = await service.published()
    assert len(proposed) == 5
    gone = proposed[0]
    await buyer(service).post(f"/v1/matches/{gone.subject}/decline", json={"reason": {"code": "too_early"}})
    await service.run_due()
    assert kinds(await service.published()) == ["MatchDeclined"], "five a day were told of"
    service.clock.advance(timedelta(days=1))
    await service.run_due()
    events = await service.published()
    assert kinds(events) == ["MatchProposed"]
    assert events[0].data.result not in {event.data.result for event in proposed}


async def test_it_lapses_after_fourteen_days(service: Service) -> None:
    match = await gas_match(service)
    await buyer(service).post(f"/v1/matches/{match}/interest")
    await service.published()
    service.clock.advance(timedelta(days=14) - timedelta(seconds=1))
    await service.run_due()
    assert await service.published() == []
    service.clock.advance(timedelta(seconds=1))
    await service.run_due()
    (lapsed,) = await service.published()
    assert (kinds([lapsed]), lapsed.data.party, lapsed.data.reason.code) == (["MatchLapsed"], OPTICS, "no_reply")
    late = await optics(service).post(f"/v1/matches/{match}/interest")
    assert (late.status_code, service.problem(late)["code"]) == (409, "match-not-open")


async def test_the_next_best_comes_also_when_the_store_fails_between_lapsing_and_saying_so(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        offer = variant(RESULTS[GAS_RESULT], number, parties=(f"party-{number}",))
        await service.deliver(offer, subject=f"result-{number}")
    await service.deliver(NEEDS[GAS], subject=GAS)
    await looked_again(service)
    assert len(await service.published()) == 5
    with monkeypatch.context() as outage:
        outage.setattr(repository(service, "looks"), "add_once", _store_away)
        service.clock.advance(timedelta(days=14))
        await service.run_due()
    await looked_again(service)
    events = kinds(await service.published())
    assert (events.count("MatchLapsed"), events.count("MatchProposed")) == (5, 1)


async def test_a_revision_that_overtakes_a_refresh_leaves_nothing_of_the_old_content(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        offer = variant(RESULTS[GAS_RESULT], number, parties=(f"party-{number}",))
        await service.deliver(offer, subject=f"result-{number}")
    await service.deliver(NEEDS[GAS], subject=GAS)
    await looked_again(service)
    declined, *_ = await service.published()
    await buyer(service).post(f"/v1/matches/{declined.subject}/decline", json={"reason": {"code": "too_early"}})
    (needs,) = (projection for projection in service.chassis.wiring.projections if projection.name == "needs")
    begun, go, put = asyncio.Event(), asyncio.Event(), needs.put

    async def held_back(*args: Any) -> bool:
        begun.set()
        await go.wait()
        return await put(*args)

    monkeypatch.setattr(needs, "put", held_back)
    welding = NeedRevised.model_validate(
        {name: value for name, value in NEEDS["need-weld"].model_dump().items() if name in NeedRevised.model_fields}
    )
    revising = asyncio.create_task(service.deliver(welding, subject=GAS, sequence=2))
    await begun.wait()
    await service.run_due()  # the decline's place is filled by the old content
    go.set()
    await revising
    await looked_again(service)
    assert await open_pairs(service) == set()


async def test_a_stale_revision_is_a_conflict_with_both_versions(service: Service) -> None:
    match = await gas_match(service)
    await buyer(service).post(f"/v1/matches/{match}/interest")
    stale = await optics(service).post(f"/v1/matches/{match}/interest", headers={"If-Match": '"1"'})
    problem = service.problem(stale)
    assert (stale.status_code, problem["expected"], problem["actual"]) == (409, 1, 2)


async def test_two_answers_at_once_are_both_kept(service: Service) -> None:
    match = await gas_match(service)
    path = f"/v1/matches/{match}/interest"
    answers = await asyncio.gather(buyer(service).post(path), optics(service).post(path))
    assert {answer.status_code for answer in answers} == {200}
    assert kinds(await service.published()) == ["MatchInterest", "MatchInterest", "MatchAccepted"]


# ---- who may see ----------------------------------------------------------------------------------------------------


async def test_a_party_sees_its_own_matches_only(service: Service) -> None:
    await listed(service)
    await deliver_all(service, NEEDS)
    mine = (await optics(service).get("/v1/matches")).json()["items"]
    assert [item["result"] for item in mine] == [GAS_RESULT]
    stranger = service.client(party="party-stranger", roles=["enterprise"])
    assert (await stranger.get("/v1/matches")).json() == {"items": [], "next": None}
    match = mine[0]["id"]
    for response in (
        await stranger.get(f"/v1/matches/{match}"),
        await stranger.post(f"/v1/matches/{match}/interest"),
        await stranger.post(f"/v1/matches/{match}/decline", json={"reason": {"code": "timing"}}),
    ):
        assert (response.status_code, service.problem(response)["code"]) == (404, "match-not-found")


async def test_nobody_gets_in_without_a_token_and_operators_do_not_answer(service: Service) -> None:
    match = await gas_match(service)
    assert (await service.client().get("/v1/matches")).status_code == 401
    operator = service.client(roles=["operator"])
    assert (await operator.get(f"/v1/matches/{match}")).status_code == 200
    assert (await operator.post(f"/v1/matches/{match}/interest")).status_code == 403
    nameless = service.client(roles=["enterprise"])
    assert service.problem(await nameless.get("/v1/matches"))["code"] == "no-party"


async def test_lists_come_in_pages_and_can_be_filtered(service: Service) -> None:
    await listed(service)
    await deliver_all(service, NEEDS)
    client = buyer(service)
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/matches", params=query)).raise_for_status().json()
        seen += [item["need"] for item in page["items"]]
        cursor = page["next"]
    assert (sorted(seen), cursor) == (sorted(FITS), None)
    filters: list[tuple[dict[str, str], list[str]]] = [
        ({"state": "proposed", "need": GAS}, [GAS_RESULT]),
        ({"result": "result-weld"}, ["result-weld"]),
        ({"state": "accepted"}, []),
    ]
    for chosen, expected in filters:
        items = (await client.get("/v1/matches", params=chosen)).json()["items"]
        assert [item["result"] for item in items] == expected


async def test_browsing_shows_candidates_below_the_threshold_and_says_when_none_fits(service: Service) -> None:
    await listed(service)
    await deliver_all(service, NEEDS)
    found = (await buyer(service).get(f"/v1/needs/{GAS}/candidates")).raise_for_status().json()
    assert (found["no_match"], found["next"]) == (False, [])
    assert (found["items"][0]["result"], found["items"][0]["band"]) == (GAS_RESULT, "高度")
    assert any(item["band"] is None for item in found["items"])
    library = service.client(party="party-library", roles=["user"])
    nothing = (await library.get("/v1/needs/need-nothing/candidates")).raise_for_status().json()
    assert nothing["no_match"]
    assert {way["route"] for way in nothing["next"]} == {"challenge", "expert", "service"}
    assert nothing["next"][0]["suits"]
    assert all(item["band"] is None for item in nothing["items"])
    assert (await library.get(f"/v1/needs/{GAS}/candidates")).status_code == 404
    assert (await service.client(roles=["operator"]).get(f"/v1/needs/{GAS}/candidates")).status_code == 200


async def test_browsing_hides_what_is_not_open_to_everybody(service: Service) -> None:
    hidden = RESULTS[GAS_RESULT].model_copy(update={"visibility": Visibility.TARGETED})
    await service.deliver(hidden, subject=GAS_RESULT)
    await service.deliver(NEEDS[GAS], subject=GAS)
    found = (await buyer(service).get(f"/v1/needs/{GAS}/candidates")).json()
    assert found["items"] == []
    seen = (await service.client(roles=["operator"]).get(f"/v1/needs/{GAS}/candidates")).json()
    assert [item["result"] for item in seen["items"]] == [GAS_RESULT]


# ---- odd input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["…", "😀" * 300, "1234567890 " * 40, "甲" * 1_000, "\u202e\u200b激光", "的"], ids=lambda text: text[:4]
)
async def test_odd_needs_are_neither_parked_nor_proposed(service: Service, text: str) -> None:
    await listed(service)
    odd = need("？", text, "biomedicine")
    await service.deliver(odd, subject="need-odd")
    assert await service.parked() == []
    assert await service.published() == []
    found = await buyer(service).get("/v1/needs/need-odd/candidates")
    assert found.status_code == 200


async def test_a_result_that_repeats_the_need_is_proposed_like_any_other(service: Service) -> None:
    wanted: NeedPosted = NEEDS[GAS]
    echo: ResultContent = result(wanted.title, wanted.difficulty, "precision_instruments", maturity=Maturity(trl=1))
    await service.deliver(echo, subject="result-echo")
    await service.deliver(wanted, subject=GAS)
    (proposed,) = await service.published()
    assert proposed.data.score <= 1
    impossible = wanted.model_copy(
        update={
            "constraints": (
                Constraint(name="检测下限", comparator=Comparator.GE, value=10, unit="ppm"),
                Constraint(name="检测下限", comparator=Comparator.LE, value=5, unit="ppm"),
            )
        }
    )
    await service.deliver(RESULTS[GAS_RESULT], subject=GAS_RESULT)
    await service.published()
    await service.deliver(impossible, subject="need-impossible")
    assert pairs(await service.published(), "MatchProposed") == [("need-impossible", "result-echo")]


# ---- the store is away ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [True, False], ids=["need", "result"])
async def test_an_event_is_not_parked_because_the_store_is_away(
    service: Service, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    """The consumer must see that the store is away, wherever in the work, to wait and not to take the event for bad."""
    other, late = ((GAS_RESULT, RESULTS[GAS_RESULT]), (GAS, NEEDS[GAS]))[:: 1 if first else -1]
    await service.deliver(other[1], subject=other[0])

    async def away(self: Repository[Any], *_: Any, **__: Any) -> Any:
        raise StoreUnavailable("test")

    with monkeypatch.context() as patch:
        patch.setattr(Repository, "add_once", away)
        with pytest.raises(StoreUnavailable):
            await service.deliver(late[1], subject=late[0])
    assert await service.parked() == []
    await service.deliver(late[1], subject=late[0])
    assert pairs(await service.published(), "MatchProposed") == [(GAS, GAS_RESULT)]


async def _store_away(*args: Any, **kwargs: Any) -> None:
    raise StoreUnavailable("away")
