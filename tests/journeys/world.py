"""A running system and the people of the journeys. Every journey brings its own parties and disturbs no other."""

import asyncio
import itertools
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from pymongo import AsyncMongoClient
from qianqiao_contracts import AgreementDrafted, AgreementSigned, EventData, MatchProposed, NeedPosted, uscc
from qianqiao_stack.demo import cast
from qianqiao_stack.demo.bus import PATIENCE, Bus, Seen
from qianqiao_stack.demo.people import OPERATOR, ParkSystem, People, Who, eventually
from qianqiao_stack.stack import Stack

CHANNELS = ("email", "sms")
OFFERS = itertools.cycle(
    itertools.combinations(
        (
            "可先租后买，按月结算，不满意可退，适合先小批试用再定型的厂家。",
            "供货周期六周，含安装调试与操作培训，工程师驻场两周直至验收。",
            "已取得防爆合格证和校准证书，随货附第三方检验报告一套备查。",
            "提供源代码托管与接口文档，支持二次开发，升级三年之内免费。",
            "由高校团队与本地集成商共同交付，备件存放华东仓库当日发出。",
            "愿以专利许可方式合作，价格面谈，样机可借用两周运费自理。",
        ),
        3,
    )
)
"""What each maker says of its own offer: of near-copies only one would be proposed, and the tests share a market."""


@dataclass(frozen=True)
class Firm:
    """A party with its contact and somebody who acts for it."""

    id: str
    name: str
    uscc: str
    contact: str
    email: str
    mobile: str
    person: str
    who: Who


@dataclass(frozen=True)
class Introduction:
    """An enterprise and an institute whose need and result fit."""

    park: Firm
    system: ParkSystem
    enterprise: Firm
    institute: Firm
    row: Mapping[str, Any]
    number: str


