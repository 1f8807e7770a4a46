"""Refusals cost their sender's one document, are told one by one up to a number an hour, and summed up beyond it."""

import asyncio
from datetime import timedelta

import pytest
from qianqiao_contracts import EventRejected
from registry import tables
from registry_support import OTHER_PARK, SOURCE, World, ok

TOLD, REMEMBERED = 3, 4
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three an hour; requested before the world is made."""
    rules = tables.intake_rules().model_copy(update={"refusals_told_per_hour": TOLD, "refusals_remembered": REMEMBERED})
    monkeypatch.setattr(tables, "intake_rules", lambda: rules)


async def told(world: World) -> list[EventRejected]:
    return [event.data for event in await world.h.published()]


async def stored(world: World, collection: str) -> int:
    return await world.h.store.database[collection].count_documents({})


async def test_a_broken_source_cannot_fill_the_store(world: World) -> None:
    for number in range(12):
        problem = world.h.problem(await world.send(world.need_posted(f"N-{number}", title="")))
        assert problem["code"] == "contract-violated"
        assert problem["errors"]
    assert [rejected.code for rejected in await told(world)] == ["contract-violated"] * TOLD
    assert (await stored(world, "receipts"), await stored(world, "refusals")) == (0, 1)
    document = await world.h.store.database["refusals"].find_one({})
    assert document is not None
    assert len(document["remembered"]) == TOLD
    assert document["untold"] == {"contract-violated": 9}


async def test_what_was_not_told_one_by_one_is_told_in_one_summary(world: World) -> None:
    for number in range(TOLD + 2):
        await world.publish(world.need_posted(f"N-{number}", title=""))
    for number in range(3):
        await world.publish(world.need_posted(f"N-{number}", park=OTHER_PARK))
    assert len(await told(world)) == TOLD
    assert await world.h.run_due() == 0
    world.h.advance(HOUR)
    assert await world.h.run_due() == 1
    [summary] = await told(world)
    assert (summary.code, summary.source, summary.id) == ("refusals-summed-up", SOURCE, None)
    assert " 5 " in summary.message
    assert " 5 " in summary.message_en
    assert [(e.code, e.message) for e in summary.errors] == [("party-not-yours", "3 次"), ("contract-violated", "2 次")]
    world.h.advance(HOUR)
    assert await world.h.run_due() == 0
    assert await told(world) == []


async def test_a_new_hour_is_told_one_by_one_again_after_the_summary_of_the_last(world: World) -> None:
    """Also where the timer has not come round yet."""
    for number in range(TOLD + 1):
        await world.publish(world.need_posted(f"N-{number}", title=""))
    await told(world)
    world.h.advance(HOUR)
    await world.publish(world.need_posted("N-9", title=""))
    assert [rejected.code for rejected in await told(world)] == ["refusals-summed-up", "contract-violated"]
    assert await world.h.run_due() == 0


async def test_a_source_that_is_flooded_with_refusals_is_adopted_from_as_ever(world: World) -> None:
    accepted = world.need_posted()
    first = await ok(world.send(accepted), 202)
    for number in range(TOLD + 2):
        await world.publish(world.need_posted(f"X-{number}", title=""))
    assert await ok(world.send(accepted), 202) == first
    world.h.advance(timedelta(days=400))
    await world.h.run_due()
    await world.h.published()
    assert await ok(world.send(accepted), 202) == first
    await world.publish(accepted)
    assert await told(world) == []
    corrected = world.need_posted("X-4")
    await ok(world.send(corrected), 202)
    assert await world.types() == ["NeedPosted"]


async def test_a_refusal_is_forgotten_after_so_many_others_and_then_judged_and_told_again(world: World) -> None:
    events = [world.need_posted(f"N-{number}", title="") for number in range(REMEMBERED + 1)]
    for event in events:
        await world.publish(event)
        await world.publish(event)
        world.h.advance(HOUR)
    assert [rejected.id for rejected in await told(world)] == [event["id"] for event in events]
    await world.publish(events[-1])
    assert await told(world) == []
    await world.publish(events[0])
    assert [rejected.id for rejected in await told(world)] == [events[0]["id"]]


async def test_whoever_signs_wrongly_does_not_use_up_what_the_source_is_told(world: World) -> None:
    for number in range(TOLD + 2):
        await world.publish(world.need_posted(f"N-{number}"), signature="hmac-sha256=00")
    assert [rejected.code for rejected in await told(world)] == ["signature-bad"] * TOLD
    await world.publish(world.need_posted(title=""))
    assert [rejected.code for rejected in await told(world)] == ["contract-violated"]


async def test_invented_sources_share_one_document(world: World) -> None:
    for number in range(TOLD + 2):
        await world.publish(world.need_posted(envelope={"source": f"/parks/invented-{number}"}))
        await world.publish(b"no event %d" % number)
    assert len(await told(world)) == TOLD
    assert await stored(world, "refusals") == 1
    other = world.h.client(party=OTHER_PARK, roles=["park"])
    for number in range(TOLD + 2):
        event = world.need_posted(envelope={"source": f"/parks/invented-{number}"})
        assert world.h.problem(await world.send(event, other))["code"] == "source-unknown"
    assert len(await told(world)) == TOLD
    assert await stored(world, "refusals") == 2


async def test_many_at_the_same_time_are_each_told_or_counted(world: World) -> None:
    events = [world.need_posted(f"N-{number}", title="") for number in range(250)]
    answers = await asyncio.gather(*(world.send(event) for event in events))
    assert {answer.status_code for answer in answers} == {422}
    document = await world.h.store.database["refusals"].find_one({})
    assert document is not None
    assert (document["told"], document["untold"]) == (TOLD, {"contract-violated": 250 - TOLD})


async def test_with_a_full_outbox_refusals_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that takes nothing for long must not turn refusals into parked records."""
    monkeypatch.setattr("qianqiao_chassis.store.repository.MAX_BACKLOG", 1)
    await world.publish(world.need_posted("N-1", title=""))
    await told(world)
    await world.h.store.database["refusals"].update_one({}, {"$set": {"_outbox": [{"s": 0}]}})
    await world.publish(world.need_posted("N-2", title=""))
    assert await world.h.parked() == []
    document = await world.h.store.database["refusals"].find_one({})
    assert document is not None
    assert document["untold"] == {"contract-violated": 1}
