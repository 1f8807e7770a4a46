"""Outside events: what is adopted, and that each refusal is named, by Kafka and by HTTP alike."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_contracts import EventRejected, signing
from registry.domain.source import adopted_subject
from registry_support import FIRM, FIRM_CODE, INSTITUTE, OTHER_PARK, RESULT, SOURCE, Json, World, ok

NEED_ID = adopted_subject("need", SOURCE, "N-1")
type Way = Callable[[World, Json | bytes], Awaitable[tuple[str, list[str]]]]


async def by_kafka(world: World, event: Json | bytes) -> tuple[str, list[str]]:
    """Publish to Kafka; the code and paths of the refusal on intake.rejections."""
    await world.publish(event)
    [rejected] = [event.data for event in await world.h.published()]
    return told(rejected)


async def by_http(world: World, event: Json | bytes) -> tuple[str, list[str]]:
    """Send over HTTP; the code and paths of the answer, which the rejection must repeat."""
    problem = world.h.problem(await world.send(event))
    [rejected] = [event.data for event in await world.h.published()]
    paths = [error["path"] for error in problem["errors"]]
    assert told(rejected) == (problem["code"], paths)
    assert all(error["zh"] and error["en"] for error in problem["errors"])
    return problem["code"], paths


def told(rejected: EventRejected) -> tuple[str, list[str]]:
    assert rejected.message
    assert rejected.message_en
    return rejected.code, [error.path for error in rejected.errors]


both = pytest.mark.parametrize("way", [by_kafka, by_http])


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


# ---- refused ------------------------------------------------------------------------------------------------------


@both
async def test_unknown_source(world: World, way: Way) -> None:
    event = world.need_posted(envelope={"source": "/parks/nobody"})
    assert await way(world, event) == ("source-unknown", ["source"])


@both
async def test_disabled_source(world: World, way: Way) -> None:
    await ok(world.operator.patch(f"/v1/sources/{world.source_id}", json={"enabled": False}))
    assert await way(world, world.need_posted()) == ("source-disabled", ["source"])


@pytest.mark.parametrize("signature", [None, "", "hmac-sha256=00", "rubbish"])
async def test_bad_signature(world: World, signature: str | None) -> None:
    body = json.dumps(world.need_posted()).encode()
    headers = {} if signature is None else {signing.HEADER: signature.encode()}
    await world.h.deliver_raw("intake.events", body, key=b"k", headers=headers)
    [rejected] = await world.h.published()
    assert rejected.data.code == "signature-bad"


async def test_a_signature_over_other_bytes_or_of_no_text(world: World) -> None:
    body = json.dumps(world.need_posted()).encode()
    for value in (signing.sign(body + b" ", world.secret).encode(), b"\xff\xfe"):
        await world.h.deliver_raw("intake.events", body, key=b"k", headers={signing.HEADER: value})
    # The same refusal of the same event is told once.
    assert [event.data.code for event in await world.h.published()] == ["signature-bad"]
    assert await world.h.parked() == []


async def test_a_token_of_another_park(world: World) -> None:
    other = world.h.client(party=OTHER_PARK, roles=["park"])
    problem = world.h.problem(await world.send(world.need_posted(), other))
    assert (problem["status"], problem["code"]) == (403, "token-not-for-source")
    assert await world.types() == ["EventRejected"]


async def test_no_token(world: World) -> None:
    assert (await world.send(world.need_posted(), world.h.client())).status_code == 401


@both
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"title": "长" * 81}, "data.title"),
        ({"constraints": [{"name": "精度", "comparator": "≤"}]}, "data.constraints[0].value"),
        ({"surprise": 1}, "data.surprise"),
        ({"budget": {"min_fen": -1}}, "data.budget.min_fen"),
        ({"last_confirmed": "2026-09-15T01:00:00"}, "data.last_confirmed"),
    ],
)
async def test_wrong_contract(world: World, way: Way, change: dict[str, Any], path: str) -> None:
    assert await way(world, world.need_posted(**change)) == ("contract-violated", [path])


@both
async def test_every_error_is_named(world: World, way: Way) -> None:
    event = world.need_posted(title="", difficulty=None)
    del event["time"]
    code, paths = await way(world, event)
    assert code == "contract-violated"
    assert sorted(paths) == ["data.difficulty", "data.title", "time"]


@both
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("qianqiao.NeedPosted.v2", "version-unknown"),
        ("qianqiao.NeedInvented.v1", "type-unknown"),
        ("qianqiao.PartyClosed.v1", "type-not-adoptable"),
    ],
)
async def test_types_that_are_not_taken(world: World, way: Way, kind: str, code: str) -> None:
    event = world.event("PartyClosed", {"reason": {"code": "other", "text": "示例"}}, type=kind)
    assert await way(world, event) == (code, ["type"])


@both
async def test_a_type_the_source_may_not_send(world: World, way: Way) -> None:
    only = {"types": ["qianqiao.ResultListed.v1"]}
    await ok(world.operator.patch(f"/v1/sources/{world.source_id}", json=only))
    assert await way(world, world.need_posted()) == ("type-not-allowed", ["type"])


@both
async def test_speaking_for_a_party_that_is_not_its_own(world: World, way: Way) -> None:
    assert await way(world, world.need_posted(party=INSTITUTE)) == ("party-not-yours", ["data.party"])


@both
async def test_speaking_for_another_park(world: World, way: Way) -> None:
    assert await way(world, world.need_posted(park=OTHER_PARK)) == ("party-not-yours", ["data.park"])


@both
async def test_an_unknown_party(world: World, way: Way) -> None:
    assert await way(world, world.need_posted(party="uscc:none")) == ("party-unknown", ["data.party"])


@both
async def test_a_need_of_another_source(world: World, way: Way) -> None:
    """Even of the same firm: what was posted by a person is not changed by the park's system."""
    own = (await world.post_need())["id"]
    await world.h.published()
    event = world.event("NeedPaused", {"party": FIRM}, subject=own)
    assert await way(world, event) == ("subject-not-yours", ["subject"])
    posted = world.need_posted(own)
    assert await way(world, posted) == ("subject-not-yours", ["subject"])


