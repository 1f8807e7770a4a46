"""The harness runs the whole service: what its users rely on."""

from datetime import timedelta

from edge_sample import SampleSettings, party
from qianqiao_chassis.testing.harness import Harness


async def test_a_request_is_stored_published_and_read_back(h: Harness[SampleSettings]) -> None:
    client = h.client(party="party-1", roles=["enterprise"])
    made = await client.post("/v1/notes", json={"text": "你好"})
    assert made.status_code == 201, made.text
    assert made.headers["etag"] == '"1"'
    assert await h.published() == []
    closed = await client.post(f"/v1/notes/{made.json()['id']}/close", headers={"If-Match": made.headers["etag"]})
    assert closed.status_code == 200, closed.text
    (event,) = await h.published()
    assert event.type == "qianqiao.PolicyRetired.v1"
    assert event.subject == made.json()["id"]
    assert event.correlationid == closed.headers["x-request-id"]
    assert event.causationid == closed.headers["x-request-id"]
    assert event.traceparent is not None
    assert event.traceparent.split("-")[1] == closed.headers["x-trace-id"]
    assert await h.published() == []


async def test_a_delivered_event_reaches_its_handler_once(h: Harness[SampleSettings]) -> None:
    event = await h.deliver(party("桥梁厂"), subject="party-1")
    assert event.source == "/services/registry"
    await h.deliver(event)
    stored = await h.store.collection("names").find_one({"_id": "party-1"})
    assert stored is not None
    assert stored["name"] == "桥梁厂"


async def test_a_poison_event_is_parked_and_can_be_retried(h: Harness[SampleSettings]) -> None:
    await h.deliver(party("毒"), subject="party-2")
    await h.deliver(party("好"), subject="party-2", sequence=2)
    assert [record.key for record in await h.parked()] == ["party-2", "party-2"]
    await h.deliver(party("好"), subject="party-3")
    assert len(await h.parked()) == 2
    await h.desk.drop((await h.parked())[0].id, who="operator", reason="test")
    h.advance(timedelta(seconds=5))
    assert await h.retry_parked() == 1
    assert await h.parked() == []


async def test_bytes_that_are_no_event_are_parked(h: Harness[SampleSettings]) -> None:
    await h.deliver_raw("registry.parties", b"\xff{", key=b"party-9", headers={"ce_type": b"\xff"})
    (record,) = await h.parked()
    assert record.state == "stuck"


async def test_timers_run_when_the_clock_is_moved(h: Harness[SampleSettings]) -> None:
    client = h.client(party="party-1", roles=["enterprise"])
    due = (h.clock.now() + timedelta(days=3)).isoformat()
    made = await client.post("/v1/notes", json={"text": "提醒", "remind_at": due})
    assert await h.run_due() == 0
    h.advance(timedelta(days=3, seconds=1))
    assert await h.run_due() == 1
    read = await client.get(f"/v1/notes/{made.json()['id']}")
    assert read.json()["text"] == "closed"
    assert len(await h.published()) == 1
