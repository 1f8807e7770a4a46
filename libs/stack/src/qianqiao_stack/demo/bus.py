"""Watching the bus as an outsider: every event that is published, and how long after its cause."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from qianqiao_contracts import TOPICS, Event, EventData, EventError, decode

MS = 1000
PATIENCE = 60.0
"""Seconds after which something is missed. Far more than it takes, so that a busy machine does not spoil the story."""


class MissedError(Exception):
    """Something that should have happened was not seen in time; the text says what, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} · {en}")
        self.zh, self.en = zh, en


@dataclass(frozen=True, slots=True)
class Seen[D: EventData]:
    """An event, and when it was on the bus (Kafka's record time, milliseconds since 1970)."""

    event: Event[D]
    topic: str
    published_ms: int

    @property
    def data(self) -> D:
        """What the event says."""
        return self.event.data

    def after(self, cause: datetime) -> float:
        """Milliseconds from ``cause`` until it was on the bus."""
        return max(0.0, self.published_ms - cause.timestamp() * MS)


class Bus:
    """Reads all topics of the contracts from their beginning, in no consumer group; an async context manager."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer: AIOKafkaConsumer | None = None
        self._reading: asyncio.Task[None] | None = None
        self._came = asyncio.Condition()
        self.seen: list[Seen[Any]] = []
        self.erased: set[tuple[str, str]] = set()
        """(topic, key) of every null record."""
        self.unreadable: list[ConsumerRecord] = []

    async def __aenter__(self) -> Self:
        consumer = AIOKafkaConsumer(
            *TOPICS, bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        self._consumer = consumer
        self._reading = asyncio.create_task(self._read(consumer))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._consumer is not None:
            await self._consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        async for record in consumer:
            async with self._came:
                self._keep(record)
                self._came.notify_all()

    def _keep(self, record: ConsumerRecord) -> None:
        if record.value is None:
            self.erased.add((record.topic, (record.key or b"").decode(errors="replace")))
            return
        try:
            self.seen.append(Seen(decode(record.value), record.topic, record.timestamp))
        except EventError:
            self.unreadable.append(record)

    def of[D: EventData](self, kind: type[D], where: Callable[[Seen[D]], bool] = lambda _seen: True) -> list[Seen[D]]:
        """All events of a type seen so far on its own topic, oldest first."""
        own = (one for one in self.seen if type(one.data) is kind and one.topic == kind.topic.name)
        return [one for one in own if where(one)]

    async def expect[D: EventData](
        self,
        kind: type[D],
        where: Callable[[Seen[D]], bool] = lambda _seen: True,
        *,
        count: int = 1,
        within: float = PATIENCE,
    ) -> list[Seen[D]]:
        """The first ``count`` events of a type, earlier ones included; :class:`MissedError` after ``within`` s."""
        try:
            await self.until(lambda: len(self.of(kind, where)) >= count, "", "", within=within)
        except MissedError:
            came = len(self.of(kind, where))
            raise MissedError(
                f"{within:.0f} 秒内应有 {count} 个 {kind.event_type}（{kind.zh}），只看到 {came} 个",
                f"{count} {kind.event_type} expected within {within:.0f} s, {came} seen",
            ) from None
        return self.of(kind, where)[:count]

    async def one[D: EventData](
        self, kind: type[D], where: Callable[[Seen[D]], bool] = lambda _seen: True, *, within: float = PATIENCE
    ) -> Seen[D]:
        """The first event of a type; :class:`MissedError` after ``within`` seconds."""
        return (await self.expect(kind, where, within=within))[0]

    async def until(self, happened: Callable[[], bool], zh: str, en: str, *, within: float = PATIENCE) -> None:
        """Wait until ``happened`` is true of what was seen; :class:`MissedError` after ``within`` seconds."""
        try:
            async with asyncio.timeout(within), self._came:
                await self._came.wait_for(happened)
        except TimeoutError:
            raise MissedError(zh, en) from None
