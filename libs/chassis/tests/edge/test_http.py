"""What a caller of any service meets: problems, versions, pages, repeated requests."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any

import httpx
import pytest
from edge_sample import SampleSettings, compose
from fastapi import Response
from pydantic import BaseModel
from qianqiao_chassis.errors import FieldError, Invalid
from qianqiao_chassis.http import Caller, Command, RequestBody, Routes, UnsafeRoute, allow, public
from qianqiao_chassis.http.app import build_api
from qianqiao_chassis.http.conditions import parse_if_match
from qianqiao_chassis.http.pages import decode_cursor, encode_cursor
from qianqiao_chassis.service import Chassis
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import decode_strict

type Service = Harness[SampleSettings]


def enterprise(h: Service, party: str = "party-1") -> httpx.AsyncClient:
    return h.client(party=party, roles=["enterprise"])


# --- who may call -------------------------------------------------------------------------------------------------


def test_a_route_without_access_does_not_start_and_is_named() -> None:
    routes = Routes(prefix="/v1")

    @routes.get("/open")
    async def forgotten() -> dict[str, str]:
        return {}

    with pytest.raises(UnsafeRoute, match=r"GET /v1/open .*forgotten.*allow\(\.\.\.\) 或 public"):
        build_api("t", [routes])


def test_a_route_with_two_accesses_does_not_start() -> None:
    routes = Routes()

    @routes.get("/twice", dependencies=[public()])
    async def twice(caller: Annotated[Caller, allow("enterprise")]) -> dict[str, str]:
        return {}

    with pytest.raises(UnsafeRoute, match="2 times"):
        build_api("t", [routes])


def test_a_body_that_ignores_unknown_fields_at_any_depth_does_not_start() -> None:
    class Inner(BaseModel):
        a: int = 0

    class Body(RequestBody):
        inner: list[Inner] | None = None

    routes = Routes()

    @routes.post("/lenient", dependencies=[public()])
    async def lenient(body: Body) -> dict[str, str]:
        return {}

    with pytest.raises(UnsafeRoute, match="Inner"):
        build_api("t", [routes])


def test_an_unknown_role_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="enterprize"):
        allow("enterprize")


async def test_roles_and_parties(h: Service) -> None:
    made = await enterprise(h).post("/v1/notes", json={"text": "a"})
    url = f"/v1/notes/{made.json()['id']}"
    anonymous = await h.client().post("/v1/notes", json={"text": "a"})
    assert anonymous.status_code == 401
    assert h.problem(anonymous)["code"] == "token-missing"
    assert anonymous.headers["www-authenticate"].startswith("Bearer")
    bank = await h.client(party="party-1", roles=["finance"]).post("/v1/notes", json={"text": "a"})
    assert (bank.status_code, h.problem(bank)["code"]) == (403, "role-not-allowed")
    other = await enterprise(h, "party-2").get(url)
    assert (other.status_code, h.problem(other)["code"]) == (403, "not-your-party")
    assert (await h.client(roles=["operator"]).get(url)).status_code == 200
    assert (await h.client().get("/v1/greeting")).json()["who"] == "anonymous"
    assert (await enterprise(h).get("/v1/greeting")).json()["who"] == "user-of-party-1"


# --- problems -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code", "path"),
    [
        (b'{"text": ', "application/json", 400, "malformed-json", "body"),
        (b"\xff\xfe", "application/json", 400, "malformed-json", "body"),
        (b'{"text": "\x80"}', "application/json", 400, "malformed-json", None),
        (b'{"text": "a", "txet": 1}', "application/json", 422, "invalid-request", "body.txet"),
        (b'{"text": ""}', "application/json", 422, "invalid-request", "body.text"),
        (b'{"text": 7}', "application/json", 422, "invalid-request", "body.text"),
        (b'{"text": "' + "长".encode() * 21 + b'"}', "application/json", 422, "invalid-request", "body.text"),
        (b"[1]", "application/json", 422, "invalid-request", "body"),
        (b"", "application/json", 422, "invalid-request", "body"),
        (b"text=a", "application/x-www-form-urlencoded", 415, "unsupported-media-type", None),
        (b'{"text": "a", "remind_at": "morgen"}', "application/json", 422, "invalid-request", "body.remind_at"),
    ],
)
async def test_bad_bodies(
    h: Service, content: bytes, content_type: str, status: int, code: str, path: str | None
) -> None:
    answer = await enterprise(h).post("/v1/notes", content=content, headers={"Content-Type": content_type})
    problem = h.problem(answer)
    assert (answer.status_code, problem["code"]) == (status, code)
    assert [error["path"] for error in problem["errors"]] == ([path] if path else [])
    for error in problem["errors"]:
        assert error["zh"]
        assert error["en"]
        assert error["zh"] != error["en"]


async def test_a_body_with_nesting_beyond_measure_is_a_bad_request(h: Service) -> None:
    answer = await enterprise(h).post("/v1/notes", content=b"[" * 100_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    h.problem(answer)


async def test_unknown_routes_and_methods(h: Service) -> None:
    missing = await h.client().get("/v1/nothing")
    assert (missing.status_code, h.problem(missing)["code"]) == (404, "route-unknown")
    method = await h.client().delete("/v1/greeting")
    assert (method.status_code, h.problem(method)["code"]) == (405, "method-not-allowed")
    assert method.headers["allow"] == "GET"


async def test_an_unexpected_failure_tells_nothing_about_itself(h: Service) -> None:
    answer = await h.client().get("/v1/broken")
    problem = h.problem(answer)
    assert (answer.status_code, problem["code"]) == (500, "internal-error")
    assert "secret" not in answer.text
    assert problem["instance"] == f"urn:qianqiao:request:{answer.headers['x-request-id']}"
    assert answer.headers["x-content-type-options"] == "nosniff"


def _failing(errors: dict[str, Exception]) -> Any:
    def declare(chassis: Chassis[SampleSettings]) -> None:
        routes = Routes()

        @routes.get("/fail/{name}", dependencies=[public()])
        async def fail(name: str) -> dict[str, str]:
            if name == "event":
                decode_strict(b'{"specversion": "1.0", "type": "qianqiao.NeedPosted.v1"}')
            raise errors[name]

        chassis.serve(routes)

    return declare


async def test_problems_of_the_domain_and_of_contracts_keep_their_codes_and_paths() -> None:
    rule = Invalid("too-late", "已过期。", "Too late.", errors=[FieldError("due", "too-late", "已过期", "too late")])
    async with Harness("t", SampleSettings, _failing({"rule": rule})) as h:
        told = h.problem(await h.client().get("/fail/rule"))
        assert (told["status"], told["code"], told["title"], told["title_en"]) == (
            422,
            "too-late",
            "已过期。",
            "Too late.",
        )
        assert told["errors"] == [{"path": "due", "code": "too-late", "zh": "已过期", "en": "too late"}]
        told = h.problem(await h.client().get("/fail/event"))
        assert told["status"] == 422
        assert {"subject", "source"} <= {error["path"] for error in told["errors"]}


# --- request ids, traces, headers ---------------------------------------------------------------------------------


async def test_request_id_comes_in_and_goes_out(h: Service) -> None:
    sent = await h.client(headers={"X-Request-Id": "story-17"}).get("/v1/greeting")
    assert sent.headers["x-request-id"] == "story-17"
    odd = await h.client(headers={"X-Request-Id": 'a b"<>'}).get("/v1/greeting")
    assert odd.headers["x-request-id"] != 'a b"<>'
    assert len(odd.headers["x-request-id"]) == 36


async def test_a_trace_that_comes_in_goes_on(h: Service) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    client = h.client(party="p", roles=["enterprise"], headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"})
    made = await client.post("/v1/notes", json={"text": "a"})
    assert made.headers["x-trace-id"] == trace_id
    await client.post(f"/v1/notes/{made.json()['id']}/close", headers={"If-Match": '"1"'})
    (event,) = await h.published()
    assert event.traceparent is not None
    assert event.traceparent.split("-")[1] == trace_id


# --- versions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "revision"), [('"7"', 7), ('W/"7"', 7), (' "0" ', 0), ("*", None)])
def test_if_match_forms(value: str, revision: int | None) -> None:
    assert parse_if_match(value) == revision


@pytest.mark.parametrize("value", ["7", '"7', '"a"', '"1", "2"', "", '"-1"', 'w/"7"', '"' + "9" * 19 + '"'])
def test_if_match_refused(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_if_match(value)
    assert refused.value.errors[0].path == "header.If-Match"


async def test_a_stale_version_is_a_conflict_with_both_versions(h: Service) -> None:
    client = enterprise(h)
    made = await client.post("/v1/notes", json={"text": "a"})
    url = f"/v1/notes/{made.json()['id']}/close"
    unconditional = await client.post(url)
    assert (unconditional.status_code, h.problem(unconditional)["code"]) == (428, "if-match-required")
    assert (await client.post(url, headers={"If-Match": '"1"'})).status_code == 200
    stale = await client.post(url, headers={"If-Match": 'W/"1"'})
    problem = h.problem(stale)
    assert (stale.status_code, problem["code"]) == (409, "version-conflict")
    assert (problem["expected"], problem["actual"]) == (1, 2)


# --- pages --------------------------------------------------------------------------------------------------------


async def test_pages_cover_the_list_once(h: Service) -> None:
    client = enterprise(h)
    made = {(await client.post("/v1/notes", json={"text": str(n)})).json()["id"] for n in range(5)}
    seen: list[str] = []
    query: dict[str, Any] = {}
    sizes = []
    while True:
        page = (await client.get("/v1/notes", params=query)).json()
        seen += [item["id"] for item in page["items"]]
        sizes.append(len(page["items"]))
        if page["next"] is None:
            break
        query = {"cursor": page["next"]}
    assert sorted(seen) == sorted(made)
    assert len(seen) == 5
    assert sizes == [2, 2, 1]
    assert (await client.get("/v1/notes", params={"limit": 5})).json()["next"] is None


@pytest.mark.parametrize("change", ["x", "", "%", "长", "AAAA", None])
async def test_an_altered_cursor_is_refused(h: Service, change: str | None) -> None:
    client = enterprise(h)
    for n in range(3):
        await client.post("/v1/notes", json={"text": str(n)})
    cursor = str((await client.get("/v1/notes")).json()["next"])
    altered = change if change is not None else cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    answer = await client.get("/v1/notes", params={"cursor": altered})
    problem = h.problem(answer)
    assert (answer.status_code, problem["code"]) == (422, "cursor-invalid")
    assert problem["errors"][0]["path"] == "query.cursor"


def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = encode_cursor("need-1", "list-a")
    assert decode_cursor(cursor, "list-a") == "need-1"
    with pytest.raises(Invalid):
        decode_cursor(cursor, "list-b")


@pytest.mark.parametrize("limit", ["0", "6", "x", "-1"])
async def test_limits_out_of_range_are_refused(h: Service, limit: str) -> None:
    answer = await enterprise(h).get("/v1/notes", params={"limit": limit})
    assert h.problem(answer)["errors"][0]["path"] == "query.limit"


# --- the same request again ---------------------------------------------------------------------------------------


async def test_the_same_request_takes_effect_once_and_gets_the_same_answer(h: Service) -> None:
    client = enterprise(h)
    headers = {"Idempotency-Key": "k-1"}
    first = await client.post("/v1/notes", json={"text": "a"}, headers=headers)
    again = await client.post("/v1/notes", json={"text": "a"}, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len((await client.get("/v1/notes")).json()["items"]) == 1


async def test_the_same_key_with_another_body_is_refused(h: Service) -> None:
    client = enterprise(h)
    headers = {"Idempotency-Key": "k-1"}
    await client.post("/v1/notes", json={"text": "a"}, headers=headers)
    other = await client.post("/v1/notes", json={"text": "b"}, headers=headers)
    assert (other.status_code, h.problem(other)["code"]) == (422, "idempotency-key-reused")
    query = await client.post("/v1/notes?x=1", json={"text": "a"}, headers=headers)
    assert h.problem(query)["code"] == "idempotency-key-reused"


async def test_a_key_is_the_callers_own_and_lasts_a_day(h: Service) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = await enterprise(h).post("/v1/notes", json={"text": "a"}, headers=headers)
    other = await enterprise(h, "party-2").post("/v1/notes", json={"text": "b"}, headers=headers)
    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]
    h.advance(timedelta(hours=24))
    later = await enterprise(h).post("/v1/notes", json={"text": "a"}, headers=headers)
    assert "idempotency-replayed" not in later.headers


async def test_a_refused_request_gives_its_key_back(h: Service) -> None:
    client = enterprise(h)
    headers = {"Idempotency-Key": "k-1"}
    assert (await client.post("/v1/notes", json={"text": ""}, headers=headers)).status_code == 422
    assert (await client.post("/v1/notes", json={"text": "a"}, headers=headers)).status_code == 201


async def test_a_crash_between_effect_and_answer_is_healed_by_derived_ids(h: Service) -> None:
    client = enterprise(h)
    headers = {"Idempotency-Key": "k-1"}
    first = await client.post("/v1/notes", json={"text": "a"}, headers=headers)
    await h.store.collection("idempotency").delete_many({})  # as if the process had died before keeping the answer
    again = await client.post("/v1/notes", json={"text": "a"}, headers=headers)
    assert "idempotency-replayed" not in again.headers
    assert again.json() == first.json()
    assert len((await client.get("/v1/notes")).json()["items"]) == 1


@pytest.mark.parametrize("key", ["", "k" * 129, "键".encode().decode("latin-1")])
async def test_keys_out_of_form_are_refused(h: Service, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    answer = await enterprise(h).post("/v1/notes", json={"text": "a"}, headers=headers)
    assert h.problem(answer)["errors"][0]["path"] == "header.Idempotency-Key"


def _slow(begun: asyncio.Event, go_on: asyncio.Event) -> Any:
    def declare(chassis: Chassis[SampleSettings]) -> None:
        compose(chassis)
        routes = Routes()

        @routes.post("/slow", dependencies=[public()], status_code=204)
        async def slow(command: Command) -> Response:
            begun.set()
            await go_on.wait()
            return Response(status_code=204)

        @routes.post("/fails-once", dependencies=[public()])
        async def fails_once(command: Command) -> dict[str, str]:
            if not begun.is_set():
                begun.set()
                raise RuntimeError("once")
            return {"id": command.new_id("x"), "second": command.new_id("x")}

        chassis.serve(routes)

    return declare


async def test_while_a_request_runs_its_repetition_is_told_to_wait_and_a_dead_one_is_taken_over() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    async with Harness("t", SampleSettings, _slow(begun, go_on)) as h:
        headers = {"Idempotency-Key": "k-1"}
        running = asyncio.create_task(h.client().post("/slow", headers=headers))
        await begun.wait()
        meanwhile = await h.client().post("/slow", headers=headers)
        assert (meanwhile.status_code, h.problem(meanwhile)["code"]) == (409, "idempotency-key-in-use")
        assert meanwhile.headers["retry-after"] == "1"
        h.advance(timedelta(seconds=61))
        go_on.set()
        taken_over = await h.client().post("/slow", headers=headers)
        assert taken_over.status_code == 204
        assert "idempotency-replayed" not in taken_over.headers
        assert (await running).status_code == 204
        assert (await h.client().post("/slow", headers=headers)).headers["idempotency-replayed"] == "true"


async def test_a_failure_gives_the_key_back_and_ids_stay_the_same() -> None:
    async with Harness("t", SampleSettings, _slow(asyncio.Event(), asyncio.Event())) as h:
        headers = {"Idempotency-Key": "k-1"}
        assert (await h.client().post("/fails-once", headers=headers)).status_code == 500
        made = (await h.client().post("/fails-once", headers=headers)).json()
        assert made["id"] != made["second"]
        await h.store.collection("idempotency").delete_many({})
        assert (await h.client().post("/fails-once", headers=headers)).json() == made
        fresh = (await h.client().post("/fails-once")).json()
        assert fresh["id"] != made["id"]


# --- documents ----------------------------------------------------------------------------------------------------


async def test_openapi_describes_access_and_problems(h: Service) -> None:
    document = (await h.client().get("/openapi.json")).json()
    close = document["paths"]["/v1/notes/{id}/close"]["post"]
    assert close["x-allowed-roles"] == ["enterprise", "operator"]
    assert close["security"] == [{"bearer": []}]
    assert "422" not in close["responses"]
    assert "application/problem+json" in close["responses"]["4XX"]["content"]
    assert "code" in document["components"]["schemas"]["Problem"]["required"]
