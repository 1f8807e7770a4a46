"""Finance through the whole service: consent first, nothing leaks, every look is on record, revoking ends it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from matching.finance.finance import Finance
from matching.finance.refreshing import FinanceRefresher
from matching.main import SERVICE, compose
from matching.settings import MatchingSettings
from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import PartyClosed, PartyKind, PartyRegistered, Reason

type Service = Harness[MatchingSettings]
FIRM, BANK, OTHER = "party-firm", "party-bank", "party-bank-2"
ALL = ("finance_amount", "finance_term", "finance_purpose", "finance_collateral", "finance_capital")
REVENUE = {"field": "revenue", "value": 612, "unit": "万元", "period": "2025", "as_of": "2026-03-31"}
SECRET = {"field": "profit", "value": 77.125, "unit": "万元", "period": "2025", "as_of": "2026-03-31"}


def firm(service: Service, party: str = FIRM) -> httpx.AsyncClient:
    return service.client(party=party, roles=["enterprise"])


def bank(service: Service, party: str = BANK) -> httpx.AsyncClient:
    return service.client(party=party, roles=["finance"])


def until(service: Service, days: float) -> str:
    return (service.clock.now() + timedelta(days=days)).isoformat()


async def make_offer(service: Service, party: str = BANK, **more: Any) -> str:
    test = {
        "field": "revenue",
        "op": "≥",
        "value": 500.0,
        "unit": "万元",
        "period": "year-1",
        "clause": "收入达500万元",
    }
    body = {
        "title": "（示例）研发贷",
        "capital": "loan",
        "amount": {"min_fen": 50_000_000, "max_fen": 300_000_000},
        "term_max": 36,
        "conditions": test,
        "valid_until": until(service, 200),
        **more,
    }
    made = await bank(service, party).post("/v1/finance-offers", json=body)
    await service.run_due()
    return str(made.raise_for_status().json()["id"])


async def make_request(service: Service, **more: Any) -> str:
    body = {
        "amount": {"min_fen": 123_400_000, "max_fen": 234_500_000},
        "term_months": 24,
        "purpose": "research",
        "collateral": ["none"],
        "expires_at": until(service, 100),
        **more,
    }
    made = await firm(service).post("/v1/finance-requests", json=body)
    await service.run_due()
    return str(made.raise_for_status().json()["id"])


def grants(service: Service, *fields: str, to: str = BANK, days: float = 30, **more: Any) -> list[dict[str, Any]]:
    periods = {"revenue": "2025", "profit": "2025"}
    return [
        {"field": field, "period": periods.get(field), "to": to, "until": until(service, days), **more}
        for field in fields
    ]


async def consent(service: Service, request: str, given: list[dict[str, Any]], *, matching: bool = True) -> None:
    body = {"matching": matching, "grants": given}
    (await firm(service).put(f"/v1/finance-requests/{request}/consent", json=body)).raise_for_status()
    await service.run_due()


async def introduce(service: Service) -> None:
    await service.deliver(PartyRegistered(name="（演示）某公司", kind=PartyKind.ENTERPRISE), subject=FIRM)
    put = await firm(service).put(f"/v1/parties/{FIRM}/profile/facts", json={"facts": [REVENUE, SECRET]})
    put.raise_for_status()
    await service.run_due()


async def proposed(service: Service) -> tuple[str, str, str]:
    """An offer, a request and their match."""
    await introduce(service)
    offer, request = await make_offer(service), await make_request(service)
    await consent(service, request, grants(service, *ALL, "revenue"))
    (event,) = await service.published()
    return offer, request, event.subject


async def told(service: Service) -> list[tuple[str, str | None]]:
    return [
        (type(event.data).__name__, event.data.reason.code if hasattr(event.data, "reason") else None)
        for event in await service.published()
    ]


async def view_log(service: Service, request: str) -> list[dict[str, Any]]:
    answer = await firm(service).get(f"/v1/finance-requests/{request}")
    log: list[dict[str, Any]] = answer.raise_for_status().json()["view_log"]
    return log


# ---- consent, and what is proposed ---------------------------------------------------------------------------------


async def test_nothing_is_proposed_and_nobody_sees_anything_before_the_firm_consents(service: Service) -> None:
    await introduce(service)
    await make_offer(service)
    request = await make_request(service)
    assert await told(service) == []
    stranger = await firm(service, "party-else").get(f"/v1/finance-requests/{request}")
    assert service.problem(stranger)["status"] == 404
    for refused in (bank(service), service.client(roles=["operator"])):
        assert service.problem(await refused.get(f"/v1/finance-requests/{request}"))["status"] == 403
    await consent(service, request, grants(service, *ALL, "revenue"), matching=False)
    assert await told(service) == []


async def test_what_suits_by_what_was_consented_to_is_proposed_without_a_figure_of_the_firm(service: Service) -> None:
    await introduce(service)
    offer, request = await make_offer(service), await make_request(service)
    await consent(service, request, grants(service, *ALL, "revenue"))
    (event,) = await service.published()
    data = event.data
    assert (data.kind, data.party_a, data.party_b, data.request, data.offer) == ("finance", FIRM, BANK, request, offer)
    assert (data.offer_title, data.amount.min_fen, data.amount.max_fen) == ("（示例）研发贷", 50_000_000, 300_000_000)
    assert {reason.kind for reason in data.reasons} == {"finance"}
    assert any("不作授信决定" in reason.text_zh and "不出售排名" in reason.text_zh for reason in data.reasons)
    assert any("收入达500万元" in reason.text_zh for reason in data.reasons)
    for figure in ("612", "77.125", "1234", "2345", "profit"):
        assert figure not in event.model_dump_json()


@pytest.mark.parametrize("left_out", ["finance_amount", "finance_term", "finance_capital", "revenue"])
async def test_an_item_left_out_counts_as_unknown_and_proposes_nothing(service: Service, left_out: str) -> None:
    await introduce(service)
    await make_offer(service)
    request = await make_request(service)
    items = [item for item in (*ALL, "revenue") if item != left_out]
    await consent(service, request, grants(service, *items))
    assert await told(service) == []
    answer = (await firm(service).get(f"/v1/finance-requests/{request}/offers")).raise_for_status().json()
    (item,) = answer["items"]
    assert (item["outcome"], item["outcome_told"]) == ("eligible", "need_data")
    assert [key["field"] for key in item["to_consent"]] == [left_out]
    assert item["amount"] == {"min_fen": 123_400_000, "max_fen": 234_500_000}
    assert "授信" in answer["notice"]["zh"]


async def test_consent_to_one_bank_tells_another_nothing(service: Service) -> None:
    _, request, match = await proposed(service)
    await make_offer(service, OTHER)
    assert await told(service) == []
    assert (await bank(service, OTHER).get("/v1/matches")).json()["items"] == []
    assert service.problem(await bank(service, OTHER).get(f"/v1/matches/{match}/shown"))["status"] == 404
    assert await view_log(service, request) == []


async def test_consent_to_one_offer_is_not_consent_to_the_others(service: Service) -> None:
    await introduce(service)
    first, _ = await make_offer(service), await make_offer(service, title="（示例）另一产品")
    request = await make_request(service)
    await consent(service, request, grants(service, *ALL, "revenue", offer=first))
    assert [event.data.offer for event in await service.published()] == [first]


# ---- what the bank sees, and the record of it ----------------------------------------------------------------------


async def test_the_bank_sees_what_was_consented_to_and_the_firm_sees_that_it_looked(service: Service) -> None:
    _, request, match = await proposed(service)
    await consent(service, request, grants(service, *ALL, "revenue", "staff"))
    answer = (await bank(service).get(f"/v1/matches/{match}/shown")).raise_for_status()
    items = {item["item"]["field"]: item["value"] for item in answer.json()["items"]}
    assert items == {
        "finance_amount": {"min_fen": 123_400_000, "max_fen": 234_500_000},
        "finance_term": 24,
        "finance_purpose": "research",
        "finance_collateral": ["none"],
        "finance_capital": None,
        "revenue": 612,
        "staff": None,
    }
    assert "77.125" not in answer.text
    (line,) = await view_log(service, request)
    assert (line["party"], line["subject"], line["match"]) == (BANK, f"user-of-{BANK}", match)
    assert {item["field"] for item in line["items"]} == set(items)
    (await firm(service).get(f"/v1/matches/{match}/shown")).raise_for_status()
    assert len(await view_log(service, request)) == 1
    operator = service.client(roles=["operator"])
    assert service.problem(await operator.get(f"/v1/matches/{match}/shown"))["status"] == 403


async def test_the_match_itself_tells_the_bank_nothing_of_the_firm(service: Service) -> None:
    _, _, match = await proposed(service)
    seen = (await bank(service).get(f"/v1/matches/{match}")).raise_for_status().text
    for figure in ("612", "77.125", "1234", "2345"):
        assert figure not in seen


async def test_revoking_ends_new_views_at_once_and_withdraws_the_proposal(service: Service) -> None:
    _, request, match = await proposed(service)
    (await bank(service).get(f"/v1/matches/{match}/shown")).raise_for_status()
    body = {"matching": True, "grants": []}
    (await firm(service).put(f"/v1/finance-requests/{request}/consent", json=body)).raise_for_status()
    refused = await bank(service).get(f"/v1/matches/{match}/shown")
    assert service.problem(refused)["code"] == "consent-ended"
    await service.run_due()
    assert await told(service) == [("MatchWithdrawn", "consent_revoked")]
    refused = await bank(service).get(f"/v1/matches/{match}/shown")
    assert service.problem(refused)["code"] == "match-not-open"
    assert len(await view_log(service, request)) == 1
    lines = (await firm(service).get(f"/v1/finance-requests/{request}")).json()["consent_log"]
    assert [line["act"] for line in lines].count("revoked") == 6


async def test_one_item_revoked_in_the_middle_is_not_shown_and_no_longer_counts(service: Service) -> None:
    _, request, match = await proposed(service)
    (await bank(service).post(f"/v1/matches/{match}/interest")).raise_for_status()
    await consent(service, request, grants(service, *ALL))
    items = (await bank(service).get(f"/v1/matches/{match}/shown")).raise_for_status().json()["items"]
    assert "revenue" not in {item["item"]["field"] for item in items}
    assert await told(service) == [("MatchInterest", None)]


async def test_what_both_accepted_is_shown_no_longer_than_the_consent_lasts(service: Service) -> None:
    _, request, match = await proposed(service)
    for client in (bank(service), firm(service)):
        (await client.post(f"/v1/matches/{match}/interest")).raise_for_status()
    (await bank(service).get(f"/v1/matches/{match}/shown")).raise_for_status()
    await service.published()
    service.advance(timedelta(days=30))
    await service.run_due()
    assert await told(service) == []
    assert service.problem(await bank(service).get(f"/v1/matches/{match}/shown"))["code"] == "consent-ended"
    assert len(await view_log(service, request)) == 1


async def test_a_short_consent_takes_the_proposal_back_when_it_is_over(service: Service) -> None:
    await introduce(service)
    await make_offer(service)
    request = await make_request(service)
    await consent(service, request, grants(service, *ALL, "revenue", days=2))
    assert await told(service) == [("MatchProposed", None)]
    service.advance(timedelta(days=2))
    await service.run_due()
    assert await told(service) == [("MatchWithdrawn", "consent_revoked")]


async def test_a_view_and_a_revocation_at_once_leave_no_view_without_consent(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consent is revoked after the match was read and before the view is recorded."""
    _, request, match = await proposed(service)
    viewed, once = Finance._viewed, iter([True])

    async def meanwhile(self: Finance, *given: Any) -> Any:
        if next(once, False):
            await consent(service, request, [])
        return await viewed(self, *given)

    monkeypatch.setattr(Finance, "_viewed", meanwhile)
    assert service.problem(await bank(service).get(f"/v1/matches/{match}/shown"))["code"] == "consent-ended"
    assert await view_log(service, request) == []


