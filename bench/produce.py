"""Fill the topic with events that wait to be consumed."""

import asyncio

from aiokafka import AIOKafkaProducer
from qianqiao_contracts import encode, make_event

from bench.workload import TOPIC, Plan, Timing, posted, revised, timed


async def fill(plan: Plan) -> Timing:
    """Produce ``plan.events`` valid events over ``plan.aggregates`` keys, in order per key."""
    timing = Timing("produce", plan.events)
    producer = AIOKafkaProducer(
        bootstrap_servers=plan.bootstrap, enable_idempotence=True, acks="all", linger_ms=5, max_batch_size=262_144
    )
    await producer.start()
    try:
        with timed(timing):
            for version in range(1, plan.changes + 1):
                sent = []
                for number in range(plan.aggregates):
                    key = f"{plan.prefix}-{number:06d}"
                    data = posted(number) if version == 1 else revised(number)
                    event = make_event(data, source="/services/registry", subject=key, sequence=version)
                    headers = [
                        ("ce_id", event.id.encode()),
                        ("ce_type", event.type.encode()),
                        ("ce_source", event.source.encode()),
                    ]
                    sent.append(await producer.send(TOPIC, encode(event), key=key.encode(), headers=headers))
                await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return timing
