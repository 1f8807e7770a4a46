from datetime import UTC, datetime
from typing import Any

from qianqiao_contracts import (
    AgreementKind,
    AgreementSigned,
    AgreementTerminated,
    MatchAccepted,
    Origin,
    OriginKind,
    Reason,
    Signatory,
)
from registry_support import FIRM, INSTITUTE, World, ok

WHEN = datetime(2026, 9, 15, 1, 0, tzinfo=UTC)


def agreed(need: str | None, result: str | None, kind: AgreementKind, *parties: str) -> dict[str, Any]:
    signatories = tuple(Signatory(party=p, role="partner", signed_by="user-1", signed_at=WHEN) for p in parties)
    return {
        "origin": Origin(kind=OriginKind.MATCH, id="match-1"),
        "need": need,
        "result": result,
        "kind": kind,
        "title": "示例协议",
        "parties": signatories,
        "digest": "sha256:0",
    }


async def test_accepted_matches_are_counted_once(world: World) -> None:
    need, result = (await world.post_need())["id"], (await world.list_result())["id"]
    accepted = MatchAccepted(need=need, result=result, party_a=FIRM, party_b=INSTITUTE)
    event = await world.h.deliver(accepted, subject="match-1", sequence=3)
    await world.h.deliver(event)
    await world.h.deliver(accepted, subject="match-2", sequence=3)
    assert (await ok(world.firm.get(f"/v1/needs/{need}")))["introductions"] == 2
    assert (await ok(world.firm.get(f"/v1/results/{result}")))["introductions"] == 2
    assert (await ok(world.firm.get(f"/v1/needs/{need}")))["revision"] == 1


async def test_a_signed_contract_waits_for_both_sides(world: World) -> None:
    need, result = (await world.post_need())["id"], (await world.list_result())["id"]
    signed = AgreementSigned(**agreed(need, result, AgreementKind.TRANSFER, FIRM, INSTITUTE))
    event = await world.h.deliver(signed, subject="agreement-1", sequence=4)
    await world.h.deliver(event)
    assert (await ok(world.firm.get(f"/v1/needs/{need}")))["status"] == "published"
    confirm = {"settlement": "agreement-1"}
    await ok(world.firm.post(f"/v1/needs/{need}/confirm", json=confirm))
    await ok(world.firm.post(f"/v1/needs/{need}/confirm", json=confirm))
    assert (await ok(world.firm.get(f"/v1/needs/{need}")))["status"] == "published"
    assert (await ok(world.institute.post(f"/v1/needs/{need}/confirm", json=confirm)))["status"] == "solved"
    await ok(world.institute.post(f"/v1/results/{result}/confirm", json=confirm))
    assert (await ok(world.firm.post(f"/v1/results/{result}/confirm", json=confirm)))["status"] == "taken"
    events = [event for event in await world.h.published() if event.sequence > 1]
    assert [event.type.split(".")[1] for event in events] == ["NeedSolved", "ResultTaken"]
    assert [event.data.agreement for event in events] == ["agreement-1", "agreement-1"]
    assert events[1].data.exclusive is True
    assert await world.h.parked() == []


async def test_an_intent_settles_nothing(world: World) -> None:
    need = (await world.post_need())["id"]
    signed = AgreementSigned(**agreed(need, None, AgreementKind.INTENT, FIRM, INSTITUTE))
    await world.h.deliver(signed, subject="agreement-1")
    assert (await ok(world.firm.get(f"/v1/needs/{need}")))["settlements"] == []


async def test_an_agreement_without_the_owner_settles_nothing(world: World) -> None:
    need = (await world.post_need())["id"]
    signed = AgreementSigned(**agreed(need, None, AgreementKind.SERVICE, "party-x", INSTITUTE))
    await world.h.deliver(signed, subject="agreement-1")
    assert (await ok(world.firm.get(f"/v1/needs/{need}")))["settlements"] == []


async def test_a_terminated_agreement_is_no_longer_waited_for(world: World) -> None:
    need = (await world.post_need())["id"]
    content = agreed(need, None, AgreementKind.SERVICE, FIRM, INSTITUTE)
    await world.h.deliver(AgreementSigned(**content), subject="agreement-1", sequence=1)
    assert len((await ok(world.firm.get(f"/v1/needs/{need}")))["settlements"]) == 1
    ended = AgreementTerminated(**content, reason=Reason(code="other", text="双方协商终止"))
    await world.h.deliver(ended, subject="agreement-1", sequence=2)
    assert (await ok(world.firm.get(f"/v1/needs/{need}")))["settlements"] == []
    problem = world.h.problem(await world.firm.post(f"/v1/needs/{need}/confirm", json={"settlement": "agreement-1"}))
    assert problem["code"] == "settlement-not-found"


async def test_an_agreement_about_an_unknown_need_is_parked_not_lost(world: World) -> None:
    signed = AgreementSigned(**agreed("need-none", None, AgreementKind.SERVICE, FIRM, INSTITUTE))
    await world.h.deliver(signed, subject="agreement-1")
    assert [record.topic for record in await world.h.parked()] == ["agreements.agreements"]


async def test_one_side_cannot_confirm_for_the_other(world: World) -> None:
    need = (await world.post_need())["id"]
    body = {"partner": INSTITUTE, "statement": "共同完成样机"}
    waiting = await ok(world.firm.post(f"/v1/needs/{need}/solve", json=body))
    confirm = {"settlement": waiting["settlements"][0]["id"]}
    assert world.h.problem(await world.stranger.post(f"/v1/needs/{need}/confirm", json=confirm))["code"] == "not-a-side"
    assert world.h.problem(await world.operator.post(f"/v1/needs/{need}/confirm", json=confirm))["code"] == "not-a-side"
    assert (await ok(world.firm.get(f"/v1/needs/{need}")))["status"] == "published"
    assert (await ok(world.institute.post(f"/v1/needs/{need}/confirm", json=confirm)))["status"] == "solved"
