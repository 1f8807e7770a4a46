"""The same work through hexkit's outbox DAO and its subscriber, as its guide describes them.

hexkit publishes within the write and commits once per record; both are what its users get.
"""

import asyncio
from typing import Any

from hexkit.correlation import set_new_correlation_id
from hexkit.protocols.daosub import DaoSubscriberProtocol
from hexkit.providers.akafka import KafkaOutboxSubscriber
from hexkit.providers.mongokafka import MongoKafkaConfig, MongoKafkaDaoPublisherFactory
from pydantic import BaseModel
from pymongo import AsyncMongoClient
from pymongo.errors import DuplicateKeyError

from bench.workload import TOPIC, Plan, Timing, content, timed


class NeedDto(BaseModel):
    """The need as hexkit's resource."""

    id: str
    version: int
    party: str
    title: str
    difficulty: str
    sectors: list[dict[str, str]]
    keywords: list[str]
    negotiable: bool
    visibility: str
    channel: str
    last_confirmed: str


class _Projector(DaoSubscriberProtocol[NeedDto]):
    event_topic = TOPIC
    dto_model = NeedDto

    def __init__(self, projections: Any) -> None:
        self._projections = projections

    async def changed(self, resource_id: str, update: NeedDto) -> None:
        try:
            await self._projections.update_one(
                {"_id": resource_id, "version": {"$lt": update.version}},
                {"$set": update.model_dump(exclude={"id"})},
                upsert=True,
            )
        except DuplicateKeyError:
            return

    async def deleted(self, resource_id: str) -> None:
        await self._projections.delete_one({"_id": resource_id})


async def _write(dao: Any, ids: list[str], changes: int) -> None:
    async with set_new_correlation_id():
        for version in range(1, changes + 1):
            for number, key in enumerate(ids):
                dto = NeedDto.model_validate({"id": key, "version": version, **content(number)})
                await (dao.insert(dto) if version == 1 else dao.update(dto))


async def _round(plan: Plan, dao: Any, subscriber: Any) -> None:
    async def consume() -> None:
        for _ in range(plan.events):
            await subscriber.run(forever=False)

    await asyncio.gather(consume(), *(_write(dao, ids, plan.changes) for ids in plan.shares()))


async def event_path(plan: Plan) -> Timing:
    """Write, publish, project and commit ``plan.events`` events; the rate of the whole."""
    timing = Timing("hexkit", plan.events)
    config = MongoKafkaConfig.model_validate(
        {
            "mongo_dsn": plan.mongo_url,
            "db_name": plan.database,
            "service_name": plan.database,
            "service_instance_id": "1",
            "kafka_servers": [plan.bootstrap],
        }
    )
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(plan.mongo_url)
    async with (
        client,
        MongoKafkaDaoPublisherFactory.construct(config=config) as factory,
    ):
        projections = client[plan.database]["projections"]
        dao = await factory.get_dao(
            name="needs",
            dto_model=NeedDto,
            id_field="id",
            dto_to_event=lambda dto: dto.model_dump(mode="json"),
            event_topic=TOPIC,
        )
        try:
            async with KafkaOutboxSubscriber.construct(
                config=config, translators=[_Projector(projections)]
            ) as subscriber:
                await _round(plan.warm_up(), dao, subscriber)
                with timed(timing):
                    await _round(plan, dao, subscriber)
            timing.notes["projections"] = await projections.count_documents({"version": plan.changes})
        finally:
            await client.drop_database(plan.database)
    return timing
