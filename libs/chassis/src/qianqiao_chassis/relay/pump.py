"""Publishing one outbox: documents side by side, the events of a document one after the other."""

import asyncio
import random
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import structlog

from qianqiao_chassis import metrics
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.relay.lane import Lane, records_of
from qianqiao_chassis.relay.publisher import Publisher
from qianqiao_chassis.store.documents import OutboxEntry
from qianqiao_chassis.store.outbox import Outbox

_log = structlog.get_logger("qianqiao.relay")

MAX_LANES: Final = 10_000
"""Aggregates held in memory while the broker is away; the rest stay in the store and are found by the sweep."""
_MEMORY: Final = 20_000
_LONGEST_PAUSE: Final = 5.0
# Requests cost the broker and the store far more than the records in them, so under load records share them. One lone
# event goes out at once; the pause after a wave grows with the wave, so light load sees next to nothing of it.
_PAUSE_PER_EVENT: Final = 0.004
_LONGEST_WAVE_PAUSE: Final = 0.05
# Nobody waits for the clearing. A process that dies in between leaves its events to be published a second time.
_CLEAR_AFTER: Final = 0.1


class Pump:
    """Publishes what it is woken for. One task hands records over, one clears in bulk what was acknowledged."""

    def __init__(self, outbox: Outbox, publisher: Publisher) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._lanes: dict[str, Lane] = {}
        self._ready: deque[Lane] = deque()
        self._acked: dict[str, list[int]] = {}
        self._clearing: dict[str, list[int]] = {}
        # The last sequence published here, per document: an old view of an outbox is not published again.
        self._done: OrderedDict[str, int] = OrderedDict()
        self._wake_send = asyncio.Event()
        self._wake_clear = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._hurry = asyncio.Event()
        self._draining = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._acks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to publish."""
        topic = self._outbox.topic
        self._tasks = [
            asyncio.create_task(self._send_for_ever(), name=f"relay-send {topic}"),
            asyncio.create_task(self._clear_for_ever(), name=f"relay-clear {topic}"),
        ]

    async def stop(self) -> None:
        """Stop at once; what is not cleared stays in the store."""
        for task in (*self._tasks, *self._acks):
            task.cancel()
        for task in (*self._tasks, *self._acks):
            with suppress(asyncio.CancelledError):
                await task

    @property
    def pending(self) -> int:
        """Events known here and not yet cleared."""
        uncleared = (*self._acked.values(), *self._clearing.values())
        return sum(len(lane) for lane in self._lanes.values()) + sum(map(len, uncleared))

    async def drained(self) -> None:
        """Return once nothing is left to publish or to clear; meanwhile nothing pauses to gather more."""
        self._draining += 1
        self._hurry.set()
        try:
            await self._idle.wait()
        finally:
            self._draining -= 1
            if not self._draining:
                self._hurry.clear()

    def wake(self, id: str, entries: Sequence[OutboxEntry]) -> int:
        """Publish what of `entries` is new; return how many that are."""
        lane = self._lanes.get(id)
        if lane is None:
            if len(self._lanes) >= MAX_LANES:
                return 0
            lane = Lane(id)
            lane.highest = self._done.get(id, 0)
        new = lane.add(entries)
        if new:
            self._idle.clear()
            self._lanes[id] = lane
            if not lane.busy:
                self._enqueue(lane)
        return new

    def known(self, id: str) -> int:
        """The last event of the document that was put in here, or published and not forgotten; 0 for none."""
        lane = self._lanes.get(id)
        return self._done.get(id, 0) if lane is None else lane.highest

    async def sweep(self, stored_before: datetime, limit: int) -> tuple[datetime | None, int]:
        """Look in the store; return when the oldest waiting event was stored, and how many were not known here."""
        waiting = await self._outbox.waiting(stored_before, limit)
        oldest = min((entry.at for pending in waiting for entry in pending.entries), default=None)
        for pending in waiting:
            # Published here before and still in the store: the clearing was lost.
            done = self._done.get(pending.id, 0)
            if again := [entry.sequence for entry in pending.entries if entry.sequence <= done]:
                self._acknowledge(pending.id, again)
        return oldest, sum(self.wake(pending.id, pending.entries) for pending in waiting)

    def _enqueue(self, lane: Lane) -> None:
        lane.busy = True
        self._ready.append(lane)
        self._wake_send.set()

    async def _send_for_ever(self) -> None:
        while True:
            await self._wake_send.wait()
            self._wake_send.clear()
            wave = 0
            while self._ready:
                await self._send_first(self._ready.popleft())
                wave += 1
            await self._gather_more(min(wave * _PAUSE_PER_EVENT, _LONGEST_WAVE_PAUSE))

    async def _gather_more(self, seconds: float) -> None:
        """Let work come together for so long, unless somebody waits for the end of it."""
        if self._hurry.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    async def _send_first(self, lane: Lane) -> None:
        entry = lane.first
        assert entry is not None, "a lane is ready only while it holds an event"
        try:
            futures = [await self._publisher.send(r) for r in records_of(self._outbox.topic, lane.id, entry)]
        except Exception as error:
            self._failed(lane, error)
            return
        if len(futures) == 1:
            futures[0].add_done_callback(lambda future: self._settled(lane, future))
            return
        both = asyncio.create_task(_all_of(futures))
        self._acks.add(both)
        both.add_done_callback(self._acks.discard)
        both.add_done_callback(lambda task: self._settled(lane, task))

    def _settled(self, lane: Lane, future: asyncio.Future[None]) -> None:
        if future.cancelled():
            self._failed(lane, ConnectionError("the send was cancelled"))
            return
        error = future.exception()
        if error is not None:
            self._failed(lane, error)
            return
        entry = lane.published()
        self._remember(lane.id, entry.sequence)
        self._acknowledge(lane.id, [entry.sequence])
        if lane.first is not None:
            self._enqueue(lane)
            return
        lane.busy = False
        del self._lanes[lane.id]

    def _failed(self, lane: Lane, error: BaseException) -> None:
        lane.failures += 1
        metrics.PUBLISH_FAILURES.add(1)
        pause = min(0.05 * 2**lane.failures, _LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311
        if lane.failures in {1, 10, 100}:
            _log.error("event not published", topic=self._outbox.topic, subject=lane.id, error=type(error).__name__)
        asyncio.get_running_loop().call_later(pause, self._enqueue, lane)

    def _remember(self, id: str, sequence: int) -> None:
        self._done[id] = sequence
        self._done.move_to_end(id)
        if len(self._done) > _MEMORY:
            self._done.popitem(last=False)

    def _acknowledge(self, id: str, sequences: Sequence[int]) -> None:
        self._idle.clear()
        self._acked.setdefault(id, []).extend(sequences)
        self._wake_clear.set()

    async def _clear_for_ever(self) -> None:
        pause = 0.05
        while True:
            await self._wake_clear.wait()
            await self._gather_more(_CLEAR_AFTER)
            self._wake_clear.clear()
            batch, self._acked = self._acked, {}
            self._clearing = batch
            try:
                await self._outbox.clear(batch)
            except StoreUnavailable:
                for id, sequences in batch.items():
                    self._acknowledge(id, sequences)
                self._clearing = {}
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            self._clearing = {}
            pause = 0.05
            metrics.CLEAR_ROUNDS.add(1)
            metrics.PUBLISHED.add(sum(map(len, batch.values())))
            if not self._acked and not self._lanes:
                self._idle.set()


async def _all_of(futures: Sequence[asyncio.Future[None]]) -> None:
    await asyncio.gather(*futures)
