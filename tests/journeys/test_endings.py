"""How a match ends without an agreement, and what is left of a person who asked to be forgotten."""

import pytest
from qianqiao_contracts import ContactErased, MatchDeclined, MatchWithdrawn

from .world import Firm, World, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.kafka]


async def test_a_decline_needs_a_code_and_ends_the_match_for_both(world: World) -> None:
    of = await world.introduction("bearings")
    await of.system.publish(world.need(of))
    match = (await world.proposed(of)).event.subject
    path = f"/v1/matches/{match}"

    bare = await world.people.ask(of.institute.who, "POST", "matching", f"{path}/decline", body={})
    assert bare.status_code == 422
    assert bare.json()["errors"][0]["path"] == "body.reason"
    assert await world.state(of.enterprise, match) == "proposed"

    said = {"reason": {"code": "timing", "text": "年内没有人手"}, "private_text": "只给平台看"}
    await world.people.do(of.institute.who, "POST", "matching", f"{path}/decline", body=said)
    declined = await world.about(MatchDeclined, match)
    assert (declined.data.party, declined.data.reason.code) == (of.institute.id, "timing")
    assert "只给平台看" not in declined.event.model_dump_json()

    letters = await world.letters(of.enterprise, f"{match}/declined", ("email",))
    assert "年内没有人手" in letters["email"]["text"]
    assert "只给平台看" not in letters["email"]["text"]
    assert await world.deliveries(of.institute, f"{match}/declined") == []

    late = await world.people.ask(of.enterprise.who, "POST", "matching", f"{path}/interest")
    assert (late.status_code, late.json()["code"]) == (409, "match-not-open")
    assert {"title", "title_en"} <= set(late.json())


async def test_a_withdrawn_need_closes_its_proposals(world: World) -> None:
    of = await world.introduction("battery")
    await of.system.publish(world.need(of))
    match = (await world.proposed(of)).event.subject
    await world.people.do(of.institute.who, "POST", "matching", f"/v1/matches/{match}/interest")

    data = {"party": f"uscc:{of.enterprise.uscc}", "reason": {"code": "no_longer_wanted"}}
    await of.system.publish(of.system.event("qianqiao.NeedWithdrawn.v1", of.number, data, sequence=2))
    withdrawn = await world.about(MatchWithdrawn, match)
    assert withdrawn.data.reason.code == "need_gone"
    assert await world.state(of.institute, match) == "withdrawn"
    await world.letters(of.institute, f"{match}/withdrawn", ("email",))
    late = await world.people.ask(of.institute.who, "POST", "matching", f"/v1/matches/{match}/interest")
    assert late.status_code == 409


async def test_an_erased_contact_is_gone_from_every_store_and_gets_nothing(world: World) -> None:
    of = await world.introduction("vision")
    gone = of.enterprise
    await of.system.publish(world.need(of))
    proposed = await world.proposed(of)
    match, need = proposed.event.subject, proposed.data.need
    await world.letters(gone, f"{match}/proposed")
    await world.letters(gone, f"{need}/posted", ("email",))
    before = await letters_to(world, gone)
    assert await world.kept_of(gone.email) != []

    erased = await world.people.ask(gone.who, "DELETE", "registry", f"/v1/contacts/{gone.contact}")
    assert erased.status_code == 204
    await world.about(ContactErased, gone.contact)
    key = (ContactErased.topic.name, gone.contact)
    await world.bus.until(lambda: key in world.bus.erased, "没有抹除记录", "no tombstone")

    words = (gone.email, gone.mobile, gone.person)

    async def forgotten() -> bool | None:
        return True if await world.kept_of(*words) == [] else None

    await eventually(forgotten, "个人信息仍在", "personal data is still there")

    # What happens from now on is told to the other side alone, and brings nothing back.
    await world.accept(of, match)
    await world.letters(of.institute, f"{match}/accepted")
    await world.sign(of, match)
    assert await letters_to(world, gone) == before
    assert await world.kept_of(*words) == []


async def letters_to(world: World, firm: Firm) -> list[str]:
    mails, texts = await world.people.received("mails"), await world.people.received("texts")
    found = [one["message_id"] for one in mails if firm.email in one["recipients"]]
    return found + [one["dlr_url"] for one in texts if one["to"] == firm.mobile]
