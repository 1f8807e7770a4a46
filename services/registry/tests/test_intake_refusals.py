"""Each refusal of an outside event is named, by Kafka and by HTTP alike."""

import json
from datetime import timedelta
from typing import Any

import pytest
from qianqiao_contracts import signing
from registry_support import FIRM, INSTITUTE, OTHER_PARK, Way, World, both, ok


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


@pytest.mark.parametrize(
    "headers",
    [
        {"ce_id": b"x" * 500},
        {"ce_id": b"two words"},
        {"traceparent": b"0" * 500},
        {"traceparent": b"00-a\r\nBcc: somebody-b-01"},
        {"traceparent": b"\xff\xfe-01"},
    ],
)
async def test_headers_that_name_no_cause_do_not_keep_the_refusal_from_being_told(
    world: World, headers: dict[str, bytes]
) -> None:
    await world.h.deliver_raw("intake.events", b"no event", key=b"k", headers=headers)
    [rejected] = await world.h.published()
    assert (rejected.data.code, rejected.causationid, rejected.traceparent) == ("event-not-json", None, None)
    assert await world.h.parked() == []


async def test_a_broken_trace_context_is_no_reason_to_refuse_and_goes_no_further(world: World) -> None:
    await world.publish(world.need_posted(envelope={"traceparent": "00-a\r\nBcc: somebody-b-01"}))
    [posted] = await world.h.published()
    assert posted.type == "qianqiao.NeedPosted.v1"
    assert "Bcc" not in (posted.traceparent or "")
