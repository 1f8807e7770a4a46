"""The main story: from a park's event to the e-mail and the text message, by Kafka and by HTTP."""

import secrets

import pytest
from qianqiao_contracts import AgreementDrafted, Band, MatchAccepted, NeedPosted

from .world import Introduction, World, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.kafka]

TOLD = ("match-proposed", "match-interest", "match-accepted", "agreement-drafted", "agreement-signed")


def traceparent(trace_id: str) -> str:
    return f"00-{trace_id}-{secrets.token_hex(8)}-01"


async def test_one_trace_from_the_parks_event_to_the_mail_and_the_text(world: World) -> None:
    of, trace_id = await world.introduction("laser"), secrets.token_hex(16)
    event = world.need(of, traceparent=traceparent(trace_id))
    await of.system.publish(event)
    posted = await world.posted(event)
    proposed = await world.proposed(of)

    # What the park's event alone led to carries its trace, to the header of the mail and of the gateway's request.
    assert trace_id in (posted.event.traceparent or "")
    assert trace_id in (proposed.event.traceparent or "")
    assert proposed.event.causationid == posted.event.id
    assert proposed.event.correlationid == posted.event.correlationid == event["id"]
    for side in (of.enterprise, of.institute):
        letters = await world.letters(side, f"{proposed.event.subject}/proposed")
        assert letters["email"]["headers"]["traceparent"].split("-")[1] == trace_id
        assert letters["email"]["headers"]["X-Trace-Id"] == trace_id
        assert letters["sms"]["traceparent"].split("-")[1] == trace_id
        assert letters["email"]["recipients"] == [side.email]
        assert letters["sms"]["to"] == side.mobile

    # People who go on from there continue it, and every service of the story has spans in it.
    headers = {"traceparent": traceparent(trace_id)}
    match = proposed.event.subject
    await world.accept(of, match, headers)
    signed = await world.sign(of, match, headers)
    for side in (of.enterprise, of.institute):
        letters = await world.letters(side, f"{signed.event.subject}/signed")
        assert letters["email"]["headers"]["X-Trace-Id"] == trace_id
        assert letters["sms"]["traceparent"].split("-")[1] == trace_id
    names = await spans(world, trace_id)
    assert ("registry", "adopt outside event") in names
    assert ("matching", "process registry.needs") in names
    assert ("notify", "process matching.matches") in names
    assert ("agreements", "process matching.matches") in names
    assert ("notify", "notify hand-over") in names


async def spans(world: World, trace_id: str) -> set[tuple[str, str]]:
    wanted = {"registry", "matching", "agreements", "notify"}

    async def look() -> set[tuple[str, str]] | None:
        found = {(one["service"], one["name"]) for one in await world.people.received(f"traces/{trace_id}")}
        complete = {service for service, _ in found} >= wanted and ("notify", "notify hand-over") in found
        return found if complete and ("agreements", "process matching.matches") in found else None

    return await eventually(look, "链路不完整", "the trace is not complete")


async def test_the_same_story_when_the_park_sends_a_batch_over_http(world: World) -> None:
    of = await world.introduction("biotech")
    good = world.need(of)
    wrong = {**good, "id": "wrong-1", "subject": "W-1", "data": {**good["data"], "title": "长" * 81, "phone": "-"}}
    answer = await world.batch(of.park, [good, wrong])
    assert answer.status_code == 207
    assert (answer.json()["adopted"], answer.json()["refused"]) == (1, 1)
    refusal = answer.json()["receipts"][1]
    assert {error["path"] for error in refusal["errors"]} == {"data.title", "data.phone"}

    proposed = await world.proposed(of)
    assert proposed.data.band is Band.HIGH
    assert any(reason.kind == "constraint" for reason in proposed.data.reasons)
    match = proposed.event.subject
    await world.accept(of, match)
    accepted = await world.about(MatchAccepted, match)
    signed = await world.sign(of, match)
    drafted = await world.about(AgreementDrafted, signed.event.subject)
    assert drafted.event.causationid == accepted.event.id
    assert signed.data.digest == drafted.data.digest
    await everybody_was_told(world, of, match, signed.event.subject)

    # The same batch again: the same answers, and nothing new on the bus.
    again = await world.batch(of.park, [good, wrong])
    assert again.json() == answer.json()
    other = await world.introduction("battery")
    await other.system.publish(world.need(other))
    await world.proposed(other)  # whatever the batch might have caused has had its time
    assert len(world.bus.of(NeedPosted, lambda seen: seen.event.causationid == good["id"])) == 1


async def everybody_was_told(world: World, of: Introduction, match: str, agreement: str) -> None:
    for side in (of.enterprise, of.institute):
        for fact in (f"{match}/proposed", f"{match}/accepted", f"{agreement}/drafted", f"{agreement}/signed"):
            letters = await world.letters(side, fact)
            assert letters["sms"]["text"].startswith("【牵桥】")
    await world.letters(of.institute, f"{match}/interest/{of.enterprise.id}")
    assert await world.deliveries(of.enterprise, f"{match}/interest/{of.enterprise.id}") == []
