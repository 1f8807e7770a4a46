"""The whole service in process: events in, requests in, events out."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any, cast

import httpx
import pytest
from agreements import tables
from agreements.main import SERVICE, compose
from agreements.settings import AgreementsSettings
from agreements.usecases import Agreements, agreement_id_for_match
from qianqiao_chassis.store.projection import Projection
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import (
    EventData,
    MatchAccepted,
    MatchKind,
    MatchWithdrawn,
    PartyKind,
    PartyRegistered,
    PartyRevised,
    Reason,
    make_event,
)

BUYER, SELLER, STRANGER = "party-buyer", "party-seller", "party-stranger"
ACCEPTED = MatchAccepted(need="need-1", result="result-1", party_a=BUYER, party_b=SELLER, need_title="演示需求")
ID = agreement_id_for_match("match-1")
PATH = f"/v1/agreements/{ID}"
type Service = Harness[AgreementsSettings]


@pytest.fixture
async def service(mongo_url: str, mongo_database: str) -> AsyncIterator[Service]:
    settings = {"mongo_database": mongo_database}
    async with Harness(SERVICE, AgreementsSettings, compose, mongo_url=mongo_url, settings=settings) as harness:
        yield harness


@pytest.fixture
async def drafted(service: Service) -> Service:
    await introduce(service)
    await service.deliver(ACCEPTED, subject="match-1", sequence=3, source="/services/matching")
    await service.published()
    return service


async def introduce(service: Service) -> None:
    for party, name, kind in (
        (BUYER, "演示仪器公司", PartyKind.ENTERPRISE),
        (SELLER, "演示大学", PartyKind.UNIVERSITY),
    ):
        await service.deliver(PartyRegistered(name=name, kind=kind), subject=party, sequence=1)


def buyer(service: Service, person: str = "user-1") -> httpx.AsyncClient:
    return service.client(party=BUYER, roles=["enterprise"], subject=person)


def seller(service: Service) -> httpx.AsyncClient:
    return service.client(party=SELLER, roles=["university"], subject="user-2")


async def read(client: httpx.AsyncClient) -> dict[str, Any]:
    reply = await client.get(PATH)
    assert reply.status_code == 200, reply.text
    view: dict[str, Any] = reply.json()
    assert reply.headers["ETag"] == f'"{view["revision"]}"'
    return view


async def types(service: Service) -> list[str]:
    return [type(event.data).__name__ for event in await service.published()]


async def sign(client: httpx.AsyncClient, digest: str) -> httpx.Response:
    return await client.post(f"{PATH}/sign", json={"digest": digest})


# ---- drafting ------------------------------------------------------------------------------------------------------


async def test_an_accepted_match_becomes_a_draft(service: Service) -> None:
    await introduce(service)
    cause = await service.deliver(ACCEPTED, subject="match-1", sequence=3, source="/services/matching")
    (event,) = await service.published()
    assert event.type == "qianqiao.AgreementDrafted.v1"
    assert (event.subject, event.sequence, event.causationid) == (ID, 1, cause.id)
    assert event.correlationid == cause.correlationid
    assert event.data.origin.id == "match-1"
    assert [(side.party, side.role) for side in event.data.parties] == [(BUYER, "client"), (SELLER, "contractor")]
    view = await read(buyer(service))
    assert view["state"] == "draft"
    assert view["kind"] == "意向"
    assert view["digest"] == event.data.digest
    assert [side["name"] for side in view["parties"]] == ["演示仪器公司", "演示大学"]
    assert [side["role_label"]["zh"] for side in view["parties"]] == ["委托方", "受托方"]
    assert "演示仪器公司" in view["text"]
    assert "演示大学" in view["text_en"]
    assert view["missing_clauses"] is None
    assert view["waiting_for"] == [BUYER, SELLER]


async def test_accepted_partners_become_a_letter_of_intent_between_equals(service: Service) -> None:
    await introduce(service)
    accepted = MatchAccepted(kind=MatchKind.PARTNER, party_a=BUYER, party_b=SELLER)
    await service.deliver(accepted, subject="match-1", sequence=3, source="/services/matching")
    (event,) = await service.published()
    assert [(side.party, side.role) for side in event.data.parties] == [(BUYER, "partner"), (SELLER, "partner")]
    view = await read(buyer(service))
    assert (view["kind"], "match-1" in view["text"]) == ("意向", True)


async def test_accepted_finance_is_drafted_nothing(service: Service) -> None:
    """A finance party has its own contracts; a letter about technical talks would be the wrong paper."""
    await introduce(service)
    about = {"request": "request-1", "offer": "offer-1", "offer_title": "（示例）研发贷"}
    accepted = MatchAccepted(kind=MatchKind.FINANCE, party_a=BUYER, party_b=SELLER, **about)
    await service.deliver(accepted, subject="match-1", sequence=3, source="/services/matching")
    assert await types(service) == []
    assert await service.parked() == []


async def test_one_match_one_agreement_however_often_it_comes(service: Service) -> None:
    await introduce(service)
    event = make_event(ACCEPTED, source="/services/matching", subject="match-1", sequence=3)
    again = make_event(ACCEPTED, source="/services/matching", subject="match-1", sequence=3)
    for delivery in (event, event, again):
        await service.deliver(delivery)
    assert await types(service) == ["AgreementDrafted"]
    assert (await buyer(service).get("/v1/agreements")).json()["items"][0]["id"] == ID


_STORY: Sequence[tuple[EventData, str, int]] = (
    (PartyRegistered(name="演示仪器公司", kind=PartyKind.ENTERPRISE), BUYER, 1),
    (PartyRegistered(name="演示大学", kind=PartyKind.UNIVERSITY), SELLER, 1),
    (ACCEPTED, "match-1", 3),
)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_the_draft_is_the_same_in_whatever_order_topics_arrive(service: Service, order: Sequence[int]) -> None:
    for index in order:
        data, subject, sequence = _STORY[index]
        for _ in range(2):
            await service.deliver(data, subject=subject, sequence=sequence)
    view = await read(buyer(service))
    assert "甲方）：演示仪器公司" in view["text"]
    assert "乙方）：演示大学" in view["text"]
    assert "party-" not in view["text"] + view["text_en"]
    published = await service.published()
    assert [event.sequence for event in published] == list(range(1, len(published) + 1))
    assert published[-1].data.digest == view["digest"]
    assert await service.parked() == []


async def test_a_name_that_arrives_between_our_look_and_our_write_is_not_missed(service: Service) -> None:
    wiring = service.chassis.wiring
    (repository,), (projection,) = wiring.repositories, wiring.projections

    class Interrupted:
        """Lets the name arrive right after the first look, as another process might."""

        def __init__(self) -> None:
            self.looks = 0

        async def get_many(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
            found = await projection.get_many(ids)
            self.looks += 1
            if self.looks == 1:
                await introduce(service)
            return found

    parties = cast("Projection", Interrupted())
    await Agreements(repository, parties, tables.load(), service.clock).draft_from_match("match-1", ACCEPTED)
    assert "甲方）：演示仪器公司" in (await read(buyer(service)))["text"]


async def test_a_name_learnt_late_leaves_a_touched_text_alone(service: Service) -> None:
    await service.deliver(ACCEPTED, subject="match-1", sequence=3)
    view = await read(buyer(service))
    assert BUYER in view["text"]
    assert (await sign(buyer(service), view["digest"])).status_code == 200
    await introduce(service)
    assert (await read(buyer(service)))["digest"] == view["digest"]


async def test_a_renamed_party_is_shown_by_its_new_name_and_the_text_stays(drafted: Service) -> None:
    before = await read(buyer(drafted))
    await drafted.deliver(PartyRevised(name="演示新名称", kind=PartyKind.ENTERPRISE), subject=BUYER, sequence=2)
    after = await read(buyer(drafted))
    assert after["parties"][0]["name"] == "演示新名称"
    assert (after["text"], after["digest"]) == (before["text"], before["digest"])


async def test_a_withdrawn_match_drops_no_draft(drafted: Service) -> None:
    gone = MatchWithdrawn(party_a=BUYER, party_b=SELLER, reason=Reason(code="other", text="演示"))
    await drafted.deliver(gone, subject="match-1", sequence=4)
    assert (await read(buyer(drafted)))["state"] == "draft"
    assert await types(drafted) == []


async def test_a_policy_is_not_agreed_on(service: Service) -> None:
    policy = ACCEPTED.model_copy(update={"kind": MatchKind.POLICY})
    await service.deliver(policy, subject="match-1", sequence=3)
    assert await types(service) == []
    assert (await buyer(service).get(PATH)).status_code == 404


# ---- signing -------------------------------------------------------------------------------------------------------


async def test_signed_when_both_did(drafted: Service) -> None:
    digest = (await read(buyer(drafted)))["digest"]
    reply = await sign(buyer(drafted), digest)
    assert reply.json()["state"] == "partly_signed"
    assert reply.json()["waiting_for"] == [SELLER]
    assert await types(drafted) == []
    reply = await sign(seller(drafted), digest)
    assert reply.json()["state"] == "signed"
    (event,) = await drafted.published()
    assert event.type == "qianqiao.AgreementSigned.v1"
    assert [side.signed_by for side in event.data.parties] == ["user-1", "user-2"]
    assert [entry["act"] for entry in reply.json()["log"]] == ["draft", "sign", "sign"]


async def test_both_sign_at_the_same_instant(drafted: Service) -> None:
    digest = (await read(buyer(drafted)))["digest"]
    replies = await asyncio.gather(
        *(sign(client, digest) for client in (buyer(drafted), seller(drafted)) for _ in range(3))
    )
    assert {reply.status_code for reply in replies} == {200}
    assert (await read(buyer(drafted)))["state"] == "signed"
    assert await types(drafted) == ["AgreementSigned"]


async def test_what_was_not_read_is_not_signed(drafted: Service) -> None:
    stale = (await read(seller(drafted)))["digest"]
    current = (await revise(buyer(drafted), 1, title="演示意向（改）")).json()["digest"]
    reply = await sign(seller(drafted), stale)
    assert reply.status_code == 409
    problem = reply.json()
    assert problem["code"] == "digest-mismatch"
    assert (problem["expected"], problem["given"]) == (current, stale)


async def test_a_change_voids_the_first_signature(drafted: Service) -> None:
    view = await read(buyer(drafted))
    signed = (await sign(buyer(drafted), view["digest"])).json()
    reply = await revise(seller(drafted), signed["revision"], text=view["text"] + "\n七、补充。")
    assert reply.status_code == 200
    body = reply.json()
    assert body["state"] == "draft"
    assert body["text_en"] is None
    assert [(side["party"], side["signed_by"], side["digest"]) for side in body["voided_signatures"]] == [
        (BUYER, "user-1", view["digest"])
    ]
    assert all(side["signed_by"] is None for side in body["parties"])
    assert body["log"][-1]["voided"] == [BUYER]
    (event,) = await drafted.published()
    assert event.type == "qianqiao.AgreementAmended.v1"
    assert event.data.voided == (BUYER,)


async def test_the_digest_is_that_of_the_canonical_bytes(drafted: Service) -> None:
    view = await read(buyer(drafted))
    canonical = await buyer(drafted).get(f"{PATH}/canonical")
    assert hashlib.sha256(canonical.content).hexdigest() == view["digest"]
    text = await seller(drafted).get(f"{PATH}/text")
    assert text.content == view["text"].encode()
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.headers["Agreement-Digest"] == canonical.headers["Agreement-Digest"] == view["digest"]


# ---- changing ------------------------------------------------------------------------------------------------------


async def revise(client: httpx.AsyncClient, revision: int | None, **changes: object) -> httpx.Response:
    headers = {} if revision is None else {"If-Match": f'"{revision}"'}
    return await client.patch(PATH, json=changes, headers=headers)


async def test_a_contract_with_amounts(drafted: Service) -> None:
    reply = await revise(
        buyer(drafted),
        1,
        kind="技术开发",
        text="项目名称：演示。验收标准见附件。违约责任依法承担。",
        amount={"fen": 30_000_000},
        tech_amount={"fen": 20_000_000},
        starts="2026-10-01",
        ends="2027-09-30",
    )
    body = reply.json()
    assert reply.status_code == 200, body
    missing = {clause["code"] for clause in body["missing_clauses"]["missing"]}
    assert "ownership" in missing
    assert missing.isdisjoint({"subject", "acceptance", "breach"})
    assert body["missing_clauses"]["source"]
    assert body["contract_value"] is None
    await sign(buyer(drafted), body["digest"])
    view = (await sign(seller(drafted), body["digest"])).json()
    assert view["contract_value"] == {"fen": 30_000_000}
    amended, signed = await drafted.published()
    assert amended.data.amount.fen == signed.data.amount.fen == 30_000_000
    assert signed.data.tech_amount.fen == 20_000_000


async def test_two_editors_one_wins(drafted: Service) -> None:
    assert (await revise(buyer(drafted), None, title="甲")).status_code == 428
    first, second = await asyncio.gather(revise(buyer(drafted), 1, title="甲"), revise(seller(drafted), 1, title="乙"))
    assert sorted([first.status_code, second.status_code]) == [200, 409]
    problem = next(reply.json() for reply in (first, second) if reply.status_code == 409)
    assert (problem["code"], problem["expected"], problem["actual"]) == ("version-conflict", 1, 2)


async def test_a_change_that_changes_nothing_voids_nothing(drafted: Service) -> None:
    view = await read(buyer(drafted))
    signed = (await sign(buyer(drafted), view["digest"])).json()
    reply = await revise(seller(drafted), signed["revision"], text=view["text"], amount=None)
    assert reply.json()["voided_signatures"] == []
    assert reply.json()["state"] == "partly_signed"
    assert await types(drafted) == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"amount": {"fen": -1}}, "body.amount.fen"),
        ({"amount": {"fen": 0}}, "body.amount.fen"),
        ({"amount": {"fen": 1.0}}, "body.amount.fen"),
        ({"amount": {"fen": 100.5}}, "body.amount.fen"),
        ({"amount": {"fen": "100"}}, "body.amount.fen"),
        ({"amount": {"yuan": 1}}, "body.amount.fen"),
        ({"amount": 100}, "body.amount"),
        ({"tech_amount": {"fen": 1}}, "body.tech_amount"),
        ({"amount": {"fen": 1}, "tech_amount": {"fen": 2}}, "body.tech_amount.fen"),
        ({"title": None}, "body.title"),
        ({"title": "  "}, "body.title"),
        ({"text": "字" * 100_001}, "body.text"),
        ({"text": "甲\u202e乙"}, "body.text"),
        ({"text": "甲\x00乙"}, "body.text"),
        ({"kind": "买卖"}, "body.kind"),
        ({"starts": "2026-10-02", "ends": "2026-10-01"}, "body.ends"),
        ({"colour": "red"}, "body.colour"),
    ],
)
async def test_bad_terms_are_refused_with_their_path(drafted: Service, changes: dict[str, object], path: str) -> None:
    reply = await revise(buyer(drafted), 1, **changes)
    assert reply.status_code == 422, reply.text
    errors = {error["path"]: error for error in reply.json()["errors"]}
    assert path in errors
    assert errors[path]["zh"]
    assert errors[path]["en"]
    assert (await read(buyer(drafted)))["revision"] == 1


async def test_a_lone_surrogate_is_refused(drafted: Service) -> None:
    headers = {"If-Match": '"1"', "Content-Type": "application/json"}
    reply = await buyer(drafted).patch(PATH, content=b'{"text": "\\ud800"}', headers=headers)
    assert (reply.status_code, drafted.problem(reply)["errors"][0]["path"]) == (422, "body.text")
    assert (await read(buyer(drafted)))["revision"] == 1


async def test_terminated_for_a_reason(drafted: Service) -> None:
    unknown = await buyer(drafted).post(f"{PATH}/terminate", json={"reason": {"code": "boredom"}})
    assert (unknown.status_code, unknown.json()["errors"][0]["path"]) == (422, "body.reason.code")
    silent = await buyer(drafted).post(f"{PATH}/terminate", json={"reason": {"code": "other"}})
    assert (silent.status_code, silent.json()["errors"][0]["path"]) == (422, "body.reason.text")
    reason = {"code": "other", "text": "演示原因"}
    reply = await buyer(drafted).post(f"{PATH}/terminate", json={"reason": reason})
    assert reply.json()["state"] == "terminated"
    assert reply.json()["termination"]["party"] == BUYER
    (event,) = await drafted.published()
    assert event.type == "qianqiao.AgreementTerminated.v1"
    assert (event.data.party, event.data.reason.text) == (BUYER, "演示原因")
    refused = await sign(seller(drafted), reply.json()["digest"])
    assert (refused.status_code, refused.json()["code"]) == (409, "agreement-state")


async def test_performed_when_both_say_so(drafted: Service) -> None:
    early = await buyer(drafted).post(f"{PATH}/perform")
    assert (early.status_code, early.json()["possible_in"]) == (409, ["signed"])
    digest = (await read(buyer(drafted)))["digest"]
    for client in (buyer(drafted), seller(drafted)):
        await sign(client, digest)
    await drafted.published()
    assert (await buyer(drafted).post(f"{PATH}/perform")).json()["state"] == "signed"
    assert (await seller(drafted).post(f"{PATH}/perform")).json()["state"] == "performed"
    assert await types(drafted) == ["AgreementPerformed"]


async def test_ready_then_signed(drafted: Service) -> None:
    assert (await seller(drafted).post(f"{PATH}/ready")).json()["state"] == "ready"
    assert (await seller(drafted).post(f"{PATH}/ready")).status_code == 409


# ---- who may -------------------------------------------------------------------------------------------------------

READS = ["", "/text", "/canonical"]
ACTS: list[tuple[str, str, object]] = [
    ("PATCH", "", {"title": "别的"}),
    ("POST", "/ready", None),
    ("POST", "/sign", {"digest": "0" * 64}),
    ("POST", "/perform", None),
    ("POST", "/terminate", {"reason": {"code": "mutual"}}),
]


async def act(client: httpx.AsyncClient, method: str, path: str, body: object) -> httpx.Response:
    return await client.request(method, PATH + path, json=body, headers={"If-Match": '"1"'})


@pytest.mark.parametrize(("method", "path", "body"), [*(("GET", path, None) for path in READS), *ACTS])
async def test_others_cannot_tell_that_it_exists(drafted: Service, method: str, path: str, body: object) -> None:
    stranger = drafted.client(party=STRANGER, roles=["enterprise"])
    reply = await act(stranger, method, path, body)
    missing = await stranger.request(
        method, PATH.replace(ID, "agreement-none") + path, json=body, headers={"If-Match": '"1"'}
    )
    assert reply.status_code == missing.status_code == 404
    assert reply.json()["code"] == missing.json()["code"] == "agreement-not-found"
    assert (await act(drafted.client(), method, path, body)).status_code == 401
    assert (await read(buyer(drafted)))["revision"] == 1


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
async def test_operators_read_and_do_nothing(drafted: Service, method: str, path: str, body: object) -> None:
    operator = drafted.client(roles=["operator"])
    assert (await read(operator))["id"] == ID
    assert (await act(operator, method, path, body)).status_code == 403
    of_buyer = drafted.client(party=BUYER, roles=["operator"])
    assert (await act(of_buyer, method, path, body)).status_code == 403
    both = drafted.client(party=STRANGER, roles=["operator", "enterprise"])
    assert (await act(both, method, path, body)).status_code == 404
    assert (await read(operator))["revision"] == 1


async def test_a_list_holds_the_own_ones_newest_first_in_pages(service: Service) -> None:
    for number in range(5):
        service.clock.advance(timedelta(minutes=1))
        data = ACCEPTED if number % 2 == 0 else ACCEPTED.model_copy(update={"party_a": STRANGER})
        await service.deliver(data, subject=f"match-{number}", sequence=3)
    mine = [agreement_id_for_match(f"match-{number}") for number in (4, 2, 0)]
    assert await pages(buyer(service), "/v1/agreements?limit=2") == [mine[:2], mine[2:]]
    everybody = await pages(service.client(roles=["operator"]), "/v1/agreements?limit=10")
    assert [len(found) for found in everybody] == [5]
    assert await pages(buyer(service), "/v1/agreements?state=signed") == [[]]
    assert (await buyer(service).get("/v1/agreements?state=lost")).status_code == 422
    assert "text" not in (await buyer(service).get("/v1/agreements")).json()["items"][0]


async def pages(client: httpx.AsyncClient, url: str) -> list[list[str]]:
    found: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        body = (await client.get(url + (f"&cursor={cursor}" if cursor else ""))).json()
        found.append([item["id"] for item in body["items"]])
        cursor = body["next"]
    return found
