"""A park's own system publishes one need (demonstration data). Needs: pip install qianqiao-contracts aiokafka."""

import asyncio
import os
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from qianqiao_contracts import NeedPosted, derived_id, encode, make_event, signing


async def main(bootstrap: str, source: str, secret: str, party: str, number: str) -> None:
    limit = {"name": "温漂", "comparator": "≤", "value": 0.02, "unit": "nm/℃"}
    title, difficulty = "（演示）微型光谱仪温漂补偿", "（演示）-20 ℃ 至 50 ℃ 温漂过大"
    need = NeedPosted(party=party, title=title, difficulty=difficulty, constraints=[limit], negotiable=True,
                      channel="intake", last_confirmed=datetime.now(UTC))  # fmt: skip
    # The id comes from the park's own number: published again after a crash, it is recognised as the same event.
    event = make_event(need, source=source, subject=number, sequence=1, id=derived_id(source, number, "1"))
    body = encode(event)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        headers = [(signing.HEADER, signing.sign(body, secret).encode())]
        await producer.send_and_wait("intake.events", body, key=number.encode(), headers=headers)


if __name__ == "__main__":
    names = ("KAFKA_BOOTSTRAP", "PARK_SOURCE", "PARK_SECRET", "PARK_PARTY", "NEED_NUMBER")
    asyncio.run(main(*(os.environ[name] for name in names)))
