"""A park's own system publishes one need (demonstration data). Needs: pip install qianqiao-contracts aiokafka."""

import asyncio
import os
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from qianqiao_contracts import Constraint, NeedPosted, derived_id, encode, kafka_headers, make_event, signing


async def main(bootstrap: str, source: str, secret: str, party: str, number: str) -> None:
    difficulty = "（演示）微型光谱仪在 -20 ℃ 至 50 ℃ 温漂过大，需要片上温度补偿与自标定方法。"
    wanted = Constraint(name="温漂", comparator="≤", value=0.02, unit="nm/℃")
    need = NeedPosted(party=party, title="（演示）微型光谱仪温漂补偿", difficulty=difficulty, constraints=(wanted,),
                      negotiable=True, channel="intake", last_confirmed=datetime.now(UTC))  # fmt: skip
    # The id comes from our own number: publishing it again after a crash is recognised as a duplicate.
    event = make_event(need, source=source, subject=number, sequence=1, id=derived_id(source, number, "1"))
    body = encode(event)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        headers = [*kafka_headers(event), (signing.HEADER, signing.sign(body, secret).encode())]
        await producer.send_and_wait("intake.events", body, key=number.encode(), headers=headers)


if __name__ == "__main__":
    settings = ("KAFKA_BOOTSTRAP", "PARK_SOURCE", "PARK_SECRET", "PARK_PARTY", "NEED_NUMBER")
    asyncio.run(main(*(os.environ[name] for name in settings)))