@dataclass(frozen=True)
class World:
    stack: Stack
    bus: Bus
    people: People

    async def firm(self, kind: str, park: str | None = None) -> Firm:
        token = secrets.token_hex(4)
        code = "91000000MA" + "".join(secrets.choice(uscc.ALPHABET) for _ in range(7))
        member = cast.Member(
            key=token,
            kind=kind,
            name=f"（演示）{kind} {token}",
            uscc=code + uscc.check_character(code),
            park=None,
            sectors=(),
            person=f"（演示）联系人 {token}",
            email=f"{token}@journey.example",
            mobile=f"+999{secrets.randbelow(10**8):08}5",  # no country has 999
        )
        made = await self.people.do(OPERATOR, "POST", "registry", "/v1/parties", body=member.registration(park))
        id = str(made["id"])
        contact = await self.people.do(OPERATOR, "POST", "registry", "/v1/contacts", body=member.contact(id))
        who = Who(f"person-{token}", party=id, roles=(kind,))
        return Firm(id, member.name, member.uscc, str(contact["id"]), member.email, member.mobile, member.person, who)

    async def system(self, park: Firm) -> ParkSystem:
        uri = f"/parks/{park.id}"
        body = {"uri": uri, "park": park.id, "name": park.name}
        made = await self.people.do(OPERATOR, "POST", "registry", "/v1/sources", body=body)
        return ParkSystem(self.stack.kafka_bootstrap, uri, made["secret"])

    async def introduction(self, key: str) -> Introduction:
        """Parties, a listed result and a need still to be published, by the key of a demonstration need."""
        park = await self.firm("park")
        system = await self.system(park)
        enterprise, institute = await asyncio.gather(self.firm("enterprise", park.id), self.firm("institute"))
        row = next(one for one in cast.table("needs")["needs"] if one["key"] == key)
        result = next(one for one in cast.table("results")["results"] if one["sector"] == row["sector"])
        listed = cast.result_body(result, institute.id)
        listed["summary"] += "".join(next(OFFERS))
        await self.people.do(institute.who, "POST", "registry", "/v1/results", body=listed)
        return Introduction(park, system, enterprise, institute, row, f"N-{secrets.token_hex(4)}")

    def need(self, of: Introduction, **attributes: Any) -> dict[str, Any]:
        data = cast.need_data(dict(of.row), f"uscc:{of.enterprise.uscc}", datetime.now(UTC))
        return of.system.event("qianqiao.NeedPosted.v1", of.number, data, **attributes)

    async def posted(self, event: Mapping[str, Any]) -> Seen[NeedPosted]:
        return await self.bus.one(NeedPosted, lambda seen: seen.event.causationid == event["id"])

    async def proposed(self, of: Introduction) -> Seen[MatchProposed]:
        """The proposal between the two sides of this introduction."""
        sides = (of.enterprise.id, of.institute.id)
        return await self.bus.one(MatchProposed, lambda seen: (seen.data.party_a, seen.data.party_b) == sides)

    async def about[D: EventData](self, kind: type[D], subject: str) -> Seen[D]:
        return await self.bus.one(kind, lambda seen: seen.event.subject == subject)

    async def accept(self, of: Introduction, match: str, headers: Mapping[str, str] | None = None) -> None:
        for side in (of.enterprise, of.institute):
            path = f"/v1/matches/{match}/interest"
            await self.people.do(side.who, "POST", "matching", path, headers=headers)

    async def sign(
        self, of: Introduction, match: str, headers: Mapping[str, str] | None = None
    ) -> Seen[AgreementSigned]:
        drafted = await self.bus.one(AgreementDrafted, lambda seen: seen.data.origin.id == match)
        path = f"/v1/agreements/{drafted.event.subject}"
        for side in (of.enterprise, of.institute):
            read = await self.people.do(side.who, "GET", "agreements", path)
            body = {"digest": read["digest"]}
            await self.people.do(side.who, "POST", "agreements", f"{path}/sign", body=body, headers=headers)
        return await self.about(AgreementSigned, drafted.event.subject)

    async def deliveries(self, firm: Firm, fact: str) -> list[dict[str, Any]]:
        page = await self.people.do(firm.who, "GET", "notify", f"/v1/deliveries?party={firm.id}&fact={fact}")
        return list(page["items"])

    async def letters(self, firm: Firm, fact: str, channels: tuple[str, ...] = CHANNELS) -> dict[str, dict[str, Any]]:
        """What arrived for a party about a fact, by channel, once it is there in every channel: exactly one in each."""

        async def look() -> dict[str, dict[str, Any]] | None:
            told = await self.deliveries(firm, fact)
            mails, texts = await asyncio.gather(self.people.received("mails"), self.people.received("texts"))
            kept = {"email": ("message_id", mails), "sms": ("dlr_url", texts)}
            found = {}
            for delivery in told:
                field, arrived = kept[delivery["channel"]]
                for letter in (one for one in arrived if delivery["id"] in one[field]):
                    assert delivery["channel"] not in found, "told twice"
                    found[delivery["channel"]] = letter
            return found if set(channels) <= set(found) else None

        return await eventually(look, f"{firm.name} 没有收到 {fact}", f"{firm.name} was not told of {fact}")

    async def state(self, of: Firm, match: str) -> str:
        return str((await self.people.do(of.who, "GET", "matching", f"/v1/matches/{match}"))["state"])

    async def batch(self, park: Firm, events: list[Any]) -> httpx.Response:
        headers = {"content-type": "application/cloudevents-batch+json"}
        content = json.dumps(events, ensure_ascii=False).encode()
        return await self.people.ask(park.who, "POST", "registry", "/v1/events", content=content, headers=headers)

    async def single(self, park: Firm, content: bytes, **headers: str) -> httpx.Response:
        own = {"content-type": "application/cloudevents+json", **headers}
        return await self.people.ask(park.who, "POST", "registry", "/v1/events", content=content, headers=own)

    async def parked(self) -> list[dict[str, Any]]:
        pages = [await self.people.do(OPERATOR, "GET", name, "/v1/admin/parked") for name in self.stack.services]
        return [one for page in pages for one in page["items"]]

    async def kept_of(self, *words: str) -> list[str]:
        """Where in any database of the store one of these words stands."""
        found = []
        async with AsyncMongoClient[dict[str, Any]](self.stack.mongo_url) as client:
            for database in await client.list_database_names():
                for name in await client[database].list_collection_names():
                    async for document in client[database][name].find():
                        text = repr(document)
                        found += [f"{database}.{name} {document['_id']}" for word in words if word in text]
        return found


__all__ = ["PATIENCE", "Firm", "Introduction", "World", "eventually"]