# ---- what changes --------------------------------------------------------------------------------------------------


async def test_a_fact_that_changes_takes_it_back_and_brings_it_back(service: Service) -> None:
    await proposed(service)
    for value, expected in ((400, ("MatchWithdrawn", "no_longer_proposed")), (700, ("MatchProposed", None))):
        facts = {"facts": [{**REVENUE, "value": value}]}
        (await firm(service).put(f"/v1/parties/{FIRM}/profile/facts", json=facts)).raise_for_status()
        await service.run_due()
        assert await told(service) == [expected]


async def test_an_offer_or_request_that_is_gone_ends_even_what_one_side_answered(service: Service) -> None:
    offer, _, match = await proposed(service)
    (await firm(service).post(f"/v1/matches/{match}/interest")).raise_for_status()
    await service.published()
    (await bank(service).post(f"/v1/finance-offers/{offer}/withdraw")).raise_for_status()
    await service.run_due()
    assert await told(service) == [("MatchWithdrawn", "offer_gone")]


@pytest.mark.parametrize("how", ["withdrawn", "ended", "closed"])
async def test_a_request_that_is_over_ends_its_proposals(service: Service, how: str) -> None:
    await introduce(service)
    await make_offer(service)
    request = await make_request(service, expires_at=until(service, 5))
    await consent(service, request, grants(service, *ALL, "revenue"))
    await service.published()
    if how == "withdrawn":
        (await firm(service).post(f"/v1/finance-requests/{request}/withdraw")).raise_for_status()
    elif how == "closed":
        await service.deliver(PartyClosed(reason=Reason(code="dissolved")), subject=FIRM, sequence=2)
    else:
        service.advance(timedelta(days=5))
    await service.run_due()
    await service.run_due()
    code = "party_closed" if how == "closed" else "request_gone"
    assert await told(service) == [("MatchWithdrawn", code)]


