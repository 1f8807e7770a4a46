"""A record that is no event, and what waits behind it."""

import json
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from qianqiao_contracts import NeedPosted, NeedRevised, encode, make_event
from qianqiao_stack.demo import cast
from qianqiao_stack.demo.people import OPERATOR

from .town import Town

READERS = ("matching", "notify")
"""Who reads the topic, and therefore parks the record."""


class Poison:
    """A need whose first event came out broken and whose second is good, written as a faulty registry would."""

    def __init__(self, town: Town, name: str) -> None:
        self._town = town
        self.subject = f"need-{name}"
        town.tampered.add(self.subject)
        rows = cast.table("needs")["needs"]
        at = datetime.now(UTC)
        first, second = (cast.need_data(row, town.parties["laser"], at) for row in (rows[1], rows[0]))
        posted = make_event(
            NeedPosted.model_validate(first), source="/services/registry", subject=self.subject, sequence=1
        )
        revised = make_event(
            NeedRevised.model_validate(second), source="/services/registry", subject=self.subject, sequence=2
        )
        self._good, self._behind = encode(posted), encode(revised)
        broken = json.loads(self._good)
        del broken["data"]["title"]
        self._broken = json.dumps(broken, ensure_ascii=False).encode()

    async def publish(self) -> None:
        """Write the broken event and the good one behind it."""
        key = self.subject.encode()
        async with AIOKafkaProducer(bootstrap_servers=self._town.stack.kafka_bootstrap) as producer:
            for body in (self._broken, self._behind):
                await producer.send_and_wait("registry.needs", body, key=key)

    async def parked(self, service: str) -> list[dict[str, Any]]:
        """What a service has parked and not closed, oldest first."""
        page = await self._town.people.do(OPERATOR, "GET", service, "/v1/admin/parked")
        return sorted(page["items"], key=lambda item: int(item["offset"]))

    async def heal(self) -> None:
        """An operator gives every reader what the event should have been."""
        for service in READERS:
            first = (await self.parked(service))[0]
            body = {"value": self._good.decode(), "reason": "故障测试：补上名称"}
            await self._town.people.do(OPERATOR, "POST", service, f"/v1/admin/parked/{first['id']}/edit", body=body)
