"""The skeleton in process: it hears who takes part, and shows operators that it does."""

from collections.abc import AsyncIterator

import pytest
from challenges.main import SERVICE, compose
from challenges.settings import ChallengesSettings
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import PartyClosed, PartyKind, PartyRegistered, PartyRevised, Reason

type Service = Harness[ChallengesSettings]
URL = "/v1/known-parties"


@pytest.fixture
async def service(mongo_url: str, mongo_database: str) -> AsyncIterator[Service]:
    settings = {"mongo_database": mongo_database}
    async with Harness(SERVICE, ChallengesSettings, compose, mongo_url=mongo_url, settings=settings) as harness:
        yield harness


def registered(name: str) -> PartyRegistered:
    return PartyRegistered(name=name, kind=PartyKind.ENTERPRISE, verified=True)


async def known(service: Service) -> list[dict[str, object]]:
    reply = await service.client(roles=["operator"]).get(URL)
    assert reply.status_code == 200, reply.text
    items: list[dict[str, object]] = reply.json()["items"]
    return items


async def test_it_knows_parties_as_they_were_told_last(service: Service) -> None:
    revised = PartyRevised(name="演示新名称", kind=PartyKind.ENTERPRISE, verified=True)
    await service.deliver(revised, subject="party-1", sequence=2)
    await service.deliver(registered("演示旧名称"), subject="party-1", sequence=1)
    assert await known(service) == [{"id": "party-1", "name": "演示新名称", "kind": "enterprise", "verified": True}]
    assert await service.published() == []


async def test_a_closed_party_does_not_come_back_with_an_old_event(service: Service) -> None:
    closed = PartyClosed(reason=Reason(code="dissolved"))
    await service.deliver(closed, subject="party-1", sequence=3)
    await service.deliver(registered("演示单位"), subject="party-1", sequence=1)
    assert await known(service) == []
    assert await service.parked() == []


async def test_pages_follow_each_other(service: Service) -> None:
    for number in range(5):
        await service.deliver(registered(f"演示{number}"), subject=f"party-{number}", sequence=1)
    client = service.client(roles=["operator"])
    first = (await client.get(URL, params={"limit": 3})).json()
    second = (await client.get(URL, params={"limit": 3, "cursor": first["next"]})).json()
    ids = [item["id"] for item in first["items"] + second["items"]]
    assert ids == [f"party-{number}" for number in range(5)]
    assert second["next"] is None


async def test_only_operators_see_them(service: Service) -> None:
    assert (await service.client().get(URL)).status_code == 401
    assert (await service.client(party="party-1", roles=["enterprise"]).get(URL)).status_code == 403


async def test_it_is_alive(service: Service) -> None:
    assert (await service.client().get("/health/live")).status_code == 200