@both
async def test_a_change_of_what_was_never_posted(world: World, way: Way) -> None:
    assert await way(world, world.event("NeedPaused", {"party": FIRM})) == ("subject-unknown", ["subject"])


@both
async def test_posting_a_subject_twice(world: World, way: Way) -> None:
    await world.publish(world.need_posted())
    await world.h.published()
    assert await way(world, world.need_posted()) == ("subject-exists", ["subject"])


@both
async def test_a_step_the_state_does_not_allow(world: World, way: Way) -> None:
    await world.publish(world.need_posted())
    await world.h.published()
    code, _ = await way(world, world.event("NeedResumed", {"party": FIRM}))
    assert code == "need-resume-refused"


@both
async def test_a_withdrawal_without_reason(world: World, way: Way) -> None:
    await world.publish(world.need_posted())
    await world.h.published()
    assert await way(world, world.event("NeedWithdrawn", {"party": FIRM})) == ("reason-required", ["data.reason"])


@both
async def test_solved_with_nobody_to_confirm(world: World, way: Way) -> None:
    await world.publish(world.need_posted())
    await world.h.published()
    code, _ = await way(world, world.event("NeedSolved", {"party": FIRM}))
    assert code == "partner-must-confirm"


@both
async def test_contact_data_in_public_text(world: World, way: Way) -> None:
    event = world.need_posted(goal="联系 demo@example.com")
    assert await way(world, event) == ("contact-data-in-public-text", ["data.goal"])


@both
async def test_a_date_in_the_future(world: World, way: Way) -> None:
    now = world.h.clock.now()
    on_time = world.need_posted(envelope={"time": (now + timedelta(seconds=300)).isoformat()})
    await world.publish(on_time)
    assert await world.types() == ["NeedPosted"]
    late = world.need_posted("N-2", envelope={"time": (now + timedelta(seconds=301)).isoformat()})
    assert await way(world, late) == ("time-in-future", ["time"])
    confirmed = world.need_posted("N-3", last_confirmed=(now + timedelta(days=1)).isoformat())
    assert await way(world, confirmed) == ("time-in-future", ["data.last_confirmed"])


@both
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{not json", "event-not-json"),
        (b"\xff\xfe", "event-not-utf8"),
        (b"[]", "event-not-object"),
        (b"{}", "event-without-type"),
        (b'{"type": "qianqiao.NeedPosted.v1"}', "contract-violated"),
    ],
)
async def test_what_is_no_event(world: World, way: Way, body: bytes, code: str) -> None:
    assert (await way(world, body))[0] == code


async def test_ten_megabytes(world: World) -> None:
    event = json.dumps(world.need_posted(goal="长" * 3_400_000), ensure_ascii=False).encode()
    assert len(event) > 10_000_000
    answer = await world.send(event)
    assert answer.status_code == 413
    await world.publish(event)
    [rejected] = await world.h.published()
    assert rejected.data.code == "event-too-large"
    assert await world.h.parked() == []


async def test_a_null_record_and_null_headers(world: World) -> None:
    await world.h.deliver_raw("intake.events", None, key=None, headers={})
    await world.h.deliver_raw("intake.events", None, key=b"k", headers={signing.HEADER: b""})
    # Each is told: they hold nothing by which they could be the same.
    assert [event.data.code for event in await world.h.published()] == ["event-null", "event-null"]
    assert await world.h.parked() == []


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
