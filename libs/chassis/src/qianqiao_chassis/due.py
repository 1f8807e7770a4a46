"""Timers: aggregates whose time has come are claimed by lease and handed to a handler."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

import structlog

from qianqiao_chassis import metrics
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.context import caused_by, continued_span
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.store.repository import Repository
from qianqiao_chassis.store.timers import DueClaim

_log = structlog.get_logger("qianqiao.due")
_LONGEST_WAIT: Final = timedelta(minutes=10)


class DueLoop[A: Aggregate]:
    """Calls `handler(aggregate)` for every aggregate of `repository` whose `due_at()` has passed.

    Each is claimed for `lease` and given as it was then; the handler must change and save it: the save ends the lease,
    stores the next `due_at`, and finds out if somebody else was faster. A handler that saves nothing is called again
    when the lease is over, one that fails after a growing wait, one that dies with its process by another process after
    the lease. Two calls for one aggregate can overlap when a handler outlives its lease: the revision check of the save
    decides. A handler is cut off after `longest`, and counts as failed.
    What a write of this process leaves due at once is claimed by the write itself while there is a free place.
    The handler runs under the cause of the write that left the due time, so the story and its trace go on.
    `async with` runs it; `run_once()` is for tests.
    """

    def __init__(
        self,
        repository: Repository[A],
        handler: Callable[[A], Awaitable[None]],
        clock: Clock,
        *,
        lease: timedelta = timedelta(seconds=30),
        concurrency: int = 8,
        every: float = 1.0,
        longest: timedelta = timedelta(minutes=15),
    ) -> None:
        self._repository = repository
        self._handler = handler
        self._clock = clock
        self._lease = lease
        self._every = every
        self._longest = longest.total_seconds()
        self._context = copy_context()
        self._free = concurrency
        self._room = asyncio.Event()
        self._room.set()
        self._behind = False
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start looking: at once, every second, and whenever a write leaves something due."""
        self._wake.set()
        self._behind = True  # until the first look has shown that nothing waits
        self._repository.timers.taker = self
        self._task = asyncio.create_task(self._for_ever(), name=f"due {self._repository.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Stop claiming, finish what is in hand within the lease."""
        if self._repository.timers.taker is self:
            self._repository.timers.taker = None
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=self._lease.total_seconds())
            for task in late:
                task.cancel()

    async def run_once(self) -> int:
        """Call the handler for everything due now until nothing is; return how many calls were made."""
        calls = 0
        while claimed := await self._claim_all():
            calls += claimed
            while self._running:
                await asyncio.wait(self._running)
        return calls

    async def _for_ever(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._claim_all()
            except StoreUnavailable as problem:
                _log.warning("timers not looked at: the store is unreachable", detail=problem.detail)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._wake.wait()

    def reserve(self, due: datetime) -> datetime | None:
        """See Taker. While older work waits in the store, what is new must not overtake it for ever."""
        now = self._clock.now()
        if due > now or self._behind or not self._free:
            return None
        self._occupy(1)
        return now + self._lease

    def take(self, claim: DueClaim) -> None:
        """See Taker."""
        # Not in the context of the write: what is bound there, a request's id in the logs, is none of this work's.
        task = asyncio.create_task(self._run(claim), name=f"due {claim.id}", context=self._context.copy())
        self._running.add(task)
        task.add_done_callback(self._done)

    def release(self) -> None:
        """See Taker."""
        self._vacate(1)

    def hear(self, due: datetime) -> None:
        """See Taker."""
        if due <= self._clock.now():
            self._wake.set()

    async def _claim_all(self) -> int:
        claims = 0
        while True:
            while not self._free:  # a write may have taken the place that woke us
                await self._room.wait()
            places = self._free
            self._occupy(places)
            now, claimed = self._clock.now(), list[DueClaim]()
            try:
                claimed = await self._repository.claim_due(now, now + self._lease, limit=places)
            finally:
                self._vacate(places - len(claimed))
            self._behind = bool(claimed)
            if not claimed:
                return claims
            claims += len(claimed)
            for claim in claimed:
                self.take(claim)

    def _occupy(self, places: int) -> None:
        self._free -= places
        if not self._free:
            self._room.clear()

    def _vacate(self, places: int) -> None:
        self._free += places
        if self._free:
            self._room.set()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._vacate(1)

    async def _run(self, claim: DueClaim) -> None:
        metrics.DUE_CLAIMED.add(1)
        try:
            with caused_by(claim.cause), continued_span(f"due {self._repository.name}", claim.cause.traceparent):
                async with asyncio.timeout(self._longest):
                    await self._handler(self._repository.claimed(claim))
        except StoreUnavailable:
            # The lease ends by itself; nothing was learnt about this aggregate.
            return
        except Exception as error:
            metrics.DUE_FAILED.add(1)
            _log.error("due handler failed", aggregate=claim.id, tries=claim.tries, exc_info=error)
            with suppress(StoreUnavailable):
                await self._repository.postpone_due(claim, self._clock.now() + _wait_after(claim.tries))


def _wait_after(tries: int) -> timedelta:
    return min(timedelta(seconds=2 ** min(tries, 16)), _LONGEST_WAIT)
