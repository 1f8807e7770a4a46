import pytest
from registry_support import FIRM, FIRM_CODE, INSTITUTE, World, code, ok

PERSON = {"party": FIRM, "person_name": "示例联系人", "email": "demo@example.com", "mobile": "13800000000"}
CONSENT = {"purpose": "action", "channel": "email", "text_version": "2026-1"}


async def test_a_party_registers_itself_once(world: World) -> None:
    body = {"name": "示例：新公司", "kind": "enterprise"}
    first = await ok(world.stranger.post("/v1/parties", json=body), 201)
    assert first["id"] == "party-stranger"
    assert first["verified"] is False
    assert await ok(world.stranger.post("/v1/parties", json=body), 201) == first
    assert await world.types() == ["PartyRegistered"]


async def test_others_are_registered_by_their_park_alone(world: World) -> None:
    body = {"name": "示例：园内公司", "kind": "enterprise", "park": "park-demo"}
    assert (await ok(world.park.post("/v1/parties", json=body), 201))["park"] == "park-demo"
    pretended = world.h.problem(await world.firm.post("/v1/parties", json={**body, "park": FIRM}))
    assert (pretended["status"], pretended["code"]) == (403, "not-a-park")
    assert await world.types() == ["PartyRegistered"]


async def test_a_wrong_check_digit_is_refused(world: World) -> None:
    wrong = FIRM_CODE[:-1] + ("0" if FIRM_CODE[-1] != "0" else "1")
    body = {"name": "示例：新公司", "kind": "enterprise", "uscc": wrong}
    problem = world.h.problem(await world.stranger.post("/v1/parties", json=body))
    assert [(error["path"], error["code"]) for error in problem["errors"]] == [("body.uscc", "uscc-check-character")]


async def test_a_credit_code_belongs_to_one_party(world: World) -> None:
    body = {"name": "示例：冒名公司", "kind": "enterprise", "uscc": FIRM_CODE}
    assert world.h.problem(await world.stranger.post("/v1/parties", json=body))["code"] == "uscc-taken"
    revised = await world.institute.patch(f"/v1/parties/{INSTITUTE}", json={"uscc": FIRM_CODE})
    assert world.h.problem(revised)["code"] == "uscc-taken"
    own = code("12370200MB2DEM002".replace("O", "0"))
    assert (await ok(world.institute.patch(f"/v1/parties/{INSTITUTE}", json={"uscc": own})))["uscc"] == own


async def test_verification_is_the_operators_and_ends_with_a_new_name(world: World) -> None:
    claimed = {"name": "示例：新公司", "kind": "enterprise", "verified": True}
    assert world.h.problem(await world.stranger.post("/v1/parties", json=claimed))["code"] == "verify-not-allowed"
    assert (await world.firm.post(f"/v1/parties/{FIRM}/verify")).status_code == 403
    assert (await ok(world.operator.post(f"/v1/parties/{FIRM}/verify")))["verified"] is True
    assert (await ok(world.firm.patch(f"/v1/parties/{FIRM}", json={"region": "青岛"})))["verified"] is True
    assert (await ok(world.firm.patch(f"/v1/parties/{FIRM}", json={"name": "示例：改名"})))["verified"] is False
    await ok(world.operator.post(f"/v1/parties/{FIRM}/verify"))
    assert (await ok(world.firm.patch(f"/v1/parties/{FIRM}", json={"kind": "finance"})))["verified"] is False


async def test_a_party_changes_only_itself(world: World) -> None:
    assert (await world.stranger.patch(f"/v1/parties/{FIRM}", json={"region": "x"})).status_code == 403
    assert (await world.h.client().patch(f"/v1/parties/{FIRM}", json={"region": "x"})).status_code == 401


async def test_a_closed_party_leaves_no_open_needs(world: World) -> None:
    need = (await world.post_need())["id"]
    closed = await ok(world.firm.post(f"/v1/parties/{FIRM}/close", json={"reason": {"code": "party_closed"}}))
    assert closed["closed"] is True
    event = next(e for e in await world.h.published() if e.type == "qianqiao.PartyClosed.v1")
    await world.h.deliver(event)
    await world.h.deliver(event)
    [withdrawn] = await world.h.published()
    assert (withdrawn.type, withdrawn.subject) == ("qianqiao.NeedWithdrawn.v1", need)
    assert withdrawn.data.reason.code == "party_closed"
    assert withdrawn.causationid == event.id
    late = world.h.problem(
        await world.operator.post("/v1/needs", json={"party": FIRM, "title": "x", "difficulty": "x"})
    )
    assert late["code"] == "party-closed"


