"""Policies: who issues them, their life, who sees them, and what outside systems may say of them."""

from typing import Any

import httpx
import pytest
from registry.domain.source import adopted_subject
from registry_support import FIRM, OTHER_PARK, PARK, SOURCE, Json, Way, World, both, ok

OFFICE = "party-office"
TEST: Json = {
    "field": "revenue",
    "op": "≥",
    "value": 5000,
    "unit": "万元",
    "period": "year-1",
    "clause": "（示例）第三条",
}
MANY: Json = {"match": "all", "of": [{"match": "any", "of": [TEST] * 50}] * 5}
POLICY: Json = {
    "title": "（示例）研发投入奖励办法",
    "issuer": "（示例）科技局",
    "document_no": "示科〔2026〕1号",
    "region": "青岛市",
    "conditions": {"match": "all", "of": [TEST]},
    "support": "（示例）按研发费用的 10% 给予奖励",
    "support_max": {"fen": 50_000_000},
    "support_share": {"field": "rd_spend", "period": "year-1", "share": 0.1},
    "window": {"opens": "2026-09-01", "closes": "2026-09-30", "repeats": "yearly"},
    "route": "申报",
    "desk": {"name": "（示例）窗口", "phone": "0532-00000000"},
}
ID = adopted_subject("policy", SOURCE, "P-1")


def office(world: World) -> httpx.AsyncClient:
    return world.h.client(party=OFFICE, roles=["government"])


@pytest.fixture
async def issuing(world: World) -> World:
    body = {"name": "（示例）科技局", "kind": "government"}
    await ok(office(world).post("/v1/parties", json=body), 201)
    await world.h.published()
    return world


async def drafted(world: World, **changes: Any) -> Json:
    return await ok(office(world).post("/v1/policies", json={**POLICY, "party": OFFICE, **changes}), 201)


async def published(world: World, **changes: Any) -> str:
    id = str((await drafted(world, **changes))["id"])
    await ok(office(world).post(f"/v1/policies/{id}/publish"))
    return id


async def test_a_draft_is_told_to_nobody_and_publishing_tells_all_of_it(issuing: World) -> None:
    policy = await drafted(issuing)
    path = f"/v1/policies/{policy['id']}"
    assert (policy["status"], policy["steps"]) == ("draft", ["discard", "publish", "revise"])
    await ok(office(issuing).patch(path, json={"title": "（示例）改名"}))
    assert await issuing.h.published() == []
    for client in (issuing.firm, issuing.park, issuing.h.client()):
        assert issuing.h.problem(await client.get(path))["status"] == 404
    await ok(office(issuing).post(f"{path}/publish"))
    [event] = await issuing.h.published()
    assert (event.type, event.sequence) == ("qianqiao.PolicyPublished.v1", 1)
    assert event.data.model_dump(mode="json", exclude_none=True, exclude_defaults=True) == {
        **POLICY, "title": "（示例）改名", "party": OFFICE,
    }  # fmt: skip
    seen = await ok(issuing.h.client().get(path))
    assert (seen["status"], seen["steps"], seen["log"]) == ("published", [], [])


async def test_a_revision_tells_all_of_it_and_one_that_says_the_same_nothing(issuing: World) -> None:
    path = f"/v1/policies/{await published(issuing)}"
    await issuing.h.published()
    await ok(office(issuing).patch(path, json={"support_max": {"fen": 1}}))
    await ok(office(issuing).patch(path, json={"support_max": {"fen": 1}}))
    [event] = await issuing.h.published()
    assert (event.type, event.data.support_max.fen) == ("qianqiao.PolicyRevised.v1", 1)
    assert event.data.title == POLICY["title"]


async def test_a_retired_policy_stays_readable_and_moves_no_more(issuing: World) -> None:
    id = await published(issuing)
    path = f"/v1/policies/{id}"
    await ok(office(issuing).post(f"{path}/retire", json={"reason": {"code": "repealed"}}))
    assert (await issuing.types())[-1] == "PolicyRetired"
    assert (await ok(issuing.firm.get(path)))["status"] == "retired"
    for step, body in (("publish", None), ("retire", {"reason": {"code": "repealed"}}), ("discard", None)):
        answer = await office(issuing).post(f"{path}/{step}", json=body)
        problem = issuing.h.problem(answer)
        assert (problem["code"], problem["present"]) == (f"policy-{step}-refused", "retired")
    assert issuing.h.problem(await office(issuing).patch(path, json={"title": "x"}))["code"] == "policy-revise-refused"


async def test_a_draft_may_be_discarded_and_a_published_one_not(issuing: World) -> None:
    draft = f"/v1/policies/{(await drafted(issuing))['id']}"
    assert (await ok(office(issuing).post(f"{draft}/discard")))["status"] == "discarded"
    path = f"/v1/policies/{await published(issuing)}"
    assert issuing.h.problem(await office(issuing).post(f"{path}/discard"))["code"] == "policy-discard-refused"


