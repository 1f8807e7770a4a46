"""Consuming alone with FastStream's own batch subscriber, validated by its own route, one commit per batch."""

import asyncio

from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from qianqiao_contracts import Event, NeedPosted

from bench.workload import TOPIC, Plan, Timing, timed


async def consume_only(plan: Plan) -> Timing:
    """Take ``plan.events`` waiting events; the handler only counts."""
    timing = Timing("FastStream batch subscriber", plan.events)
    broker = KafkaBroker(plan.bootstrap, logger=None)
    seen = 0
    done = asyncio.Event()

    @broker.subscriber(
        TOPIC,
        group_id=plan.database,
        batch=True,
        max_records=500,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.ACK,
    )
    async def take(events: list[Event[NeedPosted]]) -> None:
        nonlocal seen
        seen += len(events)
        if seen >= plan.events:
            done.set()

    with timed(timing):
        await broker.start()
        await asyncio.wait_for(done.wait(), 300)
    await broker.stop()
    return timing