@pytest.mark.parametrize(("owner", "role", "other"), [(FIRM, "enterprise", BANK), (BANK, "finance", FIRM)])
async def test_a_do_not_match_list_holds_for_finance_in_both_directions(
    service: Service, owner: str, role: str, other: str
) -> None:
    await proposed(service)
    client = service.client(party=owner, roles=[role])
    for parties, expected in (
        ([other], ("MatchWithdrawn", "no_longer_proposed")),
        ([], ("MatchProposed", None)),
    ):
        (await client.put("/v1/do-not-match", json={"parties": parties})).raise_for_status()
        await service.run_due()
        assert await told(service) == [expected]


async def test_what_was_declined_is_not_asked_again_until_the_terms_change(service: Service) -> None:
    offer, _, match = await proposed(service)
    body = {"reason": {"code": "price_mismatch"}}
    (await firm(service).post(f"/v1/matches/{match}/decline", json=body)).raise_for_status()
    await service.run_due()
    assert await told(service) == [("MatchDeclined", "price_mismatch")]
    facts = {"facts": [{**REVENUE, "value": 900}]}
    (await firm(service).put(f"/v1/parties/{FIRM}/profile/facts", json=facts)).raise_for_status()
    held = (await bank(service).get(f"/v1/finance-offers/{offer}")).json()
    changed = {key: held[key] for key in ("capital", "amount", "term_max", "conditions", "valid_until")}
    revise = {**changed, "title": "（示例）改了名称"}
    (await bank(service).put(f"/v1/finance-offers/{offer}", json=revise)).raise_for_status()
    await service.run_due()
    assert await told(service) == []
    (await bank(service).put(f"/v1/finance-offers/{offer}", json={**revise, "term_max": 48})).raise_for_status()
    await service.run_due()
    assert await told(service) == [("MatchProposed", None)]


