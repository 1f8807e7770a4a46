"""Before a service takes work: is what it needs there? Waits a while, then says what is missing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from qianqiao_chassis.errors import StoreUnavailable, Unavailable
from qianqiao_chassis.kafka import KafkaConnection
from qianqiao_chassis.store.client import Store

PAUSE_S = 0.5
log = structlog.get_logger("qianqiao.startup")


async def wait_for_store(store: Store, wait_s: float) -> None:
    """Return once the store answers; raise StoreUnavailable after `wait_s` seconds."""

    async def look() -> Unavailable | None:
        try:
            await store.ping()
        except StoreUnavailable as problem:
            return problem
        return None

    await _until(look, wait_s)


async def wait_for_topics(topics: Sequence[str], connection: KafkaConnection, wait_s: float) -> None:
    """Return once every topic exists.

    Raises Unavailable after `wait_s` seconds: code `topics-missing` (names them) or `kafka-unreachable`. Topics are
    never made here: their partitions and retention are decided by the deployment.
    """
    if not topics:
        return

    async def look() -> Unavailable | None:
        try:
            there = await _topics(connection)
        except (KafkaError, OSError, TimeoutError) as error:
            where, why = connection.bootstrap, type(error).__name__
            return Unavailable(
                "kafka-unreachable",
                f"连接不上 Kafka（{where}）：{why}。",
                f"Kafka at {where} cannot be reached: {why}.",
            )
        missing = sorted(set(topics) - there)
        if not missing:
            return None
        names = ", ".join(missing)
        return Unavailable(
            "topics-missing",
            f"Kafka 上缺少主题：{names}。请先由部署创建（qianqiao topics）。",
            f"Topics are missing on Kafka: {names}. They are made by the deployment (qianqiao topics).",
            extra={"missing": missing},
        )

    await _until(look, wait_s)


async def _topics(connection: KafkaConnection) -> set[str]:
    admin = AIOKafkaAdminClient(**connection.client_options(), request_timeout_ms=5_000)
    try:
        await admin.start()
        return set(await admin.list_topics())
    finally:
        await admin.close()


async def _until(look: Callable[[], Awaitable[Unavailable | None]], wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    told: str | None = None
    while (problem := await look()) is not None:
        if time.monotonic() >= deadline:
            raise problem
        if problem.code != told:
            log.warning("waiting", code=problem.code, zh=problem.zh, en=problem.en)
            told = problem.code
        await asyncio.sleep(PAUSE_S)
