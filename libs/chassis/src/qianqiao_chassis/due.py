"""Timers: aggregates whose time has come are claimed by lease and handed to a handler."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

import structlog

from qianqiao_chassis import metrics
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.context import caused_by, continued_span
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.store.repository import DueClaim, Repository

_log = structlog.get_logger("qianqiao.due")
_LONGEST_WAIT: Final = timedelta(minutes=10)


class DueLoop:
    """Calls `handler(id)` for every aggregate of `repository` whose `due_at()` has passed.

    Each is claimed for `lease`; the handler must change and save the aggregate (a save ends the lease and stores
    the next `due_at`). A handler that saves nothing is called again when the lease is over, one that fails after
    a growing wait, one that dies with its process by another process after the lease. Two calls for one aggregate can
    overlap when a handler outlives its lease: the revision check of the save decides.
    The handler runs under the cause of the write that left the due time, so the story and its trace go on.
    `async with` runs it; `run_once()` is for tests.
    """

    def __init__(
        self,
        repository: Repository[Any],
        handler: Callable[[str], Awaitable[None]],
        clock: Clock,
        *,
        lease: timedelta = timedelta(seconds=30),
        concurrency: int = 8,
        every: float = 1.0,
    ) -> None:
        self._repository = repository
        self._handler = handler
        self._clock = clock
        self._lease = lease
        self._every = every
        self._slots = asyncio.Semaphore(concurrency)
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        repository.on_due(self._on_due)

    async def __aenter__(self) -> Self:
        """Start looking: at once, every second, and whenever a write leaves something due."""
        self._wake.set()
        self._task = asyncio.create_task(self._for_ever(), name=f"due {self._repository.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Stop claiming, finish what is in hand within the lease."""
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

    async def _claim_all(self) -> int:
        claims = 0
        while True:
            await self._slots.acquire()
            try:
                now = self._clock.now()
                claim = await self._repository.claim_due(now, now + self._lease)
            except BaseException:
                self._slots.release()
                raise
            if claim is None:
                self._slots.release()
                return claims
            claims += 1
            task = asyncio.create_task(self._run(claim), name=f"due {claim.id}")
            self._running.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()

    async def _run(self, claim: DueClaim) -> None:
        metrics.DUE_CLAIMED.add(1)
        try:
            with caused_by(claim.cause), continued_span(f"due {self._repository.name}", claim.cause.traceparent):
                await self._handler(claim.id)
        except StoreUnavailable:
            # The lease ends by itself; nothing was learnt about this aggregate.
            return
        except Exception as error:
            metrics.DUE_FAILED.add(1)
            _log.error("due handler failed", aggregate=claim.id, tries=claim.tries, exc_info=error)
            with suppress(StoreUnavailable):
                await self._repository.postpone_due(claim, self._clock.now() + _wait_after(claim.tries))

    def _on_due(self, id: str, due: datetime) -> None:
        if due <= self._clock.now():
            self._wake.set()


def _wait_after(tries: int) -> timedelta:
    return min(timedelta(seconds=2 ** min(tries, 16)), _LONGEST_WAIT)
