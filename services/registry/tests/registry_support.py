"""What the tests of the registry have in common: a small world of demonstration parties."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import EventRejected, new_id, signing, uscc
from registry.settings import RegistrySettings

type Json = dict[str, Any]

PARK, OTHER_PARK = "park-demo", "park-other"
FIRM, INSTITUTE = "party-firm", "party-institute"
SOURCE = "/parks/demo"


def code(body: str) -> str:
    """A credit code whose check character fits."""
    return body + uscc.check_character(body)


FIRM_CODE = code("91370200MA3DEMO01".replace("O", "0"))

NEED: Json = {
    "title": "示例：激光干涉仪长期稳定性提升",
    "difficulty": (
        "温度变化一度时示值漂移超过 50 nm，需要在普通实验室环境中保持 10 nm 以内的漂移，并给出可重复的检定方法。"
    ),
    "sectors": [{"code": "instruments", "label": "精密仪器仪表"}],
    "modes": ["委托开发"],
}
RESULT: Json = {
    "title": "示例：低温漂激光测长模块",
    "summary": "采用对称光路与实时补偿，在普通实验室中一小时漂移低于 8 nm，已在三家单位试用。",
    "maturity": {"trl": 6, "stage": "样机"},
}


@dataclass
class World:
    """The registry with a park, a firm of it, an institute and the park's own system registered."""

    h: Harness[RegistrySettings]
    secret: str
    source_id: str

    @property
    def operator(self) -> httpx.AsyncClient:
        return self.h.client(roles=["operator"], subject="operator-1")

    @property
    def firm(self) -> httpx.AsyncClient:
        return self.h.client(party=FIRM, roles=["enterprise"])

    @property
    def institute(self) -> httpx.AsyncClient:
        return self.h.client(party=INSTITUTE, roles=["institute"])

    @property
    def stranger(self) -> httpx.AsyncClient:
        return self.h.client(party="party-stranger", roles=["enterprise"])

    @property
    def park(self) -> httpx.AsyncClient:
        return self.h.client(party=PARK, roles=["park"])

    async def types(self) -> list[str]:
        """The names of the types published since the last look."""
        return [event.type.split(".")[1] for event in await self.h.published()]

    async def post_need(self, **changes: Any) -> Json:
        return await ok(self.firm.post("/v1/needs", json={**NEED, "party": FIRM, **changes}), 201)

    async def list_result(self, **changes: Any) -> Json:
        return await ok(self.institute.post("/v1/results", json={**RESULT, "parties": [INSTITUTE], **changes}), 201)

    def event(self, kind: str, data: Mapping[str, Any], subject: str = "N-1", **envelope: Any) -> Json:
        """An outside event of the park's system."""
        return {
            "specversion": "1.0",
            "id": new_id(),
            "source": SOURCE,
            "type": f"qianqiao.{kind}.v1",
            "subject": subject,
            "time": self.h.clock.now().isoformat(),
            "sequence": 1,
            "data": dict(data),
            **envelope,
        }

    def need_posted(self, subject: str = "N-1", envelope: Mapping[str, Any] | None = None, **data: Any) -> Json:
        content = {**NEED, "party": FIRM, "channel": "intake", "last_confirmed": self.h.clock.now().isoformat(), **data}
        return self.event("NeedPosted", content, subject, **(envelope or {}))

    async def publish(self, event: Json | bytes | None, *, signature: str | None = "", key: str = "k") -> None:
        """Let the park's system publish to Kafka; an empty signature is replaced by the right one."""
        body = event if isinstance(event, bytes) or event is None else json.dumps(event, ensure_ascii=False).encode()
        signed = signing.sign(body or b"", self.secret) if signature == "" else signature
        headers = {} if signed is None else {signing.HEADER: signed.encode()}
        await self.h.deliver_raw("intake.events", body, key=key.encode(), headers=headers)

    async def send(self, event: Json | bytes, client: httpx.AsyncClient | None = None) -> httpx.Response:
        """Let the park's system send over HTTP."""
        body = event if isinstance(event, bytes) else json.dumps(event, ensure_ascii=False).encode()
        headers = {"content-type": "application/cloudevents+json"}
        return await (client or self.park).post("/v1/events", content=body, headers=headers)


async def ok(answer: Any, status: int = 200) -> Json:
    response: httpx.Response = await answer
    assert response.status_code == status, response.text
    body: Json = response.json()
    return body


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
