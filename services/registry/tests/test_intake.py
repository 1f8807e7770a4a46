"""Outside events: what is adopted, what a repetition does, batches and secrets."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from qianqiao_chassis.errors import StoreUnavailable
from registry.domain.source import adopted_subject
from registry_support import FIRM, FIRM_CODE, INSTITUTE, RESULT, SOURCE, Way, World, both, ok

NEED_ID = adopted_subject("need", SOURCE, "N-1")


# ---- adopted ------------------------------------------------------------------------------------------------------


async def test_a_parks_need_becomes_ours_with_its_cause(world: World) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    event = world.need_posted(envelope={"correlationid": "story-1", "traceparent": trace})
    await world.publish(event)
    [posted] = await world.h.published()
    assert (posted.subject, posted.source, posted.sequence) == (NEED_ID, "/services/registry", 1)
    assert (posted.causationid, posted.correlationid) == (event["id"], "story-1")
    assert posted.traceparent is not None
    assert posted.traceparent.split("-")[1] == trace.split("-")[1]
    assert posted.data.park == "park-demo"
    need = await ok(world.firm.get(f"/v1/needs/{NEED_ID}"))
    assert (need["party"], need["channel"], need["log"][0]["by"]["subject"]) == (FIRM, "intake", SOURCE)
    assert await world.h.parked() == []


async def test_over_http_too_the_events_own_trace_is_kept(world: World) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    receipt = await ok(world.send(world.need_posted(envelope={"traceparent": trace})), 202)
    assert (receipt["outcome"], receipt["subject"]) == ("adopted", NEED_ID)
    [posted] = await world.h.published()
    assert posted.traceparent is not None
    assert posted.traceparent.split("-")[1] == trace.split("-")[1]


@pytest.mark.parametrize("name", [FIRM, f"uscc:{FIRM_CODE}"])
async def test_a_party_is_named_by_our_id_or_its_credit_code(world: World, name: str) -> None:
    await ok(world.send(world.need_posted(party=name)), 202)
    [posted] = await world.h.published()
    assert posted.data.party == FIRM


async def test_a_party_a_park_registered_is_named_as_the_park_names_it(world: World) -> None:
    party = {"name": "示例：园区登记的公司", "kind": "enterprise", "verified": True}
    await world.publish(world.event("PartyRegistered", party, subject="C-7"))
    await world.publish(world.need_posted(party="C-7"))
    await world.publish(world.event("PartyRevised", {**party, "region": "青岛"}, subject="C-7"))
    registered, posted, revised = await world.h.published()
    assert registered.data.park == "park-demo"
    assert registered.data.verified is False
    assert posted.data.party == registered.subject == revised.subject
    assert revised.data.region == "青岛"


async def test_a_source_that_may_verify_is_believed(world: World) -> None:
    await ok(world.operator.patch(f"/v1/sources/{world.source_id}", json={"may_verify": True}))
    party = {"name": "示例：已核验", "kind": "enterprise", "verified": True}
    await ok(world.send(world.event("PartyRegistered", party, subject="C-8")), 202)
    [registered] = await world.h.published()
    assert registered.data.verified is True


async def test_later_events_of_a_subject_reach_the_same_need(world: World) -> None:
    await world.publish(world.need_posted())
    step = {"party": FIRM}
    for event in (
        world.event("NeedPaused", step),
        world.event("NeedResumed", step),
        world.event("NeedRenewed", {**step, "last_confirmed": world.h.clock.now().isoformat()}),
        world.event("NeedRevised", {**world.need_posted(title="示例：改过的题目")["data"]}),
        world.event("NeedWithdrawn", {**step, "reason": {"code": "solved_elsewhere"}}, subject=NEED_ID),
    ):
        await world.publish(event)
    events = await world.h.published()
    assert [event.type.split(".")[1] for event in events] == [
        "NeedPosted",
        "NeedPaused",
        "NeedResumed",
        "NeedRenewed",
        "NeedRevised",
        "NeedWithdrawn",
    ]
    assert {event.subject for event in events} == {NEED_ID}
    assert [event.sequence for event in events] == [1, 2, 3, 4, 5, 6]
    assert events[4].data.title == "示例：改过的题目"


async def test_results_are_adopted_and_led_through_their_life(world: World) -> None:
    now = world.h.clock.now().isoformat()
    listed = {**RESULT, "parties": [FIRM, INSTITUTE], "last_confirmed": now}
    await world.publish(world.event("ResultListed", listed, subject="R-1"))
    await world.publish(world.event("ResultRevised", {**listed, "title": "示例：改名"}, subject="R-1"))
    await world.publish(world.event("ResultRenewed", {"parties": [FIRM], "last_confirmed": now}, subject="R-1"))
    reason = {"code": "no_longer_wanted"}
    await world.publish(world.event("ResultWithdrawn", {"parties": [FIRM], "reason": reason}, subject="R-1"))
    events = await world.h.published()
    assert [event.type.split(".")[1] for event in events] == [
        "ResultListed",
        "ResultRevised",
        "ResultRenewed",
        "ResultWithdrawn",
    ]
    assert events[0].data.parties == (FIRM, INSTITUTE)
    assert {event.subject for event in events} == {adopted_subject("result", SOURCE, "R-1")}


async def test_the_parks_word_is_the_owners_yes_and_no_more(world: World) -> None:
    await world.publish(world.need_posted())
    body = {"partner": INSTITUTE, "statement": "示例：共同完成"}
    waiting = await ok(world.firm.post(f"/v1/needs/{NEED_ID}/solve", json=body))
    await world.h.published()
    await world.publish(world.event("NeedSolved", {"party": FIRM}))
    assert await world.types() == []
    confirm = {"settlement": waiting["settlements"][0]["id"]}
    assert (await ok(world.institute.post(f"/v1/needs/{NEED_ID}/confirm", json=confirm)))["status"] == "solved"


# ---- duplicates ---------------------------------------------------------------------------------------------------


async def test_the_same_event_again_gets_the_same_answer(world: World) -> None:
    event = world.need_posted()
    first = await ok(world.send(event), 202)
    reordered = dict(reversed(event.items()))
    assert await ok(world.send(reordered), 202) == first
    await world.publish(event)
    assert await world.types() == ["NeedPosted"]


async def test_an_event_whose_receipt_was_lost_changes_nothing_a_second_time(world: World) -> None:
    """A crash between adopting and answering leaves the record without a receipt."""
    posted, paused = world.need_posted(), world.event("NeedPaused", {"party": FIRM})
    for event in (posted, paused):
        await world.publish(event)
        await world.h.store.database["receipts"].delete_many({})
        await world.publish(event)
    assert await world.types() == ["NeedPosted", "NeedPaused"]


async def test_the_same_event_at_the_same_time_is_adopted_once(world: World) -> None:
    posted, paused = world.need_posted(), world.event("NeedPaused", {"party": FIRM})
    for event in (posted, paused):
        answers = await asyncio.gather(*(world.send(event) for _ in range(6)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.text for answer in answers}) == 1
    assert await world.types() == ["NeedPosted", "NeedPaused"]


async def test_a_refused_event_sent_again_is_refused_alike_and_told_once(world: World) -> None:
    event = world.need_posted(title="")
    first = world.h.problem(await world.send(event))
    second = world.h.problem(await world.send(event))
    assert first["receipt"] == second["receipt"]
    assert await world.types() == ["EventRejected"]


async def test_a_corrected_event_may_use_its_id_again(world: World) -> None:
    event = world.need_posted(title="")
    assert (await world.send(event)).status_code == 422
    event["data"]["title"] = "示例：改正后的题目"
    assert (await ok(world.send(event), 202))["outcome"] == "adopted"


@both
async def test_an_id_is_not_used_for_something_else(world: World, way: Way) -> None:
    event = world.need_posted()
    await world.publish(event)
    await world.h.published()
    event["data"]["title"] = "示例：另一个题目"
    assert await way(world, event) == ("event-id-reused", ["id"])


async def test_rubbish_under_anothers_name_does_not_spoil_an_id(world: World) -> None:
    event = world.need_posted()
    await world.publish(event, signature="hmac-sha256=00")
    assert (await world.h.published())[0].data.code == "signature-bad"
    await world.publish(event)
    assert await world.types() == ["NeedPosted"]


# ---- batches and secrets ------------------------------------------------------------------------------------------


async def batch(world: World, events: Any) -> httpx.Response:
    headers = {"content-type": "application/cloudevents-batch+json"}
    return await world.park.post("/v1/events", content=json.dumps(events).encode(), headers=headers)


async def test_a_batch_is_answered_one_by_one(world: World) -> None:
    good, bad = world.need_posted(), world.need_posted("N-2", title="")
    answer = await ok(batch(world, [good, bad, good, "nonsense"]), 207)
    assert (answer["adopted"], answer["refused"]) == (2, 2)
    assert [receipt["outcome"] for receipt in answer["receipts"]] == ["adopted", "refused", "adopted", "refused"]
    assert answer["receipts"][1]["errors"][0]["path"] == "data.title"
    assert answer["receipts"][0] == answer["receipts"][2]
    assert await world.types() == ["NeedPosted", "EventRejected", "EventRejected"]


async def test_a_good_batch(world: World) -> None:
    answer = await ok(batch(world, [world.need_posted(f"N-{number}") for number in range(3)]))
    assert (answer["adopted"], answer["refused"]) == (3, 0)


@pytest.mark.parametrize(("content", "code"), [({}, "batch-not-array"), ([{}] * 501, "batch-too-long")])
async def test_what_is_no_batch(world: World, content: Any, code: str) -> None:
    assert world.h.problem(await batch(world, content))["code"] == code


async def test_another_media_type(world: World) -> None:
    assert (await world.park.post("/v1/events", json=world.need_posted())).status_code == 415


async def test_after_a_rotation_both_secrets_hold_for_a_while(world: World) -> None:
    rotated = await ok(world.operator.post(f"/v1/sources/{world.source_id}/rotate-secret"))
    await world.publish(world.need_posted("N-1"))
    former, world.secret = world.secret, rotated["secret"]
    await world.publish(world.need_posted("N-2"))
    world.h.advance(timedelta(hours=24))
    await world.publish(world.need_posted("N-3"))
    world.secret = former
    await world.publish(world.need_posted("N-4"))
    assert await world.types() == ["NeedPosted", "NeedPosted", "NeedPosted", "EventRejected"]


async def test_sources_are_the_operators(world: World) -> None:
    assert (await world.park.get("/v1/sources")).status_code == 403
    body = {"uri": SOURCE, "park": "park-demo", "name": "又一个"}
    assert world.h.problem(await world.operator.post("/v1/sources", json=body))["code"] == "source-exists"
    shown = await ok(world.operator.get(f"/v1/sources/{world.source_id}"))
    assert "secret" not in shown
    unknown = {**body, "uri": "/parks/new", "types": ["qianqiao.MatchProposed.v1"]}
    assert world.h.problem(await world.operator.post("/v1/sources", json=unknown))["code"] == "type-not-adoptable"


async def test_a_store_that_is_away_is_no_refusal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is neither answered nor parked: the consumer waits and takes it again."""

    async def away(*_: object, **__: object) -> object:
        raise StoreUnavailable("test")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.h.store), "run", away)
        with pytest.raises(StoreUnavailable):
            await world.publish(world.need_posted())
    await world.publish(world.need_posted())
    assert await world.types() == ["NeedPosted"]
