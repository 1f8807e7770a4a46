"""Records from Apache Kafka, in batches, to the dispatcher; explicit commits, at most so many a second.

FastStream is wrapped here and nowhere else. Its batch subscriber is used with manual acknowledgement, its own parsing
and validation are bypassed, because one unusual header would cost the whole batch.
"""

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER

from qianqiao_chassis import kafka_client, metrics
from qianqiao_chassis.consumer import header_names
from qianqiao_chassis.consumer.dispatcher import BatchResult, Dispatcher
from qianqiao_chassis.consumer.subscriptions import RawRecord
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.kafka import KafkaConnection

header_names.install()
kafka_client.install()

_log = structlog.get_logger("qianqiao.consumer")
_FIRST_PAUSE: Final = 0.25
_COMMIT_AGAIN: Final = 1.0


@dataclass(frozen=True, slots=True)
class ConsumerOptions:
    """How a group member behaves. Times in seconds unless they say milliseconds.

    `poll_ms`: FastStream sleeps this long after every empty look, so it bounds the latency it adds at light load;
    a look is empty only after `look_ms` without a record.
    `commit_every`: batches that follow one another sooner share a commit, since at light load a batch is one record and
    a commit costs the broker as much as a record. A process that is killed handles what it did in that time once more.
    `grace` bounds how long leaving waits for the batch in hand. `group_patience`: so long the group's coordinator may
    be unknown while the broker answers; then the consumer dies, because aiokafka was seen never to find it again.
    """

    max_records: int = 500
    poll_ms: int = 10
    look_ms: int = 250
    session_timeout_ms: int = 10_000
    heartbeat_interval_ms: int = 3_000
    max_poll_interval_ms: int = 300_000
    commit_every: float = 0.1
    grace: float = 20.0
    longest_pause: float = 10.0
    watch_every: float = 5.0
    group_patience: float = 60.0
    instance_id: str | None = None