async def declared(world: World, **changes: object) -> str:
    answer = await ok(world.firm.post("/v1/contacts", json={**PERSON, **changes}), 201)
    return str(answer["id"])


async def test_a_contact_is_for_its_party_alone(world: World) -> None:
    id_ = await declared(world)
    assert (await ok(world.firm.get(f"/v1/contacts/{id_}")))["email"] == "demo@example.com"
    assert (await world.institute.get(f"/v1/contacts/{id_}")).status_code == 404
    assert (await world.institute.get("/v1/contacts", params={"party": FIRM})).status_code == 403
    assert (await world.h.client().get(f"/v1/contacts/{id_}")).status_code == 401
    assert (await world.institute.delete(f"/v1/contacts/{id_}")).status_code == 404


async def test_answers_to_changes_repeat_nothing_personal(world: World) -> None:
    """They may be kept for a day, to be given again to a repeated request."""
    answer = await world.firm.post("/v1/contacts", json=PERSON)
    assert answer.status_code == 201
    assert "demo@example.com" not in answer.text
    assert "示例联系人" not in answer.text


async def test_consents_are_given_and_withdrawn_one_by_one(world: World) -> None:
    id_ = await declared(world, channels=["email", "sms"], consents=[CONSENT])
    await ok(world.firm.post(f"/v1/contacts/{id_}/consents", json={**CONSENT, "channel": "sms"}))
    await ok(world.firm.delete(f"/v1/contacts/{id_}/consents/action/email"))
    await ok(world.firm.delete(f"/v1/contacts/{id_}/consents/action/email"))
    events = await world.h.published()
    assert [event.type.split(".")[1] for event in events] == ["ContactDeclared", "ConsentChanged", "ConsentChanged"]
    assert [[consent.channel for consent in event.data.consents] for event in events] == [
        ["email"],
        ["email", "sms"],
        ["sms"],
    ]
    assert all(event.data.person_name == "示例联系人" for event in events)
    assert events[0].data.consents[0].given_at == world.h.clock.now()


async def test_erasure_blanks_the_store_and_leaves_a_tombstone(world: World) -> None:
    id_ = await declared(world, consents=[CONSENT])
    assert (await world.firm.delete(f"/v1/contacts/{id_}")).status_code == 204
    assert (await world.firm.delete(f"/v1/contacts/{id_}")).status_code == 204
    assert [event.type.split(".")[1] for event in await world.h.published()] == ["ContactDeclared", "ContactErased"]
    last = world.h.publisher.records[-1]
    assert (last.key, last.value) == (id_, None)
    stored = await world.h.store.database["contacts"].find_one({"_id": id_})
    assert stored is not None
    assert not any(personal in str(stored) for personal in ("示例联系人", "demo@example.com", "13800000000"))
    shown = await ok(world.firm.get(f"/v1/contacts/{id_}"))
    assert (shown["erased"], shown["person_name"], shown["consents"]) == (True, None, [])
    refused = await world.firm.post(f"/v1/contacts/{id_}/consents", json=CONSENT)
    assert world.h.problem(refused)["code"] == "contact-erased"
    assert (await ok(world.firm.get("/v1/contacts", params={"party": FIRM})))["items"] == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"email": "a@b.com, c@d.com"}, "body.email"),
        ({"mobile": "12345"}, "body.mobile"),
        ({"person_name": " "}, "body.person_name"),
        ({"channels": ["fax"]}, "body.channels[0]"),
    ],
)
async def test_details_that_cannot_be_right_are_refused(world: World, change: dict[str, object], path: str) -> None:
    problem = world.h.problem(await world.firm.post("/v1/contacts", json={**PERSON, **change}))
    assert [error["path"] for error in problem["errors"]] == [path]


async def test_a_chosen_channel_needs_an_address(world: World) -> None:
    body = {"party": FIRM, "person_name": "示例联系人", "channels": ["sms"]}
    problem = world.h.problem(await world.firm.post("/v1/contacts", json=body))
    assert [(error["path"], error["code"]) for error in problem["errors"]] == [("mobile", "channel-without-address")]
