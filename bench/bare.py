"""The pattern written by hand, without any framework: the bound the chassis is measured against.

Same store layout, same Kafka settings, same contracts: one guarded write with the event embedded, a relay that finds
pending documents, publishes with an idempotent producer and clears them in bulk, a consumer that takes batches,
validates, writes one bulk of sequence-guarded projections and commits once. No parking, no retries, no traces.
"""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pymongo import AsyncMongoClient, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError
from qianqiao_contracts import decode, encode, make_event

from bench.workload import TOPIC, Plan, Timing, posted, revised, timed

BATCH = 500


async def _write(states: Any, ids: list[str], changes: int, wake: asyncio.Event) -> None:
    for version in range(1, changes + 1):
        for number, key in enumerate(ids):
            data = posted(number) if version == 1 else revised(number)
            event = make_event(data, source="/services/registry", subject=key, sequence=version)
            entry = {"s": version, "body": encode(event)}
            state = data.model_dump(mode="json")
            if version == 1:
                await states.insert_one({"_id": key, "v": 1, "outbox": [entry], **state})
            else:
                done = await states.find_one_and_update(
                    {"_id": key, "v": version - 1},
                    {"$set": {**state, "v": version}, "$push": {"outbox": entry}},
                    projection={"v": 1},
                    return_document=ReturnDocument.AFTER,
                )
                assert done is not None
            wake.set()


async def _relay(states: Any, producer: AIOKafkaProducer, wake: asyncio.Event) -> None:
    while True:
        await wake.wait()
        wake.clear()
        while pending := await states.find({"outbox.s": {"$gt": 0}}, {"outbox": 1}).limit(BATCH).to_list():
            sent = []
            for document in pending:
                key = document["_id"].encode()
                sent += [await producer.send(TOPIC, entry["body"], key=key) for entry in document["outbox"]]
            await asyncio.gather(*sent)
            await states.bulk_write(
                [
                    UpdateOne({"_id": d["_id"]}, {"$pull": {"outbox": {"s": {"$lte": d["outbox"][-1]["s"]}}}})
                    for d in pending
                ],
                ordered=False,
            )


async def _consume(consumer: AIOKafkaConsumer, projections: Any, wanted: int) -> None:
    final = 0
    while final < wanted:
        batches = await consumer.getmany(timeout_ms=500, max_records=BATCH)
        latest: dict[str, Any] = {}
        for records in batches.values():
            for record in records:
                event = decode(record.value)
                latest[event.subject] = event
                final += 1
        if latest:
            writes = [
                UpdateOne(
                    {"_id": key, "sequence": {"$lt": event.sequence}},
                    {"$set": {**event.data.model_dump(mode="json"), "sequence": event.sequence}},
                    upsert=True,
                )
                for key, event in latest.items()
            ]
            try:
                await projections.bulk_write(writes, ordered=False)
            except BulkWriteError as error:  # a duplicate key says: stored already
                if any(failure["code"] != 11000 for failure in error.details["writeErrors"]):
                    raise
            await consumer.commit()


async def _round(plan: Plan, states: Any, consumer: Any, projections: Any, wake: asyncio.Event) -> None:
    writers = (_write(states, ids, plan.changes, wake) for ids in plan.shares())
    await asyncio.gather(_consume(consumer, projections, plan.events), *writers)


async def event_path(plan: Plan) -> Timing:
    """Write, publish, project and commit ``plan.events`` events; the rate of the whole."""
    timing = Timing("bare", plan.events)
    producer = AIOKafkaProducer(bootstrap_servers=plan.bootstrap, enable_idempotence=True, acks="all")
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=plan.bootstrap,
        group_id=plan.database,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(plan.mongo_url)
    async with client:
        states, projections = client[plan.database]["states"], client[plan.database]["projections"]
        await states.create_index("outbox.s")
        await producer.start()
        await consumer.start()
        wake = asyncio.Event()
        relay = asyncio.create_task(_relay(states, producer, wake))
        try:
            await _round(plan.warm_up(), states, consumer, projections, wake)
            with timed(timing):
                await _round(plan, states, consumer, projections, wake)
            timing.notes["projections"] = await projections.count_documents({"sequence": plan.changes})
        finally:
            relay.cancel()
            await consumer.stop()
            await producer.stop()
            await client.drop_database(plan.database)
    return timing


async def consume_only(plan: Plan) -> Timing:
    """Take ``plan.events`` events that wait on the topic: getmany, validate, commit per batch, no effect."""
    timing = Timing("bare getmany + validate", plan.events)
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=plan.bootstrap,
        group_id=plan.database,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        seen = 0
        with timed(timing):
            await consumer.start()
            while seen < plan.events:
                for records in (await consumer.getmany(timeout_ms=500, max_records=BATCH)).values():
                    for record in records:
                        decode(record.value)
                    seen += len(records)
                await consumer.commit()
    finally:
        await consumer.stop()
    return timing