async def test_an_exclusive_request_is_with_one_at_a_time_and_moves_on(service: Service) -> None:
    await introduce(service)
    for number in range(3):
        await make_offer(service, title=f"（示例）产品{number}")
    request = await make_request(service, exclusive=True)
    await consent(service, request, grants(service, *ALL, "revenue"))
    seen = []
    for _ in range(3):
        (event,) = [event for event in await service.published() if type(event.data).__name__ == "MatchProposed"]
        seen.append(event.data.offer)
        body = {"reason": {"code": "timing"}}
        (await bank(service).post(f"/v1/matches/{event.subject}/decline", json=body)).raise_for_status()
        await service.run_due()
    assert len(set(seen)) == 3
    assert [name for name, _ in await told(service)] == ["MatchDeclined"]


async def test_silence_lapses_and_another_offer_takes_the_place(service: Service) -> None:
    await introduce(service)
    for number in range(2):
        await make_offer(service, title=f"（示例）产品{number}")
    request = await make_request(service, exclusive=True)
    await consent(service, request, grants(service, *ALL, "revenue"))
    (first,) = await service.published()
    service.advance(timedelta(days=14))
    for _ in range(2):
        await service.run_due()
        service.advance(timedelta(seconds=10))
    lapsed, second = await service.published()
    assert (lapsed.subject, type(lapsed.data).__name__) == (first.subject, "MatchLapsed")
    assert (second.data.offer != first.data.offer, type(second.data).__name__) == (True, "MatchProposed")


