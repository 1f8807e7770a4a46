"""One record, one handler call: decoding, cause, span, time limit. Live and parked records take the same way."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Literal

import structlog
from opentelemetry import trace
from pydantic import TypeAdapter, ValidationError
from qianqiao_contracts import TOPICS, ContractError, Event, EventData, UnknownType, decode
from qianqiao_contracts.base import known_traceparent
from qianqiao_contracts.values import Id

from qianqiao_chassis import metrics
from qianqiao_chassis.consumer.gaps import GapDetector
from qianqiao_chassis.consumer.subscriptions import RawRecord, Subscriptions
from qianqiao_chassis.context import Cause, begin, continued_span, is_kept

_log = structlog.get_logger("qianqiao.consumer")
_ID: TypeAdapter[str | None] = TypeAdapter(Id | None)

type Outcome = Literal["handled", "unknown", "ignored"]


class Unreadable(Exception):  # noqa: N818 - it says what the record is
    """The record cannot be decoded; trying again cannot help. `code` is the contract's, `text` its two sentences."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Handling:
    """Calls the handler that a record asks for."""

    def __init__(self, subscriptions: Subscriptions, *, timeout: timedelta = timedelta(seconds=30)) -> None:
        self._subscriptions = subscriptions
        self._timeout = timeout.total_seconds()
        self._compacted = {name for name, topic in TOPICS.items() if topic.compacted}
        self.gaps = GapDetector()
        self.counts: Counter[str] = Counter()

    async def handle(self, record: RawRecord, *, observe: bool = True) -> Outcome:
        """Decode and handle one record; with `observe` it takes part in the search for gaps.

        Raises Unreadable, StoreUnavailable, TimeoutError, or what the handler raises.
        """
        raw = self._subscriptions.raw.get(record.topic)
        if raw is not None:
            await self._call(raw(record), _told_cause(record), record)
            return "handled"
        if record.value is None:
            return await self._handle_tombstone(record)
        try:
            event = decode(record.value, record.header("ce_type"))
        except UnknownType:
            return "unknown"
        except ContractError as error:
            where = "".join(f"\n{each.path}: {each.zh} / {each.en}" for each in error.errors if each.path)
            raise Unreadable(error.code, f"{error.zh} / {error.en}{where}") from error
        if observe:
            self._observe(record.topic, event)
        subscription = self._subscriptions.typed.get(type(event.data))
        if subscription is None:
            return "ignored"
        cause = Cause(event.correlationid or event.id, event.id, event.traceparent)
        await self._call(subscription.handler(event), cause, record)
        return "handled"

    async def _handle_tombstone(self, record: RawRecord) -> Outcome:
        handler = self._subscriptions.tombstones.get(record.topic)
        if handler is None or record.key is None:
            return "ignored"
        await self._call(handler(record.key_text), Cause(), record)
        return "handled"

    async def _call(self, work: Coroutine[Any, Any, None], cause: Cause, record: RawRecord) -> None:
        if is_kept(cause.traceparent):
            with _span(record, cause.traceparent):
                await self._limited(begin(work, cause))
            return
        task = begin(work, cause)
        # Most handlers of a quiet batch end without waiting for anything; they need no timer.
        if task.done():
            task.result()
        else:
            await self._limited(task)

    async def _limited(self, task: asyncio.Task[None]) -> None:
        async with asyncio.timeout(self._timeout):
            await task

    def _observe(self, topic: str, event: Event[EventData]) -> None:
        arrival = self.gaps.observe(event.subject, event.sequence)
        if arrival == "duplicate":
            self.counts["duplicates"] += 1
            metrics.DUPLICATES.add(1, {"topic": topic})
        elif arrival == "gap" and topic not in self._compacted:
            # Compaction takes old events out on purpose; anywhere else a missing number is a lost event.
            self.counts["gaps"] += 1
            metrics.GAPS.add(1, {"topic": topic})
            _log.error("event sequence has a gap", topic=topic, subject=event.subject, sequence=event.sequence)


def _told_cause(record: RawRecord) -> Cause:
    """The cause that the headers name, as far as they are fit to stand in an event: anybody may have written them."""
    try:
        causationid = _ID.validate_python(record.header("ce_id"))
    except ValidationError:
        causationid = None
    return Cause(causationid=causationid, traceparent=known_traceparent(record.header("traceparent")))


def _span(record: RawRecord, traceparent: str | None) -> AbstractContextManager[object]:
    return continued_span(
        f"process {record.topic}",
        traceparent,
        kind=trace.SpanKind.CONSUMER,
        attributes={
            "messaging.system": "kafka",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.message.key": record.key_text,
            "messaging.kafka.offset": record.offset,
        },
    )
