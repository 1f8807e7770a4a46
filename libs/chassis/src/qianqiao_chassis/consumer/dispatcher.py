"""A batch of records: keys side by side, the records of a key in order, and what may be committed afterwards.

Handlers of different keys run interleaved; a record is settled when its handler succeeded, when it needs none, or
when it is parked. When the store is away nothing is settled any more: the rest of the batch is left for another try.
While handlers of a batch wait, records that arrive meanwhile join it, so that no event waits for the slow handler of
another; what is settled from the front on may be committed meanwhile.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from qianqiao_chassis import metrics
from qianqiao_chassis.consumer.handling import Handling, Outcome, Unreadable
from qianqiao_chassis.consumer.parking import BEHIND, Failure, Parking, lane_of
from qianqiao_chassis.consumer.retrying import RetryPlan
from qianqiao_chassis.consumer.subscriptions import RawRecord
from qianqiao_chassis.errors import StoreUnavailable

_log = structlog.get_logger("qianqiao.consumer")

TRIES: Final = 3
_BRIEF: Final = 0.02

_TELL_EVERY: Final = 0.25
"""Seconds after which an open batch tells what of it may be committed."""
_MOST: Final = 2_000
"""Records a batch holds at most that may not be committed yet."""

type Partition = tuple[str, int]
type More = Callable[[], Awaitable[Sequence[RawRecord]]]
"""Waits for further records, a short while at most. Cancelling it must lose none."""
type Tell = Callable[["BatchResult"], None]


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
    records: list[RawRecord] = field(default_factory=list)
    queues: dict[str, deque[RawRecord]] = field(default_factory=dict)
    """What waits behind the record at its handler, by lane; a lane is here while it runs."""
    running: set[asyncio.Task[None]] = field(default_factory=set)
    halt: asyncio.Event = field(default_factory=asyncio.Event)
    store_away: bool = False
    blocked: bool = False
    unresolved: list[RawRecord] = field(default_factory=list)

    @property
    def stopped(self) -> bool:
        return self.halt.is_set()

    def settle_front(self) -> BatchResult:
        """Give away what is settled from the front of each partition on; keep the rest."""
        unsettled = [*self.unresolved, *(record for queue in self.queues.values() for record in queue)]
        commit = _committable(self.records, _earliest(unsettled))
        self.records = [record for record in self.records if record.offset >= commit.get(_partition(record), 0)]
        return BatchResult(commit=commit)


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

    async def dispatch(
        self, records: Sequence[RawRecord], more: More | None = None, tell: Tell | None = None
    ) -> BatchResult:
        """Settle what can be settled of the records, which are in order per partition. Raises nothing of theirs.

        With `more`, records that arrive while handlers wait join the batch; `tell` is then given what may be committed
        before the end, and the result is about what was not told.
        """
        batch = self._batch = _Batch(deadline=asyncio.get_running_loop().time() + self._longest)
        try:
            self._begin(batch, records)
            if more is not None and batch.running:
                await self._take_in(batch, more, tell)
            while batch.running:
                await asyncio.wait(batch.running)
        finally:
            for lane in batch.running:  # only where we are cancelled ourselves
                lane.cancel()
        self._report()
        return _result(batch)

    def interrupt(self) -> None:
        """Begin no further record of the batch in hand; records already at their handlers are finished."""
        if self._batch is not None:
            self._batch.halt.set()

    async def _take_in(self, batch: _Batch, more: More, tell: Tell | None) -> None:
        loop = asyncio.get_running_loop()
        halted = asyncio.create_task(batch.halt.wait())
        told = loop.time()
        # Half of the time it may take is for what is taken in last.
        while batch.running and not batch.stopped and loop.time() < batch.deadline - self._longest / 2:
            if tell is not None and (loop.time() - told >= _TELL_EVERY or len(batch.records) >= _MOST):
                tell(batch.settle_front())
                told = loop.time()
            if len(batch.records) >= _MOST:
                break
            arriving = asyncio.ensure_future(more())
            settled = asyncio.ensure_future(asyncio.wait(batch.running))
            try:
                await asyncio.wait({arriving, settled, halted}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                settled.cancel()
                arriving.cancel()  # nothing is lost: it has records only once it is done
            await asyncio.wait({arriving})
            if arriving.cancelled():
                break
            if (error := arriving.exception()) is not None:
                # Whoever looks next gets the same error; here it must not cost the records in hand.
                _log.warning("no further records for this batch", error=type(error).__name__)
                break
            self._begin(batch, arriving.result())
        halted.cancel()

    def _begin(self, batch: _Batch, records: Sequence[RawRecord]) -> None:
        batch.records.extend(records)
        fresh: list[str] = []
        for record in records:
            lane = lane_of(record)
            queue = batch.queues.get(lane)
            if queue is None:
                batch.queues[lane] = deque((record,))
                fresh.append(lane)
            else:
                queue.append(record)
        loop = asyncio.get_running_loop()
        for lane in fresh:
            # Begun at once: a handler that need not wait costs no turn of the event loop.
            task = asyncio.Task(self._run_lane(lane, batch), loop=loop, eager_start=True)
            if task.done():
                task.result()
            else:
                batch.running.add(task)
                task.add_done_callback(batch.running.discard)

    async def _run_lane(self, lane: str, batch: _Batch) -> None:
        queue = batch.queues[lane]
        try:
            while queue:
                if batch.stopped or asyncio.get_running_loop().time() > batch.deadline:
                    break
                await self._settle(lane, queue[0])
                queue.popleft()
        except StoreUnavailable:
            batch.store_away = True
            batch.halt.set()
        except Exception as error:
            # It could not even be parked. Better to stand still, visibly, than to commit past it.
            _log.critical("record neither handled nor parked", **_place(queue[0]), exc_info=error)
            batch.blocked = True
            batch.halt.set()
        finally:
            batch.unresolved.extend(queue)
            del batch.queues[lane]

    async def _settle(self, lane: str, record: RawRecord) -> None:
        if self.parking.blocks(lane):
            await self.parking.park(record, BEHIND)
            return
        for attempt in range(1, TRIES + 1):
            try:
                self.counts[await self._handled(record, attempt)] += 1
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

    async def _handled(self, record: RawRecord, attempt: int) -> Outcome:
        try:
            return await self.handling.handle(record, observe=attempt == 1)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Nobody cancels us: something the handler waited for was cancelled. That is a failure like any other.
            raise RuntimeError("what the handler waited for was cancelled") from error

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


def _result(batch: _Batch) -> BatchResult:
    again = _earliest(batch.unresolved)
    commit = _committable(batch.records, again)
    return BatchResult(commit=commit, again=again, store_away=batch.store_away, blocked=batch.blocked)


def _partition(record: RawRecord) -> Partition:
    return record.topic, record.partition


def _earliest(records: Sequence[RawRecord]) -> dict[Partition, int]:
    found: dict[Partition, int] = {}
    for record in records:
        partition = _partition(record)
        found[partition] = min(record.offset, found.get(partition, record.offset))
    return found


def _committable(records: Sequence[RawRecord], unsettled: Mapping[Partition, int]) -> dict[Partition, int]:
    """Per partition the offset up to which everything is settled, where that is anything at all."""
    firsts: dict[Partition, int] = {}
    ends: dict[Partition, int] = {}
    for record in records:
        firsts.setdefault(_partition(record), record.offset)
        ends[_partition(record)] = record.offset + 1
    settled = {partition: unsettled.get(partition, end) for partition, end in ends.items()}
    return {partition: offset for partition, offset in settled.items() if offset > firsts[partition]}
