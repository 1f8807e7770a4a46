"""Profiles over HTTP: who states, imports and sees facts, and what is refused."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from matching.settings import MatchingSettings
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import PartyClosed, PartyKind, PartyRegistered, PartyRevised, Reason

type Service = Harness[MatchingSettings]
FIRM, OTHER, PARK = "party-firm", "party-other", "party-park"
REVENUE = {"field": "revenue", "value": 5000, "unit": "万元", "period": "2025", "as_of": "2026-03-31"}
SRDI = {"field": "srdi", "value": True, "as_of": "2026-03-31"}


def enterprise(**more: Any) -> PartyRegistered:
    given = {"name": "（演示）某公司", "kind": PartyKind.ENTERPRISE, "park": PARK, "region": "青岛市", **more}
    return PartyRegistered.model_validate(given)


def as_firm(service: Service, party: str = FIRM) -> httpx.AsyncClient:
    return service.client(party=party, roles=["enterprise"])


def as_park(service: Service, party: str = PARK) -> httpx.AsyncClient:
    return service.client(party=party, roles=["park"])


async def put(client: httpx.AsyncClient, *facts: dict[str, Any], party: str = FIRM, **more: Any) -> httpx.Response:
    return await client.put(f"/v1/parties/{party}/profile/facts", json={"facts": list(facts), **more})


@pytest.fixture
async def firm(service: Service) -> Service:
    await service.deliver(enterprise(), subject=FIRM)
    return service


async def profile(service: Service, party: str = FIRM) -> dict[str, Any]:
    answer = await as_firm(service, party).get(f"/v1/parties/{party}/profile")
    body: dict[str, Any] = answer.raise_for_status().json()
    return body


async def test_a_firm_states_and_corrects_its_own_facts(firm: Service) -> None:
    assert (await put(as_firm(firm), REVENUE, SRDI)).status_code == 200
    assert (await put(as_firm(firm), {**REVENUE, "value": 0.6, "unit": "亿元"})).status_code == 200
    found = await profile(firm)
    assert [(fact["field"], fact["value"], fact["unit"]) for fact in found["facts"]] == [
        ("revenue", 0.6, "亿元"),
        ("srdi", True, None),
    ]
    assert found["facts"][0]["source"]["origin"] == "stated"
    assert found["registered"]["region"] == "青岛市"
    assert [(entry["act"], entry["fact"][0]) for entry in found["log"]] == [
        ("set", "revenue"), ("set", "srdi"), ("set", "revenue"),
    ]  # fmt: skip


async def test_nothing_of_a_profile_is_published(firm: Service) -> None:
    await put(as_firm(firm), REVENUE)
    await firm.run_due()
    assert await firm.published() == []


async def test_facts_may_be_stated_before_registry_is_heard(service: Service) -> None:
    assert (await put(as_firm(service), REVENUE)).status_code == 200
    await service.deliver(enterprise(), subject=FIRM)
    found = await profile(service)
    assert (found["registered"]["kind"], len(found["facts"])) == ("enterprise", 1)


async def test_strangers_see_and_state_nothing(firm: Service) -> None:
    await put(as_firm(firm), REVENUE)
    for client in (as_firm(firm, OTHER), as_park(firm), as_park(firm, "party-park-2")):
        assert firm.problem(await client.get(f"/v1/parties/{FIRM}/profile"))["status"] == 404
    for client in (as_firm(firm, OTHER), as_park(firm, "party-park-2")):
        assert firm.problem(await put(client, SRDI, source="年报"))["code"] == "not-your-firm"
    operator = firm.client(roles=["operator"])
    assert (await operator.get(f"/v1/parties/{FIRM}/profile")).status_code == 200


async def test_a_park_imports_with_a_source_and_sees_no_values(firm: Service) -> None:
    assert firm.problem(await put(as_park(firm), SRDI))["code"] == "import-source-missing"
    assert firm.problem(await put(as_park(firm), SRDI, source="  "))["code"] == "import-source-missing"
    answer = await put(as_park(firm), SRDI, source="（演示）2026 年名单")
    assert "value" not in answer.text
    (fact,) = (await profile(firm))["facts"]
    assert fact["source"] == {
        "origin": "imported", "party": PARK, "subject": f"user-of-{PARK}", "text": "（演示）2026 年名单",
    }  # fmt: skip


async def test_an_older_fact_never_replaces_a_newer_one(firm: Service) -> None:
    await put(as_firm(firm), REVENUE)
    older = {**REVENUE, "as_of": "2026-03-30", "value": 1}
    refused = firm.problem(await put(as_park(firm), older, source="年报"))
    assert (refused["code"], refused["errors"][0]["path"]) == ("fact-older", "facts[0].as_of")
    assert (await profile(firm))["facts"][0]["value"] == 5000


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"field": "region", "value": "青岛"}, "fact-from-registry", "facts[0].field"),
        ({"value": "五千万"}, "fact-wrong-kind", "facts[0].value"),
        ({"value": True}, "fact-wrong-kind", "facts[0].value"),
        ({"unit": "人"}, "fact-wrong-unit", "facts[0].unit"),
        ({"unit": None}, "fact-wrong-unit", "facts[0].unit"),
        ({"period": None}, "fact-period-missing", "facts[0].period"),
        ({"period": "year-1"}, "fact-period-relative", "facts[0].period"),
        ({"as_of": "2026-09-16"}, "fact-from-future", "facts[0].as_of"),
        ({"valid_until": "2026-03-30"}, "fact-validity-reversed", "facts[0].valid_until"),
    ],
)
async def test_what_cannot_be_taken_is_named(firm: Service, change: dict[str, Any], code: str, path: str) -> None:
    problem = firm.problem(await put(as_firm(firm), {**REVENUE, **change}))
    assert [(error["code"], error["path"]) for error in problem["errors"]] == [(code, path)]
    assert (await profile(firm))["facts"] == []


async def test_the_same_fact_twice_in_one_request_is_refused(firm: Service) -> None:
    problem = firm.problem(await put(as_firm(firm), REVENUE, REVENUE))
    assert (problem["code"], problem["errors"][0]["path"]) == ("fact-twice", "facts[1]")


async def test_the_day_that_has_begun_in_shanghai_is_not_the_future(firm: Service) -> None:
    firm.advance(timedelta(hours=15))  # 2026-09-15 16:00 UTC
    assert (await put(as_firm(firm), {**REVENUE, "as_of": "2026-09-16"})).status_code == 200


async def test_a_fact_is_removed_by_the_firm(firm: Service) -> None:
    await put(as_firm(firm), REVENUE, SRDI)
    path = f"/v1/parties/{FIRM}/profile/facts/revenue"
    assert firm.problem(await as_firm(firm).delete(path))["code"] == "fact-not-found"
    assert firm.problem(await as_park(firm).delete(path, params={"period": "2025"}))["status"] == 404
    assert (await as_firm(firm).delete(path, params={"period": "2025"})).status_code == 204
    assert [fact["field"] for fact in (await profile(firm))["facts"]] == ["srdi"]


async def test_a_change_based_on_an_older_revision_is_refused(firm: Service) -> None:
    await put(as_firm(firm), REVENUE)
    client = as_firm(firm)
    client.headers["If-Match"] = '"1"'
    assert firm.problem(await put(client, SRDI))["code"] == "version-conflict"


async def test_a_profile_holds_so_many_facts(firm: Service) -> None:
    def some(first: int, many: int) -> list[dict[str, Any]]:
        return [
            {"field": f"x{number}", "value": number, "as_of": "2026-01-01"} for number in range(first, first + many)
        ]

    for first in (0, 200):
        assert (await put(as_firm(firm), *some(first, 200))).status_code == 200
    assert (await put(as_firm(firm), *some(400, 100))).status_code == 200
    assert firm.problem(await put(as_firm(firm), *some(500, 1)))["code"] == "profile-too-large"
    assert firm.problem(await put(as_firm(firm), *some(0, 201)))["status"] == 422


async def test_events_of_registry_again_and_older_ones_change_nothing(firm: Service) -> None:
    revised = PartyRevised.model_validate({**enterprise().model_dump(), "region": "济南市"})
    await firm.deliver(revised, subject=FIRM, sequence=3)
    await firm.deliver(enterprise(), subject=FIRM, sequence=2)
    await firm.deliver(revised, subject=FIRM, sequence=3)
    assert (await profile(firm))["registered"]["region"] == "济南市"
    await firm.deliver(PartyClosed(reason=Reason(code="dissolved")), subject=FIRM, sequence=4)
    assert (await profile(firm))["registered"]["closed"] is True