class Consumer:
    """One member of a service's consumer group, over all topics of its subscriptions.

    `async with` joins and leaves. Leaving finishes the records at their handlers, commits, and only then goes.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        group: str,
        topics: Sequence[str],
        dispatcher: Dispatcher,
        *,
        options: ConsumerOptions | None = None,
    ) -> None:
        self._connection = connection
        self._group = group
        self._topics = tuple(topics)
        self._dispatcher = dispatcher
        self._options = options or ConsumerOptions()
        self._broker: KafkaBroker | None = None
        self._subscriber: Any = None
        self._watcher: asyncio.Task[None] | None = None
        self._batch = asyncio.Lock()
        self._in_hand: list[RawRecord] = []
        self._stopping = asyncio.Event()
        self._changing = asyncio.Event()
        self._uncommitted: dict[TopicPartition, int] = {}
        self._to_commit = asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        # aiokafka tries a commit again and again while the coordinator is away. None may still be at it when the group
        # changes: its refusal then would reset the member in the middle of joining. Partitions are given up after it.
        self._committing = asyncio.Lock()
        self._settled: dict[TopicPartition, int] = {}
        self._parked_known = False
        self._pause = _FIRST_PAUSE
        self._last_contact = 0.0
        self._group_lost: float | None = None
        self.store_away = False
        self.lag: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        """Join the group. Raises aiokafka.errors.KafkaError when no broker answers."""
        if not self._topics:
            return self
        # Its supervisor would restart a dead loop thousands of times a second and say so once an hour.
        os.environ["FASTSTREAM_SUPERVISOR_DISABLED"] = "1"
        self._broker, self._subscriber = self._build()
        try:
            await self._broker.start()
        except BaseException:
            await self._broker.stop()
            raise
        _look_longer(self._subscriber.consumer, self._options.look_ms)
        kafka_client.keep_current(self._subscriber.consumer._client)
        self._last_contact = time.monotonic()
        self._committer = asyncio.create_task(self._commit_for_ever(), name="consumer-commit")
        self._watcher = asyncio.create_task(self._watch(), name="consumer-watch")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Begin nothing more, finish and commit what is in hand, leave."""
        if self._broker is None:
            return
        self._stopping.set()
        self._dispatcher.interrupt()
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._watcher
        if self._committer is not None:
            self._committer.cancel()
            with suppress(asyncio.CancelledError):
                await self._committer
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.grace), self._batch:
                await self._commit()
        await self._broker.stop()

    async def failed(self) -> None:
        """Wait until the consumer dies of an error, and raise it. A service should end then, visibly."""
        if self._watcher is None:
            await asyncio.Event().wait()
        else:
            await asyncio.shield(self._watcher)

    @property
    def joined(self) -> bool:
        """Whether the group has given this member its share, which may be empty."""
        consumer: AIOKafkaConsumer | None = self._subscriber and self._subscriber.consumer
        return not self._topics or (consumer is not None and self._parked_known and not self._changing.is_set())

    @property
    def contact_age(self) -> timedelta:
        """How long ago the broker last answered this consumer."""
        return timedelta(seconds=time.monotonic() - self._last_contact if self._topics else 0)

    def _build(self) -> tuple[KafkaBroker, Any]:
        options = self._options
        broker = KafkaBroker(
            self._connection.servers,
            security=self._connection.security(),
            client_id=self._group,
            consumer_only=True,
            allow_auto_create_topics=False,
            ack_policy=AckPolicy.MANUAL,
            graceful_timeout=options.grace,
            apply_types=False,
            # Its loop tries again for ever when records cannot be read: somebody must be told. A batch is no news.
            logger=logging.getLogger("qianqiao.consumer.loop"),
            log_level=logging.DEBUG,
        )
        subscriber = broker.subscriber(
            *self._topics,
            group_id=self._group,
            group_instance_id=options.instance_id,
            batch=True,
            max_records=options.max_records,
            batch_timeout_ms=options.poll_ms,
            auto_offset_reset="earliest",
            session_timeout_ms=options.session_timeout_ms,
            heartbeat_interval_ms=options.heartbeat_interval_ms,
            max_poll_interval_ms=options.max_poll_interval_ms,
            parser=_whole_batch,
            decoder=_undecoded,
            listener=_Listener(self),
        )

        subscriber(self._take)
        return broker, subscriber

    async def _take(self, batch: Sequence[ConsumerRecord]) -> None:
        """Dispatch one batch and commit what is settled. FastStream swallows what a handler raises, so nothing may."""
        async with self._batch:
            if self._stopping.is_set():
                return
            self._in_hand = [_raw(record) for record in batch]
            try:
                result = await self._dispatched()
            except StoreUnavailable:
                result = _nothing_settled(self._in_hand, store_away=True)
            except Exception as error:
                _log.critical("a batch could not be dispatched", exc_info=error)
                result = _nothing_settled(self._in_hand, store_away=False)
            self.store_away = result.store_away
            self._note(result)
            self._rewind(result)
            self._to_commit.set()
        if result.store_away or result.blocked:
            await self._wait(store_away=result.store_away)
        else:
            self._pause = _FIRST_PAUSE

    async def _dispatched(self) -> BatchResult:
        if not self._parked_known:
            await self._dispatcher.parking.heads()
            self._parked_known = True
        return await self._dispatcher.dispatch(list(self._in_hand), self._more, self._front_settled)

    def _front_settled(self, result: BatchResult) -> None:
        """Commit what is done of a batch that is still open."""
        done = result.commit
        self._in_hand = [it for it in self._in_hand if it.offset >= done.get((it.topic, it.partition), 0)]
        self._note(result)
        self._to_commit.set()

    async def _more(self) -> Sequence[RawRecord]:
        """What arrives while the handlers of a batch wait."""
        consumer: AIOKafkaConsumer = self._subscriber.consumer
        found = await consumer.getmany(timeout_ms=self._options.look_ms, max_records=self._options.max_records)
        records = [_raw(record) for some in found.values() for record in some]
        self._in_hand += records
        return records

    def _note(self, result: BatchResult) -> None:
        for (topic, partition), offset in result.commit.items():
            self._uncommitted[TopicPartition(topic, partition)] = offset
        self._settled.update(self._uncommitted)

    async def _commit_for_ever(self) -> None:
        while True:
            await self._to_commit.wait()
            self._to_commit.clear()
            if await self._commit():
                await asyncio.sleep(self._options.commit_every)
            else:
                self._to_commit.set()
                await asyncio.sleep(_COMMIT_AGAIN)

    async def _commit(self) -> bool:
        """Commit what is settled; False when that failed."""
        async with self._committing:
            consumer: AIOKafkaConsumer = self._subscriber.consumer
            mine = consumer.assignment()
            offsets = {partition: offset for partition, offset in self._uncommitted.items() if partition in mine}
            if not offsets:
                return True
            try:
                await consumer.commit(offsets)
            except Exception as error:
                # The partitions went to another member, who handles the records again, or the broker is away and the
                # next commit covers this one. Effects are stored in either case.
                metrics.COMMIT_FAILURES.add(1, {"error": type(error).__name__})
                _log.warning("offsets not committed", error=type(error).__name__, partitions=len(offsets))
                return False
            for partition, offset in offsets.items():
                if self._uncommitted.get(partition) == offset:  # a batch may have moved it meanwhile
                    del self._uncommitted[partition]
            return True

    def _rewind(self, result: BatchResult) -> None:
        consumer: AIOKafkaConsumer = self._subscriber.consumer
        mine = consumer.assignment()
        for (topic, partition), offset in result.again.items():
            if TopicPartition(topic, partition) in mine:
                consumer.seek(TopicPartition(topic, partition), offset)

    async def _wait(self, *, store_away: bool) -> None:
        metrics.OUTAGES.add(1)
        _log.warning("records left for another try", store_away=store_away, seconds=self._pause)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._stopping.wait()
        self._pause = min(self._pause * 2, self._options.longest_pause)

    async def partitions_revoked(self) -> None:
        """Finish the records at their handlers and commit before the partitions go to another member."""
        self._changing.set()
        self._dispatcher.interrupt()
        async with self._batch:
            await self._commit()
        self._uncommitted.clear()
        self._settled.clear()
        self.lag.clear()
        self._parked_known = False
        self._dispatcher.handling.gaps.forget()

    async def partitions_assigned(self) -> None:
        """Learn what is parked before the first record of the new partitions is handled."""
        with suppress(StoreUnavailable):
            await self._dispatcher.parking.heads()
            self._parked_known = True
        self._last_contact = time.monotonic()
        self._changing.clear()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._options.watch_every)
            for task in (*self._subscriber.tasks, self._committer):
                if task.done() and not self._stopping.is_set():
                    await task
                    raise RuntimeError("the consumer's loop ended by itself")
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(self._options.watch_every):
                    await self._measure()
            self._look_for_the_group()

    def _look_for_the_group(self) -> None:
        """Raise RuntimeError when the coordinator stays unknown although the broker answers."""
        coordinator = self._subscriber.consumer._coordinator
        if getattr(coordinator, "coordinator_id", None) is not None:
            self._group_lost = None
            return
        now = time.monotonic()
        if self._group_lost is None or self.contact_age > timedelta(seconds=2 * self._options.watch_every):
            self._group_lost = now  # while the broker is away nothing else can be expected
        if now - self._group_lost > self._options.group_patience:
            raise RuntimeError("the group's coordinator was not found again")

    async def _measure(self) -> None:
        consumer: AIOKafkaConsumer = self._subscriber.consumer
        mine = consumer.assignment()
        ends = await consumer.end_offsets(list(mine)) if mine else {}
        if not mine and not await consumer._client.force_metadata_update():
            return  # a member without a share asks something, too: else an outage looks like an answer
        self._last_contact = time.monotonic()
        for partition, end in ends.items():
            position = self._settled.get(partition)
            if position is None:
                position = await consumer.committed(partition) or 0
                self._settled.setdefault(partition, position)
            self.lag[partition] = max(end - position, 0)
            metrics.LAG.set(self.lag[partition], {"topic": partition.topic, "partition": partition.partition})


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._consumer.partitions_revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._consumer.partitions_assigned()
        _log.info("partitions assigned", count=len(assigned))


