"""A batch of records: keys side by side, the records of a key in order, and what may be committed afterwards.

Handlers of different keys run interleaved; a record is settled when its handler succeeded, when it needs none, or
when it is parked. When the store is away nothing is settled any more: the rest of the batch is left for another try.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from qianqiao_chassis import metrics
from qianqiao_chassis.consumer.handling import Handling, Unreadable
from qianqiao_chassis.consumer.parking import BEHIND, Failure, Parking, lane_of
from qianqiao_chassis.consumer.retrying import RetryPlan
from qianqiao_chassis.consumer.subscriptions import RawRecord
from qianqiao_chassis.errors import StoreUnavailable

_log = structlog.get_logger("qianqiao.consumer")

TRIES: Final = 3
_BRIEF: Final = 0.02

type Partition = tuple[str, int]


@dataclass(slots=True)
class BatchResult:
    """What came of a batch: per (topic, partition) the offset to commit, and the one to read again from.

    `blocked`: something other than an outage kept a record from being settled; going on would lose it.
    """

    commit: dict[Partition, int] = field(default_factory=dict)
    again: dict[Partition, int] = field(default_factory=dict)
    store_away: bool = False
    blocked: bool = False


@dataclass(slots=True)
class _Batch:
    deadline: float
    stopped: bool = False
    store_away: bool = False
    blocked: bool = False
    unresolved: list[RawRecord] = field(default_factory=list)


class Dispatcher:
    """Takes batches through the handlers. Independent of where the records come from.

    `longest` bounds a batch so that the group does not take the consumer for dead: when it is over, what is not
    begun is left for the next batch.
    """

    def __init__(
        self,
        handling: Handling,
        parking: Parking,
        *,
        plan: RetryPlan | None = None,
        longest: timedelta = timedelta(seconds=60),
    ) -> None:
        self.handling = handling
        self.parking = parking
        self._plan = plan or RetryPlan()
        self._longest = longest.total_seconds()
        self._batch: _Batch | None = None
        self.counts: Counter[str] = Counter()

    async def dispatch(self, records: Sequence[RawRecord]) -> BatchResult:
        """Settle what can be settled of the records, which are in order per partition. Raises nothing of theirs."""
        loop = asyncio.get_running_loop()
        batch = self._batch = _Batch(deadline=loop.time() + self._longest)
        lanes: dict[str, list[RawRecord]] = {}
        for record in records:
            lanes.setdefault(lane_of(record), []).append(record)
        running = []
        for lane, queue in lanes.items():
            # Begun at once: a handler that need not wait costs no turn of the event loop.
            task = asyncio.Task(self._run_lane(lane, queue, batch), loop=loop, eager_start=True)
            if not task.done():
                running.append(task)
            else:
                task.result()
        if running:
            await asyncio.gather(*running)
        self._report()
        return _result(records, batch)

    def interrupt(self) -> None:
        """Begin no further record of the batch in hand; records already at their handlers are finished."""
        if self._batch is not None:
            self._batch.stopped = True

    async def _run_lane(self, lane: str, queue: Sequence[RawRecord], batch: _Batch) -> None:
        for record in queue:
            if batch.stopped or asyncio.get_running_loop().time() > batch.deadline:
                batch.unresolved.append(record)
                return
            try:
                await self._settle(lane, record)
            except StoreUnavailable:
                batch.stopped = batch.store_away = True
                batch.unresolved.append(record)
                return
            except Exception as error:
                # It could not even be parked. Better to stand still, visibly, than to commit past it.
                _log.critical("record neither handled nor parked", **_place(record), exc_info=error)
                batch.stopped = batch.blocked = True
                batch.unresolved.append(record)
                return

    async def _settle(self, lane: str, record: RawRecord) -> None:
        if self.parking.blocks(lane):
            await self.parking.park(record, BEHIND)
            return
        for attempt in range(1, TRIES + 1):
            try:
                self.counts[await self.handling.handle(record, observe=attempt == 1)] += 1
            except StoreUnavailable:
                raise
            except Unreadable as error:
                await self.parking.park(record, Failure.of(error), state="stuck")
                return
            except Exception as error:
                if attempt == TRIES:
                    self._log_failure(record, error)
                    await self.parking.park(record, Failure.of(error), delay=self._plan.delays[0])
                    return
                metrics.RETRIES.add(1, {"topic": record.topic})
                await asyncio.sleep(_BRIEF * 5 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311
            else:
                return

    def _log_failure(self, record: RawRecord, error: Exception) -> None:
        _log.error("handler failed", **_place(record), event_id=record.header("ce_id"), exc_info=error)

    def _report(self) -> None:
        counted, self.counts = self.counts, Counter()
        for name, instrument in _INSTRUMENTS.items():
            if counted[name]:
                instrument.add(counted[name])


def _place(record: RawRecord) -> dict[str, object]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


_INSTRUMENTS: Final = {"handled": metrics.HANDLED, "unknown": metrics.UNKNOWN, "ignored": metrics.IGNORED}


def _result(records: Sequence[RawRecord], batch: _Batch) -> BatchResult:
    firsts: dict[Partition, int] = {}
    ends: dict[Partition, int] = {}
    for record in records:
        partition = (record.topic, record.partition)
        firsts.setdefault(partition, record.offset)
        ends[partition] = record.offset + 1
    result = BatchResult(store_away=batch.store_away, blocked=batch.blocked)
    for record in batch.unresolved:
        partition = (record.topic, record.partition)
        result.again[partition] = min(record.offset, result.again.get(partition, record.offset))
    for partition, end in ends.items():
        settled = result.again.get(partition, end)
        if settled > firsts[partition]:
            result.commit[partition] = settled
    return result