async def test_a_finance_party_is_no_firm_and_a_firm_is_no_bank(service: Service) -> None:
    offer = await make_offer(service)
    refused = await bank(service, OTHER).post(f"/v1/finance-offers/{offer}/withdraw")
    assert service.problem(refused)["code"] == "not-your-offer"
    assert service.problem(await firm(service).post("/v1/finance-offers", json={}))["status"] in {403, 422}
    assert service.problem(await bank(service).post("/v1/finance-requests", json={}))["status"] in {403, 422}
    (listed,) = (await firm(service).get("/v1/finance-offers")).json()["items"]
    assert (listed["id"], listed["capital_zh"]) == (offer, "贷款")


# ---- several processes, and processes that die ---------------------------------------------------------------------


@pytest.fixture
async def two(mongo_url: str, mongo_database: str) -> AsyncIterator[list[Service]]:
    settings = {"mongo_database": mongo_database}
    clock = FakeClock(datetime.fromisoformat("2026-09-15T01:00:00+00:00"))
    first = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings, clock=clock)
    second = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings, clock=clock)
    async with first, second:
        yield [first, second]


async def test_two_processes_propose_once(two: list[Service]) -> None:
    first, second = two
    await introduce(first)
    offer, request = await make_offer(first), await make_request(second)
    body = {"matching": True, "grants": grants(first, *ALL, "revenue")}
    (await firm(first).put(f"/v1/finance-requests/{request}/consent", json=body)).raise_for_status()
    refreshers = [
        next(work.handler for work in service.chassis.due_work if work.repository.name == "finance_requests")
        for service in two
    ]
    due = await next(
        work.repository for work in second.chassis.due_work if work.repository.name == "finance_requests"
    ).get(request)
    await asyncio.gather(*(refresh(due) for refresh in refreshers), *(refresh(due) for refresh in refreshers))
    events = [event for service in two for event in await service.published()]
    assert [(event.data.offer, event.sequence) for event in events] == [(offer, 1)]


async def test_a_consent_revoked_while_a_match_is_written_leaves_no_proposal(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await introduce(service)
    await make_offer(service)
    request = await make_request(service)
    propose, once = FinanceRefresher._propose, iter([True])

    async def meanwhile(self: FinanceRefresher, *given: Any) -> bool:
        if next(once, False):
            body = {"matching": False, "grants": []}
            (await firm(service).put(f"/v1/finance-requests/{request}/consent", json=body)).raise_for_status()
            await self.refresh(request)
        return await propose(self, *given)

    monkeypatch.setattr(FinanceRefresher, "_propose", meanwhile)
    await consent(service, request, grants(service, *ALL, "revenue"))
    assert await told(service) == [("MatchProposed", None), ("MatchWithdrawn", "consent_revoked")]


@pytest.mark.parametrize("dies_in", ["_see", "_settle"])
async def test_a_process_that_dies_in_the_middle_leaves_the_rest_to_the_next(
    service: Service, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    await introduce(service)
    await make_offer(service)
    request = await make_request(service)

    async def dies(*_: Any) -> None:
        raise RuntimeError("the process ends here")

    with monkeypatch.context() as broken:
        broken.setattr(FinanceRefresher, dies_in, dies)
        await consent(service, request, grants(service, *ALL, "revenue"))
    assert await told(service) == []
    service.advance(timedelta(minutes=20))
    await service.run_due()
    assert await told(service) == [("MatchProposed", None)]
    assert json.dumps(await service.parked(), default=str) == "[]"
