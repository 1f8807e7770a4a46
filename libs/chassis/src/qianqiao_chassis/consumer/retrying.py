"""The retry loop: parked records are tried again with growing delay, the oldest of each key first."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

import structlog

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.consumer.handling import Handling
from qianqiao_chassis.consumer.parking import Failure, Head, Parking
from qianqiao_chassis.errors import StoreUnavailable

_log = structlog.get_logger("qianqiao.parking")
_CONCURRENCY: Final = 8


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """After the n-th failed try the record waits `delays[n]`; when they are used up it is stuck."""

    delays: tuple[timedelta, ...] = (
        timedelta(seconds=1),
        timedelta(seconds=5),
        timedelta(seconds=30),
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(hours=1),
        timedelta(hours=6),
    )
    lease: timedelta = timedelta(seconds=90)

    def after(self, attempts: int) -> timedelta | None:
        """The pause after so many failed tries, None when there shall be no further one."""
        return self.delays[attempts] if attempts < len(self.delays) else None


class RetryLoop:
    """Tries parked records whose time has come. `async with` runs it; `run_once` is one complete look."""

    def __init__(
        self, parking: Parking, handling: Handling, clock: Clock, *, plan: RetryPlan | None = None, every: float = 1.0
    ) -> None:
        self._parking = parking
        self._handling = handling
        self._clock = clock
        self._plan = plan or RetryPlan()
        self._every = every
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start looking."""
        self._task = asyncio.create_task(self._for_ever(), name="parked-retry")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Stop; a try that is cut off is taken up again when its lease is over."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def run_once(self) -> int:
        """Try everything whose time has come, key by key until nothing is left; return how many tries were made."""
        tries = 0
        while True:
            now = self._clock.now()
            due = [
                head
                for head in await self._parking.heads()
                if head.state == "waiting" and head.next_at <= now and (head.lease is None or head.lease <= now)
            ]
            if not due:
                return tries
            done = await asyncio.gather(*(self._try(head) for head in due))
            tries += sum(done)
            if not any(done):
                return tries

    async def _try(self, head: Head) -> bool:
        async with self._slots:
            claimed = await self._parking.claim(head, self._clock.now() + self._plan.lease)
            if claimed is None:
                return False
            record, attempts = claimed
            try:
                await self._handling.handle(record, observe=False)
            except StoreUnavailable:
                with suppress(StoreUnavailable):
                    await self._parking.release(head.id)
                return False
            except Exception as error:
                await self._failed(head, attempts, error)
                return True
            await self._parking.succeed(head.id)
            _log.info("parked record handled", id=head.id, attempts=attempts + 1)
            return True

    async def _failed(self, head: Head, attempts: int, error: Exception) -> None:
        pause = self._plan.after(attempts + 1)
        await self._parking.fail(head.id, Failure.of(error), None if pause is None else self._clock.now() + pause)
        await self._parking.supersede(head.lane)
        if pause is None:
            _log.error("parked record is stuck", id=head.id, attempts=attempts + 1, error=type(error).__name__)

    async def _for_ever(self) -> None:
        while True:
            try:
                await self.run_once()
            except StoreUnavailable as problem:
                _log.warning("parked records not looked at: the store is unreachable", detail=problem.detail)
            await asyncio.sleep(self._every)