def _look_longer(consumer: AIOKafkaConsumer, timeout_ms: int) -> None:
    """Wait for records where they arrive. FastStream's one setting is both its wait and its sleep after a vain wait."""
    look = consumer.getmany

    async def getmany(*, timeout_ms: int = 0, max_records: int | None = None, longest: int = timeout_ms) -> Any:
        return await look(timeout_ms=max(timeout_ms, longest), max_records=max_records)

    consumer.getmany = getmany


async def _whole_batch(batch: tuple[ConsumerRecord, ...]) -> KafkaMessage:
    # Nothing is parsed here: headers may be null or not UTF-8, and every record is decoded by its own handling.
    return KafkaMessage(raw_message=batch, body=b"", consumer=FAKE_CONSUMER)


async def _undecoded(message: KafkaMessage) -> Any:
    return message.raw_message


def _raw(record: ConsumerRecord) -> RawRecord:
    return RawRecord(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        tuple([(name, value or b"") for name, value in record.headers]),
        record.timestamp,
    )


def _nothing_settled(batch: Sequence[RawRecord], *, store_away: bool) -> BatchResult:
    result = BatchResult(store_away=store_away, blocked=not store_away)
    for record in batch:
        result.again.setdefault((record.topic, record.partition), record.offset)
    return result
