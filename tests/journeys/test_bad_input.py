"""What bad input gets, from the edge to the answer: a stable code, both languages, nothing half-done, nothing lost."""

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from qianqiao_contracts import EventRejected, NeedPosted, ResultListed
from qianqiao_stack.demo import cast
from qianqiao_stack.demo.bus import Seen
from qianqiao_stack.demo.people import OPERATOR, Who

from .world import Introduction, World, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.kafka]

type Body = Callable[[dict[str, Any]], bytes | None]


def dumped(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


def changed(**data: Any) -> Body:
    """The good event with other data; a field given as None is left out."""
    return lambda event: dumped(
        {**event, "data": {name: value for name, value in {**event["data"], **data}.items() if value is not None}}
    )


def envelope(**attributes: Any) -> Body:
    return lambda event: dumped({**event, **attributes})


IN_AN_HOUR = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
FIGURE = {"name": "寿命", "comparator": "≥", "value": 1.0, "unit": "h"}

BAD: dict[str, tuple[Body, str, str | None]] = {
    "not JSON": (lambda _event: b'{"specversion": ', "event-not-json", None),
    "not UTF-8": (lambda event: dumped(event).decode().encode("gb18030"), "event-not-utf8", None),
    "null record": (lambda _event: None, "event-null", None),
    "unknown field": (changed(phone="-"), "contract-violated", "data.phone"),
    "a figure in words": (
        changed(constraints=[{**FIGURE, "value": "越长越好"}]),
        "contract-violated",
        "data.constraints[0].value",
    ),
    "over-long text": (changed(title="长" * 81), "contract-violated", "data.title"),
    "over-long unit": (
        changed(constraints=[{**FIGURE, "unit": "h" * 33}]),
        "contract-violated",
        "data.constraints[0].unit",
    ),
    "money below one fen": (changed(budget={"max_fen": 0}), "contract-violated", "data.budget.max_fen"),
    "title missing": (changed(title=None), "contract-violated", "data.title"),
    "future contract version": (envelope(type="qianqiao.NeedPosted.v9"), "version-unknown", "type"),
    "unknown type": (envelope(type="example.Something.v1"), "type-unknown", "type"),
    "date in the future": (envelope(time=IN_AN_HOUR), "time-in-future", "time"),
    "unknown party": (changed(party="party-nobody"), "party-unknown", "data.party"),
    "unknown source": (envelope(source="/parks/nobody"), "source-unknown", "source"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_events_on_kafka_are_refused_with_a_reason(world: World, park: Introduction, name: str) -> None:
    make, code, path = BAD[name]
    event = numbered(world, park)
    body = make(event)
    named = None if path is None else event["id"]
    seen = len(world.bus.of(EventRejected, rejection(code, named)))
    await park.system.send((str(event["subject"]), body))
    refused = (await world.bus.expect(EventRejected, rejection(code, named), count=seen + 1))[-1]
    assert refused.data.message
    assert refused.data.message_en
    assert path is None or path in [error.path for error in refused.data.errors]
    assert world.bus.of(NeedPosted, lambda one: one.event.causationid == event["id"]) == []


@pytest.mark.parametrize("name", [name for name in BAD if name != "null record"])
async def test_the_same_over_http(world: World, park: Introduction, name: str) -> None:
    make, code, path = BAD[name]
    event = numbered(world, park)
    answer = await world.single(park.park, make(event) or b"")
    problem = answer.json()
    assert problem["code"] == code
    assert 400 <= answer.status_code < 500
    assert problem["title"]
    assert problem["title_en"]
    assert path is None or path in [error["path"] for error in problem["errors"]]


def numbered(world: World, park: Introduction) -> dict[str, Any]:
    event = world.need(park)
    return {**event, "id": f"e-{secrets.token_hex(6)}", "subject": f"N-{secrets.token_hex(6)}"}


def rejection(code: str, id: str | None) -> Callable[[Seen[EventRejected]], bool]:
    return lambda seen: seen.data.code == code and (id is None or seen.data.id == id)


async def test_signatures_that_are_missing_wrong_null_or_no_text(world: World, park: Introduction) -> None:
    for signature in (b"", b"hmac-sha256=00", b"\xff\xfe\x00"):
        event = numbered(world, park)
        await park.system.send((event["subject"], dumped(event)), signature=signature)
        await world.bus.one(EventRejected, rejection("signature-bad", event["id"]))


async def test_a_park_speaks_for_its_own_parties_only(world: World, park: Introduction) -> None:
    stranger = await world.firm("enterprise")
    event = numbered(world, park)
    foreign = {**event, "data": {**event["data"], "party": stranger.id}}
    await park.system.publish(foreign)
    await world.bus.one(EventRejected, rejection("party-not-yours", event["id"]))
    answer = await world.single(stranger_park := await world.firm("park"), dumped(event))
    assert stranger_park.id != park.park.id
    assert (answer.status_code, answer.json()["code"]) == (403, "token-not-for-source")


async def test_good_events_among_bad_ones_go_through(world: World, park: Introduction) -> None:
    good = [numbered(world, park) for _ in range(3)]
    poison = [(str(one["subject"]), b"\x00\x01") for one in good]
    records = [pair for one, bad in zip(good, poison, strict=True) for pair in (bad, (bad[0], dumped(one)))]
    await park.system.send(*records)
    for one in good:
        await world.posted(one)


async def test_ten_megabytes(world: World, park: Introduction) -> None:
    answer = await world.single(park.park, b" " * 10_000_000)
    assert answer.status_code == 413
    assert {"code", "title", "title_en"} <= set(answer.json())


async def test_tokens(world: World, park: Introduction) -> None:
    event = dumped(numbered(world, park))
    headers = {"content-type": "application/cloudevents+json"}
    path = ("POST", "registry", "/v1/events")
    none = await world.people.ask(None, *path, content=event, headers=headers)
    assert (none.status_code, none.headers["www-authenticate"][:6]) == (401, "Bearer")
    expired = world.stack.keys.token("late", party=park.park.id, roles=["park"], lifetime=timedelta(minutes=-10))
    late = await world.people.ask(None, *path, content=event, headers={**headers, "authorization": f"Bearer {expired}"})
    assert late.status_code == 401
    assert late.json()["title"] != none.json()["title"]
    nobody = await world.people.ask(Who("x", roles=("enterprise",)), *path, content=event, headers=headers)
    assert nobody.status_code == 403


async def test_version_conflicts_name_both_versions(world: World, park: Introduction) -> None:
    made = await world.people.do(park.institute.who, "POST", "registry", "/v1/results", body=result(park))
    path = f"/v1/results/{made['id']}"
    first = await world.people.ask(park.institute.who, "GET", "registry", path)
    stale = {"if-match": first.headers["etag"]}
    await world.people.do(park.institute.who, "PATCH", "registry", path, body={"summary": "甲"}, headers=stale)
    refused = await world.people.ask(
        park.institute.who, "PATCH", "registry", path, body={"summary": "乙"}, headers=stale
    )
    assert refused.status_code == 409
    assert (refused.json()["expected"], refused.json()["actual"]) == (1, 2)
    kept = await world.people.do(park.institute.who, "GET", "registry", path)
    assert kept["summary"] == "甲"


async def test_the_same_request_twice_and_the_same_key_with_another_body(world: World, park: Introduction) -> None:
    headers = {"idempotency-key": secrets.token_hex(8)}
    ask = world.people.ask
    first = await ask(park.institute.who, "POST", "registry", "/v1/results", body=result(park), headers=headers)
    again = await ask(park.institute.who, "POST", "registry", "/v1/results", body=result(park), headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = {**result(park), "title": "（演示）另一项"}
    refused = await ask(park.institute.who, "POST", "registry", "/v1/results", body=other, headers=headers)
    assert refused.status_code in {409, 422}
    assert refused.json()["code"].startswith("idempotency")
    id = first.json()["id"]
    await world.about(ResultListed, id)

    async def counted() -> list[Seen[ResultListed]]:
        return world.bus.of(ResultListed, lambda one: one.event.subject == id)

    assert len(await eventually(counted, "", "")) == 1


async def test_a_wrong_check_digit(world: World) -> None:
    member = cast.members()[0]
    wrong = member.uscc[:-1] + ("0" if member.uscc[-1] != "0" else "1")
    body = {**member.registration(None), "uscc": wrong}
    answer = await world.people.ask(OPERATOR, "POST", "registry", "/v1/parties", body=body)
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert error["path"] == "body.uscc"
    assert "校验" in error["zh"]


def result(park: Introduction) -> dict[str, Any]:
    row = cast.table("results")["results"][-1]
    return cast.result_body(row, park.institute.id)