async def test_government_and_parks_issue_for_themselves_alone(issuing: World) -> None:
    body = {**POLICY, "party": PARK}
    await ok(issuing.park.post("/v1/policies", json=body), 201)
    await ok(issuing.operator.post("/v1/policies", json={**POLICY, "party": OFFICE}), 201)
    assert issuing.h.problem(await office(issuing).post("/v1/policies", json=body))["code"] == "not-your-party"
    assert issuing.h.problem(await issuing.firm.post("/v1/policies", json=body))["code"] == "role-not-allowed"
    of_firm = await issuing.operator.post("/v1/policies", json={**POLICY, "party": FIRM})
    assert issuing.h.problem(of_firm)["code"] == "not-an-issuer"
    path = f"/v1/policies/{await published(issuing)}"
    assert issuing.h.problem(await issuing.park.patch(path, json={"title": "x"}))["code"] == "not-your-party"
    assert issuing.h.problem(await issuing.park.post(f"{path}/publish"))["code"] == "not-your-party"


async def test_everybody_lists_what_is_public_and_its_issuer_drafts_too(issuing: World) -> None:
    await drafted(issuing)
    id = await published(issuing)
    public = await ok(issuing.h.client().get("/v1/policies"))
    assert [item["id"] for item in public["items"]] == [id]
    assert len((await ok(office(issuing).get("/v1/policies")))["items"]) == 2
    assert len((await ok(issuing.operator.get("/v1/policies", params={"status": "draft"})))["items"]) == 1
    assert (await ok(issuing.firm.get("/v1/policies", params={"status": "draft"})))["items"] == []
    assert (await ok(issuing.firm.get("/v1/policies", params={"region": "济南市"})))["items"] == []


def nested(deep: int) -> Json:
    return TEST if deep == 0 else {"match": "any", "of": [nested(deep - 1)]}


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"conditions": nested(9)}, "conditions-too-deep", "conditions"),
        ({"conditions": MANY}, "conditions-too-many", "conditions"),
        ({"support_min": {"fen": 2}, "support_max": {"fen": 1}}, "support-reversed", "support_min"),
    ],
)  # fmt: skip
async def test_what_a_policy_may_not_say(issuing: World, change: Json, code: str, path: str) -> None:
    problem = issuing.h.problem(await office(issuing).post("/v1/policies", json={**POLICY, "party": OFFICE, **change}))
    assert [(error["code"], error["path"]) for error in problem["errors"]] == [(code, path)]
    await drafted(issuing, conditions=nested(8))


async def test_a_change_based_on_an_older_revision_is_refused(issuing: World) -> None:
    policy = await drafted(issuing)
    client = office(issuing)
    await ok(client.patch(f"/v1/policies/{policy['id']}", json={"title": "x"}))
    client.headers["If-Match"] = f'"{policy["revision"]}"'
    assert issuing.h.problem(await client.patch(f"/v1/policies/{policy['id']}", json={"title": "y"}))["status"] == 409


# ---- outside systems ------------------------------------------------------------------------------------------


def by_park(world: World, kind: str = "PolicyPublished", subject: str = "P-1", **changes: Any) -> Json:
    return world.event(kind, {**POLICY, **changes}, subject)


async def test_a_parks_policy_becomes_ours_and_follows_its_events(world: World) -> None:
    event = by_park(world)
    for _ in range(2):
        await world.publish(event)
    await world.publish(by_park(world, "PolicyRevised", title="（示例）改名"))
    await world.publish(world.event("PolicyRetired", {"title": "（示例）"}, ID))
    first, revised, retired = await world.h.published()
    assert (first.subject, first.data.party, first.causationid) == (ID, PARK, event["id"])
    assert [each.sequence for each in (first, revised, retired)] == [1, 2, 3]
    assert (revised.data.title, retired.data.reason.code) == ("（示例）改名", "repealed")
    shown = await ok(world.h.client().get(f"/v1/policies/{ID}"))
    assert (shown["status"], shown["party"]) == ("retired", PARK)


@both
@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"party": FIRM}, "not-an-issuer"),
        ({"party": OTHER_PARK}, "party-not-yours"),
        ({"kind": "PolicyRevised", "subject": "P-9"}, "subject-unknown"),
        ({"conditions": nested(9)}, "conditions-too-deep"),
        ({"support_min": {"fen": 0}}, "contract-violated"),
    ],
)
async def test_what_a_source_may_not_say(world: World, way: Way, event: Json, code: str) -> None:
    assert (await way(world, by_park(world, **event)))[0] == code


@both
async def test_a_policy_is_changed_by_whoever_brought_it(issuing: World, way: Way) -> None:
    ours = await published(issuing)
    await issuing.publish(by_park(issuing))
    await issuing.h.published()
    assert (await way(issuing, by_park(issuing, "PolicyRevised", ours)))[0] == "subject-not-yours"
    assert (await way(issuing, by_park(issuing, "PolicyPublished", ours)))[0] == "subject-not-yours"
    assert (await way(issuing, by_park(issuing)))[0] == "subject-exists"


async def test_an_event_that_comes_again_after_a_crash_before_its_receipt_changes_nothing(world: World) -> None:
    events = [by_park(world), world.event("PolicyRetired", {"title": "（示例）"}, "P-1")]
    for event in events:
        await world.publish(event)
    assert await world.types() == ["PolicyPublished", "PolicyRetired"]
    await world.h.store.database["receipts"].delete_many({})
    for event in events:
        await world.publish(event)
    assert await world.h.published() == []


@both
async def test_a_policy_stays_with_the_party_it_was_published_for(world: World, way: Way) -> None:
    await world.publish(by_park(world))
    await world.h.published()
    assert (await way(world, by_park(world, "PolicyRevised", party=FIRM)))[0] == "party-not-yours"
