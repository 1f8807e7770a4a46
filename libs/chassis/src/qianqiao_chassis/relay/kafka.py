"""Publishing to Apache Kafka through an idempotent producer."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from qianqiao_chassis import kafka_client
from qianqiao_chassis.kafka import KafkaConnection
from qianqiao_chassis.relay.publisher import OutRecord

kafka_client.install()

_log = structlog.get_logger("qianqiao.relay")
_CLOSE_WITHIN: Final = 5.0


class KafkaPublisher:
    """A producer that is made on first use and made anew after it failed.

    The producer is aiokafka's own, not FastStream's: FastStream's publish costs twice as much per record and offers
    no future to wait on while further records are handed over.
    """

    def __init__(self, connection: KafkaConnection, *, client_id: str) -> None:
        self._options: dict[str, Any] = {
            **connection.client_options(),
            "client_id": client_id,
            "acks": "all",
            "enable_idempotence": True,
            "max_batch_size": 262_144,
            "request_timeout_ms": 15_000,
        }
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def send(self, record: OutRecord) -> asyncio.Future[None]:
        """Hand a record to the producer's buffer. Raises aiokafka.errors.KafkaError when that is not possible."""
        producer = self._producer or await self._start()
        try:
            future: asyncio.Future[None] = await producer.send(
                record.topic, record.value, key=record.key.encode(), headers=list(record.headers)
            )
        except Exception as error:
            self._give_up(producer, error)
            raise
        future.add_done_callback(lambda done: self._check(producer, done))
        return future

    async def close(self) -> None:
        """Flush and close; gives up after some seconds when the broker is away."""
        if self._producer is not None:
            await _stop(self._producer)
            self._producer = None
        if self._closing:
            await asyncio.wait(self._closing)

    async def _start(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(**self._options)
                try:
                    await producer.start()
                except BaseException:
                    await _stop(producer)
                    raise
                kafka_client.keep_current(producer.client)
                self._producer = producer
            return self._producer

    def _check(self, producer: AIOKafkaProducer, future: asyncio.Future[None]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self._give_up(producer, error)

    def _give_up(self, producer: AIOKafkaProducer, error: BaseException) -> None:
        """Make a new producer next time: after a lost batch this one's sequence numbers no longer fit the broker's."""
        if isinstance(error, MessageSizeTooLargeError) or self._producer is not producer:
            return
        _log.warning("producer given up", error=type(error).__name__)
        self._producer = None
        task = asyncio.get_running_loop().create_task(_stop(producer))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _stop(producer: AIOKafkaProducer) -> None:
    with suppress(Exception):
        async with asyncio.timeout(_CLOSE_WITHIN):
            await producer.stop()
